"""The experiments' configs are whole ones: each trains by itself, on digits or on fakes of what it would download."""

import csv
import struct

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pokegen.cli.main import main
from pokegen.data import teaching
from pokegen.resources import shipped

NAMES = sorted(
    path.stem
    for path in shipped("configs/experiment").glob("*.yaml")
    if "pokegen.data.teaching." in path.read_text(encoding="utf-8")
)
WIDTH = {"generator": 4, "discriminator": 4, "network": 8}  # for faces, whose nets are made for a GPU


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A user's folder, with a download of each kind, in small."""
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 40), ("t10k", 8)):
        pixels, labels = np.random.default_rng(0).integers(256, size=(count, 28, 28)), np.arange(count) % 10
        head = struct.pack(">4i", 2051, count, 28, 28), struct.pack(">2i", 2049, count)
        for file, content in zip(("images-idx3", "labels-idx1"), (pixels, labels), strict=True):
            (raw / f"{name}-{file}-ubyte").write_bytes(head[file[0] == "l"] + content.astype(np.uint8).tobytes())
    monkeypatch.setattr(teaching.MNISTDataModule, "held_out", 8)

    files = [tmp_path / f"{i}.jpg" for i in range(16)]
    for i, file in enumerate(files):
        Image.new("RGB", (178, 218), (10 * i, 100, 200)).save(file)

    def load(self):
        labels = torch.arange(16) % 2
        return {split: teaching.Faces(files, labels, self.image_shape[-1]) for split in ("train", "val", "test")}

    monkeypatch.setattr(teaching.CelebADataModule, "load", load)


def words(name, **options):
    settings = {
        "data.init_args.batch_size": 8,
        "data.init_args.epoch_images": 16,
        "data.init_args.num_workers": 0,
        "trainer.accelerator": "cpu",
        "trainer.max_epochs": 1,
        "trainer.limit_val_batches": 1,
        "trainer.log_every_n_steps": 1,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "log": "csv",
    }
    given = yaml.safe_load(shipped(f"configs/experiment/{name}.yaml").read_text(encoding="utf-8"))["model"]["init_args"]
    nets = {f"model.init_args.{key}.init_args.width": width for key, width in WIDTH.items() if key in given}
    settings = settings | (nets if "celeba" in name else {}) | options
    return ["fit", "--config", f"configs/experiment/{name}.yaml", *(f"--{k}={v}" for k, v in settings.items())]


def test_no_experiment_is_missed():
    digits, mnist = ["gan_digits", "vae_digits_conv", "vae_digits_linear"], ["gan_mnist", "vae_mnist_conv"]
    assert {*digits, *mnist, "vae_mnist_linear", "gan_celeba", "dcgan_celeba"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_trains_and_draws(name, tmp_path):
    assert main(words(name)) == 0
    run = tmp_path / "runs" / name
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 2
    assert int(saved["state_dict"]["images_seen"]) == 16
    assert all(value.isfinite().all() for value in saved["state_dict"].values())
    with Image.open(run / "samples" / f"{16:010d}.png") as picture:  # a grid of 8×4, with gaps of 2
        side = 64 if "celeba" in name else 28
        assert picture.size == (8 * (side + 2) + 2, 4 * (side + 2) + 2)
    with open(run / "csv" / "version_0" / "metrics.csv", newline="") as file:
        columns = next(csv.reader(file))
    assert ("val/loss" if name.startswith("vae") else "train/discriminator") in columns
    assert "val/kernel_distance" not in columns  # which is for sprites


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_keeps_the_settings_of_its_report(name, capsys):
    capsys.readouterr()
    assert main(["fit", "--config", f"configs/experiment/{name}.yaml", "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    model, data, epochs = config["model"]["init_args"], config["data"]["init_args"], config["trainer"]["max_epochs"]
    kind, source, *architecture = name.split("_")
    assert data["batch_size"] == (128 if source == "celeba" else 64)
    if kind == "vae":
        assert [model["network"]["init_args"]["architecture"]] == architecture
        assert model["network"]["init_args"]["likelihood"] == "bernoulli"
        assert epochs == 15 or source == "digits"
    else:
        assert (model["generator_lr"], model["discriminator_lr"]) == (2e-3, 2e-3)
        assert (model["beta1"], model["beta2"], model["loss"]) == (0.5, 0.999, "bce")
        assert (model["shift"], model["color"]) == (0, 0)
        assert model["generator"]["class_path"] == f"pokegen.models.{kind}.{kind.upper()}Generator"
        assert epochs == 9 or source == "digits"


def test_the_two_gans_of_the_faces_differ_in_their_nets_alone():
    one, other = (
        yaml.safe_load(shipped(f"configs/experiment/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("gan_celeba", "dcgan_celeba")
    )
    for config in (one, other):
        for net in ("generator", "discriminator"):
            config["model"]["init_args"][net].pop("class_path")
    assert one == other


def test_a_vae_of_digits_is_kept_by_its_validation_loss(tmp_path, capsys):
    assert main(words("vae_digits_linear", **{"trainer.max_epochs": 2})) == 0
    folder = tmp_path / "runs" / "vae_digits_linear" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert "kernel_distance" not in capsys.readouterr().err


def test_data_of_another_shape_are_told(capsys):
    assert main(words("gan_digits", **{"data.init_args.size": 32})) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pokegen: ")]
    assert len(said) == 1
    assert "draws images of 1×28×28, but the data are 1×32×32" in said[0]


def test_data_that_are_not_there_are_told_in_one_line(tmp_path, capsys):
    assert main(words("gan_mnist", **{"data.init_args.root": "nowhere"})) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pokegen: ")]
    assert len(said) == 1
    assert "--data.download true" in said[0]
    assert not (tmp_path / "runs" / "gan_mnist" / "checkpoints").exists()
