"""Worker processes end with their parent, however it ends, and one that is killed is one line."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pokegen.errors import UserError
from pokegen.workers import pool, run


def gone(pid, seconds=10):
    for _ in range(seconds * 20):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def kill_self(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_pool_gives_its_results_in_order():
    with pool(2) as workers:
        assert list(workers.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]


def test_a_killed_worker_is_one_line():
    with pytest.raises(UserError, match="A worker process was killed"), pool(2) as workers:
        list(workers.map(kill_self, range(9)))


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_killed_parent(number):
    code = """
import os, time
from pokegen.workers import pool
with pool(2) as workers:
    print(*{f.result() for f in [workers.submit(os.getpid) for _ in range(9)]}, flush=True)
    list(workers.map(time.sleep, [99] * 9))
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    workers = parent.stdout.readline().split()
    assert workers
    parent.send_signal(number)
    parent.communicate(timeout=10)  # a worker that lived on would keep the pipe open
    assert all(gone(pid) for pid in workers)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux")
def test_a_command_ends_with_a_killed_parent():
    code = """
import sys
from pokegen.workers import run
run([sys.executable, "-c", "import os, sys, time; print(os.getpid(), file=sys.stdout, flush=True); time.sleep(99)"])
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    child = parent.stderr.readline().strip()
    parent.kill()
    parent.communicate(timeout=10)
    assert gone(child)


def test_a_command_gives_its_status_and_errors():
    assert run([sys.executable, "-c", "import sys; sys.exit('no')"]) == (1, "no\n")
