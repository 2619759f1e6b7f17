"""A progress bar for long work, on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], label: str = "", total: int | None = None) -> Iterator[T]:
    """Yield `items`, with a progress bar on stderr once the work has taken over two seconds."""
    start, bar, task, done = time.monotonic(), None, None, 0
    try:
        for item in items:
            yield item
            done += 1
            if bar is None and sys.stderr.isatty() and time.monotonic() - start > 2:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

                columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
                bar = Progress(*columns, console=Console(stderr=True))
                task = bar.add_task(label, total=total)
                bar.start()
            if bar is not None and task is not None:
                bar.update(task, completed=done)
    finally:
        if bar is not None:
            bar.stop()
