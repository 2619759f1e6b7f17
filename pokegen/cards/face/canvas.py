"""A small canvas for pixel-art scenes: dithered gradients, ridges, glows, shapes, particles.

Everything is drawn on the grid of the sprite's pixels, without antialiasing, so that a scene enlarged by the same whole
number looks as if drawn by the same hand. Gradients use ordered dithering (Bayer, 1973). Positions are pixels (x, y)
from the top left corner; a colour is "#RRGGBB". Randomness comes from `rng`, never from global state.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from pokegen.cards.face.theme import rgb

Points = Sequence[tuple[float, float]]


@cache
def threshold(height: int, width: int) -> np.ndarray:
    """The 4×4 Bayer matrix tiled to (height, width), values from 1/32 to 31/32."""
    cell = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32)
    return np.tile((cell + 0.5) / 16, (height // 4 + 1, width // 4 + 1))[:height, :width]


@cache
def ramp(colors: tuple[str, ...], steps: int) -> np.ndarray:
    """`steps` colours from the first to the last, uint8 (steps, 3)."""
    stops = np.stack([rgb(color) for color in colors])
    at = np.linspace(0, len(colors) - 1, steps)
    channels = [np.interp(at, np.arange(len(colors)), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def dithered(share: np.ndarray, levels: int = 6) -> Image.Image:
    """How much of each pixel (height, width) to cover, 0 to 1, as an "L" mask of few levels, dithered."""
    stepped = np.floor(np.clip(share, 0, 1) * levels + threshold(*share.shape)) * (255 / levels)
    return Image.fromarray(np.minimum(stepped, 255).astype(np.uint8))


class Canvas:
    """A picture under way.

    Attributes:
        width, height: pixels.
        ground: the row of the horizon; the floor reaches from it to the bottom.
        image: RGB, of this size.
        rng: what varies from one seed to the next.
    """

    def __init__(self, width: int, height: int, ground: int, rng: np.random.Generator):
        self.width, self.height, self.ground, self.rng = width, height, ground, rng
        self.image = Image.new("RGB", (width, height))
        self.draw = ImageDraw.Draw(self.image)
        self.x = np.arange(width, dtype=np.float32)
        self.y = np.arange(height, dtype=np.float32)[:, None]

    def noise(self, scale: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise (height, width), 0 to 1, with features of `scale` pixels, `stretch` times as wide."""
        small = (max(2, round(self.width / scale / stretch)), max(2, round(self.height / scale)))
        dots = Image.fromarray(self.rng.random(small[::-1], dtype=np.float32))
        return np.clip(np.asarray(dots.resize((self.width, self.height), Image.Resampling.BICUBIC)), 0, 1)

    def line(self, scale: float, octaves: int = 3) -> np.ndarray:
        """A smooth line (width,), -1 to 1: noise with features of `scale` pixels and finer ones."""
        total, weight = np.zeros(self.width, np.float32), 1.0
        for _ in range(octaves):
            knots = int(self.width / scale) + 3
            at = np.linspace(-self.rng.random(), self.width / scale + 1, self.width)
            total += weight * np.interp(at, np.arange(-1, knots - 1), self.rng.uniform(-1, 1, knots)).astype(np.float32)
            weight, scale = weight / 2, scale / 2
        return total / 1.75

    def fill(self, place: np.ndarray, colors: Sequence[str], steps: int = 9, where: np.ndarray | None = None) -> None:
        """Colour by `place` (height, width), 0 to 1 along `colors`, dithered; only `where` it is true."""
        level = np.clip(place, 0, 1) * (steps - 1) + threshold(self.height, self.width)
        painted = ramp(tuple(colors), steps)[np.minimum(level, steps - 1).astype(np.uint8)]
        mask = None if where is None else Image.fromarray(where)
        self.image.paste(Image.fromarray(painted), (0, 0), mask)

    def sky(self, *colors: str, bottom: int | None = None) -> None:
        """A vertical gradient from the top to `bottom`, by default the horizon."""
        place = self.y / (self.ground if bottom is None else bottom)
        self.fill(np.broadcast_to(place, (self.height, self.width)), colors, steps=3 * len(colors))

    def blend(self, share: np.ndarray, color: str, levels: int = 6) -> None:
        """Mix `color` into the picture by `share` (height, width), in dithered levels."""
        self.image.paste(color, (0, 0), dithered(share, levels))

    def glow(self, x: float, y: float, radius: float, color: str, strength: float = 0.8, flat: float = 1.0) -> None:
        """A light that fades over `radius`; `flat` times as wide as high."""
        away = np.hypot((self.x - x) / flat, self.y - y) / radius
        self.blend(strength * np.clip(1 - away, 0, 1) ** 1.4, color)

    def rays(self, x: float, y: float, color: str, strength: float = 0.3, count: int = 9) -> None:
        """Shafts of light that spread from a point, weaker on the floor."""
        angle = np.arctan2(self.y - y, self.x - x)
        wave = np.sin(angle * count + self.rng.uniform(0, 6)) + 0.6 * np.sin(
            angle * count * 1.7 + self.rng.uniform(0, 6)
        )
        fade = np.where(self.y < self.ground, 1, 0.5) * np.clip(
            1 - np.hypot(self.x - x, self.y - y) / (1.2 * self.height), 0, 1
        )
        self.blend(strength * np.clip(wave, 0, 1) * fade, color)

    def ridge(self, base: float, swing: float, scale: float, color: str, lit: str = "", haze: str = "") -> np.ndarray:
        """Hills or mountains: all below a noise line is `color`, its edge `lit`, its foot fading to `haze`. Returns the
        line's rows (width,)."""
        rows = base + swing * self.line(scale)
        below = self.y >= rows
        self.image.paste(color, (0, 0), Image.fromarray(below))
        if lit:
            self.image.paste(lit, (0, 0), Image.fromarray(below & (self.y < rows + 1.6)))
        if haze:
            self.blend(np.where(below, np.clip((self.y - rows) / 46, 0, 0.85), 0), haze)
        return rows

    def floor(self, *colors: str, patch: str = "", scale: float = 9) -> None:
        """The ground, from the first colour at the horizon to the last at the bottom, with patches of another."""
        depth = (self.y - self.ground) / max(1, self.height - self.ground)
        below = np.broadcast_to(depth >= 0, (self.height, self.width))
        rough = 0.22 * (self.noise(scale / 2, 5) - 0.5)
        self.fill(depth + rough, colors, steps=3 * len(colors), where=below)
        if patch:
            spots = self.noise(scale, 4) * self.noise(scale / 3, 3) > 0.36
            self.image.paste(patch, (0, 0), Image.fromarray(below & spots))

    def shape(self, points: Points, color: str) -> None:
        self.draw.polygon([(float(x), float(y)) for x, y in points], fill=color)

    def disc(self, x: float, y: float, radius: float, color: str, flat: float = 1.0) -> None:
        self.draw.ellipse((x - radius * flat, y - radius, x + radius * flat, y + radius), fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: str) -> None:
        if right >= left and bottom >= top:
            self.draw.rectangle((left, top, right, bottom), fill=color)

    def stroke(self, points: Points, color: str, width: int = 1) -> None:
        self.draw.line([(float(x), float(y)) for x, y in points], fill=color, width=width)

    def dots(self, count: int, colors: Sequence[str], top: float, bottom: float, sizes: Sequence[int] = (1,)) -> None:
        """Squares of some `sizes` scattered between two rows."""
        for _ in range(count):
            x, y = self.rng.uniform(0, self.width), self.rng.uniform(top, bottom)
            size = int(self.rng.choice(sizes)) - 1
            self.box(int(x), int(y), int(x) + size, int(y) + size, str(self.rng.choice(colors)))

    def sparkles(self, count: int, color: str, top: float, bottom: float) -> None:
        """Stars of four points, of two sizes."""
        for _ in range(count):
            x, y = int(self.rng.uniform(3, self.width - 3)), int(self.rng.uniform(top, bottom))
            arm = int(self.rng.integers(1, 4))
            self.box(x - arm, y, x + arm, y, color)
            self.box(x, y - arm, x, y + arm, color)
            if arm == 3:
                self.box(x - 1, y - 1, x + 1, y + 1, color)

    def cloud(self, x: float, y: float, size: float, color: str, shade: str) -> None:
        """A heap of discs with a flat foot, its lower rim shaded."""
        heap = [(self.rng.uniform(-1, 1), self.rng.uniform(0.35, 0.8)) for _ in range(6)]
        for down, tint in ((0.0, shade), (-0.16, color)):
            for place, radius in heap:
                r = size * radius * (1 - 0.45 * abs(place))
                self.draw.pieslice(
                    (x + 1.7 * size * place - r, y + size * down - r, x + 1.7 * size * place + r, y + size * down + r),
                    180, 360, fill=tint,
                )  # fmt: skip
        self.box(x - 1.9 * size, y, x + 1.9 * size, y + 1, shade)

    def spot(self, share: float = 0.24) -> float:
        """A column in the outer `share` of the picture, at the left or the right, where the creature hides nothing."""
        place = self.rng.uniform(0, share) * self.width
        return place if self.rng.random() < 0.5 else self.width - place

    def sides(self, count: int, share: float = 0.26) -> list[float]:
        """`count` columns, at the left and the right in turn, spread over the outer `share` of the picture."""
        places = [(i // 2 + self.rng.uniform(0.1, 0.9)) / ((count + 1) // 2) * share * self.width for i in range(count)]
        return [place if i % 2 else self.width - place for i, place in enumerate(places)]
