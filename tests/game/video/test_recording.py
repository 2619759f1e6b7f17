"""Recordings survive a kill, read back as they were written, and can be made of any other video."""

import csv
import os
import random
import re
import struct
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import gymnasium
import numpy as np
import pytest

from pokegen.errors import UserError
from pokegen.game.video.codec import count_frames, frames, gray
from pokegen.game.video.recording import Recorder, import_video, read_recording, record

LUMA = np.array([0.299, 0.587, 0.114])


def pixel_art(n, height=128, width=128, seed=0):
    """Noise of 16 colours in blocks of 2 pixels, and two sprites of 4 pixels that move: uint8 (n, H, W, 3)."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    ground = np.kron(rng.integers(0, 16, (height // 2, width // 2)), np.ones((2, 2), int))
    film = np.repeat(ground[None], n, axis=0)
    for t in range(n):
        film[t, 20:24, 3 * t % (width - 4) :][:, :4] = 1
        film[t, 2 * t % (height - 4) :, 60:64][:4] = 2
    return palette[film]


def shade(t):
    """A gray that tells frame t from those around it."""
    return 10 + 37 * t % 240


def shaded(n, height=128, width=128):
    return np.stack([np.full((height, width, 3), shade(t), np.uint8) for t in range(n)])


def write(path, film, keys=None, rewards=None, episodes=None):
    with Recorder(path) as recorder:
        for t, frame in enumerate(film):
            recorder.add(
                *(frame, keys[t] if keys else "none"),
                *(rewards[t] if rewards else 0.0, episodes[t] if episodes else 0),
            )
    return recorder


def encode(path, film, stamps, codec="mpeg4", space=None):
    """Outside video with frames at `stamps` seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"g": "12", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = film.shape[2], film.shape[1], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 600)
        stream.bit_rate = 8_000_000
        stream.codec_context.colorspace = {None: 2, "itu709": 1, "itu601": 6}[space]  # 2: not said
        for frame, stamp in zip(film, stamps, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=space)
            picture.pts, picture.time_base = round(stamp * 600), Fraction(1, 600)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_keys(path, stamps, keys, **columns):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "time", "key", *columns])
        rows.writerows(zip(range(len(keys)), stamps, keys, *columns.values(), strict=True))
    return path


def shades(path, **options):
    return [round(float(frame.mean())) for frame in frames(path, **options)]


def near(found, expected):
    return len(found) == len(expected) and all(abs(a - b) <= 4 for a, b in zip(found, expected, strict=True))


class Counting(gymnasium.Env):
    """Shows how many steps were made; pays the action; ends after 7 steps."""

    metadata: ClassVar = {"render_modes": ["rgb_array"]}
    action_names = ("none", "a", "b")
    action_space = gymnasium.spaces.Discrete(3)
    observation_space = gymnasium.spaces.Discrete(100)
    render_mode = "rgb_array"

    def __init__(self):
        self.seeds = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.t = 0
        return 0, {}

    def step(self, action):
        self.t += 1
        return self.t, 0.1 * action, self.t == 7, False, {}

    def render(self):
        return np.full((30, 40, 3), shade(self.t), np.uint8)


class Plays:
    """A player of a function."""

    def __init__(self, act):
        self.act, self.seeds, self.seen = act, [], []

    def begin(self, seed):
        self.seeds.append(seed)

    def __call__(self, env, observation):
        self.seen.append(observation)
        return self.act(env)


# ---------------------------------------------------------------------------------------------------------- writing


