"""Any video is read at 15 frames a second, 128×128, upright, to its end; and damage costs only what it hit."""

import random
import re
import struct
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from videos import encode, near, pixel_art, psnr, shade, shaded, shades, write

from pokegen.errors import UserError
from pokegen.game.video.codec import count_frames, frames, gray
from pokegen.game.video.recording import Recorder

LUMA = np.array([0.299, 0.587, 0.114])


def test_pixel_art_survives(tmp_path):
    film = pixel_art(40)
    video = write(tmp_path / "art", film).video
    color, gray = list(frames(video, gray=False)), list(frames(video))
    assert {(f.shape, f.dtype.name) for f in color} == {((128, 128, 3), "uint8")}
    assert {(f.shape, f.dtype.name) for f in gray} == {((128, 128), "uint8")}
    assert psnr(color, film).min() > 42
    assert psnr(gray, film @ LUMA).min() > 45
    assert np.abs(np.array(gray) - np.array(color) @ LUMA).max() < 3  # the luma plane is the gray of the colours


def test_any_size_is_squeezed(tmp_path):
    large, small = pixel_art(1, 256, 256)[0], pixel_art(1, 64, 64)[0]
    video = write(tmp_path / "sizes", [large, small]).video
    averaged, enlarged = frames(video, gray=False)
    assert psnr(averaged[None], large.reshape(128, 2, 128, 2, 3).mean((1, 3))[None]) > 35
    assert psnr(enlarged[None], small.repeat(2, 0).repeat(2, 1)[None]) > 40


@pytest.mark.parametrize("size", [(128, 128), (144, 160), (210, 160), (64, 100)])
def test_gray_is_what_a_recording_shows(tmp_path, size):
    film = pixel_art(3, *size)
    shown = list(frames(write(tmp_path / "play", film).video))
    given = [gray(frame) for frame in film]
    assert {(f.shape, f.dtype.name) for f in given} == {((128, 128), "uint8")}
    assert psnr(shown, np.array(given, float)).min() > 45
    np.testing.assert_array_equal(given[0], gray(film[0]))  # and nothing is shared between calls
    if size == (128, 128):
        assert np.abs(given - film @ LUMA).max() < 2


@pytest.mark.parametrize("closed", [True, False])
def test_seeks_to_the_frame(tmp_path, closed):
    """Also in what a kill leaves: a file without an index."""
    recorder = write(tmp_path / "play", pixel_art(100))
    video = recorder.video
    if not closed:
        video = tmp_path / "open.mkv"
        data = recorder.video.read_bytes()
        video.write_bytes(data[: data.index(b"\x1c\x53\xbb\x6b", 1000)])  # Cues
    whole = list(frames(video))
    assert len({frame.tobytes() for frame in whole}) == len(whole) == 100
    for start in (0, 1, 29, 30, 31, 99, *random.Random(1).sample(range(100), 12)):
        found = list(frames(video, start=start, stop=start + 3))
        np.testing.assert_array_equal(found, whole[start : start + 3])
    assert list(frames(video, start=100)) == list(frames(video, start=7, stop=7)) == []
    with pytest.raises(ValueError, match="start"):
        next(frames(video, start=-1))


def test_sound_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(UserError, match="has no video in it"):
        count_frames(tmp_path / "sound.wav")


