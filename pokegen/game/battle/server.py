"""The server of Pokémon Showdown on this machine, for evaluation with poke-env, for replays, and to play against.

    with server() as running:
        configuration = ServerConfiguration(running.websocket, "")  # of poke-env

It listens on 127.0.0.1 alone, knows no passwords (as with the package's `--no-security`), has no administrators, no
REPL and no limits on how fast a bot plays. It ends when the block ends, at Ctrl-C, and when this process is killed.
"""

import contextlib
import json
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pokegen.files import cannot_write, scratch_folder
from pokegen.game.battle.showdown import NODE, ShowdownError, cache_folder, link_package, node, package

HOST = "127.0.0.1"
_FOLDERS = ("config/chat-plugins", "logs/chat", "logs/modlog", "logs/repl", "logs/tickets")  # that it does not make


class Server(NamedTuple):
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        log: the file that has what it printed.
        pid: of its process.
    """

    port: int
    log: Path
    pid: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def websocket(self) -> str:
        return f"ws://{HOST}:{self.port}/showdown/websocket"


@contextlib.contextmanager
def server(
    port: int | None = None,
    folder: Path | None = None,
    log: Path | None = None,
    simulators: int = 0,
    timeout: float = 120,
) -> Iterator[Server]:
    """Run a server while the block runs.

    Args:
        port: to listen on; default: a free one.
        folder: of the npm package; default: the one that `showdown.package` installs. See `mod.with_mod`.
        log: the file for what it prints; default: one in the cache, where the last ten are kept.
        simulators: processes that simulate battles; 0: the server's own does.
        timeout: seconds in which it must answer.

    Raises ShowdownError where the port is in use, or the server does not start.
    """
    program, source = node(), folder or package()
    chosen = port or _free_port()
    if port and _in_use(port):
        raise ShowdownError(f"Port {port} of {HOST} is in use. Choose another, or stop the program that has it.")
    log = log or _log_of(chosen)
    token = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        try:
            # The server writes into its package's folder, so each has a copy: where Node finds what it needs.
            root = stack.enter_context(scratch_folder(package().parents[1] / "servers"))
            link_package(source, root)
            for name in _FOLDERS:
                (root / name).mkdir(parents=True, exist_ok=True)
            (root / "server" / "static" / f"{token}.txt").write_text(token)
            settings = json.dumps(_settings(chosen, simulators))
            (root / "config" / "config.js").write_text(f"module.exports = {settings};\n")
            log.parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(open(log, "wb"))
        except OSError as error:
            raise cannot_write(error.filename or log, error) from error
        # A session of its own, so that Ctrl-C reaches Python alone; the end of its input ends it, however we die.
        process = subprocess.Popen(
            [program, str(NODE / "server.js"), str(root)],
            cwd=root,  # some of its files are named from there
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(_end, process)
        _wait(process, f"http://{HOST}:{chosen}/{token}.txt", token, log, time.monotonic() + timeout)
        yield Server(chosen, log, process.pid)


def _settings(port: int, simulators: int) -> dict[str, object]:
    """The server's configuration; its own config-example.js describes each key."""
    processes = {"network": 0, "simulator": simulators}
    return {
        "port": port,
        "bindaddress": HOST,
        "subprocesses": processes if simulators else 0,
        "nothrottle": True,  # these three are what --no-security sets
        "noguestsecurity": True,
        "noipchecks": True,
        "backdoor": False,
        "consoleips": [],
        "repl": False,
        "watchconfig": False,
        "autolockdown": False,
        "reportjoins": False,
        "reportbattles": False,
        "reportbattlejoins": False,
        "loguserstats": 0,
        "loginserver": f"http://{HOST}:{port}/",
    }


def _log_of(port: int) -> Path:
    """A log in the cache, where the last ten are kept."""
    logs = cache_folder() / "logs"
    with contextlib.suppress(OSError):
        for old in sorted(logs.glob("server-*.log"), key=lambda file: file.stat().st_mtime)[:-9]:
            old.unlink()
    return logs / f"server-{port}.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise ShowdownError(f"Port {port} is the system's. Choose one above 1023.") from error
        except (OSError, OverflowError):
            return True
        return False


def _wait(process: subprocess.Popen[bytes], url: str, token: str, log: Path, deadline: float) -> None:
    """Wait until this server, and no other one on the port, answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        with contextlib.suppress(OSError), opener.open(url, timeout=5) as answer:
            if answer.read().decode() == token:
                return
        text = log.read_text(encoding="utf-8", errors="replace")
        if "EADDRINUSE" in text:
            raise ShowdownError(f"The server's port was taken meanwhile: {url.rsplit('/', 1)[0]}. Try again.")
        if process.poll() is not None:
            raise ShowdownError(f"The Showdown server ended with status {process.returncode}. Its log: {log}")
        if time.monotonic() > deadline:
            raise ShowdownError(f"The Showdown server does not answer. Its log: {log}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
