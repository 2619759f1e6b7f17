"""A Game Boy game of our own, written byte by byte: 32 KiB without a bank controller, its assembler, its drawings.

The game is a meadow. A trainer walks (wrapping at the edges, never stopped) and gathers nine berries within 30 seconds;
where a berry was, grass stays, and the next one ripens elsewhere. Each key leaves its trace in the very frame in which
it is pressed, because an inverse dynamics model has to read it from there:

    up, down, left, right   one pixel a frame, and the trainer faces that way
    a                       a speech bubble, while held
    b                       off the ground, over a shadow, while held
    start                   a menu, while held
    select                  dusk, while held

A slime hops to and fro and the flowers sway whatever is pressed. Addresses in work RAM are in `RAM`. A game begins when
RESTART is not 0; berries, trainer, slime and flowers then lie where the seed (16 bits, not 0) puts them.

Left out: the logo of the header, which is the console maker's. Emulators do not miss it; a real console does not start.
Source of the instruction set and the registers: https://gbdev.io/pandocs and https://gbdev.io/gb-opcodes/optables.
"""

from collections.abc import Callable, Iterator
from functools import partial

SIZE = 0x8000  # bytes
BERRIES = 9  # to gather in one game
SECONDS = 30  # to do it in: 450 steps of 4 frames
REACH = 7  # pixels, both ways, between the trainer and a berry that is gathered
COLUMNS, TOP, ROWS = 145, 16, 113  # where the trainer's upper left corner can be: x in [0, 145), y in [16, 16 + 113)

RAM = {
    "SEED": 0xC000,  # 2 bytes, little-endian: the state of the random generator
    "RESTART": 0xC002,  # not 0: begin a new game; 0 again when it has begun
    "SCORE": 0xC003,  # berries gathered, 0 to 9
    "OVER": 0xC004,  # 1: the game is over, and the picture stops
    "TIME": 0xC005,  # seconds left, as two decimal digits: 0x29 is 29
    "PLAYER_X": 0xC006,  # pixels from the left of the screen
    "PLAYER_Y": 0xC007,  # pixels from the top
    "FACING": 0xC008,  # 0, 4, 8, 12: down, up, left, right
    "PLACES": 0xC009,  # 3 bytes, one a berry: 16 × row + column in the meadow of 8 × 10 cells of 16 pixels
    "SLIME_X": 0xC00C,
    "SLIME_Y": 0xC00D,
    "SLIME_STEP": 0xC00E,  # 1 or -1
    "FRAMES": 0xC00F,  # counts up, modulo 256
    "TICKS": 0xC010,  # frames left of this second
    "KEYS": 0xC011,  # held: bits 0 to 7 are right, left, up, down, a, b, select, start
}

