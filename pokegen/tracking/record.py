"""run.json: the state of a run, its data and its machine, next to config.yaml. Needs neither torch nor Lightning.

status        running, finished, failed or interrupted (Ctrl-C or SIGTERM); `status()` also detects killed runs
error         of a failed run, one line
started       time of the first start; `heard` is the last heartbeat and `ended` the end; UTC, ISO 8601
starts        number of starts: 1, and 1 more each time it is resumed
seconds       of training, over all starts
images_seen   by the model
data_hash     of the data, from its DataModule
seeds         of the run, the data and the samples
pokegen, commit, dirty    version, and the commit if the code is in a checkout
torch, python, cpus, gpu  the software and hardware
host, pid, process        the process; `process` distinguishes it from a later one with the same pid
"""

import json
import os
import platform
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pokegen import __version__, files
from pokegen.trust import CONFIG_BYTES, read_inside

FILE = "run.json"
_KINDS: dict[str, Any] = {"seconds": int | float}
_KINDS |= dict.fromkeys(("images_seen", "starts", "pid", "cpus", "dirty"), int)
_KINDS |= dict.fromkeys(("status", "error", "started", "heard", "ended", "host", "process", "commit", "gpu"), str)
OUTCOME = ("status", "error", "images_seen", "seconds")  # what the end of a run adds


def begin(run: Path, **facts: Any) -> dict[str, Any]:
    """Record that a run has started or resumed. Returns the record."""
    before = read(run)
    record = {
        "status": "running",
        "error": None,
        "started": before.get("started") or _now(),
        "heard": _now(),
        "ended": None,
        "starts": before.get("starts", 0) + 1,
        "seconds": before.get("seconds", 0.0),
        "images_seen": before.get("images_seen", 0),
        **facts,
        "pokegen": __version__,
        **code(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process": _process(os.getpid()),
    }
    write(run, record)
    return record


def write(run: Path, record: dict[str, Any]) -> None:
    """Replace the record atomically."""
    files.write(run / FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def heartbeat(record: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """The record with updated facts and the current time."""
    return {**record, **facts, "heard": _now()}


def end(record: dict[str, Any], status: str, error: BaseException | None = None) -> dict[str, Any]:
    """The record at the end of a run."""
    line = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300] if error else None
    return {**heartbeat(record), "status": status, "error": line, "ended": _now()}


def read(run: Path) -> dict[str, Any]:
    """The record in a run's folder; empty if it is missing or cannot be read."""
    try:
        return valid_facts(json.loads(read_inside(run, FILE, CONFIG_BYTES)))
    except (OSError, ValueError, RecursionError):
        return {}


def valid_facts(found: Any) -> dict[str, Any]:
    """A record of unknown origin, without values of a wrong type."""
    facts = found if isinstance(found, dict) else {}
    return {key: value for key, value in facts.items() if key not in _KINDS or _is(value, _KINDS[key])}


def _is(value: Any, kind: Any) -> bool:
    return value is None or (isinstance(value, kind) and (isinstance(value, str) or abs(value) < 2**53))


def status(record: dict[str, Any]) -> str:
    """finished, failed, interrupted, running, or unknown; killed if it should be running but its process is gone.

    For a run on another host, this cannot be detected: it counts as running.
    """
    recorded = str(record.get("status") or "unknown")
    if recorded == "running" and record.get("host") == socket.gethostname():
        return "running" if _process(record.get("pid")) == record.get("process") else "killed"
    return recorded


def code() -> dict[str, Any]:
    """`commit` of the checkout that contains the package, and whether it is `dirty`; None without a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", here, *words], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # not an environment inside another checkout
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _process(pid: Any) -> str | None:
    """The start time of the process with this pid; None if there is none; empty if the system does not report it."""
    if not isinstance(pid, int):
        return None
    if os.path.exists("/proc/self/stat"):
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # after the name
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if state in "ZX" else f"{boot} {fields[18]}"  # field 22: clock ticks since boot
    try:
        words = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "TZ": "UTC", "LC_ALL": "C"})
    except OSError:
        return ""
    state, _, start = done.stdout.strip().partition(" ")
    return None if state[:1] in ("", "Z") else start.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
