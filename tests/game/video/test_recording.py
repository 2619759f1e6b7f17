"""Recordings survive a kill, read back as they were written, and can be made of any other video."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toys import Counting
from videos import encode, near, pixel_art, shade, shaded, shades, write, write_keys

from pokegen.errors import UserError
from pokegen.game.video.codec import VideoWriter, count_frames, frames
from pokegen.game.video.recording import Recorder, import_video, read_recording, record


def counting():
    """Pays a tenth of the action; ends after 7 steps."""
    return Counting(pay=0.1, shade=shade)


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
    env = counting()
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

    assert len(read_recording(record(counting(), Plays(player), tmp_path / "count", frames=1000, seed=0))) == 20


def test_record_keeps_what_was_played_before_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        record(counting(), Plays(lambda env: 1 // (3 - len(env.seeds))), tmp_path / "count", frames=1000, seed=0)
    found = read_recording(tmp_path / "count", shortest=1)
    assert len(found) == 14 == count_frames(found.video)


def test_record_needs_pictures(tmp_path):
    env = counting()
    env.render_mode = None
    with pytest.raises(UserError, match=r"render_mode='rgb_array'; this environment has None"):
        record(env, Plays(lambda env: 0), tmp_path / "count", frames=20, seed=0)


# ---------------------------------------------------------------------------------------------------------- reading


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


# ---------------------------------------------------------------------------------------------------------- outside


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


def test_a_full_disk_is_one_line_and_keeps_what_was_recorded(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def fill():
        monkeypatch.setattr(VideoWriter, "add", full)
        monkeypatch.setattr(VideoWriter, "close", full)

    with pytest.raises(UserError, match="No space left on device"), Recorder(tmp_path / "play") as recorder:
        for frame in pixel_art(20):
            recorder.add(frame, "none", 0.0, 0)
        fill()
        recorder.add(frame, "none", 0.0, 0)
    assert (tmp_path / "play.csv").read_text().count("\n") == 20
    with pytest.raises(UserError, match="No space left on device"), Recorder(tmp_path / "none") as recorder:
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


# ------------------------------------------------------------------------------------------------- people's own files


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
