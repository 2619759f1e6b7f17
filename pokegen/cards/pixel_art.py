"""Sprites as games want them: at most 16 colours in a palette, whose first is the background; a shiny that is another
palette of the same pixels; an icon of 32 pixels; and palette files.

Letters: H×W pixels, K colours.
"""

import colorsys
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pokegen.images import COLORS, WHITE, few_colors, own_grid, png, transparent

ICON = 32  # pixels a side
_ROUNDS = 4  # of a k-means with two means
_GREY = 40  # of 255: a colour whose channels differ by less looks grey
_TINT = 0.5  # the saturation that a grey gets


@dataclass(frozen=True)
class PixelArt:
    """`indices` uint8 (H, W) into `palette` uint8 (K, 3) with K from 1 to 16. Index 0 is the background, white."""

    indices: np.ndarray
    palette: np.ndarray

    def picture(self, scale: int = 1, clear: bool = True) -> Image.Image:
        """As a picture with a palette, each pixel a square of `scale`; `clear`: the background is transparent."""
        image = Image.fromarray(np.kron(self.indices, np.ones((scale, scale), np.uint8)))
        image.putpalette(self.palette.tobytes())
        if clear:
            image.info["transparency"] = 0
        return image

    def png(self, scale: int = 1, clear: bool = True) -> bytes:
        """The picture as a PNG file of 4 bits a pixel."""
        return png(self.picture(scale, clear))


def pixel_art(sprite: np.ndarray) -> PixelArt:
    """A sprite on white, uint8 (S, S, 3), on its own pixel grid in at most 15 colours and a clear background.

    What has no more colours keeps each of them. Otherwise colours are reduced, all but the white inside the creature,
    and smooth edges become hard: a pixel that is more than half background is background.
    """
    sprite = own_grid(sprite)
    clear = transparent(sprite[None])[0]  # (H, W, 4)
    few = len(np.unique(sprite.reshape(-1, 3), axis=0)) <= COLORS
    drawn = clear[..., 3] >= (1 if few else 128)
    pixels = (sprite if few else clear[..., :3])[drawn]  # (P, 3)
    colors = np.unique(pixels, axis=0)
    if len(colors) > COLORS - 1:
        white = pixels.min(axis=1) >= WHITE
        colors, _ = few_colors(pixels[~white], COLORS - 2)
        colors = np.unique(np.concatenate([colors, np.full((int(white.any()), 3), 255, np.uint8)]), axis=0)
    colors = colors[np.argsort(colors @ (0.299, 0.587, 0.114), kind="stable")]  # from dark to light
    palette = np.concatenate([np.full((1, 3), 255, np.uint8), colors])
    indices = np.zeros(drawn.shape, np.uint8)
    if len(pixels):
        distance = np.square(pixels[:, None].astype(np.int32) - colors.astype(np.int32)).sum(axis=2)  # (P, K)
        indices[drawn] = distance.argmin(axis=1) + 1
    return PixelArt(indices, palette)


def shiny(art: PixelArt, seed: int) -> PixelArt:
    """The same pixels in another colouring: every hue turned by one angle, from 90° to 270°, which the seed decides.
    Greys stay, but where all colours are nearly grey, they are tinted."""
    share = hashlib.sha256(str(seed).encode()).digest()[0] / 255
    colors = [colorsys.rgb_to_hls(*(color / 255)) for color in art.palette[1:].astype(float)]
    chroma = np.ptp(art.palette[1:].astype(int), axis=1)
    grey = not len(chroma) or chroma.max() < _GREY
    palette = art.palette.copy()
    for index, (hue, light, strength) in enumerate(colors, start=1):
        new = (share, light, _TINT) if grey else ((hue + 0.25 + 0.5 * share) % 1, light, strength)
        palette[index] = np.round(np.array(colorsys.hls_to_rgb(*new)) * 255)
    return PixelArt(art.indices, palette)


def icon(art: PixelArt, side: int = ICON) -> PixelArt:
    """The creature in `side` pixels, without a new colour: each pixel is the most frequent colour of the larger one of
    the two clusters of its tile (k-centroid: a k-means with k = 2)."""
    rows, columns = (np.flatnonzero((art.indices > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return PixelArt(np.zeros((side, side), np.uint8), art.palette)
    creature = art.indices[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = creature.shape
    scale = min(1.0, side / max(height, width))
    small = np.zeros((side, side), np.uint8)
    down, across = (max(1, round(length * scale)) for length in (height, width))
    y, x = (np.linspace(0, *ends).round().astype(int) for ends in ((height, down + 1), (width, across + 1)))
    top, left = side - down, (side - across) // 2  # it stands on the ground
    colors = art.palette.astype(np.float64)
    for i in range(down):
        for j in range(across):
            small[top + i, left + j] = _dominant(creature[y[i] : y[i + 1], x[j] : x[j + 1]].ravel(), colors)
    return PixelArt(small, art.palette)


def _dominant(tile: np.ndarray, colors: np.ndarray) -> int:
    """The index that stands for a tile (P,): background where that is at least half of it."""
    counts = np.bincount(tile, minlength=len(colors))
    if 2 * counts[0] >= len(tile):
        return 0
    counts[0] = 0
    found = np.flatnonzero(counts)
    points, weights = colors[found], counts[found]
    distance = np.square(points[:, None] - points).sum(axis=2)
    one, other = np.unravel_index(distance.argmax(), distance.shape)
    means = points[[one, other]]  # as far apart as can be
    for _ in range(_ROUNDS):
        cluster = np.square(points[:, None] - means).sum(axis=2).argmin(axis=1)
        for k in (0, 1):
            if (cluster == k).any():
                means[k] = np.average(points[cluster == k], axis=0, weights=weights[cluster == k])
    sizes = [weights[cluster == k].sum() for k in (0, 1)]
    larger = cluster == int(sizes[1] > sizes[0])
    return int(found[larger][weights[larger].argmax()])


def jasc(palette: np.ndarray) -> bytes:
    """A palette (K, 3) as a JASC file (.pal, of Paint Shop Pro and of the decompilations): 16 colours, black where
    there are fewer."""
    full = np.zeros((COLORS, 3), np.uint8)
    full[: len(palette)] = palette
    colors = [" ".join(map(str, color)) for color in full.tolist()]
    return "\r\n".join(["JASC-PAL", "0100", str(COLORS), *colors, ""]).encode()


def gimp(palette: np.ndarray, name: str) -> bytes:
    """A palette (K, 3) as a file of GIMP, Inkscape, Krita and Aseprite (.gpl)."""
    colors = [f"{r:3} {g:3} {b:3}\t{i}" for i, (r, g, b) in enumerate(palette.tolist())]
    return "\n".join(["GIMP Palette", f"Name: {' '.join(name.split())}", "Columns: 8", "#", *colors, ""]).encode()
