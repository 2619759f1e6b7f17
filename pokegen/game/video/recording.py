"""Recordings of play: a video and a CSV next to it, one row a frame. Writing, reading, and importing outside video.

NAME.mkv is H.264 in Matroska, 128×128 pixels, 15 frames a second; NAME.csv has the header of `HEADER`:

    frame       counts from 0
    time        seconds of play, frame / 15
    key         the action that was pressed while seeing that frame; "none" for none, joined by "+"
    reward      what followed it
    episode     counts from 0, never falls
    confidence  only of keys that a model has read from the video: in [0, 1]

A recorder that is killed loses at most the frame that was added last: each frame before it is on the disk as a Matroska
cluster of its own, and its row is written after it. The files of one that was killed before its first row are replaced
by the next.

Outside video of any size and rate, with a CSV of 15 rows a second next to it, is a recording too: see codec.py.
"""

import codecs
import csv
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.files import cannot_write, lock_path, scratch_folder, unlock
from pokegen.game.play import played
from pokegen.game.players import Player
from pokegen.game.video.codec import FPS, FRAME_SIZE, GRACE, VIDEOS, VideoWriter, frames, ticks_of, time_stamps

HEADER = ("frame", "time", "key", "reward", "episode")
SHORTEST = 15  # frames: a recording of less than a second teaches nothing
DRIFT = 0.1  # seconds by which a time column may differ from the video's time


class Recorder:
    """Writes NAME.mkv and NAME.csv, a frame and its row at a time; a context manager.

    Args:
        path: NAME, NAME.mkv or NAME.csv; folders are made. UserError where one of the two files exists.
        fps: frames a second of play. Only recordings of 15 can be read back as recordings.
        size: side of the written picture in pixels.
    """

    def __init__(self, path: Path, fps: int = FPS, size: int = FRAME_SIZE):
        self.video, self.csv = _free_pair(path)
        self.shown = self.video  # in errors
        self.fps = fps
        self.frames = 0  # added so far
        self._row: list[Any] | None = None  # of the frame whose cluster is not on the disk yet
        with self._writing():
            self.csv.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.csv.open("x", newline="", buffering=1, encoding="utf-8")  # 1: a line is written at once
            self._lock = lock_path(self.csv)
            try:
                self._rows = csv.writer(self._file, lineterminator="\n")
                self._rows.writerow(HEADER)
                self._film = VideoWriter(self.video, fps, size)
            except BaseException:
                self._file.close()
                unlock(self._lock)
                self._remove()
                raise

    def add(self, frame: np.ndarray, key: str, reward: float, episode: int) -> None:
        """Append `frame`, RGB uint8 (H, W, 3), and what was pressed while seeing it."""
        with self._writing():
            self._film.add(frame)
            self._write_row()
        self._row = [self.frames, f"{self.frames / self.fps:.4f}", key, float(reward), int(episode)]
        self.frames += 1

    def close(self) -> None:
        """Finish both files, or remove them if no frame was added. Further calls do nothing."""
        if self._file.closed:
            return
        try:
            with self._writing():
                self._film.close()
                self._write_row()
        finally:
            with suppress(OSError):  # what a full disk did not take is tried again here
                self._file.close()
            unlock(self._lock)
            if _rows_in(self.csv) == 0:
                self._remove()

    def _remove(self) -> None:
        """Delete both files."""
        self.video.unlink(missing_ok=True)
        self.csv.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(self.shown, error) from error

    def _write_row(self) -> None:
        if self._row:
            self._rows.writerow(self._row)
        self._row = None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        with suppress(UserError) if kind else nullcontext():  # report the first error, not what follows from it
            self.close()


