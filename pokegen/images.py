"""Pictures as arrays: on white, framed as the panel sees them, and as indexed pixel art on its own grid.

Letters: H×W height and width of a picture in pixels, S side of a square one. Arrays are uint8 RGB (H, W, 3) on white.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pokegen.schema import SPRITE_SIZE

CANVAS = 64  # pixels a side of indexed pixel art; doubled, it is a sprite
COLORS = 16  # of indexed pixel art, white among them
MARGIN = 1 / 32  # share of the side that a framed picture keeps white on each side of its longer edge
_INNER = CANVAS - 2  # the longest side that a drawing on the canvas may have
_DRAWN = 250  # a pixel whose darkest channel is below this is drawn, not background
_MIN_DRAWN = 64  # pixels; fewer is a speck, not a creature


@dataclass(frozen=True)
class Indexed:
    """Pixel art: `indices` uint8 (64, 64) into `palette` uint8 (16, 3), whose first colour is white. `reduced` is True
    where the picture was larger, or had more colours, than the canvas holds."""

    indices: np.ndarray
    palette: np.ndarray
    reduced: bool

    @property
    def rgb(self) -> np.ndarray:
        """uint8 (64, 64, 3)."""
        return self.palette[self.indices]


def on_white(image: Image.Image) -> np.ndarray:
    """Any picture → RGB on white (H, W, 3), cropped to what is drawn. A uniform background of another colour becomes
    white. Raises ValueError where nothing is drawn."""
    rgba = image.convert("RGBA")
    if np.asarray(rgba.getchannel("A")).min() == 255:  # opaque: the background is drawn too
        canvas = _whiten_background(rgba.convert("RGB"))
    else:
        canvas = Image.new("RGB", rgba.size, "white")
        canvas.paste(rgba, mask=rgba.getchannel("A"))
    return cropped(np.asarray(canvas))


def cropped(picture: np.ndarray) -> np.ndarray:
    """The smallest part of a picture that holds all that is drawn. Raises ValueError where nothing is."""
    drawn = picture.min(axis=2) < _DRAWN  # (H, W)
    if drawn.sum() < _MIN_DRAWN:
        raise ValueError("nothing is drawn")
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _whiten_background(image: Image.Image) -> Image.Image:
    corners = [(0, 0), (image.width - 1, 0), (0, image.height - 1), (image.width - 1, image.height - 1)]
    colors = np.array([image.getpixel(c) for c in corners], dtype=int)
    if np.ptp(colors, axis=0).max() <= 8 and colors.min() < _DRAWN:  # JPEG noise allowed
        for corner in corners:
            ImageDraw.floodfill(image, corner, (255, 255, 255), thresh=24)
    return image


def framed(creature: np.ndarray, size: int = SPRITE_SIZE) -> np.ndarray:
    """A cropped picture (H, W, 3) → (size, size, 3), its longer side enlarged or reduced to all but the margins."""
    image = Image.fromarray(creature)
    scale = (size - 2 * round(MARGIN * size)) / max(image.size)
    target = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if scale > 1:  # pixel art: whole-number enlargement, then an area average, keeps pixels square and edges hard
        factor = int(np.ceil(scale))
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
        image = image.resize(target, Image.Resampling.BOX)
    elif scale < 1:
        image = image.resize(target, Image.Resampling.LANCZOS)
    return _centered(np.asarray(image), size)


def as_judged(picture: np.ndarray) -> np.ndarray:
    """A sprite, real or generated, (H, W, 3) → (128, 128, 3) as the panel sees all of them: cropped, framed, whatever
    its size and its place. A picture without a drawing stays white."""
    try:
        return framed(own_grid(cropped(picture)))
    except ValueError:
        return np.full((SPRITE_SIZE, SPRITE_SIZE, 3), 255, np.uint8)


def own_grid(picture: np.ndarray) -> np.ndarray:
    """Undo a whole-number enlargement: (k H, k W, 3) of equal squares of k×k pixels → (H, W, 3) with the largest k."""
    height, width = picture.shape[:2]
    for k in range(min(height, width) // 8, 1, -1):
        if height % k == 0 and width % k == 0:
            small = picture[::k, ::k]
            if (picture.reshape(height // k, k, width // k, k, 3) == small[:, None, :, None]).all():
                return small
    return picture


def indexed(creature: np.ndarray) -> Indexed:
    """A cropped picture (H, W, 3) as pixel art in the middle of the canvas, in 16 colours.

    What has at most 16 colours and 62 pixels a side, on its own grid, keeps every pixel. Otherwise colours are reduced
    first, by k-means from a median cut; then each tile of a larger picture takes the colour that covers most of it
    (k-centroid), so that no colour is new. Dark colours count for more, or outlines would break.
    """
    creature = own_grid(creature)
    creature = creature[:: (step := max(1, max(creature.shape) // (2 * _INNER))), ::step]  # two pixels a tile suffice
    palette, indices = _palette(creature)
    reduced = len(palette) > COLORS or max(indices.shape) > _INNER
    if len(palette) > COLORS:
        palette, indices = _fewer_colors(creature)
    if max(indices.shape) > _INNER:
        indices = _dominant(indices, _INNER / max(indices.shape), palette)
    full = np.full((COLORS, 3), 255, np.uint8)
    full[: len(palette)] = palette
    return Indexed(_centered(indices, CANVAS, fill=0), full, reduced)


def _palette(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (K, 3), white first, and indices (H, W), which are right for K up to 256."""
    codes = picture.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found, inverse = np.unique(np.append(0xFFFFFF, codes), return_inverse=True)
    order = np.argsort(found != 0xFFFFFF, kind="stable")  # white first
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    colors = found[order][:, None] >> np.array([16, 8, 0]) & 255
    return colors.astype(np.uint8), rank[inverse.ravel()[1:]].reshape(codes.shape).astype(np.uint8)


