"""What a run of `pokegen fit` leaves in its folder and in W&B's, and that losing a log never loses the training."""

import csv
import json

import pytest
import torch
import wandb
import yaml
from lightning.fabric.loggers.csv_logs import _ExperimentWriter
from lightning.pytorch.utilities.exceptions import SIGTERMException

from pokegen.cli.main import main
from pokegen.schema import TYPES
from pokegen.tracking import read, record
from pokegen.trainers.base import TrainingModule
from pokegen.trainers.likelihood import LikelihoodModule

SMALL = {
    "stats": ["network.init_args.width=8", "network.init_args.layers=1"],
    "names": ["network.init_args.width=16", "network.init_args.heads=1", "network.init_args.layers=1"],
    "vae": ["network.init_args.width=4", "network.init_args.latent_dim=4"],
    "cgan": ["generator.init_args.width=8", "discriminator.init_args.width=8"],
}
EPOCH = 64  # images


def words(folder, name="stats", **options):
    """The command line of a run of about a second: two epochs of two batches."""
    settings = {
        "runs": folder,
        "log": "wandb",
        "trainer.accelerator": "cpu",
        "trainer.max_epochs": 2,
        "trainer.limit_train_batches": 2,
        "trainer.log_every_n_steps": 1,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "data.init_args.batch_size": 32,
    }
    nets = [f"--model.init_args.{setting}" for setting in SMALL[name]]
    return ["fit", "--config", f"configs/{name}.yaml", *nets, *(f"--{k}={v}" for k, v in (settings | options).items())]


def images(imported, **options):
    """Options of a run on drawn sprites."""
    data = {"root": imported, "games": "null", "epoch_images": EPOCH}
    return {f"data.init_args.{key}": value for key, value in data.items()} | options


def log_of(run):
    """The records of the run's only W&B file, by type."""
    (log,) = read.wandb_logs(run)
    found = {}
    for line in read.inspect(log):
        found.setdefault(line["type"], []).append(line.get(line["type"]) or {})
    return log.parent, found


def config_of(found):
    config = {}
    for update in found["config"]:
        config |= update["update"]
    return config


def versions(found):
    """The aliases of each version of the checkpoint's artifact."""
    return [set(artifact["aliases"]) for artifact in found["artifact"] if artifact["type"] == "model"]


