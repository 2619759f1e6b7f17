"""How strong creatures are, from the results of team battles: a Bradley–Terry model of teams.

The chance that team A beats team B is the logistic function of the difference of their members' summed strengths
(Bradley and Terry, Biometrika 1952; of teams: Huang, Weng and Lin, JMLR 2006). Ratings are on Elo's scale: 400 points
are odds of ten to one between two creatures, all else equal. Anchors, such as real species, have a mean of 1500.

Intervals come from resampling the couples: two battles of the same teams and seed with the sides swapped are one
observation. Left out: order effects within a battle, synergy between members.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pokegen.errors import UserError

SCALE = 400 / math.log(10)  # Elo points of one unit of log-odds
MEAN = 1500.0
_PRIOR = 2.0  # deviation of strengths in log-odds that is taken before any battle; 2 is 347 Elo points


@dataclass(frozen=True)
class Couple:
    """Two battles of the same teams with the sides swapped.

    Attributes:
        first, second: the members of the teams, numbers of entrants.
        score: battles that the first team won, a tie being half: 0 to 2.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Rating:
    """Of one entrant: points, and the 95 % interval."""

    points: float
    low: float
    high: float
    battles: int


def rate(
    couples: Sequence[Couple], entrants: int, anchors: Sequence[int], resamples: int = 200, seed: int = 0
) -> list[Rating]:
    """Rate all entrants.

    Args:
        couples: what was played.
        entrants: how many there are, numbered from 0.
        anchors: those whose mean rating is 1500.
        resamples: of the couples, for the intervals.
        seed: of the resampling.

    Raises UserError without couples or anchors, and where an entrant never played.
    """
    if not couples or not anchors:
        raise UserError("A rating needs at least one couple of battles and one anchor.")
    signs = np.zeros((len(couples), entrants))
    for row, couple in enumerate(couples):
        for member in couple.first:
            signs[row, member] += 1
        for member in couple.second:
            signs[row, member] -= 1
    played = 2 * np.array([sum(i in (*c.first, *c.second) for c in couples) for i in range(entrants)])
    if not played.all():
        raise UserError(f"Entrant {int(np.argmin(played))} has played no battle: play more couples.")
    shares = np.array([couple.score / 2 for couple in couples])
    points = _points(signs, shares, np.ones(len(couples)), anchors)
    rng = np.random.default_rng(seed)
    drawn = [
        _points(
            signs, shares, np.bincount(rng.integers(len(couples), size=len(couples)), minlength=len(couples)), anchors
        )
        for _ in range(resamples)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0) if drawn else (points, points)
    rows = zip(points.tolist(), low.tolist(), high.tolist(), played.tolist(), strict=True)
    return [Rating(*row) for row in rows]


def _points(signs: np.ndarray, shares: np.ndarray, weights: np.ndarray, anchors: Sequence[int]) -> np.ndarray:
    """The strengths of the highest posterior, in Elo points (entrants,), by Newton's method.

    Args:
        signs: (couples, entrants), 1 in the first team, −1 in the second.
        shares: of the battles that the first team won, (couples,).
        weights: how often each couple counts, (couples,).
    """
    strength = np.zeros(signs.shape[1])
    prior = np.eye(len(strength)) / _PRIOR**2
    for _ in range(100):
        chance = 1 / (1 + np.exp(-(signs @ strength)))
        slope = signs.T @ (2 * weights * (shares - chance)) - strength / _PRIOR**2
        curve = (signs * (2 * weights * chance * (1 - chance))[:, None]).T @ signs + prior
        step = np.linalg.solve(curve, slope)
        strength += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return MEAN + SCALE * (strength - strength[list(anchors)].mean())


def expected(first: float, second: float) -> float:
    """Share of battles that a creature of rating `first` wins against one of `second`, all else equal."""
    return 1 / (1 + 10 ** ((second - first) / 400))
