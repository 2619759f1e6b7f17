"""A Game Boy, or Game Boy Color, on PyBoy: the ROM of our own (rom.py), or one that the user has.

Left out: windows (PyBoy's own command shows a game), sound, link cable, battery files (a game begins as bought, or from
a saved state).
"""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs.names import KEYS
from pokegen.game.envs.roms import gameboy as meadow
from pokegen.optional import require

SIDE = 128  # pixels of a frame, both ways
BANK = 16384  # bytes of a ROM bank
SHADES = (0xE0F8D0, 0x88C070, 0x346856, 0x081820)  # of a game without colours, from light to dark: RGB


class GameBoy(gymnasium.Env[np.ndarray, int]):
    """
    ## Description

    One Game Boy runs in step with the agent: a step presses one key, or none, for `frame_skip` frames of 1/60 second
    and then looks at the screen. A key that is chosen again stays down; one that is not is let go. Without `rom` it is
    the meadow of rom.py: a trainer gathers nine berries in 30 seconds.

    ## Action space

    `Discrete(9)`, `action_names` = none, up, down, left, right, a, b, start, select.

    ## Observation space

    `Box(0, 255, (128, 128, 3), uint8)`: the screen in RGB, 160×144 squeezed to a square by areas. `render()` is the
    same frame. `ram()` is the work RAM.

    ## Reward

    By how much the score has risen in the step: berries gathered, in the meadow. In a user's ROM the score is what
    `reward` reads from memory, else 0.

    ## Starting state

    The meadow: trainer, berries, slime and flowers lie where `reset(seed=…)` puts them. A user's ROM: `start_state`, or
    the console being switched on, whatever the seed.

    ## Episode end

    Termination: the meadow's ninth berry or its last second (step 450 of 4 frames); in a user's ROM when `done` says
    so. Truncation: `gymnasium.make`'s limit of steps alone.

    ## Arguments

    | Argument | Type | Default | Meaning |
    |---|---|---|---|
    | `rom` | str, path or None | None | a .gb or .gbc file; None is the meadow |
    | `frame_skip` | int ≥ 1 | 4 | console frames a step: 4 is 15 steps a second |
    | `reward` | callable or None | None | memory → score so far; `memory[0xD163]` is the byte at that address |
    | `done` | callable or None | None | memory → whether the game is over |
    | `start_state` | str, path or None | None | a file of PyBoy's `save_state`, of the same ROM |
    | `render_mode` | str or None | None | "rgb_array" or None |

    A ROM or state that cannot be used raises UserError.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's own form)
    action_names = KEYS

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
        self.action_space = spaces.Discrete(len(KEYS))
        self.own = rom is None  # the meadow
        self._score_of = reward or ((lambda memory: memory[meadow.RAM["SCORE"]]) if self.own else (lambda memory: 0))
        self._done = done or ((lambda memory: memory[meadow.RAM["OVER"]] != 0) if self.own else (lambda memory: False))
        self._pyboy = _switch_on(meadow.build() if rom is None else read_rom(rom), rom)
        self.memory = self._pyboy.memory
        if self.own:
            while not self.memory[meadow.RAM["TIME"]]:  # until the first game has begun
                self._pyboy.tick(1, False, False)
        self._start = self._snapshot()
        if start_state is not None:
            self._start = _read_state(start_state, self._start)
        self._frame = np.zeros((SIDE, SIDE, 3), np.uint8)
        self._score = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._hold(0)
        self._load(self._start)
        if self.own:
            low, high = divmod(int(self.np_random.integers(1, 65536)), 256)[::-1]
            address = meadow.RAM["SEED"]
            self.memory[address], self.memory[address + 1], self.memory[meadow.RAM["RESTART"]] = low, high, 1
            while self.memory[meadow.RAM["RESTART"]]:
                self._pyboy.tick(1, False, False)
        self._pyboy.tick(2, True, False)  # a screen that was off shows its picture from the second frame on
        self._frame = self._look()
        self._score = float(self._score_of(self.memory))
        return self._frame.copy(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._hold(int(action))
        self._pyboy.tick(self.frame_skip, True, False)
        self._frame = self._look()
        before, self._score = self._score, float(self._score_of(self.memory))
        return self._frame.copy(), self._score - before, bool(self._done(self.memory)), False, {}

    def render(self) -> np.ndarray | None:
        return self._frame.copy() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self._pyboy.stop(save=False)

    def ram(self) -> np.ndarray:
        """Work RAM, addresses 0xC000 to 0xDFFF: uint8 (8192,). The meadow's are in `rom.RAM`."""
        return np.array(self.memory[0xC000:0xE000], np.uint8)

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
        first = meadow.RAM["PLACES"]
        return towards_berry(
            self.memory[meadow.RAM["PLAYER_X"]],
            self.memory[meadow.RAM["PLAYER_Y"]],
            self.memory[first : first + 3],
            (meadow.COLUMNS, meadow.ROWS),
        )

    def _hold(self, action: int) -> None:
        """Press the key of `action`; let go of all others."""
        for number, key in enumerate(KEYS[1:], 1):
            if number == action:
                self._pyboy.button_press(key)
            else:
                self._pyboy.button_release(key)

    def _look(self) -> np.ndarray:
        return squeeze(self._pyboy.screen.ndarray)

    def _snapshot(self) -> bytes:
        file = io.BytesIO()
        self._pyboy.save_state(file)
        return file.getvalue()

    def _load(self, snapshot: bytes) -> None:
        self._pyboy.load_state(io.BytesIO(snapshot))


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


