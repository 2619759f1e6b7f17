"""The meadow of rom.py for the Game Boy Advance: a ROM of ARM instructions, with its assembler, in colour.

The same game, with the same drawings, on a screen of 240×160; l and r hold up a berry on that side. Where things are in
RAM is in `RAM`, a word each. Left out: the logo of the header, which is the console maker's: emulators do not miss it.
Source of the instruction set and the registers: https://problemkaputt.de/gbatek.htm.
"""

import re
import struct
from functools import partial

from pokegen.game.envs.roms.gameboy import (
    BERRIES,
    CHARACTERS,
    FONT,
    REACH,
    SECONDS,
    SQUARE,
    TALL,
    TOP,
    Value,
    assemble,
    columns,
)

COLUMNS, ROWS = 225, 129  # where the trainer's upper left corner can be: x in [0, 225), y in [16, 16 + 129)
ENTRY = 0x08000000  # where a cartridge lies
CODE = 0xC0  # bytes of header before the code

_BASE = 0x02000000
RAM = {
    name: _BASE + 4 * i
    for i, name in enumerate(
        (
            "SEED",  # the state of the random generator, not 0
            "RESTART",  # not 0: begin a new game; 0 again when it has begun
            "SCORE",  # berries gathered, 0 to 9
            "OVER",  # 1: the game is over, and the picture stops
            "TIME",  # seconds left
            "TICKS",  # frames left of this second
            "PLAYER_X",  # pixels from the left of the screen
            "PLAYER_Y",  # pixels from the top
            "FACING",  # 0 to 3: down, up, left, right
            "SLIME_X",
            "SLIME_Y",
            "SLIME_STEP",  # 1 or -1
            "FRAMES",  # counts up
            "PLACES",  # 3 words, one a berry: 16 × row + column in the meadow of 9 × 15 cells of 16 pixels
        )
    )
}
HARDWARE = {
    "DISPCNT": 0x00, "VCOUNT": 0x06, "BG0CNT": 0x08, "BG1CNT": 0x0A, "BLDCNT": 0x50, "BLDY": 0x54, "DMA3": 0xD4,
    "KEYINPUT": 0x130, "IO": 0x04000000, "PALETTE": 0x05000000, "TILES": 0x06000000, "MAP": 0x06004000,
    "WINDOW": 0x06004800, "SHAPES": 0x06010000, "OAM": 0x07000000, "STACK": 0x03007F00,
}  # fmt: skip

# Palettes of 4 colours, RGB in hex, for the shades . - + # of the drawings: of the ground, then of what is on it.
GROUND = ("F8F8F8 B8C0C8 607080 181820", "F8F8D0 78C850 389048 204830", "F8D8E0 78C850 D83850 601830")
FIGURES = ("FFFFFF F8E0C8 D03830 202030", "FFFFFF A8D8F8 4888D0 203060", "FFFFFF F8C8D0 D83850 601830")
_TEXT, _GRASS, _FRUIT = (bank << 12 for bank in range(3))  # which of GROUND, in a map's entry
_BERRY_TILE = 1  # 0 is empty; then the four of a berry, then those of CHARACTERS
SHAPE = {"BUBBLE": 12, "SHADOW": 16, "SLIME": 20 + 0x1000, "BERRY": 24 + 0x2000}  # after down, up and side: 0, 4, 8
KEY = {"A": 1, "B": 2, "SELECT": 4, "START": 8, "RIGHT": 16, "LEFT": 32, "UP": 64, "DOWN": 128, "R": 256, "L": 512}

