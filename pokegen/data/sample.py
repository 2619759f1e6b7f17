"""A small procedural set of creatures for tests and first steps, drawn entirely by this file.

It replaces real sprites. A creature is a skeleton (blob, biped, quadruped, bird, fish, serpent, crawler, phantom) with
features of its types: fins for Water, a burning tail for Fire, a sprout for Grass. The species' number determines the
design. The variant changes pose, mouth and tint, as a sprite from another game would. Drawn on a 48×48 grid of hard
pixels and doubled; each part has one outline, one shade and one highlight. No design is taken from a game.

Letters: x runs right and y down, in pixels of the 48×48 grid; a mask is bool (48, 48).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from pokegen.schema import TYPE_COLORS, Species

GRID, SCALE = 48, 2  # a sprite is GRID × SCALE = 96 pixels a side
_Y, _X = np.mgrid[:GRID, :GRID] + 0.5

_BODY_COLORS = {
    "Black": "#4A4B5C", "Blue": "#4F8FE0", "Brown": "#A8713F", "Gray": "#9A9EA8", "Green": "#6DB955",
    "Pink": "#F29CB7", "Purple": "#9A68C4", "Red": "#E0553D", "White": "#E9E6DC", "Yellow": "#F2CB45",
}  # fmt: skip
_INK, _WHITE, _CREAM, _GOLD = (np.array(ImageColor.getrgb(c)) for c in ("#1E1A28", "#FFFFFF", "#FFF3D6", "#F7C23C"))
_FLAME, _EMBER, _STONE, _CRYSTAL = (
    np.array(ImageColor.getrgb(c)) for c in ("#FF8A1F", "#FFE15A", "#9C9484", "#A8E8F5")
)
_LEAF, _METAL, _BLUSH, _MOUTH = (np.array(ImageColor.getrgb(c)) for c in ("#4FB33A", "#B9C6D2", "#FF7A8A", "#B8323F"))

Point = tuple[float, float]


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Colour a with `share` (0 to 1) of colour b."""
    return np.round(a * (1 - share) + b * share).astype(int)


def _ellipse(x: float, y: float, rx: float, ry: float, power: float = 2.0) -> np.ndarray:
    return np.abs((_X - x) / rx) ** power + np.abs((_Y - y) / ry) ** power <= 1


def _polygon(*points: Point) -> np.ndarray:
    image = Image.new("L", (GRID, GRID))
    ImageDraw.Draw(image).polygon([(x - 0.5, y - 0.5) for x, y in points], fill=1)
    return np.asarray(image, dtype=bool)


def _stroke(points: list[Point], start: float, end: float, steps: int = 16) -> np.ndarray:
    """A Bézier curve through control points, as thick as discs whose radius runs from `start` to `end`."""
    t = np.linspace(0, 1, steps)[:, None]
    curve = [np.array(p, float)[None] for p in points]
    while len(curve) > 1:  # de Casteljau
        curve = [a * (1 - t) + b * t for a, b in pairwise(curve)]
    centre = curve[0][:, :, None, None]  # (steps, 2, 1, 1)
    radius = (start + (end - start) * t)[:, :, None]
    return ((_X - centre[:, 0]) ** 2 + (_Y - centre[:, 1]) ** 2 <= radius**2).any(0)


