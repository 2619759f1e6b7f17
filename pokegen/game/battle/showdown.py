"""Pokémon Showdown from its npm package, installed on first use into the user's cache.

    package()                  the installed package's folder; installs it once, later needs no network
    node()                     the Node.js that runs it
    link_package(from, to)     a copy of the package, whose files are hard links where the disk has them

The cache is $XDG_CACHE_HOME/pokegen/showdown, by default ~/.cache/pokegen/showdown. Each version of
`node/package-lock.json` has a folder of its own in it. An installation appears whole or not at all, and of two
processes that come at once one installs and the other waits. No script of any package is run.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from pokegen.errors import UserError
from pokegen.files import atomic_folder, cannot_write, lock_path, unlock

NODE = Path(__file__).parent / "node"  # what npm reads, and our own JavaScript
OLDEST_NODE = 18  # the package declares 16, but its command line calls fetch, which came with 18
_GET_NODE = f"Install Node.js {OLDEST_NODE} or newer: https://nodejs.org"
_OFFLINE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT"
)


class ShowdownError(UserError):
    """Pokémon Showdown, or what it needs, is missing or does not run."""


def cache_folder() -> Path:
    """Where installations, mods and logs of the server are kept."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "pokegen" / "showdown"


@cache
def _version(executable: str) -> int:
    """The major version of a Node.js."""
    try:
        done = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ShowdownError(f"{executable} does not run: {error}. {_GET_NODE}") from error
    if not (found := re.match(r"v(\d+)\.", done.stdout)):
        raise ShowdownError(f"{executable} --version printed {done.stdout[:40]!r}, not a version. {_GET_NODE}")
    return int(found[1])


def node() -> str:
    """The path of Node.js. ShowdownError where it is missing or too old."""
    executable = shutil.which("node")
    if not executable:
        raise ShowdownError(f"Battles need Node.js, and no 'node' is on the PATH. {_GET_NODE}")
    if (version := _version(executable)) < OLDEST_NODE:
        raise ShowdownError(
            f"Battles need Node.js {OLDEST_NODE} or newer; {executable} is version {version}. {_GET_NODE}"
        )
    return executable


def package() -> Path:
    """The folder of the installed npm package `pokemon-showdown`. ShowdownError where it cannot be installed."""
    files = {name: (NODE / name).read_bytes() for name in ("package.json", "package-lock.json")}
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()[:12]
    home = cache_folder() / digest
    found = home / "node_modules" / "pokemon-showdown"
    if found.is_dir():
        return found
    node()
    npm = shutil.which("npm")
    if not npm:
        raise ShowdownError("Installing Pokémon Showdown needs npm, and no 'npm' is on the PATH. " + _GET_NODE)
    lock = -1
    try:
        guard = home.with_suffix(".lock")
        guard.parent.mkdir(parents=True, exist_ok=True)
        guard.touch()
        lock = lock_path(guard, block=True)
        if not found.is_dir():
            print("Installing Pokémon Showdown, once (55 MB) ...", file=sys.stderr)
            with atomic_folder(home) as folder:
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                _install(npm, folder)
    except OSError as error:
        raise cannot_write(home, error) from error
    finally:
        unlock(lock)
    return found


def _install(npm: str, folder: Path) -> None:
    """Run `npm ci` in a folder that holds package.json and package-lock.json."""
    command = [npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--no-progress"]
    command += ["--prefer-offline", "--fetch-retries=1", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired as error:
        raise ShowdownError("npm did not install Pokémon Showdown within 15 minutes. Try again.") from error
    if done.returncode:
        if _OFFLINE.search(done.stderr):
            raise ShowdownError(
                "npm cannot reach its registry to install Pokémon Showdown. Go online once, then repeat."
            )
        errors = [line for line in done.stderr.splitlines() if line.strip() and "A complete log" not in line]
        reason = " ".join(errors[:2]) or f"exit status {done.returncode}"
        raise ShowdownError(
            f"npm could not install Pokémon Showdown: {reason}. Run '{' '.join(command[:2])}' in {NODE}."
        )
    for pattern in ("*.map", "*.ts"):  # two thirds of the package, for debuggers and compilers
        for unused in folder.rglob(pattern):
            unused.unlink()


def link_package(source: Path, target: Path) -> None:
    """Copy a package into a new or empty folder, by hard links where the disk has them.

    A file of the copy must be replaced, not written to. Node finds what the copy needs below `package().parents[1]`.
    """
    shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
