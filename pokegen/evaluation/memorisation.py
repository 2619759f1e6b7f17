"""Detects copies: finds the nearest real sprites under flips and shifts, and compares training with unseen sprites.

A model that copies draws sprites nearer to its training sprites than to sprites of species it never saw (the idea of
Meehan et al., A Non-Parametric Test to Detect Data-Copying, AISTATS 2020). Distances are root mean squares of RGB at
32×32, 0 to 255, the smallest over mirroring and shifts by 4 of 128 pixels. Pixels are used because a copy is near 0 in
them, while network features might miss it.
"""

from dataclasses import dataclass

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
    """→ float32 (N, 3, 32, 32), with white as 0, so that the background adds no rounding error to a distance."""
    parts = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).split(256)
    return torch.cat([F.adaptive_avg_pool2d(255 - part.float(), SMALL) for part in parts])


def _views(small: Tensor) -> Tensor:
    """Every flip and shift by up to one pixel of 32: (N, 3, 32, 32) → (18, N, 3072)."""
    padded = F.pad(torch.stack([small, small.flip(3)]), (1, 1, 1, 1))  # (2, N, 3, 34, 34)
    shifts = [padded[..., y : y + SMALL, x : x + SMALL] for y in range(3) for x in range(3)]
    return torch.cat(shifts).flatten(2)


@dataclass(frozen=True)
class CopyBaseline:
    """The values for unseen real sprites, which cannot be copies.

    `ratio`: median distance to the nearest training sprite over that to the nearest unseen sprite of another species.
    `limit`: the distance to the nearest training sprite that only 1 % of them fall below; anything nearer is a copy.
    """

    ratio: float
    limit: float


def fit_copy_baseline(to_trained: np.ndarray, to_unseen: np.ndarray, species: np.ndarray) -> CopyBaseline:
    """From the distances of unseen sprites to training ones (N, M) and to each other (N, N), and their species (N,)."""
    others = np.where(species[:, None] == species, np.inf, to_unseen)
    nearest = to_trained.min(axis=1)
    return CopyBaseline(float(np.median(nearest) / np.median(others.min(axis=1))), float(np.quantile(nearest, 0.01)))


def copy_metrics(to_trained: np.ndarray, to_unseen: np.ndarray, baseline: CopyBaseline) -> dict[str, float]:
    """Metrics from the distances of pictures to training sprites (N, M) and to unseen sprites (N, K).

    `copy_ratio`: median distance to the nearest training sprite over that to the nearest unseen one, divided by the
    baseline's ratio: about 1 if nothing is copied, towards 0 for copies. `copies`: share of pictures with a training
    sprite nearer than the baseline's limit.
    """
    nearest = to_trained.min(axis=1)
    ratio = float(np.median(nearest) / max(float(np.median(to_unseen.min(axis=1))), 1e-6))
    return {"copy_ratio": ratio / baseline.ratio, "copies": float((nearest < baseline.limit).mean())}
