"""`pokegen card`: what it writes, that it repeats, and one clear line for each mistake."""

import json
import re
from importlib.resources import files
from types import SimpleNamespace

import fake_zoo
import jsonschema
import numpy as np
import pytest
import torch
from mistakes import one_line
from PIL import Image
from pypdf import PdfReader

import pokegen
from pokegen.cli.main import main
from pokegen.models.cgan import CGANGenerator
from pokegen.schema import NO_TYPE

SCHEMA = json.loads(files("pokegen.cards").joinpath("card.schema.json").read_text(encoding="utf-8"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def card(folder, *options):
    assert main(["card", *options, "--out", str(folder)]) == 0
    return json.loads((folder / "cards.json").read_text(encoding="utf-8"))


def test_cards_are_valid_as_asked_and_repeat_their_bytes(zoo, tmp_path, capsys):
    options = ["--type", "fire", "--type2", "flying", "--count", "3", "--seed", "7"]
    records = card(tmp_path / "a", *options)
    paths = capsys.readouterr().out.split()
    assert sorted(paths) == sorted(str(path) for path in (tmp_path / "a").iterdir())
    assert len(paths) == 3 * 3 + 2
    for number, record in enumerate(records):
        jsonschema.Draft202012Validator(SCHEMA).validate(record)
        assert record["types"] == ["Fire", "Flying"]
        assert record["stats"].pop("total") == sum(record["stats"].values())
        assert record["seed"] == 7 + number
        assert np.asarray(Image.open(tmp_path / "a" / record["sprite"])).shape == (128, 128, 3)
    card(tmp_path / "b", *options)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    card(tmp_path / "c", *options[:-1], "8")
    assert contents(tmp_path / "a").keys() != contents(tmp_path / "c").keys()


def test_the_third_card_of_seed_7_is_the_card_of_seed_9(zoo, tmp_path):
    records = card(tmp_path / "three", "--count", "3", "--seed", "7")
    alone = card(tmp_path / "one", "--seed", "9")
    stem = alone[0]["sprite"].removeprefix("001").removesuffix("-sprite.png")
    assert records[2] | {"sprite": ""} == alone[0] | {"sprite": ""}
    for end in (".png", "-sprite.png"):
        assert (tmp_path / f"three/003{stem}{end}").read_bytes() == (tmp_path / f"one/001{stem}{end}").read_bytes()


def test_without_a_seed_a_random_one_is_told_and_kept(zoo, tmp_path, capsys):
    record = card(tmp_path / "a")[0]
    assert f"seed {record['seed']}\n" in capsys.readouterr().err
    again = card(tmp_path / "b", "--seed", str(record["seed"]))[0]
    assert again == record
    assert len({card(tmp_path / "c")[0]["seed"] for _ in range(3)}) > 1


def test_name_legendary_single_type_and_model(zoo, tmp_path):
    record = card(tmp_path, "--name", "Flabébé", "--type", "ICE", "--type2", "none", "--legendary", "--model", "vae")[0]
    assert (record["name"], record["types"], record["legendary"]) == ("Flabébé", ["Ice"], True)
    assert (tmp_path / "001-flabebe.json").is_file()
    assert sorted(zoo) == ["names", "reader", "stats", "vae"]
    assert card(tmp_path, "--no-legendary")[0]["legendary"] is False


def test_lines_are_cards_in_turn_and_one_picture(zoo, tmp_path, capsys):
    records = card(tmp_path, "--evolutions", "3", "--count", "2", "--seed", "4", "--type", "fire")
    assert [record["stage"] for record in records] == [1, 2, 3] * 2
    assert [record["seed"] for record in records] == [4] * 3 + [5] * 3
    assert records[1]["evolves_from"] == records[0]["name"] and records[1]["evolves_to"] == [records[2]["name"]]
    paths = capsys.readouterr().out.split()
    assert len(paths) == 6 * 3 + 3
    assert Image.open(tmp_path / "lines.png").width > 800


def test_a_sheet_pages_a_deck_and_an_export_beside_the_cards(zoo, tmp_path, capsys):
    options = ["--count", "10", "--seed", "3", "--lang", "fr", "--deck", "--sheet", "--pdf"]
    records = card(tmp_path / "pond", *options, "--export", str(tmp_path / "game"))
    paths = {tmp_path.joinpath(line) for line in capsys.readouterr().out.splitlines()}
    assert paths == {path for path in tmp_path.rglob("*") if path.is_file()}
    sheet, pages = (PdfReader(tmp_path / "pond" / name) for name in ("sheet.pdf", "cards.pdf"))
    assert (len(sheet.pages), len(pages.pages)) == (2, 10)
    assert "pond  ·  seeds 3–11" in sheet.pages[0].extract_text()
    assert "PV" in pages.pages[0].extract_text() and "HP" not in pages.pages[0].extract_text()  # French
    page = (tmp_path / "pond" / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img src="([^"]+)"', page)
    assert len(shown) == 10 and all((tmp_path / "pond" / name).is_file() for name in shown)
    assert sorted(path.name for path in (tmp_path / "game").iterdir() if path.is_dir()) == [
        *(record["sprite"].removesuffix("-sprite.png") for record in records),
        "showdown",
    ]


def test_paper_and_card_size_are_chosen(zoo, tmp_path):
    options = ["--sheet", "--page", "letter", "--card-size", "44x63", "--margin", "10", "--bleed", "1"]
    card(tmp_path, "--count", "5", "--seed", "1", *options)
    (page,) = PdfReader(tmp_path / "sheet.pdf").pages
    assert [float(side) for side in page.mediabox[2:]] == pytest.approx([612, 792], abs=0.01)


def test_a_line_is_exported_with_its_sheet(zoo, tmp_path):
    records = card(
        tmp_path / "a", "--evolutions", "2", "--count", "2", "--seed", "115643", "--export", str(tmp_path / "game")
    )
    lines = sorted((tmp_path / "game").glob("line-*.json"))
    assert len(lines) == 2
    assert len(json.loads(lines[0].read_text())["frames"]) == 4
    assert lines[0].name == f"line-001-{records[0]['name'].lower()}.json"


def test_a_gif_begins_with_the_card_and_moves(monkeypatch, tmp_path):
    torch.manual_seed(0)
    model = CGANGenerator(latent_dim=8, width=8, embedding_dim=8)
    rows = [[t, NO_TYPE, t % 10, t % 2, 1 + t % 3, 0, 3] for t in range(18)]
    model.prior.fit(torch.tensor(rows), torch.ones(18))
    own = SimpleNamespace(model=model.eval(), name="own", label="own 1")
    load = lambda name: own if name == "own" else fake_zoo.load(name)  # noqa: E731
    monkeypatch.setattr(pokegen, "zoo", SimpleNamespace(load=load), raising=False)
    for options in (["--seed", "4"], ["--seed", "4", "--evolutions", "3"]):
        records = card(tmp_path, "--model", "own", "--gif", *options)
        for record in records:
            with Image.open(tmp_path / record["sprite"].replace("-sprite.png", ".gif")) as picture:
                assert (picture.n_frames, picture.info["loop"]) == (24, 0)
                first = np.asarray(picture.convert("RGB")).astype(int)
                picture.seek(12)
                far = np.asarray(picture.convert("RGB")).astype(int)
            sprite = np.asarray(Image.open(tmp_path / record["sprite"])).astype(int)
            assert np.abs(first - sprite).mean() < 4  # but for the GIF's 256 colours
            assert np.abs(far - sprite).mean() > np.abs(first - sprite).mean()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--lang", "de"], "Unknown language 'de'. Known languages: en, fr (2)"),
        (["--sheet", "--page", "A5"], "Unknown page 'A5'. Known pages: A4, Letter (2)"),
        (["--page", "A4"], "--page is for printing. Add --sheet, or leave --page away"),
        (["--pdf", "--margin", "5"], "--margin is for printing. Add --sheet"),
        (["--bleed", "2"], "Add --sheet or --pdf, or leave --bleed away"),
        (["--sheet", "--card-size", "big"], "such as 63x88, got 'big'"),
        (["--sheet", "--card-size", "300x88"], "does not fit on the page: 200 by 287 mm"),
        (["--pdf", "--bleed", "11"], "bleed must be from 0 to 10 mm, got 11"),
        (["--sheet", "--margin", "0"], "margin must be from 4 to 50 mm, got 0"),
        (["--deck", "--pdf", "--count", "1001"], "--deck, --pdf: at most 1000 creatures, got 1001"),
        (["--export", "game", "--evolutions", "3", "--count", "400"], "at most 1000 creatures, got 1200"),
        (["--evolutions", "4"], "evolutions must be 2 or 3, got 4"),
        (["--evolutions", "3", "--legendary"], "'legendary' have 1 or 2 forms, not 3"),
        (["--tier", "mighty"], "Unknown tier 'mighty'"),
        (["--type", "Plasma"], "Unknown type 'Plasma'. Known types: Bug, Dark, "),
        (["--type", "fire", "--type2", "fire"], "must differ"),
        (["--count", "0"], "count must be from 1 to 100000, got 0"),
        (["--count", "1000000"], "got 1000000"),
        (["--seed", "-1"], "seed must be"),
        (["--name", "a/b"], "Unusable name 'a/b'"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_touched(zoo, tmp_path, capsys, options, says):
    assert main(["card", *options, "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "out").exists()
    assert zoo == []


def test_a_folder_that_cannot_be_written_is_told_before_any_work(zoo, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["card", "--out", str(tmp_path / "file" / "out")]) == 2
    err = capsys.readouterr().err
    assert "Cannot write to the folder" in err
    assert err.count("\n") == 1
    assert zoo == []
    assert (tmp_path / "file").read_text() == "mine"


def test_an_export_folder_that_cannot_be_written_names_its_option(zoo, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    line = one_line(capsys, "card", "--out", tmp_path / "out", "--export", tmp_path / "file")
    assert "it is a file. Choose another with --export" in line
    assert zoo == []


def test_a_gif_needs_a_latent_space(zoo, tmp_path, capsys):
    line = one_line(capsys, "card", "--gif", "--out", tmp_path / "out")
    assert "has no latent space" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_checkpoint_is_told(zoo, tmp_path, capsys):
    assert main(["card", "--model", "missing", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_seed_is_named_where_nothing_can_be_drawn(capsys):
    assert "has seen no sprite of style 'pixel-1'" in one_line(capsys, "card", "--style", "pixel-1")
