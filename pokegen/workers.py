"""Other processes that work for this one: they end when it ends, however it ends, and one that is killed is told."""

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
    """A pool of processes, by default one a processor. Where an exception ends the block, its work is not finished.
    Results of more than a few kilobytes go through `results`.

    Raises UserError where one of them was killed, as Linux does when memory runs out.
    """
    executor = ProcessPoolExecutor(workers, initializer=_begin)
    try:
        yield executor
    except BaseException as error:
        for process in list((executor._processes or {}).values()):
            process.kill()
        executor.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "A worker process was killed, as happens when memory runs out. Nothing was changed: close other "
                "programs and try again."
            ) from error
        raise
    executor.shutdown()


def results(
    executor: Executor, function: Callable[[Any], Any], items: Sequence[Any], folder: Path, batch: int = 64
) -> Iterator[Any]:
    """`function` of each item, in order, computed by `executor`, for results that are large.

    They travel in files in `folder`, which are removed as they are read: whoever reads a large result from a pipe waits
    forever when the worker that sends it is killed half-way.
    """
    batches = [items[start : start + batch] for start in range(0, len(items), batch)]
    for name in executor.map(partial(_to_file, function, folder), batches):
        with open(name, "rb") as file:
            found = pickle.load(file)  # a worker of our own wrote it
        os.unlink(name)
        yield from found


def _to_file(function: Callable[[Any], Any], folder: Path, items: Sequence[Any]) -> str:
    descriptor, name = tempfile.mkstemp(dir=folder)
    with open(descriptor, "wb") as file:
        pickle.dump([function(item) for item in items], file)
    return name


def _begin() -> None:
    """In a worker: one core, no traceback at Ctrl-C, and no life after the parent's."""
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent
    if _prctl:
        end_with_parent(signal.SIGKILL)
        if os.getppid() != parent.pid and multiprocessing.get_start_method() != "forkserver":
            os._exit(1)  # it ended before it could be watched
    else:
        threading.Thread(target=_end_after, args=[parent], daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


def end_with_parent(signum: int) -> None:
    """On Linux: have this process sent a signal when its parent ends. Nothing elsewhere."""
    if _prctl:
        _prctl(1, int(signum))  # PR_SET_PDEATHSIG


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a command, its output on our standard error. Returns its status and what it wrote to standard error.

    It is asked to end (SIGTERM) when this process is interrupted or killed.
    """
    options: dict[str, Any] = {"preexec_fn": lambda: end_with_parent(signal.SIGTERM)} if _prctl else {}
    with subprocess.Popen(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, **options) as child:
        try:
            told = child.communicate()[1]
        except BaseException:
            child.terminate()
            child.wait()
            raise
    return child.returncode, told