# Shades: . white (in sprites: transparent), - light, + dark, # black. Sprites show - as white.
# 8×16 each: trainer from the front, from the back (left halves), from the side (two); bubble, shadow, slime (left
# halves); berry (two).
TALL = """
........ ........ ........ ........ ..###### ........ ........ -------- #-------
.....### .....### ....#### ##...... .#------ ........ ........ -------# #-------
....#+++ ....#+++ ...#++++ ++#..... #------- ........ ........ ------#. ##------
...#++++ ...#++++ ..#+++++ +++#.... #-----## ........ ........ ----##++ ###-----
..#+++++ ..#+++++ ..#+++++ +++###.. #-----## ........ ........ ---#++++ ++++#---
..###### ..#+++++ ..###### #######. #-----## ........ ......## --#++..+ +++++#--
..#----- ..#+++++ ..##---- ---#.... #-----## ........ ....##-- --#+..++ +++++#--
..#--#-- ..###### ..#----# ---#.... #------- ........ ...#---- --#+.+++ ++++##--
..#--#-- ..#+#+#+ ..#----# ----#... #-----## ........ ..#----- --#+++++ ++++##--
...#---- ...#++++ ...#---- ---#.... #------- ........ .#---#-- --#+++++ ++++##--
..###### ..###### ...##### ####.... .#------ ........ .#---#-- --#+++++ +++###--
.#-#++++ .#+#---- ...#++-- ++#..... ..###### ........ #------- ---#++++ ++###---
.#-#++++ .#+#-##- ...#++-- ++#..... ....#--- ....#### #----### ----#### ####----
..###### ..###--- ...##### ###..... .....#-- ..###### #------- -----### ###-----
...#++#. ...#++#. ....#++# #+#..... ......## ..###### .#++++++ ------## ##------
...####. ...####. ....#### .###.... ........ ....#### ..###### -------- --------
"""
# 8×8 each, named by the characters of CHARACTERS.
SQUARE = """
........ -------- -------- -------- ----..-- -######- ######## ...#.... ........
........ -------- -+------ ---..--- ---.##.- #......# #------# ..##.... .##.....
........ -------- -+-+---- --.##.-- ---.##.- #.++++.# #-++++-# .##+##.. .####...
........ -------- --++---- --.##.-- ----..-- #.#..#.# #-+..+-# #.+++##. .######.
........ -------- -----+-- ---..--- ---+---- #.#++#.# #-+..+-# #.+++##. .####...
........ -------- ---+-+-- ---+---- ---+---- #.#..#.# #-++++-# #++++##. .##.....
........ -------- ----++-- --++---- --++---- #.#++#.# #------# .#####.. ........
........ -------- -------- -------- -------- --#--#-- ######## ........ ........
"""
# 5×7 each.
FONT = """
.###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###. ##### .###. #...# ##### ####. .###. .###. ####. .#### #...#
#...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...# ..#.. ..#.. ##.## #.... #...# #...# #...# #...# #.... #...#
#..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...# ..#.. ..#.. #.#.# #.... #...# #...# #.... #...# #.... #...#
#.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .#### ..#.. ..#.. #.#.# ####. ####. ##### #.### ####. .###. #...#
##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....# ..#.. ..#.. #...# #.... #...# #...# #...# #.... ....# #...#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#. ..#.. ..#.. #...# #.... #...# #...# #...# #.... ....# .#.#.
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .##.. ..#.. .###. #...# ##### ####. #...# .#### #.... ####. ..#..
"""
CHARACTERS = " .,fFh=*>" + "0123456789TIMEBAGPSV"  # as text in the source names them

HARDWARE = {
    "P1": 0xFF00, "IF": 0xFF0F, "LCDC": 0xFF40, "LY": 0xFF44, "BGP": 0xFF47, "OBP0": 0xFF48, "WY": 0xFF4A, "WX": 0xFF4B,
    "IE": 0xFFFF, "TILES": 0x8000, "MAP": 0x9800, "MEADOW": 0x9840, "WINDOW": 0x9C00, "OAM": 0xFE00,
}  # fmt: skip
TILE = {"DOWN": 0, "UP": 2, "SIDE": 4, "BUBBLE": 8, "SHADOW": 10, "SLIME": 12, "BERRY": 14, "MIRRORED": 0x20}

