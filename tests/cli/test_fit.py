"""`pokegen fit` and its like: what a run leaves, how it goes on after a kill, and what a mistake is answered."""

import csv
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from forked import next_change, start
from jsonargparse import Namespace

from pokegen.cli import fit
from pokegen.cli.main import main
from pokegen.data.sprites import import_sprites
from pokegen.errors import DataError, UserError
from pokegen.tracking import runs
from pokegen.trainers.base import TrainingModule

NETS = {
    "gan": ["generator.init_args.width=4", "discriminator.init_args.width=4"],
    "cgan": ["generator.init_args.width=8", "discriminator.init_args.width=8"],
    "projected_gan": ["generator.init_args.width=8", "discriminator.init_args={width: 8, widths: [4, 4, 4, 4]}"],
    "dcgan": ["generator.init_args.width=4", "discriminator.init_args.width=4"],
    "vae": ["network.init_args.width=4", "network.init_args.latent_dim=8"],
    "cvae": ["network.init_args.width=4", "network.init_args.latent_dim=8"],
    "tokenizer": ["network.init_args.width=4", "discriminator.init_args.width=4", "adversarial_start=8"],
    "autoregressive": [
        *(f"network.init_args.{key}" for key in ("tokenizer_checkpoint=", "tokenizer_width=4", "width=16", "depth=1")),
        "network.init_args.levels=[4,3]",
    ],
}
COLUMNS = {  # of the metrics, and first the one by which a row of training is told
    "cvae": ["train/loss", "train/mse", "train/kl", "val/elbo"],
    "tokenizer": ["train/loss", "train/l1", "train/edges", "train/generator", "train/discriminator", "val/loss"],
    "autoregressive": ["train/loss", "train/bits", "val/loss", "val/bits"],
}
BATCH, EPOCH = 8, 16  # images


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A user's folder, which is not the checkout: the shipped configs must be found from there too."""
    monkeypatch.chdir(tmp_path)


def words(imported, name="vae", verb="fit", log="csv", epochs=1, **options):
    """The command line of a run of a second or less."""
    settings = {
        "data.init_args.root": imported,
        "data.init_args.games": "null",
        "data.init_args.batch_size": BATCH,
        "data.init_args.epoch_images": EPOCH,
        "trainer.accelerator": "cpu",
        "trainer.max_epochs": epochs,
        "trainer.limit_val_batches": 1,
        "trainer.log_every_n_steps": 1,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "log": log,
    }
    nets = [f"--model.init_args.{setting}" for setting in NETS[name]]
    return [verb, "--config", f"configs/{name}.yaml", *nets, *(f"--{k}={v}" for k, v in (settings | options).items())]


def one_line(capsys, argv):
    """The line that a mistake gets."""
    capsys.readouterr()
    assert main(argv) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pokegen: ")]
    assert len(said) == 1
    assert "Traceback" not in said[0]
    return said[0]


