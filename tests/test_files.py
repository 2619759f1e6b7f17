"""Files and folders appear whole or not at all, whatever ends their writer; what a killed one left is removed."""

import os
import signal
import subprocess
import sys
import time
from io import BytesIO

import numpy as np
import pytest

from pokegen import files
from pokegen.errors import UserError
from pokegen.files import ArrayWriter, atomic_file, atomic_folder, claim, sweep, write


@pytest.fixture(autouse=True)
def unswept():
    files._swept.clear()


def start(code, folder):
    """A process that runs `code` in `folder`; returns it after it has printed a line."""
    code = f"import os, sys, time\nfrom pathlib import Path\nfrom pokegen.files import *\n{code}"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    return process


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    write(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), atomic_file(tmp_path / "a.txt") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert (names(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "old")


def test_modes_follow_the_umask_and_an_old_file_keeps_its_own(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "new", "x")
        with atomic_folder(tmp_path / "folder") as work:
            write(work / "inside", "x")
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o604)
        write(tmp_path / "old", "x")
    finally:
        os.umask(before)
    modes = {path: (tmp_path / path).stat().st_mode & 0o777 for path in ("new", "folder", "folder/inside", "old")}
    assert modes == {"new": 0o640, "folder": 0o750, "folder/inside": 0o640, "old": 0o604}


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "victim").write_text("mine")
    guessed = iter([bytes(8)])
    monkeypatch.setattr(files.os, "urandom", lambda n: next(guessed, b"another!"))
    monkeypatch.setattr(files, "sweep", lambda folder: None)
    (tmp_path / f"{files.PREFIX}{bytes(8).hex()}").symlink_to("victim")
    write(tmp_path / "a", "x")
    assert ((tmp_path / "victim").read_text(), (tmp_path / "a").read_text()) == ("mine", "x")


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path):
    file = start("with atomic_file(Path('a')) as f: print(f.write(b'half'), flush=True); time.sleep(99)", tmp_path)
    folder = start("with atomic_folder(Path('b')) as f: print((f / 'x').touch(), flush=True); time.sleep(99)", tmp_path)
    try:
        before = names(tmp_path)
        assert len(before) == 2
        sweep(tmp_path)
        assert names(tmp_path) == before
    finally:
        end(file)
        end(folder)
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_a_child_that_outlives_a_killed_process_does_not_keep_its_files(tmp_path):
    code = """
import os, time
from pathlib import Path
from pokegen.files import *
with atomic_file(Path('a')) as f:
    os.write(1, f"{os.fork() or 'child'}\\n".encode())  # in one piece, of which print makes two
    time.sleep(99)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    said = {parent.stdout.readline().strip() for _ in range(2)}  # of both, so that the child has begun
    child = int((said - {"child"}).pop())
    try:
        end(parent)
        sweep(tmp_path)
        assert names(tmp_path) == []
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced_as_a_whole(tmp_path, monkeypatch, exchange):
    if not exchange:  # as on systems that cannot
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "a") as work:
            (work / content).touch()
        assert (names(tmp_path), names(tmp_path / "a")) == (["a"], [content])
    with pytest.raises(ValueError, match="stop"), atomic_folder(tmp_path / "a") as work:
        (work / "half").touch()
        raise ValueError("stop")
    assert (names(tmp_path), names(tmp_path / "a")) == (["a"], ["new"])


def test_a_folder_whose_replacement_was_killed_halfway_is_put_back(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    code = """
from pokegen import files
def kill(*_):
    print('here', flush=True)
    time.sleep(99)
files._exchange = lambda *_: False
files.Path.rename = lambda self, to, rename=Path.rename: (rename(self, to), kill())
with atomic_folder(Path('a')) as work: (work / 'new').touch()
"""
    end(start(code, tmp_path))
    assert not (tmp_path / "a").exists()  # between the two renames
    sweep(tmp_path)
    assert (names(tmp_path), names(tmp_path / "a")) == (["a"], ["old"])


def test_a_second_writer_of_a_folder_waits_or_is_refused(tmp_path):
    code = "with atomic_folder(Path('a')) as f: print((f / 'x').touch(), flush=True); time.sleep(1.5)"
    first = start(code, tmp_path)
    with pytest.raises(UserError, match="Another pokegen is writing"), atomic_folder(tmp_path / "a", wait=0):
        pass
    begun = time.monotonic()
    with atomic_folder(tmp_path / "a") as work:
        assert time.monotonic() - begun > 0.5
        assert names(tmp_path / "a") == ["x"]  # the first one has ended
        (work / "y").touch()
    assert names(tmp_path / "a") == ["y"]
    end(first)


def test_a_claimed_folder_refuses_others_until_its_owner_ends(tmp_path):
    owner = start("with claim(Path('run')): print('x', flush=True); time.sleep(99)", tmp_path)
    with pytest.raises(UserError, match="Another pokegen is writing to"), claim(tmp_path / "run"):
        pass
    end(owner)
    with claim(tmp_path / "run"):
        pass


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_an_array_is_written_row_by_row(rows):
    array = np.arange(rows * 12, dtype=np.uint8).reshape(rows, 3, 4)
    file = BytesIO()
    writer = ArrayWriter(file, (3, 4), np.uint8)
    for row in array:
        writer.append(row)
    writer.finish()
    file.seek(0)
    assert np.array_equal(np.load(file), array)
    with pytest.raises(ValueError, match="expected uint8"):
        writer.append(np.zeros((4, 3), np.uint8))


def test_no_room_is_one_line_and_leaves_nothing(tmp_path):
    code = """
import resource, numpy as np
print('x', flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    with atomic_file(Path('a')) as file:
        rows = ArrayWriter(file, (1000,), np.uint8)
        for _ in range(99): rows.append(np.zeros(1000, np.uint8))
except ValueError as error: print(error)
"""
    process = start(code, tmp_path)
    told = process.communicate()[0]
    assert told == "Cannot write 'a': File too large. Free some space, or choose another place.\n"
    assert names(tmp_path) == []


def test_missing_folders_are_made_unless_a_file_is_in_the_way(tmp_path):
    assert write(tmp_path / "new" / "deep" / "a", "x").read_text() == "x"
    with pytest.raises(UserError, match=r"Cannot write .*(Not a directory|it is a file)"):
        write(tmp_path / "new" / "deep" / "a" / "b", "x")


def test_a_full_disk_behind_another_error_is_found(tmp_path):
    with pytest.raises(UserError, match="No space left"), atomic_file(tmp_path / "a"):
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise RuntimeError("unexpected pos 64 vs 0") from error
    assert names(tmp_path) == []