def _shift(mask: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """The mask moved by (dx, dy); pixels from outside are False."""
    moved = np.zeros_like(mask)
    moved[max(dy, 0) : GRID + min(dy, 0), max(dx, 0) : GRID + min(dx, 0)] = mask[
        max(-dy, 0) : GRID + min(-dy, 0), max(-dx, 0) : GRID + min(-dx, 0)
    ]
    return moved


def _grow(mask: np.ndarray) -> np.ndarray:
    return mask | _shift(mask, 1, 0) | _shift(mask, -1, 0) | _shift(mask, 0, 1) | _shift(mask, 0, -1)


@dataclass
class _Skeleton:
    """Positions of the body parts: set by the plan, used by the ornaments of the types."""

    head: tuple[float, float, float, float]  # centre and radii of the head (x, y, rx, ry)
    trunk: np.ndarray  # mask
    belly: np.ndarray  # mask, lighter
    tail: Point  # where a tail begins
    back: list[tuple[float, float, float, float]]  # points on the back, and the direction away from it
    shoulders: tuple[Point, Point]
    far_limbs: list[np.ndarray] = field(default_factory=list)
    near_limbs: list[np.ndarray] = field(default_factory=list)
    has_neck: bool = True  # False: the face is on the trunk itself
    has_tail: bool = True
    beak: bool = False
    wings: bool = False


# --- Plans: `w` is the build, from 0 (slim) to 1 (stout); `baby`, from 0 to 1, is the relative size of the head ---


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float, n: int = 4) -> list:
    """Points on an ellipse from angle `start` to `end` in degrees (0 right, 90 up), with their outward direction."""
    angles = np.deg2rad(np.linspace(start, end, n))
    return [(x + rx * np.cos(a), y - ry * np.sin(a), np.cos(a), -np.sin(a)) for a in angles]


def _blob(w: float, baby: float) -> _Skeleton:
    rx, ry = 12 + 3 * w, 12.5 - 2 * w
    y = 43 - ry
    return _Skeleton(
        head=(24, y - 1, rx - 2, ry - 2),
        trunk=_ellipse(24, y, rx, ry, 2.3),
        belly=_ellipse(22.5, y + ry * 0.55, rx * 0.6, ry * 0.45),
        tail=(24 + rx - 2, y + 4),
        back=_arc(24, y, rx, ry, 140, 40),
        shoulders=((24 - rx + 2, y - 1), (24 + rx - 2, y - 1)),
        far_limbs=[_ellipse(24 - rx, y + 3, 3, 2.5), _ellipse(24 + rx, y + 3, 3, 2.5)],
        near_limbs=[_ellipse(17, 43, 4, 2.6), _ellipse(30, 43, 4, 2.6)],
        has_neck=False,
    )


def _biped(w: float, baby: float) -> _Skeleton:
    rx, ry, head = 7.5 + 3 * w, 9.5, 8.5 + 2.5 * baby
    y = 42 - ry
    top = y - ry - head + 6.5
    return _Skeleton(
        head=(23, top, head + 1, head),
        trunk=_ellipse(24, y, rx, ry, 2.2),
        belly=_ellipse(22.5, y + 1.5, rx * 0.62, ry * 0.72),
        tail=(24 + rx - 2, y + 5),
        back=_arc(24, y, rx, ry, 60, -20),
        shoulders=((18, y - 4), (30, y - 4)),
        far_limbs=[_stroke([(24 + rx - 3, y - 4), (24 + rx + 3, y - 1), (24 + rx + 3, y + 4)], 2.6, 2.2)],
        near_limbs=[
            _ellipse(24 - rx * 0.6, 43, 4, 2.8),
            _ellipse(24 + rx * 0.6, 43, 4, 2.8),
            _stroke([(24 - rx + 2, y - 4), (24 - rx - 3, y - 1), (24 - rx - 2, y + 3)], 2.8, 2.4),
        ],
    )


def _tall(w: float, baby: float) -> _Skeleton:
    hip, head = 5.5 + 1.5 * w, 6.5 + 1.5 * baby
    return _Skeleton(
        head=(22.5, 17, head + 1, head),
        trunk=_stroke([(23.5, 22), (23.5, 28), (24.5, 34)], 4, hip),
        belly=_stroke([(22.5, 26), (22.5, 29), (23.5, 34)], 2, hip - 2.4),
        tail=(28, 35),
        back=[(27, 23, 0.9, -0.4), (29, 28, 1.0, -0.2), (30, 33, 1.0, 0.0)],
        shoulders=((20.5, 24), (27, 24)),
        far_limbs=[
            _stroke([(27, 24), (33, 26), (33, 33)], 2.2, 2.6),
            _stroke([(27, 36), (29.5, 40), (28.5, 43)], 2.8, 2.2),
            _stroke([(21, 36), (18.5, 40), (19.5, 43)], 2.8, 2.2),
        ],
        near_limbs=[
            _ellipse(18, 43.5, 3.6, 2.2),
            _ellipse(28.5, 43.5, 3.6, 2.2),
            _stroke([(20, 24), (14, 26), (14.5, 33)], 2.2, 2.6),
        ],
    )


