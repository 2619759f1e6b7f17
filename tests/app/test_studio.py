"""What the page does, without Gradio: results, limits, uploads, and no path in a message."""

import io
import json
import re
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from pokegen.app import parts
from pokegen.app.shelf import ARCHIVE, Shelf
from pokegen.app.studio import UPLOAD_BYTES, read_upload, without_paths
from pokegen.cards.render import HEIGHT, WIDTH
from pokegen.errors import UserError


def files_of(studio, addresses):
    """The files that a result names."""
    found = []
    for address in addresses:
        _, key, name = address.split("/")
        found.append(studio.shelf.find(key, name))
    return found


def test_create_gives_the_cards_of_the_command(studio):
    made = studio.create(type1="Fire", seed=5, count=2)
    assert json.loads(json.dumps(made)) == made
    assert [card["types"][0] for card in made["cards"]] == ["Fire", "Fire"]
    assert made["cards"][1]["name"] == studio.create(type1="Fire", seed=6)["cards"][0]["name"]
    card, sprite, record = files_of(studio, made["cards"][0]["files"].values())
    assert Image.open(card).size == (WIDTH, HEIGHT)
    assert Image.open(sprite).size == (128, 128)
    assert json.loads(record.read_text(encoding="utf-8"))["name"] == made["cards"][0]["name"]
    with zipfile.ZipFile(io.BytesIO(studio.shelf.archive([made["key"]]))) as archive:
        assert {card.name, sprite.name, record.name, "cards.json", "contact-sheet.png"} <= {*archive.namelist()}


def test_a_line_is_counted_as_one_and_shows_all_its_forms(studio):
    cards = studio.create(evolutions=3, seed=1)["cards"]
    assert [card["stage"] for card in cards] == [1, 2, 3]
    assert cards[1]["evolves_from"] == cards[0]["name"]


def test_what_the_sprites_do_not_follow_is_said(studio):
    (note,) = studio.create(type1="Fire", seed=1, model="dcgan")["notes"]
    assert "type1" in note


def test_walk_type_swap_and_reimagine(studio, drawing, tmp_path):
    walk = studio.walk(seed=1, count=2, steps=2)
    with Image.open(files_of(studio, [walk["gif"]])[0]) as picture:
        assert picture.n_frames == walk["frames"] == 4
    swap = studio.type_swap(seed=1)
    assert len({each["type"] for each in swap["types"]}) == 18
    sprites = [Image.open(path).tobytes() for path in files_of(studio, [each["sprite"] for each in swap["types"]])]
    assert len(set(sprites)) > 9  # most types change the sprite
    (tmp_path / "ball.png").write_bytes(drawing)
    made = studio.reimagine(tmp_path / "ball.png", count=2)
    seen, first, second = files_of(studio, [made["seen"], *made["variations"]])
    centre = np.asarray(Image.open(seen))[64, 64]
    assert centre[0] > 150 > centre[1]  # the red ball, in the middle
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"count": 13}, "1 to 12 cards"),
        ({"count": 0}, "1 to 12 cards"),
        ({"seed": -1}, "seed must be from 0"),
        ({"type1": "Plasma"}, "Unknown type 'Plasma'"),
        ({"name": "<b>x</b>"}, "Unusable name"),
        ({"model": "judge"}, "Unknown model 'judge'"),
        ({"model": "../checkpoints/cgan"}, "Unknown model"),
        ({"model": "hf:owner/name"}, "Unknown model"),
    ],
)
def test_what_a_visitor_cannot_ask_for(studio, order, message):
    with pytest.raises(UserError, match=message):
        studio.create(**order)


def test_a_walk_and_a_comparison_have_limits_too(studio, runs):
    for order in ({"steps": 31}, {"count": 9}, {"count": 1}):
        with pytest.raises(UserError):
            studio.walk(**order)
    for names in ([], ["../all runs/slow"], [str(runs / "slow")], ["nobody/entity/run"], ["slow"] * 9):
        with pytest.raises(UserError):
            studio.compare(names)
    with pytest.raises(UserError, match="No run has logged 'val/other'"):
        studio.compare(["slow"], "val/other")


def test_runs_are_compared_and_their_names_are_text(studio):
    assert studio.runs == ["<b>fast", "slow"]
    made = studio.compare(studio.runs)
    assert made["verdict"].startswith("Best by val/loss: <b>fast, 2.25")
    (page, curves) = files_of(studio, [made["page"], made["curves"]])
    assert Image.open(curves).width > 400
    shown = parts.comparison(made)
    for text in (shown, page.read_text(encoding="utf-8")):
        assert "&lt;b&gt;fast" in text
        assert "<b>fast" not in text


