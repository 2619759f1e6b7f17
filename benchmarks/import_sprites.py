"""The cost of an import of sprites, and of the start of a training run after it.

    python benchmarks/import_sprites.py ~/sprites                 into a folder that is removed at the end
    python benchmarks/import_sprites.py --cache data/sprites      only the start, from an existing import

The import is `pokegen data import` in a separate process. Its memory, including its workers', is sampled five times a
second. "resident" sums over the processes, and so counts shared pages several times; "own" divides such a page among
the processes that map it. The cache's pages count as the import's, although the system can reclaim them. Memory is
measured only on Linux.

The start is a new process that sets up SpriteDataModule as a training does, augmentation included, and fetches its
first batch. Its imports (torch, lightning) are reported separately: they are the same with or without an import of
sprites. Exit status 1 if a limit is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST_SECONDS, MOST_GIB, MOST_START = 180, 3.0, 2.0

START = """
import json, sys, time
began = time.time()
marks = [time.perf_counter()]
def mark(): marks.append(time.perf_counter())
import pokegen.data.modules as modules; mark()
import albumentations; mark()
module = modules.SpriteDataModule(root=sys.argv[1])
module.setup("fit"); mark()
next(iter(module.train_dataloader())); mark()
interpreter = began - float(sys.argv[2])
print(json.dumps([interpreter, *(b - a for a, b in zip(marks, marks[1:]))]))
"""
PARTS = """
import json, sys, time
from pathlib import Path
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sprites import load_sprites, read_rows
seconds = {}
def timed(name, work):
    started = time.perf_counter(); work(); seconds[name] = time.perf_counter() - started
root = Path(sys.argv[1])
timed("index.csv", lambda: read_rows(root / "index.csv"))
timed("load_sprites", lambda: load_sprites(root))
timed("load_pokedex", load_pokedex)
print(json.dumps(seconds))
"""
STEPS = ("Python itself", "import torch, lightning", "import albumentations", "setup", "first batch")


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def memory(pid: int) -> dict[str, float]:
    """GiB of a process and its descendants, now: resident, and each one's own share."""
    total = {"resident": 0.0, "own": 0.0}
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        amounts = {line.split()[0]: int(line.split()[1]) / 2**20 for line in lines[1:]}
        total["resident"] += amounts.get("Rss:", 0)
        total["own"] += amounts.get("Pss:", 0)
    return total


def time_import(path: Path, out: Path) -> tuple[float, dict[str, float]]:
    """Seconds, and GiB at the peak (empty if unknown). The command's tables go to stdout."""
    command = [sys.executable, "-m", "pokegen.cli.main", "data", "import", str(path), "--out", str(out)]
    peak: dict[str, float] = {}
    started = time.perf_counter()
    process = subprocess.Popen(command)
    while True:
        try:
            status = process.wait(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if Path("/proc/self/smaps_rollup").is_file():
                peak = {key: max(value, peak.get(key, 0)) for key, value in memory(process.pid).items()}
    taken = time.perf_counter() - started
    if status:
        sys.exit(status)  # it has said why
    return taken, peak


def fresh(code: str, cache: Path) -> Any:
    """Run `code` in a new process, which knows when it was called, and return what it printed last, as JSON."""
    command = [sys.executable, "-c", code, str(cache), str(time.time())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, value: float, unit: str, most: float | None = None) -> bool:
    """Print a line of the table, and return whether it holds."""
    holds = most is None or value <= most
    limit = "" if most is None else f"   at most {most:g} {unit}: {'ok' if holds else 'MISSED'}"
    print(f"{name:<30}{value:>9.2f} {unit}{limit}")
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", help="folder of sprites, in any layout")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where to import to; without PATH: what to start from"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="number of starts, of which the median is reported; default: %(default)s"
    )
    args = parser.parse_args()
    if (args.path is None and args.cache is None) or args.rounds < 1:
        parser.error("give PATH, or --cache; and at least one round")
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # as `pokegen fit` sets it
    fine = []

    # Here, and not where the system keeps such folders, which may be memory
    with tempfile.TemporaryDirectory(prefix=".import_sprites-", dir=".") as temporary:
        cache = args.cache or Path(temporary) / "cache"
        if args.path is not None:
            taken, peak = time_import(args.path, cache)
            print()
            fine.append(row("import", taken, "s", MOST_SECONDS))
            if peak:
                fine.append(row("peak memory, own", peak["own"], "GiB", MOST_GIB))
                row("peak memory, resident", peak["resident"], "GiB")
        meta = json.loads((cache / "meta.json").read_text()) if (cache / "meta.json").is_file() else {}
        if meta:
            row("cache", sum(f.stat().st_size for f in cache.iterdir()) / 2**30, "GiB")
            print(f"{'sprites, rejected files':<30}{meta['sprites']:>9} , {meta['rejected']}")

        starts = [fresh(START, cache) for _ in range(args.rounds)]
        parts = fresh(PARTS, cache)

    print()
    for name, values in zip(STEPS, zip(*starts, strict=True), strict=True):
        row(name, statistics.median(values), "s")
    for name, value in parts.items():
        row(f"  of setup, {name}", value, "s")
    own = statistics.median(sum(seconds[2:]) for seconds in starts)  # what is not the interpreter, torch or lightning
    fine.append(row("start, from albumentations on", own, "s", MOST_START))
    row("start, all imports included", statistics.median(map(sum, starts)), "s")
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main())
