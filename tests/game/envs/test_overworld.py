"""The overworld: what each key does and shows, rules, maps, exact saving, and the player that knows the way."""

import itertools
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs import overworld as module
from pokegen.game.envs.names import KEYS
from pokegen.game.envs.overworld import FACINGS, GRASS, SIDE, STEPS, TILE, TREE, WATER, Overworld, connected, draw_map

ID = "pokegen/Overworld-v0"
GRAY = np.array([0.299, 0.587, 0.114])


def blobs(n: int) -> np.ndarray:
    """Round creatures with eyes, each of its own colour, uint8 (n, 64, 64, 3)."""
    y, x = np.mgrid[:64, :64]
    sprites = np.full((n, 64, 64, 3), 255, np.uint8)
    for i, sprite in enumerate(sprites):
        sprite[(x - 32) ** 2 + (y - 36) ** 2 < 24**2] = (40 + 50 * i % 200, 200 - 40 * i % 160, 90)
        sprite[((abs(x - 32) - 9) ** 2 + (y - 30) ** 2) < 16] = 20
    return sprites


@pytest.fixture
def env():
    return Overworld(render_mode="rgb_array", sprites=blobs(4))


def meadow(env, player, creatures, trees=()):
    """Put the environment on a map of grass with trees, the player looking down, and creatures at these places that
    never move."""
    env.reset(seed=0)
    state = env.save_state()
    ground = np.full((SIDE, SIDE), GRASS, np.int8)
    for x, y in trees:
        ground[y, x] = TREE
    env.restore_state(state | {"ground": ground, "player": player, "places": list(creatures)})


def press(env, *keys):
    for key in keys:
        result = env.step(KEYS.index(key))
    return result


@pytest.fixture
def still(monkeypatch):
    monkeypatch.setattr(module, "WANDER", 0.0)


def test_passes_gymnasiums_check_without_a_warning():
    env = gymnasium.make(ID, render_mode="rgb_array", sprites=blobs(4))
    assert env.spec.max_episode_steps == 600
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def test_gymnasiums_check_warns_of_what_is_wrong():
    """So that no warning is news: it gives one where the environment was not made by id."""
    with pytest.warns(UserWarning, match="spec"):
        check_env(Overworld(sprites=blobs(4)))


def test_the_shipped_model_draws_the_creatures():
    env = Overworld()
    first, _ = env.reset(seed=3)
    assert (first != Overworld(sprites=blobs(4)).reset(seed=3)[0]).any()
    assert len({look.color.tobytes() for look in env._looks}) == module.SHIPPED
    for look in env._looks:
        assert look.color.shape == (20, 20, 3)
        assert 60 < look.drawn.sum() < 380, "a creature, with clear pixels around it"
    assert (Overworld().reset(seed=3)[0] == first).all()


def test_same_seed_same_play(env):
    other = Overworld(render_mode="rgb_array", sprites=blobs(4))
    keys = np.random.default_rng(0)
    assert (env.reset(seed=7)[0] == other.reset(seed=7)[0]).all()
    for key in keys.integers(9, size=300):
        first, second = env.step(key), other.step(key)
        assert (first[0] == second[0]).all() and (env.render() == first[0]).all()
        assert first[1:4] == second[1:4]
        assert (first[4]["state"] == second[4]["state"]).all()
    assert (env.reset(seed=7)[0] != env.reset(seed=8)[0]).any()


def test_restored_play_goes_on_exactly(env):
    keys = np.random.default_rng(1)
    env.reset(seed=5)
    for key in keys.integers(9, size=40):
        env.step(key)
    state, frame = env.save_state(), env.render()
    pressed = keys.integers(9, size=200)
    first = [env.step(key) for key in pressed]
    env.reset(seed=6)  # another map
    other = Overworld(render_mode="rgb_array", sprites=blobs(4))
    other.reset()
    for restored in (env, other, env):  # any number of times
        restored.restore_state(state)
        assert (restored.render() == frame).all()
        for key, expected in zip(pressed, first, strict=True):
            got = restored.step(key)
            assert (got[0] == expected[0]).all() and got[1:4] == expected[1:4]
            assert (got[4]["state"] == expected[4]["state"]).all()