def _fewer_colors(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_palette`, with white and at most 15 others."""
    drawn = picture.min(axis=2) < _DRAWN
    ink = picture[drawn]  # (P, 3)
    few = Image.fromarray(ink[None, :: max(1, len(ink) // 1000)])  # enough to find the colours
    found = few.quantize(COLORS - 1, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    colors = np.asarray(found.getpalette(), np.uint8).reshape(-1, 3)[: COLORS - 1]
    near = colors.astype(np.float32)
    distance = (near**2).sum(axis=1) - 2 * ink.astype(np.float32) @ near.T  # (P, K), less what all have in common
    indices = np.zeros(drawn.shape, np.uint8)
    indices[drawn] = distance.argmin(axis=1) + 1
    return np.concatenate([np.full((1, 3), 255, np.uint8), colors]), indices


def _dominant(indices: np.ndarray, scale: float, palette: np.ndarray) -> np.ndarray:
    """Indices (H, W) reduced by `scale` below 1: of each tile the colour with the largest area in it."""
    target = [max(1, round(side * scale)) for side in indices.shape]
    rows, columns = (_overlap(side, new) for side, new in zip(indices.shape, target, strict=True))
    kinds = np.arange(len(palette))[:, None, None]
    area = rows @ (indices == kinds).astype(np.float32) @ columns.T  # (K, h, w)
    darkness = 1 - palette.max(axis=1).astype(np.float32) / 255  # (K,)
    return (area * (1 + darkness)[:, None, None]).argmax(axis=0).astype(np.uint8)


def _overlap(side: int, new: int) -> np.ndarray:
    """How much of each of `side` pixels lies in each of `new` tiles: float32 (new, side)."""
    edges = np.linspace(0, side, new + 1)
    pixels = np.arange(side)
    return np.clip(np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, None).astype(
        np.float32
    )


def _centered(picture: np.ndarray, size: int, fill: int = 255) -> np.ndarray:
    """(H, W, …) in the middle of (size, size, …)."""
    square = np.full((size, size, *picture.shape[2:]), fill, np.uint8)
    top, left = ((size - side) // 2 for side in picture.shape[:2])
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square
