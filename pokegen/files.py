"""Files and folders that appear whole or not at all, whatever ends the process that writes them.

Everything is written under a temporary name in the folder where it belongs, synced to the disk, and renamed:

    atomic_file(path)      a file
    atomic_folder(path)    a folder; the old one is exchanged for the new one in one step, then removed
    scratch_folder(parent) a folder that is gone at the end
    claim(folder)          a folder that one process at a time may write to, such as a run's
    sweep(folder)          removes what killed processes left; the first three do so first

Temporary names begin with `.pokegen-`, end in random digits, and are made with O_EXCL, so no link is followed. Their
owner holds a lock on them (flock), which ends with the process however it dies: `sweep` removes what nobody holds, and
never what a live process writes. Systems and disks without such locks keep what a killed process left.
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

if TYPE_CHECKING:  # a cold start must not pay for it
    import numpy as np

PREFIX = ".pokegen-"  # of temporary names
WAIT = 10.0  # seconds that a folder's writer waits for another one
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room: the disk, the user's share of it, the process's limit
_OLD = ".old"  # inside a temporary folder: the folder that is being replaced, where the two cannot be exchanged


def cannot_write(path: str | Path, error: OSError) -> WriteError:
    """What a user is told where `path` cannot be written. The command line adds the option that chooses the place."""
    reason = {FileExistsError: "it is a file", IsADirectoryError: "it is a folder"}.get(type(error))
    advice = "Free some space, or choose" if error.errno in FULL else "Choose"
    return WriteError(
        f"Cannot write {str(path)!r}: {reason or error.strerror or error}. {advice} another place.", str(path)
    )


def os_error(error: BaseException | None) -> OSError | None:
    """The system's own error behind another one: torch hides a full disk behind an error about its file's format."""
    while error:
        if isinstance(error, OSError) and error.errno:
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def write(path: Path, content: bytes | str | Iterable[bytes]) -> Path:
    """Write a file, text as UTF-8, or pieces one after the other. A pipe or a device, such as /dev/stdout, is written
    to directly. Returns `path`."""
    content = content.encode() if isinstance(content, str) else content
    pieces = [content] if isinstance(content, bytes) else content
    if os.path.exists(path) and not os.path.isfile(path):
        try:
            with open(path, "wb") as device:
                device.writelines(pieces)
        except BrokenPipeError:  # its reader has gone
            raise
        except OSError as error:
            raise cannot_write(path, error) from error
    else:
        with atomic_file(path) as file:
            file.writelines(pieces)
    return path


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write a table, lines ended by a line feed. Returns `path`."""
    content = StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    return write(path, content.getvalue())


def to_json(record: object) -> bytes:
    """A record as the content of a JSON file, for people too: indented, letters as they are."""
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


@contextmanager
def atomic_file(path: Path, suffix: str = "") -> Iterator[BinaryIO]:
    """A new binary file, which takes the place of `path` at the end. Where an exception ends the block, the file is
    removed and `path` is as it was.

    Args:
        path: may be a link, whose file is then replaced. The mode of the old file is kept, a new one has the umask's.
            Missing folders are made.
        suffix: of the temporary name, `file.name`, for libraries that choose a format by it.

    Raises UserError where the system cannot write it.
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
        if told := _told(path, error, target):
            raise told from error
        raise
    finally:
        unlock(lock)


@contextmanager
def atomic_folder(path: Path, wait: float = WAIT) -> Iterator[Path]:
    """A new, empty folder of the same name, which takes the place of `path` at the end, with all that was written into
    it. Where an exception ends the block, it is removed and `path` is as it was.

    What `path` held goes away: copy into the new folder what must stay, and raise where it is not yours to replace.

    Args:
        path: may be a link, whose folder is then replaced, or missing, its parents too.
        wait: seconds to wait for another process that writes the same folder.

    Raises UserError where the system cannot write it, or another process still does.
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
        if told := _told(path, error, target):
            raise told from error
        raise
    finally:
        if work:
            _restore(work)
            shutil.rmtree(work, ignore_errors=True)
        unlock(lock)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in `parent`, which is made where it is missing. It is removed at the end."""
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
    """Keep a folder, which is made where it is missing, to this process: another one's claim is a UserError.

    Meanwhile no `atomic_folder` can be made directly below it.
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
    """Remove what killed processes left in `folder`. A folder whose replacement was cut short is put back."""
    for path in _temporaries(folder):
        try:
            lock = lock_path(path)
        except OSError:  # its owner lives, or it is gone
            continue
        try:
            if lock >= 0:  # else there are no locks here, and nobody knows
                _restore(path)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        except OSError:  # another's, or on a disk that has become read-only
            pass
        finally:
            unlock(lock)


class ArrayWriter:
    """Appends rows to an .npy file. The header, which says how many there are, is written last.

    A full disk is an OSError at the row; a memory map would end the process by SIGBUS.

    Args:
        file: of `atomic_file`, or any binary file that can seek.
        shape: of a row.
        dtype: of the array.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, ...], dtype: Any):
        import numpy as np

        self.file, self.shape, self.dtype = file, shape, np.dtype(dtype)
        self.count = 0
        file.write(bytes(len(self._header())))  # numpy pads it for growth, so any count takes as much

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
    """Make the folder where it is missing. UserError if nothing can be written there, with the option that chose it."""
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
    """Make the file's folder where it is missing. UserError if the file cannot be written."""
    if os.path.exists(file) and not os.path.isdir(file) and not os.path.isfile(file):
        return file  # a pipe or a device, such as /dev/stdout
    if os.path.isdir(file):
        raise UserError(f"Cannot write {str(file)!r}: it is a folder. Name a file with --out.")
    writable_folder(file.parent)
    return file


def _make_work(target: Path) -> tuple[Path, int] | None:
    """A temporary folder with an empty folder named as `target` in it, and its lock. None while another process has
    one."""
    try:
        between = lock_path(target.parent)  # so that of two writers one sees the other
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
    """To list a folder of many files before each of them would take long."""
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
        with suppress(FileNotFoundError):  # a sweep of another process was faster than the lock
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
    """Put the old folder back where the new one did not come to take its place."""
    if (work / _OLD).is_dir():
        for new in work.iterdir():
            if new.name != _OLD and not (work.parent / new.name).exists():
                (work / _OLD).rename(work.parent / new.name)
                return


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step. False where the system cannot."""
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


def _told(path: Path, error: BaseException, target: Path) -> UserError | None:
    """What to raise where it was the writing that failed, and not what else the caller did meanwhile."""
    found = os_error(error) if isinstance(error, Exception) and not isinstance(error, UserError) else None
    if found is None:
        return None
    if isinstance(found.filename, str | bytes):
        place = Path(os.path.abspath(os.fsdecode(found.filename)))
        if not target.is_relative_to(place) and not any(part.startswith(PREFIX) for part in place.parts):
            return None
    return cannot_write(path, found)


# Locks. Each is a descriptor of its own, which no file object closes, so that a forked child can drop it: else the
# child would keep the lock of a parent that was killed.

_held: set[int] = set()


def _drop() -> None:
    for lock in _held:
        os.close(lock)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop)


def lock_path(path: Path, block: bool = False) -> int:
    """Lock a file or folder until `unlock`. Returns the lock, -1 where there are none. BlockingIOError where another
    has it."""
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
