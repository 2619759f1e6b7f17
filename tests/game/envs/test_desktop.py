"""The desktop environment on a real window of a real X server."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs import action_names, make
from pokegen.game.envs.desktop import virtual_display
from pokegen.game.envs.sample_window import MARK, MOVES, SIZE, SQUARE, TITLE

KEYS = ("Up", "Down", "Left", "Right", "Escape")
assert tuple(sorted(MOVES)) == tuple(sorted(KEYS[:4]))
COMMAND = [sys.executable, "-m", "pokegen.game.envs.sample_window"]
HALF = SIZE // 128  # window pixels of one of an observation


@pytest.fixture(scope="module")
def display():
    if not shutil.which("Xvfb"):
        if os.environ.get("CI"):
            pytest.fail("Xvfb is missing: apt install xvfb")
        pytest.skip("Xvfb is missing: apt install xvfb")
    with virtual_display() as name:
        yield name


@pytest.fixture
def desktop(display):
    made = []

    def start(**options):
        settings = {"display": display, "window": "pokegen WIN", "command": COMMAND, "keys": KEYS, "grid": (8, 8)}
        made.append(make("pokegen/Desktop-v0", **settings | options))
        return made[-1]

    yield start
    for env in made:
        env.close()


def square(frame):
    """Left and top of the blue square, in window pixels."""
    rows, columns = np.nonzero((frame[..., 2] > 150) & (frame[..., 0] < 100))
    assert len(rows) == (SQUARE // HALF) ** 2
    return columns.min() * HALF, rows.min() * HALF


def marked(frame):
    """Whether each observation pixel is part of a red mark, bool (128, 128)."""
    return (frame[..., 0] > 150) & (frame[..., 2] < 100)


def until(env, wanted, steps=40):
    """Steps that do nothing until the frame is as wanted; a busy machine may draw late."""
    for _ in range(steps):
        frame = env.step(np.array([0, 0, 0]))[0]
        if wanted(frame):
            break
    return frame


def test_keys_move_what_the_window_shows(desktop):
    env = desktop()
    frame, _ = env.reset()
    assert frame.shape == (128, 128, 3) and frame.dtype == np.uint8
    x = y = (SIZE - SQUARE) // 2
    assert square(until(env, lambda f: f.min() < 255)) == (x, y)
    for name, (right, down) in MOVES.items():
        env.step(np.array([1, KEYS.index(name), 5]))
        x, y = x + right * SQUARE, y + down * SQUARE
        assert square(until(env, lambda f: square(f) == (x, y))) == (x, y), name  # noqa: B023
        assert np.array_equal(env.render(), until(env, lambda f: True))


def test_a_click_lands_in_the_middle_of_its_cell(desktop):
    env = desktop()
    env.reset()
    env.step(np.array([3, 6, 1]))  # of a grid of 8×8: 32 pixels a cell
    red = marked(until(env, lambda f: marked(f).any()))
    rows, columns = np.nonzero(red)
    assert red.sum() == (MARK // HALF) ** 2
    assert (columns.min() * HALF, rows.min() * HALF) == (6 * 32 + 16 - MARK // 2, 1 * 32 + 16 - MARK // 2)
    env.step(np.array([2, 0, 0]))  # the pointer alone leaves no mark
    assert np.array_equal(marked(until(env, lambda f: False, steps=3)), red)


def test_the_pointer_is_where_it_was_moved(desktop, display):
    from Xlib.display import Display

    env = desktop(grid=(4, 16))
    env.reset()
    env.step(np.array([2, 3, 15]))
    connection = Display(display)
    at = connection.screen().root.query_pointer()
    connection.close()  # or the warning of its socket falls into another test
    assert (at.root_x, at.root_y) == (int(3.5 / 4 * SIZE), int(15.5 / 16 * SIZE))


def test_what_is_past_the_last_does_what_it_says(desktop):
    env = desktop(grid=(2, 8))
    assert env.action_space.nvec.tolist() == [4, len(KEYS), 8]  # the second part: the larger of the two
    env.reset()
    env.step(np.array([3, 4, 0]))  # column 4 of two: the last
    columns = np.nonzero(marked(until(env, lambda f: marked(f).any())))[1]
    assert columns.min() * HALF == int(1.5 / 2 * SIZE) - MARK // 2
    env = desktop(window=None, command=None, grid=(32, 4))
    env.reset()
    before = env.step(np.array([0, 0, 0]))[0]
    assert np.array_equal(env.step(np.array([1, 31, 0]))[0], before)  # a key past the last: none


def test_reward_and_end_are_functions_of_the_frame(desktop):
    env = desktop(reward=lambda f: marked(f).mean(), done=lambda f: bool(marked(f).any()))
    env.reset()
    assert env.step(np.array([0, 0, 0]))[1:4] == (0.0, False, False)
    env.step(np.array([3, 1, 1]))
    until(env, lambda f: marked(f).any())
    assert env.step(np.array([0, 0, 0]))[1:4] == ((MARK // HALF) ** 2 / 128**2, True, False)


def test_a_closed_window_ends_the_episode_and_reset_starts_it_again(desktop):
    env = desktop()
    env.reset()
    last = until(env, lambda f: f.min() < 255)
    env.step(np.array([1, KEYS.index("Escape"), 0]))
    for _ in range(40):
        frame, reward, terminated, truncated, _ = env.step(np.array([0, 0, 0]))
        if terminated:
            break
    assert terminated and not truncated and reward == 0 and np.array_equal(frame, last)
    env.reset()
    assert square(until(env, lambda f: f.min() < 255)) == ((SIZE - SQUARE) // 2,) * 2


def test_restart_begins_anew_and_close_ends_the_program(desktop):
    for restart in (False, True):
        env = desktop(restart=restart)
        env.reset()
        env.step(np.array([3, 1, 1]))
        until(env, lambda f: marked(f).any())
        env.reset()
        assert marked(until(env, lambda f: f.min() < 255)).any() != restart
        process = env.unwrapped._process
        env.close()
        assert process.poll() is not None


def test_steps_keep_pace(desktop):
    env = desktop(step_time=0.05)
    env.reset()
    begin = time.monotonic()
    for _ in range(10):
        time.sleep(0.01)  # the agent's own time counts
        env.step(np.array([0, 0, 0]))
    assert 0.49 < time.monotonic() - begin < 1.0  # 0.05 s each, on a busy machine too


def test_a_part_off_the_screen_is_black(desktop):
    env = desktop()
    env.reset()
    until(env, lambda f: f.min() < 255)
    env.unwrapped._target.configure(x=-64)
    frame = until(env, lambda f: f[:, :31].max() == 0)
    assert frame[:, :31].max() == 0 and frame[:, 33:].max() == 255
    assert square(frame) == ((SIZE - SQUARE) // 2,) * 2


def test_gymnasiums_check_passes(desktop, recwarn):
    check_env(desktop(step_time=0.05, restart=True).unwrapped)
    assert not [str(w.message) for w in recwarn]


def test_a_window_is_found_by_its_number(desktop, display):
    first = desktop()
    first.reset()
    env = desktop(window=first.unwrapped._target.id, command=None)
    env.reset()
    assert square(until(env, lambda f: f.min() < 255)) == ((SIZE - SQUARE) // 2,) * 2
    first.close()


def test_mistakes_are_said_in_one_line(desktop, display, monkeypatch):
    with pytest.raises(UserError, match=f"^No window 'editor' is shown on display {display}. Windows there: ") as error:
        env = desktop()
        env.reset()
        desktop(window="editor", command=None).reset()
    assert repr(TITLE) in str(error.value)
    for options, message in (
        ({"window": 0x12345, "command": None}, "No window 0x12345 is shown"),
        ({"keys": ("Up", "Upp")}, "Unknown key 'Upp'"),
        ({"command": ["no-such-program"]}, "Cannot start no-such-program: No such file"),
        ({"command": ["false"], "window": "never"}, r"\['false'\] ended with status 1 before it showed a window"),
        ({"display": ":98765"}, "No X11 display ':98765' answers"),
    ):
        with pytest.raises(UserError, match=message):
            desktop(**options).reset()
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UserError, match=r"No X11 display: \$DISPLAY is not set"):
        desktop(display=None)
    with pytest.raises(UserError, match="does not name its actions"):
        action_names(env)


def test_a_server_without_xtest_is_refused(display, monkeypatch):
    whole = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **rest: whole([*command, "-extension", "XTEST"], **rest))
    with virtual_display() as bare, pytest.raises(UserError, match=f"Display {bare} has no XTest"):
        make("pokegen/Desktop-v0", display=bare)


def test_without_xvfb_a_virtual_display_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"^Xvfb is not installed"), virtual_display():
        pass
