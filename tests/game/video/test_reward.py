"""The reward model: what it is shown, that it learns, and that agents learn from it."""

import csv

import lamps
import numpy as np
import pytest
import torch

from pokegen import zoo
from pokegen.cli.main import main
from pokegen.errors import DataError, UserError
from pokegen.game.agents.base import AgentModule
from pokegen.game.agents.dqn import DQN, QNetwork
from pokegen.game.players import Expert, Uneven
from pokegen.game.video.codec import gray
from pokegen.game.video.reward import RewardModel, Rewards

SMALL = {"window": 2, "widths": [8, 8, 8], "hidden": 32}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Half of the steps pay 1: who presses what the lower lamps ask for."""
    folder = tmp_path_factory.mktemp("recordings")
    lamps.record_lamps(folder / "one", Uneven(Expert(), burst=6, pause=6), frames=1600)
    return folder


def test_windows_end_with_the_frame_behind_the_step(recordings):
    data = Rewards([str(recordings)], window=3, batch_size=10_000, val_share=0.25)
    data.setup("fit")
    (batch,) = data.val_dataloader()
    # Episodes of 20 steps: windows of 3 frames, the last step's outcome is in no frame
    assert len(data.parts["val"]) == 20 * 18
    env, player = lamps.Lamps(), Uneven(Expert(), burst=6, pause=6)
    observation, _ = env.reset(seed=0)
    player.begin(0)
    shown, paid = [gray(observation)], []
    for _ in range(19):
        observation, reward, *_ = env.step(player(env, observation))
        shown.append(gray(observation))
        paid.append(reward)
    for i in range(18):
        assert batch["reward"][i] == paid[i + 1]
        for k in range(3):
            assert np.abs(batch["frames"][i, k].numpy().astype(int) - shown[i + k]).mean() < 3  # but for the codec


def test_rare_rewards_are_drawn_as_often_as_common_ones(recordings):
    data = Rewards([str(recordings)], balance=1.0, batch_size=1000, epoch_frames=4000)
    data.setup("fit")
    share = torch.cat([batch["reward"] for batch in data.train_dataloader()]).mean().item()
    assert 0.55 < data.rewards.mean() < 0.75
    assert share == pytest.approx(0.5, abs=4 * (0.25 / 4000) ** 0.5)


def test_it_tells_rewards_of_episodes_that_it_never_saw(recordings, tmp_path):
    words = ["fit", "--config", "configs/game/reward.yaml", "--runs", str(tmp_path), "--run", "reward", "--log", "csv"]
    words += ["--data.recordings", f"[{recordings}]", "--data.window", "2", "--data.epoch_frames", "4000"]
    words += [f"--model.init_args.network.init_args.{key}={value}" for key, value in SMALL.items()]
    words += ["--model.init_args.ema_images", "500", "--trainer.enable_progress_bar", "false"]
    assert main(words) == 0
    rows = list(csv.DictReader(next((tmp_path / "reward" / "csv").glob("*/metrics.csv")).open()))
    assert float([row["val/explained"] for row in rows if row["val/explained"]][-1]) > 0.7
    zoo.export(tmp_path / "reward", tmp_path / "zoo")
    model = zoo.load(tmp_path / "zoo").model
    assert isinstance(model, RewardModel)
    assert "recordings" not in zoo.load(tmp_path / "zoo").config["training"]["data"]["init_args"]
    assert model.deviation.item() == pytest.approx(0.45, abs=0.06)


def constant(folder, reward):
    network = RewardModel(**SMALL)
    torch.nn.init.zeros_(network.trunk[-1].weight)
    torch.nn.init.zeros_(network.trunk[-1].bias)
    network.mean.fill_(reward)
    zoo.save(network, folder, "pokegen.game.video.reward.RewardModel", SMALL, version="1")
    return str(folder)


def test_an_agent_is_paid_by_the_model_and_scored_by_the_game(tmp_path):
    module = DQN(
        QNetwork("CartPole-v1", hidden=[4]), num_envs=2, num_steps=1, buffer_size=100, learning_starts=10,
        reward_model=constant(tmp_path / "model", 7.0),
    )  # fmt: skip
    envs = module.net.vector(2, **module.vector_options)
    module.envs = envs
    module.reward_net = zoo.load(module.reward_model).model.forward
    module.film = np.zeros((2, 2, 128, 128), np.uint8)
    AgentModule.reset(module)
    kept = []
    for _ in range(40):
        reward, _, done, autoreset, _ = module.step(np.array([0, 1]))
        kept.append((reward, done, autoreset))
    envs.close()
    assert all((reward == np.where(autoreset, 0, np.float32(7))).all() for reward, _, autoreset in kept)
    assert any(done.any() for _, done, _ in kept)
    assert all(total == length for total, length in module.recent)  # the game pays 1 a step


def test_an_agent_learns_from_it(tmp_path):
    words = ["fit", "--config", "configs/game/ppo.yaml", "--runs", str(tmp_path), "--run", "paid", "--log", "csv"]
    words += ["--model.init_args.network.init_args", '{"env": "CartPole-v1", "options": {}, "hidden": [8]}']
    settings = {"num_envs": 2, "num_steps": 32, "val_episodes": 2, "reward_model": constant(tmp_path / "model", 1.0)}
    words += [f"--model.init_args.{key}={value}" for key, value in settings.items()]
    words += ["--data.steps", "128", "--data.epoch_steps", "64", "--trainer.enable_progress_bar", "false"]
    assert main(words) == 0
    assert (tmp_path / "paid" / "checkpoints" / "last.ckpt").is_file()


def test_mistakes_are_told(recordings, tmp_path):
    with pytest.raises(UserError, match="window must be at least 2 frames"):
        RewardModel(window=1)
    with pytest.raises(UserError, match="balance must be in"):
        Rewards([str(recordings)], balance=2)
    with pytest.raises(DataError, match="No recording in"):
        Rewards([str(tmp_path / "none")]).setup("fit")
    with pytest.raises(UserError, match="ALE's vector environment renders nothing"):
        DQN(QNetwork("ALE/SpaceInvaders-v5", hidden=[4], widths=[4, 4, 4]), reward_model="mine")
