"""Evolution's parts against their closed forms."""

import csv
from pathlib import Path

import pytest
import torch

from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game.agents.evolution import Evolution
from pokegen.game.agents.ppo import ActorCritic


@pytest.fixture
def module() -> Evolution:
    found = Evolution(ActorCritic("CartPole-v1", hidden=[6]), population=8, parents=4, elites=3)
    found.rng.manual_seed(0)
    found.begin()
    return found


def test_the_first_population_is_the_network_and_strangers(module: Evolution):
    own = torch.cat([p.detach().flatten() for p in module.net.actor.parameters()])
    assert torch.equal(module.population[0], own)
    assert not any(torch.equal(module.population[i], module.population[0]) for i in range(1, 8))


def test_all_individuals_at_once_act_as_each_alone(module: Evolution):
    obs = torch.randn(8, 5, 4)
    together = module.policies(obs)
    for i in range(8):
        module.crown(i)
        torch.testing.assert_close(together[i], module.net.policy(obs[i]))


def test_the_best_come_first_and_the_champion_has_played_twice(module: Evolution):
    first = module.population.clone()
    module.fitness.copy_(torch.tensor([3.0, 5, 8, 2, 6, 1, 0, 4]))
    module.age.copy_(torch.tensor([1, 1, 2, 1, 2, 1, 1, 1]))  # means 3 5 4 2 3 1 0 4
    module.rank()
    assert torch.equal(module.population, first[[1, 2, 7, 0, 4, 3, 5, 6]])
    assert module.champion() == 1
    module.age.fill_(1)
    assert module.champion() == 0


def test_elites_stay_and_parents_are_copied_in_turn(module: Evolution):
    module.fitness.fill_(1.0)
    module.age.fill_(2)
    before = module.population.clone()
    module.breed(rate=0.0, sigma=1.0)
    assert torch.equal(module.population, before[[0, 1, 2, 0, 1, 2, 3, 0]])
    assert module.age.tolist() == [2, 2, 2, 0, 0, 0, 0, 0]
    assert module.fitness.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_mutations_are_as_many_and_as_large_as_asked():
    module = Evolution(ActorCritic("CartPole-v1", hidden=[64, 64]), population=100, parents=1, elites=1)
    module.rng.manual_seed(0)
    module.breed(rate=0.3, sigma=0.2)
    change = module.population[1:] / module.scale
    assert (change != 0).float().mean().item() == pytest.approx(0.3, abs=0.005)
    assert change[change != 0].std().item() == pytest.approx(0.2, rel=0.01)
    inputs = dict(zip(module.shapes, (4, 4, 64, 64, 64, 64), strict=True))
    wanted = torch.cat([torch.full((shape.numel(),), inputs[key] ** -0.5) for key, shape in module.shapes.items()])
    torch.testing.assert_close(module.scale, wanted)


def fit(runs: Path, name: str, *more: str, env: str = "CartPole-v1", config: str = "game/evolution") -> dict:
    words = [
        *("fit", "--config", f"configs/{config}.yaml", "--runs", str(runs), "--run", name, "--log", "csv"),
        *("--model.init_args.network.init_args.env", env, "--trainer.enable_progress_bar", "false"),
        *("--model.init_args.network.init_args.options", "{}", "--model.init_args.val_episodes", "4"),
    ]
    assert main([*words, *more]) == 0
    return torch.load(runs / name / "checkpoints" / "last.ckpt", weights_only=True)


def rows_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(next((run / "csv").glob("*/metrics.csv")).open()))


SMALL = ("--data.steps", "3200", "--data.epoch_steps", "800", "--model.init_args.num_steps", "40")


def test_mutations_become_fewer_and_steps_go_on(tmp_path: Path):
    saved = fit(tmp_path, "run", *SMALL)
    rows = [row for row in rows_of(tmp_path / "run") if row["train/best"]]
    assert [float(row["train/env_steps"]) for row in rows] == [800, 1600, 2400, 3200]
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3]
    assert [float(row["train/mutation_rate"]) for row in rows] == pytest.approx([1, 0.7, 0.4, 0.1])
    assert all(float(row["train/best"]) >= float(row["train/mean"]) for row in rows)
    assert saved["global_step"] == 4 and saved["agent"]["updates"] == 4
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path):
    one = fit(tmp_path, "whole", *SMALL)["state_dict"]
    fit(tmp_path, "halves", *SMALL, "--trainer.max_epochs", "2")
    other = fit(tmp_path, "halves", *SMALL, "--ckpt_path", "last")["state_dict"]
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_it_learns_a_game(tmp_path: Path):
    """CartPole, where the pole stands for 22 steps of random play."""
    fit(tmp_path, "run", "--data.steps", "40000", "--data.epoch_steps", "8000", "--model.init_args.num_steps", "400")
    assert max(float(row["val/return"]) for row in rows_of(tmp_path / "run") if row["val/return"]) > 150


@pytest.mark.parametrize(
    ("env", "options"), [("pokegen/Fighter-v0", '{"state": true}'), ("LunarLander-v3", '{"continuous": true}')]
)
def test_every_kind_of_action(tmp_path: Path, env: str, options: str):
    words = ("--data.steps", "800", "--data.epoch_steps", "400", "--model.init_args.num_steps", "20")
    saved = fit(tmp_path, "run", *words, "--model.init_args.network.init_args.options", options, env=env)
    assert saved["global_step"] == 2


def test_mistakes_are_told():
    with pytest.raises(UserError, match="ActorCritic of vectors"):
        Evolution(torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="elites ≤ parents ≤ population"):
        Evolution(ActorCritic("CartPole-v1", hidden=[4]), population=4)
