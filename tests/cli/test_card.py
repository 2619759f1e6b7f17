"""`pokegen card`: what it writes, that it repeats, and one clear line for each mistake."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from mistakes import one_line
from PIL import Image

from pokegen.cli.main import main

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


@pytest.mark.parametrize(
    ("options", "says"),
    [
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


def test_a_missing_checkpoint_is_told(zoo, tmp_path, capsys):
    assert main(["card", "--model", "missing", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_seed_is_named_where_nothing_can_be_drawn(capsys):
    assert "has seen no sprite of style 'pixel-1'" in one_line(capsys, "card", "--style", "pixel-1")
