"""The fighter: rules of each action, symmetry, exact saving, and the scripted player."""

import copy
import itertools
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs import fighter as module
from pokegen.game.envs.fighter import APART, COOL_DOWN, FAR, REACH, WALL, Fighter, FighterState, distance

ID = "pokegen/Fighter-v0"
IDLE = np.array([0, 0, 0])
LEFT, RIGHT = np.array([1, 0, 0]), np.array([2, 0, 0])
JUMP, CROUCH = np.array([0, 1, 0]), np.array([0, 2, 0])
STRIKE, SPECIAL, GUARD = (np.array([0, 0, i]) for i in (1, 2, 3))


def blobs() -> np.ndarray:
    """Two creatures whose mirror images differ, uint8 (2, 64, 64, 3)."""
    y, x = np.mgrid[:64, :64]
    sprites = np.full((2, 64, 64, 3), 255, np.uint8)
    for sprite, color in zip(sprites, ((220, 60, 60), (60, 80, 200)), strict=True):
        sprite[(x - 32) ** 2 + (y - 36) ** 2 < 26**2] = color
        sprite[(x - 18) ** 2 + (y - 30) ** 2 < 16] = 20
    return sprites


@pytest.fixture
def env():
    """Both sides played by the test."""
    made = Fighter(render_mode="rgb_array", opponent="self", sprites=blobs())
    made.reset(seed=0)
    return made


def place(env, left: int, right: int, **facts):
    """Both at these distances from their own sides; `facts` are the left one's."""
    env.bodies = [FighterState(left, env.stats[0][0], **facts), FighterState(right, env.stats[1][0])]


def play(env, *pairs):
    """Steps of (left's, right's) actions."""
    for left, right in pairs:
        result = env.step({"left": left, "right": right})
    return result


def outcome(env, policy, seed: int) -> tuple[float, int, bool]:
    """Return, steps and whether the fight ended before the time limit."""
    env.reset(seed=seed)
    total = 0.0
    for step in range(300):
        _, reward, ended, _, _ = env.step(policy())
        total += reward
        if ended:
            return total, step + 1, True
    return total, 300, False


@pytest.mark.parametrize("opponent", ["scripted", "random", "self"])
def test_passes_gymnasiums_check_without_a_warning(opponent):
    env = gymnasium.make(ID, render_mode="rgb_array", opponent=opponent, sprites=blobs())
    assert env.spec.max_episode_steps == 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


@pytest.mark.parametrize("opponent", ["scripted", "random", "self"])
def test_same_seed_same_play_and_restored_play_goes_on_exactly(opponent):
    env, other = (Fighter(render_mode="rgb_array", opponent=opponent, sprites=blobs()) for _ in range(2))
    env.action_space.seed(1)
    env.reset(seed=5), other.reset(seed=5)
    state, replay = None, []
    for step in range(300):
        action = env.action_space.sample()
        if step == 100:
            state = env.save_state()
        first, second = env.step(action), other.step(action)
        same(first, second)
        assert (env.render() == other.render()).all()
        if state:
            replay.append((action, first, env.render(), env.expert_action()))
        if first[2]:
            env.reset(), other.reset()
    late = Fighter(render_mode="rgb_array", opponent=opponent, sprites=blobs())
    late.reset()
    for restored in (env, late, env):
        restored.restore_state(state)
        for action, expected, frame, advice in replay:
            same(restored.step(action), expected)
            assert (restored.render() == frame).all() and (restored.expert_action() == advice).all()
            if expected[2]:
                restored.reset()


def same(first, second):
    seen = [result[0] if isinstance(result[0], dict) else {"left": result[0]} for result in (first, second)]
    assert all((seen[0][side] == seen[1][side]).all() for side in seen[0])
    assert first[1:] == second[1:]


def test_asking_the_expert_changes_no_game():
    env, other = Fighter(sprites=blobs()), Fighter(sprites=blobs())
    env.reset(seed=2), other.reset(seed=2)
    for _ in range(50):
        env.expert_action()
        same(env.step(RIGHT), other.step(RIGHT))


