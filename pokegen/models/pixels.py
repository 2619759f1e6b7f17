"""From the output of a sprite model to the pixels that are shown, written and scored."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pokegen.errors import UserError
from pokegen.images import WHITE, clean_white


def to_pixels(images: Tensor) -> np.ndarray:
    """float32 (N, 3, S, S), or (N, 1, S, S) for grey, in [-1, 1] → uint8 (N, S, S, 3), near-white set to white."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
        got = tuple(images.shape) if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise UserError(f"A sprite model must draw images of (N, 3, side, side), got {got}.")
    pixels = _rounded(images)
    return clean_white(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:3], 3))))


def _rounded(images: Tensor) -> np.ndarray:
    """float (N, C, S, S) in [-1, 1] → uint8 (N, S, S, C)."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def despeckle_and_center(images: Tensor, speck: float = 0.05, margin: int = 2) -> Tensor:
    """Frame sprites as in the data: parts smaller than a share `speck` of the largest part become white, the drawing
    moves to the centre, and a border of `margin` pixels is white. float (N, channels, S, S) in [-1, 1] → a copy."""
    from scipy.ndimage import find_objects, label

    result = torch.ones_like(images)
    inside = slice(margin, images.shape[-1] - margin)
    ink = (images.amin(dim=1) < WHITE / 127.5 - 1).cpu().numpy()
    for image, drawn, framed in zip(images, ink, result[:, :, inside, inside], strict=True):
        parts, _ = label(drawn, np.ones((3, 3)))
        sizes = np.bincount(parts.ravel())[1:]  # without the background
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
    """Reduce each sprite to at most `colors` colours of its own, 1 to 256, chosen by octree (Gervautz and Purgathofer,
    A Simple Method for Color Quantization, 1988), which flattens unevenly drawn areas. White stays. RGB, float
    (N, 3, S, S) in [-1, 1] → a copy."""
    result = images.clone()
    for image, flat, pixels in zip(images, result, _rounded(images), strict=True):
        found = Image.fromarray(pixels).quantize(colors, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        drawn = torch.from_numpy((pixels < 255).any(axis=2)).to(images.device)
        few = torch.from_numpy(np.array(found.convert("RGB"))).to(images.device).permute(2, 0, 1) / 127.5 - 1
        flat.copy_(torch.where(drawn, few, image))
    return result


def _centred(inner: int, outer: int) -> tuple[slice, slice]:
    """Slices that centre a span of `inner` pixels in one of `outer`, cropping whichever is longer."""
    length = min(inner, outer)
    first, second = ((whole - length) // 2 for whole in (inner, outer))
    return slice(first, first + length), slice(second, second + length)
