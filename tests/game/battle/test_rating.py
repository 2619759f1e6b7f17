"""Ratings of creatures from team battles."""

import numpy as np
import pytest

from pokegen.errors import UserError
from pokegen.game.battle.rating import SCALE, Couple, expected, rate


def played(strength, couples, size, rng):
    found = []
    for _ in range(couples):
        members = rng.permutation(len(strength))[: 2 * size]
        first, second = tuple(members[:size].tolist()), tuple(members[size:].tolist())
        chance = 1 / (1 + np.exp(-(strength[list(first)].sum() - strength[list(second)].sum())))
        found.append(Couple(first, second, float(rng.binomial(2, chance))))
    return found


def test_strengths_are_found_again():
    rng = np.random.default_rng(0)
    strength = rng.normal(0, 1, 12)
    found = rate(played(strength, 3000, 3, rng), 12, range(12), resamples=40)
    points = np.array([rating.points for rating in found])
    assert abs(points.mean() - 1500) < 1e-6
    assert np.abs((points - 1500) / SCALE - (strength - strength.mean())).max() < 0.2
    assert all(rating.low < rating.points < rating.high for rating in found)


def test_intervals_hold_the_true_strength_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    strength = rng.normal(0, 0.7, 8)
    true = 1500 + SCALE * (strength - strength.mean())
    held = []
    for seed in range(12):
        found = rate(played(strength, 300, 2, rng), 8, range(8), resamples=100, seed=seed)
        held += [rating.low <= value <= rating.high for rating, value in zip(found, true, strict=True)]
    assert 0.85 < np.mean(held) <= 1.0


def test_the_anchors_have_a_mean_of_1500():
    couples = [Couple((0,), (1,), 2.0), Couple((1,), (2,), 1.0), Couple((2,), (0,), 0.5)]
    found = rate(couples, 3, [1, 2], resamples=5)
    assert (found[1].points + found[2].points) / 2 == pytest.approx(1500)
    assert found[0].points > 1500 and found[0].battles == 4


def test_two_creatures_alone_have_the_ratings_of_their_win_share():
    found = rate([Couple((0,), (1,), 1.5)] * 400, 2, [1], resamples=2)
    assert found[0].points - 1500 == pytest.approx(SCALE * np.log(3), abs=2)
    assert expected(found[0].points, 1500) == pytest.approx(0.75, abs=0.005)


def test_winning_everything_is_a_finite_rating():
    found = rate([Couple((0,), (1,), 2.0)] * 50, 2, [1], resamples=5)
    assert 1800 < found[0].points < 4000


def test_mistakes():
    with pytest.raises(UserError, match="at least one couple"):
        rate([], 2, [0])
    with pytest.raises(UserError, match="Entrant 2 has played no battle"):
        rate([Couple((0,), (1,), 1.0)], 3, [0])
