"""Recordings of play: a video and a CSV next to it, one row a frame. Writing, reading, and importing outside video.

NAME.mkv is H.264 in Matroska, 128×128 pixels, 15 frames a second; NAME.csv has the header of `HEADER`:

    frame       counts from 0
    time        seconds of play, frame / 15
    key         the action that was pressed while seeing that frame; "none" for none, joined by "+"
    reward      what followed it
    episode     counts from 0, never falls
    confidence  only of keys that a model has read from the video: in [0, 1]

A recorder that is killed loses at most the frame that was added last: each frame before it is on the disk as a Matroska
cluster of its own, and its row is written after it. One that was killed before its first row does not stand in the way
of the next.

Outside video of any size and rate is read as if it were 15 frames a second: at each tick the nearest earlier frame by
its time stamp, squeezed to 128×128 without regard to aspect, upright as a telephone notes. Where it is damaged, the
frame before the damage is repeated to the next keyframe, and a line on stderr gives the times. With a CSV of 15 rows a
second next to it, it is a recording too. Left out: sound.
"""

import codecs
import csv
import math
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from pokegen.errors import UserError
from pokegen.files import atomic_file, cannot_write, lock_path, scratch_folder, unlock, writable_file
from pokegen.game.play import episode, played
from pokegen.game.players import Player
from pokegen.optional import require
from pokegen.trust import echo

