"""A Game Boy Advance on stable-retro's mGBA core: the ROM of our own (roms/advance.py), or one that the user has, such
as a Pokémon Emerald.

stable-retro reads a game from a folder of its form, which is written for the time that the environment is open. It
allows one emulator a process. Left out: windows, sound, link cable, battery files (a game begins as bought, or from a
saved state).
"""

import gzip
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs.console import mask, open_emulator
from pokegen.game.envs.gameboy import SIDE, check_options, read_file, squeeze, towards_berry
from pokegen.game.envs.names import KEYS
from pokegen.game.envs.roms import advance as meadow
from pokegen.optional import require

LARGEST = 32 * 2**20  # bytes of a cartridge
_SPRITES = 0x07000000  # their memory
_GAME = "Cartridge-GbAdvance"  # stable-retro's name for the folder


class Memory:
    """What a program sees: `memory[address]` is a byte, as int; `memory[from:to]` is a list of them.

    Work RAM is at 0x02000000 (256 KiB) and 0x03000000 (32 KiB).
    """

    def __init__(self, data: Any):
        self._memory = data.memory

    def __getitem__(self, address: int | slice) -> Any:
        if isinstance(address, slice):
            return [self[a] for a in range(address.start, address.stop, address.step or 1)]
        return int(self._memory.extract(address, "|u1"))


class GameBoyAdvance(gymnasium.Env[np.ndarray, int]):
    """
    ## Description

    One Game Boy Advance runs in step with the agent: a step presses one key, or none, for `frame_skip` frames of 1/60
    second and then looks at the screen. A key that is chosen again stays down; one that is not is let go. Without `rom`
    it is the meadow of roms/advance.py: a trainer gathers nine berries in 30 seconds.

    ## Action space

    `Discrete(11)`, `action_names` = none, up, down, left, right, a, b, start, select, l, r.

    ## Observation space

    `Box(0, 255, (128, 128, 3), uint8)`: the screen in RGB, 240×160 squeezed to a square by areas. `render()` is the
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
    | `rom` | str, path or None | None | a .gba file; None is the meadow |
    | `frame_skip` | int ≥ 1 | 4 | console frames a step: 4 is 15 steps a second |
    | `reward` | callable or None | None | memory → score so far; `memory[0x02024284]` is the byte at that address |
    | `done` | callable or None | None | memory → whether the game is over |
    | `start_state` | str, path or None | None | a file of stable-retro's states (`em.get_state`), of the same ROM |
    | `render_mode` | str or None | None | "rgb_array" or None |

    A ROM or state that cannot be used, or a second emulator in this process, raises UserError.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's own form)
    action_names = (*KEYS, "l", "r")

    def __init__(
        self,
        rom: str | Path | None = None,
        frame_skip: int = 4,
        reward: Callable[[Memory], float] | None = None,
        done: Callable[[Memory], bool] | None = None,
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
        self._score_of = reward or ((lambda memory: self._read("SCORE")) if self.own else (lambda memory: 0))
        self._done = done or ((lambda memory: self._read("OVER") != 0) if self.own else (lambda memory: False))
        self._folder, self._retro = _switch_on(meadow.build() if rom is None else read_rom(rom))
        self.memory = Memory(self._retro.data)
        self._masks = [mask(name, self._retro.buttons) for name in self.action_names]
        if self.own:
            while not self._read("TIME"):  # until the first game has begun
                self._run(1)
        self._start = self._retro.em.get_state()
        if start_state is not None:
            try:
                self._start = self._state_of(start_state)
            except UserError:
                self.close()
                raise
        self._frame = np.zeros((SIDE, SIDE, 3), np.uint8)
        self._score = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._retro.em.set_button_mask(self._masks[0], 0)
        self._load(self._start)
        if self.own:
            self._retro.data.memory.assign(meadow.RAM["SEED"], "<u4", int(self.np_random.integers(1, 2**32)))
            self._retro.data.memory.assign(meadow.RAM["RESTART"], "<u4", 1)
            self._run(1)
            while self._read("RESTART"):
                self._run(1)
        self._run(1)
        self._look()
        self._score = float(self._score_of(self.memory))
        return self._frame.copy(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._retro.em.set_button_mask(self._masks[int(action)], 0)
        self._run(self.frame_skip)
        self._look()
        before, self._score = self._score, float(self._score_of(self.memory))
        return self._frame.copy(), self._score - before, bool(self._done(self.memory)), False, {}

    def render(self) -> np.ndarray | None:
        return self._frame.copy() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self._retro.close()
        self._folder.cleanup()

    def ram(self) -> np.ndarray:
        """Work RAM, from 0x02000000, then from 0x03000000: uint8 (294912,). The meadow's is in `roms.advance.RAM`."""
        blocks = self._retro.data.memory.blocks
        return np.concatenate([np.frombuffer(blocks[start], np.uint8) for start in (0x02000000, 0x03000000)])

    def save_state(self) -> Any:
        """All that the next steps depend on, for `restore_state`."""
        return self._retro.em.get_state(), self._frame.copy(), self._score, self.np_random.bit_generator.state

    def restore_state(self, state: Any) -> None:
        """Go on from a state of this environment's `save_state`, any number of times."""
        snapshot, frame, self._score, self.np_random.bit_generator.state = state
        self._frame = frame.copy()
        self._load(snapshot)
        self._retro.data.update_ram()

    def expert_action(self) -> int:
        """The key that walks towards the nearest berry, over the edge of the screen where that is shorter.

        Raises UserError for a user's ROM.
        """
        if not self.own:
            raise UserError("The expert plays the meadow alone: for a ROM of your own, record play or train an agent.")
        places = [self._read("PLACES", 4 * i) for i in range(3)]
        around = meadow.COLUMNS, meadow.ROWS
        return towards_berry(self._read("PLAYER_X"), self._read("PLAYER_Y"), places, around)

    def _read(self, name: str, offset: int = 0) -> int:
        """A word of the meadow's."""
        return int(self._retro.data.memory.extract(meadow.RAM[name] + offset, "<u4"))

    def _load(self, snapshot: bytes) -> bool:
        """Whether the emulator takes the state. mGBA forgets its list of sprites over this, and makes a new one only if
        their memory changes: so one byte there is made to differ, and the state is set again."""
        em, memory = self._retro.em, self._retro.data.memory
        if not em.set_state(snapshot):
            return False
        memory.assign(_SPRITES, "|u1", memory.extract(_SPRITES, "|u1") ^ 1)
        return em.set_state(snapshot)

    def _run(self, frames: int) -> None:
        for _ in range(frames):
            self._retro.em.step()
        self._retro.data.update_ram()

    def _look(self) -> None:
        self._frame = squeeze(self._retro.get_screen())

    def _state_of(self, path: str | Path) -> bytes:
        state = read_file(path, "state")
        try:
            state = gzip.decompress(state) if state[:2] == b"\x1f\x8b" else state
        except (OSError, EOFError) as error:
            raise UserError(f"The state {path} is damaged: {error}. Save it again.") from error
        if not self._load(state):
            raise UserError(f"{path} is no state of this ROM: save one with stable-retro's em.get_state().")
        return state