def test_model_cards_without_links_into_the_repository(studio):
    made = studio.model_card("cgan")
    assert made["text"].startswith("# cgan")
    assert "](" not in made["text"]
    assert "<!--" not in made["text"]
    assert [grid["title"] for grid in made["grids"]] == ["64 unselected samples", "The types", "The styles"]
    assert all(files_of(studio, [grid["picture"] for grid in made["grids"]]))
    assert studio.model_card("ppo_lander")["grids"] == []
    with pytest.raises(UserError, match="Unknown model"):
        studio.model_card("../docs")


def picture(form, size, **options):
    file = io.BytesIO()
    image = Image.new("L", size, 200)
    image.paste(20, (size[0] // 4, size[1] // 4, size[0] // 2 + 3, size[1] // 2 + 7))  # no enlarged pixel art
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.png", b"only text", "no picture that can be read"),
        ("page.png", b"<!doctype html><script>alert(1)</script>", "no picture that can be read"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "no picture"),
        ("huge.png", picture("PNG", (10_000, 5_000)), "too many pixels: at most 16,000,000"),
        ("huge.jpg", picture("JPEG", (10_000, 5_000)), "too many pixels"),
        ("bomb.png", picture("PNG", (30_000, 20_000), compress_level=1), "too many pixels"),
        ("scan.tiff", picture("TIFF", (64, 64)), "no picture that can be read"),
        ("cut.png", picture("PNG", (64, 64))[:90], "cannot be used|can be read"),
        ("white.png", picture("PNG", (1, 1)), "nothing is drawn"),
        ("large.png", b"\x89PNG" + bytes(UPLOAD_BYTES), "at most 8 MB"),
    ],
)
def test_uploads_that_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_upload(path, 64)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_uploads_that_are_read(tmp_path, form):
    path = tmp_path / "upload"
    path.write_bytes(picture(form, (200, 100)))
    assert read_upload(path, 64).shape == (64, 64, 3)


def test_no_path_is_left_in_a_message():
    told = "/home/ada lovelace/x.ckpt"
    assert without_paths("/srv/app/checkpoints/cgan/config.yaml is damaged.") == "config.yaml is damaged."
    assert without_paths(r"C:\Users\ada\x.yaml and val/loss") == "x.yaml and val/loss"
    assert without_paths("val/loss or https://example.org/a/b") == "val/loss or https://example.org/a/b"
    assert "/home" not in without_paths(told)


def test_a_damaged_run_is_told_without_its_folder(studio, runs):
    (runs / "damaged").mkdir()
    (runs / "damaged" / "config.yaml").write_text("a: [")
    try:
        with pytest.raises(UserError, match="cannot be read") as caught:
            studio.compare(["damaged"])
    finally:
        (runs / "damaged" / "config.yaml").unlink()
        (runs / "damaged").rmdir()
    assert "all runs" not in str(caught.value)


def test_many_at_once_get_what_one_alone_gets(studio):
    alone = [studio.create(seed=seed)["cards"][0] for seed in range(3)]
    found = {}

    def order(seed):
        found[seed] = studio.create(seed=seed)["cards"][0]

    threads = [threading.Thread(target=order, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, card in enumerate(alone):
        assert {**found[seed], "files": None} == {**card, "files": None}


def test_markup_in_a_card_is_text(studio):
    made = studio.create(seed=1)
    made["cards"][0] |= {"name": '<img src=x onerror="alert(1)">', "rarity": '"><script>'}
    shown = parts.cards(made) + parts.gallery([made])
    assert "<script" not in shown
    assert len(re.findall("<img", shown)) == 2


def test_the_shelf_makes_room_and_finds_nothing_else(tmp_path):
    shelf = Shelf(tmp_path / "shelf", most=25)
    shelf.folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    keys = []
    for number in range(3):
        with shelf.place() as (key, folder):
            (folder / "a.bin").write_bytes(bytes(10))
        keys.append(key)
        if number == 0:
            shelf.keep(key)
    assert [shelf.find(key, "a.bin") is not None for key in keys] == [True, True, True]
    with shelf.place() as (key, folder):
        (folder / "a.bin").write_bytes(bytes(10))
    assert [shelf.find(k, "a.bin") is not None for k in [*keys, key]] == [True, False, True, True]
    assert not (shelf.folder / keys[1]).exists()
    for name in ("../secret.txt", "..", "", str(tmp_path / "secret.txt"), ARCHIVE):
        assert shelf.find(key, name) is None
        assert shelf.find(name, "a.bin") is None
    assert shelf.archive(["none"]) is None
    with pytest.raises(RuntimeError), shelf.place() as (_, folder):
        raise RuntimeError
    assert not folder.exists()
