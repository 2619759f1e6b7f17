"""The players that poke-env 0.16.1 carries, on the bridge: opponents for evaluation, a teacher for cloning. No server.

    teacher = PokeEnvPlayer("heuristics", seed=0)
    for update in bridge.receive():
        if choice := teacher.choose(update):
            bridge.choose(update.battle, update.side, choice)

A side's lines and requests go into poke-env's own `Battle`, in the order in which the server sends them, and its
`choose_move` gives the choice: for equal lines the same as through the server. `SimpleHeuristicsPlayer` is taken as it
is, its fault included: `_stat_estimation` counts a boost of +1 as a factor of 2, where the games have 1.5.
"""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pokegen.errors import UserError
from pokegen.game.battle.bridge import Update

if TYPE_CHECKING:
    from poke_env.player import Player

KINDS = {"random": "RandomPlayer", "power": "MaxBasePowerPlayer", "heuristics": "SimpleHeuristicsPlayer"}


class PokeEnvPlayer:
    """Plays any number of battles and sides with one of poke-env's players.

    Args:
        kind: one of KINDS, or a class derived from poke-env's Player, whose `choose_move` must not be a coroutine.
        format: of the battles.
        seed: of the random choices. Each side of each battle has its own sequence, whatever else is played.

    Attributes:
        failures: how often poke-env raised an error, and "default" was chosen in its place.
    """

    def __init__(self, kind: "str | type[Player]" = "heuristics", format: str = "gen9randombattle", seed: int = 0):
        from poke_env import player as players

        if isinstance(kind, str):
            if kind not in KINDS:
                raise UserError(f"Unknown player {kind!r}. Known players: {', '.join(KINDS)}.")
            kind = getattr(players, KINDS[kind])
        assert isinstance(kind, type)
        self._player = kind(battle_format=format, start_listening=False, log_level=logging.CRITICAL)
        self._seed = seed
        self._battles: dict[tuple[int, int], tuple[Any, random.Random]] = {}
        self.failures = 0

    def choose(self, update: Update) -> str | None:
        """Take a side's update in. Returns its choice, or None where it has none to make."""
        try:
            battle, rng = self._battle(update)
            with _drawn_from(rng):
                choice = self._choose(battle, update)
        except Exception:  # poke-env meets lines that it does not know; a battle must go on
            self.failures += 1
            choice = "default"
        if update.winner is not None:
            self._battles.pop((update.battle, update.side), None)
        return choice if update.must_choose else None

    def _choose(self, battle: Any, update: Update) -> str | None:
        refused = False
        for line in update.lines:
            message = line.split("|")
            if line.startswith("|error|"):
                refused = True
            elif line.startswith("|win|"):
                battle.won_by(message[2])
            elif line == "|tie":
                battle.tied()
            elif len(message) > 1 and message[1] not in self._player.MESSAGES_TO_IGNORE | {"bigerror"}:
                battle.parse_message(message)
        if update.request is None:
            return None
        battle.parse_request(update.request)
        if not update.must_choose:
            return None
        if refused and not update.request.get("update"):
            return "default"  # poke-env would try the same again, a thousand times
        if battle.teampreview:
            return str(self._player.teampreview(battle)).removeprefix("/")
        order: Any = self._player.choose_move(battle)
        return order.message.removeprefix("/choose ")

    def _battle(self, update: Update) -> tuple[Any, random.Random]:
        """poke-env's view of a side's battle, and the generator of its choices."""
        key = (update.battle, update.side)
        if key not in self._battles:
            from poke_env.battle import Battle, DoubleBattle
            from poke_env.data import GenData

            of_side = f"|player|p{update.side + 1}|"
            name = next(line.split("|")[3] for line in update.lines if line.startswith(of_side))
            kind = DoubleBattle if self._player.format_is_doubles else Battle
            gen = GenData.from_format(self._player.format).gen
            tag = f"battle-{self._player.format}-{update.battle}"
            rng = random.Random(f"{self._seed} {update.battle} {update.side}")
            self._battles[key] = kind(tag, name, self._player.logger, gen=gen), rng
        return self._battles[key]


@contextmanager
def _drawn_from(rng: random.Random) -> Iterator[None]:
    """poke-env draws from the global generator: meanwhile from this one."""
    from poke_env.player import baselines, player

    modules: tuple[Any, ...] = (baselines, player)
    for module in modules:
        module.random = rng
    try:
        yield
    finally:
        for module in modules:
            module.random = random
