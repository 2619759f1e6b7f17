"""MADDPG, the physics that it trains in, and the scripts that it is measured against."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game.agents import maddpg
from pokegen.game.agents.maddpg import MADDPG, BatchedMLPs, Critics, JointReplay, MADDPGActors
from pokegen.game.envs import particles

SPREAD, ADVERSARY = "mpe/simple_spread_v3", "mpe/simple_adversary_v3"


@pytest.fixture(scope="module")
def spread() -> MADDPGActors:
    return MADDPGActors(SPREAD, hidden=[8])


@pytest.fixture(scope="module")
def adversary() -> MADDPGActors:
    return MADDPGActors(ADVERSARY, hidden=[8])


@pytest.mark.parametrize(
    "options", [{}, {"continuous_actions": True}, {"N": 2, "max_cycles": 9}, {"trail": True}], ids=str
)
@pytest.mark.parametrize("id", [SPREAD, ADVERSARY])
def test_particles_equal_mpe2_to_the_last_bit(id: str, options: dict):
    ours, theirs = (
        particles.make_vector(id, 3, **options),
        SyncVectorEnv([lambda: particles.single(id, **options)] * 3, autoreset_mode=AutoresetMode.NEXT_STEP),
    )
    assert isinstance(ours, particles.Particles)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    found = [envs.reset(seed=[4, 5, 6])[0] for envs in (ours, theirs)]
    np.testing.assert_array_equal(*found)
    ours.action_space.seed(0)
    touched = 0.0
    for _ in range(60):  # ends, and what a reset shows, among them
        action = ours.action_space.sample()
        one, other = ours.step(action), theirs.step(action)
        for mine, its in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(mine, its)
        np.testing.assert_array_equal(one[4]["rewards"], other[4]["rewards"])
        touched += np.ptp(one[4]["rewards"])
    assert touched > 0


def test_touching_agents_push_each_other_as_in_mpe2():
    ours = particles.Particles(SPREAD, 1)
    theirs = particles.single(SPREAD)
    ours.reset(seed=[0])
    theirs.reset(seed=0)
    near = np.array([[0.0, 0.0], [0.1, 0.05], [0.02, -0.2]])
    ours.position[0] = near
    agents = theirs.unwrapped.parallel.unwrapped.world.agents
    for agent, place in zip(agents, near, strict=True):
        agent.state.p_pos = place.copy()
    for action in ([0, 0, 0], [1, 2, 3], [4, 4, 2]):
        ours.step(np.array([action]))
        _, _, _, _, info = theirs.step(action)
        np.testing.assert_array_equal(ours.position[0], [agent.state.p_pos for agent in agents])
        np.testing.assert_array_equal(ours.velocity[0], [agent.state.p_vel for agent in agents])
    assert info["rewards"].shape == (3,)


def test_other_environments_are_played_by_mpe2():
    envs = particles.make_vector("mpe/simple_speaker_listener_v4", 2)
    assert isinstance(envs, SyncVectorEnv)
    team = MADDPGActors("mpe/simple_speaker_listener_v4", hidden=[8])
    assert team.kinds == ["speaker", "listener"]
    assert team.action_space.nvec.tolist() == [3, 5]
    obs, _ = envs.reset(seed=[0, 1])
    assert obs.shape == (2, 2, 11)
    assert not obs[:, 0, 3:].any()  # the speaker sees three numbers
    logits = team(torch.from_numpy(obs) * 100)
    assert (logits[:, 0].softmax(dim=1)[:, 3:] == 0).all()  # it has three actions
    assert envs.step(team.act(torch.from_numpy(obs)).numpy())[4]["rewards"].shape == (2, 2)
    with pytest.raises(UserError, match="has one agent, not several"):
        MADDPGActors("CartPole-v1")


def test_agents_remember_how_all_moved_and_what_they_did():
    plain, envs = particles.Particles(ADVERSARY, 2), particles.Particles(ADVERSARY, 2, trail=True)
    before, _ = plain.reset(seed=[0, 1])
    obs, _ = envs.reset(seed=[0, 1])
    np.testing.assert_array_equal(obs, np.concatenate([before, np.zeros((2, 3, 15))], axis=2))
    plain.action_space.seed(0)
    for step in range(1, 30):
        action = plain.action_space.sample()
        shown, _, _, _, _ = plain.step(action)
        obs, _, _, _, _ = envs.step(action)
        np.testing.assert_array_equal(obs[..., :10], shown)
        if step == 26:  # a reset, at which nothing is remembered
            assert not obs[..., 10:].any()
        else:
            np.testing.assert_array_equal(obs[..., 10:20], shown - before)
            np.testing.assert_array_equal(obs[..., 20:].argmax(axis=2), action)
        before = shown
    with pytest.raises(UserError, match="moves, not forces"):
        particles.Particles(ADVERSARY, 1, trail=True, continuous_actions=True)


def test_nets_at_once_are_nets_one_by_one():
    nets, which = BatchedMLPs(2, [5, 7, 3]), torch.tensor([1, 0, 1])
    x = torch.randn(3, 4, 5)
    for a, k in enumerate(which):
        hidden = (x[a] @ nets.weights[0][k] + nets.biases[0][k]).relu()
        torch.testing.assert_close(nets(x, which)[a], hidden @ nets.weights[1][k] + nets.biases[1][k])


@pytest.mark.parametrize("share", [True, False])
def test_actors_see_their_own_and_critics_all(share: bool):
    team = MADDPGActors(ADVERSARY, hidden=[8], share=share)
    critic = Critics(team, [8], 2, norm=False)
    obs = torch.randn(1, 3, 10, requires_grad=True)
    for a in range(3):
        (slope,) = torch.autograd.grad(team(obs)[0, a].sum(), obs)
        assert [bool(slope[0, b].any()) for b in range(3)] == [a == b for b in range(3)]
    action = torch.randn(1, 3, 5, requires_grad=True)
    for value in critic(obs, action).flatten():
        by_seen, by_action = torch.autograd.grad(value, (obs, action), retain_graph=True)
        assert by_seen[0].any(dim=1).all() and by_action[0].any(dim=1).all()
    assert len(team.nets.weights[0]) == (2 if share else 3)


def test_good_agents_who_change_places_change_values(adversary: MADDPGActors):
    """Of a shared critic: own first, then one's kind, then the others."""
    critic = Critics(adversary, [8], 2, norm=False)
    assert critic.order.tolist() == [[0, 1, 2], [1, 2, 0], [2, 1, 0]]
    obs, action = torch.randn(6, 3, 10), torch.randn(6, 3, 5)
    swapped = [0, 2, 1]
    values = critic(obs, action)
    torch.testing.assert_close(critic(obs[:, swapped], action[:, swapped])[:, 1:], values[:, 1:].flip(1))
    assert not torch.allclose(values[0], values[1])  # twins


