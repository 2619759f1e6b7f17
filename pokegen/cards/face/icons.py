"""The icons of the 18 types and a few marks, drawn by code at any size: a disc in the type's colour with a glyph.

A glyph is a list of layers in a square from -1 to 1 (x to the right, y down): a closed shape to add or to cut out.
They are drawn eight times as large and averaged, so that a disc of 24 pixels stays smooth.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from pokegen.cards.face.theme import INK, WHITE, contrast, mix
from pokegen.schema import TYPE_COLORS

_OVER = 8  # times as large as shown
_GLYPH = 0.62  # of the disc's radius

Shape = Sequence[tuple[float, float]]
Layer = tuple[bool, Shape]  # whether to add or to cut, and the outline


def smooth(points: Shape, steps: int = 10) -> list[tuple[float, float]]:
    """A closed curve through the points (Catmull and Rom, 1974)."""
    p = np.array(points, float)
    before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    curve = []
    for t in np.linspace(0, 1, steps, endpoint=False):
        curve.append(
            0.5 * (2 * p + (after - before) * t + (2 * before - 5 * p + 4 * after - later) * t**2
                   + (3 * p - before - 3 * after + later) * t**3)
        )  # fmt: skip
    return [(float(x), float(y)) for x, y in np.stack(curve, axis=1).reshape(-1, 2)]


def _round(x: float, y: float, radius: float, flat: float = 1.0) -> Shape:
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return [(x + radius * flat * float(np.cos(a)), y + radius * float(np.sin(a))) for a in turns]


def _star(x: float, y: float, outer: float, inner: float, points: int, turn: float = -np.pi / 2) -> Shape:
    turns = turn + np.arange(2 * points) * np.pi / points
    lengths = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return [(x + float(r * np.cos(a)), y + float(r * np.sin(a))) for a, r in zip(turns, lengths, strict=True)]


def _bar(x0: float, y0: float, x1: float, y1: float, width: float) -> Shape:
    """A straight bar with round ends."""
    angle = float(np.arctan2(y1 - y0, x1 - x0))
    ends = []
    for x, y, turn in ((x1, y1, -np.pi / 2), (x0, y0, np.pi / 2)):
        for a in np.linspace(0, np.pi, 9) + angle + turn:
            ends.append((x + width / 2 * float(np.cos(a)), y + width / 2 * float(np.sin(a))))
    return ends


def _mirrored(points: Shape) -> Shape:
    return [(-x, y) for x, y in points]


def _spiral() -> list[Layer]:
    turns = np.linspace(0.4, 4.6 * np.pi, 90)
    radius = 0.07 + 0.063 * turns
    outer = [(float(r * np.cos(a)), float(r * np.sin(a))) for a, r in zip(turns, radius + 0.1, strict=True)]
    inner = [(float(r * np.cos(a)), float(r * np.sin(a))) for a, r in zip(turns, radius - 0.1, strict=True)]
    return [(True, outer + inner[::-1])]


def _snowflake() -> list[Layer]:
    layers: list[Layer] = []
    for a in np.arange(6) * np.pi / 3 + np.pi / 6:
        x, y = float(np.cos(a)), float(np.sin(a))
        layers.append((True, _bar(0, 0, 0.92 * x, 0.92 * y, 0.17)))
        for way in (-0.3, 0.3):
            layers.append((True, _bar(0.5 * x, 0.5 * y, 0.76 * x - way * y, 0.76 * y + way * x, 0.14)))
    return layers


_DROP = smooth(
    [
        (0, -1),
        (0.26, -0.5),
        (0.6, 0.02),
        (0.62, 0.48),
        (0.32, 0.84),
        (-0.32, 0.84),
        (-0.62, 0.48),
        (-0.6, 0.02),
        (-0.26, -0.5),
    ]
)
_ELYTRON = smooth([(0.07, -0.28), (0.42, -0.26), (0.68, 0.08), (0.64, 0.52), (0.36, 0.86), (0.07, 0.94)])

GLYPHS: dict[str, list[Layer]] = {
    "Bug": [
        (True, _ELYTRON), (True, _mirrored(_ELYTRON)), (True, smooth([(-0.42, -0.38), (0, -0.66), (0.42, -0.38)])),
        (True, _bar(0.16, -0.56, 0.5, -0.92, 0.14)), (True, _bar(-0.16, -0.56, -0.5, -0.92, 0.14)),
        (False, _round(0.36, 0.24, 0.14)), (False, _round(-0.36, 0.24, 0.14)),
    ],
    "Dark": [(True, _round(-0.04, 0, 0.9)), (False, _round(0.36, -0.2, 0.74))],
    "Dragon": [  # a horned head, seen from the front
        (True, [(-0.9, -0.95), (-0.62, -0.52), (-0.3, -0.44), (0, -0.68), (0.3, -0.44), (0.62, -0.52), (0.9, -0.95),
                (0.94, -0.3), (0.66, 0.02), (0.92, 0.3), (0.5, 0.32), (0.32, 0.84), (0, 0.98), (-0.32, 0.84),
                (-0.5, 0.32), (-0.92, 0.3), (-0.66, 0.02), (-0.94, -0.3)]),
        (False, [(-0.52, -0.14), (-0.14, 0.08), (-0.38, 0.14)]), (False, [(0.52, -0.14), (0.14, 0.08), (0.38, 0.14)]),
        (False, _bar(-0.13, 0.62, -0.11, 0.66, 0.11)), (False, _bar(0.13, 0.62, 0.11, 0.66, 0.11)),
    ],
    "Electric": [(True, [(0.24, -1), (-0.62, 0.14), (-0.08, 0.14), (-0.3, 1), (0.64, -0.28), (0.06, -0.28)])],
    "Fairy": [
        (True, _star(-0.12, 0.1, 0.92, 0.27, 4)), (True, _star(0.66, -0.64, 0.36, 0.11, 4)),
    ],
    "Fighting": [
        *[(True, _bar(x, -0.5 + 0.1 * abs(i - 1.5), x, 0.1, 0.36)) for i, x in enumerate((-0.6, -0.2, 0.2, 0.6))],
        (True, smooth([(-0.78, 0.0), (0.78, 0.0), (0.78, 0.5), (0.46, 0.88), (-0.46, 0.88), (-0.78, 0.5)])),
        *[(False, _bar(x, -0.6, x, 0.06, 0.07)) for x in (-0.4, 0.0, 0.4)],
        (False, _bar(-0.72, 0.2, 0.3, 0.2, 0.1)), (False, _bar(0.3, 0.2, 0.42, 0.46, 0.1)),
    ],
    "Fire": [
        (True, smooth([(0.1, -1), (0.22, -0.56), (0.56, -0.2), (0.72, 0.26), (0.5, 0.74), (0, 0.94), (-0.5, 0.74),
                       (-0.7, 0.26), (-0.52, -0.18), (-0.3, 0.02), (-0.16, -0.4)])),
        (False, smooth([(0.06, 0.06), (0.3, 0.42), (0.2, 0.72), (-0.06, 0.8), (-0.28, 0.62), (-0.2, 0.36)])),
    ],
    "Flying": [  # a wing of four feathers
        (True, smooth([(-0.86, 0.5), (-0.7, -0.3), (-0.1, -0.78), (0.96, -0.86), (0.7, -0.48), (0.1, -0.3), (-0.3, 0.2),
                       (-0.5, 0.66)])),
        *[(True, _bar(-0.42 + 0.1 * i, 0.3 + 0.1 * i, 0.74 - 0.2 * i, -0.14 + 0.33 * i, 0.25)) for i in range(3)],
        (True, _round(-0.5, 0.46, 0.34)),
    ],
    "Ghost": [
        (True, [*smooth([(-0.7, 0.3), (-0.66, -0.4), (-0.34, -0.86), (0.34, -0.86), (0.66, -0.4), (0.7, 0.3)])]),
        (True, [(-0.7, 0.1), (0.7, 0.1), (0.72, 0.94), (0.36, 0.66), (0.0, 0.94), (-0.36, 0.66), (-0.72, 0.94)]),
        (False, _round(-0.27, -0.2, 0.17, 0.8)), (False, _round(0.27, -0.2, 0.17, 0.8)),
        (False, _round(0, 0.24, 0.13, 1.1)),
    ],
    "Grass": [
        (True, smooth([(0.88, -0.88), (0.8, -0.1), (0.4, 0.5), (-0.2, 0.66), (-0.6, 0.42), (-0.66, -0.14),
                       (-0.2, -0.64), (0.4, -0.82)])),
        (True, _bar(-0.88, 0.88, -0.4, 0.4, 0.2)), (False, _bar(-0.5, 0.5, 0.4, -0.4, 0.1)),
        (False, _bar(-0.08, 0.08, -0.1, -0.32, 0.09)), (False, _bar(-0.08, 0.08, 0.32, 0.1, 0.09)),
    ],
    "Ground": [
        (True, [(-0.98, 0.3), (-0.5, -0.62), (0.1, -0.62), (0.36, -0.2), (0.56, -0.36), (0.98, 0.3)]),
        (True, _bar(-0.86, 0.58, 0.86, 0.58, 0.22)), (True, _bar(-0.5, 0.9, 0.5, 0.9, 0.2)),
        (False, _bar(-0.48, -0.14, -0.06, -0.14, 0.11)),
    ],
    "Ice": _snowflake(),
    "Normal": [(True, _round(0, 0, 0.86)), (False, _round(0, 0, 0.54)), (True, _round(0, 0, 0.26))],
    "Poison": [
        (True, _round(0, -0.22, 0.7, 1.08)), (True, [(-0.4, 0.2), (0.4, 0.2), (0.36, 0.88), (-0.36, 0.88)]),
        (False, _round(-0.31, -0.18, 0.2)), (False, _round(0.31, -0.18, 0.2)),
        (False, [(0, 0.1), (0.11, 0.32), (-0.11, 0.32)]),
        (False, _bar(-0.13, 0.64, -0.13, 0.95, 0.09)), (False, _bar(0.13, 0.64, 0.13, 0.95, 0.09)),
    ],
    "Psychic": _spiral(),
    "Rock": [
        (True, [(-0.94, 0.4), (-0.6, -0.4), (0.06, -0.84), (0.64, -0.5), (0.94, 0.3), (0.6, 0.8), (-0.6, 0.8)]),
        (False, _bar(-0.58, -0.36, -0.02, -0.04, 0.1)), (False, _bar(-0.02, -0.04, 0.6, -0.46, 0.1)),
        (False, _bar(-0.02, -0.04, 0.14, 0.78, 0.1)),
    ],
    "Steel": [(True, _star(0, 0, 0.96, 0.831, 6, 0.0)), (False, _round(0, 0, 0.42))],
    "Water": [(True, _DROP), (False, smooth([(-0.36, 0.2), (-0.28, 0.48), (-0.02, 0.62), (-0.12, 0.7), (-0.4, 0.5)]))],
}  # fmt: skip

_GEM = [(0, -0.95), (0.72, -0.2), (0, 0.95), (-0.72, -0.2)]
MARKS: dict[str, list[Layer]] = {  # of the rarities, simple to precious
    "common": [(True, _round(0, 0, 0.62))],
    "uncommon": [(True, _GEM)],
    "rare": [(True, _star(0, 0.06, 0.98, 0.44, 5))],
    "ultra rare": [(True, _star(-0.36, 0.3, 0.62, 0.28, 5)), (True, _star(0.42, -0.3, 0.56, 0.25, 5))],
    "legendary": [
        (True, [(-0.95, -0.42), (-0.46, 0.02), (0, -0.8), (0.46, 0.02), (0.95, -0.42), (0.7, 0.72), (-0.7, 0.72)]),
        (False, _bar(-0.6, 0.42, 0.6, 0.42, 0.1)),
    ],
}


@cache
def mask(name: str, size: int) -> Image.Image:
    """The glyph of a type or the mark of a name as an "L" mask (size, size)."""
    large = Image.new("L", (size * _OVER, size * _OVER))
    draw = ImageDraw.Draw(large)
    half = size * _OVER / 2
    for add, outline in (GLYPHS | MARKS)[name]:
        draw.polygon([(half + x * half, half + y * half) for x, y in outline], fill=255 if add else 0)
    return large.reduce(_OVER)


@cache
def glyph_color(kind: str) -> str:
    """White where it has a contrast of 2.2 : 1 on the type's colour, else ink."""
    return WHITE if contrast(WHITE, TYPE_COLORS[kind]) >= 2.2 else mix(INK, TYPE_COLORS[kind], 0.15)


