"""The score while training: logged every so many images, the best kept, and both known after a resumption."""

import csv
import logging
from types import SimpleNamespace

import pytest
import torch

from pokegen.cli.main import main
from pokegen.data.modules import SampleSpriteDataModule
from pokegen.data.teaching import DigitsDataModule
from pokegen.evaluation import callback
from pokegen.evaluation.callback import KernelDistance
from pokegen.models import CGANDiscriminator, CGANGenerator
from pokegen.trainers.adversarial import AdversarialModule


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("callback") / "sample"
    SampleSpriteDataModule(str(folder), species=240).prepare_data()
    return folder


def words(root, tmp_path, epochs: int) -> list[str]:
    smoke = ["--config", "configs/dcgan.yaml", "--config", "configs/experiment/smoke.yaml", "--data.root", str(root)]
    budget = ["--trainer.max_epochs", str(epochs), "--data.epoch_images", "32", "--score_images", "64"]
    return ["fit", *smoke, "--runs", str(tmp_path), *budget]


def fit(root, tmp_path, epochs: int, *more: str) -> None:
    assert main([*words(root, tmp_path, epochs), *more]) == 0


def scores(tmp_path) -> list[float]:
    rows = [
        row
        for path in sorted((tmp_path / "smoke" / "csv").glob("*/metrics.csv"))
        for row in csv.DictReader(path.open(newline=""))
    ]
    return [float(row["val/kernel_distance"]) for row in rows if row.get("val/kernel_distance")]


def test_a_run_is_scored_every_so_many_images_and_the_best_is_kept(root, tmp_path, capsys):
    fit(root, tmp_path, 4)
    found = scores(tmp_path)
    assert len(found) == 2  # 128 images
    best = tmp_path / "smoke" / "checkpoints" / "best.ckpt"

    def state():
        saved = torch.load(best, weights_only=True)
        return next(s for k, s in saved["callbacks"].items() if "KernelDistance" in k), saved

    kept, saved = state()
    assert kept["lowest"] == pytest.approx(min(found), rel=1e-3)
    assert int(saved["state_dict"]["images_seen"]) in (64, 128)

    fit(root, tmp_path, 6, "--ckpt_path", "last")
    assert len(scores(tmp_path)) == 3
    kept, _ = state()
    assert kept["lowest"] == pytest.approx(min(scores(tmp_path)), rel=1e-3)
    capsys.readouterr()


def test_a_run_may_go_without_a_score(root, tmp_path, capsys):
    fit(root, tmp_path, 2, "--score_images", "0")
    assert scores(tmp_path) == []
    assert not (tmp_path / "smoke" / "checkpoints" / "best.ckpt").exists()
    capsys.readouterr()


@pytest.mark.parametrize("kind", ["sprites", "few sprites", "digits", "no data"])
def test_only_sprites_are_scored_and_only_too_few_sprites_are_told(kind, root, tmp_path, caplog):
    data = {
        "sprites": lambda: SampleSpriteDataModule(str(root), rotation=0, flip=0),
        "few sprites": lambda: SampleSpriteDataModule(
            str(tmp_path / "few"), species=12, variants=2, rotation=0, flip=0
        ),
        "digits": DigitsDataModule,
        "no data": lambda: None,
    }[kind]()
    if data:
        data.prepare_data()
        data.setup("fit")
    callback, logged = KernelDistance(tmp_path / "best.ckpt"), []
    module = SimpleNamespace(images_seen=100_000, log=lambda *_, **__: logged.append(1))
    trainer = SimpleNamespace(datamodule=data, current_epoch=0, max_epochs=1)
    with caplog.at_level(logging.WARNING):
        callback.on_fit_start(trainer, module)
    assert (callback.judge is not None) == (kind == "sprites")
    assert ("validation sprites" in caplog.text) == (kind == "few sprites")
    if kind != "sprites":
        callback.on_train_epoch_end(trainer, module)
        assert logged == []
        assert not (tmp_path / "best.ckpt").exists()


def test_of_two_processes_one_scores_and_all_go_on(root, tmp_path):
    together = ["--trainer.accelerator", "cpu", "--trainer.devices", "2"]
    fit(root, tmp_path, 4, *together, "--trainer.strategy", "ddp_fork_find_unused_parameters_true")
    assert len(scores(tmp_path)) == 2
    best = torch.load(tmp_path / "smoke" / "checkpoints" / "best.ckpt", weights_only=True)
    state = next(value for key, value in best["callbacks"].items() if "KernelDistance" in key)
    assert state["lowest"] == pytest.approx(min(scores(tmp_path)))


def test_no_checkpoint_is_the_best_while_a_condition_fades_in(monkeypatch, tmp_path):
    monkeypatch.setattr(callback, "draw", lambda *_: SimpleNamespace(pictures=None))
    score, saved = KernelDistance(tmp_path / "best.ckpt", 1), []
    score.conditions = None
    score.judge = SimpleNamespace(embed=lambda pictures: pictures, kernel_distance=lambda _: 0.5)
    trainer = SimpleNamespace(current_epoch=0, max_epochs=9, is_global_zero=True, save_checkpoint=saved.append)
    trainer.strategy = SimpleNamespace(broadcast=lambda value: value)
    module = AdversarialModule(
        CGANGenerator(8, 8, 8), CGANDiscriminator(8), condition_start=15, condition_full=25, ema_images=0
    )
    module.log = lambda *_, **__: None
    for images, expected in ((10, 0), (20, 0), (30, 1)):
        module.images_seen.fill_(images)
        score.on_train_epoch_end(trainer, module)
        assert len(saved) == expected
