"""`pokegen walk`, `pokegen reimagine`, and what `pokegen sprites` shows side by side or on a clear background."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import pokegen
from pokegen.cli.main import main
from pokegen.images import transparent
from pokegen.models.cvae import CVAE
from pokegen.schema import NO_TYPE, TYPES


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """A small conditional model in place of whichever is named."""
    torch.manual_seed(0)
    net = CVAE(latent_dim=8, width=4, embedding_dim=8).eval()
    for table in net.embedding.tables:
        torch.nn.init.normal_(table.weight, std=3)
    rows = torch.tensor([[t, NO_TYPE, t % 10, 0, 1, 0, 5 * (t % 2)] for t in range(18)])
    net.prior.fit(rows, torch.ones(18))
    loaded = SimpleNamespace(model=net.requires_grad_(False), name="small", label="small 1")
    monkeypatch.setattr(pokegen, "zoo", SimpleNamespace(load=lambda name: loaded), raising=False)
    return net


@pytest.fixture
def drawing(tmp_path):
    """A red ball with a white spot, on grey, not square."""
    pixels = np.full((90, 140, 3), 180, np.uint8)
    y, x = np.ogrid[:90, :140]
    pixels[(y - 45) ** 2 + (x - 60) ** 2 < 30**2] = (200, 30, 40)
    pixels[(y - 45) ** 2 + (x - 60) ** 2 < 8**2] = 255
    path = tmp_path / "drawing.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    return path


def test_a_walk_is_a_gif_that_repeats(tmp_path, capsys):
    words = ["walk", "--seed", "3", "--count", "2", "--steps", "4", "--out"]
    assert main([*words, str(tmp_path / "a" / "w.gif")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a' / 'w.gif'}\n"
    with Image.open(tmp_path / "a" / "w.gif") as picture:
        assert (picture.n_frames, picture.size, picture.info["loop"], picture.info["duration"]) == (
            8,
            (128, 128),
            0,
            80,
        )
    main([*words, str(tmp_path / "b.gif")])
    assert (tmp_path / "b.gif").read_bytes() == (tmp_path / "a" / "w.gif").read_bytes()


def test_a_walk_through_all_types(tmp_path):
    assert main(["walk", "--types", "--steps", "1", "--seed", "3", "--out", str(tmp_path / "w.gif")]) == 0
    with Image.open(tmp_path / "w.gif") as picture:
        assert picture.n_frames == len(TYPES)


def test_each_line_shows_the_same_creatures_under_another_value(tmp_path):
    assert main(["sprites", "--by", "style", "--count", "2", "--seed", "1", "--out", str(tmp_path)]) == 0
    names = {f"{style}-{i:03d}.png" for style in ("artwork", "pixel-4") for i in (1, 2)}  # which it was trained on
    assert {p.name for p in tmp_path.iterdir()} == names | {"grid.png"}
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.size == (2 * 132 + 4, 2 * 132 + 4)
    assert (tmp_path / "artwork-001.png").read_bytes() != (tmp_path / "pixel-4-001.png").read_bytes()


def test_a_drawing_is_drawn_again(drawing, tmp_path, capsys):
    words = ["reimagine", str(drawing), "--count", "3", "--seed", "1", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    expected = ["seen.png", "redrawn.png", "001.png", "002.png", "003.png", "grid.png"]
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / name) for name in expected]
    seen = np.asarray(Image.open(tmp_path / "out" / "seen.png"))
    assert (seen[0] == 255).all()  # its grey background became white
    assert seen[64, 8].tolist() != [255] * 3  # and the ball fills the square
    first = (tmp_path / "out" / "001.png").read_bytes()
    assert main(words) == 0
    assert (tmp_path / "out" / "001.png").read_bytes() == first
    assert main([*words, "--type", "water"]) == 0
    assert (tmp_path / "out" / "001.png").read_bytes() != first


def test_a_clear_background_looks_on_white_as_before(tmp_path):
    for name, more in (("white", []), ("clear", ["--transparent"])):
        assert main(["sprites", "--count", "2", "--seed", "1", *more, "--out", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / "clear" / "001.png") as picture:
        assert picture.mode == "RGBA"
    assert (tmp_path / "clear" / "grid.png").read_bytes() == (tmp_path / "white" / "grid.png").read_bytes()


def test_white_is_clear_outside_and_stays_inside():
    sprite = np.full((40, 40, 3), 255, np.uint8)
    sprite[10:30, 10:30] = (20, 60, 90)
    sprite[15:20, 15:20] = 255  # an eye
    sprite[9, 10:30] = (200, 210, 218)  # a soft edge
    rgba = transparent(sprite[None])[0]
    assert rgba.shape == (40, 40, 4)
    assert rgba[0, 0, 3] == 0
    assert rgba[17, 17].tolist() == [255, 255, 255, 255]
    assert rgba[25, 25].tolist() == [20, 60, 90, 255]
    assert 0 < rgba[9, 20, 3] < 100
    assert rgba[9, 20, :3].max() < 130  # the colour of the creature, thinly
    alpha = rgba[..., 3:] / 255
    again = rgba[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(again - sprite).max() <= 2


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["walk", "--out", "walk.png"], "written as a GIF, got --out walk.png"),
        (["walk", "--steps", "0", "--out", "w.gif"], "steps must be from 1 to 1000"),
        (["walk", "--duration", "5", "--out", "w.gif"], "duration must be from 20"),
        (["walk", "--types", "--type", "fire", "--out", "w.gif"], "no one type"),
        (["sprites", "--by", "type", "--type", "fire"], "leave one of the two out"),
        (["sprites", "--style", "pixel-1"], "has seen no sprite of style 'pixel-1'. It knows: artwork, pixel-4"),
        (["sprites", "--style", "oil"], "Unknown style 'oil'. Known styles: artwork, render"),
        (["sprites", "--color", "mauve"], "Unknown color 'mauve'. Known colors: Black"),
        (["sprites", "--stage", "4"], "stage must be from 1 to 3, got 4"),
        (["sprites", "--type", "fire", "--type2", "fire"], "must differ"),
        (["reimagine", "missing.png"], "No picture at missing.png"),
        (["reimagine", "words.png"], "words.png cannot be reimagined: unreadable"),
        (["reimagine", "blank.png"], "blank.png cannot be reimagined: nothing is drawn"),
        (["reimagine", "words.png", "--style", "oil"], "Unknown style"),
        (["reimagine", "drawing.jpg", "--strength", "2"], "strength must be from 0 to 1, got 2"),
    ],
)
def test_mistakes_are_one_line(drawing, tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.png").write_text("not a picture")
    Image.new("RGB", (50, 50), "white").save(tmp_path / "blank.png")
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


ODD = os.fsdecode(b"\x1b[31m\xe9")  # a colour for the terminal, and a byte that is no UTF-8


@pytest.mark.parametrize("words", [["walk", "--steps", "1"], ["reimagine", "DRAWING", "--count", "1"]])
def test_an_odd_name_reaches_the_terminal_spelt(drawing, tmp_path, capsys, words):
    odd = drawing.rename(tmp_path / f"{ODD}.jpg")
    out = tmp_path / ODD / "w.gif" if words[0] == "walk" else tmp_path / ODD
    assert main([*(str(odd) if word == "DRAWING" else word for word in words), "--seed", "1", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert all(line.startswith(f"{tmp_path}/\\x1b[31m\\udce9") for line in shown.splitlines())
    assert main(["reimagine", str(tmp_path / ODD), "--seed", "1"]) == 2
    assert "\\x1b[31m\\udce9" in capsys.readouterr().err
