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


def test_copies_pull_the_ratio_to_zero_and_are_counted(drawn):
    trained, unseen = drawn
    half = np.isin(unseen.species, np.unique(unseen.species)[::2])  # pictures of either half show other species
    new, unseen = unseen.pictures[half], unseen.take(~half)
    assert len(trained) > 8 * len(unseen)  # many more to copy than to compare with
    to_trained, own = (memorisation.distances(unseen.pictures, p) for p in (trained.pictures, unseen.pictures))
    real = memorisation.fit_copy_baseline(to_trained, own, unseen.species)

    def judge(pictures):
        tables = (memorisation.distances(pictures, others) for others in (trained.pictures, unseen.pictures))
        return memorisation.copy_metrics(*tables, real)

    honest, copied = judge(new), judge(trained.pictures[:60, :, ::-1])
    assert honest["copy_ratio"] == pytest.approx(1, abs=0.2)
    assert honest["copies"] < 0.5  # of few species, so that the limit is a rough one
    assert copied["copies"] == 1
    assert copied["copy_ratio"] < 0.1
