"""Environments, opponents, tournaments and training on the real simulator. Needs Node.js."""

import numpy as np
import pytest
import torch

from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game.battle import encoder
from pokegen.game.battle.bridge import Bridge
from pokegen.game.battle.env import POOL, SELF, BattleEnv, BattleVectorEnv, _places
from pokegen.game.battle.expert import BattleExpert
from pokegen.game.battle.opponents import NetworkOpponent, opponent
from pokegen.game.battle.rating import Couple
from pokegen.game.battle.tournament import play, schedule
from pokegen.game.battle.training import BattleDemonstrations, demonstrate

pytestmark = pytest.mark.usefixtures("package")


def rollout(seats, opponents, seed, steps, choose):
    env = BattleVectorEnv(seats, opponents, shaping=0.5)
    try:
        seen = [env.reset(seed=seed)[0]]
        rewards, ends = [], []
        for _ in range(steps):
            observation, reward, done, truncated, _ = env.step(choose(seen[-1]))
            assert not truncated.any()
            seen.append(observation)
            rewards.append(reward)
            ends.append(done)
        return np.stack(seen), np.stack(rewards), np.stack(ends), list(env.results), env.places
    finally:
        env.close()


def first_legal(observation):
    return observation[:, encoder.LAYOUT["legal"]].argmax(axis=1)


def test_equal_seeds_give_equal_battles():
    expert = BattleExpert()

    def choose(observation):
        return expert.act(torch.from_numpy(observation)).numpy()

    a, b = (rollout(4, {SELF: 1.0, "random": 1.0}, 7, 18, choose) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a[:3], b[:3], strict=True)) and a[3] == b[3]
    assert not np.array_equal(a[0][:6], rollout(4, {SELF: 1.0, "random": 1.0}, 8, 5, choose)[0])


def test_two_seats_of_a_battle_have_opposite_rewards_and_end_together():
    seen, rewards, ends, results, places = rollout(4, None, 3, 90, first_legal)
    assert places == [(SELF, [0, 1]), (SELF, [2, 3])]
    assert np.allclose(rewards[:, 0], -rewards[:, 1], atol=0.01)  # the foe's health is shown in percent
    assert np.array_equal(ends[:, 0], ends[:, 1])
    assert ends.any() and len(results) == ends[:, ::2].sum()
    assert (np.abs(rewards[ends]) >= 0.5).all()  # 1, with what the last blow changes
    legal = seen[..., encoder.LAYOUT["legal"]]
    assert (legal.sum(axis=2) >= 1).all()
    passes = legal[..., encoder.PASS] == 1
    going = ~np.concatenate([np.zeros((1, 4), bool), ends])
    assert (legal[passes].sum(axis=1) == 1).all()
    assert not (passes[:, 0] & passes[:, 1])[going[:, 0]].any()  # someone decides
    assert np.isfinite(seen).all()


def test_an_illegal_action_is_replaced_and_the_battle_goes_on():
    *_, ends, results, _ = rollout(2, None, 1, 80, lambda seen: np.full(len(seen), encoder.PASS))
    assert len(results) == ends[:, 0].sum()


def test_shaping_sums_up_to_the_difference_in_health():
    _, rewards, ends, results, _ = rollout(2, None, 5, 90, first_legal)
    end = int(np.argmax(ends[:, 0]))
    won = results[0][1]
    shaped = rewards[: end + 1, 0].sum() - won
    assert 0 < won * shaped <= 0.5  # of `shaping`: the winner has more left


def test_seats_are_divided_by_the_weights():
    found = _places(10, {SELF: 0.6, POOL: 0.2, "random": 0.2})
    assert [name for name, _ in found].count(SELF) == 3
    assert sorted(seat for _, seats in found for seat in seats) == list(range(10))
    with pytest.raises(UserError, match="even in number, got 3"):
        _places(3, {SELF: 1.0})
    assert _places(3, {SELF: 0.9, "random": 0.1})[-1][0] == "random"