FPS = 15
SIZE = 128
HEADER = ("frame", "time", "key", "reward", "episode")
VIDEOS = (
    *(".mkv", ".mp4", ".m4v", ".mov", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".ogv"),
    *(".3gp", ".3g2", ".mts", ".m2ts", ".vob", ".asf", ".f4v", ".ogg", ".gif", ".mxf"),
)  # names of videos, the first of a recording's where it has several
FILMS = (".mp4", ".mkv", ".m4v", ".mov", ".avi", ".ts", ".flv", ".gif")  # what `film` writes: those that hold H.264
SHORTEST = 15  # frames: a recording of less than a second teaches nothing
DRIFT = 0.1  # seconds by which a time column may differ from the video's time
LONGEST_GAP = 600  # seconds between two frames of a video
GRACE = 0.001  # seconds: Matroska rounds time stamps to milliseconds
PAUSE = 1.0  # seconds without a frame that are told of a container whose damaged parts are left out by FFmpeg
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Recorder:
    """Writes NAME.mkv and NAME.csv, a frame and its row at a time; a context manager.

    Chroma is not subsampled (4:2:0 leaves 19 dB of pixel art, this 44) and luma spans 0–255: the gray picture is the
    luma plane as decoded. A keyframe every two seconds keeps seeking cheap.

    Args:
        path: NAME, NAME.mkv or NAME.csv; folders are made. UserError where one of the two files exists.
        fps: frames a second of play. Only recordings of 15 can be read back as recordings.
        size: side of the written picture in pixels.
    """

    def __init__(self, path: Path, fps: int = FPS, size: int = SIZE):
        self.video, self.csv = _free_pair(path)
        self.shown = self.video  # in errors
        self.fps, self.size = fps, size
        self.frames = 0  # added so far
        self._row: list[Any] | None = None  # of the frame whose cluster is not on the disk yet
        with self._writing():
            self.csv.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.csv.open("x", newline="", buffering=1, encoding="utf-8")  # 1: a line is written at once
            self._lock = lock_path(self.csv)
            try:
                self._open()
            except BaseException:
                self._file.close()
                unlock(self._lock)
                self._remove()
                raise

    def _open(self) -> None:
        av = require("av")
        fps, size = self.fps, self.size
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(HEADER)
        # A limit of 0 ms ends each cluster as the next frame comes, and flush_packets hands it to the system there.
        options = {"cluster_time_limit": "0", "flush_packets": "1"}
        # A path from the root, or FFmpeg would take what stands before a colon for a protocol.
        self._container = av.open(os.path.abspath(self.video), "w", format="matroska", options=options)
        codec = {"preset": "ultrafast", "crf": "12", "tune": "zerolatency", "bf": "0", "g": str(2 * fps)}
        self._stream = self._container.add_stream("libx264", rate=fps, options=codec)
        self._stream.width = self._stream.height = size
        self._stream.pix_fmt = "yuv444p"
        self._stream.thread_count = 1
        self._stream.codec_context.color_range = av.video.reformatter.ColorRange.JPEG
        self._stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
        self._squeeze = _Squeeze("yuv444p", size)

    def add(self, frame: np.ndarray, key: str, reward: float, episode: int) -> None:
        """Append `frame`, RGB uint8 (H, W, 3), and what was pressed while seeing it."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
        picture = self._squeeze(require("av").VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
        picture.pts = self.frames
        with self._writing():
            self._container.mux(self._stream.encode(picture))
            self._write_row()
        self._row = [self.frames, f"{self.frames / self.fps:.4f}", key, float(reward), int(episode)]
        self.frames += 1

    def close(self) -> None:
        """Finish both files, or remove them if no frame was added. Further calls do nothing."""
        if self._file.closed:
            return
        try:
            with self._writing():
                if self.frames:
                    self._container.mux(self._stream.encode(None))
                self._container.close()
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


def film(env: gymnasium.Env, player: Player, out: Path, episodes: int, seed: int) -> Iterator[tuple[float, int]]:
    """Play whole episodes and write what is seen, in its own size and at the environment's rate: H.264, or a GIF.

    Yields the return and the steps of each episode. The nth is reset with seed + n. An existing file is replaced.
    """
    if out.suffix.lower() not in FILMS:
        raise UserError(f"Cannot write a video to {out.name}: end it in .mp4, .mkv or .gif.")
    av = require("av")
    rate = round(env.metadata.get("render_fps") or FPS)
    inner: Any = env.unwrapped
    if hasattr(inner, "ale"):
        rate = 60 // 4  # a step is four of a console's frames, whatever renders
    writable_file(out)
    with atomic_file(out, out.suffix) as part, av.open(str(part.name), "w") as file:
        stream: Any = None
        for number in range(episodes):
            total, steps = 0.0, 0
            for step in episode(env, player, seed + number, render=True):
                frame = np.ascontiguousarray(step.frame)
                if stream is None:
                    codec, pixels = ("gif", "rgb8") if out.suffix.lower() == ".gif" else ("libx264", "yuv420p")
                    stream = file.add_stream(codec, rate=rate)
                    height, width = (side - side % 2 for side in frame.shape[:2])  # as that pixel format needs
                    stream.height, stream.width, stream.pix_fmt = height, width, pixels
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame[:height, :width].copy(), format="rgb24")))
                total, steps = total + step.reward, steps + 1
            yield total, steps
        file.mux(stream.encode(None))


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
        """The frames that have a row; see `frames` of this module."""
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
    stamps, _, _ = _probe(video)
    ticks = _ticks(stamps)
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
    beside = table.parent.iterdir() if table.parent.is_dir() else ()
    videos = {file.suffix.lower(): file for file in beside if file.stem == table.stem}
    return next((videos[suffix] for suffix in VIDEOS if suffix in videos), None)


def gray(frame: np.ndarray) -> np.ndarray:
    """A frame of play, RGB uint8 (H, W, 3), as `frames` shows it once it is recorded, but for the codec's loss: BT.601
    luma, uint8 (128, 128)."""
    return _luma(_luma_squeeze()(require("av").VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))


def frames(path: Path, gray: bool = True, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
    """Decode any video, at 15 frames a second and 128×128, in constant memory.

    Args:
        path: a recording's video, or any other that FFmpeg can read.
        gray: yield BT.601 luma (128, 128); otherwise RGB (128, 128, 3). Both uint8.
        start: first frame to yield, at 15 frames a second from the first frame's time stamp; seeks to the keyframe
            before it.
        stop: frame before which to end; None for the video's end.

    UserError: the file is missing, not a video, has no time stamps, or nothing of it can be decoded. Parts that cannot
    are reported on stderr, and the frame before them is repeated, or that after them at the start.
    """
    if start < 0:
        raise ValueError(f"start must be at least 0, not {start}")
    with _opened(path) as (container, stream):
        picture = _Picture(path, gray)
        own = (stream.width, stream.height) == (SIZE, SIZE)
        stream.thread_type = "SLICE" if own else "AUTO"
        streamed = container.format.name in _STREAMED
        tick, held, late, damaged = start, None, -1.0, False
        lost: list[tuple[float, float]] = []
        for seconds, frame in _decoded(path, container, stream, start / FPS):
            late = seconds if late < 0 else late
            _check_gap(path, late, seconds)
            if held is not None:
                due = math.ceil((seconds - GRACE) * FPS)  # the first tick at which this frame can be seen
                for _ in range(tick, due if stop is None else min(due, stop)):
                    yield picture(held)
                    tick += 1
            if stop is not None and tick >= stop:
                break
            if damaged or frame is None or (streamed and held is not None and seconds - late > PAUSE):
                lost.append((late, max(late, seconds)))
            damaged = frame is None
            held, late = held if frame is None else frame, max(late, seconds)
        if held is not None and tick / FPS <= late + GRACE and (stop is None or tick < stop):
            yield picture(held)
        _tell_lost(path, lost)
        if held is None and lost:
            raise UserError(f"{path} cannot be decoded: nothing in it is whole.")


def _tell_lost(path: Path, lost: list[tuple[float, float]]) -> None:
    """Say where a video shows nothing new, in seconds; stretches that touch are one."""
    joined: list[tuple[float, float]] = []
    for begin, end in lost:
        if joined and begin <= joined[-1][1]:
            begin, end = joined.pop()[0], max(end, begin)
        joined.append((begin, end))
    if joined:
        shown = ", ".join(f"{begin:.1f} to {end:.1f}" for begin, end in joined[:5])
        more = f" and {len(joined) - 5} more times" if len(joined) > 5 else ""
        echo(f"{path}: no frame can be read from {shown} s{more}; the one before is repeated.", file=sys.stderr)


def count_frames(path: Path) -> int:
    """How many frames `frames(path)` yields, from the packets' time stamps: nothing is decoded."""
    return _ticks(_probe(path)[0])


