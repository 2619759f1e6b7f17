"""Checks of untrusted files, names and text, which are data, never programs. docs/security.md lists the checks.

Imports neither torch nor Gymnasium.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pokegen.errors import UserError

CONFIG_BYTES = 2**20  # limit for a config.yaml; the largest shipped one has 4 kB
NODES = 20_000  # limit for a YAML document, aliases expanded
DEPTH = 100  # limit for nested YAML, which is processed recursively

# Text

_HIDDEN = re.compile(  # C0 without tab and newline, C1, line separators, marks that reorder text, lone surrogates
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: Any) -> str:
    r"""Text for a terminal: control characters are escaped, as in \x1b, so that they have no effect."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def echo(*values: Any, **options: Any) -> None:
    """print, with control characters escaped: for lines with names, titles or paths from untrusted sources."""
    print(*map(visible, values), **options)


# Files


def inside(folder: Path, name: str | Path, root: Path | None = None) -> Path:
    """The path of `name` in `folder`, links resolved.

    Args:
        folder: `name` is relative to it.
        name: usually read from an untrusted file.
        root: folder that must contain the file; default: `folder`. Links may lead within it, not out of it.

    Raises UserError for a path that leads out of `root`.
    """
    try:
        path = (folder / name).resolve()
    except (ValueError, OSError, RuntimeError) as error:  # NUL, a name that is too long, circular links
        raise UserError(f"{visible(name)[:100]!r} is not a file name.") from error
    if not path.is_relative_to((root or folder).resolve()):
        raise UserError(f"{visible(name)[:100]} leads out of {visible(root or folder)}: refused.")
    return path


def read_inside(folder: Path, name: str | Path, limit: int, root: Path | None = None) -> bytes:
    """The bytes of a regular file of at most `limit` bytes, at a path that `inside` allows.

    Raises UserError for a path that leads out, for anything but a regular file, and for a larger file; OSError if it is
    missing or cannot be read.
    """
    shown = visible(name)[:100]
    path = inside(folder, name, root)
    # O_NONBLOCK: otherwise opening a named pipe would wait for a writer
    with open(path, "rb", opener=lambda file, flags: os.open(file, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{shown} in {visible(folder)} is not a regular file.")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UserError(f"{shown} in {visible(folder)} has more than {limit:,} bytes.")
    return content


def read_yaml(content: bytes | str) -> Any:
    """A YAML document of plain values. Raises yaml.YAMLError for anything else, for more than NODES values after
    expanding aliases (ten short lines can expand to 10¹⁰), and for more than DEPTH levels."""
    import yaml  # here, so that help needs only the standard library

    loader = None
    try:
        # libyaml's, if available: the other loader takes quadratic time on deep nesting.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(content)
        node = loader.get_single_node()
        left, waiting = NODES, [(node, 0)]
        while waiting:
            value, depth = waiting.pop()
            left -= 1
            if depth > DEPTH:
                raise ValueError(f"nested more than {DEPTH} deep")
            if left < 0:
                raise ValueError(f"more than {NODES:,} values")
            if isinstance(value, yaml.CollectionNode):
                pairs = isinstance(value, yaml.MappingNode)
                inner = [part for pair in value.value for part in pair] if pairs else value.value
                waiting += [(part, depth + 1) for part in inner]
        return None if node is None else loader.construct_document(node)
    except (ValueError, RecursionError) as error:  # an invalid number or date, no UTF-8, or nested too deeply
        raise yaml.YAMLError(str(error)) from error
    finally:
        if loader is not None:
            loader.dispose()


# Programs


def python(*words: str) -> list[str]:
    """The command of a child process of this Python. Without -P, `-m` and `-c` import first from the working folder,
    which may be a downloaded one with a wandb.py."""
    return [sys.executable, "-P", *words]


# Environments

Check = Callable[[Any], bool]


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not _flag(value) and low <= value <= high


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not _flag(value) and abs(value) <= 1000


def _opponents(value: Any) -> bool:
    """Scripted ones and their weights: an agent could be in any folder."""
    scripts = ("self", "random", "max_power", "heuristics", "expert")
    return isinstance(value, dict) and all(name in scripts and _number(weight) for name, weight in value.items())


_STEPS = {"max_episode_steps": _whole(1, 10**6)}
# Environments that start no program and open no file of the caller's choice, with the options and values for which
# this holds. Full matches.
SELF_CONTAINED: dict[str, dict[str, Check]] = {
    r"pokegen/Overworld-v0": {"state": _flag, "creatures": _whole(1, 6)},
    r"pokegen/Fighter-v0": {"state": _flag, "opponent": lambda value: value in ("scripted", "random", "self")},
    r"pokegen/Battle-v0": {"opponents": _opponents, "shaping": _number, "max_turns": _whole(1, 1000)},
    r"ALE/[A-Za-z0-9]{1,40}-v5": {
        **{"mode": _whole(0, 255), "difficulty": _whole(0, 255), "frameskip": _whole(1, 64)},
        **{"repeat_action_probability": _number, "full_action_space": _flag},
        **{"height": _whole(1, 512), "width": _whole(1, 512), "color": _flag, "stack": _whole(1, 16)},
    },
    r"LunarLander(Continuous)?-v3": {
        **{"continuous": _flag, "gravity": _number, "enable_wind": _flag},
        **{"wind_power": _number, "turbulence_power": _number},
    },
    r"CartPole-v[01]": {"sutton_barto_reward": _flag},
    r"MountainCar(Continuous)?-v0": {"goal_velocity": _number},
    r"Pendulum-v1": {"g": _number},
    r"Acrobot-v1": {},
    r"BipedalWalker(Hardcore)?-v3": {"hardcore": _flag},
    r"CarRacing-v3": {"lap_complete_percent": _number, "domain_randomize": _flag, "continuous": _flag},
    r"mpe/simple_[a-z_]{1,40}_v[0-9]": {
        **{"N": _whole(1, 64), "local_ratio": _number, "max_cycles": _whole(1, 10**6)},
        **{"continuous_actions": _flag, "dynamic_rescaling": _flag, "trail": _flag},
    },
}


def check_environment(source: str, env: Any, options: Any, own: tuple[str, Mapping[str, Any]] | None = None) -> None:
    """Raise UserError unless a checkpoint's environment is one of SELF_CONTAINED, or exactly the one the user gave.

    Args:
        source: the checkpoint, for the message.
        env, options: from the checkpoint.
        own: id and options given by the user.
    """
    options = {} if options is None else options
    if own is not None and (env, options) == (own[0], dict(own[1] or {})):
        return
    if isinstance(env, str) and isinstance(options, dict):
        known = next((more | _STEPS for id, more in SELF_CONTAINED.items() if re.fullmatch(id, env)), None)
        if known is not None and all(key in known and known[key](value) for key, value in options.items()):
            return
    shown = visible(json.dumps(options, default=str))
    shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
    raise UserError(
        f"{visible(source)[-60:]} plays {visible(env)[:50]!r} with the options {shown}, which can run programs: "
        "refused. If they are yours, repeat them exactly with --env and --options of `pokegen game`."
    )
