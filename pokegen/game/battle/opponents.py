"""Whom an agent battles: simple players, and networks, each of which chooses for many seats at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pokegen.errors import UserError
from pokegen.game.battle import dex, encoder

SCRIPTS = ("random", "max_power", "heuristics", "expert")


class Opponent(Protocol):
    """Plays seats: see env.Seat, whose `view` knows the battle."""

    def begin(self, seat: Any, seed: int) -> None:
        """A battle begins for a seat."""

    def see(self, seat: Any, update: Any) -> None:
        """News of a seat's battle, see bridge.Update; `seat.view` has read them already."""

    def choose(self, seats: Sequence[Any]) -> list[str]:
        """A choice for each seat, in Showdown's words."""


class RandomOpponent:
    """Any legal action but terastallizing, all alike, as poke-env's RandomPlayer chooses."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def begin(self, seat: Any, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def see(self, seat: Any, update: Any) -> None:
        pass

    def choose(self, seats: Sequence[Any]) -> list[str]:
        return [
            encoder.choice(seat.view, int(self._rng.choice(np.flatnonzero(encoder.legal(seat.view))))) for seat in seats
        ]


class MaxPowerOpponent(RandomOpponent):
    """The move of the highest base power; without a move a random switch, as poke-env's MaxBasePowerPlayer."""

    def choose(self, seats: Sequence[Any]) -> list[str]:
        found, table, column = [], dex.move_table(), dex.MOVE_COLUMN["power"]
        for seat in seats:
            mask = encoder.legal(seat.view)
            legal = [place for place in range(encoder.MOVES) if mask[place]]
            if not legal:
                found += super().choose([seat])
                continue
            moves = seat.view.request["active"][0]["moves"]
            best = max(legal, key=lambda place: table[dex.moves().get(moves[place]["id"], 0), column])
            found.append(encoder.choice(seat.view, best))
        return found


class NetworkOpponent:
    """An agent's network, which draws its actions by its own temperature.

    Args:
        network: an agent.BattleNetwork.
    """

    def __init__(self, network: Any):
        import torch

        self.network = network
        self._generator = torch.Generator().manual_seed(0)

    def begin(self, seat: Any, seed: int) -> None:
        pass

    def see(self, seat: Any, update: Any) -> None:
        pass

    def choose(self, seats: Sequence[Any]) -> list[str]:
        import torch

        seen = torch.from_numpy(np.stack([encoder.observe(seat.view) for seat in seats]))
        with torch.inference_mode():
            actions = self.network.act(seen, self._generator)
        return [encoder.choice(seat.view, int(action)) for seat, action in zip(seats, actions, strict=True)]


class HeuristicsOpponent:
    """poke-env's SimpleHeuristicsPlayer, as poke_env_players runs it."""

    def __init__(self) -> None:
        from pokegen.game.battle.poke_env_players import PokeEnvPlayer

        self._player = PokeEnvPlayer("heuristics")
        self._chosen: dict[tuple[int, int], str] = {}

    def begin(self, seat: Any, seed: int) -> None:
        pass

    def see(self, seat: Any, update: Any) -> None:
        key = seat.battle.number, seat.side
        if choice := self._player.choose(update):
            self._chosen[key] = choice
        if update.winner is not None:
            self._chosen.pop(key, None)

    def choose(self, seats: Sequence[Any]) -> list[str]:
        return [self._chosen.pop((seat.battle.number, seat.side)) for seat in seats]


def opponent(name: str) -> Opponent:
    """One of SCRIPTS, of which heuristics is poke-env's; or an agent: a zoo name, a folder, hf:OWNER/NAME."""
    if name == "random":
        return RandomOpponent()
    if name == "max_power":
        return MaxPowerOpponent()
    if name == "expert":
        from pokegen.game.battle.expert import BattleExpert

        return NetworkOpponent(BattleExpert())
    if name == "heuristics":
        return HeuristicsOpponent()
    from pokegen import zoo

    if not (name.startswith("hf:") or name in zoo.available() or Path(name).is_dir()):
        raise UserError(
            f"Unknown player {name!r}. Known players: {', '.join(SCRIPTS)}; or an agent: zoo name, folder, or "
            "hf:OWNER/NAME."
        )

    network = zoo.load(name).model
    if getattr(network, "env", "") != encoder.ENV:
        raise UserError(f"{name} does not battle: it is a {type(network).__name__}.")
    return NetworkOpponent(network)
