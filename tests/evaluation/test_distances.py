"""Distances against closed forms, and against what each is meant to see."""

import numpy as np
import pytest
import torch

from pokegen.errors import UserError
from pokegen.evaluation import distances


def gaussian(n: int, mean: float, deviation: float, size: int = 4, seed: int = 0) -> torch.Tensor:
    return mean + deviation * torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_distance_of_two_gaussians_is_the_closed_form():
    # |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½) = 4 · (3² + (2 - 1)²) for four independent dimensions
    found = distances.frechet_distance(gaussian(20_000, 0, 1), gaussian(20_000, 3, 2, seed=1))
    assert found == pytest.approx(40, rel=0.03)


def test_frechet_distance_sees_a_turned_covariance():
    x = gaussian(20_000, 0, 1, size=2)
    stretched = x * torch.tensor([2.0, 1.0])
    turned = stretched.flip(1)
    # S1 = diag(4, 1), S2 = diag(1, 4): tr S1 + tr S2 - 2 tr diag(2, 2) = 2
    assert distances.frechet_distance(stretched, turned) == pytest.approx(2, rel=0.05)


def test_frechet_distance_refuses_fewer_rows_than_dimensions():
    with pytest.raises(UserError, match="more than 4 images per side, got 4"):
        distances.frechet_distance(gaussian(4, 0, 1), gaussian(100, 0, 1))


def test_kernel_distance_of_a_set_with_itself_and_with_its_like_is_about_zero():
    x = gaussian(2000, 0, 1)
    shifted = distances.kernel_distance(x, gaussian(2000, 0.5, 1, seed=1))
    assert abs(distances.kernel_distance(x, x)) < 0.02 * shifted
    assert abs(distances.kernel_distance(x, gaussian(2000, 0, 1, seed=1))) < 0.05 * shifted


def test_kernel_distance_is_the_expectation_of_the_kernel():
    # One dimension, k = (xy + 1)³, N(0, 1) against N(1, 1); their moments are 0, 1, 0 and 1, 2, 4:
    # E k(x, x') = 1 + 3 · 1 = 4, E k(y, y') = 1 + 3 · 1 + 3 · 4 + 16 = 32, E k(x, y) = 1 + 3 · 2 = 7; 4 + 32 - 14 = 22
    x, y = gaussian(20_000, 0, 1, 1), gaussian(20_000, 1, 1, 1, seed=1)
    assert distances.kernel_distance(x, y, size=500, subsets=60) == pytest.approx(22, rel=0.15)


def test_kernel_distance_is_the_seed_s_and_leaves_the_global_generator_alone():
    x, y = gaussian(400, 0, 1), gaussian(400, 0.2, 1, seed=1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = distances.kernel_distance(x, y, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    assert first == distances.kernel_distance(x, y, seed=3) != distances.kernel_distance(x, y, seed=4)


def test_kernel_distance_refuses_too_few():
    with pytest.raises(UserError, match="needs 250 images per side, got 100"):
        distances.kernel_distance(gaussian(100, 0, 1), gaussian(300, 0, 1))


def test_density_and_coverage_of_alike_sets_and_of_a_collapsed_one():
    real, alike = gaussian(800, 0, 1), gaussian(800, 0, 1, seed=1)
    density, coverage = distances.density_coverage(real, alike)
    assert density == pytest.approx(1, abs=0.1)
    assert coverage > 0.9
    one_mode = real[:1] + 0.001 * gaussian(800, 0, 1, seed=2)
    assert distances.density_coverage(real, one_mode)[1] < 0.05
    assert distances.density_coverage(real, alike + 100) == (0, 0)


def pictures(n: int, seed: int) -> np.ndarray:
    """Squares of random colour, size and place on white."""
    rng, result = np.random.default_rng(seed), np.full((n, 128, 128, 3), 255, dtype=np.uint8)
    for picture in result:
        side = rng.integers(30, 70)
        top, left = rng.integers(4, 124 - side, size=2)
        picture[top : top + side, left : left + side] = rng.integers(0, 200, size=3)
    return result


def test_sliced_wasserstein_sees_scale_by_scale():
    real, alike = pictures(120, 0), pictures(120, 1)
    noisy = np.clip(alike + np.random.default_rng(0).normal(0, 12, alike.shape), 0, 255).astype(np.uint8)
    same, fine = (distances.sliced_wasserstein(real, p) for p in (alike, noisy))
    assert len(same) == 4
    assert fine[0] > 5 * same[0]  # fine noise is seen at the finest level most
    assert fine[0] / same[0] > 3 * fine[3] / same[3]
    assert distances.sliced_wasserstein(real, real) == [0, 0, 0, 0]


def test_the_inception_distance_says_what_it_needs(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"none")
    with pytest.raises(UserError, match="torch-fidelity"):  # itself, or its weights
        distances.inception_fid(pictures(4, 0), pictures(4, 1), tmp_path / "weights.pth")
