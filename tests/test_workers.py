"""Worker processes end with their parent, however it ends, and one that is killed is one line."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pokegen.errors import UserError
from pokegen.workers import pool, results, run


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


def pages(number):
    return bytes(1_000_000)


def test_large_results_come_in_order_and_leave_no_file(tmp_path):
    with pool(2) as workers:
        found = list(results(workers, str, range(150), tmp_path))
        assert found == [str(n) for n in range(150)]
        assert sum(map(len, results(workers, pages, range(5), tmp_path, batch=1))) == 5_000_000
    assert not list(tmp_path.iterdir())


def test_a_large_result_that_nobody_will_read_keeps_no_interrupted_program(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from pokegen.workers import pool, results
def pages(number):
    return bytes(5_000_000)
with pool(2) as workers:
    for _ in results(workers, pages, range(99), Path({str(tmp_path)!r}), batch=1):
        print(flush=True)
"""
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    program.stdout.readline()
    program.send_signal(signal.SIGSTOP)  # its workers go on until they can send no more
    time.sleep(1)
    program.send_signal(signal.SIGINT)
    program.send_signal(signal.SIGCONT)
    program.communicate(timeout=10)  # or it waits for what the pipe holds
    assert program.returncode != 0


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
