"""PPO's parts against their closed forms, what a run leaves, and whether it learns."""

import os
import signal
import subprocess
import sys
import time
import warnings

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from gymnasium import spaces
from torch.distributions import Categorical, Normal

from pokegen import moved
from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game.agents.base import EnvStepBudget, network_returns
from pokegen.game.agents.ppo import PPO, ActorCritic, RewardNormalizer, advantages

FIGHTER, LANDER = "pokegen/Fighter-v0", "LunarLander-v3"
ENVS = {
    "discrete": ("CartPole-v1", {}),
    "three parts": (FIGHTER, {}),
    "continuous": (LANDER, {"continuous": True}),
}


def random_rollout(steps: int, count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Rewards, values, terminated, over and dead of episodes that end and are cut at random."""
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(steps, count)).astype(np.float32)
    values = rng.normal(size=(steps + 1, count)).astype(np.float32)
    terminated, done, autoreset = (np.zeros((steps, count), bool) for _ in range(3))
    for t in range(steps):
        if t:
            autoreset[t] = done[t - 1]
        terminated[t] = (rng.random(count) < 0.1) & ~autoreset[t]
        done[t] = terminated[t] | ((rng.random(count) < 0.1) & ~autoreset[t])
    rewards[autoreset] = 0
    return rewards, values, terminated, done, autoreset


def agent(env: str, options: dict | None = None, seed: int = 0, **settings) -> PPO:
    torch.manual_seed(seed)
    return PPO(ActorCritic(env, options, **settings.pop("net", {})), **settings)


def fit(module: PPO, steps: int, epoch_steps: int = 0, **options) -> L.Trainer:
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = L.Trainer(max_epochs=-1, accelerator="cpu", **{key: False for key in quiet} | options)
        trainer.fit(module, datamodule=EnvStepBudget(steps, epoch_steps))
    return trainer


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.9, 0.8), (0.99, 1.0), (0.9, 0.0)])
def test_advantages_are_those_of_a_naive_loop(gamma: float, gae_lambda: float):
    rewards, values, terminated, done, autoreset = random_rollout(60, 3)
    assert (done & ~terminated).any()
    found = advantages(rewards, values, terminated, done, autoreset, gamma, gae_lambda)
    for e in range(3):
        for t in range(60):
            if autoreset[t, e]:
                assert found[t, e] == 0
                continue
            total, k = 0.0, t
            while k < 60:  # eq. 16: the sum of (γλ)^l δ, to the episode's end
                behind = 0.0 if terminated[k, e] else values[k + 1, e]
                total += (gamma * gae_lambda) ** (k - t) * (rewards[k, e] + gamma * behind - values[k, e])
                if done[k, e]:
                    break
                k += 1
            assert found[t, e] == pytest.approx(total, rel=1e-4, abs=1e-5)


def test_what_comes_behind_an_end_changes_nothing():
    rewards, values, terminated, done, autoreset = random_rollout(30, 2)
    end = int(np.flatnonzero(done[:, 0])[0])
    before = advantages(rewards, values, terminated, done, autoreset, 0.9, 0.9)
    values[end + 2 :], rewards[end + 1 :] = 50, 50  # row end + 1 shows the episode's last observation
    after = advantages(rewards, values, terminated, done, autoreset, 0.9, 0.9)
    np.testing.assert_array_equal(before[: end + 1, 0], after[: end + 1, 0])


@pytest.mark.parametrize("kind", ENVS)
def test_likelihoods_and_entropies_are_those_of_torch(kind: str):
    net = ActorCritic(*ENVS[kind], log_std=-0.3)
    x = torch.randn(50, *net.observation_space.shape)
    dist_params = net.policy(x) + torch.randn(50, 1)
    action = net.draw(dist_params, net.noise(50, generator=torch.Generator().manual_seed(0)))
    if net.parts:
        each = [Categorical(logits=part) for part in dist_params.split(net.parts, dim=1)]
        log = sum(d.log_prob(action[:, k]) for k, d in enumerate(each))
        entropy = sum(d.entropy() for d in each)
    else:
        normal = Normal(dist_params, net.log_std.exp())
        log, entropy = normal.log_prob(action).sum(1), normal.entropy().sum(1)
    found = net.likelihood(dist_params, action)
    torch.testing.assert_close(found[0], log)
    torch.testing.assert_close(found[1].expand(50), entropy)


def test_actions_are_drawn_as_often_as_the_policy_says():
    net = ActorCritic(FIGHTER, {})
    dist_params = torch.randn(1, 10).expand(40_000, -1)
    drawn = net.draw(dist_params, net.noise(40_000, generator=torch.Generator().manual_seed(0)))
    for k, part in enumerate(dist_params[0].split(net.parts)):
        counts = torch.bincount(drawn[:, k], minlength=len(part)) / 40_000
        torch.testing.assert_close(counts, part.softmax(0), atol=0.01, rtol=0)
    mode = net.draw(dist_params[:1], None)
    assert mode[0].tolist() == [int(part.argmax()) for part in dist_params[0].split(net.parts)]


@pytest.mark.parametrize("kind", ENVS)
@pytest.mark.parametrize("sample", [False, True])
def test_it_plays_actions_of_the_space(kind: str, sample: bool):
    net = ActorCritic(*ENVS[kind], sample=sample, log_std=1.0)
    x = torch.randn(32, *net.observation_space.shape)
    actions = net.act(x, torch.Generator().manual_seed(0)).detach()
    for action in actions.numpy():
        assert net.action_space.contains(net.action_space.dtype.type(action) if action.ndim == 0 else action)
    assert torch.equal(actions, net.act(x, torch.Generator().manual_seed(0)))
    assert torch.equal(actions, net.act(x, torch.Generator().manual_seed(1))) != sample


def test_screens_have_one_body_for_both():
    class Screens(ActorCritic):
        def single(self, render_mode=None):
            env = super().single(render_mode)
            env.observation_space = spaces.Box(0, 255, (4, 84, 84), np.uint8)
            return env

    net = Screens("CartPole-v1", hidden=[16], widths=[2, 2, 2])
    dist_params, value = net(torch.randint(256, (3, 4, 84, 84), dtype=torch.uint8))
    assert (dist_params.shape, value.shape) == ((3, 2), (3,))
    value.sum().backward()
    assert net.body.layers[0].weight.grad.abs().sum() > 0
    with pytest.raises(UserError, match="vectors"):
        Screens("CartPole-v1", hidden=[16], normalise=True)


def test_weights_are_orthogonal_and_the_first_policy_hardly_prefers():
    net = ActorCritic("CartPole-v1")
    for layer, gain in ((net.actor[2], 2.0), (net.critic[2], 2.0), (net.actor[4], 0.01**2), (net.critic[4], 1.0)):
        weight = layer.weight
        torch.testing.assert_close(weight @ weight.T, gain * torch.eye(len(weight)), atol=1e-5, rtol=0)
    assert net.policy(torch.randn(9, 4)).softmax(1).sub(0.5).abs().max() < 0.05


def test_observations_are_normalised_by_all_that_was_seen():
    net = ActorCritic("CartPole-v1", normalise=True)
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5, 0.1, 30]) + 3
    for chunk in x.split([1, 7, 200, 92]):
        net.update_running_stats(chunk)
    torch.testing.assert_close(net.mean, x.double().mean(0))
    torch.testing.assert_close(net.variance, x.double().var(0, unbiased=False))
    torch.testing.assert_close(net.features(x), ((x - x.mean(0)) / x.std(0, unbiased=False)), atol=1e-4, rtol=1e-4)
    assert net.features(torch.full((1, 4), 1e9)).max() == 10
    assert {"mean", "variance", "seen"} <= set(net.state_dict())


def test_rewards_are_scaled_by_the_deviation_of_their_discounted_sums():
    rewards, _, _, done, autoreset = random_rollout(80, 3)
    scale, sums = RewardNormalizer(0.9), [[] for _ in range(3)]
    for e in range(3):
        total = 0.0
        for t in range(80):
            total = 0.9 * total + rewards[t, e]
            if not autoreset[t, e]:
                sums[e].append(total)
            if done[t, e]:
                total = 0.0
    first = scale(rewards[:30], done[:30], autoreset[:30])
    assert first.shape == (30, 3)
    found = scale(rewards[30:], done[30:], autoreset[30:])
    np.testing.assert_allclose(found, (rewards[30:] / np.std(np.concatenate(sums))).clip(-10, 10), rtol=1e-4)


def test_the_loss_is_that_of_the_paper():
    module = agent("CartPole-v1", clip_coef=0.2, ent_coef=0.03, vf_coef=0.7, clip_range_vf=0.1)
    obs, action = torch.randn(64, 4), torch.randint(2, (64, 1))
    rng = torch.Generator().manual_seed(0)
    advantage, wanted = (torch.randn(64, generator=rng) for _ in range(2))
    dist_params, value = module.net(obs)
    policy = Categorical(logits=dist_params)
    before = policy.log_prob(action[:, 0]).detach() + 0.4 * torch.randn(64, generator=rng)
    old = value.detach() + 0.2 * torch.randn(64, generator=rng)
    loss, log = module.loss(obs, action, torch.stack([advantage, wanted, old, before], dim=1))
    a = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    ratios = (policy.log_prob(action[:, 0]) - before).exp()
    total, clipped = 0.0, 0
    for i in range(64):  # eq. 7 and 9, row by row
        r = ratios[i]
        total -= min(r * a[i], r.clamp(0.8, 1.2) * a[i]) / 64
        near = old[i] + (value[i] - old[i]).clamp(-0.1, 0.1)
        total += 0.7 * 0.5 * max((value[i] - wanted[i]) ** 2, (near - wanted[i]) ** 2) / 64
        clipped += int(abs(r - 1) > 0.2)
    torch.testing.assert_close(loss, total - 0.03 * policy.entropy().mean())
    assert log[4].item() == pytest.approx(clipped / 64)
    assert 0 < clipped < 64


def test_no_gradient_where_the_ratio_is_clipped_with_profit():
    module = agent("CartPole-v1", norm_adv=False, vf_coef=0.0)
    obs, action = torch.randn(8, 4), torch.randint(2, (8, 1))
    log = module.net.likelihood(module.net.policy(obs), action)[0].detach()

    def pull(advantage: float, ratio: float) -> float:
        module.zero_grad()
        facts = [torch.full((8,), advantage), torch.zeros(8), torch.zeros(8), log - np.log(ratio)]
        module.loss(obs, action, torch.stack(facts, dim=1))[0].backward()
        return sum(float(p.grad.abs().sum()) for p in module.net.actor.parameters())

    assert pull(1.0, 1.5) == pull(-1.0, 0.5) == 0
    assert min(pull(1.0, 0.5), pull(-1.0, 1.5), pull(1.0, 1.1)) > 0


def test_a_training_step_is_one_global_step_of_many_updates_and_leaves_out_dead_steps():
    module = agent("CartPole-v1", num_envs=4, num_steps=64, batch_size=32, update_epochs=3)
    rows = []
    loss = module.loss
    module.loss = lambda obs, *rest: (rows.append(len(obs)), loss(obs, *rest))[1]
    trainer = fit(module, 512, 256, limit_val_batches=0)
    assert (trainer.global_step, module.env_steps) == (2, 512)
    assert module.updates == len(rows)
    ended = 512 - sum(rows) / 3  # each step but the dead ones, once in each pass
    assert 0 < ended < 100
    assert min(rows) > 24


def test_no_further_pass_once_the_policy_has_moved_too_far():
    updates = []
    for target in (0.0, 1e-6, 100.0):
        module = agent(
            "CartPole-v1",
            num_envs=2,
            num_steps=64,
            batch_size=64,
            update_epochs=4,
            target_kl=target,
            learning_rate=1e-2,
        )
        fit(module, 128, limit_val_batches=0)
        updates.append(module.updates)
    assert updates[0] == updates[2] == 4 * updates[1]


def test_the_step_size_falls_in_a_straight_line():
    module = agent("CartPole-v1", num_envs=2, num_steps=32, update_epochs=1, learning_rate=1e-2, lr_end=0.0)
    rates = []
    log = module.log_dict
    module.log_dict = lambda values, **options: (rates.append(values.get("train/lr")), log(values, **options))
    fit(module, 256, 64, limit_val_batches=0)
    assert rates == pytest.approx([1e-2, 0.75e-2, 0.5e-2, 0.25e-2])


def test_mistakes_are_told():
    with pytest.raises(UserError, match="expected one of tanh, relu, got 'gelu'"):
        ActorCritic("CartPole-v1", activation="gelu")
    with pytest.raises(UserError, match="shows Discrete"):
        ActorCritic("FrozenLake-v1")
    with pytest.raises(UserError, match="exclude each other"):
        agent("CartPole-v1", clip_rewards=True, normalise_rewards=True)
    with pytest.raises(UserError, match="ActorCritic"):
        PPO(torch.nn.Linear(1, 1))


def test_it_learns_cartpole_in_30000_steps():
    """Random play scores 22; 500 is all there is."""
    module = agent(
        "CartPole-v1",
        num_envs=8,
        num_steps=128,
        batch_size=128,
        update_epochs=8,
        learning_rate=2e-3,
        lr_end=0.0,
        gae_lambda=0.9,
    )
    fit(module, 30_000, limit_val_batches=0)
    assert np.mean([r for r, _ in network_returns(module.ema, 10)]) > 400


def test_it_beats_the_fighter_in_40000_steps():
    """Random play scores -1.5, the fighter's own script 0.2; 2 is all there is."""
    net = {"hidden": [128, 128], "normalise": True}
    module = agent(
        FIGHTER, net=net, num_steps=64, batch_size=256, update_epochs=6, learning_rate=2e-3, lr_end=0.0, ent_coef=0.01
    )
    fit(module, 40_000, limit_val_batches=0)
    assert np.mean([r for r, _ in network_returns(module.ema, 32)]) > 1


SMALL = {
    "model": {
        "class_path": "pokegen.game.agents.ppo.PPO",
        "init_args": {
            "network": {
                "class_path": "pokegen.game.agents.ppo.ActorCritic",
                "init_args": {"env": LANDER, "options": {"continuous": True}, "hidden": [16], "normalise": True},
            },
            **{"num_envs": 4, "num_steps": 64, "update_epochs": 2, "val_episodes": 1, "normalise_rewards": True},
            **{"lr_end": 0.0, "ema_steps": 100.0},
        },
    },
    "data": {"class_path": "pokegen.game.agents.base.EnvStepBudget", "init_args": {"steps": 1536, "epoch_steps": 256}},
    "trainer": {"max_epochs": -1, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"},
}


def test_a_run_of_an_earlier_version_resumes(tmp_path):
    old = {"path": "pokegen.game.ppo.PPO", "budget": "pokegen.game.agents.Steps"}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    argv = ["fit", "--config", str(tmp_path / "small.yaml"), "--log", "off", "--runs", str(tmp_path), "--run", "old"]
    assert main([*argv, "--data.steps", "256"]) == 0
    config = tmp_path / "old" / "config.yaml"
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["data"]["class_path"], settings["model"]["class_path"] = old["budget"], old["path"]
    names = {new: key for key, new in moved.KEYS["pokegen.game.agents.ppo.PPO"].items()}
    args = settings["model"]["init_args"]
    settings["model"]["init_args"] = {names.get(key, key): value for key, value in args.items()}
    assert {"rollout", "epochs", "trace"} <= settings["model"]["init_args"].keys()
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.warns(UserWarning, match="rollout is now num_steps"):
        assert main(["fit", "--config", str(config), "--ckpt_path", "last", "--data.steps", "512"]) == 0
    saved = torch.load(tmp_path / "old" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["state_dict"]["images_seen"] == 512 and saved["agent"].keys() == {"draws", "updates", "recent", "more"}
    renewed = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]
    assert renewed["class_path"] == "pokegen.game.agents.ppo.PPO" and renewed["init_args"] == args


def test_an_old_key_on_the_command_line_names_the_new_one(tmp_path, capsys):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    argv = ["fit", "--config", str(tmp_path / "small.yaml"), "--log", "off", "--runs", str(tmp_path)]
    assert main([*argv, "--model.rollout", "128"]) == 2
    message = capsys.readouterr().err
    assert message.strip() == "pokegen: model: unknown key 'rollout'; it is now 'num_steps'."


def test_a_killed_run_goes_on_as_one_that_was_never_stopped(tmp_path):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    argv = ["fit", "--config", str(tmp_path / "small.yaml"), "--log", "off", "--runs", str(tmp_path)]
    killed = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-m", "pokegen.cli.main", *argv, "--run", "killed"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(6000):
            if killed.exists():
                break
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert torch.load(killed, weights_only=True)["epoch"] < 5
    assert main([*argv, "--run", "killed", "--ckpt_path", "last"]) == 0
    assert main([*argv, "--run", "whole"]) == 0
    whole = tmp_path / "whole" / "checkpoints" / "last.ckpt"
    one, other = (torch.load(path, weights_only=True) for path in (killed, whole))
    assert one["epoch"] == other["epoch"] == 5
    assert one["state_dict"]["images_seen"] == 1536
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key]), key
    assert one["agent"]["more"] == other["agent"]["more"]
    assert one["agent"]["recent"] == other["agent"]["recent"]
    for a, b in zip(*(c["optimizer_states"][0]["state"].values() for c in (one, other)), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
