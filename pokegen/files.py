"""Atomic writes: files and folders appear complete or not at all, even if the writing process is killed.

Everything is written under a temporary name in the target's folder, synced to disk, and renamed:

    atomic_file(path)      a file
    atomic_folder(path)    a folder; the old one is exchanged for the new one in one step, then removed
    scratch_folder(parent) a temporary folder, removed at the end
    claim(folder)          a folder that only one process at a time may write to, such as a run's
    sweep(folder)          removes leftovers of killed processes; the first three call it

Temporary names are `.pokegen-` and random digits, created with O_EXCL, so that no link is followed. Their owner locks
them (flock), and the lock ends with the process: `sweep` removes what nobody locks, never what a live process writes.
Systems and disks without such locks keep the leftovers of killed processes.
"""

import csv
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pokegen.errors import UserError, WriteError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:  # not imported at a cold start
    import numpy as np

PREFIX = ".pokegen-"  # of temporary names
WAIT = 10.0  # seconds to wait for another writer of a folder
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space: the disk, the user's quota, the process's limit
_OLD = ".old"  # in a temporary folder: the folder being replaced, if the two cannot be exchanged


def cannot_write(path: str | Path, error: OSError) -> WriteError:
    """The error for a `path` that cannot be written. The command line adds the option that chooses the path."""
    reason = {FileExistsError: "it is a file", IsADirectoryError: "it is a folder"}.get(type(error))
    advice = "Free some space, or choose" if error.errno in FULL else "Choose"
    return WriteError(
        f"Cannot write {str(path)!r}: {reason or error.strerror or error}. {advice} another place.", str(path)
    )


def os_error(error: BaseException | None) -> OSError | None:
    """The system's error that caused another one: torch, for example, reports a full disk as a file format error."""
    while error:
        if isinstance(error, OSError) and error.errno:
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def write(path: Path, content: bytes | str | Iterable[bytes]) -> Path:
    """Write a file atomically: bytes, text as UTF-8, or pieces in order. A pipe or a device, such as /dev/stdout, is
    written directly. Returns `path`."""
    content = content.encode() if isinstance(content, str) else content
    pieces = [content] if isinstance(content, bytes) else content
    if os.path.exists(path) and not os.path.isfile(path):
        try:
            with open(path, "wb") as device:
                device.writelines(pieces)
        except BrokenPipeError:  # the reader has closed it
            raise
        except OSError as error:
            raise cannot_write(path, error) from error
    else:
        with atomic_file(path) as file:
            file.writelines(pieces)
    return path


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV table with line feeds as line ends. Returns `path`."""
    content = StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    return write(path, content.getvalue())


def to_json(record: object) -> bytes:
    """A record as the content of a JSON file, for people too: indented, letters as they are."""
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


@contextmanager
def atomic_file(path: Path, suffix: str = "") -> Iterator[BinaryIO]:
    """A new binary file that replaces `path` at the end. If an exception ends the block, the new file is removed and
    `path` is unchanged.

    Args:
        path: if it is a link, the linked file is replaced. The mode of an old file is kept; a new one follows the
            umask. Missing folders are created.
        suffix: of the temporary name, `file.name`, for libraries that choose a format by it.

    Raises UserError if it cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary, lock = None, -1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(target.parent)
        temporary, lock = _make(target.parent, suffix)
        with open(temporary, "r+b") as file:
            with suppress(OSError):
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if failure := _write_failure(path, error, target):
            raise failure from error
        raise
    finally:
        unlock(lock)


