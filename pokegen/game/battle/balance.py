"""How strong created creatures are next to real species of equal totals, from a tournament; in numbers and in words."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from pokegen.game.battle.rating import Couple, Rating, expected, rate

FAST = 90  # base Speed from which a creature counts as fast
_ENOUGH = 4  # couples of battles from which a group of opponents is judged
_CERTAIN = 3.0  # standard errors: in simulations 3 to 8 of 100 creatures have a group that is found in noise
_CLEAR = 0.15  # of the win share, by which a group must differ


@dataclass(frozen=True)
class Verdict:
    """On one created creature.

    Attributes:
        name, total: of the card.
        rating: Elo points; real species have a mean of 1500.
        like: the real species of the nearest rating, and that rating.
        peers: mean rating of the real species whose totals are nearest, three of them.
        peers_error: half the width of that mean's 95 % interval.
        strong_against, weak_against: groups of opponents, such as "fast Water types", against which it wins clearly
            more, or less, than the ratings say.
        beats, loses_to: real species of opposing teams against which its teams won clearly more, or less.
        advice: the same in one or two sentences.
    """

    name: str
    total: int
    rating: Rating
    like: tuple[str, float]
    peers: float
    peers_error: float
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
    couples = sorted(couples, key=lambda couple: (couple.first, couple.second, couple.score))  # one order, one result
    anchors = range(len(cards), len(everyone))
    ratings = rate(couples, len(everyone), anchors)
    real_ratings = np.array([ratings[i].points for i in anchors])
    meetings = _meetings(len(everyone), couples, [rating.points for rating in ratings])
    found = []
    for i, card in enumerate(cards):
        total, rating = card["stats"]["total"], ratings[i]
        nearest = int(np.abs(real_ratings - rating.points).argmin())
        like = (str(real[nearest]["name"]), float(real_ratings[nearest]))
        apart = np.argsort([abs(other["stats"]["total"] - total) for other in real], kind="stable")[:3]
        peers = float(real_ratings[apart].mean())
        widths = [ratings[anchors[place]].high - ratings[anchors[place]].low for place in apart]
        error = float(np.linalg.norm(widths) / 2 / len(apart))
        strong, weak = _groups(meetings[i], everyone)
        names = {f"{j}": real[j - len(cards)]["name"] for j in anchors}
        against = _clear({key: {int(key)} for key in names}, meetings[i])
        beats = [names[key] for key, mean in against.items() if mean > 0][:3]
        loses = [names[key] for key, mean in against.items() if mean < 0][:3]
        verdict = Verdict(card["name"], total, rating, like, peers, error, strong, weak, beats, loses)
        found.append(replace(verdict, advice=advice(verdict)))
    return found


class _Meeting(NamedTuple):
    """A couple of battles, as one entrant sees it."""

    foes: tuple[int, ...]
    beyond: float  # share of the two battles that its team won, less the share that the ratings predict
    variance: float  # of `beyond`, if the ratings say all


def _meetings(entrants: int, couples: Sequence[Couple], points: Sequence[float]) -> list[list[_Meeting]]:
    """The meetings of each entrant."""
    found: list[list[_Meeting]] = [[] for _ in range(entrants)]
    chances = [expected(*(sum(points[i] for i in team) for team in (c.first, c.second))) for c in couples]
    beyond = [couple.score / 2 - chance for couple, chance in zip(couples, chances, strict=True)]
    plain = [chance * (1 - chance) / 2 for chance in chances]  # of two independent battles
    # The two are more alike than that, since they have the same teams.
    alike = max(1.0, float(np.square(beyond).sum() / max(sum(plain), 1e-9)))
    for couple, more, variance in zip(couples, beyond, plain, strict=True):
        for i in couple.first:
            found[i].append(_Meeting(couple.second, more, alike * variance))
        for i in couple.second:
            found[i].append(_Meeting(couple.first, -more, alike * variance))
    return found


def _clear(groups: Mapping[str, set[int]], meetings: Sequence[_Meeting]) -> dict[str, float]:
    """Groups of opponents against which an entrant did clearly better or worse than against teams without them: name →
    difference of the mean shares of battles beyond the ratings, the largest first."""
    found = {}
    for name, members in groups.items():
        sides: tuple[list[_Meeting], list[_Meeting]] = ([], [])
        for meeting in meetings:
            sides[members.isdisjoint(meeting.foes)].append(meeting)
        if min(map(len, sides)) >= _ENOUGH:
            met, others = (sum(meeting.beyond for meeting in side) / len(side) for side in sides)
            error = math.sqrt(sum(sum(meeting.variance for meeting in side) / len(side) ** 2 for side in sides))
            if abs(met - others) >= max(_CLEAR, _CERTAIN * error):
                found[name] = met - others
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def _groups(meetings: Sequence[_Meeting], everyone: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Groups by type and speed against which an entrant did clearly better, and clearly worse."""
    groups: dict[str, set[int]] = defaultdict(set)
    for j, card in enumerate(everyone):
        for kind in card["types"]:
            pace = "fast" if card["stats"]["speed"] >= FAST else "slow"
            for name in (f"{kind} types", f"{pace} {kind} types"):
                groups[name].add(j)
    kept: dict[str, float] = {}
    while clear := _clear(groups, meetings):
        name = next(iter(clear))
        kept[name] = clear[name]
        # What is left is judged without these foes: where Water types are bad, all others look good next to them.
        meetings = [meeting for meeting in meetings if groups[name].isdisjoint(meeting.foes)]
    return [name for name in kept if kept[name] > 0][:2], [name for name in kept if kept[name] < 0][:2]


def advice(verdict: Verdict) -> str:
    """One or two sentences on a creature."""
    rating = verdict.rating
    text = f"About as strong as {verdict.like[0]}"
    above = rating.points - verdict.peers
    if above > math.hypot(rating.points - rating.low, verdict.peers_error):
        text += f", stronger than real species of its total ({above:+.0f})"
    elif -above > math.hypot(rating.high - rating.points, verdict.peers_error):
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
