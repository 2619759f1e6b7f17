"""Runs are read alike from a folder, from W&B's offline files and from W&B's server; what is no run gets one line."""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import wandb
import yaml
from PIL import Image

from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.tracking import read, record
from pokegen.tracking.read import load

CONFIG = {
    "seed_everything": 0,
    "model": {
        "class_path": "pokegen.trainers.likelihood.LikelihoodModule",
        "init_args": {"network": {"class_path": "pokegen.models.vae.VAE", "init_args": {"width": 8}}, "lr": 0.001},
    },
}
FLAT = {
    "seed_everything": 0,
    "model": "pokegen.trainers.likelihood.LikelihoodModule",
    "model.network": "pokegen.models.vae.VAE",
    "model.network.width": 8,
    "model.lr": 0.001,
}
METRICS = "epoch,images,step,train/loss,val/loss\r\n0,16,0,3.0,\r\n0,32,1,2.0,\r\n0,32,1,,2.5\r\n"


def make(root, name="a", metrics=(METRICS,), **facts):
    """A run's folder, as `pokegen fit` leaves it."""
    run = root / name
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    record.write(run, {"status": "finished", "images_seen": 32, **facts})
    for version, text in enumerate(metrics):
        folder = run / "csv" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(text, newline="")
    return run


def values(run, metric, x="step"):
    return [array.tolist() for array in run.points(metric, x)]


def png(width=4):
    file = io.BytesIO()
    Image.new("RGB", (width, 4)).save(file, "PNG")
    return file.getvalue()


def test_a_folder_is_read_by_name_or_by_path(tmp_path):
    folder = make(tmp_path)
    for run in (load("a", tmp_path), load(str(folder), tmp_path / "nowhere")):
        assert (run.name, run.config, run.record["status"], run.images_seen) == ("a", FLAT, "finished", 32)
        assert run.metrics == ["train/loss", "val/loss"]
        assert values(run, "train/loss") == [[0, 1], [3, 2]]
        assert values(run, "val/loss", "images") == [[32], [2.5]]
        assert values(run, "val/mse") == [[], []]


def test_a_name_is_looked_for_among_the_runs_first(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "runs").mkdir()
    make(tmp_path / "runs", "data")
    monkeypatch.chdir(tmp_path)
    assert load("data", tmp_path / "runs").config == FLAT


def test_the_last_samples_are_shown(tmp_path):
    samples = make(tmp_path) / "samples"
    samples.mkdir()
    (samples / "0000000016.png").write_bytes(png())
    (samples / "0000000032.png").write_bytes(png(8))
    run = load("a", tmp_path)
    assert (run.picture, run.text, run.drawn) == (png(8), None, 32)
    (samples / "0000000064.txt").write_text("Bram\nOlu\n")
    run = load("a", tmp_path)
    assert (run.picture, run.text, run.drawn) == (None, "Bram\nOlu\n", 64)
    for content in (b"", png()[:40], b"\xff\xfe no picture"):  # what cannot be shown is left out
        (samples / "0000000128.png").write_bytes(content)
        assert load("a", tmp_path).picture is None


def test_a_resumed_run_is_one_run_and_what_was_lost_is_left_out(tmp_path):
    first = "images,step,train/loss\n16,0,9\n32,1,8\n48,2,7\n64,3,6\n"  # killed; its checkpoint was after step 1
    second = "images,step,train/loss,val/loss\n48,2,5,\n64,3,4,\n64,3,,1\n"
    empty = ""
    make(tmp_path, metrics=(first, empty, second))
    run = load("a", tmp_path)
    assert values(run, "train/loss") == [[0, 1, 2, 3], [9, 8, 5, 4]]
    assert values(run, "val/loss") == [[3], [1]]


def test_versions_are_in_the_order_of_their_numbers(tmp_path):
    make(tmp_path, metrics=[f"step,train/loss\n{i},{i}\n" for i in range(12)])
    assert values(load("a", tmp_path), "train/loss")[0] == list(range(12))


