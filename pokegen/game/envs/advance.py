"""A Game Boy Advance on stable-retro's mGBA core: the ROM of our own (roms/advance.py), or one that the user has, such
as a Pokémon Emerald.

stable-retro reads a game from a folder of its form, which is written for the time that the environment is open. It
allows one emulator a process.
"""

import gzip
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs.console import mask, open_emulator
from pokegen.game.envs.handheld import Handheld, read_file
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


class GameBoyAdvance(Handheld):
    """
    A `Handheld`, see there. Its particulars:

    `Discrete(11)`, `action_names` = none, up, down, left, right, a, b, start, select, l, r. The screen has 240×160
    pixels. `rom` is a .gba file, `start_state` a file of stable-retro's states (`em.get_state`), gzipped or not;
    `memory[0x02024284]` is the byte at that address. A second emulator in this process raises UserError.
    """

    action_names = (*KEYS, "l", "r")
    area = meadow.COLUMNS, meadow.ROWS

    def close(self) -> None:
        self._retro.close()
        self._folder.cleanup()

    def ram(self) -> np.ndarray:
        """Work RAM, from 0x02000000, then from 0x03000000: uint8 (294912,). The meadow's is in `roms.advance.RAM`."""
        blocks = self._retro.data.memory.blocks
        return np.concatenate([np.frombuffer(blocks[start], np.uint8) for start in (0x02000000, 0x03000000)])

    def _switch_on(self, rom: str | Path | None) -> None:
        self._folder, self._retro = _emulator_of(meadow.build() if rom is None else read_rom(rom))
        self.memory = Memory(self._retro.data)
        self._masks = [mask(name, self._retro.buttons) for name in self.action_names]

    def _run(self, frames: int) -> None:
        for _ in range(frames):
            self._retro.em.step()
        self._retro.data.update_ram()

    def _hold(self, action: int) -> None:
        self._retro.em.set_button_mask(self._masks[action], 0)

    def _screen(self) -> np.ndarray:
        return self._retro.get_screen()

    def _snapshot(self) -> bytes:
        return self._retro.em.get_state()

    def _load(self, snapshot: bytes) -> bool:
        """mGBA forgets its list of sprites over this, and makes a new one only if their memory changes: so one byte
        there is made to differ, and the state is set again."""
        em, data = self._retro.em, self._retro.data
        if not em.set_state(snapshot):
            return False
        data.memory.assign(_SPRITES, "|u1", data.memory.extract(_SPRITES, "|u1") ^ 1)
        fits = em.set_state(snapshot)
        data.update_ram()
        return fits

    def _read_state(self, path: str | Path) -> bytes:
        state = read_file(path, "state")
        try:
            state = gzip.decompress(state) if state[:2] == b"\x1f\x8b" else state
        except (OSError, EOFError) as error:
            raise UserError(f"The state {path} is damaged: {error}. Save it again.") from error
        if not self._load(state):
            raise UserError(f"{path} is no state of this ROM: save one with stable-retro's em.get_state().")
        return state

    def _word(self, name: str, index: int = 0) -> int:
        return int(self._retro.data.memory.extract(meadow.RAM[name] + 4 * index, "<u4"))

    def _restart(self) -> None:
        memory = self._retro.data.memory
        memory.assign(meadow.RAM["SEED"], "<u4", int(self.np_random.integers(1, 2**32)))
        memory.assign(meadow.RAM["RESTART"], "<u4", 1)


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


def _emulator_of(rom: bytes) -> tuple[tempfile.TemporaryDirectory, Any]:
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
