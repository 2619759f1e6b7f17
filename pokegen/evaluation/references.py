"""Real sprites degraded in known ways: the panel's floors. A valid distance must rank them in the expected order.

All take and return uint8 (N, 128, 128, 3).
"""

import numpy as np
from PIL import Image, ImageFilter


def blurred(pictures: np.ndarray, radius: float = 3.0) -> np.ndarray:
    """Gaussian blur of `radius` pixels."""
    return np.stack([np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(radius))) for p in pictures])


def glued(pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    """The upper or left half of each picture, joined to the other half of another."""
    rng = np.random.default_rng(seed)
    other, result, half = pictures[_others(len(pictures), rng)], pictures.copy(), pictures.shape[1] // 2
    upright = rng.random(len(pictures)) < 0.5
    result[upright, half:] = other[upright, half:]
    result[~upright, :, half:] = other[~upright, :, half:]
    return result


def blended(pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    """The mean of each picture and another."""
    other = pictures[_others(len(pictures), np.random.default_rng(seed))]
    return ((pictures.astype(np.uint16) + other) // 2).astype(np.uint8)


def noise(pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each picture with its pixels in random order."""
    rng = np.random.default_rng(seed)
    rows = pictures.reshape(len(pictures), -1, 3)
    return np.stack([row[rng.permutation(len(row))] for row in rows]).reshape(pictures.shape)


def _others(n: int, rng: np.random.Generator) -> np.ndarray:
    """For each picture another one."""
    order = rng.permutation(n)
    other = np.empty(n, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other
