"""Reads runs from a folder of `pokegen fit`, an offline folder of W&B, or W&B's server, each into a `Run`.

Needs neither torch nor Lightning, and contacts W&B's server only for runs that are there. An offline W&B run is read by
`wandb leet inspect --json`, W&B's reader of .wandb files; there is none in Python.
"""

import csv
import io
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import yaml
from PIL import Image

from pokegen.errors import UserError
from pokegen.tracking import record
from pokegen.trust import CONFIG_BYTES, inside, python, read_inside, read_yaml

SAMPLE_BYTES, TABLE_BYTES = 64 * 2**20, 2**30  # limits of a run's samples and of its metrics

NOT_METRICS = {"epoch", "step", "images", "train/images", "trainer/global_step"}
Rows = list[dict[str, float]]


@dataclass
class Run:
    """A run: settings, record, metrics and last samples."""

    name: str
    source: str  # the user's argument
    config: dict[str, Any]  # with dotted keys, without `init_args`
    record: dict[str, Any]  # see record.py; `status` may be killed
    rows: Rows = field(repr=False)  # logged metrics, with `step` and, if known, `images`
    picture: bytes | None = field(default=None, repr=False)  # the last sample grid, a PNG
    text: str | None = None  # the last samples of a model without pictures
    drawn: int | None = None  # images seen at the last samples

    @property
    def metrics(self) -> list[str]:
        """Names of the logged metrics, in alphabetical order."""
        return sorted({key for row in self.rows for key in row} - NOT_METRICS)

    @property
    def images_seen(self) -> int | None:
        """The last known number of images seen."""
        known = [self.record.get("images_seen") or 0, *(row["images"] for row in self.rows if "images" in row)]
        return int(max((images for images in known if math.isfinite(images)), default=0)) or None

    def points(self, metric: str, x: str) -> tuple[np.ndarray, np.ndarray]:
        """A metric over `step` or `images`: two float64 (N,); N is 0 if it was not logged."""
        found = [(row[x], row[metric]) for row in self.rows if metric in row and x in row]
        places, values = np.array(found, dtype=np.float64).reshape(-1, 2).T
        return places, values


def load(source: str, root: Path) -> Run:
    """The run given by a name below `root`, a folder, a .wandb file, or entity/project/id on W&B's server.

    UserError if there is none, or if it cannot be read.
    """
    for path in (root / source, Path(source)):
        if _is_run(path):
            return _of_folder(path, source)
        if logs := wandb_logs(path):
            return _of_wandb_logs(logs, source)
    if os.path.exists(source):
        raise UserError(
            f"{source} is not a run: it has neither config.yaml of `pokegen fit` nor a W&B run. {_known(root)}"
        )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+/[\w.-]+", source):
        raise UserError(f"No run {source!r}. {_known(root)}")
    if not logged_in():
        raise UserError(
            f"No run at {source}. If it is entity/project/id of W&B, log in with `wandb login`. {_known(root)}"
        )
    return _of_server(source)


def logged_in() -> bool:
    """Whether `wandb login` stored a key, or the environment has one. Contacts no server and does not set wandb up."""
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return bool(os.environ.get("WANDB_API_KEY") or netrc().authenticators(host))
    except (OSError, NetrcParseError):
        return False


def available(root: Path) -> list[str]:
    """Names of the runs below `root`."""
    return sorted(p.name for p in root.glob("*") if _is_run(p) or wandb_logs(p))


def _known(root: Path) -> str:
    names = available(root)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"Runs in {root}: {', '.join(names[:20]) or 'none'}{more}."


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file() and not (path / "model.safetensors").is_file()  # a zoo folder has one


# A run's folder


def _of_folder(run: Path, source: str) -> Run:
    try:
        config = read_yaml(read_inside(run, "config.yaml", CONFIG_BYTES))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{run / 'config.yaml'} cannot be read: {error}") from error
    if not isinstance(config, dict) or "model" not in config:
        raise UserError(f"{run} is not a run: its config.yaml has no model.")
    facts = record.read(run)
    rows = _merged(_read_csv(run, path) for path in sorted(run.glob("csv/version_*/metrics.csv"), key=_version))
    name = run.resolve().name
    found = Run(name, source, _flat(config), {**facts, "status": record.status(facts)}, rows)
    if drawn := sorted(path for path in run.glob("samples/*") if path.stem.isdecimal()):
        found.drawn = int(drawn[-1].stem)
        with _optional():
            content = read_inside(run, drawn[-1].relative_to(run), SAMPLE_BYTES)
            if drawn[-1].suffix == ".png":
                found.picture = _picture(content)
            else:
                found.text = content.decode()
    return found