def test_other_rates_are_resampled(tmp_path):
    fast = encode(tmp_path / "fast.mp4", shaded(60, 160, 240), np.arange(60) / 30, "libx264")  # with B frames
    assert near(shades(fast), [shade(2 * t) for t in range(30)])
    assert count_frames(fast) == 30
    for start in (0, 5, 13, 29):
        assert near(shades(fast, start=start, stop=start + 2), [shade(2 * t) for t in range(start, min(start + 2, 30))])
    slow = encode(tmp_path / "slow.mkv", shaded(20, 48, 64), np.arange(20) / 10)
    assert near(shades(slow), [shade(t * 2 // 3) for t in range(29)])  # 1.9 s
    assert count_frames(slow) == 29


def test_video_may_begin_late_and_vary(tmp_path):
    stamps = np.cumsum([5.0, 0.02, 0.02, 0.4, 0.05, 0.05, 0.05, 1.1])
    vary = encode(tmp_path / "vary.mkv", shaded(8, 96, 96), stamps)
    seen = np.searchsorted(stamps - 5, np.arange(26) / 15 + 0.001, side="right") - 1
    assert near(shades(vary), [shade(t) for t in seen])
    assert near(shades(vary, start=9), [shade(t) for t in seen[9:]])
    assert count_frames(vary) == 26


def test_a_wild_time_stamp_asks_for_no_billions_of_frames(tmp_path):
    wild = encode(tmp_path / "wild.mkv", shaded(4, 96, 96), [0, 0.1, 1e6, 1e6 + 0.1])
    for read in (count_frames, lambda path: list(frames(path))):
        with pytest.raises(UserError, match=r"no frame from 0.1 to 1,000,000.0 s; at most 600 s"):
            read(wild)
    pause = encode(tmp_path / "pause.mkv", shaded(2, 96, 96), [0, 500])
    assert count_frames(pause) == 7501


@pytest.mark.parametrize("space", ["itu601", "itu709"])
@pytest.mark.parametrize("width", [128, 256])
def test_gray_is_luma_of_bt601(tmp_path, space, width):
    """Of video as it mostly is: luma from 16 to 235."""
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 140, 20]], np.uint8)
    film = np.repeat(colors.repeat(width // 4, 0)[None, None], 128, axis=1)  # (1, 128, width, 3)
    video = encode(tmp_path / "stripes.mp4", film, [0], "libx264", space)
    found = next(frames(video))[64, 16::32]
    assert np.abs(found - colors @ LUMA).max() < 4


def test_memory_is_flat_and_decoding_fast(tmp_path):
    code = (  # the peak of this process alone: getrusage's counts the parent's at the fork
        "import re, sys\nfrom pokegen.game.video.codec import frames\nn = sum(1 for _ in frames(sys.argv[1]))\n"
        "print(n, re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    film = pixel_art(200)
    peaks = []
    for minutes in (1, 6):
        video = write(tmp_path / f"play{minutes}", (film[t % 200] for t in range(900 * minutes))).video
        n, peak = subprocess.check_output([sys.executable, "-c", code, video], text=True).split()
        assert int(n) == 900 * minutes
        peaks.append(int(peak) / 1024)
    assert peaks[1] - peaks[0] < 8, peaks  # MiB; the pictures alone are 84
    start = time.process_time()
    n = sum(1 for _ in frames(tmp_path / "play6.mkv"))
    assert n / (time.process_time() - start) > 2000


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.mkv\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.mkv\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_a_list_of_other_files_is_no_video(tmp_path, text):
    with Recorder(tmp_path / "other") as recorder:
        for frame in shaded(20):
            recorder.add(frame, "none", 0.0, 0)
    assert count_frames(tmp_path / "other.mkv") == 20
    (tmp_path / "video.mp4").write_text(text)
    with pytest.raises(UserError, match="cannot be read as a video"):
        count_frames(tmp_path / "video.mp4")


def turned(path, *matrix):
    """Outside video with this display matrix in its head: a pixel at (x, y) is seen at (a x + c y, b x + d y)."""
    encode(path, pixel_art(20, 96, 64), np.arange(20) / 30, "libx264")
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(x * 2**16) for x in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),  # a telephone that is held upright
        ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), np.fliplr),  # its front camera
        ((-1.5, 0, 0, 1), np.fliplr),  # and pixels that are no squares
        ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
    ],
)
def test_video_is_upright_as_its_head_says(tmp_path, matrix, seen, gray):
    stored = list(frames(turned(tmp_path / "stored.mp4", 1, 0, 0, 1), gray))
    found = list(frames(turned(tmp_path / "turned.mp4", *matrix), gray))
    np.testing.assert_array_equal(found, [seen(picture) for picture in stored])
    assert (found[0] != stored[0]).any()


def test_what_is_no_quarter_turn_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"tilted\.mp4 is to be seen turned by .*; only quarter turns .*: ffmpeg"):
        list(frames(turned(tmp_path / "tilted.mp4", 0.7071, 0.7071, -0.7071, 0.7071)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
@pytest.mark.parametrize("at", [0.02, 0.4])
def test_a_damaged_stretch_is_lost_alone_and_told(tmp_path, capsys, name, at):
    video = encode(
        tmp_path / name, pixel_art(240, 64, 96), np.arange(240) / 30, "mpeg4" if "avi" in name else "libx264"
    )
    whole = np.array(list(frames(video)))
    assert not capsys.readouterr().err
    data = bytearray(video.read_bytes())
    low, length = max(8000, int(at * len(data))), len(data) // 5  # after the head
    data[low : low + length] = random.Random(0).randbytes(length)
    video.write_bytes(data)
    found = np.array(list(frames(video)))
    told = capsys.readouterr().err
    begin, end = map(float, re.search(r"no frame can be read from ([\d.]+) to ([\d.]+)", told).groups())
    assert told.count("\n") == 1 and name in told
    assert 0.8 < end - begin < 3
    assert len(found) == count_frames(video) == len(whole)
    same = (found == whole).all(axis=(1, 2))
    before = max(0, int(15 * begin) - 1)  # the last frame may be cut, and shown as far as it goes
    assert same[:before].all() and same[int(15 * end) + 10 :].all()  # to the next keyframe at most
    assert not same.all()
    for start in (0, int(15 * begin) // 2, int(15 * end) + 10, 119):  # also where one seeks
        np.testing.assert_array_equal(next(frames(video, start=start)), found[start])


def test_video_of_broadcast_is_read_to_its_end_where_one_seeks(tmp_path):
    """An MPEG transport stream has no index: a search for its last second finds no keyframe."""
    video = encode(tmp_path / "a.ts", pixel_art(100, 64, 96), np.arange(100) / 30, "libx264")
    whole = list(frames(video))
    for start in range(40, 50):
        np.testing.assert_array_equal(list(frames(video, start=start)), whole[start:])


def test_what_is_nowhere_whole_is_refused(tmp_path):
    video = encode(tmp_path / "a.mp4", pixel_art(60, 64, 96), np.arange(60) / 30, "libx264")
    data = bytearray(video.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    video.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.mp4 cannot be decoded"):
        list(frames(video))
