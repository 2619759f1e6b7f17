"""`pokegen sprites`: the pictures, the grid, and the models that it does not need."""

import numpy as np
import pytest
from PIL import Image

from pokegen.cli.main import main


def sprites(folder, *options):
    assert main(["sprites", *options, "--out", str(folder)]) == 0
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_sprites_and_grid_are_written_and_repeat(zoo, tmp_path, capsys):
    first = sprites(tmp_path / "a", "--count", "5", "--seed", "1", "--type", "ghost")
    assert sorted(first) == ["001.png", "002.png", "003.png", "004.png", "005.png", "grid.png"]
    assert capsys.readouterr().out.split() == [str(tmp_path / "a" / name) for name in sorted(first)]
    assert zoo == ["projected_gan"]
    assert sprites(tmp_path / "b", "--count", "5", "--seed", "1", "--type", "ghost") == first
    assert sprites(tmp_path / "c", "--count", "5", "--seed", "2", "--type", "ghost")["001.png"] != first["001.png"]
    pixels = np.asarray(Image.open(tmp_path / "a" / "001.png"))
    assert pixels.shape == (128, 128, 3)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a" / "grid.png"))[4:132, 4:132], pixels)


def test_truncation_changes_the_sprites(zoo, tmp_path):
    low, high = (sprites(tmp_path / t, "--count", "1", "--seed", "1", "--truncation", t) for t in ("0.2", "0.9"))
    assert low["001.png"] != high["001.png"]


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--type", "Plasma"], "Unknown type"), (["--count", "0"], "count must be"), (["--truncation", "0"], "above 0")],
)
def test_mistakes_are_one_line(zoo, tmp_path, capsys, options, says):
    assert main(["sprites", *options, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
