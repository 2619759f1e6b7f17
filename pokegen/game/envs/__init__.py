"""Environments by id, all with Gymnasium's interface; Gymnasium's registry is the registry.

    make("pokegen/Overworld-v0")          a mini-game of our own; pokegen/Fighter-v0 likewise
    make("pokegen/GameBoy-v0", rom=…)     a Game Boy ROM on PyBoy; pokegen/GameBoyAdvance-v0 on stable-retro
    make("pokegen/Desktop-v0", …)         a window on an X11 display
    make("ALE/SpaceInvaders-v5")          Atari; ROMs are in ale-py's wheel
    make("VizdoomBasic-v1"), make("LunarLander-v3"), and whatever else Gymnasium knows
    make("retro/Airstriker-Genesis-v0")   a console game on stable-retro
    make("mpe/simple_spread_v3")          several agents at once: actions and observations are Dicts by agent
    make("unity/PATH"), "unrealcv/HOST:PORT", "malmo/MISSION.xml", "sc2/MAP", "dmlab/LEVEL"   clients of a user's binary

A package is imported when its environment is made; an error of one line names a missing one.
"""

import contextlib
import itertools
import os
import re
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.wrappers import TimeLimit

from pokegen.errors import UserError
from pokegen.game.envs.names import NONE, near
from pokegen.optional import first_line, require

CLIENTS = ("unity", "unrealcv", "malmo", "sc2", "dmlab")  # what starts a program of the user's
_LANDER = (NONE, "left", "main", "right")  # gymnasium/envs/box2d/lunar_lander.py: the engine that fires

for _name, _entry, _limit in (
    ("Overworld", "overworld:Overworld", 600),
    ("Fighter", "fighter:Fighter", 300),
    ("GameBoy", "gameboy:GameBoy", None),
    ("GameBoyAdvance", "advance:GameBoyAdvance", None),
    ("Desktop", "desktop:Desktop", None),
):
    gymnasium.register(f"pokegen/{_name}-v0", f"pokegen.game.envs.{_entry}", max_episode_steps=_limit)


def make(id: str, render_mode: str | None = "rgb_array", **options: Any) -> gymnasium.Env:
    """The environment of an id, as this module's list shows them.

    Args:
        id: namespace, name and version.
        render_mode: "rgb_array" makes `render()` give uint8 RGB (H, W, 3); "human" opens a window where there is one.
        options: what the environment's constructor takes, and Gymnasium's max_episode_steps. Atari's defaults are
            frameskip=4, repeat_action_probability=0.0 (no sticky actions) and full_action_space=False.

    Raises:
        UserError: an unknown id, one of the form module:ID, which would import the module, an option that the
            environment does not take, a package that is not installed.
    """
    if re.match(r"[\w.]+:", id):
        raise UserError(
            f"{id!r} would import a module. Register the environment by Gymnasium's entry point gymnasium.envs "
            "instead, and give its id alone."
        )
    namespace, slash, name = id.partition("/")
    try:
        if namespace == "retro" and slash:
            from pokegen.game.envs.console import make_console

            return make_console(name, render_mode, **options)
        if namespace in CLIENTS and slash:
            from pokegen.game.envs import clients

            return clients.connect(namespace, name, render_mode, **options)
        if namespace == "ALE":
            ale = require("ale_py", "ale-py")
            gymnasium.register_envs(ale)
            ale.ALEInterface.setLoggerMode(ale.LoggerMode.Error)  # not its banner
            options = {"frameskip": 4, "repeat_action_probability": 0.0, "full_action_space": False} | options
        elif namespace == "mpe":
            from pokegen.game.envs import joint

            joint.register()
        elif id.startswith("Vizdoom"):
            gymnasium.register_envs(require("vizdoom.gymnasium_wrapper"))
            options = {"doom_config_path": os.devnull} | options  # else it leaves a _vizdoom.ini where one works
            return _Doom(gymnasium.make(id, render_mode=render_mode, **options))
        elif id.startswith("LunarLander"):
            require("Box2D", "gymnasium[box2d]")
        return gymnasium.make(id, render_mode=render_mode, **options)
    except gymnasium.error.Error as error:
        unknown = isinstance(error, gymnasium.error.UnregisteredEnv | gymnasium.error.DeprecatedEnv)
        if unknown or str(error).startswith("Malformed"):
            raise UserError(f"Unknown environment {id!r}. {near(id, gymnasium.registry)}") from error
        raise UserError(f"{id} cannot start: {first_line(error)}.") from error
    except TypeError as error:
        if option := re.search(r"unexpected keyword argument '(\w+)'", str(error)):
            raise UserError(
                f"{id} takes no option {option[1]!r}: leave it out, or see the environment's help."
            ) from error
        raise


