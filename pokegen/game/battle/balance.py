"""How strong created creatures are next to real species of equal totals, from a tournament; in numbers and in words."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pokegen.game.battle.rating import Couple, Rating, expected, rate

FAST = 90  # base Speed from which a creature counts as fast
_ENOUGH = 8  # battles from which a group of opponents is judged
_CERTAIN = 2.6  # standard errors, since some forty groups are looked at
_CLEAR = 0.15  # of the win share, by which a group must differ


@dataclass(frozen=True)
class Verdict:
    """On one created creature.

    Attributes:
        name, total: of the card.
        rating: Elo points; real species have a mean of 1500.
        like: the real species of the nearest rating, and that rating.
        peers: mean rating of the real species whose totals are nearest, three of them.
        strong_against, weak_against: groups of opponents, such as "fast Water types", against which it wins clearly
            more, or less, than the ratings say.
        beats, loses_to: real species of opposing teams against which its teams won at least, or at most, a half more.
        advice: the same in one or two sentences.
    """

    name: str
    total: int
    rating: Rating
    like: tuple[str, float]
    peers: float
    strong_against: list[str] = field(default_factory=list)
    weak_against: list[str] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)
    loses_to: list[str] = field(default_factory=list)
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def verdicts(
    cards: Sequence[Mapping[str, Any]], real: Sequence[Mapping[str, Any]], couples: Sequence[Couple]
) -> list[Verdict]:
    """Judge created creatures by a tournament.

    Args:
        cards: the created ones, entrants 0 to len(cards) − 1.
        real: the real species as cards, the entrants after them and the anchors.
        couples: what was played.
    """
    everyone = [*cards, *real]
    anchors = range(len(cards), len(everyone))
    ratings = rate(couples, len(everyone), anchors)
    real_ratings = np.array([ratings[i].points for i in anchors])
    residuals = _residuals(everyone, couples, [rating.points for rating in ratings])
    found = []
    for i, card in enumerate(cards):
        total, rating = card["stats"]["total"], ratings[i]
        nearest = int(np.abs(real_ratings - rating.points).argmin())
        apart = np.argsort([abs(other["stats"]["total"] - total) for other in real], kind="stable")[:3]
        strong, weak = _groups(residuals[i], everyone)
        meetings = {j: np.mean(values) for j, values in residuals[i].items() if j >= len(cards) and len(values) >= 2}
        order = sorted(meetings, key=lambda j: meetings[j])
        beats = [everyone[j]["name"] for j in order[::-1] if meetings[j] >= 0.25][:3]
        loses = [everyone[j]["name"] for j in order if meetings[j] <= -0.25][:3]
        like = (str(real[nearest]["name"]), float(real_ratings[nearest]))
        peers = float(real_ratings[apart].mean())
        verdict = Verdict(card["name"], total, rating, like, peers, strong, weak, beats, loses)
        found.append(Verdict(**{**verdict.__dict__, "advice": advice(verdict)}))
    return found


def _residuals(
    everyone: Sequence[Any], couples: Sequence[Couple], points: Sequence[float]
) -> list[dict[int, list[float]]]:
    """For each entrant: opponent → for each couple in which they met, the share of the two battles that the entrant's
    team won, less the share that the ratings predict."""
    found: list[dict[int, list[float]]] = [defaultdict(list) for _ in everyone]
    for couple in couples:
        strength = [sum(points[i] for i in team) for team in (couple.first, couple.second)]
        beyond = couple.score / 2 - expected(*strength)
        for i in couple.first:
            for j in couple.second:
                found[i][j].append(beyond)
                found[j][i].append(-beyond)
    return found


def _groups(met: Mapping[int, Sequence[float]], everyone: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Groups of opponents, by type and speed, against which an entrant did clearly better, and worse, than expected."""
    groups: dict[str, list[float]] = defaultdict(list)
    for j, values in met.items():
        for kind in everyone[j]["types"]:
            groups[f"{kind} types"] += values
            pace = "fast" if everyone[j]["stats"]["speed"] >= FAST else "slow"
            groups[f"{pace} {kind} types"] += values
    means = {}
    for name, values in groups.items():
        if 2 * len(values) >= _ENOUGH:
            error = np.std(values) / np.sqrt(len(values)) + 1e-6
            if abs(np.mean(values)) >= max(_CLEAR, _CERTAIN * error):
                means[name] = float(np.mean(values))
    order = sorted(means, key=lambda name: -abs(means[name]))
    kept: list[str] = []
    for name in order:  # of "fast Water types" and "Water types" the clearer one
        if not any(name.split()[-2] == other.split()[-2] for other in kept):
            kept.append(name)
    return [name for name in kept if means[name] > 0][:2], [name for name in kept if means[name] < 0][:2]


def advice(verdict: Verdict) -> str:
    """One or two sentences on a creature."""
    interval = verdict.rating
    text = f"About as strong as {verdict.like[0]}"
    above = interval.points - verdict.peers
    if interval.low > verdict.peers:
        text += f", stronger than real species of its total ({above:+.0f})"
    elif interval.high < verdict.peers:
        text += f", weaker than real species of its total ({above:+.0f})"
    text += "."
    parts = []
    if verdict.strong_against:
        parts.append(f"good against {' and '.join(verdict.strong_against)}")
    if verdict.weak_against:
        parts.append(f"weak to {' and '.join(verdict.weak_against)}")
    if parts:
        sentence = "; ".join(parts)
        text += f" {sentence[0].upper()}{sentence[1:]}."
    return text
