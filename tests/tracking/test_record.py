"""run.json: what it holds, that it is whole, and who counts as killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

import pokegen
from pokegen.tracking import record


def test_a_start_is_written_down_and_an_end_closes_it(tmp_path):
    told = record.begin(tmp_path, data_hash="abc", gpu=None)
    assert record.read(tmp_path) == told
    assert told["status"] == record.status(told) == "running"
    assert (told["data_hash"], told["pokegen"], told["pid"]) == ("abc", pokegen.__version__, os.getpid())
    assert told["cpus"] >= 1
    final = record.end(told, "failed", ValueError("first\n   second"))
    assert (final["status"], final["error"]) == ("failed", "ValueError: first second")
    assert final["ended"] >= final["started"]
    assert record.end(told, "finished")["error"] is None


def test_a_resumed_run_runs_again_and_keeps_what_it_has_done(tmp_path):
    first = record.begin(tmp_path, data_hash="abc")
    record.write(tmp_path, {**record.end(first, "failed", ValueError("x")), "seconds": 5.0, "images_seen": 7})
    again = record.begin(tmp_path, data_hash="other")
    assert (again["status"], again["error"], again["ended"]) == ("running", None, None)
    assert (again["starts"], again["seconds"], again["images_seen"]) == (2, 5.0, 7)
    assert (again["started"], again["data_hash"]) == (first["started"], "other")


def test_a_write_that_fails_leaves_the_old_record(tmp_path, monkeypatch):
    told = record.begin(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        record.write(tmp_path, {"status": "finished"})
    assert record.read(tmp_path) == told


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "\x00\x00"])
def test_what_is_no_record_is_unknown(tmp_path, content):
    if content is not None:
        (tmp_path / record.FILE).write_text(content)
    assert record.read(tmp_path) == {}
    assert record.status(record.read(tmp_path)) == "unknown"


def test_who_is_gone_was_killed(tmp_path):
    told = record.begin(tmp_path)
    assert record.status({**told, "process": "another start"}) == "killed"  # its pid went to a later process
    assert record.status({**told, "pid": 2**22 + 1}) == "killed"  # above Linux's highest
    assert record.status({**told, "host": "elsewhere", "pid": 2**22 + 1}) == "running"  # nobody here can tell
    assert record.status({**told, "status": "finished", "pid": 2**22 + 1}) == "finished"


def test_a_process_that_is_killed_counts_as_gone_before_its_parent_has_noticed(tmp_path):
    code = f"from pathlib import Path; from pokegen.tracking import record; record.begin(Path({str(tmp_path)!r}))"
    child = subprocess.Popen([sys.executable, "-c", f"{code}; print(flush=True); input()"], stdin=-1, stdout=-1)
    try:
        child.stdout.readline()
        told = record.read(tmp_path)
        assert told["pid"] == child.pid
        assert record.status(told) == "running"
        child.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while record.status(told) == "running" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert record.status(told) == "killed"  # though it is still in the table of processes
    finally:
        child.kill()
        child.communicate()


GIT = """#!/bin/sh
# git -C FOLDER VERB …
case "$3" in
    ls-files) exit $NOT_TRACKED ;;
    rev-parse) echo 0123abcd ;;
    status) echo "$CHANGES" ;;
esac
"""


def test_the_commit_is_that_of_the_checkout_that_holds_the_code(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    script = tmp_path / "git"
    script.write_text(GIT)
    script.chmod(0o755)
    monkeypatch.setenv("NOT_TRACKED", "0")
    monkeypatch.setenv("CHANGES", "")
    assert record.code() == {"commit": "0123abcd", "dirty": False}
    monkeypatch.setenv("CHANGES", " M pokegen/hub.py")
    assert record.code() == {"commit": "0123abcd", "dirty": True}
    monkeypatch.setenv("NOT_TRACKED", "1")  # such as an environment inside somebody's own checkout
    assert record.code() == {"commit": None, "dirty": None}
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert record.code() == {"commit": None, "dirty": None}


def test_reading_runs_loads_neither_torch_nor_lightning():
    heavy = {"torch", "lightning", "wandb", "matplotlib"}
    code = f"import sys; from pokegen.tracking import read, compare; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "set()", done.stderr