def import_video(video: Path, keys_csv: Path, out: Path) -> Path:
    """Make a recording, in grayscale, of an outside video and the CSV of its keys; the path of the new CSV.

    The CSV has columns frame, time and key, and may have reward and episode, with one row for each frame of the video
    at its own rate, which may vary. A frame of the recording stands for the source frames from its tick to the next:
    its key is the one pressed in most of these, of equals the first, and "none" only if all have none; its reward is
    their sum; its episode is that of the frame that is seen. Where the source is slower than 15 frames a second, a
    frame is repeated with its key and without its reward.

    UserError: as `read_recording`; drifted if lengths differ by more than one frame or times by more than 100 ms.
    """
    rows = _read_rows(keys_csv, HEADER[:3], HEADER[3:])
    stamps, _, _ = _probe(video)
    length = _agreed(video, len(stamps), keys_csv, len(rows.key), 1)
    stamps = stamps[:length]
    _check_drift(keys_csv, rows.time[:length] - rows.time[0], video, stamps)
    ticks = _ticks(stamps)
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


def _ticks(stamps: np.ndarray) -> int:
    """Of sorted time stamps in seconds from 0: how many ticks of 1/15 s have begun by the last."""
    return math.floor((stamps[-1] + GRACE) * FPS) + 1


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