class _Doom(gymnasium.Wrapper):
    """ViZDoom reports a time limit as an end of the game too; here it is only a truncation."""

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated and not truncated, truncated, info

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            os.rmdir("_vizdoom")  # an empty folder that the engine makes where one works


def action_names(env: gymnasium.Env) -> tuple[str, ...]:
    """The name of each action, in the order of `action_index`: lower case, the idle action "none", keys that are
    pressed together joined by "+", as in ("none", "fire", "right", "right+fire").

    They are the environment's own: its attribute `action_names`, Atari's meanings, ViZDoom's buttons, LunarLander's
    engines, or, of a MultiDiscrete space, `action_parts`, a tuple of names for each part, the first of which is idle.
    Raises UserError where it has none: names are never guessed.
    """
    inner: Any = env.unwrapped
    names: tuple[str, ...] = ()
    if isinstance(env.action_space, gymnasium.spaces.MultiDiscrete) and hasattr(inner, "action_parts"):
        idle = [part[0] for part in inner.action_parts]
        choices = itertools.product(*inner.action_parts)
        return tuple("+".join(n for n, i in zip(c, idle, strict=True) if n != i) or NONE for c in choices)
    if hasattr(inner, "action_names"):
        names = tuple(inner.action_names)
    elif hasattr(inner, "get_action_meanings"):
        words = (re.findall("up|down|left|right|fire|[a-z]+", m.lower()) for m in inner.get_action_meanings())
        names = tuple("+".join(w).replace("noop", NONE) for w in words)
    elif hasattr(inner, "button_map"):  # ViZDoom: a row of pressed buttons for each action
        buttons = [button.name.lower() for button in inner.game.get_available_buttons()]
        pressed = ([b for b, down in zip(buttons, row, strict=False) if down] for row in inner.button_map)
        names = tuple("+".join(row) or NONE for row in pressed)
    elif env.spec is not None and env.spec.id.startswith("LunarLander"):
        names = _LANDER
    space = env.action_space
    if not isinstance(space, gymnasium.spaces.Discrete) or len(names) != space.n:
        title = env.spec.id if env.spec is not None else type(inner).__name__
        raise UserError(
            f"{title} does not name its actions ({space}): play can be recorded where the action space is Discrete and "
            "the environment has an attribute action_names with a name for each action."
        )
    return names


def action_index(env: gymnasium.Env, action: Any) -> int:
    """The place of an action among `action_names`."""
    if isinstance(env.action_space, gymnasium.spaces.MultiDiscrete):
        return int(np.ravel_multi_index(tuple(action), tuple(env.action_space.nvec)))
    return int(action)


def action_at(env: gymnasium.Env, index: int) -> Any:
    """The action at a place among `action_names`: int, or int64 (parts,) of a MultiDiscrete space."""
    if isinstance(env.action_space, gymnasium.spaces.MultiDiscrete):
        return np.array(np.unravel_index(index, tuple(env.action_space.nvec)))
    return index


def save(env: gymnasium.Env) -> Any:
    """The exact state of an environment, random numbers and time limit included: what `restore` goes back to, any
    number of times, so that the environment is its own forward model. Raises UserError where it has none."""
    inner: Any = env.unwrapped
    if hasattr(inner, "save_state"):
        state = inner.save_state()
    elif hasattr(inner, "clone_state"):  # Atari
        state = inner.clone_state(include_rng=True)
    else:
        raise UserError(f"{type(inner).__name__} has no exact state to save: it lacks save_state and restore_state.")
    return state, [limit._elapsed_steps for limit in _time_limits(env)]


def restore(env: gymnasium.Env, state: Any) -> None:
    """Go back to what `save` gave for this environment. It has to have been reset once."""
    inner, steps = state
    env.unwrapped.restore_state(inner)  # type: ignore[attr-defined]
    for limit, elapsed in zip(_time_limits(env), steps, strict=True):
        limit._elapsed_steps = elapsed


def _time_limits(env: gymnasium.Env) -> list[TimeLimit]:
    """The wrappers that count an episode's steps, outermost first."""
    found = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            found.append(env)
        env = env.env
    return found
