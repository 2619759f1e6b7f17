"""The one loop that plays an episode, over which recording, filming, demonstrating and evaluating fold."""

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs import action_index, action_names
from pokegen.game.players import Player


class Step(NamedTuple):
    """One step of an environment."""

    frame: Any  # what was shown before the action, or None where nothing was rendered
    obs: Any  # before the action
    action: Any
    reward: float
    next_obs: Any
    terminated: bool  # the game ended
    truncated: bool  # a limit of steps was reached


def episode(env: gymnasium.Env, player: Player, seed: int, render: bool = False) -> Iterator[Step]:
    """Play one episode, from `seed` on; with `render`, each step comes with the picture that the player saw."""
    obs, _ = env.reset(seed=seed)
    player.begin(seed)
    done = False
    while not done:
        frame = env.render() if render else None
        before = obs.copy() if isinstance(obs, np.ndarray) else obs  # an environment may write into it
        action = player(env, obs)
        obs, reward, terminated, truncated, _ = env.step(action)
        yield Step(frame, before, action, float(reward), obs, terminated, truncated)
        done = terminated or truncated


def played(env: gymnasium.Env, player: Player, seed: int) -> Iterator[tuple[np.ndarray, str, float, int]]:
    """Play without end: frame, name of the action, reward, and number of the episode, step by step. Episode n begins
    with seed + n. UserError for an environment that renders no pictures."""
    if env.render_mode != "rgb_array":
        raise UserError(f"Recording needs render_mode='rgb_array'; this environment has {env.render_mode!r}.")
    names = action_names(env)
    for number in count():
        for step in episode(env, player, seed + number, render=True):
            yield step.frame, names[action_index(env, step.action)], step.reward, number


def returns(env: gymnasium.Env, player: Player, episodes: int, seed: int = 0) -> Iterator[tuple[float, int]]:
    """The return, undiscounted, and the steps of each of `episodes` episodes; the nth begins with seed + n."""
    for number in range(episodes):
        rewards = [step.reward for step in episode(env, player, seed + number)]
        yield sum(rewards), len(rewards)
