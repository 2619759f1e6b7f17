"""Checkpoints, runs and configs of earlier versions work under the new names of classes and arguments."""

import importlib
import shutil

import pytest
import yaml

from pokegen import moved, zoo
from pokegen.cli import fit
from pokegen.resources import shipped


@pytest.mark.parametrize("path", moved.MOVED.values())
def test_what_has_moved_is_there(path: str) -> None:
    module, _, name = path.rpartition(".")
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", moved.KEYS)
def test_a_class_takes_the_new_keys_and_not_the_old(path: str) -> None:
    taken = fit._defaults_of(path)
    assert set(moved.KEYS[path].values()) <= set(taken)
    assert not set(moved.KEYS[path]) & set(taken)


def test_keys_of_earlier_versions_are_renewed() -> None:
    network = {"class_path": "pokegen.game.ppo.ActorCritic", "init_args": {"clip": 1}}
    old = {"class_path": "pokegen.game.ppo.PPO", "init_args": {"rollout": 8, "clip": 0.1, "network": network}}
    changes: dict[str, str] = {}
    found = moved.renewed([old], changes)[0]
    assert found["class_path"] == "pokegen.game.agents.ppo.PPO"
    assert found["init_args"] == {"num_steps": 8, "clip_coef": 0.1, "network": moved.renewed(network)}
    assert found["init_args"]["network"]["init_args"] == {"clip": 1}  # another class's
    assert changes["rollout"] == "num_steps" and changes["pokegen.game.ppo.PPO"] == "pokegen.game.agents.ppo.PPO"
    assert list(old["init_args"]) == ["rollout", "clip", "network"]
    assert moved.renewed(found, again := {}) == found and not again


def test_an_old_key_next_to_its_new_one_stays_and_is_refused_later() -> None:
    both = {"class_path": "pokegen.game.agents.ppo.PPO", "init_args": {"rollout": 8, "num_steps": 16}}
    assert moved.renewed(both) == both


def test_the_zoo_goes_by_its_earlier_name_too() -> None:
    from pokegen import hub

    assert hub.load is zoo.load


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


def test_keys_are_renewed_of_a_class_by_its_name_alone_too() -> None:
    changes: dict[str, str] = {}
    old = {"class_path": "PPO", "init_args": {"discount": 0.9, "hidden": 3}}
    assert moved.renewed(old, changes) == {"class_path": "PPO", "init_args": {"gamma": 0.9, "hidden": 3}}
    assert changes == {"discount": "gamma"}
