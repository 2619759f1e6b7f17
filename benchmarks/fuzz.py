"""Thousands of damaged and hostile files for every reader of files: only UserErrors may be raised. Linux.

    python benchmarks/fuzz.py                                10,000 cases of each kind
    python benchmarks/fuzz.py --kind tables cards --cases 500 --seed 3

A case is a valid folder, written by pokegen, in which hypothesis changes one file a few times: bits, cuts, spliced and
repeated parts, hostile tokens, other values for words and numbers; or replaces it with a folder, a pipe, a link or
nothing. A crash is any exception other than UserError, a control character on the terminal, more than SECONDS of
work or WAIT of waiting, or an allocation of more than MEMORY above the process's initial size. The shrunk folder of a
crash is kept in --out, and the status is 1.

For `fit --config`, only reading the files is tested: parsing by LightningCLI takes a tenth of a second per case.
"""

import argparse
import hashlib
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from pokegen import trust, zoo
from pokegen.errors import UserError
from pokegen.resources import shipped

SECONDS, WAIT, MEMORY = 5, 60, 4 * 2**30  # of a case: processor time, time; bytes, libraries included
TOKENS = [
    *(b"", b"\0", b"\x1b[2J", b"\xff\xfe", b"\xc2\x9b", "\u202e٣".encode(), b"\n", b"\r", b'"', b",", b"\\ud800"),
    *(b"null", b"true", b"[]", b"{}", b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"9" * 30, b"9" * 5000, b"0.5"),
    *(b"[" * 5000, b'{"a":' * 2000, b"x" * 300, b"A" * 140_000, b"2020-99-99", b"&a [*a]", b"!!python/name:os.system"),
    *(b"../../etc/passwd", b"/dev/zero", b"{out:9999999999}", b"\xff" * 8, b"\x7f\xff\xff\xff", b"1_0"),
]
PLACES = ("missing", "folder", "pipe", "zero", "circle", "outside")
Files = dict[str, bytes]
# What is changed: file; then (how, where, where else, what) a change; or another thing in the file's place.
CHANGE = st.tuples(*[st.integers(0, 65535)] * 4)
CASE = st.tuples(st.integers(0, 255), st.integers(0, 255), st.lists(CHANGE, min_size=1, max_size=4))


@dataclass
class Kind:
    """The files of a valid folder, and what reads it."""

    files: Files
    read: Callable[[Path], object]
    together: bool = True  # or each is a case of its own
    around: Callable[[Path], None] = lambda folder: None  # adds what no case changes


def changed(content: bytes, how: int, a: int, b: int, what: int) -> bytes:
    """One change of a file."""
    at, to = sorted((a * (len(content) + 1) >> 16, b * (len(content) + 1) >> 16))
    token = TOKENS[what % len(TOKENS)]
    if how % 6 == 0 and at < len(content):
        return content[:at] + bytes([content[at] ^ 1 << what % 8]) + content[at + 1 :]
    if how % 6 == 1:
        return content[:at] + (content[to:] if what % 2 else b"")
    if how % 6 == 2:
        return content[:at] + token + content[at:]
    if how % 6 == 3:
        return content[:to] + content[at : at + 4096] + content[to:]
    if how % 6 == 4:  # a header: the first bytes decide most
        at = a % min(64, len(content) + 1)
        return content[:at] + token + content[at + len(token) :]
    start, end = at, at  # a word, a number or a cell
    while start > 0 and content[start - 1 : start] not in (b" ", b",", b"\n", b":", b"[", b"{", b"\0"):
        start -= 1
    while end < len(content) and content[end : end + 1] not in (b" ", b",", b"\n", b":", b"]", b"}", b"\0"):
        end += 1
    return content[:start] + token + content[end:]


def build(folder: Path, files: Files, case: tuple, together: bool) -> None:
    """Write the files with a case's changes, or the changed one alone.

    A checkpoint's hash is made right again, or only it would be tried.
    """
    number, place, changes = case
    name = sorted(files)[number % len(files)]
    content = files[name]
    for change in changes:
        content = changed(content, *change)
    odd = PLACES[place] if place < len(PLACES) else None
    for other, old in files.items() if together else [(name, content)]:
        path = folder / other
        path.parent.mkdir(parents=True, exist_ok=True)
        if other != name:
            if other == zoo.CONFIG and name == zoo.WEIGHTS:
                digests = (hashlib.sha256(data).hexdigest().encode() for data in (files[name], content))
                old = old.replace(*digests)
            path.write_bytes(old)
        elif odd is None:
            path.write_bytes(content)
        elif odd == "folder":
            path.mkdir()
        elif odd == "pipe":
            os.mkfifo(path)
        elif odd != "missing":
            path.symlink_to({"zero": "/dev/zero", "circle": path, "outside": "/etc/hostname"}[odd])


