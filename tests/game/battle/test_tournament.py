"""Fixtures, and results that survive a stop; play itself is in test_battles.py."""

import itertools
from collections import Counter

import pytest

from pokegen.errors import UserError
from pokegen.game.battle.rating import Couple
from pokegen.game.battle.tournament import resumed, schedule


def test_everyone_plays_about_equally_often_and_never_against_itself():
    found = schedule(entrants=11, couples=100, size=3, seed=4)
    counts = Counter(itertools.chain(*((*f.first, *f.second) for f in found)))
    assert set(counts) == set(range(11)) and max(counts.values()) - min(counts.values()) <= 1
    assert all(len({*f.first, *f.second}) == 6 for f in found)
    assert schedule(11, 40, 3, 4) == found[:40]
    assert len({f.seed for f in found}) == 100


def test_too_few_for_two_teams():
    with pytest.raises(UserError, match="Two teams of 3 need 6 entrants, got 5"):
        schedule(5, 1, 3)


class Player:
    """Plays fixtures by a rule, and stops after some."""

    def __init__(self, stop=None):
        self.stop, self.played = stop, 0

    def __call__(self, fixtures):
        for i, fixture in enumerate(fixtures):
            if self.played == self.stop:
                raise KeyboardInterrupt
            self.played += 1
            yield i, Couple(fixture.first, fixture.second, float(sum(fixture.seed) % 3))


def test_a_stopped_tournament_goes_on(tmp_path):
    fixtures, file = schedule(8, 20, 2), tmp_path / "a" / "results.jsonl"
    whole = list(resumed(fixtures, tmp_path / "whole.jsonl", {"a": 1}, Player()))
    stopped = Player(stop=7)
    with pytest.raises(KeyboardInterrupt):
        list(resumed(fixtures, file, {"a": 1}, stopped))
    with file.open("a") as out:
        out.write("[7, 1.")  # a kill in the middle of a line
    rest = Player()
    assert list(resumed(fixtures, file, {"a": 1}, rest)) == whole
    assert (stopped.played, rest.played) == (7, 13)
    again = Player()
    assert list(resumed(fixtures, file, {"a": 1}, again)) == whole and again.played == 0


def test_results_of_another_tournament_are_refused(tmp_path):
    fixtures, file = schedule(8, 2, 2), tmp_path / "results.jsonl"
    list(resumed(fixtures, file, {"seed": 1}, Player()))
    with pytest.raises(UserError, match="holds another tournament"):
        list(resumed(fixtures, file, {"seed": 2}, Player()))
