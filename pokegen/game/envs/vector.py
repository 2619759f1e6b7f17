"""Several environments of one id, stepped at once, with Gymnasium's vector interface.

An environment that has ended is reset by the step after (Gymnasium's AutoresetMode.NEXT_STEP): the observation of an
episode's end is returned like any other; the step after it is the autoreset step: its action is ignored, its reward 0.

Atari is ALE's own C++ vector environment: gray 84×84 screens, the last four stacked, each the maximum of the last two
of the frames that a step skips (Mnih et al. 2015, methods), up to 30 idle steps at the start, rewards as the game gives
them. Its options `height`, `width`, `color` and `stack` change that. `single` is one environment which shows the same
to a player, and can be rendered.
"""

import functools
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from pokegen.errors import UserError
from pokegen.game.envs import make
from pokegen.optional import require

NOOPS = 30  # idle steps before an Atari game, at most
_FRAMES = 108_000  # of an Atari game at most, 30 minutes
_SCREEN = {"height": 84, "width": 84, "color": False, "stack": 4}


class State(gymnasium.ObservationWrapper):
    """Shows the state of a mini-game, its property `vector`, float32 (D,), instead of its picture."""

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        inner: Any = env.unwrapped
        if not hasattr(type(inner), "vector"):  # which may need a reset
            raise UserError(f"{type(inner).__name__} has no state to show: it lacks `vector`. Leave out `state`.")
        env.reset(seed=0)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, inner.vector.shape, np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        return self.env.unwrapped.vector  # type: ignore[attr-defined]


def single(id: str, render_mode: str | None = None, state: bool = False, **options: Any) -> gymnasium.Env:
    """One environment that shows what the vector environment of the same arguments does.

    Args:
        id, render_mode, options: see envs.make; of Atari also `height`, `width`, `color`, `stack`.
        state: show a mini-game's state, float32 (D,), instead of its picture.
    """
    if not id.startswith("ALE/"):
        env = make(id, render_mode=render_mode, **options)
        return State(env) if state else env
    from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

    screen = {key: options.pop(key, usual) for key, usual in _SCREEN.items()}
    skip = options.pop("frameskip", 4)
    env = make(id, render_mode=render_mode, frameskip=1, max_num_frames_per_episode=_FRAMES, **options)
    env = AtariPreprocessing(
        env,
        noop_max=NOOPS,
        frame_skip=skip,
        screen_size=(screen["width"], screen["height"]),
        grayscale_obs=not screen["color"],
    )
    return FrameStackObservation(env, screen["stack"], padding_type="zero")


def make_vector(
    id: str, count: int, threads: int = 1, state: bool = False, processes: bool = False, **options: Any
) -> VectorEnv:
    """`count` environments of an id.

    Args:
        id, options: see envs.make.
        count: how many.
        threads: of ALE's vector environment.
        state: see `single`.
        processes: one process for each environment, which pays where a step takes milliseconds. Not for Atari.
    """
    if count < 1:
        raise UserError(f"At least one environment, got {count}.")
    if not id.startswith("ALE/"):
        makers = [functools.partial(single, id, state=state, **options)] * count
        if processes:
            return AsyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP)
        return SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.NEXT_STEP)
    make(id).close()  # or say in one line what is wrong with the id
    vector = require("ale_py.vector_env", "ale-py")
    game = "".join(f"_{c.lower()}" if c.isupper() else c for c in id[4:].partition("-")[0]).lstrip("_")
    screen = {key: options.pop(key, usual) for key, usual in _SCREEN.items()}
    options = {"frameskip": 4, "repeat_action_probability": 0.0, "full_action_space": False} | options
    return vector.AtariVectorEnv(
        game,
        count,
        num_threads=threads,
        autoreset_mode=AutoresetMode.NEXT_STEP,
        max_num_frames_per_episode=_FRAMES,
        img_height=screen["height"],
        img_width=screen["width"],
        grayscale=not screen["color"],
        stack_num=screen["stack"],
        noop_max=NOOPS,
        reward_clipping=False,
        use_fire_reset=False,
        **options,
    )
