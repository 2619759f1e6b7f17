"""Provoked faults: kills at random moments and full disks, for every verb that writes. Linux.

    python benchmarks/faults.py                         30 kills and 5 full disks per verb
    python benchmarks/faults.py --verbs import card --kills 5 --disks 0

Each verb is first run undisturbed, which gives the good state and the duration. Then it is started repeatedly on that
state and ended at a random moment, by SIGKILL and SIGTERM in turn; or the disk, a separate tmpfs, is filled so that
only a random share of the verb's output fits (needs root). After each try, these count as faults:

    lost     the good state, or a later finished one, does not load or differs
    left     temporary files (after SIGKILL, those that the next start does not remove); processes that stay alive
    status   other than 143 after SIGTERM; on a full disk, other than 2 with one line

At the end the verb runs once more, and must succeed. Each try is a fork of this process, which has already imported
the slow packages. Exit status 1 if anything is lost, left or wrong.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image

from pokegen import files, zoo
from pokegen.cli import fit
from pokegen.cli.main import main
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sample import write_sample
from pokegen.data.sprites import load_sprites
from pokegen.game.video.codec import count_frames
from pokegen.game.video.idm import InverseDynamics
from pokegen.game.video.recording import read_recording
from pokegen.workers import end_with_parent

ENV = "pokegen/Fighter-v0"
READER = {
    **{"groups": {"keys": ["left", "right"]}, "window": 8, "stem_width": 4, "stem_stride": 8, "stacks": [4]},
    **{"width": 16, "layers": 1, "heads": 2},
}


@dataclass
class Verb:
    """A command line for try number n, what loads its state and raises where it is lost, and what a try begins with."""

    argv: Callable[[int], list[str]]
    check: Callable[[int], None]
    prepare: Callable[[int], None] = lambda n: None
    seconds: float = 0.0
    tries: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("kills", "disks", "lost", "left", "status"), 0)
    )


def start(argv: list[str], log: Path) -> int:
    """Run a command line in a fork; its pid."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(signal.SIGKILL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.setsid()
    status = 1
    try:
        status = main(argv)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def descendants(pid: int) -> list[int]:
    """Processes of the session that `start` made."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == pid and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def temporaries(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.name.startswith(files.PREFIX) or path.name.endswith(".part")]


def verbs(place: Path, given: Path) -> dict[str, Verb]:
    """All verbs, writing below `place`. `given` holds their sources."""
    run, exported, labels = place / "runs" / "vae", place / "zoo", place / "labels"
    settings = {
        **{"config": "configs/vae.yaml", "runs": place / "runs", "log": "csv", "score_images": 0},
        **{"model.init_args.network.init_args.width": 4, "data.init_args.root": given / "imported"},
        **{"data.init_args.batch_size": 8, "data.init_args.epoch_images": 16, "data.init_args.games": "null"},
        **{"trainer.accelerator": "cpu", "trainer.limit_val_batches": 1, "trainer.enable_progress_bar": "false"},
        **{"trainer.enable_model_summary": "false"},
    }

    def fitting(n: int) -> list[str]:
        more = {"trainer.max_epochs": 2} if n == 0 else {"trainer.max_epochs": 100_000, "ckpt_path": "last"}
        return ["fit", *(f"--{key}={value}" for key, value in (settings | more).items())]

    least = {"images": 0}  # that the next checkpoint must have seen
    labelled: list[list[dict[str, str]]] = []  # the first whole table

    def check_fit(n: int) -> None:
        for path in (run / "checkpoints").glob("*.ckpt"):
            torch.load(path, weights_only=True)
        seen = int(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]["images_seen"])
        assert seen >= least["images"], "images were lost"
        least["images"] = seen
        json.loads((run / "run.json").read_text())

    def check_export(n: int) -> None:
        zoo.load(exported)
        if n == 0:
            (exported / "mine.txt").write_text("mine")
        assert (exported / "mine.txt").read_text() == "mine"
        assert "facts" in (exported / "README.md").read_text()

    def check_record(n: int) -> None:
        assert len(read_recording(place / "play0")) == 300
        if n and (place / f"play{n}.csv").is_file() and (place / f"play{n}.csv").read_text().count("\n") > 1:
            assert len(read_recording(place / f"play{n}", shortest=1)) <= count_frames(place / f"play{n}.mkv")

    def check_labels(n: int) -> None:
        for shard in labels.glob(".play-*/*.csv"):
            assert len(shard.read_text().splitlines()) == int(shard.stem[10:]) - int(shard.stem[:9])
        if (labels / "play.csv").is_file():
            rows = list(csv.DictReader((labels / "play.csv").open()))
            assert len(rows) == 300
            assert (labels / "play.mkv").exists()
            assert (labels / "play.parquet").exists()
            labelled.append(rows)
            assert rows == labelled[0]

    def check_phases(n: int) -> None:
        for path in (place / "phases").rglob("*.json"):
            assert len(json.loads(path.read_text())) == 2

    def check_cards(n: int) -> None:
        assert len(json.loads((place / "cards" / "cards.json").read_text())) == 12
        for path in (place / "cards").glob("*.png"):
            Image.open(path).load()
        for path in (place / "cards").glob("*.json"):
            json.loads(path.read_text())

    def check_import(n: int) -> None:
        pixels, index, _ = load_sprites(place / "imported")
        assert len(pixels) == len(index) == 60

    def fresh(folder: Path, done: str) -> Callable[[int], None]:
        """Start again where the previous try ended."""
        return lambda n: shutil.rmtree(folder, ignore_errors=True) if (folder / done).exists() else None

    return {
        "import": Verb(
            lambda n: ["data", "import", str(given / "drawn"), "--out", str(place / "imported")], check_import
        ),
        "fit": Verb(fitting, check_fit),
        "export": Verb(lambda n: ["zoo", "export", str(given / "runs" / "vae"), str(exported)], check_export),
        "record": Verb(
            lambda n: f"game record --env {ENV} --player expert --frames 300 --out {place}/play{n}".split(),
            check_record,
        ),
        "annotate": Verb(
            lambda n: f"game annotate {given}/play.mkv --model {given}/reader --shard_frames 16 --out {labels}".split(),
            check_labels,
            fresh(labels, "play.csv"),
        ),
        "phases": Verb(
            lambda n: ["game", "phases", str(given / "plan.yaml"), "--out", str(place / "phases")],
            check_phases,
            fresh(place / "phases", "phases.csv"),
        ),
        "card": Verb(
            lambda n: ["card", "--count", "12", "--model", "cgan", "--seed", "1", "--out", str(place / "cards")],
            check_cards,
        ),
    }


def sources(given: Path) -> None:
    """Drawn sprites, a run, a recording, a model that reads keys, and a plan."""
    write_sample(given / "drawn", load_pokedex()[::17][:30], 2)
    torch.manual_seed(0)
    zoo.save(InverseDynamics(**READER), given / "reader", "pokegen.game.video.idm.InverseDynamics", READER, version="1")
    phases = "\n".join(
        f"  {name}: {{plays: random, run: 'game record --env {ENV} --player uneven --frames 9 --out {{out}}/{name}/a'}}"
        for name in ("teacher", "study", "exploration", "consolidation", "play")
    )
    (given / "plan.yaml").write_text(f"episodes: 2\nenv: {ENV}\nphases:\n{phases}\n")
    made = verbs(given, given)
    for name, words in (("import", None), ("fit", None), ("record", given / "play")):
        argv = made[name].argv(0)
        argv[-1] = str(words) if words else argv[-1]
        assert ended(start(argv, given / "log")) == 0, (given / "log").read_text()


def wrong(verb: Verb, n: int, pid: int, place: Path, killed: bool) -> list[str]:
    """What a try has lost and left."""
    found = []
    deadline = time.monotonic() + 5
    while (living := descendants(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if living:
        found.append("left")
        print(f"  processes: {living}", file=sys.stderr)
    if killed:
        for folder in {path.parent for path in temporaries(place)}:
            files.sweep(folder)  # what the next start does
    if rest := temporaries(place):
        found.append("left")
        print(f"  files: {rest}", file=sys.stderr)
    try:
        verb.check(n)
    except Exception as error:
        found.append("lost")
        print(f"  {type(error).__name__}: {error}", file=sys.stderr)
    return found


def try_kill(verb: Verb, n: int, place: Path, log: Path, chance: random.Random) -> list[str]:
    verb.prepare(n)
    number = (signal.SIGKILL, signal.SIGTERM)[n % 2]
    pid = start(verb.argv(n), log)
    time.sleep(chance.uniform(0, verb.seconds))
    os.kill(pid, number)
    status = ended(pid)
    verb.tries["kills"] += 1
    # 0: it had ended before the signal; -15: the signal came before the command line had begun
    good = status in ((0, -9) if number == signal.SIGKILL else (0, 143, -15))
    return [*wrong(verb, n, pid, place, number == signal.SIGKILL), *([] if good else [f"status {status}"])]


def try_disk(verb: Verb, n: int, place: Path, log: Path, need: int, chance: random.Random) -> list[str]:
    verb.prepare(n)
    disk = os.statvfs(place)
    free = chance.randint(0, need)
    with open(place / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - free))
    pid = start(verb.argv(n), log)
    status = ended(pid)
    (place / "filler").unlink()
    verb.tries["disks"] += 1
    said = [line for line in log.read_text().splitlines() if line.startswith("pokegen: ")]
    good = (status == 2 and len(said) == 1 and "Traceback" not in log.read_text()) or status == 0
    if not good:
        print(f"  {log.read_text()[-1500:]}", file=sys.stderr)
    return [*wrong(verb, n, pid, place, False), *([] if good else [f"status {status}"])]


def size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def run(name: str, given: Path, kills: int, disks: int, seed: int) -> Verb:
    """All tries of one verb, in a folder of its own, for full disks a tmpfs."""
    chance = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="pokegen-faults-"))
    log = given / "log"
    mounted = (
        disks
        and os.geteuid() == 0
        and not subprocess.call(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)])
    )
    try:
        verb = verbs(place, given)[name]
        began = time.monotonic()
        assert ended(start(verb.argv(0), log)) == 0, log.read_text()
        verb.seconds = time.monotonic() - began
        verb.check(0)
        need = max(size(place), 1)
        for n in range(1, kills + 1):
            for what in try_kill(verb, n, place, log, chance):
                verb.tries[what.split()[0]] += 1
                print(f"{name}, kill {n}: {what}", file=sys.stderr)
        for n in range(kills + 1, kills + 1 + disks if mounted else 0):
            for what in try_disk(verb, n, place, log, need, chance):
                verb.tries[what.split()[0]] += 1
                print(f"{name}, full disk {n}: {what}", file=sys.stderr)
        if name != "fit":  # which would not end
            verb.prepare(0)
            last = kills + disks + 1
            if ended(start(verb.argv(last), log)):
                verb.tries["lost"] += 1
                print(f"{name} does not run any more: {log.read_text()[-500:]}", file=sys.stderr)
            verb.check(last)
        return verb
    finally:
        if mounted:
            subprocess.call(["umount", "-l", str(place)])
        shutil.rmtree(place, ignore_errors=True)


def cli() -> int:
    names = ("import", "fit", "export", "record", "annotate", "phases", "card")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbs", nargs="+", choices=names, default=names)
    parser.add_argument("--kills", type=int, default=30, help="a verb; default: %(default)s")
    parser.add_argument("--disks", type=int, default=5, help="full disks a verb; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    fit.keep_memory()  # as `fit` does; with Lightning, which its module loads, before the forks
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or a disk would stay mounted
    given = Path(tempfile.mkdtemp(prefix="pokegen-faults-"))
    total = dict.fromkeys(("kills", "disks", "lost", "left", "status"), 0)
    try:
        sources(given)
        print(f"{'':<10}{'kills':>7}{'disks':>7}{'lost':>6}{'left':>6}{'status':>8}", flush=True)
        for name in args.verbs:
            tries = run(name, given, args.kills, args.disks, args.seed).tries
            total = {key: total[key] + tries[key] for key in total}
            print(row(name, tries), flush=True)
        print(row("total", total))
    finally:
        shutil.rmtree(given, ignore_errors=True)
    return int(any(total[key] for key in ("lost", "left", "status")))


def row(name: str, tries: dict[str, int]) -> str:
    return f"{name:<10}{tries['kills']:>7}{tries['disks']:>7}{tries['lost']:>6}{tries['left']:>6}{tries['status']:>8}"


if __name__ == "__main__":
    sys.exit(cli())
