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
        seed: of what the player draws.

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
        self._rng = random.Random(seed)
        self._battles: dict[tuple[int, int], Any] = {}
        self.failures = 0

    def choose(self, update: Update) -> str | None:
        """Take a side's update in. Returns its choice, or None where it has none to make."""
        try:
            with self._draws():
                choice = self._choose(update)
        except Exception:  # poke-env meets lines that it does not know; a battle must go on
            self.failures += 1
            choice = "default"
        if update.winner is not None:
            self._battles.pop((update.battle, update.side), None)
        return choice if update.must_choose else None

    def _choose(self, update: Update) -> str | None:
        battle = self._battle(update)
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

    def _battle(self, update: Update) -> Any:
        key = (update.battle, update.side)
        if key not in self._battles:
            from poke_env.battle import Battle, DoubleBattle
            from poke_env.data import GenData

            of_side = f"|player|p{update.side + 1}|"
            name = next(line.split("|")[3] for line in update.lines if line.startswith(of_side))
            kind = DoubleBattle if self._player.format_is_doubles else Battle
            gen = GenData.from_format(self._player.format).gen
            tag = f"battle-{self._player.format}-{update.battle}"
            self._battles[key] = kind(tag, name, self._player.logger, gen=gen)
        return self._battles[key]

    @contextmanager
    def _draws(self) -> Iterator[None]:
        """What poke-env draws from the global generator it draws from ours."""
        from poke_env.player import baselines, player

        modules: tuple[Any, ...] = (baselines, player)
        for module in modules:
            module.random = self._rng
        try:
            yield
        finally:
            for module in modules:
                module.random = random
