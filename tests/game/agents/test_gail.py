"""GAIL's parts against their closed forms, and whether it imitates."""

import warnings

import gymnasium
import lightning as L
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import nn

from pokegen.errors import UserError
from pokegen.game.agents.base import EnvStepBudget
from pokegen.game.agents.gail import GAIL, draw_scores
from pokegen.game.agents.ppo import ActorCritic, advantages


class Sides(gymnasium.Env):
    """Shows a number; the expert says on which side of 0.3 it is. Its own reward is for the opposite."""

    def __init__(self, scale: float = 1.0, render_mode: str | None = None):
        self.observation_space, self.action_space = spaces.Box(-1, 1, (1,), np.float32), spaces.Discrete(2)
        self.scale = scale

    def _seen(self) -> np.ndarray:
        self.x = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.x

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action):
        self.steps += 1
        reward = self.scale * float(action != self.expert_action())
        return self._seen(), reward, self.steps == 10, False, {}

    def expert_action(self) -> int:
        return int(self.x[0] > 0.3)


gymnasium.register("tests/Sides-v0", lambda **options: Sides(**options))


def agent(seed: int = 0, scale: float = 1.0, env: str = "tests/Sides-v0", **settings) -> GAIL:
    torch.manual_seed(seed)
    options = {"scale": scale} if env.startswith("tests") else {}
    options = settings.pop("options", options)
    return GAIL(ActorCritic(env, options, hidden=[32]), **{"num_envs": 4, "num_steps": 64} | settings)


def fit(module: GAIL, steps: int, epoch_steps: int, folder, path: str | None = None, **options) -> L.Trainer:
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = L.Trainer(
            **{"max_epochs": -1, "accelerator": "cpu", "default_root_dir": folder, "limit_val_batches": 0}
            | {key: False for key in quiet}
            | options
        )
        trainer.fit(module, datamodule=EnvStepBudget(steps, epoch_steps), ckpt_path=path, weights_only=True)
    return trainer


def test_the_discriminators_loss_is_cross_entropy_with_a_penalty_on_its_slope():
    module = agent(penalty=0.5)
    module.discriminator.layers = nn.Linear(3, 1)  # whose slope is its weight
    real, fake = torch.randn(16, 3), torch.randn(16, 3)
    logits = [module.discriminator(pairs) for pairs in (real, fake)]
    labels = torch.cat([torch.ones(16), torch.zeros(16)])
    entropy = F.binary_cross_entropy_with_logits(torch.cat(logits), labels)
    slope = module.discriminator.layers.weight.norm()
    loss, log = module.discriminator_loss(real, fake)
    torch.testing.assert_close(loss, entropy + 0.5 * (slope - 1) ** 2)
    torch.testing.assert_close(log, torch.stack([entropy, *(x.sigmoid().mean() for x in logits)]).detach())
    loss.backward()
    assert module.discriminator.layers.weight.grad is not None


@pytest.mark.parametrize("reward", ["log_d", "log_1_d", "logit"])
def test_rewards_are_what_the_discriminator_says_and_dead_steps_earn_nothing(reward: str, tmp_path):
    module = agent(reward=reward, reward_low=-0.6, reward_high=0.9, num_steps=64, end_weight=3.0)
    kept = {}
    rewards, discriminate = module.rewards, module.discriminate

    def watched(rollout):
        kept["played"] = rollout
        found, values = rewards(rollout)
        logits = module.discriminator(
            module.discriminator.pairs(rollout.observations[:-1].flatten(0, 1), rollout.actions.flatten(0, 1))
        ).detach()
        ends = module.discriminator.pairs(rollout.observations[1:].flatten(0, 1), None)
        kept["found"], kept["logits"] = found, logits.view(64, 4).numpy()
        kept["ends"] = module.discriminator(ends).detach().view(64, 4).numpy()
        return found, values

    def counted(expert, policy, ends):
        kept["rows"], kept["last"] = len(policy), [len(each) for each in ends]
        return discriminate(expert, policy, ends)

    module.rewards, module.discriminate = watched, counted
    fit(module, 256, 256, tmp_path)
    autoreset, terminated = kept["played"].autoreset, kept["played"].terminated

    def gain(logits):
        d = 1 / (1 + np.exp(-logits))
        return {"log_d": np.log(d), "log_1_d": -np.log(1 - d), "logit": np.log(d / (1 - d))}[reward].clip(-0.6, 0.9)

    wanted = gain(kept["logits"]) + np.where(terminated, 3 * gain(kept["ends"]), 0)
    assert autoreset.any()
    assert kept["rows"] == (~autoreset).sum()
    assert kept["last"] == [5, terminated.sum()]
    assert (kept["found"][autoreset] == 0).all()
    np.testing.assert_allclose(kept["found"][~autoreset], wanted[~autoreset], rtol=1e-4, atol=1e-5)