PROGRAM = """
start:      di | ld sp, 0xFFFE | call screen_off
            ld hl, SEED
clear:      xor a | ld [hl+], a | cp l | jr nz, clear                               ; 256 bytes of work RAM
            ld hl, OAM
hide:       xor a | ld [hl+], a | ld a, l | cp 0xA0 | jr nz, hide                   ; no sprites
            ld hl, TILES | ld de, tiles | ld bc, tiles_end - tiles | call copy
            ld hl, WINDOW | ld de, menu | ld bc, 256 | call copy
            ld a, 80 | ldh [WY], a | ld a, 111 | ldh [WX], a | ld a, 0xE0 | ldh [OBP0], a
            ld a, 1 | ldh [IE], a | ld [SEED], a | ld [RESTART], a

loop:       ld a, [RESTART] | or a | call nz, new_game
            xor a | ldh [IF], a | halt | nop                                        ; until the vertical blank
            ld a, [OVER] | or a | jr nz, loop

            ld a, 0x20 | ldh [P1], a | ldh a, [P1] | ldh a, [P1] | cpl | and 0x0F | ld b, a
            ld a, 0x10 | ldh [P1], a | ldh a, [P1] | ldh a, [P1] | cpl | and 0x0F | swap a | or b
            ld [KEYS], a | ld b, a

            ld hl, PLAYER_X
            bit 0, b | jr z, not_right
            ld a, 12 | ld [FACING], a | inc [hl] | ld a, [hl] | cp RIGHT_END | jr nz, not_right
            ld [hl], 0
not_right:  bit 1, b | jr z, not_left
            ld a, 8 | ld [FACING], a | ld a, [hl] | or a | jr nz, go_left
            ld [hl], RIGHT_END
go_left:    dec [hl]
not_left:   inc l
            bit 2, b | jr z, not_up
            ld a, 4 | ld [FACING], a | ld a, [hl] | cp TOP | jr nz, go_up
            ld [hl], BOTTOM_END
go_up:      dec [hl]
not_up:     bit 3, b | jr z, not_down
            xor a | ld [FACING], a | inc [hl] | ld a, [hl] | cp BOTTOM_END | jr nz, not_down
            ld [hl], TOP

not_down:   ld a, 0xE4 | bit 6, b | jr z, daylight
            ld a, 0xF9                                                              ; each shade one darker
daylight:   ldh [BGP], a | ld a, 0xD7 | bit 7, b | jr z, no_menu
            ld a, 0xF7                                                              ; with the window
no_menu:    ldh [LCDC], a

            ld hl, FRAMES | inc [hl] | bit 0, [hl] | jr nz, slime_rests
            ld a, [SLIME_STEP] | ld b, a | ld a, [SLIME_X] | add b | ld [SLIME_X], a
            or a | jr z, slime_turns
            cp 144 | jr nz, slime_rests
slime_turns: ld a, b | cpl | inc a | ld [SLIME_STEP], a

slime_rests: ld hl, OAM                                                             ; sprites: b = y + 16, c = x + 8
            ld a, [PLAYER_X] | ld b, a | add 8 | ld c, a
            ld a, [PLAYER_Y] | xor b | and 4 | rrca | rrca | ld d, a                ; bobs with each step
            ld a, [PLAYER_Y] | add 16 | sub d | ld b, a
            ld a, [KEYS] | bit 5, a | jr z, on_ground
            ld a, b | sub 10 | ld b, a
on_ground:  ld a, [FACING] | ld de, poses | add e | ld e, a | call draw
            ld a, [PLAYER_X] | add 8 | ld c, a
            ld b, 0 | ld a, [KEYS] | bit 5, a | jr z, no_shadow
            ld a, [PLAYER_Y] | add 17 | ld b, a
no_shadow:  ld de, shadow | call draw
            ld a, [PLAYER_X] | add 8 | ld c, a
            ld b, 0 | ld a, [KEYS] | bit 4, a | jr z, no_bubble
            ld a, [PLAYER_Y] | inc a | ld b, a
no_bubble:  ld de, bubble | call draw
            ld a, [SLIME_X] | add 8 | ld c, a
            ld a, [FRAMES] | and 8 | rrca | rrca | ld b, a | ld a, [SLIME_Y] | add 16 | sub b | ld b, a
            ld de, slime | call draw

            ld hl, PLACES | ld b, 3
berry:      push bc
            ld c, [hl] | call near | jr nc, missed
            push hl | call cell | ld a, '.' | ld [hl+], a | ld [hl], a
            ld de, 31 | add hl, de | ld [hl+], a | ld [hl], a
            pop hl | call place | ld a, [SCORE] | inc a | ld [SCORE], a
            cp BERRIES | jr c, missed
            ld a, 1 | ld [OVER], a
missed:     push hl | ld c, [hl] | call cell | ld a, BERRY | ld [hl+], a | add 2 | ld [hl], a
            ld de, 31 | add hl, de | dec a | ld [hl+], a | add 2 | ld [hl], a
            pop hl | inc l | pop bc | dec b | jr nz, berry

            ld hl, TICKS | dec [hl] | jr nz, show
            ld [hl], 60 | ld a, [TIME] | sub 1 | daa | ld [TIME], a | jr nz, show
            ld a, 1 | ld [OVER], a
show:       ld a, [SCORE] | add '0' | ld [MAP + 2], a
            ld a, [TIME] | ld b, a | and 0x0F | add '0' | ld [MAP + 18], a
            ld a, b | swap a | and 0x0F | add '0' | ld [MAP + 17], a

            ld a, [FRAMES] | and 0x1F | jp nz, loop                                 ; flowers sway, about twice a second
            ld de, tiles + SWAY | ld a, [FRAMES] | and 0x20 | rrca | add e | ld e, a
            ld hl, TILES + SWAY | ld bc, 16 | call copy
            jp loop

new_game:   call screen_off
            ld hl, MAP | ld de, top | ld bc, 64 | call copy
            ld hl, MEADOW
sow:        call random | and 0x0F | ld de, ground | add e | ld e, a | ld a, [de] | ld [hl+], a
            ld a, h | cp 0x9B | jr nz, sow
            call random | and 0x7F | ld [PLAYER_X], a | call random | and 0x3F | add 40 | ld [PLAYER_Y], a
            call random | and 0x7F | inc a | ld [SLIME_X], a | call random | and 0x1F | add 32 | ld [SLIME_Y], a
            ld a, 1 | ld [SLIME_STEP], a | ld a, CLOCK | ld [TIME], a | ld a, 60 | ld [TICKS], a
            ld hl, PLACES | ld a, 0xFF | ld [hl+], a | ld [hl+], a | ld [hl], a
            call place | dec l | call place | dec l | call place
            xor a | ld [SCORE], a | ld [OVER], a | ld [FACING], a | ld [FRAMES], a | ld [RESTART], a
            ld a, 0xD7 | ldh [LCDC], a | ret

place:      call random | and 0x7F | ld b, a | and 0x0F | cp 10 | jr nc, place      ; a free cell into [hl]
            ld a, [PLACES] | cp b | jr z, place
            ld a, [PLACES + 1] | cp b | jr z, place
            ld a, [PLACES + 2] | cp b | jr z, place
            ld c, b | call near | jr c, place
            ld [hl], c | ret

near:       ld a, c | swap a | and 0xF0 | ld d, a                                   ; carry: the trainer reaches cell c
            ld a, [PLAYER_X] | sub d | add REACH | cp REACH + REACH + 1 | ret nc
            ld a, c | and 0x70 | add TOP | ld d, a
            ld a, [PLAYER_Y] | sub d | add REACH | cp REACH + REACH + 1 | ret

cell:       ld a, c | and 0x70 | ld l, a | ld h, 0 | add hl, hl | add hl, hl        ; hl = where cell c is in the map
            ld a, c | and 0x0F | add a | add l | ld l, a | ld de, MEADOW | add hl, de | ret

draw:       call half | ld a, c | add 8 | ld c, a                                   ; two sprites side by side
half:       ld a, b | ld [hl+], a | ld a, c | ld [hl+], a                           ; to hl, at b, c, looking like [de]
            ld a, [de] | inc de | ld [hl+], a | ld a, [de] | inc de | ld [hl+], a | ret

random:     push hl | ld a, [SEED] | ld l, a | ld a, [SEED + 1] | ld h, a           ; xorshift, 16 bits: 7, 9, 8
            rra | ld a, l | rra | xor h | ld h, a | ld a, l | rra | ld a, h | rra | xor l | ld l, a | xor h | ld h, a
            ld a, l | ld [SEED], a | ld a, h | ld [SEED + 1], a | pop hl | ret

copy:       ld a, [de] | inc de | ld [hl+], a | dec bc | ld a, b | or c | jr nz, copy
            ret

screen_off: ldh a, [LCDC] | add a | ret nc                                          ; off already
line:       ldh a, [LY] | cp 144 | jr nz, line
            xor a | ldh [LCDC], a | ret

            align 256                                                               ; tables within one page
poses:      db DOWN, 0, DOWN, MIRRORED | db UP, 0, UP, MIRRORED
            db SIDE + 2, MIRRORED, SIDE, MIRRORED | db SIDE, 0, SIDE + 2, 0
shadow:     db SHADOW, 0, SHADOW, MIRRORED
bubble:     db BUBBLE, 0, BUBBLE, MIRRORED
slime:      db SLIME, 0, SLIME, MIRRORED
ground:     text "f,,,............"
top:        row " *0         TIME 00" | row "hhhhhhhhhhhhhhhhhhhh"
menu:       row "=======" | row "=>BAG =" | row "=     =" | row "= MAP ="
            row "=     =" | row "= SAVE=" | row "=     =" | row "======="
            align 256
tiles:      drawings
tiles_end:
"""

