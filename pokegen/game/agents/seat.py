"""Players that were trained: an agent, which plays by observations, and a cloned policy, which plays by pictures."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs import action_at, action_names, make
from pokegen.game.players import SCRIPTS, Player, script
from pokegen.game.video.codec import gray
from pokegen.optional import first_line


class PolicyPlayer:
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

        frame = gray(env.render())  # type: ignore[arg-type]
        self._seen.extend([frame] * (1 if self._seen else self.policy.window))
        actions = torch.from_numpy(self.policy.keys.encode(action_names(env)))
        return action_at(env, self.policy.act(torch.from_numpy(np.stack(self._seen)), actions, self._generator))


class AgentPlayer:
    """A network that plays by observations, of the environment that its `single` makes.

    Args:
        network: an base.AgentNetwork in evaluation mode.
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
            raise UserError(f"{name} plays any environment: choose one with --env.")
        made = make(env, render_mode, **options)
        return made, script(name, made)
    from pokegen import zoo  # here and below: a script needs no torch
    from pokegen.game.agents.base import AgentNetwork
    from pokegen.game.video.cloning import Policy

    model = zoo.load(name, own=own or (None if env is None else (env, options))).model
    if isinstance(model, AgentNetwork):
        if env not in (None, model.env):
            raise UserError(f"{name} plays {model.env}, not {env}.")
        if options not in ({}, model.options):
            raise UserError(f"{name} has the options that it was trained with, {model.options}: leave out --options.")
        return _seat_of(model, render_mode), AgentPlayer(model)
    if not isinstance(model, Policy):
        raise UserError(f"{name} plays nothing: expected an agent or a cloned policy, got {type(model).__name__}.")
    if env is None:
        raise UserError(f"{name} plays from pictures: choose an environment with --env.")
    made = make(env, render_mode, **options)
    model.keys.encode(action_names(made))  # or say which action is no key of its
    return made, PolicyPlayer(model)


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
