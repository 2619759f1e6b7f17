"""`pokegen data`: the tables, and an import from its start to its preview."""

import csv
from pathlib import Path

import numpy as np
import pytest
from mistakes import one_line
from PIL import Image

from pokegen.cli.main import main
from pokegen.data.sample import draw_creature
from pokegen.data.sprites import load_sprites
from pokegen.data.tables import load_pokedex
from pokegen.resources import shipped

CACHE = {"sprites.npy", "grid.npy", "palettes.npy", "index.csv", "rejected.csv", "meta.json"}


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def source(tmp_path):
    """A flat folder: two creatures, one of them twice, a truncated PNG, an empty one, a text."""
    folder = tmp_path / "source"
    folder.mkdir()
    bulbasaur, _, venusaur = load_pokedex()[:3]
    draw_creature(bulbasaur).save(folder / "001.png")
    draw_creature(bulbasaur).save(folder / "001-copy.png")
    draw_creature(venusaur).save(folder / "venusaur.png")
    (folder / "025.png").write_bytes((folder / "001.png").read_bytes()[:90])
    Image.new("RGBA", (40, 40)).save(folder / "026.png")
    (folder / "notes.txt").write_text("x")
    return folder


def test_pokedex_rebuilds_the_committed_tables_byte_for_byte(tmp_path, capsys):
    assert main(["data", "pokedex", "--out", str(tmp_path)]) == 0
    names = ["pokedex.csv", "abilities.csv", "moves.csv", "type_chart.csv"]
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in names]
    for name in names:
        assert (tmp_path / name).read_bytes() == shipped(f"data/{name}").read_bytes()


