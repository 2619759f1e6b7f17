"""Distances between two sets of features or pictures, whatever their origin.

    frechet_distance    Heusel et al., GANs Trained by a Two Time-Scale Update Rule (NeurIPS 2017), eq. 6; torchmetrics'
    inception_fid       the same on Inception features, if the user has the weights; torchmetrics'
    kernel_distance     the unbiased squared MMD of Bińkowski et al., Demystifying MMD GANs (ICLR 2018), eq. 4;
                        torchmetrics' KID on our own features
    density_coverage    Naeem et al., Reliable Fidelity and Diversity Metrics (ICML 2020), eqs. 5 and 6
    sliced_wasserstein  Karras et al., Progressive Growing of GANs (ICLR 2018), section 5

Features are float32 (N, D), pictures uint8 (N, 128, 128, 3). All randomness comes from a seed.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError


class _Passthrough(nn.Module):
    """Passes precomputed features to torchmetrics, which expects a network."""

    def __init__(self, size: int):
        super().__init__()
        self.num_features = size

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, other: Tensor) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features. Few rows bias it upwards: compare only sets of
    equal size, with several rows per dimension. UserError for fewer rows than dimensions."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    rows, size = min(len(real), len(other)), real.shape[1]
    if rows <= size:
        raise UserError(f"A Fréchet distance of {size} features needs more than {size} images per side, got {rows}.")
    metric = FrechetInceptionDistance(feature=_Passthrough(size), sync_on_compute=False).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(other, real=False)
    return float(metric.compute())


def inception_fid(real: np.ndarray, other: np.ndarray, weights: Path) -> float:
    """The standard Fréchet inception distance of uint8 pictures (N, 128, 128, 3), with the FID paper's Inception
    weights as torch-fidelity has them (pt_inception-2015-12-05-6726825d.pth). UserError if either is missing."""
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        metric = FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights))
    except ModuleNotFoundError as error:
        raise UserError("The inception distance needs torch-fidelity: pip install torch-fidelity.") from error
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{weights} does not contain torch-fidelity's Inception weights.") from error
    for pictures, is_real in ((real, True), (other, False)):
        for start in range(0, len(pictures), 32):
            part = torch.from_numpy(np.ascontiguousarray(pictures[start : start + 32]))
            metric.update(part.permute(0, 3, 1, 2), real=is_real)
    return float(metric.compute())


def kernel_distance(real: Tensor, other: Tensor, seed: int = 0, size: int = 250, subsets: int = 10) -> float:
    """Squared MMD with the kernel (x·y / D + 1)³, mean over random subsets. Unbiased, so it can be slightly under 0;
    sets of different sizes may be compared. UserError for fewer than `size` rows."""
    from torchmetrics.image.kid import KernelInceptionDistance

    if min(len(real), len(other)) < size:
        raise UserError(f"A kernel distance needs {size} images per side, got {min(len(real), len(other))}.")
    with warnings.catch_warnings(action="ignore"):  # a warning that it stores all features
        given = _Passthrough(real.shape[1])  # no synchronisation: one process may measure alone
        metric = KernelInceptionDistance(feature=given, subsets=subsets, subset_size=size, sync_on_compute=False)
    metric.update(real, real=True)
    metric.update(other, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return float(metric.compute()[0])


def density_coverage(real: Tensor, other: Tensor, k: int = 5) -> tuple[float, float]:
    """Density (how deep the others lie among the real; 1 for the same distribution, unbounded above) and coverage (the
    share of real points with another within the distance of their k-th real neighbour). Both depend on the sizes:
    compare only sets of equal size."""
    from sklearn.neighbors import NearestNeighbors

    if min(len(real), len(other)) <= k:
        raise UserError(f"Density and coverage need more than {k} images per side, got {min(len(real), len(other))}.")
    a, b = real.double().numpy(), other.double().numpy()
    radius = NearestNeighbors(n_neighbors=k + 1).fit(a).kneighbors(a)[0][:, -1]  # (N,); the first neighbour is itself
    inside = torch.cdist(torch.from_numpy(a), torch.from_numpy(b)).numpy() < radius[:, None]  # (N, M)
    return float(inside.sum() / (k * len(b))), float(inside.any(axis=1).mean())


def sliced_wasserstein(real: np.ndarray, other: np.ndarray, seed: int = 0, slices: int = 128) -> list[float]:
    """Sliced Wasserstein-1 distance, times 1000, of 7×7 patches at each level of a Laplacian pyramid, from 128×128 down
    to 16×16. White patches match each other. Sets of different sizes may be compared."""
    at = np.linspace(0, 1, 1001)[1:-1]
    distances = []
    for a, b in zip(_pyramid(real), _pyramid(other), strict=True):
        x, y = (_patches(level, torch.Generator().manual_seed(seed)) for level in (a, b))  # (P, 147)
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(x.shape[1], slices, generator=generator)
        directions /= directions.norm(dim=0) * x.std(dim=0).mean()
        quantiles = [np.quantile((z @ directions).numpy(), at, axis=0) for z in (x, y)]  # (999, slices)
        distances.append(1000 * float(np.abs(quantiles[0] - quantiles[1]).mean()))
    return distances


def _pyramid(pictures: np.ndarray) -> list[Tensor]:
    """The difference of each level from the next coarser one, and the coarsest: float32 (N, 3, H, W), 128 to 16."""
    fine, levels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1), []
    while fine.shape[-1] > 16:
        coarse = F.avg_pool2d(fine, 2)
        levels.append(fine - F.interpolate(coarse, scale_factor=2, mode="bilinear"))
        fine = coarse
    return [*levels, fine]


def _patches(level: Tensor, generator: torch.Generator, count: int = 64) -> Tensor:
    """`count` 7×7 patches of each picture, at random places: (N · count, 147)."""
    n, _, size, _ = level.shape
    top, left = torch.randint(size - 6, (2, n * count, 1, 1), generator=generator)
    rows, columns = top + torch.arange(7).view(1, -1, 1), left + torch.arange(7).view(1, 1, -1)
    picture = torch.arange(n).repeat_interleave(count).view(-1, 1, 1)
    return level.permute(0, 2, 3, 1)[picture, rows, columns].flatten(1)  # (N · count, 7, 7, 3)