def test_images_seen_are_filled_in_where_only_some_rows_tell(tmp_path):
    make(tmp_path, metrics=["step,train/images,train/loss,val/loss\n9,160,1,\n19,320,1,\n14,,,5\n"])
    run = load("a", tmp_path)
    assert values(run, "val/loss", "images") == [[240], [5]]
    assert run.metrics == ["train/loss", "val/loss"]


@pytest.mark.parametrize("cut", range(2, len("0,32,1,,2.5\r\n")))
def test_a_last_line_that_a_kill_cut_is_left_out(tmp_path, cut):
    make(tmp_path, metrics=[METRICS[:-cut]])
    run = load("a", tmp_path)
    assert values(run, "train/loss") == [[0, 1], [3, 2]]
    assert values(run, "val/loss") == [[], []]


def test_a_run_that_logged_nothing_is_a_run(tmp_path):
    make(tmp_path, metrics=())
    run = load("a", tmp_path)
    assert (run.metrics, run.images_seen) == ([], 32)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"epoch,step,train/loss\n0,0,1.0\n0,1,loss\n", "metrics.csv, line 3: expected a number in each column"),
        (b"epoch,step,train/loss\n0,0,1.0,7\n", "metrics.csv, line 2: expected a number in each column"),
        (b"epoch,step,train/loss\n0,,1.0\n", "metrics.csv, line 2: expected a number in each column"),
        (b"a table of something else\n1\n", "has no column 'step'"),
        (b"\x89PNG\xff\n", "is not a table of metrics"),
    ],
)
def test_a_metrics_file_that_cannot_be_read_is_told(tmp_path, content, says):
    path = make(tmp_path) / "csv" / "version_0" / "metrics.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        load("a", tmp_path)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("b", r"No run 'b'. Runs in .*: a."),
        ("b/c", r"No run 'b/c'. Runs in .*: a."),
        ("plain", "plain is not a run: it has neither config.yaml .* nor a W&B run. Runs in .*: a."),
        ("zoo", "zoo is not a run"),
        ("other", "other is not a run: its config.yaml has no model"),
        ("broken", "config.yaml cannot be read"),
        ("me/pokegen/4f2k9x1a", "No run at me/pokegen/4f2k9x1a. .*log in with `wandb login`. Runs in .*: a"),
    ],
)
def test_what_is_no_run_is_told(tmp_path, monkeypatch, source, says):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    for name in ("runs", "plain", "zoo", "other", "broken"):
        (tmp_path / name).mkdir()
    make(tmp_path / "runs")
    (tmp_path / "zoo" / "config.yaml").write_text("class_path: x")
    (tmp_path / "zoo" / "model.safetensors").write_bytes(b"")
    (tmp_path / "other" / "config.yaml").write_text("services: {}")
    (tmp_path / "broken" / "config.yaml").write_text("model: [")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says) as caught:
        load(source, tmp_path / "runs")
    assert "\n" not in str(caught.value) or source == "broken"  # the command line joins a parser's lines