def read_rom(path: str | Path) -> bytes:
    """A Game Boy Advance ROM whose size and header are right; UserError otherwise."""
    rom = read_file(path, "ROM")
    if not meadow.CODE < len(rom) <= LARGEST or rom[0xB2] != 0x96:
        raise UserError(
            f"{path} is no Game Boy Advance ROM: expected up to {LARGEST:,} bytes, byte 0xB2 being 0x96; it has "
            f"{len(rom):,}. Unpack it if it is an archive."
        )
    if rom[0xBD] != (right := meadow.header_checksum(rom)):
        raise UserError(
            f"{path} is damaged: its header checksum (byte 0xBD) is 0x{rom[0xBD]:02X}, its header makes 0x{right:02X}. "
            "Dump it again."
        )
    return rom


def _switch_on(rom: bytes) -> tuple[tempfile.TemporaryDirectory, Any]:
    """A folder as stable-retro reads it, and its emulator with the ROM."""
    integrations = require("stable_retro", "stable-retro").data.Integrations
    folder = tempfile.TemporaryDirectory(prefix="pokegen-")
    game = Path(folder.name, _GAME)
    game.mkdir()
    (game / "rom.gba").write_bytes(rom)
    (game / "rom.sha").write_text(hashlib.sha1(rom).hexdigest() + "\n")
    for name, content in {"data": '{"info": {}}', "scenario": "{}", "metadata": "{}"}.items():
        (game / f"{name}.json").write_text(content)
    integrations.add_custom_path(folder.name)
    try:
        return folder, open_emulator(_GAME, inttype=integrations.CUSTOM_ONLY)
    except BaseException:
        folder.cleanup()
        raise
    finally:
        integrations.CUSTOM_PATHS.remove(folder.name)
