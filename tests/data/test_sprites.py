import csv
import json
import os

import pytest
from PIL import Image, ImageDraw

from pokegen.data.filenames import SpeciesNames
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sprites import decode, detect_layout, import_sprites, load_sprites, read_rows, scan
from pokegen.errors import DataError


def blob(mode="RGBA", size=(60, 40), box=(10, 5, 49, 34), color=(200, 30, 30, 255)):
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse(box, fill=color)
    return image.convert(mode)


def put(root, *names, image=None):
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (image or blob(color=(200, 10 * i, 30, 255))).save(path)


@pytest.fixture(scope="module")
def names():
    return SpeciesNames(load_pokedex())


def test_layouts_are_detected(tmp_path, names):
    put(tmp_path / "a", "sprites/pokemon/versions/generation-v/black-white/25.png")
    put(tmp_path / "b", "Palkia/2.png")
    put(tmp_path / "c", "abomasnow.png")
    assert [detect_layout(tmp_path / x, names) for x in "abc"] == ["pokeapi", "folders", "flat"]
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="No sprites in"):
        detect_layout(tmp_path / "d", names)


def test_a_pokeapi_checkout_keeps_game_style_shiny_female_and_form(tmp_path):
    root = "sprites/pokemon/versions/generation-iv/platinum"
    art = "sprites/pokemon/other/official-artwork/25.png"
    back = "sprites/pokemon/back/25.png"
    put(tmp_path, f"{root}/25.png", f"{root}/shiny/female/25.png", f"{root}/6-mega-x.png", art, back)
    files, rejected, layout = scan(tmp_path)
    assert layout == "pokeapi"
    assert [(r.source, r.reason) for r in rejected] == [(back, "back sprite")]
    seen = {(f.No, f.game, f.style, f.shiny, f.female, f.form) for f in files}
    assert seen == {
        (25, "platinum", "pixel-4", False, False, ""),
        (25, "platinum", "pixel-4", True, True, ""),
        (6, "platinum", "pixel-4", False, False, "mega-x"),
        (25, "official-artwork", "artwork", False, False, ""),
    }


def test_what_cannot_be_used_is_listed_and_nothing_stops(tmp_path):
    source = tmp_path / "in"
    put(source, "025.png", "substitute.png", "026.png", "027.png", "028.png")
    (source / "026.png").write_bytes((source / "025.png").read_bytes()[:60])  # truncated
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(source / "027.png")  # empty
    (source / "028.png").write_bytes(b"")
    (source / "notes.txt").write_text("x")
    (source / "025-copy.png").write_bytes((source / "025.png").read_bytes())
    report = import_sprites(source, tmp_path / "out", workers=1)
    assert [s.No for s in report.sprites] == [25]
    with open(tmp_path / "out" / "rejected.csv") as file:
        reasons = {row["source"]: row["reason"] for row in csv.DictReader(file)}
    assert set(reasons) == {"025-copy.png", "substitute.png", "026.png", "027.png", "028.png", "notes.txt"}
    assert reasons["025-copy.png"] == "same picture as 025.png"
    assert reasons["substitute.png"] == "no known species"
    assert reasons["026.png"].startswith("unreadable")
    assert reasons["027.png"] == "nothing is drawn"
    pixels, index, meta = load_sprites(tmp_path / "out")
    assert pixels.shape == (1, 128, 128, 3)
    assert len(index) == meta["sprites"] == 1
    framed, art = decode(source / "025.png")
    assert (pixels[0] == framed).all()
    assert not index[0].reduced and not art.reduced


def test_what_is_no_regular_file_is_left_out(tmp_path):
    put(tmp_path / "in", "025.png")
    os.mkfifo(tmp_path / "in" / "026.png")  # would wait for its writer
    (tmp_path / "in" / "027.png").symlink_to("nowhere")
    report = import_sprites(tmp_path / "in", tmp_path / "out", workers=1)
    assert {r.source: r.reason for r in report.rejected} == {"026.png": "not a file", "027.png": "not a file"}


def test_links_to_files_are_followed_and_nothing_else_that_is_linked(tmp_path):
    """A folder of links to one's own pictures is imported, also from elsewhere; nothing waits, or goes in a circle."""
    put(tmp_path, "mine/photo.png", "in/more/025.png")
    links = {
        "006.png": tmp_path / "mine" / "photo.png",
        "026.png": "/dev/zero",
        "027.png": tmp_path / "pipe",
        "028.png": "028.png",
        "more/circle": tmp_path / "in",
        "mine": tmp_path / "mine",
    }
    os.mkfifo(tmp_path / "pipe")
    for name, target in links.items():
        (tmp_path / "in" / name).symlink_to(target)
    report = import_sprites(tmp_path / "in", tmp_path / "out", workers=1)
    assert [file.source for file in report.sprites] == ["006.png", "more/025.png"]
    to_folder = "link to a folder (links to files are followed)"
    assert [(left.source, left.reason) for left in report.rejected] == [
        *((name, "not a file") for name in ("026.png", "027.png", "028.png")),
        ("mine", to_folder),
        ("more/circle", to_folder),
    ]
    (tmp_path / "link").symlink_to(tmp_path / "in")  # the folder that is named may be one
    assert len(import_sprites(tmp_path / "link", tmp_path / "again", workers=1).sprites) == 2


@pytest.mark.parametrize("bytes_", [b"Flab\xe9b\xe9.png", b"Flab\x82b\x82.png"])  # Latin-1, and that of old zip files
def test_a_name_that_is_not_utf8_is_read_and_spelt_out(tmp_path, bytes_):
    put(tmp_path / "in", "025.png")
    (tmp_path / "in" / os.fsdecode(bytes_)).write_bytes((tmp_path / "in" / "025.png").read_bytes())
    out = import_sprites(tmp_path / "in", tmp_path / "out", workers=1).folder
    rows = read_rows(out / "index.csv")
    assert [r["No"] for r in rows] == ["25", "669"]
    assert rows[1]["source"].startswith("Flab\\udc")
    assert len(load_sprites(out)[1]) == 2


def test_an_import_of_nothing_leaves_the_old_one_alone(tmp_path, imported):
    source = tmp_path / "in"
    put(source, "025.png", image=Image.new("RGBA", (40, 40)))
    put(tmp_path / "good", "025.png")
    out = import_sprites(tmp_path / "good", tmp_path / "out", workers=1).folder
    before = (out / "meta.json").read_text()
    with pytest.raises(DataError, match="None of the 1 pictures"):
        import_sprites(source, out, workers=1)
    assert (out / "meta.json").read_text() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    put(tmp_path / "in", "025.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="contains something other"):
        import_sprites(tmp_path / "in", tmp_path / "out", workers=1)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"


def test_two_imports_of_one_source_are_equal(tmp_path, drawn, imported):
    again = import_sprites(drawn, tmp_path / "again", workers=2).folder
    for name in ("sprites.npy", "index.csv", "rejected.csv", "meta.json"):
        assert (again / name).read_bytes() == (imported / name).read_bytes()


def test_a_damaged_cache_is_told(tmp_path, drawn):
    out = import_sprites(drawn, tmp_path / "out", workers=1).folder
    meta = json.loads((out / "meta.json").read_text())
    (out / "meta.json").write_text(json.dumps(meta | {"sprites": 7}))
    with pytest.raises(DataError, match="damaged"):
        load_sprites(out)
    with pytest.raises(DataError, match="pokegen data import"):
        load_sprites(tmp_path / "nothing")