# A video is that one file: FFmpeg also takes lists of other files, and addresses, for videos.
_CONTAINERS = "avi,asf,dv,flv,gif,gxf,h264,hevc,ivf,live_flv,m4v,matroska,webm,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf"
_ALONE = {
    "format_whitelist": f"{_CONTAINERS},nsv,nut,ogg,rm,wav,mp3,flac,aac,yuv4mpegpipe",
    "protocol_whitelist": "none",
}
_STREAMED = ("matroska,webm", "mpegts", "mpeg", "flv", "avi")  # containers that FFmpeg reads on after what is damaged


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream; FFmpeg's errors become one line.

    The file is opened here, since names are addresses and patterns to FFmpeg.
    """
    av = require("av")
    if not Path(path).is_file():
        raise UserError(f"{path} does not exist, or is not a file.")
    try:
        with open(path, "rb") as file, av.open(file, metadata_errors="replace", options=_ALONE) as container:
            if not container.streams.video:
                raise UserError(f"{path} has no video in it.")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise UserError(f"{path} cannot be read as a video: {error.strerror}.") from None


def _probe(path: Path) -> tuple[np.ndarray, int, int]:
    """Time stamps of all packets (n) in seconds from the first, sorted; width and height of the picture."""
    with _opened(path) as (container, stream):
        packets = (packet for packet in _packets(container, stream) if packet.size and not packet.is_discard)
        stamps = np.fromiter((_stamp(path, packet.pts) for packet in packets), np.int64)
        if not stamps.size:
            raise UserError(f"{path} has no frames in it.")
        stamps.sort()
        seconds = (stamps - stamps[0]) * float(stream.time_base)
        widest = np.diff(seconds).argmax() if len(seconds) > 1 else 0
        _check_gap(path, seconds[widest], seconds[min(widest + 1, len(seconds) - 1)])
        return seconds, stream.width, stream.height


def _check_gap(path: Path, before: float, after: float) -> None:
    """A frame is repeated until the next one, so a wild time stamp would ask for billions."""
    if after - before > LONGEST_GAP:
        raise UserError(
            f"{path} has no frame from {before:,.1f} to {after:,.1f} s; at most {LONGEST_GAP} s may lie between two. "
            "Are its time stamps right?"
        )


def _stamp(path: Path, pts: int | None) -> int:
    if pts is None:
        raise UserError(f"{path} has no time stamps. Rewrite it first: ffmpeg -i {Path(path).name} video.mkv")
    return pts


def _decoded(path: Path, container: Any, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
    """Frames, None for what is damaged, and their seconds from the first; begins with one that is not after `start`
    seconds, if any is."""
    base, found = float(stream.time_base), _pictures(container, stream)
    if (item := next(found, None)) is None:
        return
    begin, first = _stamp(path, item[0]), item[1]
    for target in (begin + int(start / base), begin):  # the beginning where the container's index misleads
        container.seek(target, stream=stream, backward=True)
        found = _pictures(container, stream)
        stamp, frame = next(found, (None, None))
        if stamp is not None and frame is not None and (stamp - begin) * base <= start + GRACE:
            break
    yield ((begin if stamp is None else stamp) - begin) * base, first if stamp is None else frame
    for stamp, frame in found:
        yield (_stamp(path, stamp) - begin) * base, frame


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """What is to be decoded. An AVI counts its frames, so that those after a damaged part come too early: its index
    knows their time."""
    entries = getattr(stream, "index_entries", ()) if container.format.name == "avi" else ()  # not of an old PyAV
    times = {entry.pos + 8: entry.timestamp for entry in entries}  # after the 8 bytes of the chunk's head
    for packet in container.demux(stream):
        if packet.pts is not None and packet.pos in times:
            packet.pts = packet.dts = times[packet.pos]
        yield packet


def _pictures(container: Any, stream: Any) -> Iterator[tuple[Any, Any]]:
    """Decoded frames and their time stamps; None for the frames from damage to the next keyframe."""
    whole, shown, end = True, None, None
    hurt = (
        -math.inf
    )  # the latest time stamp that had been read at the last damage: what is decoded lies a little behind
    packets = _packets(container, stream)
    while True:
        try:
            if (packet := next(packets, None)) is None:
                break
            if packet.pts is not None and not packet.is_discard:
                shown, end = packet.pts if shown is None else shown, packet.pts if end is None else max(end, packet.pts)
            intact = not packet.is_corrupt
            decoded = packet.decode()
        except require("av").FFmpegError:
            intact, decoded = False, []
        if not intact and end is not None:
            if whole:
                yield shown, None  # from here on; at the start also so that the frames after it keep their time
            whole, hurt = False, end
        for frame in decoded:
            again = frame.key_frame and frame.pts is not None and frame.pts > hurt
            shown, whole = frame.pts, (whole or again) and not frame.is_corrupt
            yield shown, frame if whole else None
    if not whole and end is not None:
        yield end, None


class _Squeeze:
    """Scales frames to a square: averages areas where the picture is larger, repeats pixels where it is smaller."""

    def __init__(self, pixels: str, size: int = SIZE):
        reformatter = require("av").video.reformatter
        self._reformatter = reformatter.VideoReformatter()  # keeps its tables from frame to frame
        self._way = reformatter.Interpolation
        self._size = size
        self._options: dict[str, Any] = {"format": pixels}
        if pixels != "rgb24":
            space, span = reformatter.Colorspace.ITU601, reformatter.ColorRange.JPEG
            self._options |= {"dst_colorspace": space, "dst_color_range": span}

    def __call__(self, frame: Any) -> Any:
        way = self._way.AREA if max(frame.width, frame.height) > self._size else self._way.POINT
        return self._reformatter.reformat(frame, self._size, self._size, interpolation=way, **self._options)


@cache
def _luma_squeeze() -> _Squeeze:
    return _Squeeze("yuv444p")


class _Picture:
    """A decoded frame as an array: gray (128, 128) or RGB (128, 128, 3), uint8, upright."""

    def __init__(self, path: Path, gray: bool):
        self._path, self._gray = path, gray
        self._squeeze = _Squeeze("rgb24")
        self._matrix: tuple[int, ...] | None = None  # of the first frame

    def __call__(self, frame: Any) -> np.ndarray:
        self._matrix = self._matrix or _display_matrix(self._path, frame)
        a, b, c, d = self._matrix
        picture = self._flat(frame)
        if not a:  # on its side: rows are columns
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(picture[:: b + d, :: a + c])

    def _flat(self, frame: Any) -> np.ndarray:
        if self._gray and _has_luma(frame):
            return _luma(frame)
        rgb = self._squeeze(frame).to_ndarray()
        return (rgb.astype(np.float32) @ LUMA + 0.5).astype(np.uint8) if self._gray else rgb


def _display_matrix(path: Path, frame: Any) -> tuple[int, int, int, int]:
    """(a, b, c, d), each -1, 0 or 1: a pixel that is stored at (x, y) is to be seen at (a x + c y, b x + d y).
    Without stretching, since the picture becomes a square."""
    kind = require("av").sidedata.sidedata.Type.DISPLAYMATRIX
    found = next((bytes(data) for data in frame.side_data if data.type == kind), None)
    if found is None:
        return 1, 0, 0, 1
    numbers = np.frombuffer(found, np.int32)[[0, 1, 3, 4]].tolist()
    small = max(map(abs, numbers)) / 100
    a, b, c, d = ((x > small) - (x < -small) for x in numbers)
    if not (a and d and not b and not c) and not (b and c and not a and not d):
        raise UserError(
            f"{path} is to be seen turned by {frame.rotation}°; only quarter turns are read. Store it as it is to be "
            "seen: ffmpeg -i VIDEO new.mp4"
        )
    return a, b, c, d


def _luma(frame: Any) -> np.ndarray:
    """The first plane of a frame of 128×128."""
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(SIZE, plane.line_size)[:, :SIZE].copy()


def _has_luma(frame: Any) -> bool:
    """Whether the first plane is the gray picture already, as in our own recordings."""
    full, bt601 = frame.color_range == 2, frame.colorspace in (5, 6)  # AVCOL_RANGE_JPEG; AVCOL_SPC_BT470BG, _SMPTE170M
    size = (frame.width, frame.height) == (SIZE, SIZE)
    return size and full and bt601 and frame.format.name in ("yuv444p", "yuvj444p", "yuv420p", "yuvj420p")