# W&B


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the stats model, of about a second, logged to CSV and to offline W&B."""
    folder = tmp_path_factory.mktemp("runs")
    trainer = {"accelerator": "cpu", "max_epochs": 2, "log_every_n_steps": 1, "enable_progress_bar": "false"}
    options = [f"--trainer.{key}={value}" for key, value in trainer.items()]
    net = "--model.init_args.network.init_args.width=8"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["fit", "--config", "configs/stats.yaml", "--runs", str(folder), net, *options]) == 0
    return folder / "stats"


def same(one, other):
    """Two readings of one run."""
    assert (one.name, one.images_seen) == (other.name, other.images_seen)
    assert one.record == other.record
    bookkeeping = {"config", "ckpt_path"}
    settings = [{k: v for k, v in run.config.items() if k not in bookkeeping} for run in (one, other)]
    assert settings[0] == settings[1]
    assert one.metrics == other.metrics
    for metric in one.metrics:
        for x in ("step", "images"):
            np.testing.assert_array_equal(one.points(metric, x), other.points(metric, x))


def test_wandbs_offline_files_tell_what_the_folder_tells(trained, tmp_path):
    local = load("stats", trained.parent)
    assert {"train/loss", "val/loss"} <= set(local.metrics)
    (log,) = (trained / "wandb").glob("offline-run-*/run-*.wandb")
    kept = ("heard", "ended")  # which only run.json is told at the end
    for source in (log, log.parent, trained / "wandb", trained / "wandb" / "latest-run"):
        run = load(str(source), tmp_path)
        run.record |= {key: local.record[key] for key in kept}
        same(run, local)
        assert run.drawn == local.drawn == local.images_seen
    moved = tmp_path / "moved"  # and nothing but W&B's folder
    shutil.copytree(trained / "wandb", moved / "wandb", symlinks=True)
    run = load("moved", tmp_path)
    run.record |= {key: local.record[key] for key in kept}
    same(run, local)
    assert run.text.splitlines()[0].startswith("type1,type2,")


def test_two_offline_runs_of_a_resumed_run_are_one(trained, tmp_path, monkeypatch):
    (log,) = (trained / "wandb").glob("offline-run-*/run-*.wandb")
    for name in ("offline-run-1-a", "offline-run-2-b"):
        (tmp_path / "r" / "wandb" / name).mkdir(parents=True)
        shutil.copy(log, tmp_path / "r" / "wandb" / name / f"run-{name[-1]}.wandb")
    run, once = load("r", tmp_path), load(str(log), tmp_path)
    assert run.rows == once.rows  # the second starts at step 0, so that nothing of the first is left
    inspected = read.inspect

    def renamed(path):
        lines = inspected(path)
        for line in lines:
            if line["type"] == "run" and path.name == "run-a.wandb":
                line["run"]["display_name"] = "another"
        return lines

    monkeypatch.setattr(read, "inspect", renamed)
    with pytest.raises(UserError, match="r has several W&B runs: another, stats"):
        load("r", tmp_path)


def test_an_offline_run_that_was_cut_is_read_up_to_there(trained, tmp_path, monkeypatch):
    (log,) = (trained / "wandb").glob("offline-run-*/run-*.wandb")
    whole = log.read_bytes()
    folder = tmp_path / "offline-run-1-cut"
    folder.mkdir()
    cut = folder / "run-cut.wandb"
    cut.write_bytes(whole[: int(0.8 * len(whole))])
    run = load(str(folder), tmp_path)
    every = len(load(str(log), tmp_path).rows)
    assert 0 < len(run.rows) < every
    assert run.record["status"] == "running"  # its process, this one, lives
    monkeypatch.setattr(record, "_process", lambda pid: None)
    assert load(str(folder), tmp_path).record["status"] == "killed"
    cut.write_bytes(whole[:7])  # what W&B has written before its first flush, 15 seconds after the start
    with pytest.raises(UserError, match="was killed before it wrote anything"):
        load(str(folder), tmp_path)
    cut.write_bytes(b"not W&B's")
    with pytest.raises(UserError):
        load(str(folder), tmp_path)


class Server:
    """What wandb.Api gives of a run."""

    def __init__(self):
        self.name, self.state, self.summary = "far", "crashed", {"val/loss": 1.0}
        told = {"status": "running", "host": "elsewhere", "data_hash": "abc", "images_seen": 0}
        self.config = CONFIG | {"record": told}

    def scan_history(self):
        yield {"_step": 0, "trainer/global_step": 4, "images": 16, "train/loss": 3.0, "val/loss": None}
        yield {"_step": 1, "trainer/global_step": 5, "images": 32, "val/loss": "NaN"}
        grid = {"_type": "images/separated", "filenames": ["media/images/samples/grid.png"]}
        yield {"_step": 2, "trainer/global_step": 5, "images": 32, "samples/grid": grid}

    def file(self, path):
        def download(root, replace):
            place = Path(root) / path
            place.parent.mkdir(parents=True)
            place.write_bytes(png())
            return open(place, "rb")

        return SimpleNamespace(download=download)


def test_a_run_on_wandbs_server(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb, "Api", lambda timeout: SimpleNamespace(run=lambda path: asked.append(path) or Server()))
    run = load("me/pokegen/4f2k9x1a", tmp_path)
    assert asked == ["me/pokegen/4f2k9x1a"]
    assert (run.name, run.config, run.record["status"]) == ("far", FLAT, "killed")
    assert (run.record["data_hash"], run.images_seen) == ("abc", 32)
    assert values(run, "train/loss") == [[4], [3]]
    assert np.isnan(run.points("val/loss", "images")[1]).all()
    assert (run.picture, run.drawn) == (png(), 32)


def test_what_the_server_refuses_is_told(tmp_path, monkeypatch):
    def refuse(timeout):
        raise wandb.errors.CommError("Could not find run\n <Run me/pokegen/1>")

    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb, "Api", refuse)
    with pytest.raises(UserError, match="Cannot read me/pokegen/1 from W&B: Could not find run <Run"):
        load("me/pokegen/1", tmp_path)


def test_many_runs_are_named_in_part(tmp_path):
    for i in range(23):
        make(tmp_path, f"r{i:02}", metrics=())
    with pytest.raises(UserError, match=r"r00, .*r19 and 3 more\.$"):
        load("none", tmp_path)


def test_json_lines_that_are_none_are_told(tmp_path, monkeypatch):
    done = SimpleNamespace(returncode=1, stdout="", stderr="Usage\nNo such command 'inspect'.")
    monkeypatch.setattr(read.subprocess, "run", lambda *_, **__: done)
    folder = tmp_path / "run-1"
    folder.mkdir()
    (folder / "run-1.wandb").write_bytes(json.dumps({}).encode())
    with pytest.raises(UserError, match=r"which wandb has from 0\.31 on: No such command"):
        load(str(folder), tmp_path)


def offline(root, *rows):
    """An offline W&B run whose history is these rows, and what `wandb leet inspect` tells of it."""
    run = root / "offline-run-1-a"
    (run / "files").mkdir(parents=True)
    (run / "run-a.wandb").write_bytes(b"")
    lines = [{"type": "run", "run": {"display_name": "far", "config": {"update": dict(CONFIG)}}}]
    return run, lines + [{"type": "history", "history": {"item": row}} for row in rows]


def test_the_files_of_a_wandb_run_are_not_elsewhere(tmp_path, monkeypatch):
    run, lines = offline(tmp_path, {"samples/grid.filenames": ["grid.png"], "images": 4})
    monkeypatch.setattr(read, "inspect", lambda log: lines)
    (run / "files" / "grid.png").write_bytes(png())
    assert load(str(run), tmp_path).picture == png()
    (run / "files").rename(tmp_path / "elsewhere")
    (run / "files").symlink_to(tmp_path / "elsewhere")
    assert load(str(run), tmp_path).picture is None


def test_a_sample_grid_starts_no_program(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: started.append(1))
    run, lines = offline(tmp_path, {"samples/grid.filenames": ["grid.png"], "images": 4})
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (run / "files" / "grid.png").write_bytes(eps)
    monkeypatch.setattr(read, "inspect", lambda log: lines)
    assert load(str(run), tmp_path).picture is None
    assert not started


@pytest.mark.parametrize(
    "lines",
    [
        [{"type": "run", "run": [1]}],
        [{"type": "config", "config": {"update": [1]}}],
        [{"type": "run", "run": {"config": {"update": CONFIG}}}, {"type": "history", "history": {"item": [1]}}],
        [
            {"type": "run", "run": {"config": {"update": CONFIG}}},
            {"type": "history", "history": {"item": {"_step": "x"}}},
        ],
    ],
)
def test_a_wandb_run_of_other_kinds_is_told(tmp_path, monkeypatch, lines):
    run, _ = offline(tmp_path)
    monkeypatch.setattr(read, "inspect", lambda log: lines)
    with pytest.raises(UserError, match="is not a W&B run"):
        load(str(run), tmp_path)


def test_values_of_other_kinds_in_a_record_are_left_out(tmp_path):
    run = make(tmp_path, status=["finished"], seconds=float("inf"), commit=7, images_seen="many", gpu="a")
    assert record.read(run) == {"gpu": "a"}


def test_a_sample_of_no_decimal_number_is_left_out(tmp_path):
    run = make(tmp_path)
    (run / "samples").mkdir()
    (run / "samples" / "²³.csv").write_text("x")
    assert load("a", tmp_path).text is None
