"""From what a sprite model draws to the pixels that are shown, written and scored, and to a sheet of many."""

import numpy as np
from PIL import Image
from torch import Tensor

from pokegen.errors import UserError
from pokegen.schema import SPRITE_SIZE


def to_pixels(images: Tensor) -> np.ndarray:
    """float32 (N, 3, 128, 128) in [-1, 1] → uint8 (N, 128, 128, 3), nearly white made white."""
    if not isinstance(images, Tensor) or images.shape[1:] != (3, SPRITE_SIZE, SPRITE_SIZE):
        got = tuple(images.shape) if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise UserError(f"A sprite model must draw images of (3, {SPRITE_SIZE}, {SPRITE_SIZE}), got {got}.")
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    return clean_white(pixels)


def clean_white(sprites: np.ndarray) -> np.ndarray:
    """Sprites, uint8 (…, 3), with nearly white made white: a model's white is a little uneven, and the eye sees that
    as a square around the creature. What is darker than 225 in any channel stays as it is."""
    share = np.clip((sprites.min(axis=-1, keepdims=True).astype(np.float32) - 225) / 20, 0, 1)
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
