"""What all agents share: budgets, logs, and that a resumed run is one that never stopped."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game.agents.base import EnvStepBudget, FeatureExtractor, idle_cores
from pokegen.game.agents.dqn import DQN, QNetwork

EPOCHS, EPOCH = 4, 64  # environment steps of an epoch
SMALL = {
    **{"num_envs": 4, "num_steps": 4, "batch_size": 16, "gradient_steps": 2, "val_episodes": 2, "threads": 1},
    **{"learning_starts": 32, "target_network_frequency": 48, "buffer_size": 400, "epsilon_steps": 100},
    **{"alpha": 0.6, "save_replay": "true"},
}


def argv(runs: Path, name: str, env: str = "CartPole-v1", **more: object) -> list[str]:
    """`fit` of a small DQN."""
    settings = SMALL | more
    return [
        *("fit", "--config", "configs/game/dqn.yaml", "--runs", str(runs), "--run", name, "--log", "csv"),
        *("--data.steps", str(EPOCH * EPOCHS), "--data.epoch_steps", str(EPOCH), "--trainer.precision", "32-true"),
        *("--model.init_args.network.init_args.env", env, "--trainer.log_every_n_steps", "1"),
        *("--model.init_args.network.init_args.hidden", "[16]", "--trainer.enable_progress_bar", "false"),
        *(word for key, value in settings.items() for word in (f"--model.init_args.{key}", str(value))),
    ]


def checkpoint(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(one, other, where="") -> None:
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, msg=where)
    else:
        assert one == other, where


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody stopped."""
    runs = tmp_path_factory.mktemp("runs")
    assert main(argv(runs, "whole")) == 0
    return runs / "whole"


def test_the_budget_is_in_environment_steps(whole):
    saved = checkpoint(whole)
    assert int(saved["state_dict"]["images_seen"]) == EPOCH * EPOCHS
    rows = list(csv.DictReader(next((whole / "csv").glob("*/metrics.csv")).open()))
    steps = [float(row["train/env_steps"]) for row in rows if row["train/env_steps"]]
    assert steps == list(range(16, EPOCH * EPOCHS + 1, 16))
    assert [float(row["images"]) for row in rows if row["val/return"]] == [EPOCH * (i + 1) for i in range(EPOCHS)]
    updates = [float(row["train/updates"]) for row in rows if row["train/updates"]]
    # 4 environments × (3 steps of a return + 8) are the least that updates need: 44 of 48 steps, then two a row
    assert updates == [0, 0, *range(2, 2 * len(updates) - 3, 2)]
    assert saved["global_step"] == len(updates) - 2  # a row of the log, one global step


def test_a_resumed_run_equals_one_that_never_stopped(whole):
    runs = whole.parent
    assert main([*argv(runs, "halves"), "--trainer.max_epochs", "2"]) == 0
    assert int(checkpoint(runs / "halves")["state_dict"]["images_seen"]) == 2 * EPOCH
    assert main([*argv(runs, "halves"), "--ckpt_path", "last"]) == 0
    one, other = checkpoint(whole), checkpoint(runs / "halves")
    for part in ("state_dict", "optimizer_states", "agent", "epoch", "global_step"):
        assert_same(one[part], other[part], part)


def test_another_seed_is_another_run(whole):
    assert main([*argv(whole.parent, "other"), "--seed_everything", "1"]) == 0
    one, other = checkpoint(whole)["state_dict"], checkpoint(whole.parent / "other")["state_dict"]
    assert not torch.equal(one["net.advantage.weight"], other["net.advantage.weight"])


