"""Console games on stable-retro: the one that it bundles, and those whose ROM the user has imported.

stable-retro knows about a thousand games: where each keeps its score and its lives, and which buttons make sense
together. It allows one emulator a process. Left out: its recordings of key presses (pokegen game record writes video),
games for two players, ROMs that it does not know.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs.handheld import check_options
from pokegen.game.envs.names import near
from pokegen.optional import require


def make_console(game: str, render_mode: str | None = None, **options: Any) -> gymnasium.Env:
    """The environment of a game, such as Airstriker-Genesis-v0, as retro/GAME.

    Args:
        game: as stable-retro names it.
        render_mode: "rgb_array" or None.
        options: of `Console`, and Gymnasium's max_episode_steps.

    Raises:
        UserError: an unknown game, a ROM that is not imported, a second emulator in this process.
    """
    find(game)
    id = f"retro/{game}"
    if id not in gymnasium.registry:
        gymnasium.register(id, f"{__name__}:Console", kwargs={"game": game})
    return gymnasium.make(id, render_mode=render_mode, **options)


def find(game: str) -> None:
    """UserError unless stable-retro knows the game and has its ROM."""
    data = require("stable_retro", "stable-retro").data
    everything = data.Integrations.ALL
    if data.get_file_path(game, "rom.sha", everything) is None:
        names = (f"retro/{name}" for name in data.list_games(everything))
        raise UserError(f"stable-retro knows no game {game!r}. {near(f'retro/{game}', names)}")
    try:
        data.get_romfile_path(game, everything)
    except FileNotFoundError as error:
        raise UserError(
            f"The ROM of {game} is not there: import your own with `python -m stable_retro.import FOLDER`, the folder "
            "being where it lies."
        ) from error


def open_emulator(game: str, **options: Any) -> Any:
    """stable-retro's own environment, the only one of this process; UserError if there is one already."""
    retro = require("stable_retro", "stable-retro")
    try:
        return retro.make(game, render_mode="rgb_array", use_restricted_actions=retro.Actions.ALL, **options)
    except RuntimeError as error:
        raise UserError(
            "stable-retro runs one emulator a process, and this process has one: close it first, or run each in a "
            "process of its own (gymnasium.vector.AsyncVectorEnv)."
        ) from error


