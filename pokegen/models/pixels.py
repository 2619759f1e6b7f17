"""From what a sprite model draws to the pixels that are shown, written and scored, and to a sheet of many."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pokegen.errors import UserError
from pokegen.schema import SPRITE_SIZE

_WHITE = 245  # of 255: what is not darker in any channel becomes white


def to_pixels(images: Tensor) -> np.ndarray:
    """float32 (N, 3, S, S) or, in grey, (N, 1, S, S) in [-1, 1] → uint8 (N, S, S, 3), nearly white made white."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
        got = tuple(images.shape) if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise UserError(f"A sprite model must draw images of (N, 3, side, side), got {got}.")
    pixels = _rounded(images)
    return clean_white(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:3], 3))))


def _rounded(images: Tensor) -> np.ndarray:
    """float (N, C, S, S) in [-1, 1] → uint8 (N, S, S, C)."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def tidy(images: Tensor, speck: float = 0.05, margin: int = 2) -> Tensor:
    """Frame sprites as the data are: separate parts smaller than a share `speck` of the largest become white, what is
    drawn moves into the centre, and `margin` pixels around are white. float (N, channels, S, S) in [-1, 1] → a copy."""
    from scipy.ndimage import find_objects, label

    result = torch.ones_like(images)
    inside = slice(margin, images.shape[-1] - margin)
    ink = (images.amin(dim=1) < _WHITE / 127.5 - 1).cpu().numpy()
    for image, drawn, framed in zip(images, ink, result[:, :, inside, inside], strict=True):
        parts, _ = label(drawn, np.ones((3, 3)))
        sizes = np.bincount(parts.ravel())[1:]  # without the ground
        kept = np.append(False, sizes >= speck * sizes.max(initial=1))[parts]
        if not kept.any():
            continue
        box = find_objects(kept.astype(int))[0]
        part = image.masked_fill(torch.from_numpy(drawn & ~kept).to(image.device), 1.0)[:, *box]
        from_, to = zip(*(_centred(a, b) for a, b in zip(part.shape[1:], framed.shape[1:], strict=True)), strict=True)
        framed[:, *to] = part[:, *from_]
    return result


@torch.no_grad()
def limit_colors(images: Tensor, colors: int) -> Tensor:
    """Each sprite in at most so many colours of its own, 1 to 256, chosen by octree (Gervautz and Purgathofer, A Simple
    Method for Color Quantization, 1988), so that a plane drawn unevenly becomes flat. White stays. RGB, float
    (N, 3, S, S) in [-1, 1] → a copy."""
    result = images.clone()
    for image, flat, pixels in zip(images, result, _rounded(images), strict=True):
        found = Image.fromarray(pixels).quantize(colors, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        drawn = torch.from_numpy((pixels < 255).any(axis=2)).to(images.device)
        few = torch.from_numpy(np.array(found.convert("RGB"))).to(images.device).permute(2, 0, 1) / 127.5 - 1
        flat.copy_(torch.where(drawn, few, image))
    return result


def _centred(inner: int, outer: int) -> tuple[slice, slice]:
    """Where the middle of a length lies in it, and in another, of which one may be the longer."""
    length = min(inner, outer)
    first, second = ((whole - length) // 2 for whole in (inner, outer))
    return slice(first, first + length), slice(second, second + length)


def to_size(sprite: np.ndarray, size: int = SPRITE_SIZE) -> np.ndarray:
    """A sprite, uint8 (S, S, 3) → (size, size, 3): whole pixels where it grows by a whole number, else smoothly."""
    if len(sprite) == size:
        return sprite
    how = Image.Resampling.NEAREST if size % len(sprite) == 0 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(sprite).resize((size, size), how))


def clean_white(sprites: np.ndarray) -> np.ndarray:
    """Sprites, uint8 (…, 3), with nearly white made white: a model's white is a little uneven, and the eye sees that
    as a square around the creature. What is darker than 225 in any channel stays as it is."""
    share = np.clip((sprites.min(axis=-1, keepdims=True).astype(np.float32) - 225) / (_WHITE - 225), 0, 1)
    return (sprites + share * (255 - sprites.astype(np.float32)) + 0.5).astype(np.uint8)


def grid(sprites: np.ndarray, columns: int, gap: int = 4) -> Image.Image:
    """Sprites, uint8 (N, H, W, 3), side by side on white."""
    n, height, width, _ = sprites.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, sprite in enumerate(sprites):
        y, x = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[y : y + height, x : x + width] = sprite
    return Image.fromarray(sheet)


def transparent(sprites: np.ndarray) -> np.ndarray:
    """Sprites on white, uint8 (N, H, W, 3) → RGBA (N, H, W, 4): white that reaches the border becomes clear, white
    inside the creature stays. On its edge, the lighter a pixel is than its darkest neighbour, the clearer it becomes,
    in the colour that looks on white as before."""
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
