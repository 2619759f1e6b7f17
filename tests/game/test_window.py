"""A person at the keyboard, without a display: SDL's dummy driver, and events that the test posts."""

import time

import numpy as np
import pytest
from toys import Counting

from pokegen.errors import UserError
from pokegen.game.envs.names import KEYS
from pokegen.game.video.recording import read_recording, record
from pokegen.game.window import Closed, Window, play

pygame = pytest.importorskip("pygame")


@pytest.fixture(autouse=True)
def dummy(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.display.quit()


class Meadow(Counting):
    """Does what the test's script says before each frame, and ends after 5 steps."""

    def __init__(self, names=KEYS, script=()):
        super().__init__(names, length=5)
        self.script = list(script)

    def step(self, action):
        for kind, key in self.script.pop(0) if self.script else [("quit", None)]:
            post(kind, key)
        return super().step(action)


def post(kind, key=None):
    types = {"down": pygame.KEYDOWN, "up": pygame.KEYUP, "quit": pygame.QUIT, "away": pygame.WINDOWFOCUSLOST}
    pygame.event.post(pygame.event.Event(types[kind], {"key": pygame.key.key_code(key)} if key else {}))


def pressed(names, *script):
    """Names of the actions that a person's keys give, a list of events before each."""
    env = Meadow(names)
    env.reset()
    with Window(env, fps=1000) as window:
        found = []
        for events in script:
            for kind, key in events:
                post(kind, key)
            found.append(names[window(env)])
    return found


def taps(*keys):
    return [[("down", key), ("up", key)] for key in keys]


def test_each_game_boy_key_has_its_own():
    keys = ("up", "down", "left", "right", "z", "x", "return", "backspace")
    assert pressed(KEYS, [], *taps(*keys), [], *taps("q")) == [*KEYS, "none", "none"]


def test_keys_are_held_until_they_come_up():
    script = [[("down", "left")], [], [("down", "z")], [("up", "z")], [], [("up", "left")], []]
    assert pressed(KEYS, *script) == ["left", "left", "a", "a", "left", "left", "none"]
    assert pressed(KEYS, [("down", "left")], [("away", None)], []) == ["left", "left", "none"]


def test_keys_are_pressed_together():
    names = ("none", "fire", "right", "left", "right+fire", "left+fire")
    script = [[("down", "right")], [("down", "space")], [("down", "left")], [("up", "left")], [], [("up", "right")], []]
    expected = ["right", "right+fire", "left+fire", "left+fire", "right+fire", "right+fire", "fire"]
    assert pressed(names, *script) == expected


def test_other_names_have_letters():
    assert pressed(("none", "left", "main", "right"), *taps("m", "left")) == ["main", "left"]
    assert pressed(("none", "jump", "jab", "xylophone"), *taps("j", "u", "x")) == ["jab", "jump", "xylophone"]


def test_the_title_names_the_keys():
    with Window(Meadow(("none", "up", "a", "jump"))):
        assert pygame.display.get_caption()[0] == "pokegen – z: a  up  j: jump  escape: end"


def test_without_an_idle_action_it_waits_for_a_key(monkeypatch):
    env = Meadow(("left", "right"))
    env.reset()
    with Window(env, fps=1000) as window:
        polls = []
        monkeypatch.setattr(window, "_poll", lambda: polls.append(0) or ({} if len(polls) < 4 else {"right": 1}))
        assert window(env) == 1
        assert len(polls) == 4


def test_it_shows_the_frame_enlarged():
    env = Meadow()
    env.reset()
    env.t = 9
    with Window(env, fps=1000, scale=3) as window:
        window(env)
        assert pygame.display.get_surface().get_size() == (120, 90)
        assert pygame.display.get_surface().get_at((60, 45))[:3] == (90, 90, 90)
        env.render = lambda: np.zeros((500, 2000, 3), np.uint8)
        window(env)
        assert pygame.display.get_surface().get_size() == (1024, 256)


@pytest.mark.parametrize("ending", [("quit", None), ("down", "escape")])
def test_play_until_the_window_is_closed(ending):
    script = [*taps("right", "z"), [], *taps("up", "down", "left"), [ending]]
    env, steps = Meadow(script=script), []
    play(env, lambda *step: steps.append(step), fps=1000, seed=3)
    assert [key for _, key, _, _ in steps] == ["none", "right", "a", "none", "up", "down", "left"]
    assert [frame[0, 0, 0] for frame, *_ in steps] == [0, 10, 20, 30, 40, 0, 10]
    assert [reward for _, _, reward, _ in steps] == [0, 4, 5, 0, 1, 2, 3]
    assert [episode for *_, episode in steps] == [0] * 5 + [1] * 2
    assert env.seeds == [3, 4]
    assert not pygame.display.get_init()


def test_a_person_is_recorded_like_any_player(tmp_path):
    env = Meadow(script=[*taps(*["right", "z"] * 10)])
    with Window(env, fps=1000) as window:
        found = read_recording(record(env, window, tmp_path / "person", frames=1000, seed=0))
        with pytest.raises(Closed):
            post("quit")
            window(env)
    assert found.keys == ["none", *["right", "a"] * 10]


def test_it_keeps_the_rate():
    env = Meadow()
    env.reset()
    with Window(env, fps=50) as window:
        start = time.perf_counter()
        for _ in range(10):
            window(env)
        assert 0.17 < time.perf_counter() - start < 1


def test_no_display_is_said(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "nothing")
    with pytest.raises(UserError, match="No window can be opened"):
        Window(Meadow())