def test_the_environments_own_reward_teaches_nothing(tmp_path):
    weights = []
    for scale in (1.0, -50.0):
        module = agent(scale=scale)
        fit(module, 512, 256, tmp_path)
        weights.append(module.net.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_it_does_as_the_expert_though_paid_for_the_opposite(tmp_path):
    module = agent(
        num_steps=128,
        learning_rate=3e-3,
        batch_size=128,
        update_epochs=6,
        discriminator_lr=3e-3,
        penalty=0.1,
        gamma=0.0,
    )
    trainer = fit(module, 16_000, 2_000, tmp_path)
    x = torch.linspace(-1, 1, 201)[:, None]
    right = (module.net.act(x) == (x[:, 0] > 0.3)).float().mean()
    assert right > 0.9
    assert trainer.global_step == module.env_steps / 512
    assert (tmp_path / "discriminator.png").stat().st_size > 1000
    assert len(module.scores) == trainer.global_step


def test_continuous_actions_are_compared_as_they_reach_the_environment(tmp_path):
    module = agent(env="LunarLander-v3", options={"continuous": True}, num_envs=2, num_steps=32, episodes=1)
    obs = {}
    discriminate = module.discriminate
    module.discriminate = lambda expert, policy, ends: (
        obs.update(expert=expert, policy=policy),
        discriminate(expert, policy, ends),
    )[1]
    fit(module, 64, 64, tmp_path)
    assert obs["policy"][:, 8:].abs().max() == obs["expert"][:, 8:].abs().max() == 1
    assert obs["expert"][:, :8].abs().max() <= 10


def test_a_run_goes_on_as_one_that_was_never_stopped(tmp_path):
    from lightning.pytorch.callbacks import ModelCheckpoint

    def saved() -> dict:
        keep = ModelCheckpoint(tmp_path, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
        return {"enable_checkpointing": True, "callbacks": [keep]}

    settings = {"normalise_rewards": True, "ema_steps": 100.0, "lr_end": 0.0}
    fit(agent(**settings), 1024, 256, tmp_path, max_epochs=2, **saved())
    resumed, whole = agent(seed=1, **settings), agent(**settings)
    fit(resumed, 1024, 256, tmp_path, str(tmp_path / "last.ckpt"), **saved())
    fit(whole, 1024, 256, tmp_path, **saved())
    assert resumed.env_steps == whole.env_steps == 1024
    assert resumed.scores == whole.scores
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_mistakes_are_told():
    with pytest.raises(UserError, match="expected one of log_d, log_1_d, logit, got 'd'"):
        agent(reward="d")
    with pytest.raises(UserError, match="reward_low"):
        agent(reward_low=1.0, reward_high=0.0)
    with pytest.raises(UserError, match="end_share"):
        agent(end_share=1.0)
    with pytest.raises(UserError, match="clip_rewards and terminal_on_life_loss"):
        agent(clip_rewards=True)


def test_without_an_end_of_the_experts_no_end_is_paid(tmp_path):
    """Sides ends, but its expert's demonstrations are cut here."""
    module, kept = agent(num_steps=64), {}
    start, rewards = module.on_fit_start, module.rewards

    def cut():
        start()
        module.expert = module.expert._replace(ends=module.expert.ends[:0])

    module.on_fit_start = cut
    module.rewards = lambda rollout: kept.setdefault("found", (rollout, *rewards(rollout)))[1:]
    fit(module, 256, 256, tmp_path)
    rollout, found, _ = kept["found"]
    pairs = module.discriminator.pairs(rollout.observations[:-1].flatten(0, 1), rollout.actions.flatten(0, 1))
    said = module.discriminator(pairs).detach().view(64, 4).numpy()
    np.testing.assert_allclose(found[rollout.terminated], said[rollout.terminated], rtol=1e-4, atol=1e-5)


def test_scores_are_drawn(tmp_path):
    draw_scores([[0, 0.5, 0.5], [1, 0.7, 0.3]], tmp_path / "new" / "scores.png")
    assert (tmp_path / "new" / "scores.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("endless", [False, True])
def test_what_was_seen_last_stands_for_what_would_follow(endless: bool, tmp_path, monkeypatch):
    ends = []

    def watched(rewards, values, terminated, *rest):
        ends.append(terminated.any())
        return advantages(rewards, values, terminated, *rest)

    monkeypatch.setattr("pokegen.game.agents.ppo.advantages", watched)
    fit(agent(endless=endless), 256, 256, tmp_path)
    assert ends == [not endless]
