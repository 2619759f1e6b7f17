"""A fight between two generated Pokémon, seen from the side: a unit test for agents with actions of three parts, for
self-play and for planning, since all of it is whole numbers and exact to save and restore.

Each fighter's place is kept as it sees it itself: at the left, looking right. So each rule is written once, for `me`
and `other`, and holds for both. Left out: combinations, throws, rounds, passing each other.

Lengths are pixels, times are steps. x is a fighter's middle, from its own side of the screen; y is its height above
ground.
"""

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs.overworld import SHIPPED, STAR, Picture, checked_sprites, picture, pictures

SCREEN, GROUND = 128, 112  # pixels; the ground's line from above
FAR = SCREEN - 1  # x of the screen's other side: what is at x for me is at FAR - x for the other
WALL = 18  # the least x
START = (26, 40)  # least and largest x to begin at
APART = 28  # the least distance of the two
REACH, HEIGHT = 40, 20  # a strike lands within this distance, and this difference of heights
RISE, FALL = 9, 2  # pixels a step upwards when jumping; how much less each step
TOP = 25  # the largest height: 9 + 7 + 5 + 3 + 1
ORB_REACH = 10  # it hits within this distance
TALL, LOW = 32, 12  # a fighter's height, standing and crouching
ORB_SPEED, ORB_HEIGHT, ORB_SIZE = 6, 16, 8  # a special flies so fast, so far above the feet of who sent it
COOL_DOWN = 20  # between two specials
STRIKE_LOCK, SPECIAL_LOCK, HURT_LOCK, GUARDED_LOCK = 4, 3, 3, 3  # steps without control; the last adds to the first
LONGEST_LOCK = STRIKE_LOCK - 1 + GUARDED_LOCK
KNOCK = 6  # how far a hit pushes
STRIKE, SPECIAL = 6, 9  # health that they cost where attack and defence are equal
GUARD = 4  # guarding divides that by so much
DEFAULT_STATS = (80, 80, 80, 80)  # hp, attack, defense, speed
LAPSE = 0.15  # share of steps in which the scripted player does anything
SIDES = ("left", "right")
SIZE = 40  # pixels of a creature
LEAN = {"ready": -3, "strike": 8, "hurt": -3}  # pixels forwards that a pose is drawn


@dataclass
class FighterState:
    """A fighter's state, as it sees itself."""

    x: int
    health: int
    y: int = 0
    rise: int = 0  # speed upwards
    crouching: bool = False
    guarding: bool = False
    blow: bool = False  # a strike lands in the next step
    lock: int = 0  # steps left without control
    wait: int = 0  # steps until a special can be sent
    orb: tuple[int, int] | None = None  # x and height of its special in flight
    pose: str = "stand"  # or ready, strike, special, hurt: what is drawn


def distance(me: FighterState, other: FighterState) -> int:
    """Between their middles."""
    return FAR - other.x - me.x


def act(me: FighterState, choice: Any, speed: int) -> bool:
    """A fighter's own part of a step, `choice` as in `Fighter.action_parts`. Says whether its strike lands now."""
    move, stance, attack = map(int, choice)
    landing, me.blow, me.guarding = me.blow, False, False
    me.wait = max(0, me.wait - 1)
    if me.lock:
        me.lock -= 1
        if me.pose != "hurt":
            me.pose = "strike" if landing else "stand"
    else:
        me.pose, me.crouching = "stand", False
        if attack == 3 and me.y == 0:
            me.guarding = True
        else:
            me.crouching = stance == 2 and me.y == 0
            if stance == 1 and me.y == 0:
                me.rise = RISE
            if not me.crouching:
                me.x += (0, -speed, speed)[move]
            if attack == 1:
                me.blow, me.lock, me.pose = True, STRIKE_LOCK, "ready"
            elif attack == 2 and me.wait == 0:
                me.orb = me.x + ORB_SIZE, me.y + ORB_HEIGHT
                me.wait, me.lock, me.pose = COOL_DOWN, SPECIAL_LOCK, "special"
    if me.y or me.rise:
        me.y, me.rise = me.y + me.rise, me.rise - FALL
        if me.y <= 0:
            me.y = me.rise = 0
    return landing