# r10 is the work RAM, r11 the registers, r4 the keys held, r5 and r6 the trainer's place.
PROGRAM = """
start:      set r10, SEED | set r11, IO | set sp, STACK
            set r0, palettes | set r1, PALETTE | mov r2, 256 | bl copy
            set r0, tiles | set r1, TILES | set r2, tile_words | bl copy
            set r0, shapes | set r1, SHAPES | set r2, shape_words | bl copy
            set r0, menu | set r1, WINDOW | mov r2, 320 | bl copy
            set r0, 0x801 | strh r0, [r11 + BG0CNT] | mov r0, 0x900 | strh r0, [r11 + BG1CNT]
            set r9, OAM | mov r0, 0x200 | mov r1, 128
hide:       strh r0, [r9] | add r9, r9, 8 | subs r1, r1, 1 | bne hide
            mov r0, 1 | str r0, [r10] | str r0, [r10 + oRESTART]

loop:       ldrh r0, [r11 + VCOUNT] | cmp r0, 160 | beq loop                        ; until the vertical blank
blank:      ldrh r0, [r11 + VCOUNT] | cmp r0, 160 | bne blank
            ldr r0, [r10 + oRESTART] | cmp r0, 0 | blne new_game
            ldr r0, [r10 + oOVER] | cmp r0, 0 | bne loop

            add r1, r11, KEYINPUT | ldrh r4, [r1] | mvn r4, r4
            ldr r5, [r10 + oPLAYER_X] | ldr r6, [r10 + oPLAYER_Y] | ldr r7, [r10 + oFACING]
            tst r4, RIGHT | movne r7, 3 | addne r5, r5, 1 | cmp r5, COLUMNS | moveq r5, 0
            tst r4, LEFT | movne r7, 2 | subne r5, r5, 1 | cmp r5, 0 | addlt r5, r5, COLUMNS
            tst r4, UP | movne r7, 1 | subne r6, r6, 1 | cmp r6, TOP | addlt r6, r6, ROWS
            tst r4, DOWN | movne r7, 0 | addne r6, r6, 1 | cmp r6, TOP + ROWS | subeq r6, r6, ROWS
            str r5, [r10 + oPLAYER_X] | str r6, [r10 + oPLAYER_Y] | str r7, [r10 + oFACING]

            tst r4, SELECT | moveq r0, 0 | movne r0, 0xE1 | strh r0, [r11 + BLDCNT] ; dusk: the ground darkens
            mov r0, 8 | strh r0, [r11 + BLDY]
            mov r0, 0x1140 | tst r4, START | orrne r0, r0, 0x200 | strh r0, [r11 + DISPCNT]

            ldr r0, [r10 + oFRAMES] | add r0, r0, 1 | str r0, [r10 + oFRAMES]
            ldr r1, [r10 + oSLIME_X] | ldr r2, [r10 + oSLIME_STEP]
            tst r0, 1 | addeq r1, r1, r2 | cmp r1, 0 | cmpne r1, 224 | rsbeq r2, r2, 0
            tst r0, 1 | streq r1, [r10 + oSLIME_X] | streq r2, [r10 + oSLIME_STEP]

            set r9, OAM                                                             ; sprites: y, x, shape, flip
            mov r3, 0 | tst r4, A | subne r0, r6, 15 | moveq r0, 160 | mov r1, r5 | mov r2, BUBBLE | bl put
            tst r4, L + R | subne r0, r6, 14 | moveq r0, 160
            tst r4, L | subne r1, r5, 8 | addeq r1, r5, 8 | set r2, BERRY | bl put
            eor r0, r5, r6 | and r0, r0, 4 | sub r0, r6, r0 lsr 2                   ; bobs with each step
            tst r4, B | subne r0, r0, 10 | mov r1, r5
            cmp r7, 2 | movlt r2, r7 lsl 2 | movge r2, 8 | moveq r3, 0x1000 | bl put
            mov r3, 0 | tst r4, B | addne r0, r6, 1 | moveq r0, 160 | mov r1, r5 | mov r2, SHADOW | bl put
            ldr r0, [r10 + oFRAMES] | and r0, r0, 8 | ldr r1, [r10 + oSLIME_Y] | sub r0, r1, r0 lsr 2
            ldr r1, [r10 + oSLIME_X] | set r2, SLIME | bl put

            add r8, r10, oPLACES
berry:      ldr r0, [r8] | bl near | bhi missed
            set r1, grass | mov r2, 0 | bl stamp | bl place
            ldr r0, [r10 + oSCORE] | add r0, r0, 1 | str r0, [r10 + oSCORE]
            cmp r0, BERRIES | movge r1, 1 | strge r1, [r10 + oOVER]
missed:     ldr r0, [r8] | set r1, berry_tile | mov r2, 1 | bl stamp
            add r8, r8, 4 | sub r0, r8, r10 | cmp r0, oPLACES + 12 | bne berry

            ldr r0, [r10 + oTICKS] | ldr r1, [r10 + oTIME] | subs r0, r0, 1 | moveq r0, 60 | subeq r1, r1, 1
            str r0, [r10 + oTICKS] | str r1, [r10 + oTIME] | cmp r1, 0 | moveq r0, 1 | streq r0, [r10 + oOVER]
            set r3, MAP | mov r0, digit_tile | ldr r2, [r10 + oSCORE] | add r2, r2, r0 | strh r2, [r3 + 4]
tens:       cmp r1, 10 | subge r1, r1, 10 | addge r0, r0, 1 | bge tens
            strh r0, [r3 + 54] | add r1, r1, digit_tile | strh r1, [r3 + 56]
            set r0, tiles + sway | set r1, TILES + sway | ldr r2, [r10 + oFRAMES] | tst r2, 32 | addne r0, r0, 32
            mov r2, 8 | bl copy                                                     ; flowers sway, about once a second
            b loop

new_game:   push lr
            set r0, top | set r1, MAP | mov r2, 32 | bl copy
            set r8, MAP + 128 | set r9, MAP + 1280
sow:        bl random | and r0, r0, 0x1E | set r1, ground | ldrh r0, [r1 + r0] | strh r0, [r8]
            add r8, r8, 2 | cmp r8, r9 | bne sow
            bl random | and r5, r0, 127 | add r5, r5, 32 | mov r0, r0 lsr 8 | and r6, r0, 63 | add r6, r6, 40
            str r5, [r10 + oPLAYER_X] | str r6, [r10 + oPLAYER_Y]
            bl random | and r1, r0, 127 | add r1, r1, 32 | str r1, [r10 + oSLIME_X]
            mov r0, r0 lsr 8 | and r0, r0, 31 | add r0, r0, 32 | str r0, [r10 + oSLIME_Y]
            mov r0, 0xFF | str r0, [r10 + oPLACES] | str r0, [r10 + oPLACES + 4] | str r0, [r10 + oPLACES + 8]
            add r8, r10, oPLACES | bl place | add r8, r8, 4 | bl place | add r8, r8, 4 | bl place
            mov r0, 1 | str r0, [r10 + oSLIME_STEP] | mov r0, SECONDS | str r0, [r10 + oTIME]
            mov r0, 60 | str r0, [r10 + oTICKS]
            mov r0, 0 | str r0, [r10 + oFACING] | str r0, [r10 + oFRAMES]
            str r0, [r10 + oSCORE] | str r0, [r10 + oOVER] | str r0, [r10 + oRESTART]
            pop pc

place:      push lr
again:      bl random | mov r0, r0 lsr 24 | and r1, r0, 15 | cmp r1, 15 | beq again ; a free cell into [r8]
            cmp r0, 0x90 | bcs again
            ldr r1, [r10 + oPLACES] | cmp r0, r1 | ldrne r1, [r10 + oPLACES + 4] | cmpne r0, r1
            ldrne r1, [r10 + oPLACES + 8] | cmpne r0, r1 | beq again
            bl near | bls again
            str r0, [r8] | pop pc

near:       and r1, r0, 15 | sub r1, r5, r1 lsl 4 | add r1, r1, REACH | cmp r1, REACH + REACH | bxhi lr
            mov r1, r0 lsr 4 | sub r1, r6, r1 lsl 4 | sub r1, r1, TOP - REACH       ; ls: the trainer reaches cell r0
            cmp r1, REACH + REACH | bx lr

stamp:      set r3, MAP + 128 | and r12, r0, 15 | add r3, r3, r12 lsl 2 | mov r0, r0 lsr 4 | add r3, r3, r0 lsl 7
            strh r1, [r3] | add r1, r1, r2 | strh r1, [r3 + 2] | add r1, r1, r2     ; tiles r1, r1 + r2, …
            strh r1, [r3 + 64] | add r1, r1, r2 | strh r1, [r3 + 66] | bx lr

put:        and r0, r0, 0xFF | strh r0, [r9] | mov r1, r1 lsl 23 | orr r1, r3, r1 lsr 23 | orr r1, r1, 0x4000
            strh r1, [r9 + 2] | strh r2, [r9 + 4] | add r9, r9, 8 | bx lr

random:     ldr r0, [r10] | eor r0, r0, r0 lsl 13 | eor r0, r0, r0 lsr 17 | eor r0, r0, r0 lsl 5
            str r0, [r10] | bx lr                                                   ; xorshift, 32 bits

copy:       str r0, [r11 + DMA3] | str r1, [r11 + DMA3 + 4] | orr r2, r2, 0x84000000
            str r2, [r11 + DMA3 + 8] | bx lr                                        ; r2 words from r0 to r1

palettes:   palettes
tiles:      tiles
shapes:     shapes
top:        top
menu:       menu
ground:     ground
"""
SCREEN_TOP = (f" *0{'TIME 00':>26} ", "h" * 30)
MENU = ("=======", "=>BAG =", "=     =", "= MAP =", "=     =", "= SAVE=", "=     =", "=======")
MENU_AT = (11, 22)  # row and column of its corner, in tiles
SOWN = "ff,,,,.........."  # of which the ground is drawn

