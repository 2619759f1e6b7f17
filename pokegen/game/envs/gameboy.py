"""A Game Boy, or Game Boy Color, on PyBoy: the ROM of our own (roms/gameboy.py), or one that the user has."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs.handheld import Handheld, read_file
from pokegen.game.envs.roms import gameboy as meadow
from pokegen.optional import require

BANK = 16384  # bytes of a ROM bank
SHADES = (0xE0F8D0, 0x88C070, 0x346856, 0x081820)  # of a game without colours, from light to dark: RGB


class GameBoy(Handheld):
    """
    A `Handheld`, see there. Its particulars:

    `Discrete(9)`, `action_names` = none, up, down, left, right, a, b, start, select. The screen has 160×144 pixels.
    `rom` is a .gb or .gbc file, `start_state` a file of PyBoy's `save_state`; `memory[0xD163]` is the byte at that
    address.
    """

    area = meadow.COLUMNS, meadow.ROWS
    settle = 2  # a screen that was off shows its picture from the second frame on

    def close(self) -> None:
        self._pyboy.stop(save=False)

    def ram(self) -> np.ndarray:
        """Work RAM, addresses 0xC000 to 0xDFFF: uint8 (8192,). The meadow's are in `roms.gameboy.RAM`."""
        return np.array(self.memory[0xC000:0xE000], np.uint8)

    def _switch_on(self, rom: str | Path | None) -> None:
        self._pyboy = _pyboy_of(meadow.build() if rom is None else read_rom(rom), rom)
        self.memory = self._pyboy.memory

    def _run(self, frames: int) -> None:
        self._pyboy.tick(frames, True, False)

    def _hold(self, action: int) -> None:
        for number, key in enumerate(self.action_names[1:], 1):
            if number == action:
                self._pyboy.button_press(key)
            else:
                self._pyboy.button_release(key)

    def _screen(self) -> np.ndarray:
        return self._pyboy.screen.ndarray

    def _snapshot(self) -> bytes:
        file = io.BytesIO()
        self._pyboy.save_state(file)
        return file.getvalue()

    def _load(self, snapshot: bytes) -> bool:
        self._pyboy.load_state(io.BytesIO(snapshot))
        return True

    def _read_state(self, path: str | Path) -> bytes:
        state, like = read_file(path, "state"), self._snapshot()
        if len(state) != len(like) or state[0] != like[0]:
            raise UserError(
                f"{path} is no state of this ROM and this PyBoy: expected {len(like):,} bytes of version {like[0]}, "
                f"found {len(state):,}. Save one with PyBoy's save_state."
            )
        return state

    def _word(self, name: str, index: int = 0) -> int:
        return self.memory[meadow.RAM[name] + index]

    def _restart(self) -> None:
        high, low = divmod(int(self.np_random.integers(1, 65536)), 256)
        address = meadow.RAM["SEED"]
        self.memory[address], self.memory[address + 1], self.memory[meadow.RAM["RESTART"]] = low, high, 1


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


def _pyboy_of(rom: bytes, path: str | Path | None) -> Any:
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