def test_every_key_is_seen_in_the_next_frame_whatever_the_state(env):
    """In gray, as the inverse dynamics model sees it: 80 pixels of 32 levels or more between any two keys."""
    rng, edges = np.random.default_rng(2), set()
    for seed in range(150):
        env.reset(seed=seed)
        for _ in range(rng.integers(40)):
            env.step(rng.integers(1, 5) if rng.random() < 0.7 else rng.integers(9))
        edges |= {(axis, side) for axis in (0, 1) for side in (0, SIDE - 1) if env.player[axis] == side}
        state, seen = env.save_state(), []
        for key in range(9):
            env.restore_state(state)
            seen.append(env.step(key)[0] @ GRAY)
        for i, j in itertools.combinations(range(9), 2):
            changed = (np.abs(seen[i] - seen[j]) > 32).sum()
            assert changed >= 80, f"{KEYS[i]} and {KEYS[j]} with seed {seed}, player at {env.player}: {changed}"
    assert len(edges) == 4, "states at each edge of the screen"


def test_what_a_key_shows_does_not_depend_on_the_keys_before(env, still):
    """But the map, the player's place, facing and cap, and what was caught."""
    frames = []
    for before in (["b"], ["start"], ["a"], ["left", "right"], ["select", "select"], ["none"] * 5):
        meadow(env, (3, 3), [(0, 0), (7, 7), (0, 7)], [(4, 3)])
        press(env, "right", *before, "right")
        frames.append([press(env, key)[0] for key in KEYS])
    assert all((a == b).all() for other in frames[1:] for a, b in zip(frames[0], other, strict=True))


def test_standing_still_is_seen_as_such(env, still):
    env.reset(seed=0)
    first = press(env, "none")[0]
    assert (press(env, "none")[0] == first).all()


def test_a_creatures_step_does_not_touch_the_player(env, monkeypatch):
    meadow(env, (1, 1), [(5, 5), (6, 6), (7, 7)])
    before = press(env, "none")[0]
    monkeypatch.setattr(module, "WANDER", 1.0)
    after = press(env, "none")[0]
    assert (before != after).any()
    assert (before[: 3 * TILE, : 3 * TILE] == after[: 3 * TILE, : 3 * TILE]).all()


@pytest.mark.parametrize("facing", range(4))
def test_arrows_turn_and_walk_one_tile(env, still, facing):
    meadow(env, (3, 3), [(0, 0), (7, 7), (0, 7)])
    state = press(env, FACINGS[facing])[4]["state"]
    dx, dy = STEPS[facing]
    assert state[:3].tolist() == [3 + dx, 3 + dy, facing]


@pytest.mark.parametrize("facing", range(4))
def test_tree_creature_and_edge_stop_the_player_who_turns(env, still, facing):
    dx, dy = STEPS[facing]
    for trees, creature in (([(3 + dx, 3 + dy)], (0, 0)), ([], (3 + dx, 3 + dy))):
        meadow(env, (3, 3), [creature, (7, 7), (0, 7)], trees)
        assert press(env, FACINGS[facing])[4]["state"][:3].tolist() == [3, 3, facing]
    meadow(env, (3, 3), [(2, 2), (4, 4), (2, 4)])
    state = press(env, *[FACINGS[facing]] * 10)[4]["state"]
    assert state[:2].tolist() == [min(max(0, 3 + 10 * dx), 7), min(max(0, 3 + 10 * dy), 7)]


def test_rewards_and_the_end(env, still):
    meadow(env, (3, 3), [(3, 4), (4, 3), (0, 7)])
    _, reward, ended, cut, info = press(env, "a")
    assert (reward, ended, cut) == (pytest.approx(0.99), False, False)
    assert info["state"][4:13].tolist() == [3, 4, 1, 4, 3, 0, 0, 7, 0]
    assert press(env, "a")[1] == pytest.approx(-0.01), "it is caught already"
    for key in ("b", "start", "select", "none", "right"):
        assert press(env, key)[1] == pytest.approx(-0.01)
    assert press(env, "a")[1] == pytest.approx(0.99)
    *_, info = press(env, "left", "left", "left", "down", "down", "down", "down")
    assert info["state"][:2].tolist() == [0, 6]
    _, reward, ended, cut, _ = press(env, "a")
    assert (reward, ended, cut) == (pytest.approx(0.99), True, False)