def test_a_killed_run_resumes_and_ends_as_if_it_had_not_been(whole):
    runs = whole.parent
    child = subprocess.Popen(
        [sys.executable, "-m", "pokegen.cli.main", *argv(runs, "killed")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    last, deadline = runs / "killed" / "checkpoints" / "last.ckpt", time.time() + 120
    while not last.is_file() and time.time() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert last.is_file()
    assert main([*argv(runs, "killed"), "--ckpt_path", "last"]) == 0
    one, other = checkpoint(whole), checkpoint(runs / "killed")
    for part in ("state_dict", "optimizer_states", "agent"):
        assert_same(one[part], other[part], part)


def test_atari_resumes_alike_too(tmp_path):
    more = {"env": "ALE/SpaceInvaders-v5", "num_envs": 2, "num_steps": 8, "widths": "[4, 4, 4]", "buffer_size": 200,
            "val_episodes": 1}  # fmt: skip
    more["network.init_args.widths"] = more.pop("widths")
    assert main([*argv(tmp_path, "whole", **more), "--trainer.max_epochs", "2"]) == 0
    assert main([*argv(tmp_path, "halves", **more), "--trainer.max_epochs", "1"]) == 0
    assert main([*argv(tmp_path, "halves", **more), "--trainer.max_epochs", "2", "--ckpt_path", "last"]) == 0
    assert_same(checkpoint(tmp_path / "whole")["state_dict"], checkpoint(tmp_path / "halves")["state_dict"])


def test_without_its_memory_a_run_resumes_and_fills_a_new_one(tmp_path):
    assert main([*argv(tmp_path, "run", save_replay="false"), "--trainer.max_epochs", "2"]) == 0
    assert "replay" not in checkpoint(tmp_path / "run")["agent"]["more"]
    before = checkpoint(tmp_path / "run")["agent"]["updates"]
    assert main([*argv(tmp_path, "run", save_replay="false"), "--ckpt_path", "last"]) == 0
    assert checkpoint(tmp_path / "run")["agent"]["updates"] > before


def test_dqn_learns_a_game(tmp_path):
    """CartPole within 6,000 environment steps, where the pole stands for 22 steps of random play."""
    more = {"num_envs": 8, "gradient_steps": 16, "batch_size": 64, "learning_rate": 2e-3, "lr_end": 0.1,
            "adam_eps": 1e-8, "buffer_size": 6_000, "learning_starts": 500, "target_network_frequency": 64,
            "epsilon_steps": 4_000, "end_e": 0.05,
            "val_episodes": 20, "alpha": 0.0, "clip_rewards": "false", "save_replay": "false"}  # fmt: skip
    words = argv(tmp_path, "run", **more)
    words[words.index("--data.steps") + 1], words[words.index("--data.epoch_steps") + 1] = "6000", "3000"
    words[words.index("[16]")] = "[128, 128]"
    assert main(words) == 0
    rows = list(csv.DictReader(next((tmp_path / "run" / "csv").glob("*/metrics.csv")).open()))
    assert max(float(row["val/return"]) for row in rows if row["val/return"]) > 100


def test_bodies_of_every_kind_of_observation():
    for shape in ((4, 84, 84), (3, 210, 160, 3)):
        space = spaces.Box(0, 255, shape, np.uint8)
        body = FeatureExtractor(space, [16])
        screens = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8))
        found = body(screens)
        assert found.shape == (2, 16)
        assert not torch.equal(found[0], found[1])
    assert FeatureExtractor(spaces.Box(-1, 1, (5,), np.float32), [8, 6]).size == 6


@pytest.mark.parametrize(("load", "threads"), [(0.2, 4), (1.2, 3), (9.0, 1)])
def test_as_many_threads_as_there_are_idle_cores(monkeypatch, load, threads):
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("torch.get_num_threads", lambda: 4)
    assert idle_cores() == threads
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # as OMP_NUM_THREADS=1 has it
    assert idle_cores() == 1


@pytest.mark.parametrize(
    ("steps", "epoch_steps", "iteration_steps", "played"),
    [(1_000_000, 0, 16_384, 983_040), (100_000, 0, 16_384, 98_304), (200_000, 0, 100_000, 200_000), (256, 64, 16, 256)],
)
def test_the_budget_is_kept_to_the_nearest_epoch(steps, epoch_steps, iteration_steps, played):
    data = EnvStepBudget(steps, epoch_steps)
    loop = SimpleNamespace(max_epochs=-1)
    module = SimpleNamespace(iteration_steps=iteration_steps)
    data.trainer = SimpleNamespace(max_epochs=-1, fit_loop=loop, lightning_module=module)
    data.setup("fit")
    assert loop.max_epochs * len(data.train_dataloader()) * iteration_steps == played


def test_mistakes_are_told():
    with pytest.raises(UserError, match="steps must be at least 1"):
        EnvStepBudget(0)
    with pytest.raises(UserError, match=r"steps \(5\) must be at least epoch_steps \(9\): set --data.epoch_steps too"):
        EnvStepBudget(5, 9)
    with pytest.raises(UserError, match="DQN chooses one of the actions 0 to n - 1"):
        QNetwork("LunarLander-v3", {"continuous": True})
    with pytest.raises(UserError, match="DQN sees screens or vectors; FrozenLake-v1 shows Discrete"):
        QNetwork("FrozenLake-v1")
    with pytest.raises(UserError, match=r"Screens must be uint8 .*options: \{state: true\}"):
        QNetwork("pokegen/Overworld-v0")
    with pytest.raises(UserError, match=r"buffer_size \(100\) must hold learning_starts \(200\)"):
        DQN(QNetwork("CartPole-v1", hidden=[4]), buffer_size=100, learning_starts=200)
    with pytest.raises(UserError, match=r"buffer_size \(100\) must hold"):  # 96, 32 of each of three
        DQN(QNetwork("CartPole-v1", hidden=[4]), num_envs=3, buffer_size=100, learning_starts=100)
    with pytest.raises(UserError, match="num_envs, num_steps and val_episodes"):
        DQN(QNetwork("CartPole-v1", hidden=[4]), num_envs=0)


def test_an_agent_that_leaves_the_finite_numbers_stops_and_is_told(tmp_path, capsys):
    assert main(argv(tmp_path, "wild", learning_rate=1e30)) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pokegen: ")]
    assert len(said) == 1
    assert "Training stopped at step" in said[0]
    assert json.loads((tmp_path / "wild" / "run.json").read_text())["status"] == "failed"
