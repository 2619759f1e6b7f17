"""Checkpoints, runs and configs of earlier versions go on working under the new names of classes."""

import importlib
import shutil

import pytest
import yaml

from pokegen import moved, zoo
from pokegen.resources import shipped


@pytest.mark.parametrize("path", moved.MOVED.values())
def test_what_has_moved_is_there(path: str) -> None:
    module, _, name = path.rpartition(".")
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), name)


def test_paths_of_today_stay() -> None:
    assert moved.class_path("pokegen.models.vae.VAE") == "pokegen.models.vae.VAE"
    assert moved.class_path("torch.nn.Linear") == "torch.nn.Linear"
    assert moved.class_path("VAE") == "VAE"


def test_a_checkpoint_of_an_earlier_version_loads(tmp_path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(shipped("checkpoints") / "ppo_lander", folder)
    text = (folder / zoo.CONFIG).read_text()
    (folder / zoo.CONFIG).write_text(text.replace("pokegen.game.agents.ppo.", "pokegen.game.ppo."))
    assert "pokegen.game.ppo.ActorCritic" in (folder / zoo.CONFIG).read_text()
    assert type(zoo.load(folder).model).__module__ == "pokegen.game.agents.ppo"


def test_nested_settings_are_renewed() -> None:
    old = yaml.safe_load("model: {class_path: pokegen.game.training.KeysModule, init_args: {a: [{class_path: x.Y}]}}")
    assert moved.renewed(old) == {
        "model": {"class_path": "pokegen.game.video.module.KeysModule", "init_args": {"a": [{"class_path": "x.Y"}]}}
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pokegen.models.dcgan.Generator", "pokegen.models.dcgan.DCGANGenerator"),
        ("pokegen.models.training.AdversarialModule", "pokegen.trainers.adversarial.AdversarialModule"),
        ("pokegen.game.demonstrations.Clone", "pokegen.game.agents.demonstrations.BCActorCritic"),
        ("pokegen.game.agents.AgentModule", "pokegen.game.agents.base.AgentModule"),
    ],
)
def test_classes_of_earlier_versions_are_found(old: str, new: str) -> None:
    assert moved.class_path(old) == new
    assert moved.class_path(new) == new
