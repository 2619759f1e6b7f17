"""A meadow of one screen in the manner of a Game Boy game, where generated Pokémon walk: a unit test for agents and for
inverse dynamics models, since whatever key was pressed is seen in the next frame.

All pictures but the creatures are drawn here, as text; frames are put together from tiles with numpy alone. Left out:
sound, words, rooms behind doors, scrolling.

Lengths are pixels or tiles of 16 pixels; (x, y) is from the top left corner, y downwards.
"""

import copy
from collections import deque
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs.names import KEYS

TILE, SIDE = 16, 8  # pixels of a tile, tiles of the screen
SCREEN = TILE * SIDE
CREATURE = 20  # pixels, a little more than a tile
SHIPPED = 16  # creatures drawn by the shipped model
FACINGS = ("up", "down", "left", "right")
STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # (x, y) of each facing
GRASS, PATH, WATER, TREE = range(4)  # kinds of ground; the last two stop whoever walks
STEP_COST, CATCH = -0.01, 1.0
HOP = 9  # pixels
WANDER = 0.04  # chance that a creature moves in a step: every two seconds or so
DISTANCE = 3  # tiles between the player and each creature at the start, at least


class Picture:
    """Pixels to be put onto a frame. `color`: uint8 RGB (H, W, 3); `drawn`: bool (H, W, 1), False where it is clear."""

    def __init__(self, color: np.ndarray, drawn: np.ndarray):
        self.color, self.drawn = color, drawn

    def flipped(self) -> "Picture":
        """Left to right."""
        return Picture(self.color[:, ::-1].copy(), self.drawn[:, ::-1].copy())

    def put(self, frame: np.ndarray, x: int, y: int) -> None:
        """Draw with the top left corner at (x, y), as far as it lies on the frame, uint8 (H, W, 3)."""
        left, top = max(0, -x), max(0, -y)
        part = frame[y + top : y + len(self.color), x + left : x + self.color.shape[1]]
        to = slice(top, top + part.shape[0]), slice(left, left + part.shape[1])
        np.copyto(part, self.color[to], where=self.drawn[to])

    def put_inside(self, frame: np.ndarray, x: int, y: int) -> None:
        """The same, moved onto the frame where it would cross the edge."""
        height, width = self.color.shape[:2]
        self.put(frame, min(max(0, x), frame.shape[1] - width), min(max(0, y), frame.shape[0] - height))


