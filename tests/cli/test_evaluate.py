"""`pokegen evaluate` on drawn creatures: reports, and one line for each mistake."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from pokegen import zoo
from pokegen.cli.main import main
from pokegen.data.modules import SampleSpriteDataModule
from pokegen.errors import DataError
from pokegen.evaluation import stats
from pokegen.evaluation.samples import read_samples


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "sample"
    SampleSpriteDataModule(str(folder), species=90).prepare_data()  # whose test families have 60 pictures
    return folder


def refused(capsys, *argv: str) -> str:
    assert main(["evaluate", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def refused_after_the_table(capsys, *argv: str) -> str:
    assert main(["evaluate", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


def samples(folder, n: int, size: int = 128):
    folder.mkdir(parents=True)
    for i in range(n):
        Image.fromarray(np.full((size, size, 3), 3 * i % 256, dtype=np.uint8)).save(folder / f"{i:03d}.png")
    return folder


def test_sprites_of_a_model_are_scored_beside_floors_and_ceilings(root, tmp_path, capsys):
    options = ["--root", str(root), "--reference", "all", "--count", "60", "--seed", "3"]
    assert main(["evaluate", "sprites", "--model", "cgan", *options, "--out", str(tmp_path / "a")]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / "a" / name) for name in ("report.json", "report.html")]
    assert "kernel_distance" in err
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert list(report["rows"])[:6] == ["real", "unseen species", "glued", "blended", "blurred", "noise"]
    assert list(report["rows"])[6:] == ["cgan", "dcgan"]  # a plain DCGAN stands beside any model
    assert report["rows"]["real"]["kernel_distance"] < report["rows"]["cgan"]["kernel_distance"]
    assert 0 < report["rows"]["cgan"]["type_accuracy"] < 1
    assert report["out of order"] == "nothing"
    page = (tmp_path / "a" / "report.html").read_text()
    assert page.count("<img") == 8
    assert "MMD²" in page


def test_a_folder_of_samples_is_scored_with_the_types_of_its_cards(root, tmp_path, capsys):
    folder = samples(tmp_path / "mine", 70)
    shutil.copy(folder / "000.png", folder / "grid.png")
    cards = [
        {"sprite": f"{i:03d}.png", "types": ["Fire", "Flying"][: 1 + i % 2], "color": "Red", "legendary": False}
        for i in range(65)
    ]
    options = ["--root", str(root), "--reference", "all", "--count", "60", "--out", str(tmp_path / "out")]
    assert read_samples(folder, seed=0).conditions is None
    (folder / "cards.json").write_text(json.dumps(cards))
    assert main(["evaluate", "sprites", "--samples", str(folder), *options]) == 0
    row = json.loads((tmp_path / "out" / "report.json").read_text())["rows"]["samples"]
    assert row["pictures"] == 65
    assert row["type_accuracy"] is not None
    assert row["white_border"] < 0.1
    capsys.readouterr()


def test_transparent_pictures_stand_on_white(tmp_path):
    folder = samples(tmp_path / "clear", 59)
    Image.new("RGBA", (128, 128), (0, 0, 0, 0)).save(folder / "clear.png")
    pictures = read_samples(folder, seed=0).pictures
    assert sum((p == 255).all() for p in pictures) == 1


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ('[{"sprite": "a\\u0000.png", "types": ["Fire"]}]', "cannot be read as a picture"),
        ('[{"sprite": "../other.png", "types": ["Fire"]}]', "is not a file name"),
        ("[" * 100_000, "cards.json is not what `pokegen card` writes"),
    ],
)
def test_cards_of_strangers_are_refused(cards, says, tmp_path):
    folder = samples(tmp_path / "mine", 60)
    if cards.startswith("[{"):
        more = [{"sprite": f"{i:03d}.png", "types": ["Fire"]} for i in range(60)]
        cards = json.dumps(json.loads(cards) + more)
    (folder / "cards.json").write_text(cards)
    with pytest.raises(DataError, match=says):
        read_samples(folder, seed=0)


def test_samples_that_are_no_pictures_are_refused(tmp_path):
    folder = samples(tmp_path / "mine", 60)
    whole = (folder / "000.png").read_bytes()
    for content, says in ((whole[:50], "unreadable"), (b"", "unreadable"), (whole[:16] + b"\xff" * 8, "unreadable")):
        (folder / "000.png").write_bytes(content)
        with pytest.raises(DataError, match=f"000.png cannot be read as a picture: {says}"):
            read_samples(folder, seed=0)
    Image.new("1", (20_000, 20_000)).save(folder / "000.png")
    with pytest.raises(DataError, match="too large"):
        read_samples(folder, seed=0)


def test_mistakes_are_told_in_one_line(root, tmp_path, capsys):
    sprites = ["sprites", "--root", str(root), "--reference", "all", "--out", str(tmp_path / "out")]
    assert "No folder of samples at" in refused(capsys, *sprites, "--samples", str(tmp_path / "nowhere"))
    few = samples(tmp_path / "few", 12)
    assert "60 PNG files or more" in refused(capsys, *sprites, "--samples", str(few))
    small = samples(tmp_path / "small", 60, size=64)
    assert "000.png is 64×64; the panel needs 128×128" in refused(capsys, *sprites, "--samples", str(small))
    (small / "000.png").write_bytes(b"not a picture")
    assert "000.png is not a picture" in refused(capsys, *sprites, "--samples", str(small))
    assert "60 pictures or more, got --count 20" in refused(capsys, *sprites, "--count", "20")
    assert "names draws no sprites" in refused(capsys, *sprites, "--model", "names")
    assert "judge draws no sprites" in refused(capsys, *sprites, "--model", "judge")
    assert "Unknown model 'nothing'" in refused(capsys, *sprites, "--model", "nothing")
    assert "not a mixture" in refused(capsys, *sprites[:3], "--reference", "pixel,emerald")
    assert "--seed must be from 0" in refused(capsys, "names", "--seed", "-1")
    cards = samples(tmp_path / "cards", 60)
    (cards / "cards.json").write_text(json.dumps([{"sprite": "000.png", "types": ["Plasma"]}]))
    assert "cards.json is not what `pokegen card` writes" in refused(capsys, *sprites, "--samples", str(cards))
    (tmp_path / "taken" / "report.json").mkdir(parents=True)
    (tmp_path / "names.txt").write_text("Pyrodrake\n", encoding="utf-8")
    taken = ["names", "--samples", str(tmp_path / "names.txt"), "--out", str(tmp_path / "taken")]
    assert "report.json': it is a folder" in refused_after_the_table(capsys, *taken)
    assert "No game 'yellow'" in refused(capsys, *sprites[:3], "--reference", "yellow")
    assert "--seeds must be from 1" in refused(capsys, *sprites, "--seeds", "0")
    assert "nowhere" in refused(capsys, "sprites", "--root", str(tmp_path / "nowhere"))
    assert "this panel scores a pokegen.models.stats.StatsModel" in refused(capsys, "stats", "--model", "cgan")
    assert "this panel scores a pokegen.models.names.NameModel" in refused(capsys, "names", "--model", "stats")
    assert "no CSV" in refused(capsys, "stats", "--samples", str(tmp_path / "none.csv"))
    assert "cannot be read as text" in refused(capsys, "names", "--samples", str(tmp_path / "none.txt"))
    assert "not allowed with" in refused(capsys, "names", "--samples", "a.txt", "--model", "names")


def test_stats_and_names_are_scored_and_a_users_own_too(tmp_path, monkeypatch, capsys):
    splits = stats.real_splits()
    third = {name: rows[rows["Family"].isin(rows["Family"].unique()[::3])] for name, rows in splits.items()}
    monkeypatch.setattr(stats, "real_splits", lambda: third)
    monkeypatch.setattr(stats, "REPEATS", 2)
    names = tmp_path / "names.txt"
    names.write_text("Pyrodrake\n\n  Glaciorb \nAquafin\n", encoding="utf-8")
    assert main(["evaluate", "names", "--samples", str(names), "--out", str(tmp_path / "names")]) == 0
    row = json.loads((tmp_path / "names" / "report.json").read_text())["rows"]["samples"]
    assert row["new"] == 1
    assert main(["stats", "--count", "400", "--seed", "1", "--out", str(tmp_path / "rows.csv")]) == 0
    assert main(["evaluate", "stats", "--samples", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "s")]) == 0
    rows = json.loads((tmp_path / "s" / "report.json").read_text())["rows"]
    assert rows["samples"]["violations"] == 0
    assert rows["samples"]["auc_all"] < rows["independent columns"]["auc_all"]
    capsys.readouterr()


@pytest.mark.parametrize("name", zoo.available())
def test_the_numbers_of_each_model_card_belong_to_its_weights(name):
    found = zoo.numbers_of(zoo.folder_of(name))
    current = {n: zoo.read_config(zoo.folder_of(n))["sha256"][:12] for n in found}
    assert name in found
    assert {"judge", "type_judge", "dcgan"} <= found.keys() or not hasattr(zoo.load(name).model, "conditions")
    assert found == current, "run `pokegen evaluate all` after weights have changed"


def test_numbers_of_other_weights_are_found(tmp_path):
    shutil.copytree(zoo.folder_of("stats"), tmp_path / "stats")
    zoo.write_numbers(tmp_path / "stats", "| metric |", "pokegen evaluate all", ["judge"])
    config = tmp_path / "stats" / zoo.CONFIG
    digest = zoo.read_config(tmp_path / "stats")["sha256"]
    judge = zoo.read_config(zoo.folder_of("judge"))["sha256"]
    assert zoo.numbers_of(tmp_path / "stats") == {"stats": digest[:12], "judge": judge[:12]}
    config.write_text(config.read_text().replace(digest, "a" * 64))
    assert zoo.numbers_of(tmp_path / "stats")["stats"] != zoo.read_config(tmp_path / "stats")["sha256"][:12]


def test_samples_that_link_elsewhere_are_refused(tmp_path):
    samples(tmp_path / "elsewhere", 60)
    (tmp_path / "linked").mkdir()
    for path in (tmp_path / "elsewhere").glob("*.png"):
        (tmp_path / "linked" / path.name).symlink_to(path)
    with pytest.raises(DataError, match="leads out of"):
        read_samples(tmp_path / "linked", seed=0)


def test_an_import_without_the_usual_games_says_how_to_compare_with_others(root, tmp_path, capsys):
    said = refused(capsys, "sprites", "--model", "dcgan", "--root", str(root), "--out", str(tmp_path))
    assert "has none of the default reference games" in said
    assert "--reference all" in said
