"""Pictures as arrays: reading files, white backgrounds, framing for the panel, pixel art on its own grid, and sheets.

Letters: H×W height and width of a picture in pixels, S side of a square one. Arrays are uint8 RGB (H, W, 3) on white.
"""

import io
import math
import os
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from pokegen.schema import SPRITE_SIZE

CANVAS = 64  # side of indexed pixel art in pixels; doubled, it is a sprite
COLORS = 16  # of indexed pixel art, white included
MARGIN = 1 / 32  # white margin of a framed picture at either end of its longer edge, as a share of the side
_INNER = CANVAS - 2  # longest side of a drawing on the canvas
WHITE = 245  # of 255: generated pixels that are lighter in every channel become white
_DRAWN = 250  # a pixel whose darkest channel is below this is drawn, not background
_MIN_DRAWN = 64  # pixels; fewer is a speck, not a creature
MAX_PIXELS = 64_000_000  # limit for a picture: 256 MB in RGBA
_ALIKE = 24  # largest difference between the pixels of a background, summed over the channels
_WORKED = 1024  # longer side in pixels at which the background is searched
# Formats that Pillow decodes itself; for EPS it would start another program, Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "PCX", "ICO", "QOI", "DDS")


@dataclass(frozen=True)
class Indexed:
    """Pixel art: `indices` uint8 (64, 64) into `palette` uint8 (16, 3), whose first colour is white. `reduced`: the
    picture was larger, or had more colours, than fit on the canvas."""

    indices: np.ndarray
    palette: np.ndarray
    reduced: bool

    @property
    def rgb(self) -> np.ndarray:
        """uint8 (64, 64, 3)."""
        return self.palette[self.indices]


