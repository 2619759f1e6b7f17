"""A creature as files for a game: sprites, shiny, icon, palettes, cry, card, Showdown team and mod entry.

`export` writes one creature into a folder. `export_cards` writes a folder for each, a sprite sheet for each evolution
line, and a Showdown mod with all of them. The text README, which is written too, explains each file.

A shiny is a change of the palette. A sprite model can draw a shiny from the same latent, but no shipped one draws the
same creature: the shapes of projected_gan and cgan change (they overlap by 0.59 and 0.69, medians of 40), and the
colours of cvae do not.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pokegen.cards import showdown
from pokegen.cards.cry import cry
from pokegen.cards.pixel_art import PixelArt, gimp, icon, jasc, pixel_art, shiny
from pokegen.files import to_json, write
from pokegen.images import png
from pokegen.schema import Card
from pokegen.text import slug

SCALES = (1, 2, 4)
README = """\
Creatures made with pokegen, for your game. Each folder holds one creature.

sprite.png         the creature in its own pixels: at most 15 colours and a transparent background (index 0)
sprite-2x.png      the same with each pixel as 2×2; sprite-4x.png: as 4×4
sprite-white.png   the same on white, for programs without transparency
shiny.png          the same pixels in other colours; shiny-2x.png, shiny-4x.png and shiny-white.png as above. The hues
                   of the palette are turned by an angle that the seed decides, one for a whole evolution line. No model
                   drew it
icon.png           32×32 pixels, in colours of sprite.png; icon-shiny.png: in colours of shiny.png
palette.pal        the colours as a JASC palette, 16 entries (black where there are fewer); shiny.pal: of shiny.png
palette.gpl        the colours as a GIMP palette; shiny.gpl: of shiny.png
cry.wav            a cry: mono, 16 bits, 44,100 Hz, 0.3 to 1.2 seconds, made from the stats and the name
card.json          all facts: types, stats, moves, evolution (the format of `pokegen card`)
team.txt           a Pokémon Showdown team text
pokedex.json       the entry of a Pokémon Showdown mod

line-NNN-name.png  an evolution line: a column for each form, the usual sprites above, the shiny ones below
line-NNN-name.json its frames, in the "JSON hash" format of TexturePacker
showdown/          a Pokémon Showdown mod with all creatures (data/mods/NAME), and team.txt with the first six

There is no back view: the models draw creatures from the front only.
"""


def export(card: Card, folder: Path) -> list[Path]:
    """Write a creature's files into `folder`, which is made where it is missing. Returns their paths.

    Args:
        card: with its image, uint8 (S, S, 3) on white.
        folder: files of the same names are replaced, others stay.

    Raises UserError where a file cannot be written. The same card gives the same bytes.
    """
    name = showdown.names([card])[0]
    return list(_write(card, name, showdown.FIRST_NUMBER, folder))


def export_cards(cards: Sequence[Card], folder: Path, forms: int | None = None) -> Iterator[Path]:
    """Write each creature into a folder of its own (`NNN-name`), then what they share. Yields the paths.

    Args:
        cards: with their image.
        folder: an existing one.
        forms: how many cards in turn are the forms of one evolution line, if they are.
    """
    digits = max(3, len(str(len(cards))))
    for i, (card, name) in enumerate(zip(cards, showdown.names(cards), strict=True)):
        stem = f"{i + 1:0{digits}d}-{slug(card.name)}"
        yield from _write(card, name, showdown.FIRST_NUMBER + i, folder / stem)
    if forms:
        for start in range(0, len(cards), forms):
            stem = f"line-{start // forms + 1:0{digits}d}-{slug(cards[start].name)}"
            yield from _sheet(cards[start : start + forms], folder, stem)
    for file, content in showdown.mod(cards).items():
        yield write(folder / "showdown" / file, to_json(content))
    yield write(folder / "showdown" / "team.txt", showdown.team(cards))
    yield write(folder / "README.txt", README)


def _write(card: Card, name: str, number: int, folder: Path) -> Iterator[Path]:
    art = pixel_art(card.image)
    other = shiny(art, card.seed)
    for word, look in (("sprite", art), ("shiny", other)):
        for scale in SCALES:
            yield write(folder / (f"{word}-{scale}x.png" if scale > 1 else f"{word}.png"), look.png(scale))
        yield write(folder / f"{word}-white.png", look.png(clear=False))
    small = icon(art)
    yield write(folder / "icon.png", small.png())
    yield write(folder / "icon-shiny.png", PixelArt(small.indices, other.palette).png())
    for word, look in (("palette", art), ("shiny", other)):
        yield write(folder / f"{word}.pal", jasc(look.palette))
        yield write(folder / f"{word}.gpl", gimp(look.palette, name))
    yield write(folder / "cry.wav", cry(card))
    yield write(folder / "card.json", to_json(dataclasses.replace(card, sprite="sprite.png").to_dict()))
    yield write(folder / "team.txt", showdown.member(card, name))
    entry = {showdown.identifier(name): showdown.pokedex_entry(card, name, number)}
    yield write(folder / "pokedex.json", to_json(entry))


def _sheet(line: Sequence[Card], folder: Path, stem: str) -> Iterator[Path]:
    """The sprites of a line on one transparent picture, and where each is on it."""
    arts = [pixel_art(card.image) for card in line]
    side = max(art.indices.shape[0] for art in arts)
    sheet = Image.new("RGBA", (side * len(line), 2 * side))
    frames: dict[str, Any] = {}
    for column, (card, art) in enumerate(zip(line, arts, strict=True)):
        for row, (word, look) in enumerate((("sprite", art), ("shiny", shiny(art, card.seed)))):
            picture = look.picture().convert("RGBA")
            x, y = column * side, row * side
            sheet.paste(picture, (x, y))
            size = {"w": picture.width, "h": picture.height}
            frames[f"{column + 1}-{slug(card.name)}-{word}.png"] = {
                "frame": {"x": x, "y": y, **size},
                "rotated": False,
                "trimmed": False,
                "spriteSourceSize": {"x": 0, "y": 0, **size},
                "sourceSize": size,
            }
    yield write(folder / f"{stem}.png", png(sheet))
    meta = {
        "app": "pokegen",
        "image": f"{stem}.png",
        "format": "RGBA8888",
        "size": {"w": sheet.width, "h": sheet.height},
        "scale": "1",
    }
    yield write(folder / f"{stem}.json", to_json({"frames": frames, "meta": meta}))