R8 = ("b", "c", "d", "e", "h", "l", "[hl]", "a")
R16 = ("bc", "de", "hl", "sp")
PAIRS = ("bc", "de", "hl", "af")
CONDITIONS = ("nz", "z", "nc", "c")
ARITHMETIC = ("add", "adc", "sub", "sbc", "and", "xor", "or", "cp")
ROTATIONS = ("rlc", "rrc", "rl", "rr", "sla", "sra", "swap", "srl")
BITS = ("", "bit", "res", "set")
THROUGH = ("[bc]", "[de]", "[hl+]", "[hl-]")
PLAIN = {
    "nop": 0x00, "rlca": 0x07, "rrca": 0x0F, "rla": 0x17, "rra": 0x1F, "daa": 0x27, "cpl": 0x2F, "scf": 0x37,
    "ccf": 0x3F, "halt": 0x76, "ret": 0xC9, "reti": 0xD9, "di": 0xF3, "ei": 0xFB,
}  # fmt: skip

Value = Callable[[str], int]  # of an operand's text


def assemble(
    source: str,
    origin: int,
    symbols: dict[str, int],
    data: dict[str, bytes] | None = None,
    encode: Callable[[list[str], int, Value], bytes] | None = None,
) -> bytes:
    """Machine code for `source`, to lie at address `origin`: the SM83's, or another processor's by its `encode`.

    A line is `label: instruction | instruction ; comment`. Numbers are decimal or 0x…, 'c' is the tile of a character,
    terms add up with + and -. Beside the processor's instructions there are `db` (bytes), `text "…"` (tiles by
    character), `row "…"` (the same, filled up to the 32 tiles of a map's row), `align N`, and the names of `data`.
    ValueError names the line that could not be assembled.
    """
    names = dict(symbols)
    for strict in (False, True):  # the first pass finds the labels: no length depends on a value
        code = bytearray()
        for label, words in _instructions(source):
            here = origin + len(code)
            if label:
                names[label] = here
                continue
            try:
                if words[0] in (data or {}):
                    code += data[words[0]]  # type: ignore[index]
                else:
                    code += (encode or encode_sm83)(words, here, partial(_value, names, None if strict else here))
            except (ValueError, OverflowError) as error:
                raise ValueError(f"Cannot assemble {' '.join(words)!r}: {error}") from error
    return bytes(code)


