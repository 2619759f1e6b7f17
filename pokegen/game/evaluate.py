"""How well a player does: the returns of whole episodes, seed by seed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np

from pokegen.game.players import Agent, Player

AT_ONCE = 16  # environments


def returns(env: gymnasium.Env, player: Player, episodes: int, seed: int = 0) -> Iterator[tuple[float, int]]:
    """The return, undiscounted, and the steps of each of `episodes` episodes; the nth is reset with seed + n."""
    for episode in range(seed, seed + episodes):
        observation, _ = env.reset(seed=episode)
        player.begin(episode)
        total, steps, over = 0.0, 0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(player(env, observation))
            total, steps, over = total + float(reward), steps + 1, terminated or truncated
        yield total, steps


def network_returns(network: Any, episodes: int, seed: int = 0) -> list[tuple[float, int]]:
    """The same of an agents.AgentNetwork, which plays many games at once.

    Each environment plays its share of the episodes, however long they are: who stopped at the first `episodes` ends
    would favour short ones. The first of each has a seed of its own, from `seed` on; the others go on from there.
    """
    import torch

    count = min(episodes, AT_ONCE)
    share = np.array([episodes // count + (i < episodes % count) for i in range(count)])
    generator = torch.Generator().manual_seed(seed)
    envs = network.vector(count)
    try:
        seeds = seed + np.arange(count)
        observation, _ = envs.reset(seed=seeds.astype(np.int32) if "Atari" in type(envs).__name__ else seeds.tolist())
        sums, lengths, dead = np.zeros(count), np.zeros(count, int), np.zeros(count, bool)
        found: list[list[tuple[float, int]]] = [[] for _ in range(count)]
        device = next(network.parameters()).device
        while any(len(own) < n for own, n in zip(found, share, strict=True)):
            with torch.inference_mode():
                actions = network.act(torch.from_numpy(np.array(observation)).to(device), generator).cpu().numpy()
            observation, reward, terminated, truncated, _ = envs.step(actions)
            sums += reward
            lengths += ~dead
            dead = terminated | truncated
            for i in np.flatnonzero(dead):
                if len(found[i]) < share[i]:
                    found[i].append((float(sums[i]), int(lengths[i])))
                sums[i], lengths[i] = 0.0, 0
    finally:
        envs.close()
    return [episode for own in found for episode in own]


def episodes_of(
    env: gymnasium.Env, player: Player, episodes: int, seed: int = 0
) -> Iterator[tuple[float, int]] | list[tuple[float, int]]:
    """The same of any player: an agent plays many games at once, others one after the other."""
    if isinstance(player, Agent):
        return network_returns(player.network, episodes, seed)
    return returns(env, player, episodes, seed)


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean of the middle half along the last axis, (…, N) → (…). Of 4n scores n are cut at each end."""
    cut = scores.shape[-1] // 4
    return np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(axis=-1)


def interval(
    runs: Sequence[Sequence[float] | np.ndarray],
    statistic: Callable[[np.ndarray], np.ndarray] = interquartile_mean,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of a statistic of all runs' scores together, by the stratified bootstrap, percentiles of 5,000
    resamples (Agarwal et al., Deep RL at the edge of the statistical precipice, NeurIPS 2021, section 4.1).

    Args:
        runs: the scores of each training run; each is resampled by itself.
        statistic: (resamples, scores) → (resamples,).
    """
    rng = np.random.default_rng(seed)
    drawn = [np.asarray(run, float)[rng.integers(len(run), size=(5000, len(run)))] for run in runs]
    low, high = np.percentile(statistic(np.concatenate(drawn, axis=1)), (2.5, 97.5))
    return float(low), float(high)


# Returns of random play and of a person, as the field's human-normalised scores take them (Mnih et al. 2015, extended
# data table 2; Wang et al. 2016).
REFERENCES = {
    "ALE/Alien-v5": (227.8, 7127.7),
    "ALE/Asterix-v5": (210.0, 8503.3),
    "ALE/BeamRider-v5": (363.9, 16926.5),
    "ALE/Boxing-v5": (0.1, 12.1),
    "ALE/Breakout-v5": (1.7, 30.5),
    "ALE/Enduro-v5": (0.0, 860.5),
    "ALE/Freeway-v5": (0.0, 29.6),
    "ALE/MsPacman-v5": (307.3, 6951.6),
    "ALE/Pong-v5": (-20.7, 14.6),
    "ALE/Qbert-v5": (163.9, 13455.0),
    "ALE/Seaquest-v5": (68.4, 42054.7),
    "ALE/SpaceInvaders-v5": (148.0, 1668.7),
}
