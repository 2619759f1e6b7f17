"""Returns of many games at once, and what is said of their spread."""

import gymnasium
import numpy as np
import pytest
import torch

from pokegen.game.agents.base import AgentNetwork, network_returns
from pokegen.game.agents.dqn import QNetwork
from pokegen.game.agents.seat import AgentPlayer
from pokegen.game.envs import vector
from pokegen.game.evaluate import interquartile_mean, interval
from pokegen.game.play import returns


class Countdown(gymnasium.Env):
    """Pays 1 a step; ends behind 3 to 12 steps, each as likely."""

    observation_space = gymnasium.spaces.Box(0, 20, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(3, 13))
        return np.array([self.left], np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.array([self.left], np.float32), 1.0, self.left == 0, False, {}


gymnasium.register("tests/Countdown-v0", Countdown)


class Idle(AgentNetwork):
    def __init__(self):
        super().__init__("tests/Countdown-v0")
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def act(self, observation, generator=None):
        return torch.zeros(len(observation), dtype=torch.long)


def test_long_games_count_as_often_as_short_ones():
    found = network_returns(Idle(), 800, seed=0)
    assert len(found) == 800
    assert all(total == steps for total, steps in found)  # the dead step of a reset is none
    mean = np.mean([total for total, _ in found])
    assert mean == pytest.approx(7.5, abs=4 * 2.87 / 800**0.5)  # uniform from 3 to 12


def test_many_at_once_play_as_one_after_the_other():
    network = QNetwork("LunarLander-v3", hidden=[16], test_epsilon=0.0)
    alone = list(returns(network.single(), AgentPlayer(network), 3, seed=7))
    np.testing.assert_allclose(network_returns(network, 3, seed=7), alone)


def test_atari_at_once_shows_what_one_shows():
    many, one = vector.make_vector("ALE/SpaceInvaders-v5", 1), vector.single("ALE/SpaceInvaders-v5")
    seen, info = many.reset(seed=3)
    idle = int(info["episode_frame_number"][0])
    for seed in range(300):  # the two draw the idle steps at the start otherwise
        shown, facts = one.reset(seed=seed)
        if facts["episode_frame_number"] == idle:
            break
    np.testing.assert_array_equal(seen[0], shown)
    rng = np.random.default_rng(0)
    for _ in range(200):
        action = int(rng.integers(6))
        seen, reward, ended, *_ = many.step(np.array([action]))
        shown, paid, over, *_ = one.step(action)
        np.testing.assert_array_equal(seen[0], shown)
        assert (reward[0], ended[0]) == (paid, over)
        if over:
            break


def test_interquartile_mean():
    assert interquartile_mean(np.array([1000.0, 1, 2, 3, 4, 5, 6, -1000])) == pytest.approx(3.5)
    assert interquartile_mean(np.array([[4.0, 0, 2, 9], [1, 1, 1, 1]])).tolist() == [3.0, 1.0]


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(100):
        runs = rng.normal(5.0, 2.0, size=(2, 40))
        low, high = interval(runs, lambda x: x.mean(axis=-1), seed=trial)
        held += low < 5.0 < high
    assert 86 <= held <= 100
    assert interval([[3.0] * 5, [3.0] * 5]) == (3.0, 3.0)