def _quadruped(w: float, baby: float) -> _Skeleton:
    rx, ry, head = 10.5 + 1.5 * w, 6.5 + 2 * w, 7.5 + 2.5 * baby
    y = 38 - ry
    return _Skeleton(
        head=(15.5, y - ry + 1.5 - head * 0.3, head + 1, head),
        trunk=_ellipse(27, y, rx, ry, 2.4),
        belly=_ellipse(20, y + 2.5, 6, ry * 0.55),
        tail=(27 + rx - 2, y - 2),
        back=_arc(28, y, rx, ry, 105, 25),
        shoulders=((21, y - ry + 3), (28, y - ry + 2)),
        far_limbs=[_stroke([(23.5, y + 3), (23.5, 42)], 2.8, 2.4), _stroke([(32, y + 3), (31.5, 42)], 3, 2.4)],
        near_limbs=[
            _stroke([(18.5, y + 3), (18.5, 37), (17.5, 43)], 3.4, 2.8),
            _stroke([(35, y + 2), (37.5, 37), (36, 43)], 4, 2.8),
        ],
    )


def _bird(w: float, baby: float) -> _Skeleton:
    r, head = 8.5 + 2.5 * w, 6.5 + 2.5 * baby
    y = 39 - r
    return _Skeleton(
        head=(21, y - r - head + 7.5, head, head),
        trunk=_ellipse(25, y, r, r - 0.5),
        belly=_ellipse(22.5, y + 2, r * 0.6, r * 0.68),
        tail=(25 + r - 3, y + 4),
        back=_arc(25, y, r, r, 60, 10),
        shoulders=((25 - r + 2, y - 3), (25 + r - 3, y - 3)),
        near_limbs=[_stroke([(21, 38), (20, 43)], 1.2, 1.6), _stroke([(28, 38), (28, 43)], 1.2, 1.6)],
        beak=True,
        wings=True,
    )


def _fish(w: float, baby: float) -> _Skeleton:
    rx, ry = 12 + w, 8 + 3.5 * w
    return _Skeleton(
        head=(17.5, 24, 8, ry - 1),
        trunk=_ellipse(22, 25, rx, ry) | _stroke([(28, 25), (36, 25)], ry * 0.6, 3),
        belly=_ellipse(20, 25 + ry * 0.6, rx * 0.7, ry * 0.42),
        tail=(35, 25),
        back=_arc(23, 25, rx, ry, 115, 55, 3),
        shoulders=((23, 31), (28, 20)),
        far_limbs=[_polygon((18, 25 - ry + 2), (27, 25 - ry - 6), (31, 25 - ry + 4))],
        near_limbs=[_polygon((22, 29), (31, 28), (30, 36 + 2 * w))],
        has_neck=False,
        has_tail=False,
    )


def _serpent(w: float, baby: float) -> _Skeleton:
    head, thick = 6.5 + 2 * baby, 4 + 1.2 * w
    coil = _stroke([(36, 33), (44, 42), (24, 42), (10, 42), (14, 38)], 1.5, thick, 24)
    rise = _stroke([(13, 38), (16, 30), (38, 34), (27, 20), (17, 18)], thick, thick - 0.6, 24)
    return _Skeleton(
        head=(16, 17, head + 1.5, head),
        trunk=coil | rise,
        belly=_stroke([(14, 37), (18, 32), (33, 33), (24, 24), (19, 20)], 1.5, 1.5, 24),
        tail=(37, 33),
        back=[(24, 17, 0.3, -1), (28, 21, 0.8, -0.7), (30, 26, 1, -0.2)],
        shoulders=((20, 22), (28, 24)),
    )


def _crawler(w: float, baby: float) -> _Skeleton:
    r, head = 5.5 + w, 7 + 2 * baby
    spine = [(22, 36), (29, 35), (35.5, 36.5)]
    trunk = np.logical_or.reduce([_ellipse(x, y, r - 0.7 * i, r - 0.7 * i) for i, (x, y) in enumerate(spine)])
    return _Skeleton(
        head=(16, 31 - head * 0.4, head + 0.5, head),
        trunk=trunk,
        belly=trunk & _ellipse(27, 42, 14, 4),
        tail=(39, 36),
        back=[(x, y - r + 0.7 * i, 0.1 * i, -1) for i, (x, y) in enumerate(spine)],
        shoulders=((21, 31), (27, 31)),
        near_limbs=[_ellipse(x, 43, 2.2, 2) for x in (17, 23, 29, 35)],
        has_tail=False,
    )