def read_picture(path: Path) -> Image.Image:
    """The picture in a file, upright, RGBA; the first frame of an animation.

    Raises ValueError with a short reason if there is none, or if it has more than MAX_PIXELS.
    """
    if not os.path.isfile(path):  # a named pipe would block; Path.is_file raises if a name is too long
        raise ValueError("not a file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the file is refused or readable anyway
            with Image.open(path, formats=FORMATS) as image:
                image.draft(None, (2 * _WORKED, 2 * _WORKED))  # decodes a large JPEG at 1/2, 1/4 or 1/8
                if image.width * image.height <= MAX_PIXELS:
                    return rgba(image)
                width, height = image.size
    except Image.UnidentifiedImageError as error:
        raise ValueError("unreadable (not a picture of a known format)") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large (more than {MAX_PIXELS:,} pixels)") from error
    except MemoryError as error:
        raise ValueError("too large (for this machine's memory)") from error
    except Exception as error:  # Pillow's decoders can raise anything for a damaged file
        raise ValueError(f"unreadable ({error})") from error
    raise ValueError(f"too large ({width}×{height}; {MAX_PIXELS:,} pixels at most)")


def rgba(image: Image.Image) -> Image.Image:
    """Any picture → RGBA, upright according to its EXIF data, in sRGB if it has a colour profile."""
    image.load()
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.mode in ("RGB", "RGBA", "CMYK"):
        image = _in_srgb(image)
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floating point → 8 bits, scaled by the smallest range that contains the values."""
    gray = np.nan_to_num(np.asarray(image).astype(np.float32))
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:
        tops = (1, 255) if image.mode == "F" else (255, 65535)
        top = next((top for top in tops if gray.max() <= top), gray.max())
    return Image.fromarray((gray.clip(0, top) * (255 / top)).round().astype(np.uint8))


def _in_srgb(image: Image.Image) -> Image.Image:
    """The same colours in sRGB; unchanged if the profile is missing, broken, or sRGB itself."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def on_white(image: Image.Image) -> np.ndarray:
    """Any picture → RGB on white (H, W, 3), cropped to the drawing; only the first frame of a strip. A uniform
    background of another colour becomes white. Pictures of more than 1024 pixels a side are reduced, unless they are
    enlarged pixel art. Raises ValueError if nothing is drawn."""
    picture = own_grid(np.asarray(rgba(image)))  # (H, W, 4)
    if (factor := math.ceil(max(picture.shape) / _WORKED)) > 1:
        picture = np.asarray(Image.fromarray(picture).reduce(factor))
    if picture[..., 3].min() == 255:  # opaque: the background is drawn too
        return cropped(_first_frame(_whiten_background(picture[..., :3])))
    drawn = Image.fromarray(picture)
    canvas = Image.new("RGB", drawn.size, "white")
    canvas.paste(drawn, mask=drawn.getchannel("A"))
    return cropped(_first_frame(np.asarray(canvas)))


def _first_frame(picture: np.ndarray) -> np.ndarray:
    """The first square of a strip (H, W, 3) of equal frames, in a row or a column; otherwise the picture.

    A strip is a sequence of squares in which about the same pixels are drawn, and no drawing crosses their borders.
    """
    side = min(picture.shape[:2])
    count, rest = divmod(max(picture.shape[:2]), side)
    if count < 2 or rest or side < 8:
        return picture
    frames = np.split(_drawn(picture if picture.shape[0] > side else picture.swapaxes(0, 1)), count)
    first = frames[0]
    for before, frame in pairwise(frames):
        both, either = (first & frame).sum(), (first | frame).sum()
        if not both or both < 0.5 * either or (before[-1] & frame[0]).any():
            return picture
    return picture[:side, :side]


def cropped(picture: np.ndarray) -> np.ndarray:
    """The bounding box of the drawing in a picture. Raises ValueError if nothing is drawn."""
    drawn = _drawn(picture)
    if drawn.sum() < _MIN_DRAWN:
        raise ValueError("nothing is drawn")
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _drawn(picture: np.ndarray) -> np.ndarray:
    """Which pixels of (H, W, 3) are not background, bool (H, W)."""
    red, green, blue = np.moveaxis(picture, 2, 0)
    return np.minimum(np.minimum(red, green), blue) < _DRAWN  # ten times faster than min(axis=2)


def _whiten_background(picture: np.ndarray) -> np.ndarray:
    """If the four corners of (H, W, 3) are alike, pixels of about their colour that are connected to the border become
    white, even where the creature separates them from the corners. Areas that it encloses stay."""
    corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
    colors = np.array([picture[corner] for corner in corners], dtype=int)
    if np.ptp(colors, axis=0).max() > 8 or colors.min() >= _DRAWN:  # JPEG noise allowed
        return picture
    from scipy.ndimage import label

    picture = picture.copy()
    for corner in corners:
        color = picture[corner].astype(np.int16)
        if color.min() < _DRAWN:  # otherwise the fill from an earlier corner has reached it
            regions, count = label(np.abs(picture - color).sum(axis=2) <= _ALIKE)
            ground = np.zeros(count + 1, bool)
            for rim in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
                ground[rim] = True
            ground[0] = False  # pixels of another colour
            picture[ground[regions]] = 255
    return picture


def framed(creature: np.ndarray, size: int = SPRITE_SIZE) -> np.ndarray:
    """A cropped picture (H, W, 3) → (size, size, 3), scaled so that its longer side leaves the margins."""
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
    """A real or generated sprite (H, W, 3) → (128, 128, 3), prepared for the panel: cropped and framed, so that size
    and position do not matter. A picture without a drawing stays white."""
    try:
        return framed(own_grid(cropped(picture)))
    except ValueError:
        return np.full((SPRITE_SIZE, SPRITE_SIZE, 3), 255, np.uint8)


def own_grid(picture: np.ndarray) -> np.ndarray:
    """Undo an integer enlargement: (k H, k W, C) of uniform squares of k×k pixels → (H, W, C), with the largest k that
    leaves 8 pixels a side."""
    height, width = picture.shape[:2]
    common = math.gcd(height, width)
    for step in (64, 1):  # first a sample, which is enough to rule out most pictures
        for lines in (picture[::step], picture.swapaxes(0, 1)[::step]):
            if common > 1:
                common = math.gcd(common, *_edges(lines))
    k = next((k for k in range(min(height, width) // 8, 1, -1) if common % k == 0), 1)
    return picture[::k, ::k]


def _edges(lines: np.ndarray) -> list[int]:
    """The columns of (L, W, C) that differ from the previous one."""
    changed = [(lines[:, 1:, c] != lines[:, :-1, c]).any(axis=0) for c in range(lines.shape[2])]
    return (np.flatnonzero(np.any(changed, axis=0)) + 1).tolist()


def indexed(creature: np.ndarray) -> Indexed:
    """A cropped picture (H, W, 3) as pixel art in the middle of the canvas, in 16 colours.

    A picture with at most 16 colours and 62 pixels a side, on its own grid, keeps every pixel. Otherwise the colours
    are reduced first, by k-means initialised with a median cut. Then each tile of a larger picture takes its most
    frequent colour (k-centroid), which adds no new colours. Dark colours have more weight, so that outlines do not
    break."""
    creature = own_grid(creature)
    creature = creature[:: (step := max(1, max(creature.shape) // (2 * _INNER))), ::step]  # two pixels per tile suffice
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
    """Colours (K, 3), white first, and indices (H, W), valid for K up to 256."""
    codes = picture.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found, inverse = np.unique(np.append(0xFFFFFF, codes), return_inverse=True)
    order = np.argsort(found != 0xFFFFFF, kind="stable")  # white first
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    colors = found[order][:, None] >> np.array([16, 8, 0]) & 255
    return colors.astype(np.uint8), rank[inverse.ravel()[1:]].reshape(codes.shape).astype(np.uint8)


def _fewer_colors(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Like `_palette`, but reduced to white and at most 15 other colours."""
    drawn = _drawn(picture)
    colors, nearest = few_colors(picture[drawn], COLORS - 1)
    indices = np.zeros(drawn.shape, np.uint8)
    indices[drawn] = nearest + 1
    return np.concatenate([np.full((1, 3), 255, np.uint8), colors]), indices


def few_colors(pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` colours that pixels, uint8 (P, 3), come closest to, by k-means from a median cut: uint8 (count, 3),
    and the place of each pixel's nearest (P,)."""
    few = Image.fromarray(pixels[None, :: max(1, len(pixels) // 1000)])  # enough to find the colours
    found = few.quantize(count, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    colors = np.asarray(found.getpalette(), np.uint8).reshape(-1, 3)[:count]
    near = colors.astype(np.float32)
    distance = (near**2).sum(axis=1) - 2 * pixels.astype(np.float32) @ near.T  # (P, K), less what all have in common
    return colors, distance.argmin(axis=1)


def _dominant(indices: np.ndarray, scale: float, palette: np.ndarray) -> np.ndarray:
    """Indices (H, W) reduced by a `scale` below 1: each tile takes the colour with the largest area in it."""
    target = [max(1, round(side * scale)) for side in indices.shape]
    rows, columns = (_overlap(side, new) for side, new in zip(indices.shape, target, strict=True))
    kinds = np.arange(len(palette))[:, None, None]
    area = rows @ (indices == kinds).astype(np.float32) @ columns.T  # (K, h, w)
    darkness = 1 - palette.max(axis=1).astype(np.float32) / 255  # (K,)
    return (area * (1 + darkness)[:, None, None]).argmax(axis=0).astype(np.uint8)


def _overlap(side: int, new: int) -> np.ndarray:
    """The share of each of `side` pixels that lies in each of `new` tiles: float32 (new, side)."""
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


def to_size(sprite: np.ndarray, size: int = SPRITE_SIZE) -> np.ndarray:
    """A sprite, uint8 (S, S, 3) → (size, size, 3): whole pixels for an integer enlargement, otherwise smooth."""
    if len(sprite) == size:
        return sprite
    how = Image.Resampling.NEAREST if size % len(sprite) == 0 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(sprite).resize((size, size), how))


def clean_white(sprites: np.ndarray) -> np.ndarray:
    """Sprites, uint8 (…, 3), with near-white made white: a model's white is slightly uneven, which is visible as a
    square around the creature. Pixels darker than 225 in any channel do not change."""
    share = np.clip((sprites.min(axis=-1, keepdims=True).astype(np.float32) - 225) / (WHITE - 225), 0, 1)
    return (sprites + share * (255 - sprites.astype(np.float32)) + 0.5).astype(np.uint8)


def transparent(sprites: np.ndarray) -> np.ndarray:
    """Sprites on white, uint8 (N, H, W, 3) → RGBA (N, H, W, 4): white connected to the border becomes transparent,
    white inside the creature stays. An edge pixel is the more transparent the lighter it is than its darkest neighbour,
    and its colour is chosen so that it looks the same on white."""
    from scipy.ndimage import binary_dilation, label, maximum_filter

    result = np.empty((*sprites.shape[:3], 4), np.uint8)
    for sprite, rgba in zip(sprites, result, strict=True):
        ink = 255 - sprite.min(axis=2).astype(np.float32)  # (H, W), 0 is white
        parts, _ = label(ink < 5)
        rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        outside = np.isin(parts, rim[rim > 0])
        edge = binary_dilation(outside, np.ones((3, 3))) & ~outside
        alpha = np.where(outside, 0.0, 1.0)
        alpha[edge] = (ink / np.maximum(maximum_filter(ink, 3), 1))[edge]
        color = 255 - (255 - sprite.astype(np.float32)) / np.maximum(alpha, 1e-3)[..., None]
        rgba[..., :3] = np.where(outside[..., None], 255, color.round().clip(0, 255))
        rgba[..., 3] = (alpha * 255).round()
    return result


def grid(sprites: np.ndarray, columns: int, gap: int = 4) -> Image.Image:
    """Sprites, uint8 (N, H, W, 3), side by side on white."""
    n, height, width, _ = sprites.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, sprite in enumerate(sprites):
        y, x = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[y : y + height, x : x + width] = sprite
    return Image.fromarray(sheet)


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)  # of a card: three quarters of the default's time, 5 % more bytes
    return buffer.getvalue()