def rows(run):
    with open(run / "csv" / "version_0" / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def weights(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, imported):
    """Two runs that went well: of stats, and of the conditional GAN."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(words(folder)) == 0
        assert main(words(folder, "cgan", **images(imported))) == 0
    return folder


def test_run_json_tells_how_the_run_went_and_on_what(runs):
    for name, seen in (("stats", 2 * 64), ("cgan", 2 * EPOCH)):
        told = record.read(runs / name)
        assert (told["status"], told["error"], told["starts"], told["images_seen"]) == ("finished", None, 1, seen)
        assert told["seeds"] == {"everything": 0, "data": 0, "samples": 0}
        assert told["torch"] == str(torch.__version__)
        assert told["gpu"] is None
        assert 0 < told["seconds"] < 600


def test_the_data_is_told_by_its_hash(runs, imported):
    assert record.read(runs / "cgan")["data_hash"] == json.loads((imported / "meta.json").read_text())["sha256"]
    assert len(record.read(runs / "stats")["data_hash"]) == 64


def test_each_row_of_metrics_tells_the_images_seen(runs):
    stats = rows(runs / "stats")
    assert [int(row["images"]) for row in stats if row["train/loss"]] == [32, 64, 96, 128]
    assert [int(row["images"]) for row in stats if row["val/loss"]] == [64, 128]
    assert all(row["images"] == str(int(float(row["train/images"]))) for row in rows(runs / "cgan"))


@pytest.mark.parametrize("name", ["stats", "cgan"])
def test_wandb_holds_the_configuration_the_record_the_metrics_and_one_artifact(name, runs):
    _, found = log_of(runs / name)
    config = config_of(found)
    assert config["model"] == yaml.safe_load((runs / name / "config.yaml").read_text())["model"]
    told = record.read(runs / name)
    for key in ("data_hash", "commit", "dirty", "pokegen", "seeds", "torch", "cpus", "gpu"):
        assert config["record"][key] == told[key]
    metrics = [item["item"] for item in found["history"]]
    logged = {key for row in metrics for key in row}
    assert {key for key in rows(runs / name)[0] if "/" in key} <= logged
    assert max(row.get("images", 0) for row in metrics) == told["images_seen"]
    checkpoints = [artifact for artifact in found["artifact"] if artifact["type"] == "model"]
    assert {artifact["name"] for artifact in checkpoints} == {f"{name}-checkpoint"}
    # cgan has nothing to choose the best by; W&B calls the newest version the latest
    assert versions(found) == ([{"last", "latest"}] if name == "cgan" else [{"best", "latest"}, {"last", "latest"}])
    assert found["exit"][0].get("exit_code", 0) == 0


def test_the_artifact_is_the_checkpoint_and_stays_it(runs):
    folder, _ = log_of(runs / "stats")
    kept, last = folder / "checkpoints" / "last.ckpt", runs / "stats" / "checkpoints" / "last.ckpt"
    before = kept.read_bytes()
    assert before == last.read_bytes()
    content = torch.load(last, weights_only=True)
    from pokegen.tracking.runs import AtomicCheckpointIO

    AtomicCheckpointIO().save_checkpoint({**content, "epoch": 99}, last)  # as a resumed run does
    assert kept.read_bytes() == before
    AtomicCheckpointIO().save_checkpoint(content, last)


def test_sample_grids_and_a_table_of_each_type(runs):
    folder, found = log_of(runs / "cgan")
    history = [item["item"] for item in found["history"]]
    grids = [row["samples/grid.filenames"] for row in history if "samples/grid.filenames" in row]
    assert len(grids) == 2
    assert all((folder / "files" / path).is_file() for (path,) in grids)
    (path,) = [row["samples/table.path"] for row in history if "samples/table.path" in row]
    table = json.loads((folder / "files" / path).read_text())
    assert table["columns"] == ["type1", "image"]
    assert [row[0] for row in table["data"]] == list(TYPES)
    (artifact,) = [artifact for artifact in found["artifact"] if artifact["type"] == "run_table"]
    pictures = [entry for entry in artifact["manifest"]["contents"] if entry["path"].endswith(".png")]
    assert len(pictures) == len(TYPES)


def test_rows_and_names_are_tables_in_words(runs, tmp_path, monkeypatch):
    folder, found = log_of(runs / "stats")
    (path,) = [i["item"]["samples/table.path"] for i in found["history"] if "samples/table.path" in i["item"]]
    table = json.loads((folder / "files" / path).read_text())
    assert [row[table["columns"].index("type1")] for row in table["data"]] == list(TYPES)
    assert {row[table["columns"].index("legendary")] for row in table["data"]} <= {"yes", "no"}
    drawn = sorted((runs / "stats" / "samples").iterdir())
    assert [p.name for p in drawn] == ["0000000064.csv", "0000000128.csv"]
    with open(drawn[-1], newline="") as file:
        samples = list(csv.DictReader(file))
    assert len(samples) == 32
    assert {row["type1"] for row in samples} <= set(TYPES)
    assert all(int(row["hp"]) > 0 for row in samples)

    monkeypatch.chdir(tmp_path)
    assert main(words(tmp_path, "names")) == 0
    folder, found = log_of(tmp_path / "names")
    (path,) = [i["item"]["samples/table.path"] for i in found["history"] if "samples/table.path" in i["item"]]
    table = json.loads((folder / "files" / path).read_text())
    assert table["columns"] == ["type1", "name"]
    assert [row[0] for row in table["data"]] == list(TYPES)


class Boom(Exception):
    """What a test throws into a run."""


def at_step(monkeypatch, step, error):
    """Let the training step of that number raise."""
    calls, training_step = [], LikelihoodModule.training_step

    def stepping(self, batch, index):
        calls.append(index)
        if len(calls) == step:
            raise error
        return training_step(self, batch, index)

    monkeypatch.setattr(LikelihoodModule, "training_step", stepping)


def test_a_run_that_fails_says_why_and_goes_on_when_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "stats"
    with monkeypatch.context() as patch:
        at_step(patch, 4, Boom("no\n more"))
        with pytest.raises(Boom):
            main(words(tmp_path))
    told = record.read(run)
    assert (told["status"], told["error"], told["images_seen"]) == ("failed", "Boom: no more", 96)
    _, found = log_of(run)
    assert found["exit"][0]["exit_code"] == 1
    assert versions(found) == [{"best", "latest"}, {"last", "latest"}]
    assert any("samples/table.path" in item["item"] for item in found["history"])

    assert main(words(tmp_path, log="csv", ckpt_path="last")) == 0
    told = record.read(run)
    assert (told["status"], told["error"], told["starts"], told["images_seen"]) == ("finished", None, 2, 128)


def test_a_run_that_is_told_to_stop_was_interrupted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    at_step(monkeypatch, 3, SIGTERMException())
    with pytest.raises(SystemExit) as stop:
        main(words(tmp_path, log="csv"))
    assert stop.value.code == 143
    told = record.read(tmp_path / "stats")
    assert (told["status"], told["error"], told["images_seen"]) == ("interrupted", None, 64)


def test_a_resumption_that_does_not_fit_leaves_the_record_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words(tmp_path, log="csv")) == 0
    before = record.read(tmp_path / "stats")
    wider = {"ckpt_path": "last", "model.init_args.network.init_args.width": 9}
    assert main(words(tmp_path, log="csv", **wider)) == 2
    assert record.read(tmp_path / "stats") == before


def fail(*_, **__):
    raise OSError(28, "No space left on device")


FAILURES = {
    "W&B does not start": (wandb, "init", "wandb"),
    "W&B has died": (wandb.sdk.wandb_run.Run, "log", "wandb"),
    "W&B takes no artifact": (wandb.sdk.wandb_run.Run, "log_artifact", "wandb"),
    "W&B takes no configuration": (wandb.sdk.wandb_config.Config, "update", "wandb"),
    "W&B cannot be finished": (wandb, "finish", "wandb"),
    "the CSV log has no room": (_ExperimentWriter, "save", "csv"),
    "run.json has no room": (record, "write", "csv"),
    "no sample can be drawn": (TrainingModule, "sample", "wandb"),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(words(folder, log="off")) == 0
    return weights(folder / "stats")


@pytest.mark.filterwarnings("ignore:.*training continues without")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_log_that_fails_costs_no_training(failure, undisturbed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    owner, name, log = FAILURES[failure]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        assert main(words(tmp_path, log=log)) == 0
    wandb.finish()
    trained = weights(tmp_path / "stats")
    assert all(value.equal(trained[key]) for key, value in undisturbed.items())
    if failure != "run.json has no room":
        assert record.read(tmp_path / "stats")["status"] == "finished"
    if failure != "the CSV log has no room":
        assert len(rows(tmp_path / "stats")) >= 4


def test_wandb_can_be_disabled(tmp_path, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(words(tmp_path)) == 0
    assert record.read(tmp_path / "stats")["status"] == "finished"
    assert not [w for w in recwarn if "training continues without" in str(w.message)]