def _instructions(source: str) -> Iterator[tuple[str, list[str]]]:
    """(label, []) or ("", [mnemonic, operand, …]), in order."""
    for line in source.splitlines():
        code = line.split(";")[0].rstrip()
        label, colon, rest = code.rpartition(":")
        if colon:
            yield label.strip(), []
        for part in filter(None, map(str.strip, rest.split(" | "))):
            mnemonic, _, operands = part.partition(" ")
            whole = mnemonic in ("text", "row")
            yield (
                "",
                [
                    mnemonic,
                    *([operands.strip().strip('"')] if whole else filter(None, map(str.strip, operands.split(",")))),
                ],
            )


def _value(names: dict[str, int], unknown: int | None, text: str) -> int:
    """What terms and names add up to; `unknown` is used for a name that is not known yet."""
    total, sign = 0, 1
    for term in text.split():
        if term in "+-":
            sign = 1 if term == "+" else -1
        elif term[0] == "'":
            total += sign * tile_of(term[1])
        elif term.lstrip("-")[0].isdigit():
            total += sign * int(term, 0)
        elif (value := names.get(term, unknown)) is not None:
            total += sign * value
        else:
            raise ValueError(f"unknown name {term!r}")
    return total


def tile_of(character: str) -> int:
    return 2 * len(columns(TALL)) + CHARACTERS.index(character)


def _byte(value: int) -> bytes:
    return (value & 0xFF if -128 <= value < 0 else value).to_bytes(1, "little")


def _word(value: int) -> bytes:
    return value.to_bytes(2, "little")


