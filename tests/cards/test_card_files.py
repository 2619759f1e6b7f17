"""Files appear whole or not at all, under names that every file system takes."""

import json

import numpy as np
import pytest
from fake_zoo import LABELS, Blob, Dice, Syllables
from PIL import Image

from pokegen.cards.files import gif, write_cards, write_sprites
from pokegen.cards.generator import Generator
from pokegen.cards.request import Request
from pokegen.errors import UserError
from pokegen.files import writable_file, writable_folder, write
from pokegen.text import slug


def test_cards_are_written_with_their_sprites_and_a_list(tmp_path):
    cards = list(Generator(Blob(), Dice(), Syllables(), LABELS).cards(Request(count=2, seed=1)))
    paths = list(write_cards(cards, tmp_path, 2))
    assert sorted(paths) == sorted(tmp_path.iterdir())  # and no other file is left
    stems = [f"{i:03d}-{slug(card.name)}" for i, card in enumerate(cards, start=1)]
    expected = [f"{stem}{end}" for stem in stems for end in (".png", "-sprite.png", ".json")]
    assert [path.name for path in paths] == [*expected, "cards.json", "contact-sheet.png"]
    records = [json.loads((tmp_path / f"{stem}.json").read_text(encoding="utf-8")) for stem in stems]
    assert json.loads((tmp_path / "cards.json").read_text(encoding="utf-8")) == records
    for card, record in zip(cards, records, strict=True):
        assert record["name"] == card.name
        assert np.array_equal(np.asarray(Image.open(tmp_path / record["sprite"])), card.image)


def test_each_card_is_on_disk_before_the_next_is_made(tmp_path):
    generator = Generator(Blob(), Dice(), Syllables(), LABELS)

    def stopping():
        yield generator.card(seed=1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(write_cards(stopping(), tmp_path, 2))
    assert len(list(tmp_path.glob("001-*.json"))) == 1


def test_numbers_are_wide_enough_to_sort(tmp_path):
    one = np.zeros((1, 128, 128, 3), np.uint8)
    assert next(write_sprites([one], tmp_path, 10_000)).name == "00001.png"
    assert [path.name for path in write_sprites([one, one], tmp_path, 2)] == ["001.png", "002.png", "grid.png"]


@pytest.mark.parametrize(
    ("name", "stem"), [("Flabébé", "flabebe"), ("Mr. Mime", "mr-mime"), ("Ho-Oh", "ho-oh"), ("♀", "creature")]
)
def test_slug(name, stem):
    assert slug(name) == stem


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for folder in (file, file / "out"):
        with pytest.raises(UserError, match="Cannot write to the folder"):
            writable_folder(folder)
    assert file.read_text() == "mine"
    with pytest.raises(UserError, match="it is a folder"):
        writable_file(tmp_path)
    assert writable_folder(tmp_path / "new" / "deep").is_dir()
    assert list((tmp_path / "new" / "deep").iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "cards.json"
    target.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(UserError, match="Cannot write"):
        write(target, b"new")
    assert list(tmp_path.iterdir()) == [target]


def test_a_gif_is_written_frame_by_frame(tmp_path):
    """No more than one frame is held, however many there are, and each comes back."""
    frames = [np.full((20, 30, 3), shade, np.uint8) for shade in (0, 90, 90, 255)]
    frames[1][5:9, 5:9] = (200, 10, 10)
    drawn = []
    pieces = gif((drawn.append(len(drawn)) or frame for frame in frames), 50)
    written = [(piece, len(drawn)) for piece in pieces]
    assert [count for _, count in written] == [1, 1, 1, 2, 3, 4, 4]  # two of the head
    path = write(tmp_path / "w.gif", (piece for piece, _ in written))
    with Image.open(path) as picture:
        assert (picture.n_frames, picture.info["loop"], picture.info["duration"]) == (4, 0, 50)
        for number, frame in enumerate(frames):
            picture.seek(number)
            assert np.array_equal(np.asarray(picture.convert("RGB")), frame)
