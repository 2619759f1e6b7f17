"""What each environment can do, measured by running it: the matrix of `pokegen game envs --check`.

Each row is measured in a process of its own, without a display and with one thread, so that a crash spoils one row, and
because stable-retro allows one emulator a process. Actions are random, from a seed. Left out: what cannot be measured,
but for one column, whether an environment is a mini-game of pokegen's.
"""

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from pokegen.errors import UserError
from pokegen.game.envs import action_index, action_names, make, restore, save
from pokegen.game.envs.names import near
from pokegen.trust import python

TIMEOUT = 120.0  # seconds of a row
STEPS = 20  # of each run that is compared with another
PATIENCE = 20.0  # seconds of random play for a reward and an episode's end
SKIPS = ("frame_skip", "frameskip")  # what environments call the option


@dataclass(frozen=True)
class Known:
    """An environment that is known by name.

    Args:
        id: what `make` takes.
        about: a line.
        module, package: what it is imported as, and installed as.
        mini_game: whether it is a mini-game of pokegen's.
    """

    id: str
    about: str
    module: str
    package: str
    mini_game: bool = False

    @property
    def installed(self) -> bool:
        try:
            return importlib.util.find_spec(self.module) is not None
        except ValueError:  # a module without a specification, as a stand-in may be
            return True

    @property
    def version(self) -> str:
        """Of the package; nothing where it is not installed."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return ""

    def __str__(self) -> str:
        """Such as "ALE/SpaceInvaders-v5   Atari [ale-py 0.12.1]"."""
        state = f"{self.package} {self.version}".strip() if self.installed else f"{self.package} is not installed"
        return f"{self.id:<{_WIDTH}}  {self.about} [{state}]"


_KNOWN = (
    Known(
        "pokegen/Overworld-v0",
        "a meadow where generated Pokémon walk; a Game Boy's nine keys",
        "pokegen",
        "pokegen",
        True,
    ),
    Known(
        "pokegen/Fighter-v0", "two creatures fight; three-part actions, one or two players", "pokegen", "pokegen", True
    ),
    Known("pokegen/GameBoy-v0", "a Game Boy ROM, yours or pokegen's own, on PyBoy", "pyboy", "pyboy"),
    Known(
        "pokegen/GameBoyAdvance-v0", "a Game Boy Advance ROM, yours or pokegen's own", "stable_retro", "stable-retro"
    ),
    Known("pokegen/Desktop-v0", "a window or screen of an X11 display: keys and pointer", "Xlib", "python-xlib"),
    Known("ALE/SpaceInvaders-v5", "Atari", "ale_py", "ale-py"),
    Known("LunarLander-v3", "a lander's engines, on or off", "Box2D", "gymnasium"),
    Known("LunarLanderContinuous-v3", "a lander's engines, throttled", "Box2D", "gymnasium"),
    Known("mpe/simple_spread_v3", "three particles cover three landmarks together", "mpe2", "mpe2"),
    Known("mpe/simple_adversary_v3", "two particles hide their landmark from a third", "mpe2", "mpe2"),
    Known("VizdoomBasic-v1", "Doom: shoot one monster", "vizdoom", "vizdoom"),
    Known("VizdoomDeadlyCorridor-v1", "Doom: a corridor full of monsters", "vizdoom", "vizdoom"),
    Known("VizdoomHealthGathering-MultiBinary-v1", "Doom: collect health, buttons together", "vizdoom", "vizdoom"),
    Known("retro/Airstriker-Genesis-v0", "the console game that stable-retro bundles", "stable_retro", "stable-retro"),
    Known("unity/PATH", "a Unity scene with ML-Agents", "mlagents_envs", "mlagents_envs"),
    Known("unrealcv/HOST:PORT", "a camera in an Unreal scene", "unrealcv", "unrealcv"),
    Known("malmo/MISSION.xml", "a Minecraft mission", "malmoenv", "malmoenv"),
    Known("sc2/MoveToBeacon", "StarCraft II, mini-game maps and ladder maps", "pysc2", "pysc2"),
    Known("dmlab/seekavoid_arena_01", "DeepMind Lab, its levels", "deepmind_lab", "deepmind_lab"),
)


def known(ids: Sequence[str] | None = None) -> tuple[Known, ...]:
    """Those of the ids, or without any the rows of the matrix, each a line as text; nothing is imported for it.
    Any other id that `make` takes is known too. Raises UserError for one that Gymnasium's registry lacks.
    """
    return tuple(_entry(id) for id in ids) if ids else _KNOWN


@dataclass
class CheckRow:
    """An environment's row: "yes", "no", or "–" for what was not measured. Fields are columns, in order.

    Args:
        id: what `make` takes.
        package: and its version.
        reward: a reward other than 0 and an episode's end came within seconds of random play.
        state: RAM, or a vector of the state, in addition to the pixels.
        seed: the same seed and actions give the same frames and rewards.
        compound: an action may have several parts at once.
        video: `render()` gives RGB frames that change, and a recorder writes them as H.264.
        sync: it waits for the agent: a pause between steps changes no later frame.
        skip: an option sets frames a step: one step of two frames gives what two steps of one give.
        log: play can be recorded with the names of its actions.
        mini_game: of pokegen's own; a fact, not a measurement.
        save: after `restore` the same actions give the same frames and rewards.
        headless: it ran without a display, or under Xvfb.
        rate: steps a second with rendering; 0 if not measured.
        note: a line on what is missing, or on what was found.
    """

    id: str
    package: str
    reward: str = "–"
    state: str = "–"
    seed: str = "–"
    compound: str = "–"
    video: str = "–"
    sync: str = "–"
    skip: str = "–"
    log: str = "–"
    mini_game: str = "–"
    save: str = "–"
    headless: str = "–"
    rate: float = 0.0
    note: str = ""

    def as_dict(self) -> dict[str, str | float]:
        """For JSON."""
        return dataclasses.asdict(self)


HEADS = {
    "reward": "reward, end",
    "state": "state",
    "seed": "seed",
    "compound": "compound",
    "video": "video",
    "sync": "sync",
    "skip": "skip",
    "log": "log",
    "mini_game": "mini-game",
    "save": "save",
    "headless": "headless",
}


def check(ids: Sequence[str] | None = None, seconds: float = 1.5) -> Iterator[CheckRow]:
    """Measure environments, one after the other; each row comes as soon as it is done.

    Args:
        ids: which; None or empty for all of `known()`. UserError, before any is run, for one that is unknown.
        seconds: for the rate of each.
    """
    for entry in known(ids):
        yield _in_process(entry.id, seconds)


def heading(markdown: bool = False) -> str:
    """The line or lines above the rows of `line`."""
    names = ["environment", *HEADS.values(), "steps/s", "package"]
    if markdown:
        return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    return _columns(names)


def line(row: CheckRow, markdown: bool = False) -> str:
    """A row of text in fixed columns, or of a Markdown table. One that did not run has its note in place of cells."""
    cells = [getattr(row, name) for name in HEADS]
    if not row.rate:
        return f"| {row.id} | {row.note} {'|' * (len(HEADS) + 2)}" if markdown else f"{row.id:<{_WIDTH}} {row.note}"
    text = [row.id, *cells, f"{row.rate:.0f}", row.package + (f" ({row.note})" if row.note else "")]
    return f"| {' | '.join(text)} |" if markdown else _columns(text)


def table(rows: Iterable[CheckRow], markdown: bool = False) -> str:
    """The matrix as text in fixed columns, or in Markdown."""
    return "\n".join([heading(markdown), *(line(row, markdown) for row in rows)])


_WIDTH = max(len(entry.id) for entry in _KNOWN)


def _columns(cells: Sequence[str]) -> str:
    widths = [_WIDTH, *(len(head) for head in HEADS.values()), 7]
    fixed = [f"{cell:<{w}}" for cell, w in zip(cells[:-2], widths, strict=False)]
    return "  ".join([*fixed, f"{cells[-2]:>7}", cells[-1]])


def _entry(id: str) -> Known:
    """Of the matrix, or made after its first of the same kind."""
    kind = id.partition("/")[0] if "/" in id else id[: len("Vizdoom")]
    for entry in _KNOWN:
        if entry.id == id or (entry.id.startswith(kind) and kind != "pokegen"):
            return dataclasses.replace(entry, id=id)
    if id not in gymnasium.registry:
        raise UserError(f"Unknown environment {id!r}. {near(id, [*gymnasium.registry, *(e.id for e in _KNOWN)])}")
    return Known(id, "of Gymnasium's own", "gymnasium", "gymnasium")


def _row(id: str) -> CheckRow:
    """Before it is measured."""
    entry = _entry(id)
    return CheckRow(id, f"{entry.package} {entry.version}".strip())


def _in_process(id: str, seconds: float) -> CheckRow:
    row = _row(id)
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    process = subprocess.Popen(
        python("-m", "pokegen.game.check", id, str(seconds)),
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that what it started ends with it
    )
    try:
        out, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return dataclasses.replace(row, note=f"did not finish in {TIMEOUT:.0f} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        last = next(iter(errors.strip().splitlines()[::-1]), "")
        return dataclasses.replace(row, note=f"ended with status {process.returncode}: {last}")
    return CheckRow(**json.loads(out.splitlines()[-1]))


def measure(id: str, seconds: float = 1.5) -> CheckRow:
    """A row, measured in this process."""
    row = _row(id)
    with ExitStack() as stack:
        try:
            options = _options(id, stack)
            env = make(id, **options)
            try:
                _measure(env, row, seconds)
            finally:
                env.close()
            row.skip = _said(_skips(id, options))
        except UserError as error:
            return CheckRow(row.id, row.package, note=str(error))
    row.mini_game = _said(_entry(id).mini_game)
    row.headless = _said("DISPLAY" not in os.environ)
    if id.startswith("ALE/"):
        from ale_py.roms import get_all_rom_ids

        row.note = f"{len(get_all_rom_ids())} ROMs in the wheel"
    return row


def _options(id: str, stack: ExitStack) -> dict[str, Any]:
    """What an environment needs to be measured at all."""
    if id.startswith("Vizdoom"):
        return {"objects_info_enabled": True}  # the state in addition to the pixels
    if id != "pokegen/Desktop-v0":
        return {}
    from pokegen.game.envs import desktop, sample_window

    def red(frame: np.ndarray) -> float:
        """The share of the window that is marked."""
        return float(((frame[..., 0] > 150) & (frame[..., 2] < 100)).mean())

    return {
        "display": stack.enter_context(desktop.virtual_display()),
        "window": sample_window.TITLE,
        "command": python("-m", sample_window.__name__),
        "restart": True,
        "keys": tuple(sample_window.MOVES),
        "grid": (4, 4),
        "reward": red,
        "done": lambda frame: red(frame) > 0.02,
    }


def _measure(env: gymnasium.Env, row: CheckRow, seconds: float) -> None:
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(STEPS)]
    observation, info = env.reset(seed=0)
    row.state = _said(_has_state(env, observation, info))
    row.compound = _said(_is_compound(env))
    played = _run(env, actions, seed=0)
    row.seed = _said(played == _run(env, actions, seed=0))
    row.sync = _said(played == _run(env, actions, seed=0, pause=0.1))
    row.save = _said(_restores(env, actions))
    row.video, row.log = map(_said, _records(env, actions))
    row.reward = _said(_ends(env))
    inner: Any = env.unwrapped
    if hasattr(inner, "step_time"):  # a desktop's own rate, not its pace nor its program's start
        inner.step_time, inner.done = 0.0, None
    row.rate = round(_rate(env, seconds), 1)


def _said(value: bool) -> str:
    return "yes" if value else "no"


def _shown(env: gymnasium.Env) -> str:
    frame: Any = env.render()
    return hashlib.sha256(frame.tobytes()).hexdigest()


def _run(env: gymnasium.Env, actions: Sequence[Any], seed: int | None = None, pause: float = 0.0) -> list[Any]:
    """What is seen and gained: from a seed, or from where the environment is; a pause, in seconds, in the middle."""
    if seed is not None:
        env.reset(seed=seed)
    seen: list[Any] = [_shown(env)] if seed is not None else []
    for i, action in enumerate(actions):
        if pause and i == len(actions) // 2:
            time.sleep(pause)
        _, reward, terminated, truncated, _ = env.step(action)
        seen.append((_shown(env), float(reward), terminated, truncated))
        if terminated or truncated:
            break
    return seen


def _has_state(env: gymnasium.Env, observation: Any, info: dict[str, Any]) -> bool:
    inner: Any = env.unwrapped
    if hasattr(inner, "ale"):
        return inner.ale.getRAM().size > 0
    if hasattr(inner, "ram"):  # of an emulator
        return inner.ram().size > 0
    if hasattr(inner, "game") and hasattr(inner, "state"):  # ViZDoom: every object's place, if enabled
        return bool(inner.state.objects)
    parts = observation.values() if isinstance(observation, dict) else [observation]
    vectors = [*parts, *(info.get(name) for name in ("state", "ram"))]
    return any(isinstance(part, np.ndarray) and part.ndim == 1 and part.size > 1 for part in vectors)


def _is_compound(env: gymnasium.Env) -> bool:
    space = env.action_space
    if isinstance(space, spaces.Box):
        return int(np.prod(space.shape)) > 1
    try:
        return any("+" in name for name in action_names(env))
    except UserError:
        return not isinstance(space, spaces.Discrete)


def _restores(env: gymnasium.Env, actions: Sequence[Any]) -> bool:
    env.reset(seed=0)
    half = len(actions) // 2
    _run(env, actions[:half])
    try:
        state = save(env)
    except UserError:
        return False
    first = _run(env, actions[half:])
    restore(env, state)
    return first == _run(env, actions[half:])


def _records(env: gymnasium.Env, actions: Sequence[Any]) -> tuple[bool, bool]:
    """Whether a recorder takes its frames, and whether it takes the actions' names too."""
    from pokegen.game.video.codec import count_frames
    from pokegen.game.video.recording import Recorder

    try:
        names: Sequence[str] = action_names(env)
    except UserError:
        names = ()
    env.reset(seed=0)
    frames = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "play"
        with Recorder(path) as recorder:
            for action in actions:
                frame: Any = env.render()
                frames.add(frame.tobytes())
                recorder.add(frame, names[action_index(env, action)] if names else "none", 0.0, 0)
                if any(env.step(action)[2:4]):
                    break
        video = len(frames) > 1 and count_frames(path.with_suffix(".mkv")) == recorder.frames
        lines = path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    return video, bool(names) and len(lines) == recorder.frames + 1


