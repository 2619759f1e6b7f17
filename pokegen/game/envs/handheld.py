"""What the two handhelds share: options, the step, and the meadow's expert. An adaptor of an emulator is a subclass.

Left out: windows, sound, link cable, battery files (a game begins as bought, or from a saved state).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs.names import KEYS
from pokegen.game.envs.roms import gameboy as meadow

SIDE = 128  # pixels of a frame, both ways


class Handheld(gymnasium.Env[np.ndarray, int], ABC):
    """
    ## Description

    One console runs in step with the agent: a step presses one key, or none, for `frame_skip` frames of 1/60 second and
    then looks at the screen. A key that is chosen again stays down; one that is not is released. Without `rom` the
    console plays the meadow of roms/: a trainer gathers nine berries in 30 seconds.

    ## Action space

    Discrete over `action_names`: "none" and the console's keys.

    ## Observation space

    `Box(0, 255, (128, 128, 3), uint8)`: the screen in RGB, squeezed to a square by areas. `render()` is the same frame.
    `ram()` is the work RAM.

    ## Reward

    By how much the score has risen in the step: berries gathered, in the meadow. In a user's ROM the score is what
    `reward` reads from memory, else 0.

    ## Starting state

    The meadow: trainer, berries, slime and flowers lie where `reset(seed=…)` puts them. A user's ROM: `start_state`, or
    the console being switched on, whatever the seed.

    ## Episode end

    Termination: the meadow's ninth berry or its last second (step 450 of 4 frames); in a user's ROM when `done` returns
    True. Truncation: `gymnasium.make`'s limit of steps alone.

    ## Arguments

    | Argument | Type | Default | Meaning |
    |---|---|---|---|
    | `rom` | str, path or None | None | a ROM file; None is the meadow |
    | `frame_skip` | int ≥ 1 | 4 | console frames a step: 4 is 15 steps a second |
    | `reward` | callable or None | None | memory → score so far; `memory[address]` is the byte at that address |
    | `done` | callable or None | None | memory → whether the game is over |
    | `start_state` | str, path or None | None | a file of the emulator's states, of the same ROM |
    | `render_mode` | str or None | None | "rgb_array" or None |

    A ROM or state that cannot be used raises UserError.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's own form)
    action_names: tuple[str, ...] = KEYS
    area = 0, 0  # pixels after which the meadow's world closes, across and down
    settle = 1  # frames after a reset until the screen shows the state
    memory: Any  # of the console, as `reward` and `done` read it

    def __init__(
        self,
        rom: str | Path | None = None,
        frame_skip: int = 4,
        reward: Callable[[Any], float] | None = None,
        done: Callable[[Any], bool] | None = None,
        start_state: str | Path | None = None,
        render_mode: str | None = None,
    ):
        check_options(self, frame_skip, render_mode)
        self.metadata = self.metadata | {"render_fps": 60 / frame_skip}
        self.render_mode = render_mode
        self.frame_skip = frame_skip
        self.observation_space = spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self.action_space = spaces.Discrete(len(self.action_names))
        self.own = rom is None  # the meadow
        self._score_of = reward or ((lambda memory: self._word("SCORE")) if self.own else (lambda memory: 0))
        self._done = done or ((lambda memory: self._word("OVER") != 0) if self.own else (lambda memory: False))
        self._switch_on(rom)
        try:
            while self.own and not self._word("TIME"):  # until the first game has begun
                self._run(1)
            self._start = self._snapshot()
            if start_state is not None:
                self._start = self._read_state(start_state)
        except UserError:
            self.close()
            raise
        self._frame = np.zeros((SIDE, SIDE, 3), np.uint8)
        self._score = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._hold(0)
        self._load(self._start)
        if self.own:
            self._restart()
            while self._word("RESTART"):
                self._run(1)
        self._run(self.settle)
        self._frame = squeeze(self._screen())
        self._score = float(self._score_of(self.memory))
        return self._frame.copy(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._hold(int(action))
        self._run(self.frame_skip)
        self._frame = squeeze(self._screen())
        before, self._score = self._score, float(self._score_of(self.memory))
        return self._frame.copy(), self._score - before, bool(self._done(self.memory)), False, {}

    def render(self) -> np.ndarray | None:
        return self._frame.copy() if self.render_mode == "rgb_array" else None

    @abstractmethod
    def ram(self) -> np.ndarray:
        """Work RAM, uint8 (bytes,)."""

    def save_state(self) -> Any:
        """All that the next steps depend on, for `restore_state`."""
        return self._snapshot(), self._frame.copy(), self._score, self.np_random.bit_generator.state

    def restore_state(self, state: Any) -> None:
        """Go on from a state of this environment's `save_state`, any number of times."""
        snapshot, frame, self._score, self.np_random.bit_generator.state = state
        self._frame = frame.copy()
        self._load(snapshot)

    def expert_action(self) -> int:
        """The key that walks towards the nearest berry, over the edge of the screen where that is shorter.

        Raises UserError for a user's ROM.
        """
        if not self.own:
            raise UserError("The expert plays the meadow alone: for a ROM of your own, record play or train an agent.")
        places = [self._word("PLACES", i) for i in range(3)]
        return towards_berry(self._word("PLAYER_X"), self._word("PLAYER_Y"), places, self.area)

    @abstractmethod
    def _switch_on(self, rom: str | Path | None) -> None:
        """Start the emulator with this ROM, or the meadow, and set `memory`. UserError for a ROM that does not run."""

    @abstractmethod
    def _run(self, frames: int) -> None:
        """Advance by so many console frames."""

    @abstractmethod
    def _hold(self, action: int) -> None:
        """Press the key of `action`; release all others."""

    @abstractmethod
    def _screen(self) -> np.ndarray:
        """uint8 (H, W, 3 or more), the first three RGB."""

    @abstractmethod
    def _snapshot(self) -> bytes:
        """The emulator's state."""

    @abstractmethod
    def _load(self, snapshot: bytes) -> bool:
        """Set the emulator's state; whether it fits this ROM."""

    @abstractmethod
    def _read_state(self, path: str | Path) -> bytes:
        """A state file of the user's. UserError where it is not of this ROM."""

    @abstractmethod
    def _word(self, name: str, index: int = 0) -> int:
        """A variable of the meadow's, or the one at `index` of an array."""

    @abstractmethod
    def _restart(self) -> None:
        """Give the meadow a seed from `np_random` and set its variable RESTART."""


def check_options(env: gymnasium.Env, frame_skip: int, render_mode: str | None) -> None:
    """UserError unless the options that all consoles here share are usable."""
    if frame_skip < 1:
        raise UserError(f"frame_skip is the number of console frames a step, 1 or more; {frame_skip} came.")
    if render_mode not in (None, "rgb_array"):
        raise UserError(f"{type(env).__name__} has no render_mode {render_mode!r}: choose 'rgb_array', or None.")


def squeeze(screen: np.ndarray) -> np.ndarray:
    """A screen, uint8 (H, W, 3 or more) of which the first three are RGB, → uint8 RGB (128, 128, 3), each pixel the
    mean of its area."""
    import cv2  # a dependency of albumentations; Pillow's box filter takes whole pixels and would leave columns out

    return cv2.resize(screen, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., :3].copy()


def read_file(path: str | Path, what: str) -> bytes:
    """The bytes of a file of the user's, or a UserError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the {what} {path}: {error.strerror}. Give the path of a file.") from error


def towards_berry(x: int, y: int, places: Sequence[int], area: tuple[int, int]) -> int:
    """The key, as a number of KEYS, that walks from (x, y) to the nearest of the berries at `places` in the meadow's
    RAM, where the world closes after `area` pixels, across and down."""

    def way(distance: int, size: int) -> int:
        """0 within reach of a berry, which lies on one side of the edge only."""
        return 0 if abs(distance) <= meadow.REACH else (distance + size // 2) % size - size // 2

    ways = [(way(16 * (p % 16) - x, area[0]), way(16 * (p // 16) + meadow.TOP - y, area[1])) for p in places]
    right, down = min(ways, key=lambda way: abs(way[0]) + abs(way[1]))
    if abs(right) > abs(down):
        return KEYS.index("right" if right > 0 else "left")
    return KEYS.index("down" if down > 0 else "up")