# The kinds


def pictures() -> Kind:
    from pokegen.data.sprites import decode

    def read(folder: Path) -> None:
        for path in folder.iterdir():
            if isinstance(reason := decode(path), str) and reason != "nothing is drawn":
                raise UserError(reason)  # which the import lists

    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (12, 12, 4), dtype=np.uint8)).resize((24, 24), 0)
    files = {}
    modes = {
        "png": "RGBA P I;16 1 LA",
        "jpg": "RGB CMYK L",
        "gif": "P",
        "webp": "RGBA",
        "bmp": "RGB",
        "tif": "F I RGBA",
    }
    for suffix, names in modes.items():
        for mode in names.split():
            buffer, kind = io.BytesIO(), {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
            one = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16)) if mode == "I;16" else None
            (one or image.convert("RGB").convert(mode) if mode not in ("RGBA", "LA") else image.convert(mode)).save(
                buffer, kind
            )
            files[f"{mode.replace(';', '')}.{suffix}"] = buffer.getvalue()
    return Kind(files, read, together=False)


def tables() -> Kind:
    from pokegen.data.pokedex import load_pokedex
    from pokegen.data.sample import draw_creature
    from pokegen.data.sprites import import_sprites, load_sprites

    def read(folder: Path) -> None:
        load_sprites(folder)
        load_sprites(folder, grid=True)
        load_pokedex(folder / "own.csv")

    with tempfile.TemporaryDirectory() as work:
        source = Path(work, "in")
        source.mkdir()
        for species in load_pokedex()[:2]:
            draw_creature(species).save(source / f"{species.number}.png")
        import_sprites(source, Path(work, "out"), workers=1)
        files = contents(Path(work, "out"))
    table = shipped("data/pokedex.csv").read_bytes().splitlines(keepends=True)
    return Kind(files | {"own.csv": b"".join(table[:8])}, read)