def test_select_changes_the_cap_and_nothing_else_does(env, still):
    env.reset(seed=0)
    assert [int(press(env, key)[4]["state"][3]) for key in ("select", "a", "b", "select", "start")] == [1, 1, 1, 0, 0]


def test_the_time_limit_cuts_the_episode_off():
    env = gymnasium.make(ID, sprites=blobs(4))
    env.reset(seed=0)
    ends = [env.step(0)[2:4] for _ in range(600)]
    assert not any(any(end) for end in ends[:-1])
    assert ends[-1] == (False, True)


def test_maps_can_always_be_solved():
    kinds = set()
    for seed in range(200):
        ground, _ = draw_map(np.random.default_rng(seed))
        assert connected(ground < WATER)
        assert (ground < WATER).sum() >= 44
        kinds |= set(ground.ravel().tolist())
    assert kinds == {0, 1, 2, 3}


def test_connected_sees_two_pieces():
    free = np.ones((4, 4), bool)
    assert connected(free)
    free[:, 2] = False
    assert not connected(free)
    assert not connected(np.eye(2, dtype=bool)), "corners do not connect"
    assert not connected(np.zeros((2, 2), bool))


def test_creatures_begin_on_free_tiles_away_from_the_player(env):
    for seed in range(50):
        env.reset(seed=seed)
        places = [env.player, *env.places]
        assert len(set(places)) == 4 and all(env.ground[y, x] < WATER for x, y in places)
        assert all(abs(x - env.player[0]) + abs(y - env.player[1]) >= 3 for x, y in env.places)


def test_creatures_wander_slowly_over_free_tiles(env):
    env.reset(seed=0)
    moves = 0
    for _ in range(1000):
        before = list(env.places)
        press(env, "none")
        for old, new in zip(before, env.places, strict=True):
            assert abs(old[0] - new[0]) + abs(old[1] - new[1]) <= 1
            moves += old != new
        places = [env.player, *env.places]
        assert len(set(places)) == 4 and all(env.ground[y, x] < WATER for x, y in places)
    assert 30 < moves < 150, "at most 0.04 · 3 · 1000 = 120 are tried"


def test_the_vector_shows_the_map(env):
    env.reset(seed=4)
    vector = env.vector
    assert vector.dtype == np.float32 and vector.shape == (4 + 9 + 64,)
    assert (vector[13:].reshape(SIDE, SIDE) == (env.ground >= WATER)).all()


def test_the_expert_catches_all_on_nearly_every_map(env):
    solved, steps = 0, []
    for seed in range(20):
        env.reset(seed=seed)
        for step in range(600):
            if env.step(env.expert_action())[2]:
                solved += 1
                steps.append(step)
                break
    assert solved >= 19
    assert np.mean(steps) < 60


def test_the_expert_goes_the_shortest_way(env, still):
    meadow(env, (0, 0), [(4, 0), (7, 7), (0, 7)], [(2, 0)])  # around the tree: three right, one down and up
    keys = []
    while not env.caught[0]:
        keys.append(KEYS[env.expert_action()])
        press(env, keys[-1])
    assert len(keys) <= 7 and keys[-1] == "a"
    meadow(env, (0, 0), [(7, 7), (7, 6), (6, 7)], [(1, 0), (0, 1)])
    assert env.expert_action() == 0, "walled in"


@pytest.mark.parametrize(
    "options",
    [
        {"creatures": 0},
        {"creatures": 7},
        {"creatures": 5},  # than sprites
        {"render_mode": "human"},
        {"sprites": blobs(4).astype(float)},
        {"sprites": blobs(4)[0]},
        {"sprites": np.full((3, 32, 32, 3), 255, np.uint8)},  # empty
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(UserError):
        Overworld(**{"sprites": blobs(4)} | options)


@pytest.mark.parametrize("action", [9, -1, 1.5, "up"])
def test_an_unknown_action_is_refused(env, action):
    env.reset(seed=0)
    with pytest.raises(AssertionError, match="0 to 8"):
        env.step(action)
