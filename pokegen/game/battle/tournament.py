"""Team battles between entrants, from which they are rated.

Everyone plays about equally often, in teams that are drawn for each couple: two battles of the same teams and seed
with the sides swapped. Both sides are played by the same agent, so that teams are compared, not players. Results are
added to a file as they come, one couple a line; a tournament that was stopped goes on from it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pokegen.errors import UserError
from pokegen.game.battle.bridge import Bridge
from pokegen.game.battle.match import AT_ONCE, Job, play_jobs
from pokegen.game.battle.opponents import Opponent
from pokegen.game.battle.rating import Couple


class Fixture(NamedTuple):
    """A couple that is to be played: the members of two teams, numbers of entrants, and the seed of both battles."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    seed: tuple[int, int, int, int]


def schedule(entrants: int, couples: int, size: int = 3, seed: int = 0) -> list[Fixture]:
    """Draw `couples` fixtures of teams of `size` different entrants. Equal arguments give equal fixtures, and more
    couples the same ones first."""
    if size < 1 or entrants < 2 * size:
        raise UserError(f"Two teams of {size} need {2 * size} entrants, got {entrants}.")
    rng = np.random.default_rng(seed)
    found: list[Fixture] = []
    played = np.zeros(entrants, int)
    for _ in range(couples):
        drawn = np.lexsort((rng.random(entrants), played))[: 2 * size]  # those who played least, in random order
        members = rng.permutation(drawn).tolist()
        played[drawn] += 1
        numbers: Any = tuple(rng.integers(65536, size=4).tolist())
        found.append(Fixture(tuple(members[:size]), tuple(members[size:]), numbers))
    return found


def play(
    fixtures: Sequence[Fixture],
    pack: Callable[[Sequence[int]], str],
    player: Opponent,
    bridge: Bridge,
    format: str,
    at_once: int = AT_ONCE,
    watch: Callable[[Fixture, list[str]], None] | None = None,
) -> Iterator[tuple[int, Couple]]:
    """Play fixtures, many battles at once. Yields the place and the result of each couple as it ends.

    Args:
        fixtures: what to play.
        pack: members → their packed team.
        player: of both sides.
        bridge: the simulator; its package knows the entrants.
        format: of Showdown.
        at_once: battles.
        watch: is called with the first battle of each couple, as lines of the protocol.
    """
    jobs = []
    for fixture in fixtures:
        teams = pack(fixture.first), pack(fixture.second)
        jobs += [Job(fixture.seed, (player, player), each) for each in (teams, teams[::-1])]
    scores: dict[int, list[float]] = {}
    for outcome in play_jobs(jobs, bridge, format, at_once):
        place, swapped = divmod(outcome.place, 2)
        fixture = fixtures[place]
        if watch and not swapped:
            watch(fixture, outcome.lines)
        scores.setdefault(place, []).append(0.5 if outcome.winner < 0 else float(outcome.winner == swapped))
        if len(scores[place]) == 2:
            yield place, Couple(fixture.first, fixture.second, sum(scores.pop(place)))


def resumed(
    fixtures: Sequence[Fixture],
    file: Path,
    facts: object,
    run: Callable[[Sequence[Fixture]], Iterable[tuple[int, Couple]]],
) -> Iterator[Couple]:
    """The results of fixtures: those that `file` has, then those that `run` plays, which are added to it.

    Args:
        fixtures: all.
        file: JSON lines: `facts` first, then a couple each; made where there is none.
        facts: what must be the same to go on, such as the entrants.
        run: plays fixtures, see `play`.

    Raises UserError where the file is of another tournament.
    """
    head = json.dumps(facts, sort_keys=True)
    done: dict[int, float] = {}
    if file.exists() and (lines := file.read_text(encoding="utf-8", errors="replace").splitlines()):
        if lines[0] != head:
            raise UserError(f"{file} holds another tournament. Choose another folder, or delete the file.")
        for line in lines[1:]:
            try:
                place, score = json.loads(line)
                done[int(place)] = float(score)
            except (ValueError, TypeError):  # a kill cut the last line
                continue
    for place, score in done.items():
        if place < len(fixtures):
            yield Couple(fixtures[place].first, fixtures[place].second, score)
    rest = [place for place in range(len(fixtures)) if place not in done]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        if not done and not out.tell():
            out.write(head + "\n")
        elif done and not _ends_line(file):
            out.write("\n")
        out.flush()
        for i, couple in run([fixtures[place] for place in rest]) if rest else ():
            out.write(json.dumps([rest[i], couple.score]) + "\n")
            out.flush()
            yield couple


def _ends_line(file: Path) -> bool:
    return file.read_bytes().endswith(b"\n")