def encode_sm83(words: list[str], here: int, value: Value) -> bytes:
    """The bytes of one instruction or directive at address `here`."""

    def address(text: str) -> bytes:
        return _word(value(text.strip("[]")))

    def nearby(text: str) -> bytes:
        distance = value(text) - here - 2
        if not -128 <= distance < 128:
            raise ValueError(f"{distance} bytes away: jr reaches 128")
        return (distance % 256).to_bytes(1, "little")

    match words:
        case ["db", *items]:
            return b"".join(_byte(value(item)) for item in items)
        case ["text", text]:
            return bytes(map(tile_of, text))
        case ["row", text]:
            return bytes(map(tile_of, text.ljust(32)))
        case ["align", size]:
            return bytes(-here % value(size))
        case [plain] if plain in PLAIN:
            return bytes([PLAIN[plain]])
        case ["ld", "a", pointer] if pointer in THROUGH:
            return bytes([0x0A + 16 * THROUGH.index(pointer)])
        case ["ld", pointer, "a"] if pointer in THROUGH:
            return bytes([0x02 + 16 * THROUGH.index(pointer)])
        case ["ld", to, of] if to in R8 and of in R8 and (to, of) != ("[hl]", "[hl]"):
            return bytes([0x40 + 8 * R8.index(to) + R8.index(of)])
        case ["ld", "a", of] if of[0] == "[":
            return b"\xfa" + address(of)
        case ["ld", to, "a"] if to[0] == "[":
            return b"\xea" + address(to)
        case ["ld", to, number] if to in R8:
            return bytes([0x06 + 8 * R8.index(to)]) + _byte(value(number))
        case ["ld", to, number] if to in R16:
            return bytes([0x01 + 16 * R16.index(to)]) + _word(value(number))
        case ["ldh", "a", of]:
            return b"\xf0" + address(of)[:1]
        case ["ldh", to, "a"]:
            return b"\xe0" + address(to)[:1]
        case ["inc" | "dec" as name, register] if register in R8:
            return bytes([0x04 + (name == "dec") + 8 * R8.index(register)])
        case ["inc" | "dec" as name, pair] if pair in R16:
            return bytes([0x03 + 8 * (name == "dec") + 16 * R16.index(pair)])
        case ["add", "hl", pair] if pair in R16:
            return bytes([0x09 + 16 * R16.index(pair)])
        case ["push" | "pop" as name, pair] if pair in PAIRS:
            return bytes([0xC1 + 4 * (name == "push") + 16 * PAIRS.index(pair)])
        case [name, register] if name in ARITHMETIC and register in R8:
            return bytes([0x80 + 8 * ARITHMETIC.index(name) + R8.index(register)])
        case [name, number] if name in ARITHMETIC:
            return bytes([0xC6 + 8 * ARITHMETIC.index(name)]) + _byte(value(number))
        case [name, register] if name in ROTATIONS and register in R8:
            return bytes([0xCB, 8 * ROTATIONS.index(name) + R8.index(register)])
        case ["bit" | "res" | "set" as name, bit, register] if register in R8 and bit in "01234567":
            return bytes([0xCB, 64 * BITS.index(name) + 8 * int(bit) + R8.index(register)])
        case ["jr", label]:
            return b"\x18" + nearby(label)
        case ["jr", condition, label] if condition in CONDITIONS:
            return bytes([0x20 + 8 * CONDITIONS.index(condition)]) + nearby(label)
        case ["jp", label]:
            return b"\xc3" + address(label)
        case ["jp", condition, label] if condition in CONDITIONS:
            return bytes([0xC2 + 8 * CONDITIONS.index(condition)]) + address(label)
        case ["call", label]:
            return b"\xcd" + address(label)
        case ["call", condition, label] if condition in CONDITIONS:
            return bytes([0xC4 + 8 * CONDITIONS.index(condition)]) + address(label)
        case ["ret", condition] if condition in CONDITIONS:
            return bytes([0xC0 + 8 * CONDITIONS.index(condition)])
    raise ValueError("no such instruction")


def columns(sheet: str) -> list[list[str]]:
    """The drawings of `sheet`, from left to right, each as its rows."""
    return [list(column) for column in zip(*(line.split() for line in sheet.strip().splitlines()), strict=True)]


def _planes(rows: list[str]) -> bytes:
    """The console's form of 8 pixels a row: the low bits of the shades, then the high bits."""
    shades = [[".-+#".index(pixel) for pixel in row] for row in rows]
    return bytes(
        sum((shade >> plane & 1) << (7 - x) for x, shade in enumerate(row)) for row in shades for plane in (0, 1)
    )


def drawings() -> bytes:
    """All tiles, 16 bytes each, in the order of TALL, SQUARE and FONT."""
    letters = [["........", *(f"..{row}." for row in glyph)] for glyph in columns(FONT)]
    return b"".join(map(_planes, [*columns(TALL), *columns(SQUARE), *letters]))


def build() -> bytes:
    """The ROM: 32,768 bytes, the same at each call."""
    names = RAM | HARDWARE | TILE | {"SWAY": 16 * tile_of("f"), "CLOCK": int(str(SECONDS), 16), "BERRIES": BERRIES}
    names |= {"RIGHT_END": COLUMNS, "TOP": TOP, "BOTTOM_END": TOP + ROWS, "REACH": REACH}
    rom = bytearray(SIZE)
    rom[0x100:0x104] = assemble("nop | jp 0x150", 0x100, {})
    rom[0x134:0x142] = b"POKEGEN MEADOW"
    program = assemble(PROGRAM, 0x150, names, {"drawings": drawings()})
    rom[0x150 : 0x150 + len(program)] = program
    rom[0x14D] = header_checksum(rom)
    rom[0x14E:0x150] = (sum(rom) & 0xFFFF).to_bytes(2, "big")
    return bytes(rom)


def header_checksum(rom: bytes | bytearray) -> int:
    """What byte 0x14D has to be: the console checks bytes 0x134 to 0x14C by it."""
    return sum(~byte for byte in rom[0x134:0x14D]) & 0xFF