def test_both_sides_see_and_do_the_same_mirrored(env):
    """What left would see and get in right's place, right does."""
    other = Fighter(opponent="self", sprites=blobs())
    other.reset(seed=0)
    env.action_space.seed(3)
    for _ in range(600):
        pair = env.action_space.sample()
        first = play(env, (pair["left"], pair["right"]))
        second = play(other, (pair["right"], pair["left"]))
        assert (first[0]["left"] == second[0]["right"]).all() and (first[0]["right"] == second[0]["left"]).all()
        assert first[1] == -second[1] == first[4]["rewards"]["left"] == -first[4]["rewards"]["right"]
        if first[2]:
            assert second[2]
            env.reset(seed=1), other.reset(seed=1)


def test_each_sees_itself_first_and_at_the_left(env):
    place(env, 30, 40, y=8, rise=3)
    seen = play(env, (IDLE, SPECIAL))[0]
    left, right = env.bodies
    assert seen["left"][:2] == pytest.approx([30 / FAR, left.y / 25])
    assert seen["left"][12] == pytest.approx((FAR - 40) / FAR)
    assert seen["right"][[0, 8, 9, 10, 11]] == pytest.approx([40 / FAR, 1, 1, right.orb[0] / FAR, right.orb[1] / 41])
    assert seen["left"][[20, 21, 22]] == pytest.approx([1, 1, (FAR - right.orb[0]) / FAR])


def test_observations_keep_to_their_ranges(env):
    place(env, 45, 45)  # where strikes reach
    env.action_space.seed(0)
    least, most = np.full(24, 9.0), np.full(24, -9.0)
    for _ in range(4000):
        seen, _, ended, _, _ = env.step(env.action_space.sample())
        for side in seen.values():
            least, most = np.minimum(least, side), np.maximum(most, side)
        if ended:
            place(env, 45, 45)
    lower = np.zeros(24)
    lower[[2, 14]] = -1
    assert (least >= lower).all() and (most <= 1).all()
    assert most[[1, 3, 4, 5, 6, 7, 8, 9]] == pytest.approx(1), "each reaches the end of its range"
    assert least[2] == -1


def test_walking_keeps_to_walls_and_apart(env):
    place(env, 40, 40)
    play(env, *[(LEFT, LEFT)] * 20)
    assert [body.x for body in env.bodies] == [WALL, WALL]
    play(env, (RIGHT, IDLE))
    assert env.bodies[0].x == WALL + 3
    play(env, *[(RIGHT, IDLE)] * 40)
    assert env.bodies[1].x == WALL and distance(*env.bodies) == APART
    place(env, 40, 40)
    play(env, *[(RIGHT, RIGHT)] * 20)
    assert env.bodies[0].x == env.bodies[1].x and distance(*env.bodies) in (APART, APART + 1)


def test_a_jump_goes_up_and_down_again(env):
    heights = []
    for _ in range(12):
        play(env, (JUMP if not heights else IDLE, IDLE))
        heights.append(env.bodies[0].y)
    assert heights == [9, 16, 21, 24, 25, 24, 21, 16, 9, 0, 0, 0]


def test_a_strike_lands_one_step_later_and_costs_health(env):
    place(env, 45, 45)
    _, reward, *_ = play(env, (STRIKE, IDLE))
    assert reward == 0
    _, reward, ended, _, info = play(env, (IDLE, IDLE))
    assert reward == pytest.approx(6 / 80) and not ended
    assert info["health"] == {"left": 80, "right": 74}
    assert env.bodies[1].x == 45 - 6 and env.bodies[1].lock == 3
    x = env.bodies[1].x
    play(env, *[(IDLE, RIGHT)] * 3)
    assert env.bodies[1].x == x, "no control for three steps"
    play(env, (IDLE, RIGHT))
    assert env.bodies[1].x == x + 3


def test_a_strike_takes_control_for_four_steps(env):
    place(env, 30, 30)
    play(env, (STRIKE, IDLE), *[(RIGHT, IDLE)] * 4)
    assert env.bodies[0].x == 30
    play(env, (RIGHT, IDLE))
    assert env.bodies[0].x == 33


