"""Who plays: at random, by a script, or by a script as unevenly as a person. What was trained: see agents/seat.py.

A player is called with the environment and its last observation before each step, and gives the action. `begin` is
called with a seed at each episode's start, after the environment's own reset.
"""

from typing import Any, Protocol

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs import action_at, action_names
from pokegen.game.envs.names import NONE

SCRIPTS = ("random", "expert", "uneven")
SCRIPTED = "pokegen's own environments, LunarLander and ALE/SpaceInvaders-v5"


class Player(Protocol):
    """What plays an environment."""

    def begin(self, seed: int) -> None: ...

    def __call__(self, env: gymnasium.Env, observation: Any) -> Any: ...


class Random:
    """Each action as likely as any other."""

    def begin(self, seed: int) -> None:
        self._seed: int | None = seed

    def __call__(self, env: gymnasium.Env, observation: Any) -> Any:
        if self._seed is not None:
            env.action_space.seed(self._seed)
            self._seed = None
        return env.action_space.sample()


class Expert:
    """The script that an environment has as its `expert_action`, and Gymnasium's heuristic for LunarLander."""

    def begin(self, seed: int) -> None:
        pass

    def __call__(self, env: gymnasium.Env, observation: Any) -> Any:
        inner: Any = env.unwrapped
        if hasattr(inner, "expert_action"):
            return inner.expert_action()
        if type(inner).__name__ == "LunarLander":
            from gymnasium.envs.box2d.lunar_lander import heuristic

            return heuristic(inner, observation)
        raise UserError(f"No script plays {env.spec.id if env.spec else inner}. Scripts play {SCRIPTED}.")


class Invader:
    """Plays ALE/SpaceInvaders-v5 unevenly, as a person does: goes below an invader, stands, shoots; and waits a while
    after each shot, since another press is lost until that has landed.

    Args:
        stand: mean steps of a stop; their lengths are geometric.
        flight: steps that it waits for a shot at least.
        idle: mean steps from there to the next shot; geometric.
    """

    _EDGES = 42, 115  # screen columns that the cannon reaches
    _X, _OFFSET = 28, 2  # the byte of RAM that holds the cannon's column, and what the screen adds to it
    _INVADER = 134, 134, 29  # RGB

    def __init__(self, stand: float = 90, flight: int = 5, idle: float = 2):
        self.stand, self.flight, self.idle = stand, flight, idle

    def begin(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._goal, self._wait, self._loads = 0, 0, 0

    def __call__(self, env: gymnasium.Env, observation: Any) -> int:
        ale = env.unwrapped.ale  # type: ignore[attr-defined]
        x = int(ale.getRAM()[self._X]) + self._OFFSET
        self._loads -= 1
        keys = ["fire"] if self._loads < 0 else []
        if keys:
            self._loads = self.flight + int(self._rng.geometric(1 / self.idle)) - 1
        if self._goal and abs(x - self._goal) > 4:
            keys.insert(0, "right" if self._goal > x else "left")
        elif self._wait:
            self._wait -= 1
        else:
            rows = ale.getScreenRGB()[30:160]
            columns = np.flatnonzero((rows == self._INVADER).all(axis=2).any(axis=0))
            self._goal = int(np.clip(self._rng.choice(columns), *self._EDGES)) if len(columns) else x
            self._wait = int(self._rng.geometric(1 / self.stand))
        return action_names(env).index("+".join(keys) or NONE)


class Uneven:
    """Plays as another does, and as unevenly as a person: in bursts between pauses, with keys out of curiosity.

    Args:
        player: acts during a burst.
        burst, pause: mean steps of each; their lengths are geometric.
        curious: share of a burst's steps at which any key is pressed instead.
    """

    def __init__(self, player: Player, burst: float = 6, pause: float = 12, curious: float = 0.2):
        self.player, self.burst, self.pause, self.curious = player, burst, pause, curious

    def begin(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._playing, self._left = False, 0
        self.player.begin(seed)

    def __call__(self, env: gymnasium.Env, observation: Any) -> Any:
        if not self._left:
            self._playing = not self._playing
            self._left = int(self._rng.geometric(1 / (self.burst if self._playing else self.pause)))
        self._left -= 1
        names = action_names(env)
        if not self._playing:
            return action_at(env, names.index(NONE))
        if self._rng.random() < self.curious:
            return action_at(env, int(self._rng.integers(len(names))))
        return self.player(env, observation)


def script(name: str, env: gymnasium.Env) -> Player:
    """random, expert or uneven, as they play this environment."""
    if name == "random":
        return Random()
    if env.spec is not None and env.spec.id.startswith("ALE/SpaceInvaders"):
        return Invader(stand=12, flight=0, idle=1) if name == "expert" else Invader()
    return Expert() if name == "expert" else Uneven(Expert())