def _phantom(w: float, baby: float) -> _Skeleton:
    rx = 10 + 2.5 * w
    skirt = [_ellipse(24 - rx + (i + 0.5) * rx / 2, 37 + 2.5 * (i % 2), rx / 3.4, 5) for i in range(4)]
    return _Skeleton(
        head=(23.5, 20, rx - 1, 9),
        trunk=_ellipse(24, 22, rx, 12) | (_ellipse(24, 30, rx, 10, 3) & (_Y < 37)) | np.logical_or.reduce(skirt),
        belly=_ellipse(23, 33, rx * 0.5, 4),
        tail=(24 + rx - 2, 32),
        back=_arc(24, 22, rx, 12, 130, 50),
        shoulders=((24 - rx + 2, 24), (24 + rx - 2, 24)),
        far_limbs=[],
        near_limbs=[
            _stroke([(24 - rx, 27), (24 - rx - 4, 27), (24 - rx - 3, 31)], 2.4, 2),
            _stroke([(24 + rx, 27), (24 + rx + 4, 27), (24 + rx + 3, 31)], 2.4, 2),
        ],
        has_neck=False,
        has_tail=False,
    )


_PLANS: dict[str, list[Callable[[float, float], _Skeleton]]] = {  # by egg group, then by type
    "Bug": [_crawler, _biped, _crawler],
    "Flying": [_bird],
    "Water 2": [_fish],
    "Water 1": [_quadruped, _biped, _blob],
    "Water 3": [_crawler, _blob],
    "Dragon": [_serpent, _quadruped, _biped],
    "Amorphous": [_phantom, _blob],
    "Mineral": [_blob, _phantom],
    "Human-Like": [_tall, _biped],
    "Fairy": [_biped, _blob],
    "Field": [_quadruped, _quadruped, _biped],
    "Grass": [_blob, _biped, _quadruped],
    "Monster": [_biped, _quadruped],
    "Ghost": [_phantom] * 4,
    "Water": [_fish, _biped],
}
_ANY_PLAN = [_biped, _quadruped, _tall, _serpent, _bird]


