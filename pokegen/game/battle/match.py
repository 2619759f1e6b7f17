"""Battles between players in process, many at once.

    for result in match(("expert", "max_power"), battles=100):   # 1: the first player won, 0.5: a tie, 0: it lost
        ...

In a match each battle is played twice, with the same seed and teams and the sides swapped, so that neither player has
the luckier teams.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pokegen.errors import UserError
from pokegen.game.battle.bridge import Bridge, Seed
from pokegen.game.battle.env import FORMAT, NAMES, Battle
from pokegen.game.battle.opponents import Opponent, opponent

AT_ONCE = 32  # battles
MOST = 1_000_000  # battles of a match
MAX_TURNS = 300  # a longer battle is a tie
_OTHER_KINDS = ("doubles", "triples", "multi", "freeforall")  # of formats, which the players cannot read


class Job(NamedTuple):
    """A battle to play.

    Attributes:
        seed: of the battle.
        players: of the two sides.
        teams: packed; None where the format makes random ones.
    """

    seed: Seed
    players: tuple[Opponent, Opponent]
    teams: tuple[str | None, str | None] = (None, None)


class Outcome(NamedTuple):
    """A battle that was played.

    Attributes:
        place: of its job.
        winner: 0 or 1, the side; −1 for a tie.
        lines: of the protocol, as the first side sees them.
    """

    place: int
    winner: int
    lines: list[str]


def play_jobs(jobs: Sequence[Job], bridge: Bridge, format: str, at_once: int = AT_ONCE) -> Iterator[Outcome]:
    """Play battles, `at_once` at a time. Yields each as it ends. BridgeError where the simulator ends."""
    waiting = list(range(len(jobs)))[::-1]
    going: dict[int, tuple[Battle, Job, list[str]]] = {}  # by the battle's number, the job's place
    while waiting or going:
        while waiting and len(going) < at_once:
            number = waiting.pop()
            job, battle = jobs[number], Battle(number)
            bridge.start(number, format, job.seed, job.teams, NAMES)
            going[number] = battle, job, []
            for seat, player in zip(battle.seats, job.players, strict=True):
                player.begin(seat, number)
        undecided = []
        for update in bridge.receive():
            battle, job, lines = going[update.battle]
            seat, player = battle.seats[update.side], job.players[update.side]
            seat.see(bridge, update)
            player.see(seat, update)
            if update.side == 0:
                lines += update.lines
            if seat.waits:
                undecided.append((player, seat))
            if update.winner is not None and update.side == 1:  # the last update of a battle
                del going[update.battle]
                yield Outcome(update.battle, update.winner, lines)
        for player in {id(player): player for player, _ in undecided}.values():
            seats = [seat for other, seat in undecided if other is player]
            for seat, words in zip(seats, player.choose(seats), strict=True):
                seat.choose(bridge, words)


def match(names: tuple[str, str], battles: int, format: str = FORMAT, seed: int = 0) -> Iterator[float]:
    """Play `battles` battles. Yields the result of the first player as each ends: 1 won, 0.5 a tie, 0 lost.

    Args:
        names: of two players, see opponents.opponent.
        battles: how many, an even number.
        format: of Showdown, of generation 9, one against one, with random teams.
        seed: of the battles.

    Raises UserError for unknown players, an odd number of battles and other formats.
    """
    if battles % 2 or not 2 <= battles <= MOST:
        raise UserError(
            f"Expected an even number of battles, 2 to {MOST:,}, since each is played from both sides; got {battles}."
        )
    if not format.startswith("gen9") or any(word in format for word in _OTHER_KINDS):
        raise UserError(f"Expected a format of generation 9, one against one, such as {FORMAT}; got {format!r}.")
    players = opponent(names[0]), opponent(names[1])
    rng = np.random.default_rng(seed)
    seeds: list[Seed] = [tuple(row) for row in rng.integers(65536, size=(battles // 2, 4)).tolist()]
    jobs = [Job(each, pair) for each in seeds for pair in (players, players[::-1])]
    with Bridge(max_turns=MAX_TURNS) as bridge:
        for outcome in play_jobs(jobs, bridge, format):
            side = outcome.place % 2  # of the first player
            yield 0.5 if outcome.winner < 0 else float(outcome.winner == side)


def wilson(rate: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a rate that was measured in `count` independent trials (Wilson, JASA 1927)."""
    z = 1.959964
    center = rate + z * z / (2 * count)
    spread = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return max(0.0, (center - spread) / whole), min(1.0, (center + spread) / whole)
