"""A tiny environment whose pictures tell each key, for the tests of what learns from pictures."""

from typing import Any, ClassVar

import gymnasium
import numpy as np

from pokegen.game.video.recording import Recorder, record

GROUPS = {"move": ["left", "right"], "fire": ["fire"]}


class Lamps(gymnasium.Env[np.ndarray, int]):
    """The upper lamps show what was pressed last, the lower ones what to press now: it pays 1, anything else nothing.

    An episode has `length` steps; the frame's ground is a gray of its own.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 15}  # type: ignore[misc]
    action_names = ("none", "left", "right", "fire", "right+fire")

    def __init__(self, render_mode: str | None = "rgb_array", length: int = 20):
        self.render_mode, self.length = render_mode, length
        self.action_space = gymnasium.spaces.Discrete(5)
        self.observation_space = gymnasium.spaces.Box(0, 255, (32, 32, 3), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.pressed = 0, 0
        self.ground, self.wish = self.np_random.integers(40, 90), self._draw()
        return self.render(), {}

    def step(self, action):
        paid = float(action == self.wish)
        self.steps, self.pressed, self.wish = self.steps + 1, action, self._draw()
        return self.render(), paid, self.steps == self.length, False, {}

    def render(self):
        frame = np.full((32, 32, 3), self.ground, np.uint8)
        for top, action in ((0, self.pressed), (18, self.wish)):
            keys = self.action_names[action].split("+")
            for i, key in enumerate(("left", "right", "fire")):
                if key in keys:
                    frame[top : top + 12, 10 * i : 10 * i + 10] = 250
        return frame

    def expert_action(self):
        return self.wish

    def _draw(self):
        return int(self.np_random.choice(5, p=(0.4, 0.2, 0.2, 0.1, 0.1)))


gymnasium.register("tests/Lamps-v0", Lamps)


def record_lamps(path, player, frames=400, seed=0):
    """A recording of so many frames; the path of its CSV."""
    return record(Lamps(), player, path, frames, seed)


def write(path, film, keys, episodes=None):
    """A recording of these frames, uint8 RGB (N, H, W, 3); the path of its CSV."""
    with Recorder(path) as recorder:
        for t, frame in enumerate(film):
            recorder.add(frame, keys[t], 0.0, episodes[t] if episodes is not None else 0)
    return recorder.csv
