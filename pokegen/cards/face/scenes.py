"""Where a creature lives: a pixel-art scene for each of the 18 types, drawn by code and varied by the card's seed.

A scene is drawn from back to front: sky, lights, far and near silhouettes that grow darker and richer towards the
viewer, floor, props at both sides. The middle stays calm, for the creature. A second type adds its own particles to the
air and tints the light.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from pokegen.cards.face.canvas import Canvas
from pokegen.cards.face.theme import mix
from pokegen.schema import TYPE_COLORS

Painter = Callable[[Canvas], None]
_HORIZON = 0.68  # of the height
_TINT = 0.16  # of the second type's colour in the picture


def scene(types: list[str], seed: int, width: int, height: int, above: int = 0, grand: bool = False) -> Image.Image:
    """The scene of one or two types, RGB (width, above + height) in pixels of the sprite's grid.

    Args:
        types: the first has the place, the second adds light and air.
        seed: varies it.
        above: rows of sky added on top; the rest stays where it is.
        grand: with shafts of light around the creature, and sparkles.
    """
    rng = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32])
    canvas = Canvas(width, above + height, above + round(height * _HORIZON), rng)
    PLACES[types[0]](canvas)
    if len(types) == 2:
        canvas.blend(np.full((canvas.height, width), _TINT, np.float32), TYPE_COLORS[types[1]], levels=16)
    if grand:
        light = mix(TYPE_COLORS[types[0]], "#FFF8DC", 0.72)
        canvas.rays(width / 2, above + height * 0.55, light, 0.5, 12)
        canvas.glow(width / 2, above + height * 0.5, height * 0.62, light, 0.55)
    for kind in types[::-1]:
        AIR[kind](canvas)
    if grand:
        canvas.sparkles(16, "#FFFBE3", above + 4, above + height * 0.9)
    return canvas.image


# fmt: off
# ---------------------------------------------------------------- props


def _conifer(c: Canvas, x: float, foot: float, size: float, color: str, lit: str) -> None:
    for i in range(4):
        half, top = size * (0.16 + 0.09 * i), foot - size * (1 - 0.22 * i)
        c.shape([(x, top), (x - half, top + size * 0.34), (x + half, top + size * 0.34)], color)
        c.shape([(x, top), (x - half, top + size * 0.34), (x - half * 0.3, top + size * 0.34)], lit)
    c.box(x - 1, foot - size * 0.1, x + 1, foot, mix(color, "#2A1A10", 0.7))


def _tree(c: Canvas, x: float, foot: float, size: float, leaf: str, lit: str, wood: str) -> None:
    c.box(x - size * 0.06, foot - size * 0.5, x + size * 0.06, foot, wood)
    heap = [(-0.26, -0.62, 0.27), (0.26, -0.6, 0.25), (0.0, -0.82, 0.31), (0.02, -0.55, 0.25)]
    for dx, dy, r in heap:
        c.disc(x + dx * size, foot + dy * size, r * size, leaf)
    for dx, dy, r in heap[:3]:
        c.disc(x + (dx - 0.06) * size, foot + (dy - 0.08) * size, r * size * 0.62, lit)


def _bare_tree(c: Canvas, x: float, foot: float, size: float, color: str) -> None:
    def branch(x: float, y: float, angle: float, length: float, width: float) -> None:
        tip = (x + length * np.cos(angle), y - length * np.sin(angle))
        c.stroke([(x, y), tip], color, max(1, round(width)))
        if length > 4:
            for turn in (c.rng.uniform(0.25, 0.7), -c.rng.uniform(0.25, 0.7)):
                branch(*tip, angle + turn, length * c.rng.uniform(0.6, 0.78), width * 0.6)

    branch(x, foot, np.pi / 2 + c.rng.uniform(-0.15, 0.15), size * 0.38, size / 11)


def _crystal(c: Canvas, x: float, foot: float, size: float, dark: str, mid: str, lit: str, lean: float = 0) -> None:
    half, shoulder = size * 0.2, size * 0.72
    tip = (x + lean * size, foot - size)
    left, right = (x - half + 0.7 * lean * size, foot - shoulder), (x + half + 0.7 * lean * size, foot - shoulder)
    middle = (x - half * 0.2 + 0.6 * lean * size, foot - shoulder * 0.9)
    c.shape([(x - half, foot), left, tip, right, (x + half, foot)], mid)
    c.shape([(x - half, foot), left, tip, middle, (x - half * 0.2, foot)], lit)
    c.shape([(x + half, foot), right, middle, (x + half * 0.4, foot)], dark)


def _rock(c: Canvas, x: float, foot: float, size: float, dark: str, mid: str, lit: str) -> None:
    a, b = c.rng.uniform(0.5, 0.9, 2)
    c.shape(
        [(x - size, foot), (x - size * 0.8, foot - size * 0.5 * a), (x - size * 0.2, foot - size * 0.9 * b),
         (x + size * 0.5, foot - size * 0.7 * a), (x + size, foot)], mid,
    )
    c.shape(
        [(x - size * 0.8, foot - size * 0.5 * a), (x - size * 0.2, foot - size * 0.9 * b),
         (x + size * 0.1, foot - size * 0.62 * a), (x - size * 0.5, foot - size * 0.3)], lit,
    )
    c.shape([(x + size * 0.5, foot - size * 0.7 * a), (x + size, foot), (x + size * 0.2, foot)], dark)


def _grass(c: Canvas, x: float, foot: float, size: float, color: str, lit: str) -> None:
    for i in range(7):
        bend, at = c.rng.uniform(-0.5, 0.5) * size, x + (i - 3) * size * 0.16
        c.shape([(at - 1.2, foot), (at + bend, foot - size * c.rng.uniform(0.6, 1)),
            (at + 1.2, foot)], (color, lit)[i % 2])


def _flower(c: Canvas, x: float, foot: float, size: float, petal: str, heart: str, stem: str) -> None:
    c.box(x, foot - size, x, foot, stem)
    r, y = max(1, size * 0.22), foot - size
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        c.disc(x + dx * r, y + dy * r, r * 0.8, petal)
    c.box(x, y, x, y, heart)
    c.box(x - r * 0.4, y - r * 0.4, x + r * 0.4, y + r * 0.4, heart)


def _mushroom(c: Canvas, x: float, foot: float, size: float, cap: str, lit: str, stem: str) -> None:
    c.shape([(x - size * 0.13, foot - size * 0.6), (x + size * 0.13, foot - size * 0.6), (x + size * 0.2, foot),
        (x - size * 0.2, foot)], stem)
    c.draw.pieslice((x - size * 0.5, foot - size, x + size * 0.5, foot - size * 0.2), 180, 360, fill=cap)
    c.box(x - size * 0.5, foot - size * 0.62, x + size * 0.5, foot - size * 0.56, mix(cap, "#000000", 0.3))
    for dx, dy, r in ((-0.22, 0.74, 0.08), (0.06, 0.86, 0.1), (0.27, 0.71, 0.07)):
        c.disc(x + dx * size, foot - dy * size, max(0.6, r * size), lit)


def _moon(c: Canvas, radius: float, color: str, halo: str, crescent: str = "") -> tuple[float, float]:
    x, y = c.width * c.rng.choice([0.16, 0.84]), c.ground * c.rng.uniform(0.2, 0.32)
    c.glow(x, y, radius * 4, halo, 0.6)
    c.disc(x, y, radius, color)
    if crescent:
        c.disc(x + radius * 0.45, y - radius * 0.25, radius * 0.88, crescent)
    else:
        for dx, dy, r in ((-0.3, -0.2, 0.26), (0.35, 0.25, 0.2), (0.1, -0.5, 0.13)):
            c.disc(x + dx * radius, y + dy * radius, r * radius, mix(color, halo, 0.4))
    return float(x), float(y)


def _stars(c: Canvas, colors: tuple[str, ...], count: int = 60) -> None:
    c.dots(count, colors, 0, c.ground * 0.85)
    c.sparkles(count // 14, colors[0], 4, c.ground * 0.6)


# ---------------------------------------------------------------- places, one for each type


def _undergrowth(c: Canvas) -> None:
    """Bug: the forest floor, seen by something small."""
    c.sky("#F5F3A8", "#C5DF6E", "#7DBB52", "#3F8A46")
    c.glow(c.width * 0.5, c.height * 0.25, c.height * 0.8, "#FFFCD0", 0.7)
    for share, color in ((0.34, "#6FAE52"), (0.26, "#4C9148")):
        for x in c.sides(6, share):
            lean = c.rng.uniform(-8, 8)
            c.shape([(x - 4, c.ground + 8), (x + lean - 3, 0), (x + lean + 3, 0), (x + 4, c.ground + 8)], color)
    c.rays(c.width * 0.62, -30, "#FDFAC0", 0.45, 14)
    c.ridge(c.ground - 5, 5, 26, "#2F7440", lit="#5FA64A")
    c.floor("#3D7F3C", "#2C6A36", "#1C4B2B", patch="#4F9440")
    for x in c.sides(4, 0.2):
        foot = c.ground + c.rng.uniform(8, 26)
        _mushroom(c, x, foot, c.rng.uniform(18, 32), "#D9523B", "#FFF3DC", "#F2E3C2")
    for x in c.sides(10, 0.3):
        _grass(c, x, c.height + 2, c.rng.uniform(20, 42), "#14402A", "#2B7338")
    for side in (0, c.width):  # a leaf that hangs into the picture
        way = 1 if side == 0 else -1
        c.shape([(side, -4), (side + way * 52, 8), (side + way * 62, 26), (side + way * 20, 22),
            (side, 10)], "#1F5B32")
        c.stroke([(side, 2), (side + way * 60, 24)], "#4C9148")


def _ruins(c: Canvas) -> None:
    """Dark: ruined walls under a thin moon."""
    c.sky("#0D0B1E", "#1B1836", "#33264F", "#5B3560", "#8C4A5F")
    _stars(c, ("#E9DDF5", "#8E7FB5"), 70)
    _moon(c, 15, "#F3E3C3", "#8C5F86", "#1F1A3B")
    c.ridge(c.ground - 20, 10, 40, "#2C2144", lit="#5A3C66", haze="#5B3560")
    for x in c.sides(6, 0.3):
        top, half = c.ground - c.rng.uniform(26, 70), c.rng.uniform(5, 10)
        c.box(x - half, top, x + half, c.ground + 6, "#1A1530")
        c.box(x - half, top, x - half + 1, c.ground + 6, "#4A3560")
        for i in range(3):
            c.box(x - half + 5 * i, top - 4, x - half + 5 * i + 2, top, "#1A1530")
        c.box(x - 1, top + 9, x + 1, top + 14, "#F2B45A")
    c.ridge(c.ground - 3, 4, 22, "#15112A", lit="#3B2B50")
    c.floor("#2C2142", "#1C1733", "#0E0C1F", patch="#382A50")
    for x in c.sides(2, 0.12):
        _bare_tree(c, x, c.height - 6, c.rng.uniform(90, 120), "#0B0918")


def _peaks(c: Canvas) -> None:
    """Dragon: a throne of needle peaks at dusk."""
    c.sky("#1D1A5E", "#3B2E96", "#7A43B6", "#D9628F", "#FFB36B")
    _stars(c, ("#FFF3DC", "#A99BE8"), 34)
    c.glow(c.width / 2, c.ground, c.height * 0.8, "#FFD98A", 0.8, 1.4)
    for base, size, color, lit, count in ((0, 62, "#6A49A8", "#A870C4", 9), (6, 88, "#3A2C7C", "#6B52B4", 7)):
        for i in range(count):
            x = (i + c.rng.uniform(0.1, 0.9)) / count * c.width
            tall = size * c.rng.uniform(0.5, 1) * (0.55 + 0.9 * abs(x / c.width - 0.5))
            half = tall * c.rng.uniform(0.18, 0.28)
            c.shape([(x - half, c.ground + base), (x, c.ground + base - tall), (x + half, c.ground + base)], color)
            c.shape([(x - half, c.ground + base), (x, c.ground + base - tall),
                (x - half * 0.2, c.ground + base)], lit)
    c.glow(c.width / 2, c.ground + 6, 60, "#FFC98A", 0.55, 3)
    c.floor("#4A3D8C", "#322A6B", "#1C1847", patch="#5B4CA3")
    for i, x in enumerate(c.sides(4, 0.2)):  # what is left of a hall
        foot, tall, half = c.ground + 10 + 9 * (i // 2), c.rng.uniform(34, 78), 6
        c.box(x - half - 2, foot - 4, x + half + 2, foot, "#3A2F78")
        c.shape([(x - half, foot - 4), (x - half, foot - tall), (x - 1, foot - tall + 5), (x + 2, foot - tall - 3),
                 (x + half, foot - tall + 3), (x + half, foot - 4)], "#5B4AA0")
        for at, tint in ((-half, "#C99BD6"), (-half + 1, "#8F70C4"), (-1, "#46398A"), (3, "#46398A"),
            (half, "#2E2668")):
            c.box(x + at, foot - tall + 6, x + at, foot - 5, tint)
        c.box(x - half, foot - tall * 0.55, x + half, foot - tall * 0.55 + 1, "#FFC98A")


def _storm(c: Canvas) -> None:
    """Electric: lightning over a plain of pylons."""
    c.sky("#232A52", "#3A3F78", "#66589A", "#C78A7B", "#FFD66B")
    c.glow(c.width / 2, c.ground, c.height * 0.7, "#FFE88A", 0.7, 1.8)
    for x in c.sides(2, 0.3):
        points, y, at = [(x, 18.0)], 18.0, x
        while y < c.ground:
            y, at = y + c.rng.uniform(6, 13), at + c.rng.uniform(-11, 11)
            points.append((at, y))
            if c.rng.random() < 0.35:
                c.stroke([(at, y), (at + c.rng.uniform(-16, 16), y + 12)], "#FFE45C")
        c.glow(x, c.ground * 0.5, 56, "#FFF3A0", 0.7)
        c.stroke(points, "#FFD83A", 3)
        c.stroke(points, "#FFFFE8", 1)
    for _ in range(14):
        c.cloud(c.rng.uniform(0, c.width), c.rng.uniform(4, 26), c.rng.uniform(12, 22), "#4A4A7C", "#2A2C56")
    c.ridge(c.ground - 5, 5, 50, "#4A3F6E", lit="#E0A66B")
    for i, x in enumerate(c.sides(4, 0.34)):
        size = 62 - 12 * i
        foot = c.ground + 4
        for way in (-1, 1):
            c.stroke([(x + way * size * 0.16, foot), (x, foot - size)], "#231F42", 1)
            c.stroke([(x, foot - size * 0.8), (x + way * size * 0.24, foot - size * 0.76)], "#231F42", 1)
            c.stroke([(x, foot - size * 0.6), (x + way * size * 0.18, foot - size * 0.56)], "#231F42", 1)
        for k in range(1, 4):
            half = size * 0.16 * (1 - k / 5)
            c.stroke([(x - half, foot - size * k / 5), (x + half * 0.8, foot - size * (k + 1) / 5)], "#231F42", 1)
    c.floor("#8A6A4A", "#6B5046", "#3C3346", patch="#B5894A")
    for x in c.sides(6, 0.24):
        _grass(c, x, c.height + 1, c.rng.uniform(12, 24), "#2A2438", "#C9983F")


def _garden(c: Canvas) -> None:
    """Fairy: a garden under a rainbow."""
    c.sky("#B9A5F2", "#E3B5F0", "#FFC9DF", "#FFE3D6", "#FFF5D8")
    middle, outer = c.width / 2, c.ground * 0.98
    for i, color in enumerate(("#FF9DB5", "#FFCB9A", "#FFF0A8", "#B5EFC0", "#A8D8FA", "#CDB2F7")):
        ring = np.abs(np.hypot((c.x - middle) / 1.12, c.y - c.ground) - (outer - 4.5 * i)) < 2.3
        c.blend(np.where(ring, 0.62, 0).astype(np.float32), color)
    for _ in range(5):
        c.cloud(c.spot(0.34), c.rng.uniform(18, c.ground * 0.7), c.rng.uniform(8, 16), "#FFFFFF", "#F7C8E4")
    c.ridge(c.ground - 12, 7, 50, "#E8A6D8", lit="#FFD3EE", haze="#FFE3F0")
    c.ridge(c.ground - 3, 5, 34, "#C07FCB", lit="#F2B5E4")
    c.floor("#9ADFA8", "#6CC690", "#46A184", patch="#B5EDB0")
    for i in range(22):
        x = c.rng.uniform(0, c.width)
        _flower(c, x, c.ground + 4 + 38 * c.rng.random(), 4 + i / 5, str(c.rng.choice(["#FF7FB5", "#FFFFFF",
            "#FFD66B"])), "#FFF3A0", "#3C8F6C")
    for x in c.sides(6, 0.18):
        _flower(c, x, c.height, c.rng.uniform(22, 42), str(c.rng.choice(["#F2569C", "#FFF5FA", "#B57BEB"])),
            "#FFE27A", "#2F7F62")


def _dojo(c: Canvas) -> None:
    """Fighting: a mountain ring, with the sun behind it."""
    c.sky("#7A1F2E", "#C4402F", "#F07F3A", "#FFC162", "#FFE6A0")
    c.glow(c.width / 2, c.ground * 0.55, c.height * 0.8, "#FFF0B0", 0.6)
    c.disc(c.width / 2, c.ground * 0.56, c.ground * 0.5, "#FFE9AE")
    c.ridge(c.ground - 24, 14, 36, "#B0503C", lit="#F2955A", haze="#F2A65E")
    c.ridge(c.ground - 9, 9, 30, "#7C3236", lit="#C9603F")
    for x in c.sides(2, 0.2):  # a post with a banner
        way = 1 if x < c.width / 2 else -1
        c.box(x - 2, 14, x + 2, c.ground + 18, "#4A1D22")
        c.box(x - 2, 14, x - 1, c.ground + 18, "#8A3B32")
        c.shape([(x + way * 3, 20), (x + way * 24, 20), (x + way * 24, 74), (x + way * 14, 66),
            (x + way * 3, 74)], "#B3261E")
        c.shape([(x + way * 3, 20), (x + way * 8, 20), (x + way * 8, 71), (x + way * 3, 74)], "#D9442F")
        c.disc(x + way * 14, 40, 6, "#FFD98A")
        c.box(x - 14, 12, x + 14, 15, "#3A161C")
    c.floor("#E3B071", "#C58B55", "#8A5540", patch="#D29C62")
    depth = (c.y - c.ground) / max(1, c.height - c.ground)
    for radius in (0.9, 0.72):  # the ring
        ring = np.abs(np.hypot((c.x - c.width / 2) / (c.width * 0.5), (depth - 0.62) / 0.52) - radius) < 0.022
        c.image.paste("#FFF0D0", (0, 0), Image.fromarray(ring & (depth > 0)))
    for x in c.sides(6, 0.2):
        _rock(c, x, c.height - c.rng.uniform(-2, 6), c.rng.uniform(6, 12), "#4A2A2C", "#7A4A3E", "#B57A55")


def _volcano(c: Canvas) -> None:
    """Fire: a volcano at work."""
    c.sky("#2B0F1E", "#5C1524", "#A62B22", "#EE6A1F", "#FFC24A")
    x, top, foot = c.width * c.rng.choice([0.2, 0.8]), c.ground * 0.3, c.ground + 4
    c.glow(x, top, c.height * 0.62, "#FF9A3A", 0.9)
    for i in range(10):
        c.disc(x + c.rng.uniform(-12, 12) + i * 2, top - 6 - i * 3.4, 5 + i * 1.1, ("#4A1C26", "#3A141F")[i % 2])
    rim = 11
    c.shape([(x - 76, foot), (x - 30, top + 32), (x - rim, top), (x + rim, top), (x + 32, top + 30),
        (x + 80, foot)], "#3A1622")
    c.shape([(x - 76, foot), (x - 30, top + 32), (x - rim, top), (x - 3, top), (x - 14, top + 36),
        (x - 34, foot)], "#5E2329")
    for way in (-1, 0.15, 0.9):  # lava
        path, at, y = [], x + way * 6, top
        while y < foot:
            path.append((at, y))
            y, at = y + 6, at + way * c.rng.uniform(0, 5) + c.rng.uniform(-2, 2)
        c.stroke(path, "#F2541B", 4)
        c.stroke(path, "#FFC23A", 2)
    c.disc(x, top, 4, "#FFE27A", flat=rim / 4)
    c.shape([(x - rim, top + 1), (x + rim, top + 1), (x + rim + 2, top + 5), (x - rim - 2, top + 5)], "#FF8A2A")
    c.ridge(c.ground - 16, 9, 32, "#4A1A22", lit="#C9401F", haze="#A3331F")
    c.ridge(c.ground - 3, 6, 20, "#2E1019", lit="#8A2A1C")
    c.floor("#5C2420", "#3D171C", "#220C14", patch="#6E2C22")
    cracks = np.abs(c.noise(13, 3) - 0.5) < 0.022
    c.image.paste("#FF7A1F", (0, 0), Image.fromarray(cracks & (c.y > c.ground + 3)))
    for at in c.sides(8, 0.22):
        _rock(c, at, c.height + c.rng.uniform(-10, 4), c.rng.uniform(7, 16), "#12070D", "#32131A", "#A8371F")


def _cloudsea(c: Canvas) -> None:
    """Flying: islands above a sea of clouds."""
    c.sky("#2F7FD6", "#5FAEEB", "#9AD3F7", "#D6F0FB", "#FFF3D6", bottom=c.height)
    x = c.width * c.rng.choice([0.18, 0.82])
    c.glow(x, c.ground * 0.3, 70, "#FFFBE0", 1.0)
    c.disc(x, c.ground * 0.3, 11, "#FFFDF0")
    for _ in range(6):
        c.cloud(c.rng.uniform(0, c.width), c.rng.uniform(12, c.ground * 0.6), c.rng.uniform(5, 11), "#FFFFFF",
            "#C4E3F7")
    for i, at in enumerate(c.sides(3, 0.2)):
        y, half = c.ground * c.rng.uniform(0.42, 0.72), 27 - 6 * i
        c.shape([(at - half, y), (at + half, y), (at + half * 0.5, y + half * 0.6),
            (at - half * 0.1, y + half * 1.25), (at - half * 0.6, y + half * 0.5)], "#8A6A5A")
        c.shape([(at - half, y), (at - half * 0.2, y), (at - half * 0.1, y + half * 1.25),
            (at - half * 0.6, y + half * 0.5)], "#B58F72")
        c.box(at - half, y - 3, at + half, y + 1, "#6FBF5A")
        c.box(at - half, y - 4, at + half, y - 3, "#A5DE74")
        _tree(c, at - half * 0.3, y - 3, half * 0.9, "#4A9E54", "#86CF62", "#6B4A3A")
    for row in range(5):
        y = c.ground - 8 + row * 12
        for _ in range(9):
            c.cloud(c.rng.uniform(-10, c.width + 10), y + 8 + row, 10 + 4 * row, mix("#DCEFFB", "#FFFFFF",
                row / 4), mix("#A9D2F2", "#D3E9FA", row / 4))
        c.blend(np.where(c.y > y + 6 + row, 0.5, 0) * np.ones_like(c.x), "#F2FAFF")


def _graves(c: Canvas) -> None:
    """Ghost: a graveyard in the mist."""
    c.sky("#120E2B", "#241B4D", "#43317A", "#6F56A0", "#A58CC9")
    _stars(c, ("#F2E9FF", "#8F7FC7"), 50)
    _moon(c, 19, "#F5EFD2", "#9A86D1")
    c.ridge(c.ground - 14, 8, 44, "#372A63", lit="#6B57A0", haze="#7C66AB")
    x = c.width * c.rng.choice([0.12, 0.88])
    c.box(x - 17, c.ground - 42, x + 17, c.ground + 4, "#1A1438")
    c.shape([(x - 21, c.ground - 42), (x, c.ground - 66), (x + 21, c.ground - 42)], "#130E2B")
    c.box(x + 7, c.ground - 78, x + 14, c.ground - 42, "#1A1438")
    c.shape([(x + 4, c.ground - 77), (x + 10.5, c.ground - 94), (x + 17, c.ground - 77)], "#130E2B")
    for dx, dy in ((-10, 32), (4, 32), (-3, 16), (10, 66)):
        c.box(x + dx, c.ground - dy, x + dx + 3, c.ground - dy + 5, "#FFD56B")
    c.floor("#3D3166", "#2A214D", "#181232", patch="#4A3D78")
    for at in c.sides(6, 0.27):
        foot, half = c.ground + c.rng.uniform(8, 34), c.rng.uniform(6, 9)
        c.box(at - half, foot - half * 2, at + half, foot, "#544B78")
        c.disc(at, foot - half * 2, half, "#544B78")
        c.box(at - half, foot - half * 2, at - half + 1, foot, "#8A80B0")
        c.box(at - half * 0.5, foot - half * 1.9, at + half * 0.5, foot - half * 1.8, "#2F2852")
        c.box(at - half * 0.5, foot - half * 1.3, at + half * 0.3, foot - half * 1.2, "#2F2852")
    _bare_tree(c, c.width - x, c.height - 4, 120, "#120D28")
    mist = c.noise(15, 5) * np.exp(-(((c.y - c.ground - 6) / 16) ** 2))
    c.blend(0.85 * mist, "#C9B8EC")


def _meadow(c: Canvas) -> None:
    """Grass: a meadow on a clear day."""
    c.sky("#4AA3E8", "#83C8F2", "#BFE7F5", "#F0F8DC")
    x = c.width * c.rng.choice([0.15, 0.85])
    c.glow(x, c.ground * 0.2, 64, "#FFFBD0", 0.9)
    c.disc(x, c.ground * 0.2, 10, "#FFFBE3")
    for _ in range(4):
        c.cloud(c.rng.uniform(0, c.width), c.rng.uniform(14, c.ground * 0.5), c.rng.uniform(8, 14), "#FFFFFF",
            "#CFE9F5")
    c.ridge(c.ground - 26, 12, 60, "#8CC7B5", lit="#B5E0C7", haze="#CDEBC9")
    rows = c.ridge(c.ground - 13, 8, 44, "#6DB56A", lit="#A0D878", haze="#9ACF70")
    for at in c.sides(8, 0.36):
        _conifer(c, at, rows[int(min(at, c.width - 1))] + 5, c.rng.uniform(18, 30), "#2F7F5A", "#4FA266")
    for i, at in enumerate(c.sides(2, 0.14)):
        _tree(c, at, c.ground + 6, 62 - 8 * i, "#3A8F45", "#6BBF4E", "#6B4630")
    c.floor("#9AD454", "#6DBB45", "#3E943C", patch="#83C94C")
    for _ in range(34):
        y = c.ground + 5 + (c.height - c.ground) * c.rng.random() ** 1.2
        _flower(c, c.rng.uniform(0, c.width), y, 3 + (y - c.ground) / 12, str(c.rng.choice(["#FFFFFF", "#FFD93F",
            "#FF8FB1"])), "#FFB52E", "#2F7A36")
    for at in c.sides(10, 0.26):
        _grass(c, at, c.height + 2, c.rng.uniform(12, 26), "#2A7A36", "#57AB40")


def _canyon(c: Canvas) -> None:
    """Ground: mesas over the sand."""
    c.sky("#3F8FC4", "#8CC5D1", "#F3DDA8", "#F7B872", "#EB9150")
    x = c.width * c.rng.choice([0.2, 0.8])
    c.glow(x, c.ground * 0.34, 60, "#FFF3C4", 0.9)
    c.disc(x, c.ground * 0.34, 12, "#FFF6D8")
    for depth, count, colors in ((0, 6, ("#D98F5E", "#E9AC78", "#C27A50")),
        (4, 4, ("#AD5534", "#CB7044", "#8A3F2A"))):
        mid, lit, dark = colors
        for at in c.sides(count, 0.36 - 0.05 * depth / 4):
            tall, half = c.rng.uniform(30, 62) + 3 * depth, c.rng.uniform(13, 24)
            top = c.ground + depth - tall
            c.shape([(at - half * 1.35, c.ground + depth), (at - half, top), (at + half, top),
                (at + half * 1.35, c.ground + depth)], mid)
            c.shape([(at - half * 1.35, c.ground + depth), (at - half, top), (at - half * 0.4, top),
                (at - half * 0.6, c.ground + depth)], lit)
            for k in range(1, 5):
                y = top + tall * k / 5 + c.rng.uniform(-2, 2)
                c.box(at - half, y, at + half, y + (k % 2), dark)
            c.box(at - half, top, at + half, top + 1, mix(lit, "#FFFFFF", 0.3))
    c.floor("#F2C27A", "#DD9E58", "#A8683C", patch="#E8B067")
    waves = np.sin(c.y * 0.9 + 3 * c.line(40)[None, :] + c.noise(20, 3) * 5)
    c.blend(np.where((c.y > c.ground + 3) & (waves > 0.86), 0.4, 0) * np.ones_like(c.x), "#8F5430")
    for at in c.sides(4, 0.2):  # cacti
        foot, size = c.ground + c.rng.uniform(6, 34), c.rng.uniform(18, 34)
        for dx, low, high in ((0, 0, 1), (-0.3, 0.36, 0.72), (0.28, 0.5, 0.86)):
            c.box(at + dx * size - 2, foot - high * size, at + dx * size + 2, foot - low * size, "#3F7F4A")
            c.box(at + dx * size - 2, foot - high * size, at + dx * size - 1, foot - low * size, "#79B25C")
        c.box(at - 0.3 * size, foot - 0.4 * size, at, foot - 0.34 * size, "#3F7F4A")
        c.box(at, foot - 0.54 * size, at + 0.28 * size, foot - 0.48 * size, "#3F7F4A")
    for at in c.sides(4, 0.24):
        _rock(c, at, c.height + 1, c.rng.uniform(8, 14), "#6B3622", "#A2592F", "#DB9455")


def _glacier(c: Canvas) -> None:
    """Ice: a glacier under the northern lights."""
    c.sky("#0F2352", "#1D4A80", "#3F8CB5", "#9AD6E0", "#E4F7F4")
    _stars(c, ("#FFFFFF", "#9FC8E8"), 44)
    for i, color in enumerate(("#5FF0C0", "#7FD8FF", "#B59BFF")):
        line = c.ground * (0.16 + 0.11 * i) + 11 * c.line(60)
        c.blend(0.6 * np.where(c.y < line, np.exp(-np.abs(c.y - line) / 20), np.exp(-np.abs(c.y - line) / 3)), color)
    for base, size, tones, count in ((-4, 58, ("#5E9CC0", "#A5D5E6"), 9), (3, 44, ("#3D7FAE", "#D6F2F7"), 7)):
        for i in range(count):
            x = (i + c.rng.uniform(0, 1)) / count * c.width
            tall = size * c.rng.uniform(0.5, 1) * (0.6 + 0.8 * abs(x / c.width - 0.5))
            half = tall * c.rng.uniform(0.45, 0.7)
            c.shape([(x - half, c.ground + base), (x, c.ground + base - tall), (x + half, c.ground + base)], tones[0])
            c.shape([(x - half, c.ground + base), (x, c.ground + base - tall),
                (x + half * 0.1, c.ground + base - tall * 0.5), (x - half * 0.3, c.ground + base)], tones[1])
    c.floor("#E8F8FA", "#B5E0EC", "#6DB3D1", patch="#F7FEFF")
    for x in c.sides(8, 0.22):
        foot = c.ground + c.rng.uniform(10, c.height - c.ground)
        _crystal(c, x, foot, c.rng.uniform(24, 58), "#3F93BF", "#7CC9E2", "#E6FBFD", c.rng.uniform(-0.2, 0.2))


def _village(c: Canvas) -> None:
    """Normal: the edge of a village in the evening."""
    c.sky("#6FA9D9", "#A9CDE0", "#F5E3BF", "#FBC98F")
    for _ in range(4):
        c.cloud(c.rng.uniform(0, c.width), c.rng.uniform(14, c.ground * 0.5), c.rng.uniform(8, 14), "#FFF7E6",
            "#F2CFA8")
    c.glow(c.width / 2, c.ground, c.height * 0.6, "#FFEFC0", 0.7, 1.6)
    c.ridge(c.ground - 20, 9, 60, "#A3B88F", lit="#CFD8A8", haze="#E8D8A5")
    c.ridge(c.ground - 8, 6, 44, "#84A06A", lit="#B8CB83", haze="#C9C98A")
    for i, x in enumerate(c.sides(3, 0.24)):
        half, foot = 20 - 3 * i, c.ground + 3
        c.box(x - half, foot - half * 1.1, x + half, foot, "#EBD7B0")
        c.box(x + half * 0.4, foot - half * 1.1, x + half, foot, "#CDB28A")
        c.shape([(x - half * 1.25, foot - half), (x, foot - half * 2.1), (x + half * 1.25, foot - half)], "#B5573F")
        c.shape([(x - half * 1.25, foot - half), (x, foot - half * 2.1), (x - half * 0.3, foot - half)], "#D4785A")
        c.box(x - half * 0.6, foot - half * 0.8, x - half * 0.2, foot - half * 0.4, "#FFE08A")
        c.box(x + half * 0.05, foot - half * 0.7, x + half * 0.35, foot, "#7A5238")
    for i, x in enumerate(c.sides(3, 0.08)):
        _tree(c, x, c.ground + 8, 56 - 6 * i, "#6E8F46", "#A3B85C", "#6B4A34")
    c.floor("#C7C57E", "#A0B062", "#6F8A4E", patch="#B4BB70")
    middle = c.width / 2 + 7 * c.line(40)[:1]
    depth = np.clip((c.y - c.ground) / (c.height - c.ground), 0, 1)
    path = np.abs(c.x - middle) < 10 + 74 * depth + 4 * (c.noise(6, 3) - 0.5)
    c.fill(depth + 0.2 * c.noise(8, 4), ("#EBD5A6", "#D4B682"), where=path & (c.y >= c.ground))
    for y, size in ((c.ground + 12, 9), (c.ground + 28, 14)):  # a fence
        for way in (-1, 1):
            for k in range(7):
                x = c.width / 2 + way * (66 + 3 * (y - c.ground) / 2 + k * size)
                c.box(x - 1, y - size, x + 1, y, "#9A7350")
                c.box(x - 1, y - size, x - 1, y, "#C9A57A")
                c.stroke([(x, y - size * 0.7), (x + way * size, y - size * 0.7)], "#B08A60", 1)
    for x in c.sides(6, 0.2):
        _grass(c, x, c.height + 1, c.rng.uniform(12, 22), "#5B7A3F", "#9AAE58")


def _swamp(c: Canvas) -> None:
    """Poison: a swamp that bubbles."""
    c.sky("#1E1238", "#3E1F5E", "#6E3A86", "#A05F8F", "#B9C46B")
    c.glow(c.width / 2, c.ground, c.height * 0.6, "#C6E26B", 0.65, 1.8)
    for share, color in ((0.4, "#5B2F74"), (0.28, "#3D1F57")):
        for x in c.sides(6, share):
            lean = c.rng.uniform(-10, 10)
            c.shape([(x - 7, c.ground + 6), (x - 3, c.ground - 18), (x + lean - 3, 0), (x + lean + 3, 0),
                (x + 3, c.ground - 18), (x + 7, c.ground + 6)], color)
            for _ in range(3):
                at = x + lean * c.rng.random() + c.rng.uniform(-3, 3)
                c.box(at, 0, at, c.rng.uniform(14, 46), mix(color, "#6B8F3A", 0.5))
    c.ridge(c.ground - 2, 4, 20, "#2E1A44", lit="#6B4A7C")
    c.floor("#8FB541", "#6A8A3F", "#3A4A40")
    pools = c.noise(13, 4) > 0.55
    pools &= c.y > c.ground + 5
    c.image.paste("#7A36A8", (0, 0), Image.fromarray(pools))
    c.image.paste("#C58BE8", (0, 0), Image.fromarray(pools & ~np.roll(pools, 1, axis=0)))
    for x in c.sides(8, 0.22):
        foot = c.ground + c.rng.uniform(8, 40)
        _mushroom(c, x, foot, c.rng.uniform(12, 26), "#8A3FB5", "#D6F06B", "#CDBFDC")
    for x in c.sides(6, 0.18):
        _grass(c, x, c.height + 1, c.rng.uniform(14, 30), "#1D1430", "#4A6B3A")


def _mindscape(c: Canvas) -> None:
    """Psychic: a plain of thought, with planets."""
    c.sky("#2A1260", "#5B2394", "#A33BA8", "#F0699F", "#FFC1A8")
    _stars(c, ("#FFFFFF", "#F5B5E8"), 60)
    x, y = c.width * c.rng.choice([0.17, 0.83]), c.ground * 0.3
    angle, away = np.arctan2(c.y - y, c.x - x), np.hypot(c.x - x, c.y - y)
    c.blend(0.5 * np.clip(np.sin(angle * 2 + away / 7), 0, 1) * np.clip(1 - away / 74, 0, 1), "#FFD6F0")
    c.disc(x, y, 17, "#7A4FE0")
    c.disc(x - 3, y - 3, 12.5, "#A37BF5")
    c.disc(x - 6, y - 6, 6, "#CDB2FF")
    c.stroke([(x - 30, y + 8), (x - 14, y + 9), (x + 12, y + 2), (x + 30, y - 9)], "#FFE3A8", 2)
    c.disc(c.width - x, c.ground * 0.22, 6, "#FF9DB5")
    for at in c.sides(6, 0.26):  # floating stones
        y, size = c.rng.uniform(c.ground * 0.3, c.ground * 0.9), c.rng.uniform(6, 13)
        c.shape([(at, y - size * 1.5), (at + size * 0.7, y), (at, y + size * 1.5), (at - size * 0.7, y)], "#6B2FA3")
        c.shape([(at, y - size * 1.5), (at, y + size * 1.5), (at - size * 0.7, y)], "#E58BE0")
        c.shape([(at, y - size * 1.5), (at + size * 0.7, y), (at, y)], "#A352C9")
    depth = np.clip((c.y - c.ground) / (c.height - c.ground), 0.02, 1)
    board = (np.floor((c.x - c.width / 2) / (6 + 60 * depth)) + np.floor(np.log(depth) * 4)) % 2 == 0
    c.fill(depth * np.ones_like(c.x), ("#FFB5C4", "#C05FC0", "#5B2B94"), where=(c.y >= c.ground) & (c.x >= 0))
    c.fill(depth * np.ones_like(c.x), ("#F28FB5", "#8A3FA8", "#3C1C74"), where=board & (c.y >= c.ground))
    c.glow(c.width / 2, c.ground, 44, "#FFE9D6", 0.7, 3)


def _cave(c: Canvas) -> None:
    """Rock: a cave with a shaft of light."""
    c.sky("#2A2230", "#4A3B40", "#7A614F", "#A8875F", bottom=c.height)
    c.glow(c.width / 2, c.ground * 0.4, c.height * 0.75, "#FBE3A8", 0.8)
    c.rays(c.width * 0.5, -26, "#FFF3C9", 0.5, 11)
    for base, color, lit in ((0.36, "#6E5648", "#A8875F"), (0.2, "#453640", "#7A6055")):
        rough = 12 * c.line(16) + 5 * c.line(5)
        wall = np.hypot((c.x - c.width / 2) / (c.width * (0.66 - base / 2)),
            (c.y - c.height * 0.62) / (c.height * (0.86 - base / 2)))
        edge = wall + rough[None, :] / 130 + 0.14 * (c.noise(11) - 0.5) > 1.0
        c.image.paste(color, (0, 0), Image.fromarray(edge))
        c.image.paste(lit, (0, 0), Image.fromarray(edge & ~np.roll(edge, (-2, 0), (0, 1)) & (c.y < c.ground)))
    for i in range(12):
        x, size = c.rng.uniform(0, c.width), c.rng.uniform(12, 40) * (0.35 + 1.3 * abs(i / 11 - 0.5))
        x = (i + c.rng.random()) / 12 * c.width
        c.shape([(x - size * 0.2, -1), (x + size * 0.2, -1), (x, size)], "#2E2430")
        c.shape([(x - size * 0.2, -1), (x - size * 0.06, -1), (x, size)], "#5E4A4A")
    c.floor("#B5946A", "#86694F", "#463840", patch="#9E7F5C")
    glint = [("#B5501F", "#EE8A2E", "#FFDB8A"), ("#2F7F8F", "#4FC1C4", "#C9F7EE"), ("#7A3A9A", "#B56BD6", "#F0CDFA")]
    tones = glint[int(c.rng.integers(3))]
    for x in c.sides(8, 0.2):
        foot = c.ground + c.rng.uniform(4, 40)
        if c.rng.random() < 0.5:
            c.glow(x, foot - 12, 26, tones[1], 0.45)
            for lean in (-0.5, 0.45, 0.0):
                _crystal(c, x + lean * 12, foot, c.rng.uniform(16, 30), *tones, lean)
        else:
            _rock(c, x, foot, c.rng.uniform(8, 16), "#382C34", "#66524C", "#A0825F")


def _foundry(c: Canvas) -> None:
    """Steel: a foundry at night."""
    c.sky("#16202E", "#26374A", "#41596E", "#7F8F98", "#E8A35C")
    c.glow(c.width / 2, c.ground, c.height * 0.6, "#FFC97A", 0.6, 1.6)

    def gear(x: float, y: float, radius: float, color: str, lit: str, hole: str) -> None:
        turn = c.rng.random()
        for k in range(10):
            a = (k + turn) * np.pi / 5
            u, v = np.array([np.cos(a), np.sin(a)]), np.array([-np.sin(a), np.cos(a)])
            corners = [(0.9, -0.16), (1.2, -0.11), (1.2, 0.11), (0.9, 0.16)]
            c.shape([tuple(np.array([x, y]) + radius * (p * u + q * v)) for p, q in corners], color)
        c.disc(x, y, radius, color)
        c.draw.arc((x - radius, y - radius, x + radius, y + radius), 150, 290, fill=lit, width=2)
        c.disc(x, y, radius * 0.62, hole)
        for k in range(3):
            a = (k / 3 + turn) * np.pi
            c.stroke([(x - radius * 0.7 * np.cos(a), y - radius * 0.7 * np.sin(a)),
                (x + radius * 0.7 * np.cos(a), y + radius * 0.7 * np.sin(a))], color, max(2, round(radius / 6)))
        c.disc(x, y, radius * 0.24, lit)

    for x in c.sides(8, 0.42):
        top, half = c.ground - c.rng.uniform(24, 66), c.rng.uniform(5, 12)
        c.box(x - half, top, x + half, c.ground + 2, "#37495C")
        c.box(x - half, top, x - half, c.ground + 2, "#64798C")
        for k in range(3):
            if c.rng.random() < 0.7:
                c.box(x - 2, top + 6 + 9 * k, x + 1, top + 8 + 9 * k, "#FFC35C")
    for i, x in enumerate(c.sides(2, 0.2)):
        gear(x, c.ground * (0.4 + 0.25 * i), 26 - 5 * i, "#5B7083", "#A9BDCB", "#2E4052")
        gear(x + (22 if x < c.width / 2 else -22), c.ground * (0.4 + 0.25 * i) + 30, 14, "#76899A", "#C6D5DE",
            "#2E4052")
    for way in (0, c.width):  # girders
        for k in range(-1, 12):
            side = 9 if way == 0 else -10
            c.stroke([(way, k * 14), (way + side, k * 14 + 14)], "#1E2C3A", 2)
            c.stroke([(way + side, k * 14), (way, k * 14 + 14)], "#1E2C3A", 2)
        c.box(way + side, 0, way + side + 2, c.height, "#1E2C3A")
        c.box(way + side, 0, way + side, c.height, "#7A8FA0")
    c.floor("#8698A5", "#5C7082", "#2F4152")
    depth = np.clip((c.y - c.ground) / (c.height - c.ground), 0.02, 1)
    seams = np.abs(((c.x - c.width / 2) / (14 + 70 * depth)) % 1 - 0.5) > 0.485
    seams |= np.abs((np.log(depth) * 2.2) % 1) < 0.06
    c.image.paste("#2A3B4B", (0, 0), Image.fromarray(seams & (c.y >= c.ground)))
    c.box(0, c.ground, c.width, c.ground, "#D9A56B")


def _seafloor(c: Canvas) -> None:
    """Water: the sea floor, with light from above."""
    c.sky("#8FF0EC", "#3FC4DE", "#1D86C4", "#14559A", "#123C7C", bottom=c.ground + 14)
    c.rays(c.width * c.rng.uniform(0.4, 0.6), -34, "#D9FFF7", 0.55, 13)
    ripple = np.abs(c.noise(9, 3) - 0.5) < 0.05
    c.blend(np.where(ripple & (c.y < 14), 0.7, 0).astype(np.float32), "#F2FFFC")
    c.ridge(c.ground - 22, 14, 34, "#1F6CA8", lit="#3F9CC9", haze="#2A86BB")
    c.ridge(c.ground - 8, 9, 24, "#174F86", lit="#2F85B5", haze="#3F93B5")
    for x in c.sides(8, 0.3):  # kelp
        foot, size, phase = c.ground + c.rng.uniform(2, 14), c.rng.uniform(50, 92), c.rng.uniform(0, 6)
        path = [(x + 4 * np.sin(phase + k / 2.2), foot - k * size / 12) for k in range(13)]
        c.stroke(path, "#1B6B5C", 2)
        for k in range(2, 12):
            way = 1 if k % 2 else -1
            px, py = path[k]
            c.shape([(px, py), (px + way * 7, py - 5), (px + way * 2, py + 2)], ("#2A8F6E", "#3FB07A")[k % 2])
    c.floor("#E3D5A0", "#B5C0A0", "#5C93A8", patch="#D2CDA0")
    for x in c.sides(8, 0.2):  # corals
        foot, size = c.ground + c.rng.uniform(8, 42), c.rng.uniform(14, 28)
        color, lit = [("#E5527A", "#FF9DB5"), ("#F2813F", "#FFC18A"), ("#8F5BD6", "#C9A3F7")][int(c.rng.integers(3))]
        for k in range(5):
            a = np.pi * (0.15 + 0.175 * k)
            tip = (x + size * 0.6 * np.cos(a), foot - size * (0.35 + 0.6 * np.sin(a)))
            c.stroke([(x, foot), (x + size * 0.22 * np.cos(a), foot - size * 0.4), tip], color, 3)
            c.disc(*tip, 2, lit)
    for at in c.sides(3, 0.26):  # a shoal, far away
        for _ in range(4):
            x, y = at + c.rng.uniform(-14, 14), c.ground * 0.4 + c.rng.uniform(-14, 20)
            c.disc(x, y, 1.5, "#BFF0F2", 2)
            c.shape([(x + 3, y), (x + 6, y - 2), (x + 6, y + 2)], "#BFF0F2")


# ---------------------------------------------------------------- what is in the air


def _drops(*colors: str, count: int = 26, low: float = 1.0, sizes: tuple[int, ...] = (1, 1, 2)) -> Painter:
    return lambda c: c.dots(count, colors, 0, c.height * low, sizes)


def _bubbles(*colors: str) -> Painter:
    def paint(c: Canvas) -> None:
        for i in range(22):
            x, y, r = c.spot(0.4), c.rng.uniform(4, c.height - 6), 1 + 3.2 * c.rng.random() ** 2
            c.draw.ellipse((x - r, y - r, x + r, y + r), outline=colors[i % len(colors)])
            c.box(x - r * 0.4, y - r * 0.5, x - r * 0.4, y - r * 0.5, "#FFFFFF")

    return paint


def _leaves(*colors: str) -> Painter:
    def paint(c: Canvas) -> None:
        for i in range(15):
            x, y = c.spot(0.42), c.rng.uniform(2, c.height * 0.9)
            a, r = c.rng.uniform(0, 6.3), c.rng.uniform(1.6, 3.4)
            u, v = r * np.cos(a), r * np.sin(a)
            c.shape([(x - u, y - v), (x - v * 0.5, y + u * 0.5), (x + u, y + v),
                (x + v * 0.5, y - u * 0.5)], colors[i % len(colors)])

    return paint


def _bats(c: Canvas) -> None:
    for _ in range(7):
        x, y, r = c.spot(0.34), c.rng.uniform(6, c.height * 0.6), c.rng.uniform(2.5, 5)
        for way in (-1, 1):
            c.shape([(x, y), (x + way * r, y - r * 0.7), (x + way * 2 * r, y + r * 0.2), (x + way * r, y)], "#0B0816")
        c.disc(x, y, r * 0.4, "#0B0816")


def _wisps(color: str, lit: str) -> Painter:
    def paint(c: Canvas) -> None:
        for _ in range(5):
            x, y = c.spot(0.3), c.rng.uniform(c.height * 0.25, c.height * 0.8)
            c.glow(x, y, 13, color, 0.8)
            c.disc(x, y, 2.4, lit)
            c.shape([(x - 2, y), (x + 2, y), (x + 1, y - 7)], lit)

    return paint


def _fireflies(c: Canvas) -> None:
    for _ in range(12):
        c.glow(c.spot(0.34), c.rng.uniform(10, c.height * 0.8), 6, "#FFF9A0", 1.0)


def _sparks(color: str, lit: str) -> Painter:
    def paint(c: Canvas) -> None:
        for _ in range(9):
            x, y = c.spot(0.32), c.rng.uniform(6, c.height * 0.92)
            c.stroke([(x, y - 4), (x + 2, y - 1), (x - 1, y), (x + 1, y + 4)], color, 1)
            c.box(x, y, x, y, lit)

    return paint


AIR: dict[str, Painter] = {
    "Bug": _fireflies,
    "Dark": _bats,
    "Dragon": _drops("#FFD98A", "#B59BFF", "#FF9DB5", count=30, sizes=(1, 2)),
    "Electric": _sparks("#FFE23A", "#FFFFFF"),
    "Fairy": lambda c: c.sparkles(20, "#FFFFFF", 4, c.height * 0.9),
    "Fighting": _drops("#FFE3B0", "#D99A5C", count=34, sizes=(1, 1, 2)),
    "Fire": _drops("#FFD23A", "#FF8A1F", "#FFF3B0", count=44, sizes=(1, 1, 2)),
    "Flying": _leaves("#FFFFFF", "#D9EEFB", "#FFFFFF"),
    "Ghost": _wisps("#8FE3F2", "#E3FBFF"),
    "Grass": _leaves("#4FA63A", "#8FD14A", "#C6E86B"),
    "Ground": _drops("#F7DDA8", "#C98F55", "#8F5430", count=40, sizes=(1, 1, 2, 3)),
    "Ice": _drops("#FFFFFF", "#E3F7FF", count=70, sizes=(1, 1, 2)),
    "Normal": _drops("#FFFFFF", "#FFF3D6", count=26, sizes=(1, 2)),
    "Poison": _bubbles("#D9A5F5", "#C6F06B"),
    "Psychic": lambda c: c.sparkles(14, "#FFE3F5", 4, c.height * 0.85),
    "Rock": _drops("#F2DDB0", "#A8875F", count=30, sizes=(1, 2, 2)),
    "Steel": _drops("#FFE3A8", "#FFFFFF", "#FF9D4A", count=30, low=0.9),
    "Water": _bubbles("#E3FFFF", "#A5EBF5"),
}

PLACES: dict[str, Painter] = {
    "Bug": _undergrowth, "Dark": _ruins, "Dragon": _peaks, "Electric": _storm, "Fairy": _garden, "Fighting": _dojo,
    "Fire": _volcano, "Flying": _cloudsea, "Ghost": _graves, "Grass": _meadow, "Ground": _canyon, "Ice": _glacier,
    "Normal": _village, "Poison": _swamp, "Psychic": _mindscape, "Rock": _cave, "Steel": _foundry, "Water": _seafloor,
}