def separate(me: FighterState, other: FighterState) -> None:
    """Keep both between the walls, and apart: each gives way by half, or by all where the other is at a wall."""
    for _ in range(2):
        missing = APART - distance(me, other)
        for body in (me, other):
            body.x = max(WALL, body.x - max(0, missing + 1) // 2)


def fly(me: FighterState, other: FighterState) -> None:
    """Move the specials in flight; two that meet, or one that leaves the screen, are gone."""
    for body in (me, other):
        if body.orb:
            x, height = body.orb[0] + ORB_SPEED, body.orb[1]
            body.orb = (x, height) if x <= FAR else None
    if me.orb and other.orb and me.orb[0] + other.orb[0] >= FAR and abs(me.orb[1] - other.orb[1]) <= ORB_SIZE:
        me.orb = other.orb = None


def shot(me: FighterState, other: FighterState) -> bool:
    """Whether the special of `me` hits; it is gone then."""
    if me.orb is None:
        return False
    x, height = me.orb
    tall = LOW if other.crouching else TALL
    hit = abs(FAR - other.x - x) <= ORB_REACH and other.y - 4 <= height <= other.y + tall
    if hit:
        me.orb = None
    return hit


def scripted(me: FighterState, other: FighterState, rng: np.random.Generator) -> np.ndarray:
    """What the scripted player does: guards against strikes, ducks under specials, backs off from a guard, sends
    specials, strikes, comes closer; and now and then anything. int64 (3,)."""
    if rng.random() < LAPSE:
        return rng.integers((3, 3, 4))
    gap = distance(me, other)
    if other.blow and gap <= REACH + KNOCK:
        return np.array([0, 0, 3])
    if other.orb and 0 <= FAR - me.x - other.orb[0] <= 4 * ORB_SPEED:
        return np.array([0, 2, 0])
    if gap <= REACH and other.guarding:
        return np.array([1, 0, 0])
    if me.wait == 0:
        return np.array([0, 0, 2])
    if gap <= REACH:
        return np.array([0, 0, 1])
    return np.array([2, int(gap > 2 * REACH and rng.random() < 0.1), 0])


class Fighter(gymnasium.Env[Any, Any]):
    """
    ## Description

    Two creatures fight until one is knocked out. A step is a frame at 15 frames a second. The player has the left one;
    the right one is played by the environment, or, with `opponent="self"`, by a second player.

    ## Action Space

    `MultiDiscrete([3, 3, 4])`, names in `action_parts`:

    | Part   | 0     | 1      | 2       | 3     |
    |--------|-------|--------|---------|-------|
    | move   | none  | left   | right   |       |
    | stance | stand | jump   | crouch  |       |
    | attack | none  | strike | special | guard |

    - move: 1 pixel a step, and another for each 40 of speed; in the air too. The two cannot pass each other.
    - jump: ten steps, up to 25 pixels. crouch: specials fly over it; stops moving.
    - strike: lands one step later on who is within 40 pixels, and 20 of height; four steps without control.
    - special: a projectile of 6 pixels a step, which can be ducked under or jumped over; then none for 20 steps. Three
      steps without control. Two that meet are both gone.
    - guard: on the ground only; goes before move and stance. A quarter of the damage, no push, and who strikes it is
      without control for three steps more.
    - A hit pushes by 6 pixels, breaks off what the other was doing, and takes its control for three steps.

    For the player on the right the screen is mirrored, in its actions as in its observation: both see themselves on
    the left, and "right" is towards the other. With `opponent="self"` the space is a `Dict` of both, `left` and
    `right`.

    ## Observation Space

    `Box(-1, 1, (24,), float32)`; with `opponent="self"` a `Dict` of both. Twelve entries of the player's own fighter,
    then the same of the other:

    | Index | Entry                                              | Unit              | Range   |
    |-------|----------------------------------------------------|-------------------|---------|
    | 0     | x, from the player's own side                      | 127 pixels        | 0 to 1  |
    | 1     | height above ground                                | 25 pixels         | 0 to 1  |
    | 2     | speed upwards                                      | 9 pixels a step   | -1 to 1 |
    | 3     | health                                             | full health       | 0 to 1  |
    | 4, 5  | crouching, guarding                                |                   | 0 or 1  |
    | 6     | a strike lands in the next step                    |                   | 0 or 1  |
    | 7     | time without control                               | 6 steps           | 0 to 1  |
    | 8     | time until a special can be sent                   | 20 steps          | 0 to 1  |
    | 9     | its special is in flight                           |                   | 0 or 1  |
    | 10, 11 | x of that special, as in 0, and height, as in 1; else 0 | 127, 41 pixels | 0 to 1 |

    `render()` gives the frame, uint8 RGB (128, 128, 3).

    ## Rewards

    Damage dealt less damage taken, each as a share of full health (a strike that costs 6 of 80: 0.075), +1 for a
    knock-out, -1 for being knocked out. That of the left player; info["rewards"] holds both, which sum to 0, and
    info["health"] the health left.

    ## Starting State

    Both at full health, 26 to 40 pixels from their sides, by the seed.

    ## Episode End

    Termination: a fighter has no health left, or both in the same step. Truncation: 300 steps, by the registered time
    limit.

    ## Arguments

    | Parameter  | Type                | Default      | Description                                             |
    |------------|---------------------|--------------|---------------------------------------------------------|
    | `opponent` | **str**             | `"scripted"` | who plays the right one: scripted, random, or self      |
    | `stats`    | **pair of tuples**  | all 80       | hp, attack, defense, speed, 1 to 255, of left and right |
    | `sprites`  | **ndarray or None** | `None`       | uint8 (2, S, S, 3), left and right; None: by the seed   |

    Sprites stand on white and look left, as the games' do; those of the seed come from a shipped model.
    Damage is 6 for a strike and 9 for a special, times attack, divided by the other's defense, at least 1.

    ## Version History

    * v0: Initial version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012  # as Gymnasium has it
    action_parts = (("none", "left", "right"), ("stand", "jump", "crouch"), ("none", "strike", "special", "guard"))

    def __init__(
        self,
        render_mode: str | None = None,
        opponent: str = "scripted",
        stats: tuple[tuple[int, int, int, int], tuple[int, int, int, int]] = (DEFAULT_STATS, DEFAULT_STATS),
        sprites: np.ndarray | None = None,
    ):
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"Unknown render_mode {render_mode!r}. Known: 'rgb_array', or None.")
        if opponent not in ("scripted", "random", "self"):
            raise UserError(f"Unknown opponent {opponent!r}. Known: scripted, random, self.")
        if len(stats) != 2 or not all(len(own) == 4 and all(1 <= value <= 255 for value in own) for own in stats):
            raise UserError(f"stats must be (hp, attack, defense, speed) from 1 to 255 of left and right, got {stats}.")
        if sprites is not None and len(sprites) != 2:
            raise UserError(f"sprites must be two, the left fighter's and the right one's, got {len(sprites)}.")
        self.render_mode, self.opponent = render_mode, opponent
        self.stats = tuple(tuple(int(value) for value in own) for own in stats)
        self._sprites = None if sprites is None else checked_sprites(sprites, 2)
        self._looks: dict[tuple[int, int], dict[str, Picture]] = {}  # by kind and side, drawn when first shown
        action = spaces.MultiDiscrete([len(part) for part in self.action_parts])
        seen = spaces.Box(-1.0, 1.0, (24,), np.float32)
        both = opponent == "self"
        self.action_space = spaces.Dict({side: copy.deepcopy(action) for side in SIDES}) if both else action
        self.observation_space = spaces.Dict({side: copy.deepcopy(seen) for side in SIDES}) if both else seen

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        x = int(self.np_random.integers(START[0], START[1] + 1))
        self.bodies = [FighterState(x, own[0]) for own in self.stats]
        drawn = self.np_random.choice(SHIPPED, 2, replace=False).tolist()
        self._kinds = drawn if self._sprites is None else [0, 1]
        self._expert = np.random.default_rng(self.np_random.integers(2**32))  # its own, so that asking changes no game
        return self._seen(), self._info(0.0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        left, right = self.bodies
        if self.opponent == "self":
            choices = [action[side] for side in SIDES]
        elif self.opponent == "scripted":
            choices = [action, scripted(right, left, self.np_random)]
        else:
            choices = [action, self.np_random.integers((3, 3, 4))]
        landing = [
            act(body, choice, 1 + own[3] // 40)
            for body, choice, own in zip(self.bodies, choices, self.stats, strict=True)
        ]
        separate(left, right)
        near = distance(left, right) <= REACH and abs(left.y - right.y) < HEIGHT
        struck = [lands and near for lands in landing]
        fly(left, right)
        power = [STRIKE * struck[0] + SPECIAL * shot(left, right), STRIKE * struck[1] + SPECIAL * shot(right, left)]
        lost = [self._suffer(side, power[1 - side], struck) for side in range(2)]
        separate(left, right)
        out = [body.health == 0 for body in self.bodies]
        share = [cost / own[0] for cost, own in zip(lost, self.stats, strict=True)]
        reward = share[1] - share[0] + float(out[1]) - float(out[0])
        return self._seen(), reward, any(out), False, self._info(reward)

    def render(self) -> np.ndarray | None:
        return self._frame() if self.render_mode == "rgb_array" else None

    @property
    def vector(self) -> np.ndarray:
        """What the left player observes, float32 (24,)."""
        return self._observed(0)

    def save_state(self) -> dict[str, Any]:
        """The exact state of an episode, random numbers included."""
        rng = {"rng": self.np_random.bit_generator.state, "expert": self._expert.bit_generator.state}
        return copy.deepcopy({"bodies": self.bodies, "kinds": self._kinds} | rng)

    def restore_state(self, state: dict[str, Any]) -> None:
        """Go on from what `save_state` gave, of this environment or of another with the same options."""
        self.bodies, self._kinds = copy.deepcopy(state["bodies"]), list(state["kinds"])
        self.np_random.bit_generator.state = state["rng"]
        self._expert = np.random.default_rng()
        self._expert.bit_generator.state = state["expert"]

    def expert_action(self, side: str = "left") -> np.ndarray:
        """What the scripted player would do, int64 (3,), lapses included, from random numbers of its own."""
        me, other = self.bodies if side == "left" else self.bodies[::-1]
        return scripted(me, other, self._expert)

    def _suffer(self, side: int, power: int, struck: list[bool]) -> int:
        """What the blows of a step do to one side: the health that it lost. `struck`: whose strikes landed."""
        me, other = self.bodies[side], self.bodies[1 - side]
        lost = 0
        if power:
            attack, defense = self.stats[1 - side][1], self.stats[side][2]
            cost = (2 * power * attack + defense) // (2 * defense)  # rounded
            lost = min(me.health, max(1, cost // GUARD if me.guarding else cost))
            me.health -= lost
        if power and not me.guarding:
            me.x, me.lock, me.blow, me.pose, me.crouching = me.x - KNOCK, HURT_LOCK, False, "hurt", False
        elif struck[side] and other.guarding:
            me.lock += GUARDED_LOCK
        return lost

    def _seen(self) -> Any:
        if self.opponent != "self":
            return self.vector
        return {side: self._observed(i) for i, side in enumerate(SIDES)}

    def _observed(self, side: int) -> np.ndarray:
        me, other = self.bodies[side], self.bodies[1 - side]
        return observed(me, other, self.stats[side][0], self.stats[1 - side][0])

    def _info(self, reward: float) -> dict[str, Any]:
        health = {side: body.health for side, body in zip(SIDES, self.bodies, strict=True)}
        return {"rewards": {"left": reward, "right": -reward}, "health": health}

    def _frame(self) -> np.ndarray:
        """uint8 RGB (128, 128, 3)."""
        frame, art = _background().copy(), _art()
        for side, (me, own) in enumerate(zip(self.bodies, self.stats, strict=True)):
            ahead = 1 if side == 0 else -1
            x = me.x if side == 0 else FAR - me.x
            art["shadow"].put(frame, x - 14, GROUND - 2)
            name = "hurt" if me.pose == "hurt" else "crouch" if me.crouching else "stand"
            look = self._look(side)[name if me.health else "fallen"]
            lean, height = LEAN.get(me.pose, 0) * ahead, me.y if me.health else 0
            look.put_inside(frame, x + lean - SIZE // 2, GROUND + 3 - height - look.color.shape[0])
            _bar(frame, 4 if side == 0 else 70, me.health / own[0], 1 - me.wait / COOL_DOWN, mirrored=side == 1)
        for side, me in enumerate(self.bodies):
            ahead, suffix = (1, "left") if side == 0 else (-1, "right")
            x = me.x if side == 0 else FAR - me.x
            if me.pose == "strike":
                art[f"slash-{suffix}"].put(frame, x + 25 * ahead - 6, GROUND - 32 - me.y)
            if me.guarding:
                art[f"shield-{suffix}"].put(frame, x + 20 * ahead - 4, GROUND - 36 - me.y)
            if me.pose == "hurt" and me.lock == HURT_LOCK:
                art["star"].put(frame, x + 6 * ahead - 6, GROUND - 28 - me.y)
            if me.orb:
                x = me.orb[0] if side == 0 else FAR - me.orb[0]
                art[f"orb-{suffix}"].put(frame, x - 6, GROUND - me.orb[1] - 9)
        return frame

    def _look(self, side: int) -> dict[str, Picture]:
        """A fighter's pictures by name: stand, crouch, hurt, fallen."""
        kind = self._kinds[side]
        if (kind, side) not in self._looks:
            sprites = checked_sprites(self._sprites, 2)
            self._looks[kind, side] = _poses(pictures(sprites[kind : kind + 1], SIZE)[0], flip=side == 0)
        return self._looks[kind, side]


def observed(me: FighterState, other: FighterState, my_health: int, its_health: int) -> np.ndarray:
    """What a player sees, float32 (24,): see `Fighter`'s observation space. `my_health`, `its_health`: full ones."""
    entries: list[float] = []
    for body, full, mirrored in ((me, my_health, False), (other, its_health, True)):
        x = FAR - body.x if mirrored else body.x
        entries += (x / FAR, body.y / TOP, body.rise / RISE, body.health / full, body.crouching, body.guarding)
        entries += (body.blow, body.lock / LONGEST_LOCK, body.wait / COOL_DOWN, body.orb is not None)
        if body.orb is None:
            entries += (0, 0)
        else:
            x = FAR - body.orb[0] if mirrored else body.orb[0]
            entries += (x / FAR, body.orb[1] / (TOP + ORB_HEIGHT))
    return np.array(entries, np.float32)


_EFFECTS = {
    "shadow": """
.......DDDDDDDDDDDDDD.......
...DDDDDDDDDDDDDDDDDDDDDD...
.DDDDDDDDDDDDDDDDDDDDDDDDDD.
...DDDDDDDDDDDDDDDDDDDDDD...
.......DDDDDDDDDDDDDD.......""",
    "slash": """
KK..........
KWKK........
.KWWK.......
..KWWKK.....
...KWWWK....
...KYWWWK...
....KYWWK...
....KYWWWK..
.....KYWWK..
.....KYWWWK.
.....KYWWWK.
.....KYYWWK.
.....KYWWWK.
.....KYWWWK.
.....KYWWK..
....KYWWWK..
....KYWWK...
...KYWWWK...
...KWWWK....
..KWWKK.....
.KWWK.......
KWKK........
KK..........""",
    "shield": """
..KK......
.KvWKK....
.KvvWWK...
..KvvWWK..
...KvvWK..
...KvvWWK.
....KvvWK.
....KvvWK.
....KwvvWK
.....KvvWK
.....KvvWK
.....KvvWK
.....KvvWK
.....KwvWK
.....KwvvK
.....KwvvK
.....KwvvK
.....KwvvK
....KwvvvK
....KwvvK.
....KwvvK.
...KwvvvK.
...KwvvK..
..KwvvvK..
.KwwvKK...
.KwKK.....
..KK......""",
    "orb": """
....KKKK....
..KKYYYYKK..
.KyYYYYYYYK.
.KYYYWWYYYK.
KyYYWWWWYYYK
KyYYWWWWYYYK
KyYYWWWWYYYK
KyyYYWWYYYYK
.KyYYYYYYYK.
.KyyyYYYYyK.
..KKyyyyKK..
....KKKK....""",
    "star": STAR,
}
_RIGHT_ORB = {"Y": (96, 200, 250), "y": (48, 132, 216)}


@cache
def _art() -> dict[str, Picture]:
    art = {name: picture(_EFFECTS[name]) for name in ("shadow", "star")}
    for name in ("slash", "shield", "orb"):
        art[f"{name}-left"] = picture(_EFFECTS[name])
        art[f"{name}-right"] = picture(_EFFECTS[name], _RIGHT_ORB if name == "orb" else None).flipped()
    return art


def _poses(look: Picture, flip: bool) -> dict[str, Picture]:
    """A creature's picture, (SIZE, SIZE), looking left → its poses; `flip` makes it look right."""
    stand = look.flipped() if flip else look
    rows = np.arange(SIZE * 5 // 8) * 8 // 5  # squashed
    pale = stand.color // 2 + np.uint8(128)
    turns = 1 if flip else -1  # onto its back
    return {
        "stand": stand,
        "crouch": Picture(stand.color[rows], stand.drawn[rows]),
        "hurt": Picture(pale, stand.drawn),
        "fallen": Picture(np.rot90(stand.color, turns), np.rot90(stand.drawn, turns)),
    }


@cache
def _background() -> np.ndarray:
    """Sky, hills and a meadow, uint8 RGB (128, 128, 3)."""
    x, y = np.arange(SCREEN), np.arange(SCREEN)[:, None]
    frame = np.empty((SCREEN, SCREEN, 3), np.uint8)
    for i, color in enumerate(((122, 190, 242), (146, 204, 246), (172, 218, 248), (200, 232, 250), (224, 242, 250))):
        frame[18 * i :] = color
    for middle, top, wide in ((26, 22, 15), (40, 25, 11), (96, 34, 13), (108, 36, 9)):  # clouds
        frame[((x - middle) / wide) ** 2 + ((y - top) / 5) ** 2 <= 1] = (250, 252, 255)
    for middle, top, wide, red, blue in ((20, 74, 46, 126, 172), (100, 66, 60, 140, 180), (62, 86, 70, 116, 132)):
        frame[y >= top + (x - middle) ** 2 / wide] = red, 178, blue  # hills
    frame[98:] = (124, 188, 96)
    frame[98:100] = (92, 158, 82)
    for i in range(6):
        frame[103 + i * (i + 3) // 2 : 105 + i * (i + 3) // 2] = (146, 206, 114)
    return frame


def _bar(frame: np.ndarray, x: int, health: float, ready: float, mirrored: bool) -> None:
    """Draw a health bar of 54×8 with its left edge at x, and below how far the next special is ready. Both shrink
    towards the screen's edge."""
    frame[4:12, x : x + 54] = (43, 42, 59)
    frame[12:16, x + 2 : x + 52] = (43, 42, 59)
    frame[6:10, x + 2 : x + 52] = (96, 96, 112)
    color = (92, 208, 104) if health > 0.5 else (246, 200, 64) if health > 0.2 else (236, 84, 76)
    for top, bottom, share, fill in ((6, 10, health, color), (12, 14, ready, (112, 188, 250))):
        wide = -(-int(share * 1000) * 50 // 1000)  # a little is seen while any is left
        start = x + 52 - wide if mirrored else x + 2
        frame[top:bottom, start : start + wide] = fill
