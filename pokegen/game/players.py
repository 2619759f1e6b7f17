"""Who plays: at random, by a script, by a script as unevenly as a person, or a cloned policy.

A player is called with the environment and its last observation before each step, and gives the action. `begin` is
called with a seed at each episode's start, after the environment's own reset.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs import action_at, action_names, first_line, make
from pokegen.game.keys import NONE

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
        player: who is asked in a burst.
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


class Clone:
    """A cloning.Policy, which sees what `render` gives as a recording holds it: gray, 128×128, the last frames.

    Args:
        policy: in evaluation mode.
    """

    def __init__(self, policy: Any):
        self.policy = policy

    def begin(self, seed: int) -> None:
        import torch

        self._generator = torch.Generator().manual_seed(seed)
        self._seen: deque[np.ndarray] = deque(maxlen=self.policy.window)

    def __call__(self, env: gymnasium.Env, observation: Any) -> Any:
        import torch

        from pokegen.game.recording import gray

        frame = gray(env.render())  # type: ignore[arg-type]
        self._seen.extend([frame] * (1 if self._seen else self.policy.window))
        actions = torch.from_numpy(self.policy.keys.encode(action_names(env)))
        return action_at(env, self.policy.act(torch.from_numpy(np.stack(self._seen)), actions, self._generator))


class Agent:
    """A network that plays by observations, of the environment that its `single` makes.

    Args:
        network: an agents.AgentNetwork in evaluation mode.
    """

    def __init__(self, network: Any):
        self.network = network

    def begin(self, seed: int) -> None:
        import torch

        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, env: gymnasium.Env, observation: Any) -> Any:
        import torch

        with torch.inference_mode():
            action = self.network.act(torch.from_numpy(np.asarray(observation))[None], self._generator)[0].numpy()
        return action if action.ndim else int(action)


def seat(
    name: str,
    env: str | None,
    options: dict[str, Any],
    render_mode: str | None = "rgb_array",
    own: tuple[str, Mapping[str, Any]] | None = None,
) -> tuple[gymnasium.Env, Player]:
    """A player, and the environment as it sees it.

    Args:
        name: random, expert, uneven (the expert, as a person would play), or a checkpoint: zoo name, folder,
            hf:OWNER/NAME.
        env: an id, see envs.make; None for that of an agent, which was trained on one.
        options: of the environment; an agent has its own.
        render_mode: see envs.make.
        own: id and options that the user's config names, which an agent may start as if `env` and `options` were those.
    """
    if name in SCRIPTS:
        if env is None:
            raise UserError(f"{name} plays any environment: say which by --env.")
        made = make(env, render_mode, **options)
        return made, script(name, made)
    from pokegen import hub
    from pokegen.game.agents import AgentNetwork
    from pokegen.game.cloning import Policy

    model = hub.load(name, own=own or (None if env is None else (env, options))).model
    if isinstance(model, AgentNetwork):
        if env not in (None, model.env):
            raise UserError(f"{name} plays {model.env}, not {env}.")
        if options not in ({}, model.options):
            raise UserError(f"{name} has the options that it was trained with, {model.options}: leave out --options.")
        return _seat_of(model, render_mode), Agent(model)
    if not isinstance(model, Policy):
        raise UserError(f"{name} plays nothing: expected an agent or a cloned policy, got {type(model).__name__}.")
    if env is None:
        raise UserError(f"{name} plays from pictures: say by --env which environment.")
    made = make(env, render_mode, **options)
    model.keys.encode(action_names(made))  # or say which action is no key of its
    return made, Clone(model)


def _seat_of(model: Any, render_mode: str | None) -> gymnasium.Env:
    """The environment of an agent. Raises UserError where it does not start, or has other spaces than the agent."""
    try:
        env = model.single(render_mode)
    except UserError:
        raise
    except Exception as error:  # each environment has its own for wrong options
        raise UserError(f"{model.env} does not start with {model.options}: {first_line(error)}.") from error
    if env.action_space != model.action_space or env.observation_space.shape != model.observation_space.shape:
        env.close()
        raise UserError(f"{model.env} has other spaces than the agent was trained with. Train or export it again.")
    return env


def script(name: str, env: gymnasium.Env) -> Player:
    """random, expert or uneven, as they play this environment."""
    if name == "random":
        return Random()
    if env.spec is not None and env.spec.id.startswith("ALE/SpaceInvaders"):
        return Invader(stand=12, flight=0, idle=1) if name == "expert" else Invader()
    return Expert() if name == "expert" else Uneven(Expert())