def test_an_actor_is_judged_by_its_own_action_among_the_played(spread: MADDPGActors):
    critic = Critics(spread, [8], 2, norm=False)
    obs, action, own = torch.randn(4, 3, 18), torch.randn(4, 3, 5), torch.randn(4, 3, 5, requires_grad=True)
    found = critic(obs, action, own=own, twins=1)
    assert found.shape == (1, 3, 4)
    for a in range(3):
        mixed = action.clone()
        mixed[:, a] = own[:, a].detach()
        torch.testing.assert_close(found[0, a].detach(), critic(obs, mixed)[0, a].detach())
    (slope,) = torch.autograd.grad(found[0, 1].sum(), own)
    assert slope[:, 1].any() and not slope[:, [0, 2]].any()


def test_straight_through_is_one_hot_with_the_slope_of_softmax():
    logits = torch.randn(7, 5, requires_grad=True)
    weights = torch.randn(7, 5)
    hard = maddpg.straight_through(logits, 0.5)
    torch.testing.assert_close(hard.detach(), torch.eye(5)[logits.argmax(dim=1)])
    (slope,) = torch.autograd.grad((hard * weights).sum(), logits)
    (soft,) = torch.autograd.grad(((logits / 0.5).softmax(dim=1) * weights).sum(), logits)
    torch.testing.assert_close(slope, soft)


def test_gumbel_noise_draws_by_probability():
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(200_000, 4)
    drawn = (logits + maddpg.gumbel(logits, torch.Generator().manual_seed(0))).argmax(dim=1)
    # Four standard deviations
    assert (drawn.bincount() / 200_000 - torch.tensor([0.1, 0.2, 0.3, 0.4])).abs().max() < 4 * (0.25 / 200_000) ** 0.5