@contextmanager
def atomic_folder(path: Path, wait: float = WAIT) -> Iterator[Path]:
    """A new, empty folder of the same name that replaces `path` at the end. If an exception ends the block, the new
    folder is removed and `path` is unchanged.

    The old contents of `path` are deleted: copy what must stay into the new folder, and raise if `path` must not be
    replaced.

    Args:
        path: if it is a link, the linked folder is replaced. It and its parents may be missing.
        wait: seconds to wait for another process that writes the same folder.

    Raises UserError if it cannot be written, or another process still writes it.
    """
    target = Path(os.path.realpath(path))
    work, lock = None, -1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise FileExistsError(errno.EEXIST, "it is a file")
        deadline = time.monotonic() + wait
        while not (made := _make_work(target)):
            if time.monotonic() > deadline:
                raise UserError(f"Another pokegen is writing {path}. Wait for it, or choose another place.")
            time.sleep(0.1)
        work, lock = made
        new = work / target.name
        yield new
        for folder, _, names in os.walk(new):
            for name in names:
                if not os.path.islink(file := Path(folder, name)):
                    _sync(file)
        if target.exists():
            shutil.copymode(target, new)
            if not _exchange(new, target):
                target.rename(work / _OLD)
        if new.exists() and not target.exists():
            new.rename(target)
    except BaseException as error:
        if failure := _write_failure(path, error, target):
            raise failure from error
        raise
    finally:
        if work:
            _restore(work)
            shutil.rmtree(work, ignore_errors=True)
        unlock(lock)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in `parent`, removed at the end. A missing `parent` is created."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(parent)
    folder, lock = _make(parent, folder=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        unlock(lock)


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Reserve a folder, created if it is missing, for this process: claims by other processes raise UserError.

    During the claim, no `atomic_folder` can be created directly below it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_path(folder)
    except BlockingIOError as error:
        raise UserError(f"Another pokegen is writing to {folder}. Wait for it, or stop it first.") from error
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield
    finally:
        unlock(lock)


def sweep(folder: Path) -> None:
    """Remove leftovers of killed processes in `folder`, and restore folders whose replacement was interrupted."""
    for path in _temporaries(folder):
        try:
            lock = lock_path(path)
        except OSError:  # its owner is alive, or it no longer exists
            continue
        try:
            if lock >= 0:  # -1: no locks here, so its owner may be alive
                _restore(path)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        except OSError:  # of another user, or the disk has become read-only
            pass
        finally:
            unlock(lock)


class ArrayWriter:
    """Appends rows to an .npy file. The header, with their number, is written last.

    On a full disk, `append` raises OSError, whereas a memory map would end the process by SIGBUS.

    Args:
        file: of `atomic_file`, or any binary file that can seek.
        shape: of a row.
        dtype: of the array.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, ...], dtype: Any):
        import numpy as np

        self.file, self.shape, self.dtype = file, shape, np.dtype(dtype)
        self.count = 0
        file.write(bytes(len(self._header())))  # numpy pads it, so the length is the same for any count

    def append(self, row: "np.ndarray") -> None:
        if row.shape != self.shape or row.dtype != self.dtype:
            raise ValueError(f"expected {self.dtype} {self.shape}, got {row.dtype} {row.shape}")
        self.file.write(row.tobytes())
        self.count += 1

    def finish(self) -> None:
        self.file.seek(0)
        self.file.write(self._header())

    def _header(self) -> bytes:
        from numpy.lib import format

        content = BytesIO()
        facts = {"descr": format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.count, *self.shape)}
        format.write_array_header_1_0(content, facts)
        return content.getvalue()


def writable_folder(folder: Path, option: str = "--out") -> Path:
    """Create the folder if it is missing. UserError, which names `option`, if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise UserError(
            f"Cannot write to the folder {str(folder)!r}: {reason}. Choose another with {option}."
        ) from error


def writable_file(file: Path) -> Path:
    """Create the file's folder if it is missing. UserError if the file cannot be written."""
    if os.path.exists(file) and not os.path.isdir(file) and not os.path.isfile(file):
        return file  # a pipe or a device, such as /dev/stdout
    if os.path.isdir(file):
        raise UserError(f"Cannot write {str(file)!r}: it is a folder. Name a file with --out.")
    writable_folder(file.parent)
    return file


def _make_work(target: Path) -> tuple[Path, int] | None:
    """A temporary folder that contains an empty folder named like `target`, and its lock. None while another process
    has one."""
    try:
        between = lock_path(target.parent)  # so that two writers notice each other
    except BlockingIOError:
        return None
    try:
        sweep(target.parent)
        if any((other / target.name).is_dir() for other in _temporaries(target.parent)):
            return None
        work, lock = _make(target.parent, folder=True)
        (work / target.name).mkdir()
        return work, lock
    finally:
        unlock(between)


_swept: set[Path] = set()


def _sweep_once(folder: Path) -> None:
    """Only once, because listing a large folder before each file would be slow."""
    if folder not in _swept:
        sweep(folder)
        _swept.add(folder)


def _make(parent: Path, suffix: str = "", folder: bool = False) -> tuple[Path, int]:
    """A new file or folder under a temporary name, and its lock."""
    while True:
        path = parent / f"{PREFIX}{os.urandom(8).hex()}{suffix}"
        try:
            if folder:
                path.mkdir(0o700)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        with suppress(FileNotFoundError):  # another process swept it before it was locked
            lock = lock_path(path, block=True)
            if lock < 0 or os.path.lexists(path):
                return path, lock
            unlock(lock)


def _temporaries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.startswith(PREFIX)]
    except OSError:
        return []


def _restore(work: Path) -> None:
    """Put the old folder back if the new one did not replace it."""
    if (work / _OLD).is_dir():
        for new in work.iterdir():
            if new.name != _OLD and not (work.parent / new.name).exists():
                (work / _OLD).rename(work.parent / new.name)
                return


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step. False if the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        rename = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_failure(path: Path, error: BaseException, target: Path) -> UserError | None:
    """The error to raise if writing failed; None for other errors of the caller's block."""
    found = os_error(error) if isinstance(error, Exception) and not isinstance(error, UserError) else None
    if found is None:
        return None
    if isinstance(found.filename, str | bytes):
        place = Path(os.path.abspath(os.fsdecode(found.filename)))
        if not target.is_relative_to(place) and not any(part.startswith(PREFIX) for part in place.parts):
            return None
    return cannot_write(path, found)


# Locks. Each is a separate descriptor, which no file object closes, so that a forked child can close it. Otherwise the
# child would keep the lock of a parent that was killed.

_held: set[int] = set()


def _drop() -> None:
    for lock in _held:
        os.close(lock)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop)


def lock_path(path: Path, block: bool = False) -> int:
    """Lock a file or folder until `unlock`. Returns the lock, or -1 if the system has none. BlockingIOError if another
    process has locked it."""
    if fcntl is None:
        return -1
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
    except BaseException as error:
        os.close(lock)
        if isinstance(error, OSError) and not isinstance(error, BlockingIOError):  # a disk without locks
            return -1
        raise
    _held.add(lock)
    return lock


def unlock(lock: int) -> None:
    if lock in _held:
        _held.discard(lock)
        os.close(lock)
