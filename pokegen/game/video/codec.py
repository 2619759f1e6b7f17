"""Video, through FFmpeg: any file as frames of 128×128 at 15 a second, in constant memory.

At each tick of 1/15 second the nearest earlier frame by its time stamp, squeezed to a square without regard to aspect,
upright as a telephone notes. Where the file is damaged, the frame before the damage is repeated to the next keyframe,
and a line on stderr gives the times. Left out: sound.
"""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pokegen.errors import UserError
from pokegen.optional import require
from pokegen.trust import echo

FPS = 15  # frames a second
FRAME_SIZE = 128  # pixels of a frame, both ways
VIDEOS = (
    *(".mkv", ".mp4", ".m4v", ".mov", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".ogv"),
    *(".3gp", ".3g2", ".mts", ".m2ts", ".vob", ".asf", ".f4v", ".ogg", ".gif", ".mxf"),
)  # names of videos, the first of a recording's where it has several
LONGEST_GAP = 600  # seconds between two frames of a video
GRACE = 0.001  # seconds: Matroska rounds time stamps to milliseconds
PAUSE = 1.0  # seconds without a frame that are reported of a container whose damaged parts are left out by FFmpeg
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

# A video is that one file: FFmpeg also takes lists of other files, and addresses, for videos.
_CONTAINERS = "avi,asf,dv,flv,gif,gxf,h264,hevc,ivf,live_flv,m4v,matroska,webm,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf"
_ALONE = {
    "format_whitelist": f"{_CONTAINERS},nsv,nut,ogg,rm,wav,mp3,flac,aac,yuv4mpegpipe",
    "protocol_whitelist": "none",
}
_STREAMED = ("matroska,webm", "mpegts", "mpeg", "flv", "avi")  # containers that FFmpeg reads on after what is damaged


class VideoWriter:
    """Writes H.264 in Matroska. A killed process loses at most the frame that was added last.

    Chroma is not subsampled (4:2:0 leaves 19 dB of pixel art, this 44) and luma spans 0–255: the gray picture is the
    luma plane as decoded. A keyframe every two seconds keeps seeking cheap.

    Args:
        path: of the video, whatever its name ends in.
        fps: frames a second.
        size: side of the written picture in pixels.
    """

    def __init__(self, path: Path, fps: int = FPS, size: int = FRAME_SIZE):
        av = require("av")
        self.count = 0  # frames so far
        # A limit of 0 ms ends each cluster as the next frame comes, and flush_packets hands it to the system there.
        options = {"cluster_time_limit": "0", "flush_packets": "1"}
        # An absolute path, or FFmpeg would take the text before a colon for a protocol.
        self._container = av.open(os.path.abspath(path), "w", format="matroska", options=options)
        codec = {"preset": "ultrafast", "crf": "12", "tune": "zerolatency", "bf": "0", "g": str(2 * fps)}
        self._stream = self._container.add_stream("libx264", rate=fps, options=codec)
        self._stream.width = self._stream.height = size
        self._stream.pix_fmt = "yuv444p"
        self._stream.thread_count = 1
        self._stream.codec_context.color_range = av.video.reformatter.ColorRange.JPEG
        self._stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
        self._squeeze = _Squeeze("yuv444p", size)

    def add(self, frame: np.ndarray) -> None:
        """Append a frame, RGB uint8 (H, W, 3); OSError where the disk does not take it."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
        picture = self._squeeze(video_frame(frame))
        picture.pts = self.count
        self._container.mux(self._stream.encode(picture))
        self.count += 1

    def close(self) -> None:
        """Finish the file."""
        if self.count:
            self._container.mux(self._stream.encode(None))
        self._container.close()


def gray(frame: np.ndarray) -> np.ndarray:
    """A frame of play, RGB uint8 (H, W, 3), as `frames` shows it once it is recorded, but for the codec's loss: BT.601
    luma, uint8 (128, 128)."""
    return _luma(_luma_squeeze()(video_frame(frame)))


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
        own = (stream.width, stream.height) == (FRAME_SIZE, FRAME_SIZE)
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
        _report_lost(path, lost)
        if held is None and lost:
            raise UserError(f"{path} cannot be decoded: nothing in it is whole.")


def _report_lost(path: Path, lost: list[tuple[float, float]]) -> None:
    """Print where a video shows nothing new, in seconds; stretches that touch are joined."""
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
    return ticks_of(time_stamps(path))


def ticks_of(stamps: np.ndarray) -> int:
    """Of sorted time stamps in seconds from 0: how many ticks of 1/15 s have begun by the last."""
    return math.floor((stamps[-1] + GRACE) * FPS) + 1


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


def time_stamps(path: Path) -> np.ndarray:
    """Time stamps of all packets, (n), in seconds from the first, sorted; nothing is decoded. UserError as `frames`."""
    with _opened(path) as (container, stream):
        packets = (packet for packet in _packets(container, stream) if packet.size and not packet.is_discard)
        stamps = np.fromiter((_stamp(path, packet.pts) for packet in packets), np.int64)
        if not stamps.size:
            raise UserError(f"{path} has no frames in it.")
        stamps.sort()
        seconds = (stamps - stamps[0]) * float(stream.time_base)
        widest = np.diff(seconds).argmax() if len(seconds) > 1 else 0
        _check_gap(path, seconds[widest], seconds[min(widest + 1, len(seconds) - 1)])
        return seconds


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
    hurt = -math.inf  # the latest time stamp read at the last damage; frames are decoded a little later
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

    def __init__(self, pixels: str, size: int = FRAME_SIZE):
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


def video_frame(frame: np.ndarray) -> Any:
    """FFmpeg's form of a frame, RGB uint8 (H, W, 3)."""
    return require("av").VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")


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
    return np.frombuffer(plane, np.uint8).reshape(FRAME_SIZE, plane.line_size)[:, :FRAME_SIZE].copy()


def _has_luma(frame: Any) -> bool:
    """Whether the first plane is the gray picture already, as in our own recordings."""
    full, bt601 = frame.color_range == 2, frame.colorspace in (5, 6)  # AVCOL_RANGE_JPEG; AVCOL_SPC_BT470BG, _SMPTE170M
    size = (frame.width, frame.height) == (FRAME_SIZE, FRAME_SIZE)
    return size and full and bt601 and frame.format.name in ("yuv444p", "yuvj444p", "yuv420p", "yuvj420p")
