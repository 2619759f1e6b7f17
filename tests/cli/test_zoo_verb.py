"""`pokegen zoo`: what is shipped, and the way from a run to a checkpoint that creates."""

import json
import shutil

import pytest
import torch
import yaml
from mistakes import one_line
from PIL import Image
from safetensors.torch import load_file

from pokegen import zoo
from pokegen.cli.main import main

NAMES = ["layers=1", "heads=2", "width=16"]


def fit(runs, config, *settings):
    trainer = ["max_epochs=1", "limit_train_batches=2", "limit_val_batches=1", "log_every_n_steps=1"]
    trainer += ["accelerator=cpu", "enable_progress_bar=false", "enable_model_summary=false"]
    argv = ["fit", "--config", f"configs/{config}.yaml", "--log=off", f"--runs={runs}"]
    assert main([*argv, *(f"--trainer.{word}" for word in trainer), *(f"--{word}" for word in settings)]) == 0
    return runs / config


@pytest.fixture(scope="module")
def run(imported, tmp_path_factory):
    """A run of the cgan, of 16 images."""
    nets = [f"model.init_args.{net}.init_args.width=8" for net in ("generator", "discriminator")]
    data = [f"data.init_args.{word}" for word in (f"root={imported}", "games=null", "batch_size=8", "epoch_images=16")]
    return fit(tmp_path_factory.mktemp("runs"), "cgan", *nets, *data)


def export(run, folder, *options):
    assert main(["zoo", "export", str(run), str(folder), *options]) == 0
    return folder


def test_list_has_a_line_for_each_shipped_model(capsys):
    assert main(["zoo", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == zoo.available()
    for line in lines:
        config = zoo.read_config(zoo.folder_of(line.split()[0]))
        assert f"version {config['version']}" in line
        assert config["class_path"] in line


def test_export_keeps_the_average_and_says_where_it_comes_from(run, tmp_path, capsys):
    folder = tmp_path / "zoo" / "tiny"
    capsys.readouterr()
    export(run, folder, "--version", "7")
    assert capsys.readouterr().out == f"{folder}\n"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["class_path"] == "pokegen.models.cgan.CGANGenerator"
    assert config["version"] == "7"
    assert config["training"]["examples"] == 16
    assert config["training"]["data"]["init_args"]["batch_size"] == 8
    record = json.loads((run / "run.json").read_text())
    assert config["training"]["data_hash"] == record["data_hash"]
    assert config["training"]["hardware"] == "1 CPU thread"
    assert f"sha256 `{record['data_hash'][:12]}…`" in (folder / "README.md").read_text()
    assert "hours on 1 CPU thread" in (folder / "README.md").read_text()
    assert "root" not in config["training"]["data"]["init_args"]  # where the sprites lie is nobody else's business
    with Image.open(folder / "types.png") as types, Image.open(folder / "styles.png") as styles:
        assert types.width == styles.width == 4 * 132 + 4
        seen = len(zoo.load(folder).model.prior.known("type1"))
        assert (types.height, styles.height) == (seen * 132 + 4, 132 + 4)  # the drawn creatures have one style
    weights = load_file(folder / "model.safetensors")
    assert {t.dtype for t in weights.values() if t.is_floating_point()} == {torch.float16}
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for key, value in weights.items():
        torch.testing.assert_close(value.float(), saved[f"ema.{key}"].float(), rtol=1e-3, atol=1e-4)
    assert any(not saved[f"ema.{key}"].equal(saved[f"generator.{key}"]) for key in weights)

    full = load_file(export(run, tmp_path / "full", "--full") / "model.safetensors")
    assert all(value.equal(saved[f"ema.{key}"]) for key, value in full.items())
    assert main(["zoo", "info", str(folder)]) == 0
    assert "class_path: pokegen.models.cgan.CGANGenerator" in capsys.readouterr().out


def test_a_checkpoint_file_exports_as_its_run_does(run, tmp_path):
    folders = export(run, tmp_path / "a"), export(run / "checkpoints" / "last.ckpt", tmp_path / "b")
    first, second = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert first == second


def test_info_shows_the_model_card(run, tmp_path, capsys):
    folder = export(run, tmp_path / "tiny")
    (folder / "README.md").write_text("# a card of mine\n")
    export(run, folder, "--version", "2")  # again, into the same folder
    assert main(["zoo", "info", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "# a card of mine" in out
    assert "version: '2'" in out


def test_what_was_exported_creates_the_same_sprites_each_time(run, tmp_path):
    folder = export(run, tmp_path / "tiny")
    made = []
    for out in (tmp_path / "one", tmp_path / "two"):
        assert main(["sprites", "--model", str(folder), "--count", "2", "--seed", "1", "--out", str(out)]) == 0
        made.append({p.name: p.read_bytes() for p in out.iterdir()})
    assert sorted(made[0]) == ["001.png", "002.png", "grid.png"]
    assert made[0] == made[1]


def test_names_are_exported_as_the_class_that_needs_no_transformers(tmp_path):
    nets = [f"model.init_args.network.init_args.{word}" for word in NAMES]
    trained = fit(tmp_path / "runs", "names", *nets, "data.init_args.batch_size=16")
    assert len(list((trained / "samples").glob("*.txt"))) == 1
    folder = export(trained, tmp_path / "mine")
    config = zoo.read_config(folder)
    assert config["class_path"] == "pokegen.models.names.NameModel"
    assert config["init_args"]["width"] == 16
    names = zoo.load(folder).model.sample(3, generator=torch.Generator().manual_seed(0))
    assert len(names) == 3
    assert all(name.strip() for name in names)


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (shutil.rmtree, "No checkpoint in"),
        (lambda run: shutil.rmtree(run / "checkpoints"), "Give a run's folder, such as runs/cgan, or a .ckpt file."),
        (lambda run: (run / "checkpoints" / "last.ckpt").unlink(), "No checkpoint in"),
        (lambda run: (run / "config.yaml").unlink(), "cannot be exported"),
        (lambda run: (run / "config.yaml").write_text("model: 1"), "cannot be exported"),
        (lambda run: (run / "config.yaml").write_text("model: ["), "cannot be exported"),
        (lambda run: (run / "config.yaml").write_text(""), "cannot be exported"),
        (lambda run: (run / "checkpoints" / "last.ckpt").write_bytes(b""), "cannot be exported"),
        (lambda run: (run / "checkpoints" / "last.ckpt").write_bytes(b"junk"), "cannot be exported"),
        (lambda run: torch.save({}, run / "checkpoints" / "last.ckpt"), "cannot be exported"),
    ],
)
def test_what_is_no_run_is_told_and_leaves_nothing(harm, says, copy, tmp_path, capsys):
    harm(copy)
    line = one_line(capsys, "zoo", "export", copy, tmp_path / "new" / "mine")
    assert says in line
    assert str(copy) in line
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_not_replaced(run, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("precious")
    assert "exists and is not a checkpoint" in one_line(capsys, "zoo", "export", run, tmp_path / "thesis")
    for folder in (tmp_path / "thesis" / "thesis.txt", tmp_path / "thesis" / "thesis.txt" / "below"):
        assert str(folder) in one_line(capsys, "zoo", "export", run, folder)
    assert (tmp_path / "thesis" / "thesis.txt").read_text() == "precious"
    assert [p.name for p in tmp_path.rglob("*")] == ["thesis", "thesis.txt"]


def test_an_unknown_model_lists_the_known_ones(capsys):
    line = one_line(capsys, "zoo", "info", "nosuch")
    assert "Unknown model 'nosuch'. Known models: " in line
    for name in zoo.available():
        assert name in line