def _optional() -> suppress:
    """Ignore errors of a picture: the comparison works without it."""
    return suppress(Exception)


def _picture(content: bytes) -> bytes:
    """The content itself. Raises if it is not a complete picture."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        picture.load()
    return content


def _version(path: Path) -> int:
    number = path.parent.name.removeprefix("version_")
    return int(number) if number.isdecimal() else -1


def _read_csv(run: Path, path: Path) -> Rows:
    try:
        text = read_inside(run, path.relative_to(run), TABLE_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a table of metrics: {error}") from error
    whole = text[: text.rfind("\n") + 1]  # a kill may leave half a line
    reader = csv.DictReader(whole.splitlines())
    try:
        known = reader.fieldnames or ()
    except csv.Error as error:
        raise UserError(f"{path} is not a table of metrics: {error}.") from error
    if whole and "step" not in known:
        raise UserError(f"{path} is not a table of metrics: it has no column 'step'.")
    rows: Rows = []
    try:
        for line in reader:
            rows.append({key: float(value) for key, value in line.items() if value != ""})
            rows[-1]["step"]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}, line {reader.line_num}: expected a number in each column, got {error}.") from error
    return rows


def _merged(starts: Iterable[Rows]) -> Rows:
    """The rows of all starts of a run. A later start begins at a checkpoint; rows that earlier starts logged after that
    checkpoint are left out, since that work was lost."""
    merged: Rows = []
    for rows in starts:
        first = min((row["step"] for row in rows), default=math.inf)
        merged = [row for row in merged if row["step"] < first] + rows
    known = [(row["step"], row["train/images"]) for row in merged if "train/images" in row]
    if known and not any("images" in row for row in merged):  # from a version that did not log them
        steps, images = np.array(known).T
        for row in merged:
            row["images"] = float(np.interp(row["step"], steps, images))
    return merged


def _flat(config: Any, at: str = "") -> dict[str, Any]:
    """Dotted keys as on the command line: without `init_args`, and with the class as value instead of `class_path`."""
    if not isinstance(config, dict):
        return {at: config}
    flat: dict[str, Any] = {}
    for key, value in config.items():
        path = at if key in ("init_args", "class_path") and at else f"{at}.{key}".removeprefix(".")
        flat |= _flat(value, path)
    return flat


# W&B


def wandb_logs(path: Path) -> list[Path]:
    """The .wandb files at a path: a file, a W&B run's folder, a folder of those, or a run's folder; oldest first."""
    if path.suffix == ".wandb" and path.is_file():
        return [path.resolve()]
    patterns = ("run-*.wandb", "*run-*/run-*.wandb", "wandb/*run-*/run-*.wandb")
    # latest-run is a link to one of them; links out of the folder are ignored
    found = ({log for link in path.glob(pattern) if (log := link.resolve()).is_file()} for pattern in patterns)
    own = ({log for log in logs if log.is_relative_to(path.resolve())} for logs in found)
    return next((sorted(logs) for logs in own if logs), [])


def _of_wandb_logs(logs: list[Path], source: str) -> Run:
    starts = [found for log in logs if (found := _of_wandb_log(log, source))]
    if not starts:
        raise UserError(f"{source} has a W&B run that was killed before it wrote anything.")
    if len(names := sorted({run.name for run in starts})) > 1:
        raise UserError(f"{source} has several W&B runs: {', '.join(names)}. Give the folder of one.")
    last = starts[-1]
    last.rows = _merged(run.rows for run in starts)
    return last


def _of_wandb_log(log: Path, source: str) -> Run | None:
    name, code = log.parent.name, None
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    try:
        for line in inspect(log):
            kind = str(line.get("type"))
            content = line.get(kind) or {}
            if kind == "run":
                name = content.get("display_name") or name
                config |= (content.get("config") or {}).get("update") or {}
            elif kind == "config":
                config |= content.get("update") or {}
            elif kind == "summary":
                summary |= content.get("update") or {}
            elif kind == "history":
                rows.append(content.get("item") or {})
            elif kind == "exit":
                code = content.get("exit_code", 0)
        if "model" not in config:
            return None
        ended = None if code is None else "failed" if code else "finished"
        fetch = partial(_file_of, log.parent)
        return _of_wandb(str(name), source, config, summary, rows, ended, fetch)
    except UserError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:  # not written by W&B
        raise UserError(f"{log} is not a W&B run of pokegen: {error}") from error


def _file_of(run: Path, path: str) -> bytes:
    """A file of an offline W&B run."""
    return read_inside(run, f"files/{path}", SAMPLE_BYTES)


def inspect(log: Path) -> list[dict[str, Any]]:
    """The records of a .wandb file, each `{"type": KIND, KIND: content}`. Raises UserError for a file that is none."""
    command = python("-m", "wandb", "leet", "inspect", "--json", str(log))
    environment = {**os.environ, "WANDB_ERROR_REPORTING": "false"}  # no reports to W&B
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{log} cannot be read by `wandb leet inspect`, which wandb has from 0.31 on: {reason}")
    try:
        return [json.loads(line) for line in done.stdout.splitlines()]
    except ValueError as error:
        raise UserError(f"{log} is not a W&B run: {error}") from error


def _of_server(source: str) -> Run:
    import wandb

    try:
        run = wandb.Api(timeout=30).run(source)
        rows = [_flat(row) for row in run.scan_history()]
        summary = _flat(dict(run.summary))
        state = "killed" if run.state == "crashed" else run.state

        def fetch(path: str) -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                inside(Path(folder), path)  # checked before anything is written
                with run.file(path).download(root=folder, replace=True) as file:
                    file.close()
                return read_inside(Path(folder), path, SAMPLE_BYTES)

        return _of_wandb(str(run.name), source, dict(run.config), summary, rows, state, fetch)
    except UserError:
        raise
    except Exception as error:  # wandb, requests and urllib have different error classes
        raise UserError(f"Cannot read {source} from W&B: {' '.join(str(error).split())[:200]}") from error


def _of_wandb(
    name: str,
    source: str,
    config: dict[str, Any],
    summary: dict[str, Any],
    history: list[dict[str, Any]],
    state: str | None,
    fetch: Callable[[str], bytes],
) -> Run:
    """A Run from W&B's data. `state` is None if no end was recorded; `fetch` returns a file of the run."""
    facts = record.valid_facts(config.pop("record", None))
    outcome = record.valid_facts({key: summary[key] for key in record.OUTCOME if summary.get(key) is not None})
    found = Run(name, source, _flat(config), {**facts, "status": state or record.status(facts), **outcome}, [])
    grid = table = None  # the last of each: (path, images seen)
    for item in history:
        row = {key: number for key, value in item.items() if (number := _number(value)) is not None}
        row = {key: value for key, value in row.items() if not key.startswith(("_", "samples/"))}
        row["step"] = row.pop("trainer/global_step", float(item.get("_step") or 0))
        found.rows.append(row)
        if paths := item.get("samples/grid.filenames"):
            grid = paths[-1], int(row.get("images", 0)) or None
        if path := item.get("samples/table.path"):
            table = path, int(row.get("images", 0)) or None
    with _optional():
        if grid:
            found.picture, found.drawn = _picture(fetch(grid[0])), grid[1]
        elif table:
            found.text, found.drawn = _table(fetch(table[0])), table[1]
    return found


def _number(value: Any) -> float | None:
    """W&B writes NaN and infinity as words."""
    if value in ("NaN", "Infinity", "-Infinity") or (isinstance(value, int | float) and not isinstance(value, bool)):
        return float(value)
    return None


def _table(content: bytes) -> str | None:
    """A W&B table of names or numbers as comma-separated values."""
    table = json.loads(content)
    lines = [table["columns"], *table["data"]]
    return None if "image" in table["columns"] else "".join(",".join(map(str, line)) + "\n" for line in lines)