def test_import_check_and_preview(source, tmp_path, capsys):
    cache = tmp_path / "deep" / "cache"
    assert main(["data", "import", str(source), "--out", str(cache)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(cache)
    words = [line.split() for line in lines]
    assert ["flat", "sprites"] in words
    assert ["flat", "2"] in words
    assert ["rejected", "files"] in words
    for row in (["same", "picture", "1"], ["nothing", "is", "drawn", "1"], ["not", "a", "picture", "1"]):
        assert row in words
    assert ["unreadable", "1"] in words
    assert ["total", "4"] in words
    assert {p.name for p in cache.iterdir()} == CACHE

    assert main(["data", "check", "--root", str(cache)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == str(cache / "rejected.csv")
    for head in ("read as", "game", "style", "split", "rejected"):
        assert head in out
    assert main(["data", "check", "--root", str(cache), "--files"]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "001-copy.png: left out, same picture as 001.png",
        "001.png: 1 Bulbasaur, front",
        "025.png: left out, unreadable (image file is truncated)",
        "026.png: left out, nothing is drawn",
        "notes.txt: left out, not a picture (.txt)",
        "venusaur.png: 3 Venusaur, front",
    ]

    picture = tmp_path / "new" / "preview.png"
    preview = ["data", "preview", "--root", str(cache), "--count", "2", "--out", str(picture)]
    assert main(preview) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    with Image.open(picture) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape[0] >= 128
    assert pixels.shape[1] >= 256  # two side by side
    first, _, _ = load_sprites(cache)
    assert np.array_equal(pixels[4:132, 4:132], first[0])


def test_check_says_what_each_file_was_taken_for_without_control_characters(tmp_path, capsys):
    creature = draw_creature(load_pokedex()[0])
    for name in ("Shiny/006-mega-x.png", "female/025.png", "Back/025.png", "\x1b[31m.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        creature.save(tmp_path / "in" / name)
    assert main(["data", "import", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main(["data", "check", "--root", str(tmp_path / "out"), "--files"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "female/025.png: 25 Pikachu, front female",
        "Shiny/006-mega-x.png: 6 Charizard, front shiny mega-x",
        "\\x1b[31m.png: left out, no known species",
        "Back/025.png: left out, back sprite",
    ]
    assert main(["data", "check", "--root", str(tmp_path / "out")]) == 0
    assert "front shiny another form" in capsys.readouterr().out


def test_a_preview_is_drawn_by_its_seed(imported, tmp_path):
    def preview(name, *options):
        path = tmp_path / name
        assert main(["data", "preview", "--root", str(imported), "--count", "9", "--out", str(path), *options]) == 0
        return path.read_bytes()

    assert preview("a.png") == preview("b.png")
    assert preview("a.png") != preview("c.png", "--seed", "1")


def test_a_preview_of_fewer_sprites_than_asked_shows_them_all(source, tmp_path):
    main(["data", "import", str(source), "--out", str(tmp_path / "cache")])
    path = tmp_path / "p.png"
    assert main(["data", "preview", "--root", str(tmp_path / "cache"), "--count", "1000", "--out", str(path)]) == 0
    with Image.open(path) as sheet:
        assert sheet.width < 300  # two sprites, not the width of a thousand


def test_import_takes_the_layout_and_table_that_are_given(drawn, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    with open(shipped("data/pokedex.csv"), encoding="utf-8") as file:
        table.write_text("".join(file.readlines()[:30]), encoding="utf-8")  # species 1 to 29
    argv = ["data", "import", str(drawn), "--layout", "folders", "--table", str(table), "--out", str(tmp_path / "out")]
    assert main(argv) == 0
    assert "no known species" in capsys.readouterr().out
    _, index, _ = load_sprites(tmp_path / "out")
    assert {s.No for s in index} == {1, 18}  # of the 60 that were drawn, every 17th


def test_a_second_import_replaces_the_first(source, imported, drawn, tmp_path):
    cache = tmp_path / "cache"
    assert main(["data", "import", str(source), "--out", str(cache)]) == 0
    assert main(["data", "import", str(drawn), "--out", str(cache)]) == 0
    assert files(cache) == files(imported)


def folder_of(tmp_path, **contents):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({}, "No sprites in"),
        ({"substitute": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00"}, "No sprite of a known species"),
        ({"pikachu": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00"}, "None of the 1 pictures"),
        ({"pikachu": b""}, "None of the 1 pictures"),
    ],
)
def test_a_folder_without_sprites_is_told_and_the_old_import_stays(contents, says, imported, tmp_path, capsys):
    cache = tmp_path / "cache"
    cache.mkdir()
    for name, content in files(imported).items():
        (cache / name).write_bytes(content)
    folder = folder_of(tmp_path, **contents)
    message = one_line(capsys, "data", "import", folder, "--out", cache)
    assert says in message
    assert str(folder) in message
    assert files(cache) == files(imported)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def broken_table(tmp_path, row=None, column=None, value=None, drop=None):
    with open(shipped("data/pokedex.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:30]
    if row:
        rows[row - 2][column] = value
    columns = [c for c in rows[0] if c != drop]
    path = tmp_path / "mine.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ({"drop": "Speed"}, ["missing column 'Speed'"]),
        ({"row": 5, "column": "HP", "value": "900"}, ["row 5", "column 'HP'", "from 1 to 255", "got '900'"]),
        ({"row": 9, "column": "Type1", "value": "Plasma"}, ["row 9", "column 'Type1'", "one of Bug", "got 'Plasma'"]),
        ({"row": 3, "column": "Attack", "value": "strong"}, ["row 3", "column 'Attack'", "got 'strong'"]),
    ],
)
def test_a_broken_table_is_refused_with_row_and_column(harm, says, source, tmp_path, capsys):
    table = broken_table(tmp_path, **harm)
    message = one_line(capsys, "data", "import", source, "--table", table, "--out", tmp_path / "cache")
    for part in [str(table), *says]:
        assert part in message
    assert not (tmp_path / "cache").exists()


def test_places_that_cannot_be_written_are_told(source, imported, tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    below = tmp_path / "file" / "below"
    for argv in (
        ("data", "import", source, "--out", below),
        ("data", "import", source, "--out", tmp_path / "file"),
        ("data", "pokedex", "--out", below),
        ("data", "pokedex", "--out", tmp_path / "file"),
        ("data", "preview", "--root", imported, "--out", below),
        ("data", "preview", "--root", imported, "--out", below / "p.png"),
        ("data", "preview", "--root", imported, "--out", tmp_path),  # a folder
        ("data", "preview", "--root", imported, "--out", tmp_path / "p.nosuch"),  # no picture's suffix
    ):
        message = one_line(capsys, *argv)
        assert str(argv[-1]) in message
        assert "--out" in message
    assert (tmp_path / "file").read_text() == "precious"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["import", "nosuch"], "No folder at nosuch"),
        (["import", "nosuch", "--layout", "flat"], "No folder at nosuch"),
        (["import", ".", "--layout", "zip"], "Unknown layout 'zip'. Known layouts: auto, pokeapi, folders, flat."),
        (["import", ".", "--table", "nosuch.csv"], "No table at nosuch.csv"),
        (["check", "--root", "nosuch"], "pokegen data import PATH --out nosuch"),
        (["preview", "--root", "nosuch"], "pokegen data import PATH --out nosuch"),
        (["check", "--root", "/dev/null/cache"], "No imported sprites in /dev/null/cache"),
        (["preview", "--count", "0"], "count must be from 1 to 1000, got 0"),
        (["preview", "--count", "1001"], "count must be from 1 to 1000, got 1001"),
        (["preview", "--seed", "-1"], "seed must be"),
    ],
)
def test_other_mistakes(argv, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert says in one_line(capsys, "data", *argv)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(CACHE - {"rejected.csv"}))
def test_check_finds_damage(name, source, tmp_path, capsys):
    cache = tmp_path / "cache"
    main(["data", "import", str(source), "--out", str(cache)])
    content = (cache / name).read_bytes()
    (cache / name).write_bytes(content[:-40])  # cut
    assert "Import again" in one_line(capsys, "data", "check", "--root", cache)
    (cache / name).write_bytes(b"")
    assert "Import again" in one_line(capsys, "data", "check", "--root", cache)
    if name == "meta.json":
        (cache / name).write_text("{}")
        assert "Import again" in one_line(capsys, "data", "check", "--root", cache)
    if name == "sprites.npy":
        (cache / name).write_bytes(content[:-40] + bytes(40))
        assert "pixels have changed since the import" in one_line(capsys, "data", "check", "--root", cache)


def test_a_source_is_never_written_to(source, tmp_path):
    before = files(source)
    main(["data", "import", str(source), "--out", str(tmp_path / "cache")])
    assert files(source) == before
    assert {p.name for p in Path(tmp_path).iterdir()} == {"source", "cache"}