def test_the_expert_beats_the_simple_players():
    expert = BattleExpert()

    def choose(observation):
        return expert.act(torch.from_numpy(observation)).numpy()

    _, _, _, results, _ = rollout(16, {"random": 1.0, "max_power": 1.0}, 0, 45, choose)
    for name, least in (("random", 0.9), ("max_power", 0.75)):
        won = [result > 0 for other, result in results if other == name]
        assert len(won) >= 8 and np.mean(won) > least


def test_one_environment_passes_gymnasiums_check():
    from gymnasium.utils.env_checker import check_env

    env = BattleEnv(opponents={"max_power": 1.0})
    check_env(env, skip_render_check=True)
    env.close()


def test_an_opponent_that_is_none():
    with pytest.raises(UserError, match="does not battle"):
        opponent("vae")


def test_a_tournament_of_random_teams_is_repeatable():
    player = NetworkOpponent(BattleExpert())

    def results():
        with Bridge() as bridge:
            teams = [bridge.team("gen9randombattle", (1, 2, 3, i)) for i in range(4)]
            alone = [team.split("]")[0] for team in teams]
            fixtures = schedule(4, 3, size=1, seed=2)
            found = play(fixtures, lambda m: "]".join(alone[i] for i in m), player, bridge, "gen9customgame", at_once=4)
            return dict(found)

    first = results()
    assert set(first) == {0, 1, 2} and all(isinstance(c, Couple) and 0 <= c.score <= 2 for c in first.values())
    assert first == results()


def test_demonstrations_hold_decisions_and_the_results_of_their_battles():
    found = demonstrate(BattleDemonstrations(decisions=200, batch_size=64, seats=6, random_share=0.1))
    rows = len(found["action"])
    assert rows >= 200 and found["observation"].shape == (rows, encoder.SIZE)
    legal = found["observation"][:, encoder.LAYOUT["legal"]]
    assert (legal.gather(1, found["action"]) == 1).all() and (legal.sum(dim=1) > 1).all()
    for battle in found["battle"].unique():
        results = found["result"][found["battle"] == battle].unique()
        assert set(results.tolist()) <= {-1.0, 1.0} or results.tolist() == [0.0]


SMALL = (
    "--data.steps", "96", "--data.epoch_steps", "48", "--model.init_args.num_envs", "6",
    "--model.init_args.num_steps", "8", "--model.init_args.batch_size", "16", "--model.init_args.update_epochs", "1",
    "--model.init_args.val_episodes", "1", "--model.init_args.pool_every", "1", "--model.init_args.pool_size", "2",
    "--model.init_args.opponents", "{self: 0.6, pool: 0.4}",
)  # fmt: skip


def fit(folder, run, config, *words):
    common = "--log", "csv", "--seed_everything", "1", "--trainer.enable_progress_bar", "false"
    config = f"configs/game/{config}.yaml"
    assert main(["fit", "--config", config, "--runs", str(folder), "--run", run, *common, *words]) == 0
    return torch.load(folder / run / "checkpoints" / "last.ckpt", weights_only=True)


def test_self_play_goes_on_from_a_clone_and_a_resumed_run_equals_one_that_never_stopped(tmp_path):
    few = "--data.decisions", "300", "--data.seats", "8", "--data.batch_size", "64", "--trainer.max_epochs", "1"
    clone = fit(tmp_path, "clone", "battle_bc", *few)
    start = "--init_from", str(tmp_path / "clone" / "checkpoints" / "last.ckpt")
    whole = fit(tmp_path, "whole", "battle", *SMALL, *start)
    fit(tmp_path, "halves", "battle", *SMALL, *start, "--trainer.max_epochs", "1")
    halves = fit(tmp_path, "halves", "battle", *SMALL, "--ckpt_path", "last")
    for key, value in whole["state_dict"].items():
        assert torch.equal(value, halves["state_dict"][key]), key
    learnt = [key for key in whole["state_dict"] if key.startswith("net.") and "matchups" not in key]
    assert all(not torch.equal(whole["state_dict"][key], clone["state_dict"][key]) for key in learnt)
    assert len(whole["agent"]["more"]["pool"]) == 2