def pictures(sprites: np.ndarray, size: int) -> list[Picture]:
    """Sprites on white, uint8 (N, S, S, 3) → pictures of `size` pixels: cropped, shrunk, outlined, standing on the
    lower edge. White around the creature becomes clear."""
    from PIL import Image  # these three where creatures are drawn, once
    from scipy.ndimage import binary_dilation

    from pokegen.images import transparent

    result, inner = [], size - 2
    for rgba in transparent(sprites):
        rows, columns = (np.flatnonzero((rgba[..., 3] > 127).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            raise UserError("A sprite is empty: expected creatures on white.")
        rgba = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        share = inner / max(rgba.shape[:2])
        height, width = (max(1, round(length * share)) for length in rgba.shape[:2])
        small = Image.fromarray(rgba).convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
        canvas = np.zeros((size, size, 4), np.uint8)
        left = (size - width) // 2
        canvas[size - 1 - height : size - 1, left : left + width] = np.asarray(small)
        body = canvas[..., 3] > 110
        drawn = binary_dilation(body)
        color = np.where(body[..., None], canvas[..., :3], np.array(_COLORS["K"], np.uint8))
        result.append(Picture(color, drawn[..., None]))
    return result


@cache
def shipped_sprites() -> np.ndarray:
    """Creatures of the zoo's `projected_gan`, uint8 (SHIPPED, 128, 128, 3), drawn once a process."""
    import torch  # here, since who brings sprites of their own needs none

    from pokegen import zoo
    from pokegen.models.pixels import to_pixels

    model = zoo.load("projected_gan").model
    usual = {"shiny": torch.zeros(SHIPPED, dtype=torch.long)}
    sprites = to_pixels(model.sample(SHIPPED, condition=usual, generator=torch.Generator().manual_seed(0)))
    sprites.flags.writeable = False
    return sprites


def checked_sprites(sprites: np.ndarray | None, least: int) -> np.ndarray:
    """Those given, or the shipped ones. UserError for what is not uint8 (N, S, S, 3) with N of `least` or more."""
    if sprites is None:
        return shipped_sprites()
    given = np.asarray(sprites)
    if given.dtype != np.uint8 or given.ndim != 4 or given.shape[3] != 3 or len(given) < least:
        raise UserError(f"sprites must be uint8 (N, S, S, 3), N at least {least}: got {given.dtype} {given.shape}.")
    return given


class Overworld(gymnasium.Env[np.ndarray, int]):
    """
    ## Description

    A player walks in a meadow with trees and a pond, on one screen of 8×8 tiles, and catches the creatures that wander
    there by pressing `a` in front of them. Each map is new. A step is a frame at 15 frames a second.

    ## Action Space

    `Discrete(9)`: the keys of a Game Boy, `KEYS` of names.py. Each is seen in the next frame, every time that it
    is pressed; what is seen of it depends on the key and on where things are, not on the keys before it.

    | Num | Key                   | What it does                              | The next frame shows                   |
    |-----|-----------------------|-------------------------------------------|----------------------------------------|
    | 0   | none                  | nothing                                   | the player stands                      |
    | 1-4 | up, down, left, right | turns; walks one tile, where that is free | a walking pose, dust behind the player |
    |     |                       | against tree, water, creature, edge       | a jerk that way, a star in front       |
    | 5   | a                     | catches the creature on the tile in front | a bubble there, with a heart or dots   |
    | 6   | b                     | nothing                                   | the player in the air, its shadow      |
    | 7   | start                 | nothing                                   | a menu                                 |
    | 8   | select                | changes the cap: red, blue                | sparks around the player               |

    ## Observation Space

    The frame, `Box(0, 255, (128, 128, 3), uint8)`, RGB, which is also what `render()` gives. The state, float32, is in
    `info["state"]` and the property `vector`, with C creatures of 4 + 3C + 64 entries:

    | Index         | Entry                                                   | Range        |
    |---------------|---------------------------------------------------------|--------------|
    | 0, 1          | the player's x and y, in tiles                          | 0 to 7       |
    | 2             | where it looks: up, down, left, right                   | 0 to 3       |
    | 3             | cap: red, blue                                          | 0 or 1       |
    | 4 + 3i to 6 + 3i | creature i: x and y in tiles, where last seen; caught | 0 to 7; 0, 1 |
    | last 64       | by row, each tile: free, or water or tree               | 0 or 1       |

    ## Rewards

    -0.01 a step, +1 for each creature caught.

    ## Starting State

    Map, places, creatures are drawn from the seed. All free tiles are connected, and each creature begins three tiles
    or more from the player. It moves to a free neighbouring tile in a step with probability 0.04.

    ## Episode End

    Termination: all creatures are caught. Truncation: 600 steps, by the registered time limit.

    ## Arguments

    | Parameter   | Type                 | Default | Description                                             |
    |-------------|----------------------|---------|---------------------------------------------------------|
    | `creatures` | **int**              | `3`     | how many, 1 to 6                                        |
    | `sprites`   | **ndarray or None**  | `None`  | uint8 (N, S, S, 3) on white, of which as many are drawn |

    Without `sprites`, the creatures are drawn by a shipped model.

    ## Version History

    * v0: Initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012  # as Gymnasium has it
    action_names = KEYS

    def __init__(self, render_mode: str | None = None, creatures: int = 3, sprites: np.ndarray | None = None):
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"Unknown render_mode {render_mode!r}. Known: 'rgb_array', or None.")
        if not 1 <= creatures <= 6:
            raise UserError(f"creatures must be from 1 to 6, got {creatures}.")
        self.render_mode, self.creatures = render_mode, creatures
        self._looks = pictures(checked_sprites(sprites, creatures), CREATURE)
        self._art = _art()
        self.action_space = spaces.Discrete(len(KEYS))
        self.observation_space = spaces.Box(0, 255, (SCREEN, SCREEN, 3), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        rng = self.np_random
        self.ground, self._variant = draw_map(rng)
        free = [(x, y) for y in range(SIDE) for x in range(SIDE) if self._walkable(x, y)]
        self.player = free[rng.integers(len(free))]
        far = [(x, y) for x, y in free if abs(x - self.player[0]) + abs(y - self.player[1]) >= DISTANCE]
        self.places = [far[i] for i in rng.choice(len(far), self.creatures, replace=False)]
        self.caught = [False] * self.creatures
        self.facing, self.cap = FACINGS.index("down"), 0
        self._kinds = rng.choice(len(self._looks), self.creatures, replace=False).tolist()
        self._key, self._blocked, self._hit = "none", False, False
        self._meadow = draw_ground(self.ground, self._variant)
        return self._frame(), {"state": self.vector}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not one of the actions 0 to {len(KEYS) - 1}"
        self._key, self._blocked, self._hit = KEYS[action], False, False
        if self._key in FACINGS:
            self.facing = FACINGS.index(self._key)
            self._blocked = not self._open(*self.faced)
            if not self._blocked:
                self.player = self.faced
        elif self._key == "a":
            for i in self._loose():
                if self.places[i] == self.faced:
                    self.caught[i] = self._hit = True
        elif self._key == "select":
            self.cap = 1 - self.cap
        self._wander()
        reward = STEP_COST + CATCH * self._hit
        return self._frame(), reward, all(self.caught), False, {"state": self.vector}

    def render(self) -> np.ndarray | None:
        return self._frame() if self.render_mode == "rgb_array" else None

    @property
    def faced(self) -> tuple[int, int]:
        """(x, y) of the tile in front of the player, which may lie beyond the edge."""
        dx, dy = STEPS[self.facing]
        return self.player[0] + dx, self.player[1] + dy

    @property
    def vector(self) -> np.ndarray:
        """The state, float32 (4 + 3 · creatures + 64,): see the class's observation space."""
        moving = [value for (x, y), caught in zip(self.places, self.caught, strict=True) for value in (x, y, caught)]
        solid = (self.ground >= WATER).ravel()
        return np.array([*self.player, self.facing, self.cap, *moving, *solid], np.float32)

    def save_state(self) -> dict[str, Any]:
        """The exact state of an episode, random numbers and the last key included."""
        return copy.deepcopy({key: getattr(self, key) for key in _STATE} | {"rng": self.np_random.bit_generator.state})

    def restore_state(self, state: dict[str, Any]) -> None:
        """Go on from what `save_state` gave, of this environment or of another with the same options."""
        for key, value in copy.deepcopy({key: state[key] for key in _STATE}).items():
            setattr(self, key, value)
        self.np_random.bit_generator.state = state["rng"]
        self._meadow = draw_ground(self.ground, self._variant)

    def expert_action(self) -> int:
        """The action of a player who goes the shortest way to the nearest creature and catches it. none where each way
        is blocked."""
        loose = {self.places[i] for i in self._loose()}
        ways: deque[tuple[tuple[int, int], int | None]] = deque([(self.player, None)])  # a tile, the way's first facing
        seen = {self.player}
        while ways:
            (x, y), first = ways.popleft()
            for facing in (self.facing, *range(4)):  # without a turn where that is as short
                place = x + STEPS[facing][0], y + STEPS[facing][1]
                begun = facing if first is None else first
                if place in loose:
                    ready = first is None and facing == self.facing
                    return KEYS.index("a" if ready else FACINGS[begun])
                if place not in seen and self._open(*place):
                    seen.add(place)
                    ways.append((place, begun))
        return KEYS.index("none")

    def _walkable(self, x: int, y: int) -> bool:
        return 0 <= x < SIDE and 0 <= y < SIDE and bool(self.ground[y, x] < WATER)

    def _open(self, x: int, y: int) -> bool:
        """Whether the player could walk there now."""
        return self._walkable(x, y) and all(self.places[i] != (x, y) for i in self._loose())

    def _loose(self) -> list[int]:
        return [i for i, caught in enumerate(self.caught) if not caught]

    def _wander(self) -> None:
        """Draws the same random numbers whatever was pressed."""
        moves = self.np_random.random(self.creatures) < WANDER
        ways = self.np_random.integers(4, size=self.creatures)
        for i in self._loose():
            place = self.places[i][0] + STEPS[ways[i]][0], self.places[i][1] + STEPS[ways[i]][1]
            if moves[i] and place != self.player and self._open(*place):
                self.places[i] = place

    def _frame(self) -> np.ndarray:
        """uint8 RGB (128, 128, 3)."""
        art, frame = self._art, self._meadow.copy()
        loose = sorted(self._loose(), key=lambda i: self.places[i][1])  # what is nearer hides what is farther
        for i in loose:
            if self.places[i][1] <= self.player[1]:
                self._put_creature(frame, i)
        x, y = self.player[0] * TILE, self.player[1] * TILE
        dx, dy = STEPS[self.facing]
        pose, key = "stand", self._key
        if key in FACINGS:
            pose = f"walk{sum(self.player) % 2}"
            if self._blocked:
                x, y = x + 4 * dx, y + 4 * dy
            else:
                art["dust"].put_inside(frame, x - 13 * dx, y + 3 - 12 * dy)
        elif key == "b":
            art["shadow"].put(frame, x, y + 11)
            y -= HOP
        art[f"{self.cap}{FACINGS[self.facing]}{pose}"].put(frame, x, y - 4)
        for i in loose:
            if self.places[i][1] > self.player[1]:
                self._put_creature(frame, i)
        if self._blocked:
            art["star"].put(frame, x + 2 + 5 * dx, y + 2 + 5 * dy)  # half on the tile ahead, half off the screen
        elif key == "a":
            art["heart" if self._hit else "dots"].put_inside(frame, x + 16 * dx, y - 2 + 16 * dy)
        elif key == "select":
            for right, down in ((-10, -14), (17, -14), (-10, 8), (17, 8)):
                art["spark"].put_inside(frame, x + right, y + down)
        elif key == "start":
            art["menu"].put(frame, 4 if self.player[0] >= SIDE // 2 else SCREEN - 56, 8)
        return frame

    def _put_creature(self, frame: np.ndarray, i: int) -> None:
        x, y = self.places[i]
        self._looks[self._kinds[i]].put_inside(frame, x * TILE - 2, y * TILE - 5)


_STATE = ("ground", "_variant", "player", "places", "caught", "facing", "cap", "_kinds", "_key", "_blocked", "_hit")


def draw_map(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A map's ground, int8 (8, 8) of GRASS, PATH, WATER, TREE, and a number for each tile's looks, int8 (8, 8). The
    tiles that can be walked on, 44 or more, are always connected."""
    solid = np.zeros((SIDE, SIDE), bool)
    ground = np.full((SIDE, SIDE), GRASS, np.int8)
    pond = [tuple(rng.integers(1, SIDE - 2, 2).tolist())]
    for kind, count in ((WATER, int(rng.integers(4, 9))), (TREE, int(rng.integers(8, 13)))):
        for _ in range(count):
            y, x = pond[rng.integers(len(pond))] if kind == WATER else rng.integers(0, SIDE, 2).tolist()
            if kind == WATER and solid[y, x]:  # it grows at its shore
                dx, dy = STEPS[rng.integers(4)]
                x, y = min(max(0, x + dx), SIDE - 1), min(max(0, y + dy), SIDE - 1)
            if solid[y, x]:
                continue
            solid[y, x] = True
            if not connected(~solid):
                solid[y, x] = False
                continue
            ground[y, x] = kind
            if kind == WATER:
                pond.append((y, x))
    for y, x in _shortest(solid, rng):
        ground[y, x] = PATH
    return ground, rng.integers(0, 8, (SIDE, SIDE)).astype(np.int8)


def connected(free: np.ndarray) -> bool:
    """Whether the free tiles, bool (H, W), are of one piece, seen as four neighbours each."""
    cells = {(y, x) for y, x in np.argwhere(free).tolist()}
    if not cells:
        return False
    found = [cells.pop()]
    while found:
        y, x = found.pop()
        for dx, dy in STEPS:
            if (y + dy, x + dx) in cells:
                cells.remove((y + dy, x + dx))
                found.append((y + dy, x + dx))
    return not cells


def _shortest(solid: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(y, x) of a way's tiles between the left and the right side, or between the upper and the lower."""
    turned = bool(rng.integers(2))
    free = ~(solid.T if turned else solid)
    starts = np.flatnonzero(free[:, 0])
    if not len(starts):
        return []
    start = int(rng.choice(starts)), 0
    before: dict[tuple[int, int], tuple[int, int] | None] = {start: None}
    ways = deque([start])
    while ways:
        y, x = ways.popleft()
        if x == SIDE - 1:
            way: list[tuple[int, int]] = []
            place: tuple[int, int] | None = (y, x)
            while place is not None:
                way.append(place[::-1] if turned else place)
                place = before[place]
            return way
        for dx, dy in ((1, 0), (0, -1), (0, 1), (-1, 0)):
            near = y + dy, x + dx
            if near not in before and 0 <= near[0] < SIDE and 0 <= near[1] < SIDE and free[near]:
                before[near] = y, x
                ways.append(near)
    return []


# Pictures as text: a letter is a colour, a dot is clear.
_COLORS = {
    "K": (43, 42, 59), "W": (255, 255, 255), "L": (214, 218, 228), "M": (150, 156, 176),
    "C": (222, 62, 58), "c": (170, 38, 50), "H": (112, 66, 44), "S": (250, 206, 164), "s": (224, 160, 122),
    "T": (66, 122, 206), "t": (44, 88, 164), "P": (70, 76, 120), "p": (52, 56, 92), "B": (150, 58, 46),
    "Y": (250, 206, 70), "y": (222, 158, 44), "R": (232, 70, 92), "D": (58, 104, 60),
    "g": (124, 188, 96), "G": (104, 170, 82), "l": (146, 206, 114), "q": (72, 140, 70),
    "a": (232, 212, 156), "b": (214, 188, 128), "w": (84, 152, 226), "v": (124, 184, 242), "u": (58, 118, 196),
    "e": (44, 110, 66), "f": (64, 142, 78), "h": (98, 176, 94), "n": (122, 82, 52), "N": (92, 60, 42),
}  # fmt: skip
_BLUE_CAP = {"C": (70, 116, 224), "c": (44, 74, 170)}

_HEAD = {
    "down": """
.....KKKKKK.....
....KCCCCCCK....
...KCCCWWCCCK...
..KCCCWWWWCCCK..
..KCCCCWWCCCCK..
..KccccccccccK..
..KHKKKKKKKKHK..
..KHSSSSSSSSHK..
..KSSKSSSSKSSK..
..KsSKSSSSKSsK..
...KSSSSSSSSK...
....KKSssSKK....""",
    "up": """
.....KKKKKK.....
....KCCCCCCK....
...KCCCCCCCCK...
..KCCCCCCCCCCK..
..KCCCCCCCCCCK..
..KccccccccccK..
..KHHHHHHHHHHK..
..KHHHHHHHHHHK..
..KSHHHHHHHHSK..
..KsHHHHHHHHsK..
...KHHHHHHHHK...
....KKHHHHKK....""",
    "left": """
.....KKKKKK.....
....KCCCCCCK....
...KCCCCCCCCK...
..KWWCCCCCCCK...
..KWWCCCCCCCK...
.KKcccccccccK...
KccccccKHHHHK...
.KKKSSSSHHHHHK..
..KSKSSSSHHHHK..
..KSKSSSSSHHK...
..KSSSSSSsHHK...
...KKSSssKKK....""",
}
_BODY = {
    "down": """
...KKTTWWTTKK...
..KTKTTWWTTKTK..
..KTKTTTTTTKTK..
..KSKttttttKSK..
...KKPPPPPPKK...""",
    "up": """
...KKYYYYYYKK...
..KTKYYyyYYKTK..
..KTKYYYYYYKTK..
..KSKyyyyyyKSK..
...KKPPPPPPKK...""",
    "left": """
....KTTTTKYYK...
....KTTTTKYYyK..
....KTKTTKYYyK..
....KtSStKyyK...
....KPPPPPKK....""",
}
_LEGS = {
    "stand": """
....KPPKKPPK....
....KPPKKPPK....
....KBBKKBBK....""",
    "walk0": """
....KPPPKPPK....
....KBBKKPPK....
.....KK.KBBK....""",
    "leftstand": """
....KPPKPPK.....
....KPPKPPK.....
...KBBKBBBK.....""",
    "leftwalk0": """
...KPPPPPPPK....
..KPPKK.KPPBK...
..KBBK...KBBK...""",
    "leftwalk1": """
....KPPPPPPKK...
....KPPPKKPBBK..
...KBBBK..KKK...""",
}
STAR = """
.....KK.....
....KYYK....
.KK.KYYK.KK.
.KYKYWWYKYK.
..KYWWWWYK..
KKYWWWWWWYKK
KKYWWWWWWYKK
..KYWWWWYK..
.KYKYWWYKYK.
.KK.KYYK.KK.
....KYYK....
.....KK....."""
_EFFECTS = {
    "dust": """
...KKK..........
..KWWWK...KKK...
.KWWWWWK.KWWWK..
KWWWWWWWKWWWWWK.
KWWLWWWLKWWLWWK.
.KLLWLLKKLWWLLK.
..KKLKK..KLLKK..
....K.....KK....""",
    "star": STAR,
    "shadow": """
....DDDDDDDD....
..DDDDDDDDDDDD..
.DDDDDDDDDDDDDD.
..DDDDDDDDDDDD..
....DDDDDDDD....""",
    "spark": """
....K....
...KWK...
...KWK...
.KKYWYKK.
KWWWWWWWK
.KKYWYKK.
...KWK...
...KWK...
....K....""",
    "heart": """
..KKKKKKKKKKKK..
.KWWWWWWWWWWWWK.
KWWWWWWWWWWWWWWK
KWWWRRRWWRRRWWWK
KWWRRRRRRRRRRWWK
KWWRRRRRRRRRRWWK
KWWRRRRRRRRRRWWK
KWWWRRRRRRRRWWWK
KWWWWRRRRRRWWWWK
KWWWWWRRRRWWWWWK
KWWWWWWRRWWWWWWK
KWWWWWWWWWWWWWWK
.KWWWWWWWWWWWWK.
..KKKKWWWWKKKK..
.....KWWWK......
......KKK.......""",
    "dots": """
..KKKKKKKKKKKK..
.KWWWWWWWWWWWWK.
KWWWWWWWWWWWWWWK
KWWWWWWWWWWWWWWK
KWWWWWWWWWWWWWWK
KWWKKWWKKWWKKWWK
KWWKKWWKKWWKKWWK
KWWKKWWKKWWKKWWK
KWWWWWWWWWWWWWWK
KWWWWWWWWWWWWWWK
KWWWWWWWWWWWWWWK
KWWWWWWWWWWWWWWK
.KWWWWWWWWWWWWK.
..KKKKWWWWKKKK..
.....KWWWK......
......KKK.......""",
}
_ICONS = """
..KKKKKK....
.KCCCCCCK...
KCCWCCCCCK..
KCCCCCCCCK..
KKKKWWKKKK..
KWWKWWKWWK..
KWWWKKWWWK..
.KWWWWWWK...
..KKKKKK....
............
...KKKK.....
..KK..KK....
.KyyyyyyK...
KYYYYYYYYK..
KYyKKKKyYK..
KYYKWWKYYK..
KYYYYYYYYK..
.KyyyyyyK...
..KKKKKK....
............
.KKK..KKK...
KRRRKKRRRK..
KRWRRRRRRK..
KRRRRRRRRK..
.KRRRRRRK...
..KRRRRK....
...KRRK.....
....KK......
............
............
....KK......
.KK.MM.KK...
.KMKMMKMK...
..KMMMMK....
KKMMKKMMKK..
KKMMKKMMKK..
..KMMMMK....
.KMKMMKMK...
.KK.MM.KK...
....KK......"""
_GROUND = {
    "tree": """
.....KKKKKK.....
...KKfhhhffKK...
..KfhhhhhfffeK..
.KfhhhhhffffeeK.
.KfhhhhfffhfeeK.
KfhhhfffhhhffeeK
KffhfffffhffeeeK
KfffffhffffffeeK
KeffffhhfffeeeeK
KeefffffffeeeeeK
.KeeeffffeeeeeK.
..KKeeeeeeeeKK..
....KKKnNKKK....
..DD..KnNK..DD..
...DDKnnNNKDD...
......KKKK......""",
    "blade": """
..q....
q.q..q.
.qq.q..
..qqq..""",
    "flower": """
.RR.
RYYR
RYYR
.RR.
..q.
.qq.""",
    "daisy": """
.WW.
WYYW
WYYW
.WW.
..q.
.qq.""",
    "wave": """
.vv...vv
v..vvv..""",
    "pebble": """
.bb.
bbbb""",
}


def picture(rows: str, other: dict[str, tuple[int, int, int]] | None = None) -> Picture:
    """A picture from text: a line a row of pixels, a letter a colour, of `other` before `_COLORS`; a dot is clear."""
    lines, colors = rows.strip("\n").split("\n"), _COLORS | (other or {}) | {".": (0, 0, 0)}
    color = np.array([[colors[letter] for letter in line] for line in lines], np.uint8)
    return Picture(color, np.array([[[letter != "."] for letter in line] for line in lines]))


@cache
def _art() -> dict[str, Picture]:
    """Effects by name; the player's pictures, 16×20, by cap, facing and pose, such as `0leftwalk1`."""
    art = {name: picture(rows) for name, rows in _EFFECTS.items()} | {"menu": _menu()}
    for cap, colors in enumerate(({}, _BLUE_CAP)):
        for facing in ("down", "up"):
            for pose in ("stand", "walk0"):
                art[f"{cap}{facing}{pose}"] = picture(_HEAD[facing] + _BODY[facing] + _LEGS[pose], colors)
            art[f"{cap}{facing}walk1"] = art[f"{cap}{facing}walk0"].flipped()
        for pose in ("stand", "walk0", "walk1"):
            art[f"{cap}left{pose}"] = picture(_HEAD["left"] + _BODY["left"] + _LEGS[f"left{pose}"], colors)
            art[f"{cap}right{pose}"] = art[f"{cap}left{pose}"].flipped()
    return art


def _menu() -> Picture:
    """A panel of 52×112 with four lines: ball, bag, heart, cog."""
    panel = np.full((112, 52, 3), _COLORS["K"], np.uint8)
    for inset, name in ((2, "M"), (4, "K"), (5, "W")):
        panel[inset : 112 - inset, inset : 52 - inset] = _COLORS[name]
    icons = picture(_ICONS)
    for i in range(4):
        line = slice(10 * i, 10 * i + 10)
        Picture(icons.color[line], icons.drawn[line]).put(panel, 11, 13 + 25 * i)
        for dots, y in ((20, 15), (12, 20)):
            panel[y + 25 * i : y + 25 * i + 2, 25 : 25 + dots - 2 * (i % 2)] = _COLORS["M"]
    panel[17:20, 7:9] = panel[16:21, 7] = np.array(_COLORS["K"], np.uint8)
    return Picture(panel, np.ones((112, 52, 1), bool))


@cache
def _tiles() -> dict[tuple[int, int, int], np.ndarray]:
    """Each tile's pixels, uint8 (16, 16, 3), by kind, the bits of neighbours of its kind (up 1, down 2, left 4, right
    8), and a number for its looks, 0 to 7."""
    drawn = {name: picture(rows) for name, rows in _GROUND.items()}
    tiles = {}
    for looks in range(8):
        rng = np.random.default_rng(looks)
        grass = np.full((TILE, TILE, 3), _COLORS["g"], np.uint8)
        for y, x in rng.integers(0, TILE - 2, (5, 2)).tolist():
            grass[y, x : x + 2] = _COLORS["G" if (x + y) % 2 else "l"]
        for name, x, y in ((("blade", 2, 3), ("blade", 8, 10)), (("flower", 3, 8), ("daisy", 10, 2)))[looks % 2]:
            if looks in (1, 2, 4):
                drawn[name].put(grass, x, y)
        for bits in range(16):
            tiles[GRASS, bits, looks] = grass
            wood = grass.copy()
            drawn["tree"].put(wood, 0, 0)
            tiles[TREE, bits, looks] = wood
            sand = np.full((TILE, TILE, 3), _COLORS["a"], np.uint8)
            drawn["pebble"].put(sand, 3 + looks, 4 + looks % 3)
            _rim(sand, bits, (("g", 2), ("b", 1)))
            tiles[PATH, bits, looks] = sand
            lake = np.full((TILE, TILE, 3), _COLORS["w"], np.uint8)
            drawn["wave"].put(lake, 2 + looks % 4, 5)
            drawn["wave"].put(lake, 6 - looks % 4, 11)
            _rim(lake, bits, (("g", 1), ("b", 2), ("u", 1)))
            tiles[WATER, bits, looks] = lake
    return tiles


def _rim(tile: np.ndarray, bits: int, bands: tuple[tuple[str, int], ...]) -> None:
    """Draw bands of colour and width, from outside inwards, along those edges where no neighbour is of the kind."""
    up, down, left, right = (not bits & 1 << i for i in range(4))
    inset = 0
    for name, width in bands:
        for _ in range(width):
            low, high = inset, TILE - 1 - inset
            rows = slice(low if up else 0, high + 1 if down else TILE)
            columns = slice(low if left else 0, high + 1 if right else TILE)
            for edge, to in (
                (up, (low, columns)),
                (down, (high, columns)),
                (left, (rows, low)),
                (right, (rows, high)),
            ):
                if edge:
                    tile[to] = _COLORS[name]
            inset += 1


def draw_ground(ground: np.ndarray, variant: np.ndarray) -> np.ndarray:
    """A map's pixels, uint8 RGB (128, 128, 3). Beyond the edge everything goes on."""
    frame, tiles = np.empty((SCREEN, SCREEN, 3), np.uint8), _tiles()
    around = np.pad(ground, 1, mode="edge")
    for y in range(SIDE):
        for x in range(SIDE):
            kind = int(ground[y, x])
            bits = sum(1 << i for i, (dx, dy) in enumerate(STEPS) if around[y + 1 + dy, x + 1 + dx] == kind)
            frame[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] = tiles[kind, bits, int(variant[y, x])]
    return frame
