"""How well a player does: the returns of whole episodes, seed by seed."""

from collections.abc import Callable, Iterator, Sequence

import gymnasium
import numpy as np

from pokegen.game.agents.seat import AgentPlayer
from pokegen.game.play import returns
from pokegen.game.players import Player


def episodes_of(
    env: gymnasium.Env, player: Player, episodes: int, seed: int = 0
) -> Iterator[tuple[float, int]] | list[tuple[float, int]]:
    """Return and steps of each episode of any player: an agent plays many games at once, others one after the other."""
    if isinstance(player, AgentPlayer):
        from pokegen.game.agents.base import network_returns  # here: no other player needs torch

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