@cache
def type_icon(kind: str, size: int) -> Image.Image:
    """A type's disc, RGBA (size, size): lit from above, with a darker rim."""
    color, over = TYPE_COLORS[kind], size * _OVER
    light = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    ends = [
        np.array(Image.new("RGB", (1, 1), tone), np.float32)[0, 0]
        for tone in (mix(color, WHITE, 0.16), mix(color, "#000000", 0.14))
    ]
    disc = Image.fromarray((ends[0] * (1 - light) + ends[1] * light + np.zeros((size, size, 1))).astype(np.uint8))
    rim = Image.new("L", (over, over))
    width = max(_OVER, round(over * 0.045))
    ImageDraw.Draw(rim).ellipse((0, 0, over - 1, over - 1), outline=255, width=width)
    disc.paste(mix(color, "#000000", 0.38), (0, 0), rim.reduce(_OVER))
    inner = round(size * _GLYPH / 2) * 2 if size % 2 == 0 else round(size * _GLYPH / 2) * 2 + 1
    place = ((size - inner) // 2,) * 2
    disc.paste(glyph_color(kind), place, mask(kind, inner))
    round_ = Image.new("L", (over, over))
    ImageDraw.Draw(round_).ellipse((0, 0, over - 1, over - 1), fill=255)
    disc.putalpha(round_.reduce(_OVER))
    return disc
