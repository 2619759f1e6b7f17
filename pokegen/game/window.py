"""A person plays, in a window.

Gymnasium's own `utils.play` resets each episode with the same seed, drops keys that are tapped between two frames, and
does not hand over the frame that was seen; so the loop here is that of `play.played`.

A window is a player like any other, so `record(env, Window(env), …)` records a person.
"""

from collections.abc import Callable
from contextlib import suppress
from string import ascii_lowercase
from typing import Any

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.game.envs import action_names
from pokegen.game.play import played
from pokegen.game.video.codec import FPS, FRAME_SIZE
from pokegen.optional import require

# Names of actions and the keys of the keyboard; any other name is played with a letter of it that is free.
KEYBOARD = {
    **{name: name for name in ("up", "down", "left", "right")},
    **{"a": "z", "b": "x", "start": "return", "select": "backspace", "fire": "space"},
}
LARGEST = 1024  # pixels: side that no window exceeds


class Closed(KeyboardInterrupt):
    """The person has closed the window, or pressed Escape."""


class Window:
    """Shows an environment and asks the person for an action, at most `fps` times a second; a context manager.

    Of the actions whose keys are all held, or were tapped since the last frame, it takes the one with the most keys, of
    equals the one whose keys went down last; "none" where no key is down. An environment without an idle action waits
    for a key. The title names the keys.

    Args:
        env: with render_mode "rgb_array" and named actions.
        fps: frames a second.
        scale: times that the picture is enlarged, less where the window would exceed 1,024 pixels.

    UserError: pygame is not installed, or there is no display.
    """

    def __init__(self, env: gymnasium.Env, fps: int = FPS, scale: int = 4):
        self._pygame: Any = require("pygame", "pygame-ce", "'gymnasium[box2d]'")
        self._fps, self._scale = fps, scale
        self._actions = [frozenset(name.split("+")) - {"none"} for name in action_names(env)]
        keyboard = _keyboard(sorted(frozenset().union(*self._actions)))
        try:
            self._pygame.display.init()
            self._screen = self._pygame.display.set_mode((FRAME_SIZE * scale, FRAME_SIZE * scale))
        except self._pygame.error as error:
            raise UserError(f"No window can be opened ({error}). Record a scripted player instead.") from error
        self._names = {self._pygame.key.key_code(key): name for name, key in keyboard.items()}
        self._clock = self._pygame.time.Clock()
        self._held: dict[str, int] = {}  # names of what is down → the order in which it went down
        self._downs = 0
        legend = "  ".join(f"{key}: {name}" if key != name else key for name, key in keyboard.items())
        self._pygame.display.set_caption(f"pokegen – {legend}  escape: end")

    def begin(self, seed: int) -> None:
        """An episode begins: nothing to prepare."""

    def __call__(self, env: gymnasium.Env, observation: Any = None) -> int:
        """Show what `env` renders, wait for the end of the frame, and give the action's index. Raises Closed."""
        self._show(env.render())
        while True:
            self._clock.tick(self._fps)
            action = self._choose(self._poll())
            if action is not None:
                return action

    def close(self) -> None:
        self._pygame.display.quit()

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _show(self, frame: Any) -> None:
        picture = self._pygame.surfarray.make_surface(np.asarray(frame).swapaxes(0, 1))
        width, height = picture.get_size()
        scale = min(self._scale, LARGEST / max(width, height))
        size = (round(width * scale), round(height * scale))
        if self._screen.get_size() != size:
            self._screen = self._pygame.display.set_mode(size)
        self._screen.blit(self._pygame.transform.scale(picture, size), (0, 0))
        self._pygame.display.flip()

    def _poll(self) -> dict[str, int]:
        """The names that are down now or were tapped since the last call."""
        pygame, seen = self._pygame, dict(self._held)
        for event in pygame.event.get():
            name = self._names.get(getattr(event, "key", None))
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                raise Closed
            if event.type == pygame.KEYDOWN and name:
                self._downs += 1
                self._held[name] = seen[name] = self._downs
            elif event.type == pygame.KEYUP and name:
                self._held.pop(name, None)
            elif event.type == pygame.WINDOWFOCUSLOST:  # keys released elsewhere send no event
                self._held.clear()
        return seen

    def _choose(self, down: dict[str, int]) -> int | None:
        possible = [index for index, keys in enumerate(self._actions) if keys <= down.keys()]
        latest = {index: sorted((down[key] for key in self._actions[index]), reverse=True) for index in possible}
        return max(possible, key=lambda index: (len(latest[index]), latest[index]), default=None)


def play(
    env: gymnasium.Env,
    on_step: Callable[[np.ndarray, str, float, int], object],
    fps: int = FPS,
    scale: int = 4,
    seed: int = 0,
) -> None:
    """Let a person play until the window is closed or Escape is pressed.

    Args:
        on_step: takes the frame that was seen, uint8 RGB (H, W, 3), the name of the action, the reward and the episode,
            as `Recorder.add` does.
        seed: of the first episode; the next has seed + 1, and so on.
    """
    with Window(env, fps, scale) as window, suppress(KeyboardInterrupt):
        for step in played(env, window, seed):
            on_step(*step)


def _keyboard(names: list[str]) -> dict[str, str]:
    """For each name a key of the keyboard: its own in KEYBOARD, or a letter, its own letters first."""
    chosen = {name: KEYBOARD[name] for name in names if name in KEYBOARD}
    for name in (name for name in names if name not in KEYBOARD):
        free = [letter for letter in name.lower() + ascii_lowercase if letter in ascii_lowercase]
        chosen[name] = next(letter for letter in free if letter not in chosen.values())
    return chosen
