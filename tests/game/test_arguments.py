"""The help of the command line explains every argument of the game's classes, those passed on by **kwargs included."""

import importlib
import inspect

import pytest
from jsonargparse import ArgumentParser

CLASSES = (
    *("agents.base.EnvStepBudget", "agents.demonstrations.BCActorCritic", "agents.demonstrations.Demonstrations"),
    *("agents.dqn.DQN", "agents.dqn.QNetwork", "agents.evolution.Evolution", "agents.gail.GAIL"),
    *("agents.maddpg.MADDPG", "agents.maddpg.MADDPGActors", "agents.ppo.ActorCritic", "agents.ppo.PPO"),
    *("battle.agent.BattleNetwork", "battle.training.BattleDemonstrations", "battle.training.BattlePPO"),
    *("video.annotate.AnnotationDataModule", "video.clips.RecordingsDataModule", "video.cloning.Policy"),
    *("video.idm.FirstInverseDynamics", "video.idm.InverseDynamics", "video.module.KeysModule"),
    *("video.module.StopOnCollapse", "video.reward.RewardModel", "video.reward.RewardModule", "video.reward.Rewards"),
)


def parsed(path):
    module, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(f"pokegen.game.{module}"), name)
    parser = ArgumentParser()
    return kind, parser.add_class_arguments(kind, fail_untyped=False), parser


@pytest.mark.parametrize("path", CLASSES)
def test_every_argument_has_a_help_text(path):
    _, names, parser = parsed(path)
    helps = {action.dest: action.help for action in parser._actions}
    assert names
    assert [name for name in names if not helps[name]] == []


@pytest.mark.parametrize("path", CLASSES)
def test_arguments_that_are_passed_on_are_listed(path):
    kind, names, _ = parsed(path)
    own = inspect.signature(kind.__init__).parameters
    if not any(p.kind == p.VAR_KEYWORD for p in own.values()):
        assert set(names) == own.keys() - {"self"}
    else:
        assert set(names) > own.keys() - {"self", "kwargs"}