def test_targets_follow_by_tau(spread: MADDPGActors):
    module = MADDPG(spread, tau=0.25)
    pairs = [(module.target, module.net), (module.target_critic, module.critic)]
    before = [[p.clone() for p in target.parameters()] for target, _ in pairs]
    with torch.no_grad():
        for _, net in pairs:
            for p in net.parameters():
                p.add_(1.0)
    module.update_targets()
    for old, (target, net) in zip(before, pairs, strict=True):
        for was, now, p in zip(old, target.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(now, 0.75 * was + 0.25 * p)


def test_a_memory_is_a_list_of_the_last_rows():
    memory = JointReplay(10, (2, 3, 4))
    rows = []
    for number in range(7):
        n = 3
        columns = [torch.full(shape, float(number)) + torch.arange(n).reshape(-1, *[1] * (len(shape) - 1)) / 10
                   for shape in ((n, 2, 3), (n, 2, 4), (n, 2), (n, 2, 3), (n,))]  # fmt: skip
        memory.add(*columns)
        rows += columns[4].tolist()
    assert len(memory) == 10
    obs, action, reward, next_obs, terminal = memory.draw(500, torch.Generator().manual_seed(0))
    assert sorted(set(terminal.tolist())) == pytest.approx(rows[-10:])
    for column in (obs, action, reward, next_obs):
        assert torch.equal(column.flatten(1), terminal[:, None].expand_as(column.flatten(1)))
    assert JointReplay.memory(10, (2, 3, 4)) == sum(getattr(memory, key).nbytes for key in JointReplay._COLUMNS)


def test_epsilon_is_the_share_of_moves_that_no_actor_chose(spread: MADDPGActors):
    module = MADDPG(spread)
    module.rng.manual_seed(0)
    sure = torch.zeros(50_000, 3, 5)
    sure[..., 2] = 50.0
    played = module.explore(sure, 0.4)
    assert set(played.unique().tolist()) == {0.0, 1.0} and (played.sum(dim=2) == 1).all()
    assert 1 - played[..., 2].mean().item() == pytest.approx(0.4 * 4 / 5, abs=0.01)


def test_scripts_play_as_well_as_they_should(spread: MADDPGActors, adversary: MADDPGActors):
    """Anchors of simple_spread: −27.1 at random, −9.1 by assignment; of simple_adversary −29.1 and 6.3 at random."""
    random, script = (maddpg.episodes(spread, play, 200).mean() for play in (maddpg.random_play, maddpg.spread_play))
    assert random == pytest.approx(-27.1, abs=2)
    assert script == pytest.approx(-9.1, abs=0.5)
    table = maddpg.cross_play(adversary, 100)
    means = {(a, g): {k: np.mean(v) for k, v in kinds.items()} for a, row in table.items() for g, kinds in row.items()}
    assert means["random", "random"]["adversary"] == pytest.approx(-29.1, abs=3)
    assert means["random", "scripted"]["agent"] > 19.3
    assert means["scripted", "covering"]["agent"] > means["scripted", "scripted"]["agent"] + 4
    assert means["scripted", "scripted"]["adversary"] > means["random", "scripted"]["adversary"] + 10
    assert json.loads(json.dumps(table)) == table
    with pytest.raises(UserError, match="cross_play needs a team of mpe/simple_adversary_v3"):
        maddpg.cross_play(spread)


def fit(runs: Path, name: str, *more: str) -> dict:
    words = [
        *("fit", "--config", "configs/game/maddpg.yaml", "--runs", str(runs), "--run", name, "--log", "csv"),
        *("--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"),
    ]
    assert main([*words, *more]) == 0
    return torch.load(runs / name / "checkpoints" / "last.ckpt", weights_only=True)


SMALL = (
    *("--data.steps", "1280", "--data.epoch_steps", "320", "--model.init_args.num_envs", "8"),
    *("--model.init_args.learning_starts", "256", "--model.init_args.batch_size", "32"),
    *("--model.init_args.buffer_size", "500", "--model.init_args.val_episodes", "4"),
    *("--model.init_args.network.init_args.hidden", "[8]", "--model.init_args.critic_hidden", "[8]"),
)


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path):
    keep = (*SMALL, "--model.init_args.save_replay", "true")
    one = fit(tmp_path, "whole", *keep)
    fit(tmp_path, "halves", *keep, "--trainer.max_epochs", "2")
    other = fit(tmp_path, "halves", *keep, "--ckpt_path", "last")
    assert one["global_step"] == other["global_step"] > 0
    assert one["agent"]["updates"] == other["agent"]["updates"] == 8 * one["global_step"]
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key]), key


def test_two_sides_have_no_best_checkpoint(tmp_path: Path):
    fit(tmp_path, "run", *SMALL, "--model.init_args.network.init_args.env", ADVERSARY)
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()
    rows = list(csv.DictReader(next((tmp_path / "run" / "csv").glob("*/metrics.csv")).open()))
    last = [row for row in rows if row["val/return_agent"]][-1]
    both = (float(last["val/return_adversary"]) + 2 * float(last["val/return_agent"])) / 3
    assert float(last["val/return"]) == pytest.approx(both, rel=1e-4)


def test_forces_are_learned_too(tmp_path: Path):
    saved = fit(tmp_path, "run", *SMALL, "--model.init_args.network.init_args.options", '{"continuous_actions": true}')
    assert saved["agent"]["updates"] > 0


def test_it_learns_to_go_to_a_landmark(tmp_path: Path):
    """simple_spread with one agent, whose return is −10 at the start, and −6.5 of who goes straight."""
    more = {"num_envs": 16, "num_steps": 8, "gradient_steps": 8, "batch_size": 128, "learning_starts": 1000,
            "buffer_size": 12000, "learning_rate": 2e-3, "critic_lr": 2e-3,
            "val_episodes": 200, "network.init_args.options": '{"N": 1}'}  # fmt: skip
    words = [word for key, value in more.items() for word in (f"--model.init_args.{key}", str(value))]
    fit(tmp_path, "run", *words, "--data.steps", "12000", "--data.epoch_steps", "6000")
    rows = list(csv.DictReader(next((tmp_path / "run" / "csv").glob("*/metrics.csv")).open()))
    assert max(float(row["val/return"]) for row in rows if row["val/return"]) > -8


def test_mistakes_are_told(spread: MADDPGActors):
    with pytest.raises(UserError, match="MADDPG trains a pokegen"):
        MADDPG(torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="buffer_size must hold learning_starts"):
        MADDPG(spread, buffer_size=10)