@pytest.mark.parametrize(("gap", "height", "lands"), [(0, 0, True), (1, 0, False), (0, 19, True), (0, 20, False)])
def test_how_far_and_how_high_a_strike_reaches(env, gap, height, lands):
    right = 45
    place(env, FAR - right - REACH - gap, right)
    env.bodies[0].blow, env.bodies[0].lock = True, 4
    env.bodies[1].y, env.bodies[1].rise = height - 1, 1  # in this step it rises by one
    assert play(env, (IDLE, IDLE))[1] == pytest.approx(6 / 80 if lands else 0)


def test_who_is_hit_strikes_no_more(env):
    place(env, 45, 45)
    play(env, (STRIKE, IDLE), (IDLE, STRIKE), (IDLE, IDLE))
    assert env.bodies[0].health == 80
    place(env, 45, 45)
    play(env, (STRIKE, STRIKE), (IDLE, IDLE))
    assert [body.health for body in env.bodies] == [74, 74]


def test_guarding_leaves_a_quarter_and_holds_the_striker_longer(env):
    place(env, 45, 45)
    assert play(env, (STRIKE, IDLE), (IDLE, GUARD))[1] == pytest.approx(1 / 80)
    assert env.bodies[1].x == 45 and env.bodies[1].lock == 0
    assert env.bodies[0].lock == 6
    place(env, 45, 45)
    env.bodies[1].y = 10
    play(env, (IDLE, GUARD))
    assert not env.bodies[1].guarding, "on the ground only"


def flight(env, answer):
    """Left sends a special, right answers all the while: the health that right is left with, and the steps it took."""
    place(env, 30, 30)
    play(env, (SPECIAL, answer))
    for step in itertools.count(1):
        if env.bodies[0].orb is None:
            return env.bodies[1].health, step
        play(env, (IDLE, answer))


def test_a_special_flies_hits_and_can_be_evaded(env):
    assert flight(env, IDLE)[0] == 71
    assert flight(env, GUARD)[0] == 78
    assert flight(env, CROUCH)[0] == 80
    place(env, 30, 30)
    play(env, (SPECIAL, IDLE), *[(IDLE, IDLE)] * 4, *[(IDLE, JUMP)] * 9)
    assert env.bodies[1].health == 80


def test_specials_need_time_and_meet(env):
    place(env, 30, 30)
    play(env, (SPECIAL, IDLE), *[(SPECIAL, CROUCH)] * (COOL_DOWN - 1))
    assert env.bodies[0].orb is None
    play(env, (SPECIAL, CROUCH))
    assert env.bodies[0].orb is not None
    place(env, 30, 30)
    play(env, (SPECIAL, SPECIAL), *[(IDLE, IDLE)] * 12)
    assert [body.health for body in env.bodies] == [80, 80] and env.bodies[0].orb is env.bodies[1].orb is None


def test_a_knock_out_ends_the_fight(env):
    place(env, 45, 45)
    env.bodies[1].health = 4
    play(env, (STRIKE, IDLE))
    _, reward, ended, cut, info = play(env, (IDLE, IDLE))
    assert reward == pytest.approx(4 / 80 + 1) and ended and not cut
    assert info["rewards"] == {"left": reward, "right": -reward} and info["health"]["right"] == 0
    place(env, 45, 45)
    env.bodies[0].health = env.bodies[1].health = 4
    assert play(env, (STRIKE, STRIKE), (IDLE, IDLE))[1:3] == (0, True)


def test_the_time_limit_cuts_the_fight_off():
    env = gymnasium.make(ID, opponent="self", sprites=blobs())
    env.reset(seed=0)
    ends = [env.step({"left": IDLE, "right": IDLE})[2:4] for _ in range(300)]
    assert not any(any(end) for end in ends[:-1])
    assert ends[-1] == (False, True)


def test_stats_change_health_damage_and_speed():
    env = Fighter(opponent="self", sprites=blobs(), stats=((120, 160, 80, 160), (40, 80, 40, 30)))
    env.reset(seed=0)
    place(env, 45, 45)
    reward = play(env, (STRIKE, STRIKE), (IDLE, IDLE))[1]
    assert [body.health for body in env.bodies] == [120 - 6, 40 - 24]
    assert reward == pytest.approx(24 / 40 - 6 / 120)
    place(env, 30, 30)
    play(env, (RIGHT, RIGHT))
    assert [body.x for body in env.bodies] == [35, 31]


