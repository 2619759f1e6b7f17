"""A `pokegen` command in a process of its own, for tests that send it a signal. A fork has torch and Lightning loaded
already: five seconds of work less than a new interpreter."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pokegen.cli.main import main


def start(argv: Sequence[str], said: Path) -> multiprocessing.process.BaseProcess:
    """The process that runs the command; what it prints goes to the file `said`."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=(argv, said))
    process.start()
    return process


def _run(argv: Sequence[str], said: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell ignores it
    with open(said, "w", buffering=1) as file:
        sys.stdout = sys.stderr = file
        sys.exit(main(list(argv)))


def next_change(path: Path, process: multiprocessing.process.BaseProcess, said: Path, before: int = 0) -> int:
    """Waits until the file's time is another than `before`, in ns, 0 for a file that is not there; gives it. The
    process must not end before."""
    for _ in range(12_000):
        now = path.stat().st_mtime_ns if path.exists() else 0
        if now != before:
            return now
        assert process.exitcode is None, said.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} has not changed within two minutes")