def recording(folder: Path) -> Files:
    from pokegen.game.video.recording import Recorder

    with Recorder(folder / "play") as recorder:
        for i in range(16):
            recorder.add(np.full((128, 128, 3), 10 * i, np.uint8), ("left", "none", "a+b")[i % 3], 1.0, i // 8)
    return contents(folder)


def recordings() -> Kind:
    from pokegen.game.video.recording import read_recording

    def read(folder: Path) -> None:
        for _ in read_recording(folder / "play").frames():
            pass

    with tempfile.TemporaryDirectory() as work:
        return Kind(recording(Path(work)), read)


def keys() -> Kind:
    from pokegen.game.video.keys import Keys
    from pokegen.game.video.recording import HEADER, _read_rows

    def read(folder: Path) -> None:
        Keys({"move": ["left", "right"], "a": ["a"], "b": ["b"]}).encode(
            _read_rows(folder / "play.csv", HEADER[:3], (*HEADER[3:], "confidence")).key
        )

    with tempfile.TemporaryDirectory() as work:
        return Kind({"play.csv": recording(Path(work))["play.csv"]}, read)


def checkpoints() -> Kind:
    from pokegen.cli import zoo as verb

    def read(folder: Path) -> None:
        verb.run(argparse.Namespace(action="info", name=str(folder)))
        zoo.load(folder)

    return Kind(contents(zoo.folder_of("evolution_lander"), (zoo.CONFIG, zoo.WEIGHTS, zoo.CARD)), read)


def configs() -> Kind:
    from pokegen.cli.fit import _find_configs
    from pokegen.game.phases import read_plan

    def read(folder: Path) -> None:
        _find_configs(["--config", str(folder / "model.yaml")])
        read_plan(folder / "plan.yaml", folder, 0)

    plan = next(shipped("configs/phases").glob("*.yaml")).read_bytes()
    return Kind({"model.yaml": shipped("configs/cgan.yaml").read_bytes(), "plan.yaml": plan}, read)


def cards() -> Kind:
    import json

    from pokegen.evaluation.samples import read_samples
    from pokegen.evaluation.sprites_panel import MIN_PICTURES

    buffer = io.BytesIO()
    Image.new("RGB", (128, 128)).save(buffer, "PNG")
    names = [f"{i}.png" for i in range(MIN_PICTURES)]
    records = [{"name": "A", "types": ["Fire", "Water"][: 1 + i % 2], "sprite": n} for i, n in enumerate(names)]

    def read(folder: Path) -> None:
        read_samples(folder, 0)

    def around(folder: Path) -> None:  # the same picture for all other cards
        for other in names[1:]:
            (folder / other).symlink_to(names[0])

    return Kind({"cards.json": json.dumps(records).encode(), names[0]: buffer.getvalue()}, read, around=around)


def runs() -> Kind:
    from pokegen.tracking import compare
    from pokegen.tracking.read import load
    from pokegen.zoo.exporting import run_facts

    def read(folder: Path) -> None:
        run = load(str(folder), folder / "none")
        metrics = compare.comparable([run])
        sections = compare.table([run], metrics)
        compare.page([run], sections, compare.verdict([run], metrics[0]) if metrics else "", None, compare.sheet([run]))
        run_facts(folder, 10)

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    record = b'{"status": "finished", "error": null, "started": "2026-01-01T00:00:00+00:00", "ended": null, "starts": 1'
    record += b', "seconds": 7.5, "images_seen": 64, "pid": 1, "host": "h", "commit": "abc", "dirty": 0, "gpu": null'
    record += b', "threads": 1, "data_hash": "x"}'
    table = b"step,epoch,images,train/loss,val/loss\n1,0,32,0.5,\n2,0,64,0.25,0.5\n"
    return Kind(
        {
            "config.yaml": b"model: {class_path: A, init_args: {x: 1}}\ndata: {batch_size: 3}\n",
            "run.json": record,
            "csv/version_0/metrics.csv": table,
            "samples/64.png": buffer.getvalue(),
        },
        read,
    )


KINDS = {kind.__name__: kind for kind in (pictures, tables, recordings, keys, checkpoints, configs, cards, runs)}


def contents(folder: Path, names: tuple[str, ...] = ()) -> Files:
    """The files of a folder, or those of its files."""
    paths = [folder / name for name in names] or [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


# Running them


class _Late(BaseException):
    """No reader catches it."""


def _late(*_: object) -> None:
    raise _Late


class Crash(Exception):
    """Something else than a UserError."""


def attempt(read: Callable[[Path], object], folder: Path) -> bool:
    """Whether a folder was accepted; False for a UserError. Crash for all else."""
    printed = io.StringIO()
    timers = {signal.ITIMER_PROF: (signal.SIGPROF, SECONDS), signal.ITIMER_REAL: (signal.SIGALRM, WAIT)}
    before = {number: signal.signal(number, _late) for number, _ in timers.values()}
    for timer, (_, limit) in timers.items():
        signal.setitimer(timer, limit)
    accepted = True
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            read(folder)
    except UserError:
        accepted = False
    except _Late:
        raise Crash(f"more than {SECONDS} s of work, or {WAIT} s of waiting") from None
    except (Exception, SystemExit) as error:
        raise Crash("".join(traceback.format_exception(error)[-2:])) from error
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
    if (text := printed.getvalue()) != trust.visible(text):
        raise Crash(f"a control character on the terminal: {text[:200]!r}")
    return accepted


def fuzz(name: str, cases: int, number: int, out: Path) -> tuple[list[object], str]:
    """Try a kind: its row of the table, and the crash, if there was one, whose folder is then in `out`."""
    kind = KINDS[name]()
    counts, done = {True: 0, False: 0}, [0]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
        folder = Path(work, "case")

        @seed(number)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(CASE)
        def one(case: tuple) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder, kind.files, case, kind.together)
            kind.around(folder)
            done[0] += 1
            counts[attempt(kind.read, folder)] += 1

        folder.mkdir()  # what is whole is accepted; it also imports what the first case would wait for
        for file, content in kind.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        kind.around(folder)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            kind.read(folder)
        start = time.perf_counter()
        crash = ""
        try:
            one()
        except Exception as error:
            crash = str(error)
            shutil.rmtree(out / name, ignore_errors=True)
            shutil.copytree(
                folder,
                out / name,
                symlinks=True,
                ignore=lambda at, names: [
                    n for n in names if not os.path.islink(Path(at, n)) and Path(at, n).is_fifo()
                ],
            )
    seconds = time.perf_counter() - start
    return [name, done[0], counts[False], counts[True], f"{seconds:.0f}", int(bool(crash))], crash


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS), help="default: all")
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="the same one gives the same cases; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="where crashes are kept")
    args = parser.parse_args()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    print("| kind | cases | UserError | accepted | seconds | crashes |\n|---|---|---|---|---|---|")
    failed = 0
    for name in args.kind:
        row, crash = fuzz(name, args.cases, args.seed, args.out)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        if crash:
            failed = 1
            print(trust.visible(crash), file=sys.stderr, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