class Console(gymnasium.Env[np.ndarray, int]):
    """
    ## Description

    One console game in step with the agent: a step holds the buttons of one action for `frame_skip` frames of 1/60
    second. Buttons that are chosen again stay down.

    ## Action space

    `Discrete(n)` over `action_names`: the idle "none", and buttons or buttons held together, such as "left" and
    "b+left", in the order of the controller. By default these are all that stable-retro finds sensible for the game
    (126 of a Mega Drive's 4,096, say).

    ## Observation space

    `Box(0, 255, (H, W, 3), uint8)`: the screen in RGB, in the console's own size, as `render()` gives it. `ram()` is
    the work RAM, and the info holds the game's variables, such as score and lives.

    ## Reward

    As the game's integration defines it, as a rule by how much the score has risen; summed over a step's frames.

    ## Starting state

    The integration's default state, whatever the seed: there is no chance but what the game draws itself.

    ## Episode end

    Termination: when the integration says that the game is over. Truncation: `gymnasium.make`'s limit of steps alone.

    ## Arguments

    | Argument | Type | Default | Meaning |
    |---|---|---|---|
    | `game` | str | | such as Airstriker-Genesis-v0 |
    | `frame_skip` | int ≥ 1 | 4 | console frames a step: 4 is 15 steps a second |
    | `actions` | names or None | None | the actions to have, as ("none", "left", "b+left") or "none,left,b+left" |
    | `state` | str or None | None | another of the game's starting states, such as Level1 |
    | `render_mode` | str or None | None | "rgb_array" or None |

    What cannot be used raises UserError.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        game: str,
        frame_skip: int = 4,
        actions: Sequence[str] | str | None = None,
        state: str | None = None,
        render_mode: str | None = None,
    ):
        check_options(self, frame_skip, render_mode)
        self.metadata = self.metadata | {"render_fps": 60 / frame_skip}
        self.render_mode = render_mode
        self.frame_skip = frame_skip
        find(game)
        data = require("stable_retro", "stable-retro").data
        options: dict[str, Any] = {"inttype": data.Integrations.ALL}
        if state is not None:
            if state not in (states := data.list_states(game, data.Integrations.ALL)):
                raise UserError(f"{game} has no state {state!r}. Known states: {', '.join(states) or 'none'}.")
            options["state"] = state
        self._retro = open_emulator(game, **options)
        try:
            masks = sensible_actions(self._retro)
            self.action_names = tuple(masks) if actions is None else choose(actions, self._retro.buttons)
        except UserError:
            self.close()
            raise
        self._masks = [mask(name, self._retro.buttons) for name in self.action_names]
        self.action_space = spaces.Discrete(len(self._masks))
        self.observation_space = self._retro.observation_space
        self._start = self._retro.initial_state or self._retro.em.get_state()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._retro.initial_state = self._start
        self._frame = self._retro.reset()[0].copy()
        return self._frame.copy(), self._retro.data.lookup_all()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._retro.em.set_button_mask(self._masks[int(action)], 0)
        data, total, terminated = self._retro.data, 0.0, False
        for _ in range(self.frame_skip):
            self._retro.em.step()
            data.update_ram()
            total += data.current_reward()
            if terminated := bool(data.is_done()):
                break
        self._frame = self._retro.get_screen(apply_rotation=True).copy()
        return self._frame.copy(), total, terminated, False, data.lookup_all()

    def render(self) -> np.ndarray | None:
        return self._frame.copy() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self._retro.close()

    def ram(self) -> np.ndarray:
        """All memory that the emulator shows: uint8 (N,), the console's N."""
        return self._retro.get_ram().copy()

    def save_state(self) -> Any:
        """All that the next steps depend on, for `restore_state`."""
        return self._retro.em.get_state(), self._frame.copy()

    def restore_state(self, state: Any) -> None:
        """Go on from a state of this environment's `save_state`, any number of times."""
        snapshot, frame = state
        self._retro.em.set_state(snapshot)
        self._retro.data.reset()
        self._retro.data.update_ram()
        self._frame = frame.copy()


def sensible_actions(retro: Any) -> list[str]:
    """The names of all button combinations that the integration allows, the idle one first."""
    combinations = [0]
    for group in retro.button_combos:
        combinations = [have | more for have in combinations for more in group]
    return sorted({_name(bits, retro.buttons): None for bits in combinations}, key=lambda name: name != "none")


def choose(actions: Sequence[str] | str, buttons: Sequence[str | None]) -> tuple[str, ...]:
    """The names of a user's actions, checked against the controller's buttons."""
    names = tuple(actions.split(",") if isinstance(actions, str) else actions)
    have = {button.lower() for button in buttons if button}
    for name in names:
        if name != "none" and not have.issuperset(name.split("+")):
            raise UserError(
                f"No action {name!r}: join buttons with +, or say none. Buttons: {', '.join(sorted(have))}."
            )
    if not names or len(set(names)) < len(names):
        raise UserError(f"Each action once, and at least one: {', '.join(names) or 'no action'} came.")
    return names


def mask(name: str, buttons: Sequence[str | None]) -> np.ndarray:
    """uint8 (number of buttons,): 1 where the action holds a button."""
    held = name.split("+")
    return np.array([button is not None and button.lower() in held for button in buttons], np.uint8)


def _name(bits: int, buttons: Sequence[str | None]) -> str:
    return "+".join(button.lower() for i, button in enumerate(buttons) if button and bits >> i & 1) or "none"
