"""Console games on stable-retro: the one that it bundles, its actions, and what it says to mistakes."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs import action_names, make
from pokegen.game.envs.console import Console, choose, make_console, mask

GAME = "Airstriker-Genesis-v0"
ACTIONS = ("none", "left", "right", "b", "b+left", "b+right")


@pytest.fixture
def env():
    env = Console(GAME, actions=ACTIONS, render_mode="rgb_array")
    yield env
    env.close()


def same(one: tuple, other: tuple) -> bool:
    return np.array_equal(one[0], other[0]) and one[1:] == other[1:]


def test_gymnasiums_checker_has_nothing_to_say(env: Console):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)  # which makes a second emulator: one a process


def test_it_is_made_by_its_id_with_all_actions_that_make_sense():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make(f"retro/{GAME}", max_episode_steps=3)
        try:
            assert env.spec is not None and env.spec.id == f"retro/{GAME}"
            names = action_names(env)
            assert len(names) == len(set(names)) == 126 and names[0] == "none"
            assert {"left", "b+left", "c"} <= set(names) and "left+right" not in names
            frame, info = env.reset(seed=0)
            assert frame.shape == (224, 320, 3) and frame.dtype == np.uint8 and info["lives"] == 3
            assert np.array_equal(env.render(), frame)
            assert [env.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
        finally:
            env.close()


def test_the_same_seed_is_the_same_game_and_actions_are_seen(env: Console):
    actions = np.random.default_rng(0).integers(len(ACTIONS), size=200).tolist()

    def play(actions: list[int]) -> list[tuple]:
        env.reset(seed=4)
        return [env.step(action) for action in actions]

    first = play(actions)
    assert all(map(same, first, play(actions)))
    assert len({play([action] * 5)[-1][0].tobytes() for action in range(len(ACTIONS))}) == len(ACTIONS)


def test_a_restored_state_goes_on_exactly_with_its_rewards(env: Console):
    env.reset(seed=0)
    for _ in range(20):
        env.step(ACTIONS.index("none"))
    state, seen = env.save_state(), env.render()
    actions = np.random.default_rng(1).integers(len(ACTIONS), size=200).tolist()
    first = [env.step(action) for action in actions]
    assert sum(step[1] for step in first) > 0, "something was shot"
    for _ in range(2):
        env.restore_state(state)
        assert np.array_equal(env.render(), seen)
        assert all(same(one, env.step(action)) for one, action in zip(first, actions, strict=True))


def test_score_is_the_reward_and_the_last_life_the_end(env: Console):
    rng = np.random.default_rng(2)
    _, info = env.reset(seed=0)
    total, steps, terminated, lives = 0.0, 0, False, info["lives"]
    while not terminated:
        score = info["score"]
        _, reward, terminated, truncated, info = env.step(int(rng.integers(len(ACTIONS))))
        assert reward == info["score"] - score and not truncated
        total, steps = total + reward, steps + 1
        assert steps < 3000
    assert total > 0 and lives > 0 and info["lives"] == 0
    assert env.reset()[1]["lives"] == lives, "a reset begins anew"


def test_a_step_is_as_many_frames_as_asked(env: Console):
    env.reset(seed=0)
    for _ in range(20):
        env.step(ACTIONS.index("left"))
    expected = env.render()
    env.close()
    slow = Console(GAME, frame_skip=2, actions="none,left")
    slow.reset(seed=0)
    for _ in range(40):
        frame = slow.step(1)[0]
    assert np.array_equal(frame, expected) and slow.render() is None and slow.metadata["render_fps"] == 30
    assert slow.ram().shape == (65536,)
    slow.close()


def test_one_emulator_a_process_and_another_after_closing(env: Console):
    with pytest.raises(UserError, match=r"one emulator a process.*AsyncVectorEnv"):
        Console(GAME)
    env.close()
    again = Console(GAME, state="Level1")
    assert again.reset(seed=0)[0].any()
    again.close()


def test_several_run_in_processes_of_their_own():
    code = f"""
import gymnasium
from functools import partial
from pokegen.game.envs import make
from pokegen.errors import UserError

if __name__ == "__main__":
    envs = gymnasium.vector.AsyncVectorEnv([partial(make, "retro/{GAME}", actions="none,b")] * 2, context="spawn")
    frames, _ = envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    print(frames.shape)
    envs.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[0] == "(2, 224, 320, 3)", done.stderr


@pytest.mark.parametrize(
    ("game", "options", "message"),
    [
        ("Airstriker-Genesis", {}, f"knows no game 'Airstriker-Genesis'. Near: retro/{GAME}"),
        ("SonicTheHedgehog-Genesis-v0", {}, r"import your own with `python -m stable_retro.import FOLDER`"),
        (GAME, {"frame_skip": 0}, "frame_skip .* 0 came"),
        (GAME, {"render_mode": "ansi"}, "no render_mode 'ansi'"),
        (GAME, {"state": "Level9"}, "no state 'Level9'. Known states: Level1"),
        (GAME, {"actions": ["none", "fire"]}, "No action 'fire'.* Buttons: a, b, c, down"),
        (GAME, {"actions": "b,b"}, "Each action once"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_emulator_behind(game: str, options: dict, message: str):
    with pytest.raises(UserError, match=message) as error:
        (Console if game == GAME else make_console)(game, **options)
    assert "\n" not in str(error.value)
    Console(GAME).close()


def test_names_and_masks_follow_the_controller():
    buttons = ["B", None, "SELECT", "UP"]
    assert choose("none, b ,b+up".replace(" ", ""), buttons) == ("none", "b", "b+up")
    assert mask("b+up", buttons).tolist() == [1, 0, 0, 1] and not mask("none", buttons).any()
