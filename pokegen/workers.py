"""Worker processes: they end when this process ends for any reason, and a killed worker is reported."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from pokegen.errors import UserError

_prctl: Any = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform.startswith("linux") else None


@contextmanager
def pool(workers: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, by default one per processor. If an exception ends the block, its work is abandoned. Use
    `results` for results of more than a few kilobytes.

    Raises UserError if a worker was killed, as Linux does when memory runs out.
    """
    executor = ProcessPoolExecutor(workers, initializer=_init_worker)
    try:
        yield executor
    except BaseException as error:
        for process in list((executor._processes or {}).values()):
            process.kill()
        executor.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "A worker process was killed, as happens when memory runs out. Nothing was changed. Close other "
                "programs and try again."
            ) from error
        raise
    executor.shutdown()


def results(
    executor: Executor, function: Callable[[Any], Any], items: Sequence[Any], folder: Path, batch: int = 64
) -> Iterator[Any]:
    """`function` of each item, in order, computed by `executor`, for large results.

    The results are passed in files in `folder`, which are removed as they are read. Reading a large result from a pipe
    would wait forever if the worker is killed while sending it.
    """
    batches = [items[start : start + batch] for start in range(0, len(items), batch)]
    for name in executor.map(partial(_to_file, function, folder), batches):
        with open(name, "rb") as file:
            found = pickle.load(file)  # written by our own worker
        os.unlink(name)
        yield from found


def _to_file(function: Callable[[Any], Any], folder: Path, items: Sequence[Any]) -> str:
    descriptor, name = tempfile.mkstemp(dir=folder)
    with open(descriptor, "wb") as file:
        pickle.dump([function(item) for item in items], file)
    return name


def _init_worker() -> None:
    """Set up a worker: one core, no traceback at Ctrl-C, and an end when the parent ends."""
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent
    if _prctl:
        end_with_parent(signal.SIGKILL)
        if os.getppid() != parent.pid and multiprocessing.get_start_method() != "forkserver":
            os._exit(1)  # the parent had ended already
    else:
        threading.Thread(target=_end_after, args=[parent], daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


def end_with_parent(signum: int) -> None:
    """On Linux, send this process a signal when its parent ends. Does nothing elsewhere."""
    if _prctl:
        _prctl(1, int(signum))  # PR_SET_PDEATHSIG


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a command with its output on our standard error. Returns its status and its standard error.

    It receives SIGTERM when this process is interrupted or killed.
    """
    options: dict[str, Any] = {"preexec_fn": lambda: end_with_parent(signal.SIGTERM)} if _prctl else {}
    with subprocess.Popen(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, **options) as child:
        try:
            errors = child.communicate()[1]
        except BaseException:
            child.terminate()
            child.wait()
            raise
    return child.returncode, errors
