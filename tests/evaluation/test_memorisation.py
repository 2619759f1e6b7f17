"""Copies are found whatever the flip or shift; drawings of other creatures are not taken for copies."""

import numpy as np
import pytest

from pokegen.evaluation import memorisation


def shifted(pictures: np.ndarray, by: int) -> np.ndarray:
    padded = np.pad(pictures, ((0, 0), (by, by), (by, by), (0, 0)), constant_values=255)
    return padded[:, 2 * by :, : -2 * by]


@pytest.mark.parametrize("change", [lambda p: p, lambda p: p[:, :, ::-1], lambda p: shifted(p, 4)])
def test_a_copy_is_near_its_original_whatever_the_flip_or_shift(drawn, change):
    trained = drawn[0].pictures[:200]
    table = memorisation.distances(change(trained[:20]), trained)
    assert (table.argmin(axis=1) == np.arange(20)).all()
    assert table.min(axis=1).max() < 2 < np.median(table)


def test_distances_are_root_mean_squares():
    white, grey = np.full((1, 128, 128, 3), 255, np.uint8), np.full((2, 128, 128, 3), 205, np.uint8)
    grey[1] = 255
    assert memorisation.distances(white, grey) == pytest.approx(np.array([[50, 0]]), abs=0.01)


def test_copies_pull_the_ratio_below_one_and_are_counted(drawn):
    trained, unseen = (s.pictures for s in drawn)
    rng = np.random.default_rng(0)
    trained = trained[rng.permutation(len(trained))[:300]]
    half = len(unseen) // 2
    new, unseen = unseen[:half], unseen[half:]  # pictures of neither
    limit = memorisation.copy_limit(unseen, trained)

    def judge(pictures):
        tables = (memorisation.distances(pictures, others) for others in (trained, unseen))
        return memorisation.copying(*tables, limit)

    honest, copied = judge(new), judge(trained[:half, :, ::-1])
    assert honest["copy_ratio"] == pytest.approx(1, abs=0.2)
    assert honest["copies"] < 0.1
    assert copied["copies"] == 1
    assert copied["copy_ratio"] < 0.8 * honest["copy_ratio"]