def checkpoint(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def images_seen(run):
    return int(checkpoint(run)["state_dict"]["images_seen"])


def metrics(run, version=0):
    with open(run / "csv" / f"version_{version}" / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["gan", "dcgan", "cgan", "projected_gan", *COLUMNS])
def test_a_run_leaves_config_checkpoint_samples_and_metrics(name, imported, tmp_path):
    assert main(words(imported, name)) == 0
    run = tmp_path / "runs" / name
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["init_args"]["batch_size"] == BATCH
    assert config["data"]["init_args"]["flip"] == 0.5  # what was not set is told too
    assert config["seed_everything"] == 0
    assert checkpoint(run)["global_step"] == EPOCH // BATCH
    assert images_seen(run) == EPOCH
    drawn = [] if name == "tokenizer" else [f"{EPOCH:010d}.png"]
    assert [p.name for p in (run / "samples").glob("*")] == drawn
    rows = metrics(run)
    columns = COLUMNS.get(name, ["train/real", "train/fake", "train/generator", "train/discriminator"])
    assert [row["images"] for row in rows if row[columns[0]]] == ["8", "16"]
    assert set(columns) <= rows[0].keys()
    assert not (run / "wandb").exists()


def test_a_trained_tokenizer_goes_into_the_model_of_its_codes(imported, tmp_path, capsys):
    small = {"log": "off", "model.init_args.network.init_args.levels": "[4,3]"}
    assert main(words(imported, "tokenizer", **small)) == 0
    assert main(["zoo", "export", "runs/tokenizer", "codes"]) == 0
    options = {"log": "off", "model.init_args.network.init_args.tokenizer_checkpoint": "codes"}
    assert main(words(imported, "autoregressive", **options)) == 0
    trained, taken = (checkpoint(tmp_path / "runs" / name)["state_dict"] for name in ("tokenizer", "autoregressive"))
    keys = [key for key in trained if key.startswith("ema.")]
    assert keys
    for key in keys:  # the export is in float16
        assert torch.allclose(trained[key].float(), taken[key.replace("ema.", "ema.tokenizer.")].float(), atol=1e-3)
    (tmp_path / "codes" / "config.yaml").unlink()
    assert main(words(imported, "autoregressive", epochs=2, ckpt_path="last", **options)) == 0  # not needed any more
    options["model.init_args.network.init_args.tokenizer_checkpoint"] = "nowhere"
    assert "Unknown model 'nowhere'" in one_line(capsys, words(imported, "autoregressive", **options))


def test_a_run_begins_with_another_s_weights(imported, tmp_path, capsys):
    assert main(words(imported, log="off")) == 0
    first = tmp_path / "runs" / "vae" / "checkpoints" / "last.ckpt"
    still = {"log": "off", "run": "still", "init_from": first, "model.init_args.lr": 0}
    assert main(words(imported, **still)) == 0
    net, begun = (checkpoint(tmp_path / "runs" / name)["state_dict"] for name in ("vae", "still"))
    weights = [key for key in net if key.startswith("net.") and key.endswith("weight")]
    assert weights and all(net[key].equal(begun[key]) for key in weights)
    assert images_seen(tmp_path / "runs" / "still") == EPOCH
    (tmp_path / "broken.ckpt").write_text("no checkpoint")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "foreign.ckpt")  # another tool's, without a state_dict
    for path in ("nowhere.ckpt", "broken.ckpt", "foreign.ckpt"):
        assert f"{path} is not a checkpoint of a run" in one_line(capsys, words(imported, log="off", init_from=path))
    assert main(["zoo", "export", "runs/still", "still"]) == 0
    assert main(words(imported, **still | {"run": "tuned", "init_from": "still"})) == 0
    tuned = checkpoint(tmp_path / "runs" / "tuned")["state_dict"]
    assert all(torch.allclose(net[key], tuned[key], atol=1e-3) for key in weights)  # the export is in float16
    assert "| began with | run vae, whose examples come on top |" in (tmp_path / "still" / "README.md").read_text()


def test_the_same_command_trains_the_same_weights_in_a_folder_of_its_own(imported, tmp_path):
    for _ in range(3):
        assert main(words(imported, log="off")) == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["vae", "vae-2", "vae-3"]
    first, second = (checkpoint(tmp_path / "runs" / name)["state_dict"] for name in ("vae", "vae-2"))
    assert all(value.equal(second[key]) for key, value in first.items())
    assert main(words(imported, log="off", seed_everything=1, run="other")) == 0
    other = checkpoint(tmp_path / "runs" / "other")["state_dict"]
    assert not all(value.equal(other[key]) for key, value in first.items())


def test_log_off_leaves_no_logs(imported, tmp_path):
    assert main(words(imported, log="off")) == 0
    found = sorted(p.name for p in (tmp_path / "runs" / "vae").iterdir())
    assert found == ["checkpoints", "config.yaml", "run.json", "samples"]


