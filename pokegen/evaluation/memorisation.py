"""Is it a copy? The nearest real sprites, whatever the flip or shift, and whether training ones are nearer than unseen.

A model that copies draws sprites nearer to those it was trained on than to sprites of species it never saw (the idea
of Meehan et al., A Non-Parametric Test to Detect Data-Copying, AISTATS 2020). Distances are root mean squares of RGB
at 32×32, 0 to 255, the smallest over a mirror image and shifts by 4 of 128 pixels: a copy stays near 0, while features
of a network might look past it.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SMALL = 32


def distances(pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
    """From each picture to each of the others: uint8 (N, 128, 128, 3) and (M, 128, 128, 3) → float32 (N, M)."""
    real = _small(others).flatten(1)  # (M, 3072)
    squares = real.square().sum(dim=1)  # (M,)
    parts = []
    for start in range(0, len(pictures), 50):
        best = torch.tensor(torch.inf)
        for view in _views(_small(pictures[start : start + 50])):  # (B, 3072)
            best = torch.minimum(best, view.square().sum(dim=1, keepdim=True) + squares - 2 * view @ real.T)
        parts.append((best.clamp(min=0) / real.shape[1]).sqrt())
    return torch.cat(parts).numpy()


def _small(pictures: np.ndarray) -> Tensor:
    """→ float32 (N, 3, 32, 32), white as 0: most of a picture then adds no rounding to a distance."""
    parts = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).split(256)
    return torch.cat([F.adaptive_avg_pool2d(255 - part.float(), SMALL) for part in parts])


def _views(small: Tensor) -> Tensor:
    """Every flip and shift by up to a pixel of 32: (N, 3, 32, 32) → (18, N, 3072)."""
    padded = F.pad(torch.stack([small, small.flip(3)]), (1, 1, 1, 1))  # (2, N, 3, 34, 34)
    shifts = [padded[..., y : y + SMALL, x : x + SMALL] for y in range(3) for x in range(3)]
    return torch.cat(shifts).flatten(2)


def copying(to_trained: np.ndarray, to_unseen: np.ndarray, limit: float, seed: int = 0) -> dict[str, float]:
    """What the distances of pictures to training sprites (N, M) and to unseen ones (N, K) tell.

    `copy_ratio`: median distance to the nearest training sprite over that to the nearest unseen one, among as many of
    each, the mean of ten draws; about 1 where neither is nearer, towards 0 for copies. `copies`: share of pictures with
    a training sprite nearer than `limit` (see `copy_limit`).
    """
    rng, size = np.random.default_rng(seed), min(to_trained.shape[1], to_unseen.shape[1])

    def median(table: np.ndarray) -> float:
        draws = [rng.choice(table.shape[1], size, replace=False) for _ in range(10)]
        return float(np.mean([np.median(table[:, draw].min(axis=1)) for draw in draws]))

    ratio = median(to_trained) / max(median(to_unseen), 1e-6)
    return {"copy_ratio": ratio, "copies": float((to_trained.min(axis=1) < limit).mean())}


def copy_limit(unseen: np.ndarray, trained: np.ndarray) -> float:
    """The distance below which only 1 % of unseen real sprites have a training sprite: nearer is a copy."""
    return float(np.quantile(distances(unseen, trained).min(axis=1), 0.01))