def _ends(env: gymnasium.Env) -> bool:
    """Whether a reward and an episode's end come in random play."""
    env.reset(seed=0)
    gained = over = False
    end = time.monotonic() + PATIENCE
    while not (gained and over) and time.monotonic() < end:
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        gained |= float(reward) != 0
        if terminated or truncated:
            over = True
            env.reset()
    return gained and over


def _skips(id: str, options: dict[str, Any]) -> bool:
    actions: list[Any] = []
    for name in SKIPS:
        seen = []
        for frames in (1, 2):
            try:
                env = make(id, **options | {name: frames})
            except UserError:
                break  # it has no such option
            env.action_space.seed(0)
            actions = actions or [env.action_space.sample() for _ in range(4)]
            env.reset(seed=0)
            for action in actions:
                for _ in range(2 // frames):
                    env.step(action)
            seen.append(_shown(env))
            env.close()
        if len(seen) == 2:
            return seen[0] == seen[1]
    return False


def _rate(env: gymnasium.Env, seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Steps a second of random play with rendering, resets included."""
    env.reset(seed=0)
    begin, steps = clock(), 0
    while (spent := clock() - begin) < seconds or not steps:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        env.render()
        steps += 1
        if terminated or truncated:
            env.reset()
    return steps / spent


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], float(sys.argv[2])).as_dict()))