def test_the_scripted_player_beats_random_and_can_be_beaten():
    env = Fighter(sprites=blobs())
    env.action_space.seed(1000)  # another stream than the fights'
    randoms = [outcome(env, env.action_space.sample, seed) for seed in range(20)]
    assert sum(total < 0 for total, _, _ in randoms) >= 19
    assert np.mean([total for total, _, _ in randoms]) < -1
    experts = [outcome(env, env.expert_action, seed) for seed in range(20)]
    assert sum(total > 0 for total, _, _ in experts) >= 5
    assert all(ended for _, _, ended in experts), "within the time limit"
    against_random = Fighter(opponent="random", sprites=blobs())
    assert sum(outcome(against_random, against_random.expert_action, seed)[0] > 0 for seed in range(20)) >= 19


def test_each_pose_is_drawn(env):
    """Any two of what a fighter can do differ by 40 pixels or more; the rest of the frame stays."""
    frames = {}
    for name, action in (("stand", IDLE), ("jump", JUMP), ("crouch", CROUCH), ("strike", STRIKE), ("special", SPECIAL)):
        place(env, 30, 30)
        play(env, (action, IDLE), (action, IDLE))
        frames[name] = env.render()
    place(env, 30, 30)
    play(env, (GUARD, IDLE))
    frames["guard"] = env.render()
    env.bodies[0].health = 40
    frames["half health"] = env.render()
    env.bodies[0].health = 0
    frames["fallen"] = env.render()
    for (a, first), (b, second) in itertools.combinations(frames.items(), 2):
        assert first.shape == (128, 128, 3) and first.dtype == np.uint8
        changed = (first != second).any(axis=2)
        assert changed.sum() >= 40, (a, b)
        assert not changed[:, 80:].any(), "right did nothing"


def test_the_left_fighter_looks_right(env):
    """Sprites look left, so the left one's is turned: its eye is right of its middle, the other's left of it."""
    place(env, 30, 30)
    frame = env.render()
    dark = (frame[75:96] < 30).all(axis=2)
    assert dark[:, 31:48].sum() > dark[:, 13:30].sum()
    assert dark[:, 80:97].sum() > dark[:, 98:115].sum()


def test_the_shipped_model_draws_two_by_the_seed():
    env = Fighter(render_mode="rgb_array")
    kinds = set()
    for seed in range(10):
        env.reset(seed=seed)
        kinds.add(tuple(env._kinds))
        assert env._kinds[0] != env._kinds[1]
    assert len(kinds) > 5
    first = env.render()
    again = Fighter(render_mode="rgb_array")
    again.reset(seed=9)
    assert (again.render() == first).all()


def test_without_pictures_no_sprite_is_made(monkeypatch):
    monkeypatch.setattr(module, "checked_sprites", lambda *_: pytest.fail("a sprite was asked for"))
    env = Fighter()
    env.reset(seed=0)
    env.step(IDLE)
    assert env.render() is None


@pytest.mark.parametrize(
    "options",
    [
        {"opponent": "human"},
        {"render_mode": "human"},
        {"stats": ((80, 80, 80, 80),)},
        {"stats": ((80, 80, 80), (80, 80, 80, 80))},
        {"stats": ((80, 80, 0, 80), (80, 80, 80, 80))},
        {"stats": ((80, 80, 80, 256), (80, 80, 80, 80))},
        {"sprites": np.zeros((3, 64, 64, 3), np.uint8)},
        {"sprites": np.zeros((2, 64, 64), np.uint8)},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(UserError):
        Fighter(**options)


@pytest.mark.parametrize("action", [[3, 0, 0], [0, 0], 5, {"left": IDLE}])
def test_an_unknown_action_is_refused(env, action):
    single = Fighter(sprites=blobs())
    single.reset(seed=0)
    for refusing in (single, env):
        with pytest.raises(AssertionError):
            refusing.step(copy.deepcopy(action))
