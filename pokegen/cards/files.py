"""Writes cards and pictures."""

import dataclasses
import struct
from collections.abc import Iterable, Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from pokegen.cards.lines import lines_sheet
from pokegen.cards.render import THUMBNAIL, contact_sheet, render
from pokegen.files import to_json, write
from pokegen.images import grid, png, transparent
from pokegen.schema import Card
from pokegen.text import slug

SHEET_CARDS = 100  # a contact sheet shows the first so many; past that it is too large to look at
GRID_SPRITES = 400


def stem(number: int, card: Card, count: int) -> str:
    """The beginning of the names of a card's files, `NNN-name`: card `number`, from 1, of `count`."""
    return f"{number:0{max(3, len(str(count)))}d}-{slug(card.name)}"


def write_cards(
    cards: Iterable[Card],
    folder: Path,
    count: int,
    clear: bool = False,
    forms: int | None = None,
    lang: str = "en",
) -> Iterator[Path]:
    """Write each card as it comes (`NNN-name.png`, `.json` and `-sprite.png`), then `cards.json`, a list of them all,
    `contact-sheet.png`, of the first 100, and of lines `lines.png`, of as many. Yields the paths as they are written.

    Args:
        cards: `count` cards with their image.
        folder: an existing one; files of the same names are replaced, others stay.
        count: how many cards come, for the width of NNN.
        clear: whether the sprites' background is transparent.
        forms: how many cards in turn are the forms of one evolution line, if they are.
        lang: language of the cards, one of schema.LANGUAGES.
    """
    records, thumbnails, shown = [], [], []
    for number, card in enumerate(cards, start=1):
        start = stem(number, card, count)
        card = dataclasses.replace(card, sprite=f"{start}-sprite.png")
        image = render(card, lang=lang)
        yield write(folder / f"{start}.png", png(image))
        yield write(folder / card.sprite, _sprite(card.image, clear))
        yield write(folder / f"{start}.json", to_json(card.to_dict()))
        records.append(card.to_dict())
        if number <= SHEET_CARDS // (forms or 1) * (forms or 1):
            shown.append(card)
            thumbnails.append(image.resize(THUMBNAIL, Image.Resampling.LANCZOS))
    yield write(folder / "cards.json", to_json(records))
    columns = forms or ceil(sqrt(len(thumbnails)))
    yield write(folder / "contact-sheet.png", png(contact_sheet(thumbnails, columns)))
    if forms:
        yield write(folder / "lines.png", png(lines_sheet(shown, forms, lang=lang)))


def write_gifs(
    cards: Sequence[Card], folder: Path, pictures: Iterable[Iterable[np.ndarray]], milliseconds: int
) -> Iterator[Path]:
    """Write `NNN-name.gif` for each card: its round of `pictures`, uint8 (H, W, 3). Yields the paths."""
    for number, (card, frames) in enumerate(zip(cards, pictures, strict=True), start=1):
        yield write(folder / f"{stem(number, card, len(cards))}.gif", gif(frames, milliseconds))


def write_sprites(batches: Iterable[np.ndarray], folder: Path, count: int, clear: bool = False) -> Iterator[Path]:
    """Write sprites, uint8 (N, H, W, 3) a batch, as `NNN.png`, then `grid.png` of the first 400. Yields the paths.
    `clear`: with a transparent background, but for the grid."""
    digits = max(3, len(str(count)))
    shown: list[np.ndarray] = []
    number = 0
    for batch in batches:
        for sprite in batch:
            number += 1
            yield write(folder / f"{number:0{digits}d}.png", _sprite(sprite, clear))
            if number <= GRID_SPRITES:
                shown.append(sprite)
    yield write(folder / "grid.png", png(grid(np.stack(shown), ceil(sqrt(len(shown))))))


def write_rows(rows: Iterable[tuple[str, np.ndarray]], folder: Path, clear: bool = False) -> Iterator[Path]:
    """Write rows of sprites, each with its word and uint8 (N, H, W, 3), as `WORD-NNN.png`, then `grid.png`, a line a
    row. Yields the paths."""
    shown: list[np.ndarray] = []
    for word, sprites in rows:
        for number, sprite in enumerate(sprites, start=1):
            yield write(folder / f"{slug(word)}-{number:03d}.png", _sprite(sprite, clear))
        shown.append(sprites)
    yield write(folder / "grid.png", png(grid(np.concatenate(shown), columns=len(shown[0]))))


def gif(frames: Iterable[np.ndarray], milliseconds: int) -> Iterator[bytes]:
    """A round of pictures, uint8 (H, W, 3), that repeats for ever, in pieces: each frame is forgotten once written."""
    from PIL.GifImagePlugin import getdata  # here, since few need it

    for number, frame in enumerate(frames):
        if number == 0:
            yield b"GIF89a" + struct.pack("<HHBBB", frame.shape[1], frame.shape[0], 0, 0, 0)  # no palette for all
            yield b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"  # without an end
        image = Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE)
        yield b"".join(getdata(image, duration=milliseconds, disposal=2, include_color_table=True))
    yield b";"


def _sprite(sprite: np.ndarray, clear: bool) -> bytes:
    return png(Image.fromarray(transparent(sprite[None])[0] if clear else sprite))
