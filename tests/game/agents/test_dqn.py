"""DQN's parts against their closed forms."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from pokegen.game.agents.base import annealed
from pokegen.game.agents.dqn import QNetwork, Replay, explore

COUNT, STACK = 3, 4
SCREENS = spaces.Box(0, 255, (STACK, 2, 2), np.uint8)
VECTORS = spaces.Box(-np.inf, np.inf, (2,), np.float32)


def play(replay: Replay, space: spaces.Box, steps: int, seed: int = 0) -> list[list[dict]]:
    """Random episodes, added to the memory and kept as a list for each environment. Each frame is all one number."""
    rng = np.random.default_rng(seed)
    kept: list[list[dict]] = [[] for _ in range(COUNT)]
    autoreset, number = np.zeros(COUNT, bool), iter(range(1, 10**6))
    frame = [
        np.full(space.shape[-2:] if len(space.shape) == 3 else space.shape, next(number) % 256) for _ in range(COUNT)
    ]
    obs = np.zeros((COUNT, *space.shape), space.dtype)

    def show(i: int, anew: bool) -> None:
        if len(space.shape) == 3:
            obs[i] = np.concatenate([np.zeros_like(obs[i, 1:]) if anew else obs[i, 1:], frame[i][None]])
        else:
            obs[i] = frame[i]

    for i in range(COUNT):
        show(i, True)
    replay.begin()
    for _ in range(steps):
        action, reward = rng.integers(4, size=COUNT), rng.normal(size=COUNT).astype(np.float32)
        reward[autoreset] = 0
        ended = (rng.random(COUNT) < 0.15) & ~autoreset
        cut = (rng.random(COUNT) < 0.1) & ~autoreset & ~ended
        life_lost = (rng.random(COUNT) < 0.1) & ~autoreset & ~ended & ~cut  # a life, not the game
        replay.add(obs.copy(), action, reward, ended | life_lost, ended | cut, autoreset)
        for i in range(COUNT):
            step = {
                "obs": obs[i].copy(),
                "action": action[i],
                "reward": float(reward[i]),
                "autoreset": bool(autoreset[i]),
            }
            kept[i].append(step | {"terminal": bool(ended[i] or life_lost[i]), "done": bool(ended[i] or cut[i])})
            frame[i] = np.full_like(frame[i], next(number) % 256)
            show(i, bool(autoreset[i]))  # the step behind an end is the reset, which shows a new episode's first frame
        autoreset = ended | cut
    return kept


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_no_return_leads_from_one_game_into_the_next(alpha: float):
    replay = Replay(30, 1, VECTORS, alpha)
    no = np.zeros(1, bool)
    for number in (*range(10), *range(1000, 1010)):
        if number == 1000:
            replay.begin()
        replay.add(np.full((1, 2), number, np.float32), np.zeros(1, int), np.ones(1, np.float32), no, no, no)
    obs, _, gained, next_obs, factor, _, _ = replay.draw(300, 3, 0.5, torch.Generator().manual_seed(0))
    first, last = obs[:, 0], next_obs[:, 0]
    # Of the step before the new games nothing is known but its start.
    assert set(first) == {*range(9), *range(1000, 1007)}
    np.testing.assert_array_equal(last, np.where(first < 10, np.minimum(first + 3, 9), first + 3))
    np.testing.assert_allclose(factor, 0.5 ** (last - first))
    np.testing.assert_allclose(gained, 2 - 2 * factor)


@pytest.mark.parametrize("space", [SCREENS, VECTORS], ids=["screens", "vectors"])
@pytest.mark.parametrize("alpha", [0.0, 0.6])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("buffer_size", [60 * COUNT, 1000 * COUNT], ids=["wrapped", "all kept"])
def test_replay_gives_what_a_list_would(space: spaces.Box, alpha: float, n: int, buffer_size: int):
    replay = Replay(buffer_size, COUNT, space, alpha)
    kept = play(replay, space, 250)
    obs, action, reward, next_obs, factor, rows, weights = replay.draw(
        500, n, 0.9, torch.Generator().manual_seed(0), 0.4
    )
    assert len({(int(r), int(e)) for r, e in rows}) > 60
    for b in range(len(obs)):
        row, env = rows[b]
        t = max(t for t in range(row, 250, replay.rows))  # the latest step that lies in the row
        steps, total, left = kept[env], 0.0, 1.0
        assert not steps[t]["autoreset"]
        np.testing.assert_array_equal(obs[b], steps[t]["obs"])
        assert action[b] == steps[t]["action"]
        at = t
        for _ in range(n):
            total += left * steps[at]["reward"]
            left *= 0.9
            at += 1
            if steps[at - 1]["terminal"]:
                left = 0.0
            if steps[at - 1]["terminal"] or steps[at - 1]["done"]:
                break
        np.testing.assert_allclose(reward[b], total, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(factor[b], left, rtol=1e-5)
        if left:
            np.testing.assert_array_equal(next_obs[b], steps[at]["obs"])
    assert weights.max() == 1


def test_prioritised_rows_are_drawn_as_often_as_their_priorities_say():
    replay = Replay(50 * COUNT, COUNT, VECTORS, alpha=0.5)
    play(replay, VECTORS, 40)
    rows = np.argwhere(~replay.autoreset[:37])
    errors = np.arange(1, len(rows) + 1, dtype=float)
    replay.weigh(rows, errors)
    *_, drawn, weights = replay.draw(200_000, 3, 0.9, torch.Generator().manual_seed(1), beta=1.0)
    counts = np.zeros((50, COUNT))
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    wanted = np.zeros((50, COUNT))
    wanted[rows[:, 0], rows[:, 1]] = errors**0.5
    share = wanted[:37] / wanted[:37].sum()
    # Four standard deviations of a binomial count, each row
    assert (np.abs(counts[:37] / 200_000 - share) < 4 * np.sqrt(share / 200_000) + 1e-9).all()
    assert not counts[37:].any()
    # Weights undo the choice: with beta 1 they are as 1 / priority.
    product = (
        weights
        * errors[np.unique(rows @ [COUNT, 1], return_inverse=True)[1]][
            np.searchsorted(rows @ [COUNT, 1], drawn @ [COUNT, 1])
        ]
        ** 0.5
    )
    np.testing.assert_allclose(product, product[0], rtol=1e-3)


def test_the_memory_says_beforehand_what_it_takes():
    replay = Replay(40 * COUNT, COUNT, SCREENS)
    held = sum(getattr(replay, key).nbytes for key in Replay._COLUMNS)
    assert Replay.memory(40 * COUNT, SCREENS) == held


def test_a_memory_goes_on_from_its_state():
    one, other = (Replay(60 * COUNT, COUNT, SCREENS, 0.6) for _ in range(2))
    play(one, SCREENS, 100)
    other.load_state(one.state())
    for a, b in zip(*(r.draw(64, 3, 0.9, torch.Generator().manual_seed(2)) for r in (one, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_epsilon_falls_in_a_straight_line():
    assert [annealed(step, 1.0, 0.1, 10_000) for step in (0, 5_000, 10_000, 50_000)] == pytest.approx(
        [1, 0.55, 0.1, 0.1]
    )


def test_epsilon_is_the_share_of_random_actions():
    greedy = torch.full((100_000,), 2)
    chosen = explore(greedy, 0.4, 5, torch.Generator().manual_seed(0))
    assert (chosen != 2).float().mean().item() == pytest.approx(0.4 * 4 / 5, abs=0.01)
    assert torch.equal(explore(greedy, 0.0, 5, None), greedy)


def test_a_dueling_head_is_value_plus_centred_advantage():
    network = QNetwork("CartPole-v1", hidden=[8])
    x = torch.randn(7, 4)
    values = network(x)
    features = network.body(x)
    torch.testing.assert_close(values.mean(dim=1, keepdim=True), network.value(features))
    advantage = network.advantage(features)
    torch.testing.assert_close(values - values[:, :1], advantage - advantage[:, :1])
