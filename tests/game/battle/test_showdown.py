"""Installing Pokémon Showdown: once, whole, by one process; and what is said where that cannot be."""

import os
import signal
import subprocess
import sys

import pytest
from battles import wait_for

from pokegen.errors import UserError
from pokegen.game.battle import showdown
from pokegen.game.battle.bridge import Bridge
from pokegen.game.battle.server import server

# In place of npm: notes that it was called, takes a while, and makes the package.
NPM = """echo "$@" >> "$CALLS"
sleep 1
mkdir -p node_modules/pokemon-showdown/dist
echo x > node_modules/pokemon-showdown/dist/a.js
echo x > node_modules/pokemon-showdown/dist/a.js.map
"""
INSTALL = [sys.executable, "-c", "from pokegen.game.battle import showdown; print(showdown.package())"]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Write programs, which alone are on the PATH besides the system's, with an empty cache. Returns a function
    (name, script)."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "sleep", "mkdir", "cat", "uname"):
        (programs / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    showdown._version.cache_clear()

    def write(name, script):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    return write


def test_it_is_installed_once_and_found_again_without_npm(fake, tmp_path):
    fake("node", "echo v20.1.0")
    fake("npm", NPM)
    folder = showdown.package()
    assert folder.is_relative_to(tmp_path / "cache" / "pokegen" / "showdown")
    assert [file.name for file in (folder / "dist").iterdir()] == ["a.js"]  # without the debugger's maps
    calls = (tmp_path / "calls").read_text()
    assert calls.startswith("ci ") and "--ignore-scripts" in calls
    fake("npm", "exit 1")
    assert showdown.package() == folder


def test_of_two_processes_at_once_one_installs(fake, tmp_path):
    fake("node", "echo v20.1.0")
    fake("npm", NPM)
    both = [subprocess.Popen(INSTALL, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = {process.communicate(timeout=120)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0] and len(found) == 1
    assert (tmp_path / "calls").read_text().count("\n") == 1


def test_a_killed_installation_leaves_nothing_that_is_taken_for_one(fake, tmp_path):
    fake("node", "echo v20.1.0")
    fake("npm", "mkdir -p node_modules/pokemon-showdown\necho x >> $CALLS\nsleep 2")
    with subprocess.Popen(INSTALL) as process:
        assert wait_for((tmp_path / "calls").exists)
        process.send_signal(signal.SIGKILL)
    fake("npm", NPM)
    folder = showdown.package()
    assert (folder / "dist" / "a.js").exists()
    assert not list(folder.parents[2].glob(".pokegen-*"))


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        ({}, r"no 'node' is on the PATH\. Install Node\.js 18 or newer"),
        ({"node": "echo v16.20.0"}, r"Node\.js 18 or newer; .*/node is version 16\."),
        ({"node": "echo nonsense"}, r"printed 'nonsense\\n', not a version"),
        ({"node": "echo v20.1.0"}, r"no 'npm' is on the PATH"),
        ({"node": "echo v20.1.0", "npm": "echo npm error code EAI_AGAIN >&2; exit 1"}, "cannot reach its registry"),
        (
            {"node": "echo v20.1.0", "npm": "echo npm error code EINTEGRITY >&2; exit 1"},
            "could not install.*EINTEGRITY",
        ),
    ],
)
def test_what_is_missing_is_one_line(fake, programs, message):
    for name, script in programs.items():
        fake(name, script)
    with pytest.raises(UserError, match=message) as raised:
        showdown.package()
    assert "\n" not in str(raised.value)
    assert not list(showdown.cache_folder().glob("*/node_modules"))


def test_a_node_that_is_too_old_is_refused_by_bridge_and_server(package, fake, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")  # the package is installed
    fake("node", "echo v12.0.0")
    for start in (Bridge, lambda: server().__enter__()):
        with pytest.raises(UserError, match=r"Node\.js 18 or newer"):
            start()


def test_the_lock_names_one_version_and_no_registry():
    lock, wanted = ((showdown.NODE / name).read_text() for name in ("package-lock.json", "package.json"))
    assert '"pokemon-showdown": "0.11.11"' in wanted
    assert "resolved" not in lock and "://" not in lock
    assert '"integrity"' in lock
