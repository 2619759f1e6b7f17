"""How well a player does: the returns of whole episodes, seed by seed."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

from pokegen.game.players import Player

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
    would favour short ones.
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