def test_resume_goes_on_where_the_run_stopped(imported, tmp_path):
    assert main(words(imported)) == 0
    run = tmp_path / "runs" / "vae"
    assert main(words(imported, epochs=3, ckpt_path="last")) == 0
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["vae"]
    state = checkpoint(run)
    assert state["epoch"] == 2
    assert state["global_step"] == 3 * EPOCH // BATCH
    assert int(state["state_dict"]["images_seen"]) == 3 * EPOCH
    steps = {int(s["step"]) for s in state["optimizer_states"][0]["state"].values()}
    assert steps == {3 * EPOCH // BATCH}  # AdamW's moments went on as well
    assert {row["epoch"] for row in metrics(run, 0)} == {"0"}
    assert {row["epoch"] for row in metrics(run, 1)} == {"1", "2"}
    assert len(list((run / "samples").iterdir())) == 3


@pytest.mark.parametrize("name", ["cgan", "vae"])
def test_a_resumed_training_equals_an_undisturbed_one(name, imported, tmp_path):
    """Bit for bit, on one thread: noise, augmentation and the order of images go on too."""
    assert main(words(imported, name, run="whole", epochs=4)) == 0
    assert main(words(imported, name, run="halves", epochs=2)) == 0
    assert main(words(imported, name, run="halves", epochs=4, ckpt_path="last")) == 0
    whole, halves = (checkpoint(tmp_path / "runs" / run)["state_dict"] for run in ("whole", "halves"))
    assert {key for key in whole if not whole[key].equal(halves[key])} == set()


def test_a_runs_own_config_resumes_it_or_starts_another(imported, tmp_path):
    assert main(words(imported, run="mine")) == 0
    config = ["fit", "--config", str(tmp_path / "runs" / "mine" / "config.yaml")]
    assert main([*config, "--ckpt_path", "last", "--trainer.max_epochs", "2"]) == 0
    assert images_seen(tmp_path / "runs" / "mine") == 2 * EPOCH
    assert main([*config, "--trainer.max_epochs", "1"]) == 0  # of the settings, not of the weights
    assert images_seen(tmp_path / "runs" / "mine-2") == EPOCH
    assert images_seen(tmp_path / "runs" / "mine") == 2 * EPOCH


def test_a_run_may_start_from_a_checkpoint_of_another(imported, tmp_path):
    assert main(words(imported)) == 0
    path = tmp_path / "runs" / "vae" / "checkpoints" / "last.ckpt"
    assert main(words(imported, epochs=2, ckpt_path=path, run="more")) == 0
    assert images_seen(tmp_path / "runs" / "more") == 2 * EPOCH
    assert images_seen(tmp_path / "runs" / "vae") == EPOCH


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_scoring_takes_the_last_checkpoint_and_changes_nothing(verb, imported, tmp_path, capsys):
    assert main(words(imported)) == 0
    before = files(tmp_path)
    capsys.readouterr()
    stage = "val" if verb == "validate" else verb
    assert main(words(imported, verb=verb)) == 0
    assert f"{stage}/loss" in capsys.readouterr().out
    assert files(tmp_path) == before


def test_validate_shows_what_the_run_had_logged(imported, tmp_path, capsys):
    assert main(words(imported)) == 0
    logged = [float(row["val/mse"]) for row in metrics(tmp_path / "runs" / "vae") if row["val/mse"]]
    capsys.readouterr()
    assert main(words(imported, verb="validate")) == 0
    shown = next(line for line in capsys.readouterr().out.splitlines() if "val/mse" in line)
    assert float(shown.split()[3]) == pytest.approx(logged[-1], rel=1e-4)


def test_wandb_offline_writes_beside_the_run_and_runs_do_not_clash(imported, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")  # as on a machine where nobody has logged in
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(words(imported, log="wandb")) == 0
    assert main(words(imported, log="wandb")) == 0
    assert main(words(imported, log="wandb", ckpt_path="last", epochs=2)) == 0  # in the first one's folder
    for name, count in (("vae", 2), ("vae-2", 1)):
        records = list((tmp_path / "runs" / name / "wandb").glob("offline-run-*/*.wandb"))
        assert len(records) == count
        for record in records:
            content = record.read_bytes()
            assert b"train/loss" in content
            assert b"latent_dim" in content  # the configuration
        assert metrics(tmp_path / "runs" / name)
    assert images_seen(tmp_path / "runs" / "vae") == 2 * EPOCH


def test_the_smoke_experiment_runs_behind_a_sprite_config(tmp_path):
    argv = ["fit", "--config", "configs/cgan.yaml", "--config", "configs/experiment/smoke.yaml"]
    data = ["root=sample", "species=40", "variants=1", "epoch_images=16"]
    assert main([*argv, "--trainer.accelerator=cpu", *(f"--data.init_args.{setting}" for setting in data)]) == 0
    run = tmp_path / "runs" / "smoke"
    assert images_seen(run) == 32
    assert (run / "csv").is_dir()
    assert not (run / "wandb").exists()


MISTAKES = {
    "a misspelt option": (["--trainer.max_epoch=3"], "--trainer.max_epoch"),
    "a word as number": (["--trainer.max_epochs=abc"], "trainer.max_epochs: expected int or null, got 'abc'."),
    "a word as width": (["--model.init_args.network.init_args.width=x"], "model.network.width: expected int, got 'x'."),
    "a class that is none": (["--model=Vea"], "model: expected a class, such as pokegen.models.vae.VAE, got 'Vea'."),
    "an option's value is missing": (["--trainer.max_epochs"], "trainer.max_epochs: expected one argument"),
    "no such accelerator": (["--trainer.accelerator=quantum"], "quantum"),
    "no data": (["--data.init_args.root=nosuch"], "pokegen data import PATH --out nosuch"),
    "no such game": (["--data.init_args.games=[emerald]"], "No game 'emerald'"),
    "no such style": (["--data.init_args.styles=[cubist]"], "Unknown style 'cubist'. Known styles: artwork"),
    "an empty batch": (["--data.init_args.batch_size=0"], "must be at least batch_size (0)"),
    "no such log": (["--log=tensorboard"], "Unknown log 'tensorboard'. Known: wandb, csv, off."),
    "no such checkpoint": (["--ckpt_path=nosuch.ckpt"], "No checkpoint at nosuch.ckpt"),
    "nothing to resume": (["--ckpt_path=last"], "No checkpoint to resume at runs/vae/checkpoints/last.ckpt"),
    "a path for a name": (["--run=../mine"], "--run must be a name without a folder, got '../mine'"),
    "a seed of letters": (["--seed_everything=x"], "seed_everything: expected"),
    "an early stop by nothing": (
        ["--trainer.callbacks=[{class_path: EarlyStopping, init_args: {monitor: val/los}}]"],
        "`val/los` which is not available",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_and_leaves_nothing(mistake, imported, tmp_path, capsys):
    options, says = MISTAKES[mistake]
    assert says in one_line(capsys, [*words(imported), *options])
    trained = mistake == "an early stop by nothing"  # which only the first validation tells
    assert (tmp_path / "runs" / "vae").exists() == trained


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trainer: {max_epoch: 3}", ["'trainer.max_epoch'"]),
        ("trainr: {max_epochs: 3}", ["'trainr.max_epochs'"]),
        ("model: {init_args: {lrr: 1}}", ["model: unknown key 'lrr'", "network, lr, weight_decay"]),
        ("model: {init_args: {network: {init_args: {latnt_dim: 4}}}}", ["'latnt_dim'", "latent_dim, width"]),
        ("data: {init_args: {batchsize: 4}}", ["data: unknown key 'batchsize'", "root, batch_size"]),
        (
            "data: {class_path: pokegen.data.modules.SampleSpriteDataModule, init_args: {specis: 4}}",
            ["'specis'", "species, variants", "batch_size"],  # its parent's keys as well
        ),
        (
            "model: {class_path: pokegen.trainers.likelihood.Likely}",
            ["no class 'Likely' in pokegen.trainers.likelihood"],
        ),
        ("model: [1,", ["mine.yaml, line 2: not YAML"]),
        ("model", ["mine.yaml", "expected YAML keys such as model", "got 'model'"]),
        ("", ["mine.yaml", "expected YAML keys"]),
    ],
)
def test_a_mistake_in_a_config_names_its_key(text, says, imported, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(text)
    argv = words(imported)
    line = one_line(capsys, [*argv[:3], "--config", "mine.yaml", *argv[3:]])
    for part in says:
        assert part in line
    assert not (tmp_path / "runs").exists()


def test_an_unknown_config_lists_the_shipped_ones(tmp_path, capsys):
    for argv in (["fit", "--config", "cgna.yaml"], ["fit", "--config=cgna.yaml"], ["validate", "-c", "cgna.yaml"]):
        line = one_line(capsys, argv)
        assert "No config 'cgna.yaml'. Near: configs/cgan.yaml" in line
        assert "configs/NAME.yaml, NAME being autoregressive, cgan, cvae, dcgan, " in line
    assert "Near: configs/experiment/smoke.yaml" in one_line(capsys, ["fit", "--config", "experiment/smok.yaml"])
    assert "--config" in one_line(capsys, ["fit", "--config"])
    assert "--config configs/cgan.yaml" in one_line(capsys, ["fit"])
    assert list(tmp_path.iterdir()) == []


def test_runs_that_cannot_be_written_are_told(imported, tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    for place in ("file", "file/below"):
        assert f"Cannot write to {place}/vae" in one_line(capsys, words(imported, runs=place))
    assert (tmp_path / "file").read_text() == "precious"


def test_a_checkpoint_that_does_not_fit_or_load_is_told(imported, tmp_path, capsys):
    assert main(words(imported)) == 0
    path = tmp_path / "runs" / "vae" / "checkpoints" / "last.ckpt"
    before = path.read_bytes()
    wider = [*words(imported, ckpt_path="last", epochs=2), "--model.init_args.network.init_args.width=5"]
    line = one_line(capsys, wider)
    assert "of another model: size mismatch" in line
    assert "config.yaml" in line
    assert path.read_bytes() == before
    for content in (b"", b"junk", before[:5000]):
        (tmp_path / "cut.ckpt").write_bytes(content)
        assert "cut.ckpt is no checkpoint" in one_line(capsys, words(imported, ckpt_path="cut.ckpt"))
    torch.save({"weight": torch.zeros(2)}, tmp_path / "cut.ckpt")
    assert "cut.ckpt is no checkpoint" in one_line(capsys, words(imported, ckpt_path="cut.ckpt"))
    assert [run.name for run in (tmp_path / "runs").iterdir()] == ["vae"]  # nothing is left of the tries


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("callbacks", "lightning.pytorch.callbacks.ModelSummary"),
        ("plugins", "lightning.pytorch.plugins.environments.LightningEnvironment"),
    ],
)
def test_a_single_callback_or_plugin_is_as_good_as_a_list(imported, key, kind):
    assert main([*words(imported, log="off"), f"--trainer.{key}={kind}"]) == 0


def test_scoring_without_a_run_is_told_and_makes_none(imported, tmp_path, capsys):
    assert main(words(imported, run="mine")) == 0
    line = one_line(capsys, words(imported, verb="validate"))
    assert "No checkpoint to resume at runs/vae/" in line
    assert "Runs with one: mine" in line
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["mine"]


def test_a_write_that_is_cut_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    writer = runs.AtomicCheckpointIO()
    writer.save_checkpoint({"epoch": 1}, path)
    save = torch.save

    def cut(content, file):
        save(content, file)
        file.truncate(file.tell() // 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        writer.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert list(tmp_path.glob("*.ckpt")) == [path]


def test_new_runs_never_share_a_folder(tmp_path):
    assert [runs.new_run(tmp_path, "a").name for _ in range(3)] == ["a", "a-2", "a-3"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="Not a directory"):
        runs.new_run(tmp_path / "file", "a")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(OSError, match="File exists"):
        runs.new_run(tmp_path / "nowhere", "a")
    with pytest.raises(UserError, match=r"Runs with one: none"):
        runs.last_checkpoint(tmp_path / "a")


def test_sigkill_at_any_moment_leaves_a_checkpoint_to_resume_from(imported, tmp_path):
    """Three starts of one run, each killed at a moment of chance after its second checkpoint."""
    run, chance, seen = tmp_path / "runs" / "vae", random.Random(0), 0
    last, said = run / "checkpoints" / "last.ckpt", tmp_path / "said"
    for attempt in range(3):
        resume = {"ckpt_path": "last"} if attempt else {}
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = start(words(imported, epochs=100_000, **resume), said)
        try:
            next_change(last, process, said, next_change(last, process, said, before))
            time.sleep(chance.uniform(0, 0.4))
        finally:
            process.kill()
            process.join()
        found = list((run / "checkpoints").glob("*.ckpt"))
        assert last in found
        for path in found:
            torch.load(path, weights_only=True)
        assert images_seen(run) >= seen + 2 * EPOCH
        assert checkpoint(run)["epoch"] == images_seen(run) // EPOCH - 1
        seen = images_seen(run)
    assert main(words(imported, epochs=seen // EPOCH + 1, ckpt_path="last")) == 0
    assert images_seen(run) == seen + EPOCH
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["vae"]


def test_two_processes_make_one_run(imported, tmp_path):
    """Lightning starts the second by the same command, which must not make a run of its own."""
    settings = {"trainer.devices": 2, "trainer.strategy": "ddp_find_unused_parameters_true", "score_images": 0}
    command = [sys.executable, "-m", "pokegen.cli.main", *words(imported, "dcgan", **settings)]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["dcgan"]
    assert images_seen(tmp_path / "runs" / "dcgan") == EPOCH  # of both together
    assert [row["images"] for row in metrics(tmp_path / "runs" / "dcgan")] == ["16"]


def test_a_mistake_found_by_a_worker_is_one_line():
    said = DataError(
        "Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        "  File …\npokegen.errors.DataError: face.jpg is no picture. Unpack it anew.\n"
    )
    assert str(fit._user_error(said)) == "face.jpg is no picture. Unpack it anew."
    plain = DataError("one line: as it is")
    assert fit._user_error(plain) is plain


def test_a_run_of_an_earlier_version_resumes_and_is_exported(imported, tmp_path):
    """Its config has the class paths of then, its checkpoint the state of the same nets."""
    assert main(words(imported, "dcgan")) == 0
    config = tmp_path / "runs" / "dcgan" / "config.yaml"
    text = config.read_text()
    for new, old in (
        ("pokegen.trainers.adversarial.AdversarialModule", "pokegen.models.training.AdversarialModule"),
        ("pokegen.models.dcgan.DCGANGenerator", "pokegen.models.dcgan.Generator"),
        ("pokegen.models.dcgan.DCGANDiscriminator", "pokegen.models.dcgan.Discriminator"),
    ):
        assert new in text
        text = text.replace(new, old)
    config.write_text(text)
    assert main(["zoo", "export", "runs/dcgan", "mine"]) == 0
    mine = tmp_path / "dcgan.yaml"  # a user's own, which does not name the run
    mine.write_text(text.replace("\nrun: dcgan\n", "\n"))
    assert "run: dcgan" not in mine.read_text()
    again = ["fit", "--config", str(mine), "--ckpt_path", "last", "--trainer.max_epochs", "2"]
    with pytest.warns(UserWarning, match="uses names of an earlier version"):
        assert main(again) == 0
    assert images_seen(tmp_path / "runs" / "dcgan") == 2 * EPOCH
    assert main(["sprites", "--model", "mine", "--count", "2"]) == 0


@pytest.mark.parametrize(
    ("verb", "instead"), [("validate", "pokegen evaluate sprites"), ("predict", "`predict` reads keys from video")]
)
def test_what_a_gan_cannot_do_is_said_with_what_can(verb, instead, imported, tmp_path, capsys):
    assert main(words(imported, "dcgan", score_images=0)) == 0
    line = one_line(capsys, words(imported, "dcgan", verb=verb, score_images=0))
    assert f"AdversarialModule: nothing to {verb}" in line
    assert instead in line


def test_a_trainer_of_ones_own_needs_no_network(imported):
    """Its settings have no nets whose size could follow the data's."""
    data = Namespace(class_path="pokegen.data.modules.SpriteDataModule", init_args=Namespace(size=64))
    given = Namespace(model=Namespace(class_path="mine.Trainer"), data=data)
    assert fit._shared(given) == []
    given.model.init_args = Namespace(options=Namespace(depth=3), size=7)
    assert fit._shared(given) == []


def test_size_is_given_once(drawn, tmp_path):
    large = import_sprites(drawn, tmp_path / "large", size=256, workers=1).folder
    assert main([*words(large, "cgan", score_images=0), "--data.size", "256"]) == 0
    state = checkpoint(tmp_path / "runs" / "cgan")["state_dict"]
    config = yaml.safe_load((tmp_path / "runs" / "cgan" / "config.yaml").read_text())
    nets = config["model"]["init_args"]
    assert [nets[net]["init_args"]["size"] for net in ("generator", "discriminator")] == [256, 256]
    assert "generator.blocks.4.conv.weight" in state  # of the block that reaches 128, which 256 is the double of


@pytest.mark.parametrize("side", ["data", "model.discriminator"])
def test_a_size_of_either_side_is_taken_by_the_other(side, capsys):
    assert main(["fit", "--config", "configs/cgan.yaml", f"--{side}.size=64", "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    nets = config["model"]["init_args"]
    assert [nets[net]["init_args"]["size"] for net in ("generator", "discriminator")] == [64, 64]
    assert config["data"]["init_args"]["size"] == 64


def test_two_sizes_are_refused_even_if_one_is_the_default(capsys):
    options = ["--data.size=64", "--model.generator.size=128"]
    line = one_line(capsys, ["fit", "--config", "configs/cgan.yaml", *options])
    assert "data.size is 64, but model.generator.size is 128. Set one of them alone." in line


def test_classes_go_by_their_names_alone(imported, tmp_path):
    nets = ["--model.generator", "DCGANGenerator", "--model.discriminator", "DCGANDiscriminator"]
    nets += ["--model.generator.width", "4", "--model.discriminator.width", "4"]
    data = ["--data", "SpriteDataModule", "--data.root", str(imported), "--data.batch_size", "8"]
    limits = ["--data.epoch_images", "8", "--trainer.max_epochs", "1", "--score_images", "0", "--log", "off"]
    assert main(["fit", "--model", "AdversarialModule", *nets, *data, *limits, "--run", "short"]) == 0
    assert main(["zoo", "export", "runs/short", "mine"]) == 0
    config = yaml.safe_load((tmp_path / "mine" / "config.yaml").read_text())
    assert config["class_path"] == "pokegen.models.dcgan.DCGANGenerator"
    assert main(["sprites", "--model", "mine", "--count", "2"]) == 0


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ("--trainer.logger=false", "choose it with --log wandb, csv or off"),
        ("--trainer.default_root_dir=here", "choose the folder of all runs with --runs"),
        ("--optimizer=Adam", "Set their learning rates by the model's options"),
        ("--lr_scheduler.gamma=0.5", "Set their learning rates by the model's options"),
    ],
)
def test_what_pokegen_sets_itself_is_refused_with_what_to_set_instead(option, instead, imported, tmp_path, capsys):
    assert instead in one_line(capsys, [*words(imported), option])
    assert not (tmp_path / "runs").exists()


def test_the_help_of_a_model_lists_our_networks_alone(capsys):
    assert main(["fit", "--model.help", "LikelihoodModule"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "pokegen.models.VAE" in shown
    assert "torch.nn" not in shown
    assert len(shown) < 8000


def record(tmp_path, name="vae"):
    return json.loads((tmp_path / "runs" / name / "run.json").read_text())


@pytest.mark.parametrize(
    ("name", "rate"), [("vae", "lr"), ("dcgan", "generator_lr"), ("dcgan", "discriminator_lr"), ("tokenizer", "lr")]
)
def test_a_training_that_leaves_the_finite_numbers_stops_and_is_told(name, rate, imported, tmp_path, capsys):
    line = one_line(capsys, words(imported, name, epochs=9, score_images=0, **{f"model.init_args.{rate}": 1e30}))
    assert "Training stopped at step" in line
    assert "Lower the learning rate" in line
    assert record(tmp_path, name)["status"] == "failed"
    assert "Training stopped at step" in record(tmp_path, name)["error"]
    for path in (tmp_path / "runs" / name / "checkpoints").glob("*.ckpt"):
        weights = torch.load(path, weights_only=True)["state_dict"].values()
        assert all(bool(w.isfinite().all()) for w in weights)


def test_a_checkpoint_that_is_not_finite_never_replaces_a_good_one(imported, tmp_path, monkeypatch, capsys):
    assert main(words(imported)) == 0
    folder = tmp_path / "runs" / "vae" / "checkpoints"
    good = {path.name: path.read_bytes() for path in folder.iterdir()}
    count = TrainingModule.count

    def spoil(self, images):
        count(self, images)
        next(self.ema.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(TrainingModule, "count", spoil)
    line = one_line(capsys, words(imported, epochs=2, ckpt_path="last"))
    assert "(ema." in line
    assert "runs/vae/checkpoints/last.ckpt. Lower the learning rate" in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == good
    assert record(tmp_path)["status"] == "failed"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_interrupts_the_run(number, status, imported, tmp_path, capsys):
    last, said = tmp_path / "runs" / "vae" / "checkpoints" / "last.ckpt", tmp_path / "said"
    process = start(words(imported, epochs=100_000), said)
    try:
        next_change(last, process, said)
        line = one_line(capsys, words(imported, ckpt_path="last"))  # two would write to one run
        assert "Another pokegen is writing to runs/vae" in line
        os.kill(process.pid, number)
        process.join(60)
        assert process.exitcode == status
    finally:
        process.kill()
        process.join()
    assert record(tmp_path)["status"] == "interrupted"
    assert [path.name for path in last.parent.glob(".*")] == []


def test_a_fast_trial_leaves_no_run(imported, tmp_path):
    assert main(words(imported, **{"trainer.fast_dev_run": 1})) == 0
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_full_disk_at_a_checkpoint_is_told_and_keeps_the_last(imported, tmp_path, monkeypatch, capsys):
    assert main(words(imported)) == 0
    folder = tmp_path / "runs" / "vae" / "checkpoints"
    good = {path.name: path.read_bytes() for path in folder.iterdir()}
    save = torch.save

    def full(content, file):
        file.write(b"half")
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("unexpected pos 64 vs 0") from error  # as torch says it

    monkeypatch.setattr(torch, "save", full)
    line = one_line(capsys, words(imported, epochs=2, ckpt_path="last"))
    assert "No space left on device. Free some space, or choose another place with --runs." in line
    monkeypatch.setattr(torch, "save", save)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == good
    assert record(tmp_path)["status"] == "failed"


def test_a_start_says_what_a_user_can_use_alone(imported, tmp_path):
    """Not what Lightning and W&B say of themselves, such as which accelerators are not there."""
    command = [
        sys.executable,
        "-m",
        "pokegen.cli.main",
        *words(imported, log="wandb", score_images=0, **{"trainer.precision": "32-true"}),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = ["Seed set to 0", "run runs/vae", "`Trainer.fit` stopped: `max_epochs=1` reached."]
    assert [line for line in done.stderr.splitlines() if "sprites are used" not in line] == told
    assert list((tmp_path / "runs" / "vae" / "wandb").glob("offline-run-*/*.wandb"))