def read_rom(path: str | Path) -> bytes:
    """A Game Boy ROM whose size and header are right; UserError otherwise."""
    rom = read_file(path, "ROM")
    if len(rom) < 2 * BANK or len(rom) % BANK:
        raise UserError(
            f"{path} is no Game Boy ROM: expected a multiple of 16,384 bytes, 32,768 at least; it has {len(rom):,}. "
            "Unpack it if it is an archive."
        )
    if rom[0x14D] != (sum_ := meadow.header_checksum(rom)):
        raise UserError(
            f"{path} is no Game Boy ROM, or it is damaged: its header checksum (byte 0x14D) is 0x{rom[0x14D]:02X}, "
            f"its header makes 0x{sum_:02X}. Dump it again."
        )
    return rom


def _read_state(path: str | Path, like: bytes) -> bytes:
    state = read_file(path, "state")
    if len(state) != len(like) or state[0] != like[0]:
        raise UserError(
            f"{path} is no state of this ROM and this PyBoy: expected {len(like):,} bytes of version {like[0]}, found "
            f"{len(state):,}. Save one with PyBoy's save_state."
        )
    return state


def _switch_on(rom: bytes, path: str | Path | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # its SDL2 says which build it is; no window is opened here
        pyboy = require("pyboy")
    try:
        console = pyboy.PyBoy(
            io.BytesIO(rom), window="null", sound_emulated=False, color_palette=SHADES, log_level="CRITICAL"
        )
    except (pyboy.utils.PyBoyException, LookupError) as error:
        raise UserError(f"PyBoy does not run {path}: {error} Its cartridge may be of a kind that it lacks.") from error
    console.set_emulation_speed(0)  # as fast as it goes
    return console


def towards_berry(x: int, y: int, places: Sequence[int], around: tuple[int, int]) -> int:
    """The key, as a number of KEYS, that walks from (x, y) to the nearest of the berries at `places` in the meadow's
    RAM, where the world closes after `around` pixels, across and down."""

    def way(distance: int, around: int) -> int:
        """0 within reach of a berry, which does not go around."""
        return 0 if abs(distance) <= meadow.REACH else (distance + around // 2) % around - around // 2

    ways = [(way(16 * (p % 16) - x, around[0]), way(16 * (p // 16) + meadow.TOP - y, around[1])) for p in places]
    right, down = min(ways, key=lambda way: abs(way[0]) + abs(way[1]))
    if abs(right) > abs(down):
        return KEYS.index("right" if right > 0 else "left")
    return KEYS.index("down" if down > 0 else "up")