CONDITIONS = ("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "")
ARITHMETIC = (
    "and", "eor", "sub", "rsb", "add", "adc", "sbc", "rsc", "tst", "teq", "cmp", "cmn", "orr", "mov", "bic", "mvn"
)  # fmt: skip
_MNEMONIC = re.compile(
    rf"(?P<name>{'|'.join(ARITHMETIC)})(?P<condition>{'|'.join(CONDITIONS)})(?P<flags>s?)|"
    rf"(?P<other>ldrb|ldrh|ldr|strb|strh|str|bl|bx|b|push|pop|set)(?P<when>{'|'.join(CONDITIONS)})"
)
_SHIFTED = re.compile(r"(r\d+|sp|lr|pc)(?: (lsl|lsr|asr|ror) (\d+))?")
_ADDRESS = re.compile(r"\[(\w+)(?: \+ (.+))?\]")


def encode_arm(words: list[str], here: int, value: Value) -> bytes:
    """One ARM instruction, 4 bytes; `set register, number` is four that put a number of 32 bits together.

    Memory is [register], [register + number] or [register + register]; a last operand may be shifted: r1 lsl 4.
    """
    found = _MNEMONIC.fullmatch(words[0])
    if found is None:
        raise ValueError("no such instruction")
    name, operands = found["name"] or found["other"], words[1:]
    condition = CONDITIONS.index(found["condition"] or found["when"] or "") << 28
    if name in ("b", "bl"):
        distance = (value(operands[0]) - here - 8) >> 2
        return _word(condition | (0x0B if name == "bl" else 0x0A) << 24 | distance & 0xFFFFFF)
    first = _register(operands[0])
    if name == "bx":
        return _word(condition | 0x012FFF10 | first)
    if name in ("push", "pop"):
        return _word(condition | (0xE52D0004 if name == "push" else 0xE49D0004) & 0x0FFFFFFF | first << 12)
    if name == "set":
        number = value(operands[1])
        parts = [0x03A00000 | first << 12 | number & 0xFF]  # mov, then orr with 8 bits at a time
        for shift in (8, 16, 24):
            parts.append(0x03800000 | first << 16 | first << 12 | (32 - shift) // 2 << 8 | number >> shift & 0xFF)
        return b"".join(_word(condition | part) for part in parts)
    if name[:3] in ("ldr", "str"):
        return _word(condition | _transfer(name, first, operands[1], value))
    code = ARITHMETIC.index(name)
    compares = name in ("tst", "teq", "cmp", "cmn")
    flags = (compares or found["flags"] == "s") << 20
    target, source = (0, first) if compares else (first, 0)
    if not compares and name not in ("mov", "mvn"):
        source = _register(operands[1])
    return _word(condition | code << 21 | flags | source << 16 | target << 12 | _operand(operands[-1], value))


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _register(text: str) -> int:
    names = {"sp": 13, "lr": 14, "pc": 15} | {f"r{i}": i for i in range(16)}
    if text not in names:
        raise ValueError(f"no such register {text!r}")
    return names[text]


def _operand(text: str, value: Value) -> int:
    """The last operand of arithmetic: a register, shifted or not, or a number of 8 bits turned by an even count."""
    if found := _SHIFTED.fullmatch(text):
        shift = ("lsl", "lsr", "asr", "ror").index(found[2] or "lsl")
        return int(found[3] or 0) << 7 | shift << 5 | _register(found[1])
    number = value(text) & 0xFFFFFFFF
    for turn in range(16):
        turned = (number << 2 * turn | number >> (32 - 2 * turn)) & 0xFFFFFFFF
        if turned < 256:
            return 1 << 25 | turn << 8 | turned
    raise ValueError(f"{text} does not fit: use set")


def _transfer(name: str, register: int, address: str, value: Value) -> int:
    """A load or a store, without its condition."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(f"no such address {address!r}")
    by_register = _SHIFTED.fullmatch(found[2] or "") is not None
    offset = _register(found[2]) if by_register else value(found[2]) if found[2] else 0
    common = 1 << 24 | 1 << 23 | (name[0] == "l") << 20 | _register(found[1]) << 16 | register << 12
    if name.endswith("h"):
        if not 0 <= offset < 256:
            raise ValueError(f"offset {offset}: 0 to 255 expected")
        parts = offset if by_register else 1 << 22 | offset >> 4 << 8 | offset & 15
        return common | 0xB0 | parts
    if not 0 <= offset < 4096:
        raise ValueError(f"offset {offset}: 0 to 4095 expected")
    return common | 1 << 26 | by_register << 25 | name.endswith("b") << 22 | offset


def _pack(rows: list[str], first: int = 0) -> bytes:
    """A tile of 8×8, 4 bits a pixel, left pixels low; `first` is the colour of the shade "."."""
    pixels = [".-+#".index(pixel) + first for row in rows for pixel in row]
    return bytes(low | high << 4 for low, high in zip(pixels[::2], pixels[1::2], strict=True))


def _figure(left: list[str], right: list[str] | None = None) -> bytes:
    """A sprite of 16×16 as four tiles; the right half mirrors the left one unless it is given."""
    right = right or [row[::-1] for row in left]
    return b"".join(_pack(half[y : y + 8]) for y in (0, 8) for half in (left, right))


def _colors(palettes: tuple[str, ...], first: int) -> bytes:
    """512 bytes of palettes, each colour 15 bits, red low. `first` is where one begins among its 16 colours."""
    memory = bytearray(512)
    for bank, palette in enumerate(palettes):
        for i, color in enumerate(palette.split()):
            red, green, blue = (byte >> 3 for byte in bytes.fromhex(color))
            struct.pack_into("<H", memory, 32 * bank + 2 * (first + i), red | green << 5 | blue << 10)
    return bytes(memory)


def _entry(character: str, palette: int = _TEXT) -> bytes:
    """What a map holds for a character's tile."""
    return (_BERRY_TILE + 4 + CHARACTERS.index(character) | palette).to_bytes(2, "little")


def _row(text: str, left: int = 0) -> bytes:
    """A map's row of 32 tiles: `text` from column `left` on, the rest empty."""
    return (bytes(2 * left) + b"".join(map(_entry, text))).ljust(64, b"\0")


def build() -> bytes:
    """The ROM: the same bytes at each call."""
    down, up, side, side_right, bubble, shadow, slime, berry, berry_right = columns(TALL)
    letters = [["........", *(f"..{row}." for row in glyph)] for glyph in columns(FONT)]
    halves = [berry[:8], berry_right[:8], berry[8:], berry_right[8:]]
    tiles = b"".join(_pack(rows, 1) for rows in [*halves, *columns(SQUARE), *letters])
    cut = str.maketrans(".-", "-.")  # a berry in the hand has no grass around it, and keeps its light
    held = [[row.translate(cut) for row in half] for half in (berry, berry_right)]
    figures = [_figure(down), _figure(up), _figure(side, side_right), *map(_figure, (bubble, shadow, slime))]
    shapes = b"".join([*figures, _figure(*held)])
    menu = [bytes(64)] * MENU_AT[0] + [_row(line, MENU_AT[1]) for line in MENU]
    data = {
        "palettes": _colors(GROUND, 1) + _colors(FIGURES, 0),
        "tiles": bytes(32) + tiles,
        "shapes": shapes,
        "top": b"".join(map(_row, SCREEN_TOP)),
        "menu": b"".join(menu).ljust(1280, b"\0"),
        "ground": b"".join(_entry(character, _GRASS) for character in SOWN),
    }
    names = RAM | {f"o{name}": address - _BASE for name, address in RAM.items()} | HARDWARE | SHAPE | KEY
    names |= {"COLUMNS": COLUMNS, "ROWS": ROWS, "TOP": TOP, "REACH": REACH, "BERRIES": BERRIES, "SECONDS": SECONDS}
    names |= {
        "tile_words": len(data["tiles"]) // 4,
        "shape_words": len(shapes) // 4,
        "berry_tile": _BERRY_TILE | _FRUIT,
    }
    number = partial(int.from_bytes, byteorder="little")
    names |= {"grass": number(_entry(".", _GRASS)), "digit_tile": number(_entry("0")), "sway": 32 * number(_entry("f"))}
    code = assemble(PROGRAM, ENTRY + CODE, names, data, encode_arm)
    rom = bytearray(CODE) + code
    rom[:4] = encode_arm(["b", "start"], ENTRY, lambda _: ENTRY + CODE)
    rom[0xA0:0xB2] = b"POKEGENMEADOWPGEN0"[:12] + b"PGME" + b"00"
    rom[0xB2] = 0x96  # each cartridge has it
    rom[0xBD] = header_checksum(rom)
    return bytes(rom.ljust(-(-len(rom) // 1024) * 1024, b"\0"))


def header_checksum(rom: bytes | bytearray) -> int:
    """What byte 0xBD has to be: the console checks bytes 0xA0 to 0xBC by it."""
    return -(0x19 + sum(rom[0xA0:0xBD])) & 0xFF
