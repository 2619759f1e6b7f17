"""A window on an X11 display as an environment: what it shows is captured, keys and the pointer are driven by XTest.

A real desktop, or Xvfb where there is none. Capture is mss's, through memory shared with the server: 1.5 to 1.8
times the rate of python-xlib's GetImage. Left out: Wayland's own clients, which no X11 program may capture or drive;
text input; keys that need a modifier.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from pokegen.errors import UserError
from pokegen.optional import require


class Desktop(gymnasium.Env):
    """A window, or a whole screen, seen as pixels and acted on by keys and a pointer.

    Observation: what the window shows, scaled to `size`×`size`: uint8 RGB (size, size, 3). `render()` gives the same.

    Action: MultiDiscrete([4, max(len(keys), grid[0]), grid[1]]), three parts (command, key or x, y):
        0  nothing; the other parts do not count
        1  press keys[key or x]: down as the step begins, up as it ends; nothing where it is past the last key
        2  move the pointer to the middle of cell (x, y) of a grid over the window, (0, 0) being the top left one;
           an x past the last column is the last column
        3  move there and click the left button

    Reward: `reward` of the frame that follows, else 0. The episode is terminated where `done` of that frame is true, or
    where the window is closed; it is never truncated.

    A step sends its action, waits until `step_time` has passed since the last step's end, and captures. Reset raises
    the window and gives it the keyboard's focus, and so does a key's step that finds the focus elsewhere. The
    environment draws no random numbers: what a seed changes is up to the program.

    Args:
        window: part of the window's title (upper and lower case alike), or its X id; None for the whole screen.
        display: such as ":0"; None for $DISPLAY.
        keys: keysym names, as `xev` and X11/keysymdef.h have them; the default is mGBA's keys.
        grid: columns and rows of the pointer's grid.
        size: pixels a side of an observation.
        step_time: seconds; 0 for as fast as it goes, where a key's effect may show a frame later.
        reward: from a frame to a number.
        done: from a frame to whether the episode ends with it.
        command: a program that is started at the first reset, on the same display, and ended by `close`.
        restart: whether the program is restarted at every reset.
        timeout: seconds that reset waits for the window, if there is a command.
        render_mode: "rgb_array" or None.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012  # as Gymnasium has it

    def __init__(
        self,
        window: str | int | None = None,
        display: str | None = None,
        keys: Sequence[str] = ("Up", "Down", "Left", "Right", "x", "z", "Return", "BackSpace"),
        grid: tuple[int, int] = (32, 32),
        size: int = 128,
        step_time: float = 1 / 20,
        reward: Callable[[np.ndarray], float] | None = None,
        done: Callable[[np.ndarray], bool] | None = None,
        command: Sequence[str] | None = None,
        restart: bool = False,
        timeout: float = 10.0,
        render_mode: str | None = "rgb_array",
    ):
        self.display = display or os.environ.get("DISPLAY", "")
        self.window, self.keys, self.grid, self.size, self.step_time = window, tuple(keys), tuple(grid), size, step_time
        self.reward, self.done = reward, done
        self.command, self.restart, self.timeout = command, restart, timeout
        self.render_mode = render_mode
        self._server, self._grabber = _connect(self.display)
        self._codes = [self._code(name) for name in self.keys]
        self._target: Any = None  # the X window
        self._closed = False
        self._others: set[int] = set()  # windows that were there before the program was
        self._process: subprocess.Popen | None = None
        self._frame = np.zeros((size, size, 3), np.uint8)
        self._due = 0.0  # when the current step ends
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = spaces.MultiDiscrete([4, max(len(self.keys), grid[0]), grid[1]])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        over = self._closed or self._process is None or self._process.poll() is not None
        if self.command and (self.restart or over):
            self._stop()
            self._start()
        self._target, self._closed = self._find(), False
        self._focus()
        self._due = time.monotonic() + self.step_time  # for the program to draw
        self._wait()
        self._capture()
        return self._frame, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        from Xlib import X, error

        command, across, down = (int(part) for part in action)
        try:
            if command == 1 and across < len(self._codes):
                self._focus()
                self._send(X.KeyPress, self._codes[across])
                self._wait()
                self._send(X.KeyRelease, self._codes[across])
            else:
                if command in (2, 3):
                    self._point(across, down)
                if command == 3:
                    self._send(X.ButtonPress, 1)
                    self._send(X.ButtonRelease, 1)
                self._wait()
            self._capture()
        except (error.BadWindow, error.BadDrawable):  # it is closed, though its program may still be ending
            self._closed = True
            return self._frame, 0.0, True, False, {}
        reward = float(self.reward(self._frame)) if self.reward else 0.0
        return self._frame, reward, bool(self.done and self.done(self._frame)), False, {}

    def render(self) -> np.ndarray | None:
        return self._frame if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        from Xlib import error

        self._stop()
        self._grabber.close()
        with contextlib.suppress(error.ConnectionClosedError):  # closed before, or by the server
            self._server.close()

    def _code(self, name: str) -> int:
        from Xlib import XK

        if not (code := self._server.keysym_to_keycode(XK.string_to_keysym(name))):
            raise UserError(f"Unknown key {name!r}: expected a keysym's name that the keyboard of {self.display} has, "
                            "such as Up, x, Return.")  # fmt: skip
        return code

    def _start(self) -> None:
        assert self.command is not None
        self._others = {window.id for window in _tree(self._server.screen().root)}
        try:
            self._process = subprocess.Popen(list(self.command), env=os.environ | {"DISPLAY": self.display})
        except OSError as error:
            raise UserError(f"Cannot start {self.command[0]}: {error.strerror}. Check the option command.") from error

    def _stop(self) -> None:
        from Xlib import error

        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self.window is not None and self._target is not None:
            end = time.monotonic() + 1
            with contextlib.suppress(error.BadWindow, error.ConnectionClosedError):
                while time.monotonic() < end and self._target.get_attributes():  # until the server has noticed
                    time.sleep(0.01)

    def _find(self) -> Any:
        """The requested X window, once it is shown; where there is a program, one that came after it."""
        root = self._server.screen().root
        if self.window is None:
            return root
        end = time.monotonic() + (self.timeout if self.command else 0)
        while True:
            shown = {window: title for window in _tree(root) if (title := _title(window)) is not None}
            for window, title in shown.items():
                if isinstance(self.window, int):
                    found = window.id == self.window
                else:
                    found = self.window.lower() in title.lower() and window.id not in self._others
                if found:
                    return window
            if self._process is not None and (status := self._process.poll()) is not None:
                raise UserError(f"{list(self.command or [])} ended with status {status} before it showed a window.")
            if time.monotonic() >= end:
                titles = ", ".join(sorted({repr(title) for title in shown.values() if title})) or "none with a title"
                wanted = repr(self.window) if isinstance(self.window, str) else hex(self.window)
                raise UserError(f"No window {wanted} is shown on display {self.display}. Windows there: {titles}.")
            time.sleep(0.02)

    def _focus(self) -> None:
        """Raise the window and give it the keyboard, unless it has it."""
        from Xlib import X

        if self.window is None:
            return
        focus = self._server.get_input_focus().focus
        if focus == self._target or (not isinstance(focus, int) and self._target in _ancestors(focus)):
            return
        self._target.configure(stack_mode=X.Above)
        self._target.set_input_focus(X.RevertToParent, X.CurrentTime)
        self._server.sync()

    def _place(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the window on the screen, in pixels."""
        at, root = self._target.get_geometry(), self._server.screen().root
        corner = root.translate_coords(self._target, 0, 0)
        return corner.x, corner.y, at.width, at.height

    def _point(self, across: int, down: int) -> None:
        from Xlib import X

        left, top, width, height = self._place()
        x = left + int((min(across, self.grid[0] - 1) + 0.5) / self.grid[0] * width)
        y = top + int((down + 0.5) / self.grid[1] * height)
        self._send(X.MotionNotify, x=x, y=y)

    def _send(self, kind: int, detail: int = 0, **place: int) -> None:
        from Xlib.ext import xtest

        xtest.fake_input(self._server, kind, detail, **place)
        self._server.sync()

    def _wait(self) -> None:
        now = time.monotonic()
        if (left := self._due - now) > 0:
            time.sleep(left)
        self._due = max(self._due, now) + self.step_time

    def _capture(self) -> None:
        """Take the part of the window that is on the screen; what sticks out is black."""
        left, top, width, height = self._place()
        screen = self._server.screen()
        x, y = max(left, 0), max(top, 0)
        right, bottom = min(left + width, screen.width_in_pixels), min(top + height, screen.height_in_pixels)
        if right <= x or bottom <= y:
            raise UserError(f"The window {self.window!r} is off the screen: move it back.")
        shot = self._grabber.grab({"left": x, "top": y, "width": right - x, "height": bottom - y})
        image = Image.frombuffer("RGB", shot.size, shot.bgra, "raw", "BGRX")
        if shot.size != (width, height):
            image = image.crop((left - x, top - y, left - x + width, top - y + height))
        self._frame = np.array(image.resize((self.size, self.size), Image.Resampling.BILINEAR))


def _connect(name: str) -> tuple[Any, Any]:
    """An X11 connection that has XTest, and mss's grabber, or a UserError."""
    display = require("Xlib.display", "python-xlib")
    mss = require("mss")
    from Xlib.error import ConnectionClosedError, DisplayError

    try:
        server = display.Display(name)
    except (ConnectionClosedError, DisplayError, OverflowError) as error:  # a number that is no port
        what = f"No X11 display {name!r} answers" if name else "No X11 display: $DISPLAY is not set"
        raise UserError(
            f"{what}. Name one with the option display, or start one: Xvfb :99 -screen 0 640x480x24"
        ) from error
    if not server.query_extension("XTEST"):
        raise UserError(f"Display {name} has no XTest extension, by which keys are sent: start its server with it.")
    server.set_error_handler(lambda *_: None)  # of requests without a reply; the others raise
    return server, mss.MSS(display=name)


@contextlib.contextmanager
def virtual_display(width: int = 640, height: int = 480) -> Iterator[str]:
    """Xvfb, an X11 server without a monitor, for as long as the block lasts; gives its display's name, such as ":1"."""
    reading, writing = os.pipe()
    screen = ["-screen", "0", f"{width}x{height}x24"]
    # -noreset: a server that resets after its last client leaves would drop a client that comes just then
    command = ["Xvfb", "-displayfd", str(writing), *screen, "-noreset", "-nolisten", "tcp"]
    try:
        server = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        os.close(reading)
        raise UserError("Xvfb is not installed. Install it: apt install xvfb (or your system's package)") from error
    finally:
        os.close(writing)
    try:
        with open(reading) as answer:  # a line, once the server answers
            number = answer.readline().strip()
        if not number:
            raise UserError(f"Xvfb did not start: it ended with status {server.wait()}.")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


def _tree(window: Any) -> list[Any]:
    """The windows below one, the topmost first: a window before its children."""
    from Xlib import error

    try:
        children = window.query_tree().children[::-1]
    except error.BadWindow:
        return []
    return [found for child in children for found in (child, *_tree(child))]


def _ancestors(window: Any) -> list[Any]:
    found = [window]
    while (parent := found[-1].query_tree().parent) and len(found) < 32:
        found.append(parent)
    return found


def _title(window: Any) -> str | None:
    """The title of a window, or None for one that is not shown."""
    from Xlib import X, error

    server = window.display
    try:
        if window.get_attributes().map_state != X.IsViewable:
            return None
        for name in ("_NET_WM_NAME", "WM_NAME"):
            if value := window.get_full_text_property(server.get_atom(name)):
                return str(value)
    except (error.BadWindow, error.BadDrawable):  # closed meanwhile
        return None
    return ""