def _rows_in(table: Path) -> int:
    """Whole rows of a recorder's CSV."""
    try:
        return max(0, table.read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def _free_pair(path: Path) -> tuple[Path, Path]:
    """NAME.mkv and NAME.csv. UserError where one exists, unless a recorder was killed before its first row: a table of
    the header alone and, if there is one, a video of a frame or two are removed."""
    video, table = _pair(path)
    header = f"{','.join(HEADER)}\n".encode()
    try:
        unused = header.startswith(table.read_bytes()) and (not video.exists() or video.stat().st_size < 2**20)
        if unused:
            unlock(lock_path(table))
            video.unlink(missing_ok=True)
            table.unlink()
    except OSError:  # there is none, or its recorder lives
        pass
    for file in (video, table):
        if file.exists():
            raise UserError(f"{file} exists. Choose another name, or remove the recording first.")
    return video, table


def record(env: gymnasium.Env, player: Player, out: Path, frames: int, seed: int, fps: int = FPS) -> Path:
    """Record `frames` frames of play, over as many episodes as they take; the path of the CSV.

    Args:
        env: with render_mode "rgb_array" and a Discrete action space.
        player: gives the index of an action before each step. KeyboardInterrupt, from the keyboard or from the player,
            ends the recording early and cleanly.
        seed: of the first episode; the next has seed + 1, and so on.

    Where nothing was played, nothing is left.
    """
    with Recorder(out, fps) as recorder, suppress(KeyboardInterrupt):
        for step in islice(played(env, player, seed), frames):
            recorder.add(*step)
    if not recorder.frames:
        raise UserError("Ended before the first frame: nothing is recorded.")
    return recorder.csv


@dataclass
class Recording:
    """A recording of n frames, as `read_recording` gives it."""

    video: Path
    keys: list[str]  # (n)
    reward: np.ndarray  # (n) float64
    episode: np.ndarray  # (n) int64
    confidence: np.ndarray  # (n) float64, 1 where the CSV has no such column

    def __len__(self) -> int:
        return len(self.keys)

    def frames(self, gray: bool = True, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """The frames that have a row; see codec.frames."""
        return frames(self.video, gray, start, len(self) if stop is None else min(stop, len(self)))


def read_recording(path: Path, shortest: int = SHORTEST) -> Recording:
    """Read and check a recording: NAME, its CSV or its video.

    The video is NAME.mkv or the first other that there is, in the order of VIDEOS, of any size and rate. Where video
    and CSV differ by one frame, as after a kill, the longer is cut. A last line without a line feed, which a kill may
    leave, is dropped.

    UserError: a file of the pair is missing or unreadable; the CSV's columns, numbers or numbering are wrong; it has
    fewer than `shortest` rows; or the two have drifted apart.
    """
    table = _pair(path)[1]
    video = video_of(table)
    if not table.exists():
        raise UserError(f"{table} does not exist. A recording is a video and a CSV of the same name.")
    if video is None:
        raise UserError(f"{table} has no video next to it: {table.stem}.mkv, or {', '.join(VIDEOS[1:])}, was expected.")
    rows = _read_rows(table, HEADER, ("confidence",))
    _check_length(table, len(rows.key), shortest)
    stamps = time_stamps(video)
    ticks = ticks_of(stamps)
    if abs(ticks - len(rows.key)) > 1 >= abs(len(stamps) - len(rows.key)):
        raise UserError(
            f"{video} has {len(stamps) / ticks * FPS:.3g} frames a second and {table.name} a row for each, where {FPS} "
            "a second are expected. Import it first: pokegen game import VIDEO CSV --out NAME"
        )
    length = _agreed(video, ticks, table, len(rows.key), shortest)
    _check_drift(table, rows.time[:length], video, np.arange(length) / FPS)
    return Recording(video, rows.key[:length], rows.reward[:length], rows.episode[:length], rows.confidence[:length])


def video_of(table: Path) -> Path | None:
    """The video of a table of keys: next to it and of its name, the first by the order of VIDEOS."""
    neighbours = table.parent.iterdir() if table.parent.is_dir() else ()
    videos = {file.suffix.lower(): file for file in neighbours if file.stem == table.stem}
    return next((videos[suffix] for suffix in VIDEOS if suffix in videos), None)


def import_video(video: Path, keys_csv: Path, out: Path) -> Path:
    """Make a recording, in grayscale, of an outside video and the CSV of its keys; the path of the new CSV.

    The CSV has columns frame, time and key, and may have reward and episode, with one row for each frame of the video
    at its own rate, which may vary. A frame of the recording replaces the source frames from its tick to the next:
    its key is the one pressed in most of these, of equals the first, and "none" only if all have none; its reward is
    their sum; its episode is that of the frame that is seen. Where the source is slower than 15 frames a second, a
    frame is repeated with its key and without its reward.

    UserError: as `read_recording`; drifted if lengths differ by more than one frame or times by more than 100 ms.
    """
    rows = _read_rows(keys_csv, HEADER[:3], HEADER[3:])
    stamps = time_stamps(video)
    length = _agreed(video, len(stamps), keys_csv, len(rows.key), 1)
    stamps = stamps[:length]
    _check_drift(keys_csv, rows.time[:length] - rows.time[0], video, stamps)
    ticks = ticks_of(stamps)
    _check_length(video, ticks, SHORTEST)
    slots = np.floor((stamps + GRACE) * FPS).astype(int)  # (length) the tick that each source frame falls to
    seen = np.searchsorted(stamps, np.arange(ticks) / FPS + GRACE, side="right") - 1  # (ticks) source frame at each
    reward = np.bincount(slots, rows.reward[:length], minlength=ticks)
    bounds = np.searchsorted(slots, np.arange(ticks + 1))  # (ticks + 1) where each tick's source frames begin
    target = _free_pair(out)
    with scratch_folder(target[0].parent) as work:  # half an import is of no use
        with Recorder(work / "whole") as recorder:
            recorder.shown = out
            for tick, picture in enumerate(frames(video, stop=ticks)):
                keys = rows.key[bounds[tick] : bounds[tick + 1]] or [rows.key[seen[tick]]]
                rgb = np.repeat(picture[:, :, None], 3, axis=2)
                recorder.add(rgb, _pressed(keys), reward[tick], rows.episode[seen[tick]])
        if recorder.frames < ticks - 1:
            raise UserError(f"{video} cannot be decoded after {recorder.frames / FPS:.1f} of {ticks / FPS:.1f} s.")
        for file, place in zip((recorder.video, recorder.csv), target, strict=True):
            file.rename(place)
    return target[1]


def _pressed(keys: list[str]) -> str:
    pressed = Counter(key for key in keys if key != "none")
    return pressed.most_common(1)[0][0] if pressed else "none"  # most_common keeps the order of equals


def _pair(path: Path) -> tuple[Path, Path]:
    """NAME.mkv and NAME.csv of NAME, its CSV or its video."""
    path = Path(path)
    name = path.stem if path.suffix.lower() in (".csv", *VIDEOS) else path.name
    return path.with_name(f"{name}.mkv"), path.with_name(f"{name}.csv")


def _agreed(video: Path, pictures: int, table: Path, rows: int, shortest: int) -> int:
    """The length that both have, after cutting one frame of the longer if need be."""
    if abs(pictures - rows) > 1:
        raise UserError(
            f"{video} and {table.name} have drifted: {pictures} frames and {rows} rows. There must be one row a frame."
        )
    length = min(pictures, rows)
    _check_length(video, length, shortest)
    return length


def _check_length(path: Path, length: int, shortest: int) -> None:
    if length < shortest:
        raise UserError(f"{path} is too short: {length} frames at {FPS} a second; at least {shortest} are needed.")


def _check_drift(table: Path, times: np.ndarray, video: Path, stamps: np.ndarray) -> None:
    late = np.flatnonzero(np.abs(times - stamps) > DRIFT)
    if late.size:
        at = late[0]
        raise UserError(
            f"{table} has drifted from {video.name} at frame {at}: {times[at]:.3f} s where the video has "
            f"{stamps[at]:.3f} s. They may differ by {DRIFT} s."
        )


@dataclass
class _Rows:
    time: np.ndarray  # (n) float64, seconds
    key: list[str]  # (n)
    reward: np.ndarray  # (n) float64
    episode: np.ndarray  # (n) int64
    confidence: np.ndarray  # (n) float64


def _read_rows(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> _Rows:
    """The rows of a table of keys, columns in any order. Optional columns that are missing are 0, confidence 1."""
    header, rows = _table(path)
    known = needed + optional
    if not set(needed) <= set(header) <= set(known) or len(set(header)) != len(header):
        wanted = ",".join(needed) + "".join(f"[,{name}]" for name in optional)
        raise UserError(f"{path} must have the columns {wanted}; its first line is {','.join(header)[:100]!r}.")
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {len(header)} fields expected, {len(row)} found.")
    columns: dict[str, Any] = dict(zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True))
    numbers = {name: _numbers(path, name, values) for name, values in columns.items() if name != "key"}
    missing = {"reward": 0.0, "episode": 0.0, "confidence": 1.0}
    numbers = {name: np.full(len(rows), value) for name, value in missing.items()} | numbers
    wrong = np.flatnonzero(numbers["frame"] != np.arange(len(rows)))
    if wrong.size:
        at = wrong[0]
        raise UserError(f"{path}, line {at + 2}: frame {at} was expected, not {columns['frame'][at]}; count from 0.")
    if (wild := np.flatnonzero(np.abs(numbers["episode"]) >= 2**53)).size:
        at = wild[0]
        raise UserError(f"{path}, line {at + 2}: no episode has the number {columns['episode'][at][:40]}.")
    episode = numbers["episode"].astype(np.int64)
    falls = np.flatnonzero(np.diff(episode) < 0)
    if falls.size:
        at = falls[0]
        raise UserError(f"{path}, line {at + 3}: episode falls from {episode[at]} to {episode[at + 1]}; let it rise.")
    return _Rows(numbers["time"], list(columns["key"]), numbers["reward"], episode, numbers["confidence"])


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header, in lower case, and rows of a CSV, also as spreadsheets write it: in UTF-16 or with a byte order mark,
    separated by semicolons or tabs, with empty columns and rows at the end. A last line without its end is dropped."""
    if path.exists() and not path.is_file():  # a named pipe would wait for its writer
        raise UserError(f"{path} is not a file.")
    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a CSV: {error}. Save it as UTF-8.") from None
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines.pop()
    first = lines[0] if lines else ""
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=max(",;\t", key=first.count))]
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as a CSV: {error}.") from error
    while rows and not any(rows[-1]):
        rows.pop()
    header, *rows = rows or [[]]
    while header and not header[-1]:
        header.pop()
    columns = len(header)
    return [name.lower() for name in header], [row if any(row[columns:]) else row[:columns] for row in rows]


def _numbers(path: Path, name: str, values: Any) -> np.ndarray:
    """A column as finite float64, with a decimal comma or point, or UserError that names the line."""
    try:
        numbers = np.array([value.replace(",", ".", 1) for value in values], dtype=np.float64)
        if np.isfinite(numbers).all():
            return numbers
    except ValueError:
        pass
    for line, value in enumerate(values, 2):
        try:
            good = math.isfinite(float(value.replace(",", ".", 1)))
        except ValueError:
            good = False
        if not good:
            raise UserError(f"{path}, line {line}: {name} must be a number, not {value!r}.")
    raise AssertionError("numpy and float() disagree")
