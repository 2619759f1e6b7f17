"""Verdicts on created creatures, on results that were drawn with known strengths."""

import numpy as np
import pytest

from pokegen.game.battle.balance import verdicts
from pokegen.game.battle.rating import Couple
from pokegen.game.battle.tournament import schedule

KINDS = ("Water", "Fire", "Grass", "Normal")
CREATED, REAL = 6, 18


def creature(name, place):
    stats = {"total": 400 + 10 * place, "speed": 120 if place // 4 % 2 else 50}
    return {"name": name, "types": [KINDS[place % 4]], "stats": stats}


CARDS = [creature(f"New {i}", i) for i in range(CREATED)]
FIELD = [creature(f"Old {i}", i) for i in range(REAL)]
EVERYONE = [*CARDS, *FIELD]


def played(count, strength, extra=lambda member, foe: 0.0, seed=0):
    """Couples of a tournament. `strength` and `extra`, of a member against a foe, are log-odds."""
    rng = np.random.default_rng(seed)
    found = []
    for fixture in schedule(len(EVERYONE), count, 3, seed):
        odds = sum(strength[i] for i in fixture.first) - sum(strength[i] for i in fixture.second)
        odds += sum(extra(i, j) - extra(j, i) for i in fixture.first for j in fixture.second)
        score = float(rng.binomial(2, 1 / (1 + np.exp(-odds))))
        found.append(Couple(fixture.first, fixture.second, score))
    return found


def test_a_creature_that_is_too_strong_is_found_and_a_weak_one():
    strength = np.zeros(len(EVERYONE))
    strength[1], strength[2] = 2.5, -2.5
    found = verdicts(CARDS, FIELD, played(300, strength))
    assert [verdict.name for verdict in found] == [card["name"] for card in CARDS]
    assert ", stronger than real species of its total (+" in found[1].advice
    assert ", weaker than real species of its total (-" in found[2].advice
    assert found[1].rating.low > 1500 + 200 and found[2].rating.high < 1500 - 200
    assert all(found[2].rating.high < v.rating.points < found[1].rating.low for v in (found[0], *found[3:]))


@pytest.mark.parametrize(("sign", "words"), [(-3.0, "Weak to"), (3.0, "Good against")])
def test_a_type_against_which_a_creature_does_badly_or_well_is_found(sign, words):
    def extra(member, foe):
        return sign if member == 0 and EVERYONE[foe]["types"] == ["Water"] else 0.0

    found = verdicts(CARDS, FIELD, played(500, np.zeros(len(EVERYONE)), extra))
    assert f" {words} Water types" in found[0].advice
    named, others = found[0].weak_against, found[0].strong_against
    assert (named if sign < 0 else others) == ["Water types"]
    assert sum(bool(verdict.strong_against or verdict.weak_against) for verdict in found[1:]) <= 1


def test_fast_foes_of_a_type_are_distinguished_from_slow_ones():
    def extra(member, foe):
        card = EVERYONE[foe]
        return -4.0 if member == 3 and card["types"] == ["Fire"] and card["stats"]["speed"] >= 90 else 0.0

    found = verdicts(CARDS, FIELD, played(600, np.zeros(len(EVERYONE)), extra, seed=1))
    assert found[3].weak_against == ["fast Fire types"]


def test_an_opponent_that_always_wins_is_named():
    def extra(member, foe):
        return -8.0 if (member, foe) == (4, CREATED + 5) else 0.0

    found = verdicts(CARDS, FIELD, played(800, np.zeros(len(EVERYONE)), extra))
    assert found[4].loses_to == ["Old 5"] and found[4].beats == []


def test_little_is_found_in_noise():
    groups = opponents = apart = 0
    for seed in range(5):
        for verdict in verdicts(CARDS, FIELD, played(400, np.zeros(len(EVERYONE)), seed=seed)):
            groups += len(verdict.strong_against) + len(verdict.weak_against)
            opponents += len(verdict.beats) + len(verdict.loses_to)
            apart += "er than real" in verdict.advice
            assert verdict.advice.startswith(f"About as strong as {verdict.like[0]}")
    assert groups <= 3 and opponents <= 3 and apart <= 4  # of 30 creatures


def test_the_order_of_the_results_does_not_matter():
    couples = played(100, np.linspace(-1, 1, len(EVERYONE)))
    assert verdicts(CARDS, FIELD, couples) == verdicts(CARDS, FIELD, couples[::-1])