class _Painter:
    """Draws one creature part by part; later parts cover earlier ones."""

    def __init__(self, species: Species, variant: int):
        self.design = np.random.default_rng(species.number)
        self.pose = np.random.default_rng([species.number, variant])
        self.pixels = np.zeros((GRID, GRID, 4), np.uint8)
        self.types = [t for t in (species.type1, species.type2) if t]
        first, last = (np.array(ImageColor.getrgb(TYPE_COLORS[t])) for t in (self.types[0], self.types[-1]))
        tint = _mix(_WHITE, _INK, self.pose.uniform(0, 1))
        self.body = _mix(_mix(np.array(ImageColor.getrgb(_BODY_COLORS[species.color])), first, 0.25), tint, 0.07)
        self.accent = _mix(last, _WHITE, 0.2) if len(self.types) > 1 else _mix(first, _CREAM, 0.35)
        self.light = _mix(self.body, _CREAM, 0.65)
        self.legendary = species.legendary
        baby = (3 - species.stage) / 2 * (not species.legendary)  # a first stage has the largest head
        known = [p for key in (*species.egg_groups, *self.types) for p in _PLANS.get(key, [])] or _ANY_PLAN
        self.plan = known[int(self.design.integers(len(known)))]
        self.bones = self.plan(float(self.design.uniform()), baby)
        self.lean = float(self.pose.uniform(-2, 2))  # swing of tail and wings, in pixels
        self.muzzle = self.design.uniform() < 0.35 and not self.bones.beak
        self.blush = bool({"Electric", "Fairy", "Normal"} & set(self.types))
        self.fierce = self.design.uniform() < (0.2, 0.5, 0.8)[species.stage - 1] or species.legendary

    def part(self, mask: np.ndarray, color: np.ndarray, outline: bool = True) -> None:
        """Fill a mask with a colour, a shade at the lower right, a highlight at the upper left, and an outline."""
        if outline:
            self.dots(_grow(mask) & ~mask, _mix(color, _INK, 0.72))
        deep = 2 if mask.sum() > 60 else 1
        inner = _shift(mask, deep, deep) & _shift(mask, -deep, -deep)
        glow = inner & ~_shift(inner, 2, 2) & (mask.sum() > 60)
        self.dots(mask, color)
        self.dots(glow, _mix(color, _WHITE, 0.3))
        self.dots(mask & ~_shift(mask, -deep, -deep), _mix(color, _INK, 0.27))

    def dots(self, mask: np.ndarray, color: np.ndarray) -> None:
        self.pixels[mask, :3] = color
        self.pixels[mask, 3] = 255

    def spike(self, x: float, y: float, dx: float, dy: float, length: float, width: float, color: np.ndarray) -> None:
        """A triangle whose base is at (x, y) and whose tip points along (dx, dy)."""
        px, py = -dy * width, dx * width
        base = (x - dx * 2, y - dy * 2)
        tip = (x + dx * length, y + dy * length)
        self.part(_polygon((base[0] + px, base[1] + py), tip, (base[0] - px, base[1] - py)), color)

    # --- behind the body ---

    def wing(self, kind: str) -> None:
        (lx, ly), (rx, ry) = self.bones.shoulders
        for (x, y), side in (((rx, ry), 1), ((lx, ly), -1)):
            lift = ly - 12 + self.lean * 0.5
            spread = side * min(1.0, (45 - x if side > 0 else x - 3) / 17)  # no wider than the picture
            if kind == "bat":
                tip = [(x, y), (x + spread * 9, lift - 2), (x + spread * 16, lift + 3), (x + spread * 15, y + 5)]
                mask = _polygon(
                    *tip, (x + spread * 11, y + 2), (x + spread * 8, y + 7), (x + spread * 5, y + 3), (x, y + 5)
                )
            elif kind == "insect":
                mask = _stroke([(x, y), (x + spread * 6, lift + 2), (x + spread * 12, lift + 1)], 1, 4.5)
                mask |= _stroke([(x, y), (x + spread * 8, y), (x + spread * 10, y + 3)], 1, 3)
            else:
                mask = _stroke([(x, y), (x + spread * 6, lift + 3), (x + spread * 14, lift + 4)], 3, 1.5)
                for i in range(3):  # three feathers
                    root = (x + spread * (3 + 4 * i), y - 4 - 2 * i)
                    mask |= _stroke([root, (root[0] + spread * 3, y + 4 - 2 * i)], 3, 1.6)
            self.part(mask, _mix(_CRYSTAL, _WHITE, 0.4) if kind == "insect" else self.accent)

    def tail_part(self) -> None:
        x, y = self.bones.tail
        end = (min(x + 9, 43), y - 9 + self.lean)
        curve = [(x, y), (x + 7, y + 3), end]
        kinds = [t for t in self.types if t in ("Fire", "Electric", "Water", "Ground", "Grass", "Flying", "Ghost")]
        kind = kinds[0] if kinds else ""
        if kind == "Electric":
            ex, ey = end
            self.part(
                _polygon((x - 2, y), (x + 4, y + 1), (x + 3, y - 4), (ex, ey + 3), (ex + 1, ey - 5), (x + 1, ey + 4),
                         (x + 3, y - 1), (x - 1, y - 3)),
                self.accent,
            )  # fmt: skip
            return
        self.part(_stroke(curve, 2.6, 1.4), self.body)
        if kind == "Fire":
            self.flame(end[0], end[1] + 2, 5)
        elif kind == "Water":
            ex, ey = end
            self.part(
                _polygon((ex - 1, ey + 2), (ex - 5, ey - 5), (ex, ey - 3), (ex + 4, ey - 6), (ex + 2, ey + 2)),
                self.accent,
            )
        elif kind == "Grass":
            self.part(_stroke([end, (end[0] - 1, end[1] - 6)], 3, 0.6), _LEAF)
        elif kind == "Ground" or self.design.uniform() < 0.4:
            self.part(_ellipse(*end, 3.2, 3.2), self.accent)

    def flame(self, x: float, y: float, size: float) -> None:
        """A flame with its foot at (x, y), about twice `size` high."""
        outer = _ellipse(x, y - size * 0.6, size * 0.75, size * 0.8)
        outer |= _polygon(
            (x - size * 0.75, y - size * 0.6), (x + self.lean * 0.5, y - size * 2), (x + size * 0.75, y - size * 0.6)
        )
        self.part(outer, _FLAME)
        self.dots(_ellipse(x, y - size * 0.4, size * 0.4, size * 0.55), _EMBER)

    def back_part(self, kind: str) -> None:
        color = {"Rock": _STONE, "Steel": _METAL, "Ice": _CRYSTAL, "Fire": _FLAME}.get(kind, self.accent)
        for i, (x, y, dx, dy) in enumerate(self.bones.back):
            self.spike(x, y, dx, dy, 4 + 2 * (i % 2) + (kind == "Ice"), 3.4 if kind == "Rock" else 2.4, color)

    # --- the head and its ornaments ---

    def ears(self) -> None:
        """Ears, horns, feelers or fins at both sides of the head, by the first type."""
        x, y, rx, ry = self.bones.head
        if not self.bones.has_neck:  # they grow from the back of the trunk
            rx, ry = rx + 2, ry + 3
        kind = {
            "Dark": "point", "Electric": "point", "Fairy": "long", "Normal": "round", "Dragon": "horn", "Fire": "point",
            "Ground": "round", "Ghost": "none", "Bug": "feeler", "Water": "fin", "Psychic": "long", "Ice": "round",
            "Fighting": "round", "Rock": "horn", "Steel": "horn",
        }.get(self.types[0], str(self.design.choice(["round", "point", "none"])))  # fmt: skip
        if self.bones.beak:
            kind = "crest"
        for side in (-1, 1):
            ex, ey = x + side * rx * 0.68, y - ry * 0.62
            if kind == "point":
                self.spike(ex, ey, side * 0.45, -0.9, 8, 3.4, self.body)
                self.dots(_polygon((ex - 1, ey), (ex + side * 2.4, ey - 5), (ex + 1.5, ey)), self.accent)
            elif kind == "long":
                ear = [(ex, ey + 1), (ex + side * 1, ey - 7), (ex + side * 5, ey - 9 + self.lean)]
                self.part(_stroke(ear, 2, 2.8), self.body)
                self.dots(_stroke(ear[1:], 0.8, 1.4), self.accent)
            elif kind == "round":
                self.part(_ellipse(ex + side, ey - 1, 3.6, 3.6), self.body)
                self.dots(_ellipse(ex + side, ey - 1, 1.8, 1.8), self.accent)
            elif kind == "horn":
                self.part(_stroke([(ex, ey), (ex + side * 4, ey - 3), (ex + side * 3, ey - 8)], 2.4, 0.7), _CREAM)
            elif kind == "feeler":
                self.part(_stroke([(ex - side * 2, ey), (ex, ey - 6), (ex + side * 4, ey - 7)], 0.7, 0.7), self.body)
                self.part(_ellipse(ex + side * 4, ey - 7, 1.8, 1.8), self.accent)
            elif kind == "fin":
                ex, ey = x + side * rx * 0.85, y - 1
                self.part(
                    _polygon(
                        (ex - side, ey - 3),
                        (ex + side * 7, ey - 6),
                        (ex + side * 5, ey),
                        (ex + side * 6, ey + 4),
                        (ex, ey + 3),
                    ),
                    self.accent,
                )
        if kind == "crest":
            for i in (2, 1, 0):
                self.part(
                    _stroke([(x, y - ry + 2), (x + i * 2, y - ry - 3), (x + 1 + i * 3, y - ry - 5 + i)], 1.6, 0.9),
                    self.accent,
                )

    def face(self) -> None:
        """Eyes, cheeks, and a beak or a mouth; creatures look slightly to the left."""
        x, y, rx, _ = self.bones.head
        x, top = round(x - 1.5), round(y - 1)
        gap = max(4, round(rx * 0.5))
        skin = self.pixels[..., 3] > 0
        line = _mix(self.body, _INK, 0.75)
        low = top + 5
        if self.muzzle:
            self.dots(_ellipse(x, low, 4.2, 2.9) & skin, self.light)
        for side in (-1, 1) if self.plan is not _fish else (-1,):  # a fish shows one side
            ex = x + side * gap
            if self.fierce:
                white = _ellipse(ex, top, 2.9, 2.4) & skin
                lid = (_Y - (top - 1)) < -side * (_X - ex) * 0.45  # the brow falls towards the nose
                self.dots(_grow(white) & ~white & skin, line)
                self.dots(white, _WHITE)
                self.dots(white & (np.abs(_X - ex + 0.4) < 1.1), _mix(self.accent, _INK, 0.55))
                self.dots(white & lid, line)
            else:
                dx, dy = _X - ex, _Y - top  # half-pixels: ±0.5, ±1.5 …
                self.dots((np.abs(dx) < 2) & (np.abs(dy) < 3) & (np.abs(dx) + np.abs(dy) < 4), _INK)
                self.dots((np.abs(dx) < 1) & (np.abs(dy - 1.5) < 0.6), _mix(self.accent, _INK, 0.2))
                self.dots((np.abs(dx + 1) < 1) & (np.abs(dy + 1) < 1), _WHITE)
                if self.blush:
                    self.dots(_ellipse(ex + side * 2.4, top + 4.5, 1.8, 1.2) & skin, _BLUSH)
        if self.plan is _fish:
            x -= gap - 1
        if self.bones.beak:
            self.part(_polygon((x - 3, low - 2), (x + 2, low - 2.5), (x - 1.5, low + 3)), _GOLD)
            return
        smile = _ellipse(x, low - 1, 3.2, 3) & (low - 0.8 < _Y)
        if self.pose.uniform() < 0.5:  # an open mouth
            self.dots(smile, _mix(_MOUTH, _INK, 0.3))
            self.dots(smile & (low + 0.6 < _Y) & (np.abs(_X - x) < 1.6), _BLUSH)
        else:
            self.dots(smile & ~_shift(smile, 0, -1), line)
        if {"Poison", "Dark", "Dragon"} & set(self.types):  # fangs
            self.dots((np.abs(np.abs(_X - x) - 2) < 0.4) & (np.abs(_Y - low - 1) < 1), _WHITE)

    def ornament(self, kind: str) -> None:
        """What a type adds in front of the head or the trunk."""
        x, y, rx, ry = self.bones.head
        top = y - ry
        if kind == "Grass":
            for side in (-1, 1):
                self.part(
                    _stroke(
                        [(x, top + 1), (x + side * 2, top - 4), (x + side * 7, top - 4 + self.lean * 0.4)], 0.8, 2.4
                    ),
                    _LEAF,
                )
        elif kind == "Fire":
            self.flame(x + 1, top + 3, 4)
        elif kind == "Psychic":
            gem = np.abs(_X - x + 1) / 2 + np.abs(_Y - top - 2.5) / 2.6 <= 1
            self.part(gem, _BLUSH)
        elif kind == "Ice":
            for dx, length in ((-4, 4), (4, 4), (0, 7)):
                self.spike(x + dx, top + 1 + abs(dx) * 0.3, dx * 0.12, -1, length, 2.2, _CRYSTAL)
        elif kind == "Fighting":
            band = _ellipse(x, y, rx, ry) & (np.abs(_Y - top - ry * 0.26) < 1.1)
            self.part(band, _MOUTH)
        elif kind == "Fairy":
            bow = (np.abs(_X - x - rx * 0.6) < 5) & (np.abs(_Y - top - 2) <= np.abs(_X - x - rx * 0.6) * 0.7)
            self.part(bow, _BLUSH)
            self.part(_ellipse(x + rx * 0.6, top + 2, 1.4, 1.4), _mix(_BLUSH, _WHITE, 0.4))
        elif kind == "Steel" and self.bones.has_neck:  # a cap of metal
            self.part(_ellipse(x, y, rx, ry, 2.3) & (top + ry * 0.5 > _Y), _METAL)
        elif kind == "Ghost":  # two will-o'-the-wisps
            for wx, wy in ((6, 12 + self.lean), (42, 16 - self.lean)):
                self.part(
                    _ellipse(wx, wy, 2.6, 2.6) | _polygon((wx - 2.6, wy), (wx + 1, wy - 7), (wx + 2.6, wy)), self.accent
                )
        elif kind == "Dark":  # a crescent on the brow
            self.dots(_ellipse(x - 1.5, top + 2.5, 2.4, 2.2) & ~_ellipse(x - 1.5, top + 1.2, 2.2, 2), _GOLD)
        elif kind == "Electric":
            bx, by = x - 1, top + 2
            self.part(
                _polygon(
                    (bx + 3, by - 7), (bx - 3, by), (bx, by), (bx - 2, by + 4), (bx + 4, by - 3), (bx + 1, by - 3)
                ),
                _GOLD,
            )

    def markings(self) -> None:
        """Spots or stripes inside the trunk."""
        trunk = self.bones.trunk & ~self.bones.belly & ~_grow(~self.bones.trunk)
        dark = _mix(self.body, self.accent, 0.75)
        if "Poison" in self.types or self.design.uniform() < 0.2:
            for x, y in self.design.uniform((14, 20), (38, 40), (7, 2)):
                self.dots(trunk & _ellipse(x, y, 2.1, 1.8), dark)
        elif {"Ground", "Bug", "Fighting", "Dark"} & set(self.types):
            slant = float(self.design.uniform(-0.5, 0.5))
            self.dots(trunk & ((_X + slant * _Y) % 7 < 2.2) & (_X > 20), dark)

    def draw(self) -> np.ndarray:
        """The creature, uint8 RGBA (48, 48, 4), alpha 0 or 255."""
        bones, types = self.bones, self.types
        if self.legendary:  # a golden halo
            x, y, rx, ry = bones.head
            ring = _ellipse(x, y - 2, rx + 6, ry + 6) & ~_ellipse(x, y - 2, rx + 4, ry + 4)
            self.part(ring, _GOLD)
        if bones.wings or "Flying" in types:
            self.wing("feather")
        elif "Dragon" in types:
            self.wing("bat")
        elif "Bug" in types:
            self.wing("insect")
        if bones.has_tail:
            self.tail_part()
        for kind in types:
            if kind in ("Rock", "Steel", "Ice", "Dragon", "Ground"):
                self.back_part(kind)
        limb = _GOLD if bones.beak else self.body
        if self.plan is _fish:
            limb = self.accent
            self.part(_polygon((34, 25), (43, 16 + self.lean), (41, 25), (43, 34 + self.lean)), limb)
        for mask in bones.far_limbs:
            self.part(mask, _mix(limb, _INK, 0.18))
        if not bones.has_neck and self.plan is not _fish:
            self.ears()
        self.part(bones.trunk, self.body)
        self.dots(bones.belly & bones.trunk & ~_grow(~bones.trunk), self.light)
        self.markings()
        for mask in bones.near_limbs:
            self.part(mask, limb)
        if bones.has_neck:
            self.ears()
            self.part(_ellipse(*bones.head, 2.3), self.body)
        for kind in types:
            self.ornament(kind)
        self.face()
        return self.pixels


def draw_creature(species: Species, variant: int = 0) -> Image.Image:
    """One creature, RGBA, 96×96, on a transparent background; the same species and variant give the same pixels."""
    small = Image.fromarray(_Painter(species, variant).draw())
    return small.resize((GRID * SCALE, GRID * SCALE), Image.Resampling.NEAREST)


def write_sample(folder: Path, species: Iterable[Species], variants: int = 2) -> int:
    """Write `variants` PNG files per species as `folder/NAME/0.png`, `1.png` …; returns their number."""
    written = 0
    for one in species:
        place = folder / one.name.replace(":", "")  # Windows allows no "Type: Null" as a folder name
        place.mkdir(parents=True, exist_ok=True)
        for variant in range(variants):
            draw_creature(one, variant).save(place / f"{variant}.png")
            written += 1
    return written