def test_round_trip(tmp_path):
    film = pixel_art(40)
    keys = ["none", "left", "left+a", "b"] * 10
    rewards = [0.1 * t for t in range(40)]
    recorder = write(tmp_path / "new" / "play", film, keys, rewards, [t // 15 for t in range(40)])
    assert (recorder.video, recorder.csv) == (tmp_path / "new/play.mkv", tmp_path / "new/play.csv")
    lines = recorder.csv.read_text().splitlines()
    assert lines[:3] == ["frame,time,key,reward,episode", "0,0.0000,none,0.0,0", "1,0.0667,left,0.1,0"]
    for path in (recorder.video, recorder.csv, tmp_path / "new" / "play"):
        found = read_recording(path)
        assert (found.video, found.keys, len(found)) == (recorder.video, keys, 40)
        np.testing.assert_array_equal(found.reward, rewards)
        np.testing.assert_array_equal(found.episode, np.arange(40) // 15)
    assert count_frames(recorder.video) == 40


def psnr(found, expected):
    error = np.mean((np.asarray(found, float) - expected) ** 2, axis=tuple(range(1, np.ndim(expected))))
    return 10 * np.log10(255**2 / error)


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


def test_recorder_overwrites_nothing(tmp_path):
    write(tmp_path / "play", shaded(3))
    before = (tmp_path / "play.mkv").read_bytes()
    with pytest.raises(UserError, match=r"play\.mkv exists"):
        Recorder(tmp_path / "play.csv")
    assert (tmp_path / "play.mkv").read_bytes() == before


def test_recorder_takes_rgb_bytes_only(tmp_path):
    with Recorder(tmp_path / "play") as recorder:
        for frame in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)):
            with pytest.raises(ValueError, match="uint8"):
                recorder.add(frame, "none", 0.0, 0)


ENDLESS = """
import sys
import numpy as np
from pokegen.game.video.recording import Recorder
rng = np.random.default_rng(0)
ground = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
with Recorder(sys.argv[1]) as recorder:
    for t in range(100_000):
        ground[:, t % 128] = t % 251
        recorder.add(ground, "left" if t % 3 else "none", 1.0, t // 50)
        print(t, flush=True)
"""


def test_killed_at_any_moment(tmp_path):
    """What was added before the last frame is there, video and rows alike, and the video decodes to its end."""
    rng = random.Random(0)
    paths = [tmp_path / f"play{i}" for i in range(10)]
    for pair in zip(paths[::2], paths[1::2], strict=True):
        running = [subprocess.Popen([sys.executable, "-c", ENDLESS, p], stdout=subprocess.PIPE) for p in pair]
        for process, path in zip(running, pair, strict=True):
            for _ in range(rng.randint(2, 60)):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
            added = 1 + int(process.communicate()[0].split(b"\n")[-2])
            rows = path.with_suffix(".csv").read_text().count("\n") - 1
            pictures = sum(1 for _ in frames(path.with_suffix(".mkv")))
            assert count_frames(path.with_suffix(".mkv")) == pictures
            assert added - 1 <= rows <= pictures <= min(added, rows) + 1
            found = read_recording(path, shortest=1)
            assert found.keys == ["left" if t % 3 else "none" for t in range(rows)]
            assert len(list(found.frames())) == len(found) == rows


def test_cut_at_every_byte(tmp_path):
    """A kill within a write: whatever part of the file is on the disk reads to the last whole frame."""
    sizes = []
    with Recorder(tmp_path / "play") as recorder:
        for frame in pixel_art(4, seed=3):
            recorder.add(frame, "none", 0.0, 0)
            sizes.append(recorder.video.stat().st_size)  # that of one frame fewer
        data = recorder.video.read_bytes()
    part = tmp_path / "part.mkv"
    for length in range(sizes[1], len(data) + 1):
        part.write_bytes(data[:length])
        assert count_frames(part) == sum(length >= size for size in sizes[1:])
    part.write_bytes(data[: sizes[1] - 1])
    with pytest.raises(UserError):
        count_frames(part)


def test_unfinished_last_line_is_dropped(tmp_path):
    recorder = write(tmp_path / "play", shaded(20))
    recorder.csv.write_text(recorder.csv.read_text() + "20,1.33")
    assert len(read_recording(recorder.csv)) == 20


# ---------------------------------------------------------------------------------------------------------- playing


def test_record_plays_over_episodes(tmp_path):
    env = Counting()
    player = Plays(lambda env: env.t % 3)
    path = record(env, player, tmp_path / "count", frames=20, seed=5)
    found = read_recording(path)
    steps = [t % 7 for t in range(20)]  # seen before the key: 0 to 6, never the frame after the end
    assert path == tmp_path / "count.csv"
    assert near(shades(found.video), [shade(t) for t in steps])
    assert found.keys == [env.action_names[t % 3] for t in steps]
    np.testing.assert_allclose(found.reward, [0.1 * (t % 3) for t in steps])
    assert found.episode.tolist() == [t // 7 for t in range(20)]
    assert env.seeds == player.seeds == [5, 6, 7]
    assert player.seen == steps  # it is handed the observation, of a new episode too


def test_record_ends_when_interrupted(tmp_path):
    def player(env):
        if env.t == 6 and len(env.seeds) == 3:
            raise KeyboardInterrupt
        return 1

    assert len(read_recording(record(Counting(), Plays(player), tmp_path / "count", frames=1000, seed=0))) == 20


def test_record_keeps_what_was_played_before_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        record(Counting(), Plays(lambda env: 1 // (3 - len(env.seeds))), tmp_path / "count", frames=1000, seed=0)
    found = read_recording(tmp_path / "count", shortest=1)
    assert len(found) == 14 == count_frames(found.video)


def test_record_needs_pictures(tmp_path):
    env = Counting()
    env.render_mode = None
    with pytest.raises(UserError, match=r"render_mode='rgb_array'; this environment has None"):
        record(env, Plays(lambda env: 0), tmp_path / "count", frames=20, seed=0)


# ---------------------------------------------------------------------------------------------------------- reading


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


@pytest.mark.parametrize("change", [-1, 1])
def test_longer_by_one_is_cut(tmp_path, change):
    recorder = write(tmp_path / "play", shaded(30))
    lines = recorder.csv.read_text().splitlines(keepends=True)
    recorder.csv.write_text("".join(lines[:-1] if change < 0 else [*lines, "30,2.0000,a,0,0\n"]))
    found = read_recording(recorder.csv)
    assert len(found) == len(list(found.frames())) == min(30, 30 + change)


def edited(path, old, new):
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda v, c: v.unlink(), r"play\.csv has no video next to it: play\.mkv, or \.mp4, .* was expected"),
        (lambda v, c: c.unlink(), r"play\.csv does not exist\. A recording is a video and a CSV of the same name"),
        (lambda v, c: v.write_bytes(b"no video" * 500), r"play\.mkv cannot be read as a video: Invalid data"),
        (lambda v, c: v.write_bytes(b""), r"play\.mkv cannot be read as a video"),
        (lambda v, c: c.write_bytes(b"\xff\xfe\x00"), r"play\.csv cannot be read as a CSV"),
        (lambda v, c: c.write_text(""), r"columns frame,time,key,reward,episode\[,confidence\]; its first line is ''"),
        (lambda v, c: edited(c, ",key,", ",button,"), r"columns .*key.*; its first line is 'frame,time,button,"),
        (lambda v, c: edited(c, "episode\n", "episode,note\n"), r"its first line is '.*,note'"),
        (lambda v, c: edited(c, "\n3,0.2000,none,0.0,0\n", "\n"), r"line 5: frame 3 was expected, not 4"),
        (lambda v, c: edited(c, "\n3,0.2000,none,0.0,0\n", "\n3,0.2\n"), r"line 5: 5 fields expected, 2 found"),
        (lambda v, c: edited(c, "0.2000,none,0.0", "0.2000,none,much"), r"line 5: reward must be a number, not 'much'"),
        (lambda v, c: edited(c, "0.2000,none,0.0", "0.2000,none,nan"), r"line 5: reward must be a number, not 'nan'"),
        (lambda v, c: edited(c, "0.2000,none,0.0,0", "0.2000,none,0.0,1"), r"line 6: episode falls from 1 to 0"),
        (
            lambda v, c: edited(c, "3,0.2000", "3,0.3200"),
            r"drifted from play\.mkv at frame 3: 0\.320 s where .* 0\.200",
        ),
        (lambda v, c: c.write_text("".join(c.open().readlines()[:-2])), r"drifted: 30 frames and 28 rows"),
        (lambda v, c: c.write_text("".join(c.open().readlines()[:15])), r"too short: 14 frames .*; at least 15"),
        (
            lambda v, c: encode(v, shaded(30), np.arange(30) / 30),
            r"has 30 frames a second and play\.csv a row for each",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, break_it, message):
    recorder = write(tmp_path / "play", shaded(30))
    break_it(recorder.video, recorder.csv)
    with pytest.raises(UserError, match=message) as caught:
        read_recording(recorder.csv)
    assert "\n" not in str(caught.value)


def test_labels_beside_any_video_are_a_recording(tmp_path):
    """What is annotated: a CSV of 15 rows a second beside the outside video, with the confidence of each."""
    encode(tmp_path / "day.one.MP4", shaded(60, 160, 240), np.arange(60) / 30)
    labels = {"reward": [0.0] * 30, "episode": [0] * 30, "confidence": np.arange(30) / 30}
    write_keys(tmp_path / "day.one.csv", np.arange(30) / 15, ["a", "none"] * 15, **labels)
    (tmp_path / "day.one.parquet").touch()
    for path in ("day.one.csv", "day.one.MP4", "day.one"):
        found = read_recording(tmp_path / path)
        assert found.video == tmp_path / "day.one.MP4"
        assert near([f.mean() for f in found.frames()], [shade(2 * t) for t in range(30)])
        np.testing.assert_allclose(found.confidence, np.arange(30) / 30)
    own = write(tmp_path / "own", shaded(20))
    assert read_recording(own.csv).confidence.tolist() == [1.0] * 20


def test_sound_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(UserError, match="has no video in it"):
        count_frames(tmp_path / "sound.wav")


# ---------------------------------------------------------------------------------------------------------- outside


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


def test_import_keeps_keys_in_step(tmp_path):
    stamps = np.arange(120) / 60
    keys = ["none"] * 120
    keys[8], keys[17:19], keys[19] = "a", ["left", "left"], "right"  # one of four; two, one and none of four
    keys[20], keys[21:23] = "up", ["down", "down"]
    rewards, episodes = [0.25] * 120, [0] * 90 + [1] * 30
    video = encode(tmp_path / "outside.mp4", shaded(120, 160, 240), stamps)
    table = write_keys(tmp_path / "keys.csv", stamps, keys, reward=rewards, episode=episodes)
    found = read_recording(import_video(video, table, tmp_path / "ours" / "made"))
    assert found.video == tmp_path / "ours" / "made.mkv"
    expected = ["none"] * 30
    expected[2], expected[4], expected[5] = "a", "left", "down"
    assert found.keys == expected
    assert found.reward.tolist() == [1.0] * 30
    assert found.episode.tolist() == [0] * 23 + [1] * 7  # of the frame that is seen at the tick
    assert near(shades(found.video), [shade(4 * t) for t in range(30)])
    red, green, blue = np.moveaxis(np.array(list(frames(found.video, gray=False)), int), -1, 0)
    assert max(np.abs(red - green).max(), np.abs(red - blue).max()) <= 2


def test_import_of_varying_and_slow_video(tmp_path):
    stamps = np.r_[np.arange(10) * 0.2, 2 + np.arange(20) * 0.02]
    video = encode(tmp_path / "outside.mkv", shaded(30, 96, 64), stamps)
    table = write_keys(tmp_path / "keys.csv", stamps + 3, ["a", "b"] * 15, reward=[1.0] * 30)  # its clock begins at 3
    found = read_recording(import_video(video, table, tmp_path / "made"))
    assert found.keys[:9] == ["a"] * 3 + ["b"] * 3 + ["a"] * 3
    assert found.reward[:9].tolist() == [1.0, 0, 0] * 3
    assert found.reward.sum() == 30
    assert len(found) == count_frames(video) == 36


@pytest.mark.parametrize(
    ("rows", "late", "message"),
    [
        (38, 0.0, r"outside\.mp4 and keys\.csv have drifted: 40 frames and 38 rows"),
        (40, 0.15, r"keys\.csv has drifted from outside\.mp4 at frame 20: 0\.817 s where the video has 0\.667 s"),
        (40, 0.05, None),
        (39, 0.0, None),
    ],
)
def test_import_says_where_keys_drift(tmp_path, rows, late, message):
    video = encode(tmp_path / "outside.mp4", shaded(40, 64, 64), np.arange(40) / 30)
    stamps = np.arange(rows) / 30 + late * (np.arange(rows) >= 20)
    table = write_keys(tmp_path / "keys.csv", stamps, ["none"] * rows)
    if message is None:
        assert len(read_recording(import_video(video, table, tmp_path / "made"))) == 20
        return
    with pytest.raises(UserError, match=message):
        import_video(video, table, tmp_path / "made")
    assert not (tmp_path / "made.mkv").exists()


def test_import_refuses_short_and_unreadable(tmp_path):
    stamps = np.arange(20) / 30
    table = write_keys(tmp_path / "keys.csv", stamps, ["none"] * 20)
    video = encode(tmp_path / "outside.mp4", shaded(20, 64, 64), stamps)
    with pytest.raises(UserError, match="too short: 10 frames at 15 a second; at least 15"):
        import_video(video, table, tmp_path / "made")
    video.write_bytes(video.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"outside\.mp4 cannot be read as a video"):
        import_video(video, table, tmp_path / "made")
    with pytest.raises(UserError, match=r"missing\.csv does not exist"):
        import_video(video, tmp_path / "missing.csv", tmp_path / "made")
    with pytest.raises(UserError, match=r"missing\.mp4 does not exist"):
        import_video(tmp_path / "missing.mp4", table, tmp_path / "made")
    edited(table, "key", "keys")
    with pytest.raises(UserError, match=re.escape("must have the columns frame,time,key[,reward][,episode]")):
        import_video(video, table, tmp_path / "made")


def test_import_leaves_nothing_of_a_broken_video(tmp_path):
    stamps = np.arange(60) / 30
    video = encode(tmp_path / "outside.avi", pixel_art(60, 64, 64), stamps)
    data = bytearray(video.read_bytes())
    data[len(data) // 3 : len(data) - 3000] = random.Random(0).randbytes(len(data) - 3000 - len(data) // 3)
    video.write_bytes(data)
    table = write_keys(tmp_path / "keys.csv", stamps, ["none"] * 60)
    with pytest.raises(UserError, match=r"outside\.avi"):
        import_video(video, table, tmp_path / "made")
    assert not list(tmp_path.glob("made*"))


# ------------------------------------------------------------------------------------------------------------- cost


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


# ------------------------------------------------------------------------------------------------------------ retries


def test_a_recorder_that_was_killed_before_its_first_row_is_not_in_the_way(tmp_path):
    (tmp_path / "play.csv").write_text("frame,time,key,reward,episode\n")
    (tmp_path / "play.mkv").write_bytes(b"head")
    assert len(read_recording(write(tmp_path / "play", shaded(20)).csv)) == 20


def test_a_recorder_that_lives_and_a_video_of_one_s_own_are(tmp_path):
    with Recorder(tmp_path / "play") as live:
        live.add(pixel_art(1)[0], "none", 0.0, 0)
        assert live.csv.read_text().count("\n") == 1  # its first row comes with the next frame
        with pytest.raises(UserError, match="exists"):
            Recorder(tmp_path / "play")
    (tmp_path / "mine.mkv").write_bytes(b"precious")
    with pytest.raises(UserError, match="exists"):
        Recorder(tmp_path / "mine")
    assert (tmp_path / "mine.mkv").read_bytes() == b"precious"


def test_a_full_disk_is_one_line_and_keeps_what_was_recorded(tmp_path):
    class Full:
        def mux(self, *_):
            raise OSError(28, "No space left on device")

        close = mux

    with pytest.raises(UserError, match="No space left on device"), Recorder(tmp_path / "play") as recorder:
        for frame in pixel_art(20):
            recorder.add(frame, "none", 0.0, 0)
        recorder._container = Full()
        recorder.add(frame, "none", 0.0, 0)
    assert (tmp_path / "play.csv").read_text().count("\n") == 20
    with pytest.raises(UserError, match="No space left on device"), Recorder(tmp_path / "none") as recorder:
        recorder._container = Full()
        recorder.add(frame, "none", 0.0, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["play.csv", "play.mkv"]


def test_an_import_that_fails_leaves_nothing(tmp_path, monkeypatch):
    source = write(tmp_path / "source", shaded(30))
    before = sorted(tmp_path.iterdir())

    def stop(self, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        import_video(source.video, source.csv, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_an_import_onto_a_full_disk_names_the_place_that_was_asked_for(tmp_path, monkeypatch):
    source = write(tmp_path / "source", shaded(30))
    before = sorted(tmp_path.iterdir())

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "_write_row", full)
    with pytest.raises(UserError, match=r"Cannot write '[^']*/out': No space left"):
        import_video(source.video, source.csv, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


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


# ------------------------------------------------------------------------------------------------- people's own files


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


NAMES = [
    "[1].mkv",
    "a*b.mkv",
    "what?.mkv",
    "file:x.mkv",
    "http:x.mkv",
    "-x.mkv",
    "%03d.mkv",
    "-.mkv",
    os.fsdecode(b"\xe9.mkv"),
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names(tmp_path, monkeypatch, name):
    """And neither patterns nor addresses, also where the path begins with them."""
    monkeypatch.chdir(tmp_path)
    write(Path("x"), pixel_art(3, seed=9))
    write(Path(name), shaded(20))
    assert sorted(os.listdir()) == sorted(["x.csv", "x.mkv", name, f"{name[:-4]}.csv"])
    found = read_recording(Path(name))
    assert near([frame.mean() for frame in found.frames()], [shade(t) for t in range(20)])


SHEETS = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: "\ufeff".encode("utf-16-be") + text.encode("utf-16-be"),
    "semicolons, decimal comma": lambda text: text.replace(",", ";").replace(".", ",").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "quoted": lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text).encode(),
    "quoted, decimal comma": lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text).replace(".", ",").encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "empty columns and rows": lambda text: (text.replace("\n", ",,\n") + ",,,,,,\n" * 3 + "\n").encode(),
    "header in another case": lambda text: text.replace("frame,time,key", "Frame, Time ,KEY").encode(),
}


@pytest.mark.parametrize("sheet", SHEETS)
def test_tables_of_keys_are_read_as_spreadsheets_write_them(tmp_path, sheet):
    recorder = write(tmp_path / "play", shaded(20), ["left", "none"] * 10, [0.5] * 20)
    recorder.csv.write_bytes(SHEETS[sheet](recorder.csv.read_text()))
    found = read_recording(recorder.csv)
    assert found.keys == ["left", "none"] * 10
    assert found.reward.tolist() == [0.5] * 20


def test_a_number_with_a_thousands_comma_is_not_taken_for_another(tmp_path):
    recorder = write(tmp_path / "play", shaded(20))
    recorder.csv.write_text(recorder.csv.read_text().replace("0.2000", '"1,000.2"'))
    with pytest.raises(UserError, match=r"line 5: time must be a number, not '1,000\.2'"):
        read_recording(recorder.csv)
