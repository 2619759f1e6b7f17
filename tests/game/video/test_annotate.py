"""Labels do not depend on shards, processes or kills, and make a recording of the video."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lamps import GROUPS, Lamps, record_lamps

from pokegen import zoo
from pokegen.errors import UserError
from pokegen.game.players import Random
from pokegen.game.video.annotate import Annotator, Shard, Shards, annotate
from pokegen.game.video.clips import RecordingsDataModule
from pokegen.game.video.codec import count_frames, frames
from pokegen.game.video.idm import InverseDynamics
from pokegen.game.video.recording import read_recording

INIT = {
    "groups": GROUPS,
    "window": 8,
    "stem_width": 4,
    "stem_stride": 8,
    "stacks": [4],
    "width": 16,
    "layers": 1,
    "heads": 2,
}
FRAMES = 100
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def network():
    """Untrained, with answers that differ from frame to frame."""
    torch.manual_seed(0)
    network = InverseDynamics(**INIT)
    with torch.no_grad():
        network.head.weight.mul_(100)
    return network.eval().requires_grad_(False)


@pytest.fixture
def video(tmp_path):
    """A recording without its keys."""
    table = record_lamps(tmp_path / "videos" / "one", Random(), FRAMES)
    table.unlink()
    return table.with_suffix(".mkv")


@pytest.fixture
def whole(network, video):
    """What the model reads from the whole video at once."""
    values, sure = network.read(torch.from_numpy(np.stack(list(frames(video)))))
    keys = network.keys.decode(values.numpy())
    assert len(set(keys)) > 2  # or all of this would prove little
    return keys, sure.numpy()


def label(video, network, out=None, shard=40, mark="m"):
    return annotate([video], network, mark, out, shard, **QUIET)


def rows(table):
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("shard", [8, 12, 13, 40, 41, 99, 100, 1000])
def test_labels_do_not_depend_on_shards(network, video, whole, tmp_path, shard):
    """Neither where a shard begins at half a window, nor elsewhere."""
    (table,) = label(video, network, tmp_path / "out", shard)
    found = rows(table)
    assert [row["key"] for row in found] == whole[0]
    np.testing.assert_allclose([float(row["confidence"]) for row in found], whole[1], atol=2e-4)


def test_a_row_for_each_frame(network, video, capsys):
    (table,) = label(video, network)
    assert capsys.readouterr().err == ""  # nor what Lightning says of itself
    assert table == video.with_suffix(".csv")
    found = rows(table)
    assert list(found[0]) == ["frame", "time", "key", "reward", "episode", "confidence"]
    assert [int(row["frame"]) for row in found] == list(range(FRAMES))
    np.testing.assert_allclose([float(row["time"]) for row in found], np.arange(FRAMES) / 15, atol=1e-4)
    assert {row["reward"] for row in found} == {"0.0"}
    assert [int(row["episode"]) for row in found] == [frame // 40 for frame in range(FRAMES)]  # each shard is one
    assert sorted(p.name for p in video.parent.iterdir()) == ["one.csv", "one.mkv", "one.parquet"]  # no shards left


def test_parquet_holds_what_the_csv_holds(network, video):
    from pyarrow import parquet

    (table,) = label(video, network)
    columns = parquet.read_table(table.with_suffix(".parquet")).to_pydict()
    found = rows(table)
    assert list(columns) == list(found[0])
    for name, values in columns.items():
        if name == "key":
            assert values == [row[name] for row in found]
        else:
            np.testing.assert_allclose(values, [float(row[name]) for row in found], rtol=1e-6)
    assert isinstance(columns["frame"][0], int)


def test_the_folder_of_labels_is_one_of_recordings(network, video, whole, tmp_path):
    out = tmp_path / "labelled"
    (table,) = label(video, network, out, 1000)
    assert (out / "one.mkv").resolve() == video
    found = read_recording(table)
    assert found.keys == whole[0]
    np.testing.assert_allclose(found.confidence, whole[1], atol=2e-4)
    data = RecordingsDataModule([str(out)], GROUPS, window=8, val_share=0, test_share=0)
    data.setup("fit")
    ((pixels, keys),) = data.episodes["train"]
    assert data.keys.decode(keys) == whole[0]
    np.testing.assert_array_equal(pixels, list(frames(video)))


def test_several_videos_at_once(network, tmp_path):
    made = [record_lamps(tmp_path / f"v{i}", Random(), n, seed=i) for i, n in enumerate((20, 50, 33))]
    videos = [table.with_suffix(".mkv") for table in made]
    tables = annotate(videos, network, "m", tmp_path / "out", 16, **QUIET)
    assert [table.name for table in tables] == ["v0.csv", "v1.csv", "v2.csv"]
    assert [len(rows(table)) for table in tables] == [20, 50, 33]


# ------------------------------------------------------------------------------------------------------------- kill


class Killed(Exception):
    pass


def stop_after(monkeypatch, shards):
    """Let the annotator die within the shard after so many; the names of those that it came to."""
    begun, original = [], Annotator.predict_step

    def step(self, batch, index):
        begun.append(batch[0].file.name)
        if len(begun) > shards:
            raise Killed
        return original(self, batch, index)

    monkeypatch.setattr(Annotator, "predict_step", step)
    return begun


def test_what_was_killed_goes_on_behind_the_shards_that_are_there(network, video, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, 2)
        label(video, network, out, 24)
    (work,) = out.iterdir()  # no table yet: what is there is whole
    done = {file.name: file.stat().st_mtime_ns for file in work.iterdir()}
    assert sorted(done) == ["000000000-000000024.csv", "000000024-000000048.csv"]
    (work / ".pokegen-0123").write_text("48,3.2")  # of the shard that it died in
    with monkeypatch.context() as patch, pytest.raises(Killed):
        begun = stop_after(patch, 2)
        label(video, network, out, 24)
    assert begun == ["000000048-000000072.csv", "000000072-000000096.csv", "000000096-000000100.csv"]
    assert {name: (work / name).stat().st_mtime_ns for name in done} == done
    (table,) = label(video, network, out, 24)
    assert [row["key"] for row in rows(table)] == whole[0]
    assert not work.exists()


def test_a_kill_before_the_end_leaves_only_the_table_to_write(network, video, whole, monkeypatch):
    from pokegen.game.video import annotate as module

    def merge(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, "_merge", merge)
        label(video, network)
    with monkeypatch.context() as patch:
        begun = stop_after(patch, 0)
        (table,) = label(video, network)
    assert begun == []
    assert [row["key"] for row in rows(table)] == whole[0]


def test_shards_of_another_model_are_not_taken(network, video, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        stop_after(patch, 1)
        label(video, network, mark="old")
    with monkeypatch.context() as patch:
        begun = stop_after(patch, 9)
        label(video, network, mark="new")
    assert len(begun) == 3


# -------------------------------------------------------------------------------------------------------- processes


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 4), (2, 4), (3, 6), (5, 5)])
def test_no_process_goes_without_a_shard(tmp_path, count, expected):
    """As Lightning wants it, unless nothing is left to do; of four processes."""
    every = [Shard(tmp_path / "one.mkv", 10 * i, 10 * i + 10, tmp_path) for i in range(6)]
    for shard in every[count:]:
        shard.file.touch()  # done already
    shards = Shards(every, 8, least=4)
    assert len(shards) == expected
    assert {shard.start for shard in shards.shards} == {10 * i for i in range(count)}


def test_two_processes_write_what_one_writes(network, video, whole, tmp_path):
    zoo.save(network, tmp_path / "tiny", "pokegen.game.video.idm.InverseDynamics", INIT, version="1")
    argv = ["game", "annotate", video, "--model", tmp_path / "tiny", "--out", tmp_path / "out"]
    argv += ["--shard_frames", 24, "--devices", 2]
    done = subprocess.run(
        [sys.executable, "-m", "pokegen.cli.main", *map(str, argv)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = tmp_path / "out" / "one.csv"
    assert [row["key"] for row in rows(table)] == whole[0]
    assert done.stdout == f"{table}\n"  # once, and nothing else
    assert sorted(p.name for p in table.parent.iterdir()) == ["one.csv", "one.mkv", "one.parquet"]


# ----------------------------------------------------------------------------------------------------------- errors


def refused(videos, network, message, out=None, shard=40, **options):
    with pytest.raises(UserError, match=message):
        annotate(videos, network, "m", out, shard, **(QUIET | options))


def test_labels_that_are_there_are_kept(network, video):
    table = video.with_suffix(".csv")
    table.write_text("mine")
    refused([video], network, r"one\.csv exists\. Remove it, or choose another folder for the labels")
    assert table.read_text() == "mine"


def test_what_cannot_be_read_is_refused_before_anything_is_written(network, video, tmp_path):
    text = tmp_path / "text.mkv"
    text.write_text("no video")
    out = tmp_path / "out"
    refused([video, text], network, r"text\.mkv cannot be read as a video", out)
    refused([video, tmp_path / "missing.mkv"], network, r"missing\.mkv does not exist", out)
    assert not out.exists()


def test_two_videos_of_one_name_need_two_folders(network, video, tmp_path):
    other = tmp_path / "one.mkv"
    other.symlink_to(video)
    refused([video, other], network, "Two videos are called one", tmp_path / "out")


def test_a_shard_holds_a_window_at_least(network, video):
    refused([video], network, "shard_frames must be at least the model's window, 8, got 7", shard=7)


def test_options_that_lightning_refuses_are_told(network, video):
    refused([video], network, "Precision '12' is invalid", precision="12")


def test_a_video_that_breaks_off_is_told(network, video, tmp_path, monkeypatch):
    from pokegen.game.video import annotate as module

    assert count_frames(video) == FRAMES

    def ends_early(path, start, stop):
        return frames(path, start=start, stop=min(stop, 60))

    monkeypatch.setattr(module, "frames", ends_early)
    refused([video], network, r"one\.mkv cannot be decoded beyond 4\.0 seconds", tmp_path / "out")


def test_the_lamps_show_what_was_pressed():
    """The environment of these tests: a key is seen in the next frame."""
    env = Lamps()
    env.reset(seed=0)
    for action, lit in ((3, [False, False, True]), (4, [False, True, True]), (0, [False] * 3)):
        frame = env.step(action)[0]
        assert (frame[5, [5, 15, 25], 0] == 250).tolist() == lit


def test_where_links_cannot_be_made_the_video_is_copied(network, video, tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (table,) = annotate([video], network, "m", tmp_path / "out", 50, **QUIET)
    copy = table.with_suffix(video.suffix)
    assert not copy.is_symlink()
    assert copy.read_bytes() == video.read_bytes()


@pytest.mark.parametrize("name", ["[1].mkv", "a*b.m2ts", "file:x.3gp", "-x.ogg", "%03d.mkv", os.fsdecode(b"\xe9.mkv")])
def test_what_is_labelled_is_what_training_reads(network, video, whole, tmp_path, monkeypatch, name):
    video.rename(video.with_name(name))
    monkeypatch.chdir(video.parent)
    (table,) = label(Path(name), network, tmp_path / "out")
    assert read_recording(table).keys == whole[0]
    data = RecordingsDataModule([str(tmp_path / "out")], GROUPS, window=8, val_share=0, test_share=0)
    data.setup("fit")
    assert sum(len(keys) for split in data.episodes.values() for _, keys in split) == FRAMES


def test_what_training_would_not_find_is_not_labelled(network, video, tmp_path):
    other = video.with_suffix(".mp4")
    other.write_bytes(video.read_bytes())
    refused([other], network, r"one\.mkv has the same name as .*one\.mp4: choose another folder")
    out = tmp_path / "out"
    assert read_recording(label(other, network, out)[0]).video == out / "one.mp4"
    nameless = video.rename(video.with_suffix(".film"))
    refused([nameless], network, r"would not find .*one\.film: end its name in one of \.mkv", tmp_path / "else")
