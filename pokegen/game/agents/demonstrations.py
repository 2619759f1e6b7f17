"""Behaviour cloning of observations: an expert plays whole episodes, and a network learns to act as it did.

Pomerleau, ALVINN, NeurIPS 1988; an observation's action is learned like a label. Of actions of parts the loss is
cross-entropy. Of continuous ones it is the squared error, and where the expert pushes to an end of the space, only what
falls short of it is an error, since the environment clips what goes beyond (the censored regression of Tobin, 1958,
with a normal error of constant deviation). Left out: asking the expert again where the clone went astray (DAgger).

`cloning.py` clones from pictures of play; a clone of here is a ppo.ActorCritic, with which PPO can begin:
pokegen fit --config configs/game/ppo.yaml --model.init_args.network.init_args.hidden "[128, 128]"
    --init_from runs/bc/checkpoints/best.ckpt

Letters: B rows, K numbers of an action, P of a distribution, M rows of all demonstrations.

Metrics: train/loss, val/loss as above, lower is better; */accuracy, the share of rows whose action is the expert's in
all parts, or */error, the mean absolute error of continuous actions.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pokegen.errors import UserError
from pokegen.game.agents.base import AgentNetwork
from pokegen.game.agents.ppo import ActorCritic
from pokegen.game.agents.seat import seat
from pokegen.game.play import episode
from pokegen.game.players import Player, script


class Demonstrated(NamedTuple):
    """Episodes, concatenated."""

    observations: Tensor  # (M, …)
    actions: Tensor  # (M, K), as ActorCritic.draw gives them
    episodes: Tensor  # int64 (M,), which it is
    returns: np.ndarray  # of each
    ends: Tensor  # (E, …), what was seen at last, of those that the game ended, not a time limit


def demonstrate(network: AgentNetwork, episodes: int, seed: int = 0, player: str = "expert") -> Demonstrated:
    """Let a player play whole episodes, each from a seed of its own.

    Args:
        network: whose environment it is.
        episodes: how many.
        seed: of the first.
        player: expert, the environment's script, uneven, or an agent: a zoo name, a folder, hf:OWNER/NAME.
    """
    chosen: Player
    if player == "expert":
        env = network.single()
        chosen = script("expert", env)
    else:
        env, chosen = seat(player, None, {}, own=(network.env, network.options))
        if (env.observation_space, env.action_space) != (network.observation_space, network.action_space):
            env.close()
            raise UserError(f"{player} sees or does other things than {network.env} has. Choose one that plays it.")
    observations, chosen_actions, which, returns, ends = [], [], [], [], []
    try:
        for number in range(episodes):
            total = 0.0
            for step in episode(env, chosen, seed + number):
                observations.append(np.array(step.obs))
                chosen_actions.append(np.asarray(step.action))
                which.append(number)
                total += step.reward
            returns.append(total)
            if step.terminated:
                ends.append(np.array(step.next_obs))
    finally:
        env.close()
    actions = np.stack(chosen_actions).reshape(len(chosen_actions), -1)
    start = getattr(network, "start", [])
    found = torch.from_numpy(actions - start) if start else torch.from_numpy(actions.astype(np.float32))
    last = torch.from_numpy(np.stack(ends)) if ends else torch.empty(0, *observations[0].shape)
    return Demonstrated(torch.from_numpy(np.stack(observations)), found, torch.tensor(which), np.array(returns), last)


class Demonstrations(L.LightningDataModule):
    """What an expert saw and did, in the environment of the network that is to learn it.

    Args:
        episodes: that it plays, whole.
        val_episodes: the last of them, which are kept to validate; 0 validates on what is learned.
        seed: of the first; each has its own.
        player: expert, or an agent, see `demonstrate`.
        batch_size: rows.
        passes: over the episodes in an epoch.
    """

    def __init__(
        self,
        episodes: int = 20,
        val_episodes: int = 2,
        seed: int = 0,
        player: str = "expert",
        batch_size: int = 64,
        passes: int = 10,
    ):
        super().__init__()
        if not 0 <= val_episodes < episodes:
            raise UserError(f"val_episodes must be in [0, episodes), got {val_episodes} of {episodes}.")
        self.episodes, self.val_episodes, self.seed, self.player = episodes, val_episodes, seed, player
        self.batch_size, self.passes = batch_size, passes
        self.played: Demonstrated | None = None

    def setup(self, stage: str) -> None:
        if self.played is None:
            module: Any = self.trainer.lightning_module  # type: ignore[union-attr]
            self.played = demonstrate(module.network, self.episodes, self.seed, self.player)
            held = self.played.episodes >= self.episodes - self.val_episodes
            every = torch.arange(len(held))
            self.rows = {"train": every[~held], "val": every[held] if self.val_episodes else every}

    def observations(self) -> Tensor:
        """Those that are learned from, (M, …)."""
        assert self.played is not None
        return self.played.observations[self.rows["train"]]

    def train_dataloader(self) -> DataLoader:
        parts = max(1, round(len(self.rows["train"]) / self.batch_size))
        return self._loader(_Passes(self.rows["train"], parts, self.passes))

    def val_dataloader(self) -> DataLoader:
        return self._loader([self.rows["val"]])

    test_dataloader = val_dataloader

    def _loader(self, batches: Any) -> DataLoader:
        return DataLoader(_Rows(self.played), sampler=batches, batch_size=None)  # type: ignore[arg-type]


class _Rows(Dataset):
    """Whole batches by the rows that they hold."""

    def __init__(self, played: Demonstrated):
        self.played = played

    def __getitem__(self, rows: Tensor) -> dict[str, Tensor]:
        return {"observation": self.played.observations[rows], "action": self.played.actions[rows]}


class _Passes(Sampler):
    """Rows in batches of even size, reshuffled in each pass."""

    def __init__(self, rows: Tensor, parts: int, passes: int):
        self.rows, self.parts, self.passes = rows, parts, passes

    def __len__(self) -> int:
        return self.parts * self.passes

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.passes):
            yield from self.rows[torch.randperm(len(self.rows))].tensor_split(self.parts)


class BCActorCritic(ActorCritic):
    """A policy that learns by trainers.likelihood.LikelihoodModule what Demonstrations hold; its critic stays as it is.

    Args:
        env, options: see base.AgentNetwork.
        normalise: vectors are given as deviations from the mean of the demonstrations, within ±10.
        noise: deviation of what is added to observations in training, in the expert's own deviations of each number.
        kwargs: see ppo.ActorCritic.
    """

    def __init__(
        self,
        env: str,
        options: Mapping[str, Any] | None = None,
        normalise: bool = True,
        noise: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(env, options, normalise=normalise, **kwargs)
        if noise and not normalise:
            raise UserError("noise is measured in the deviations of normalised observations: set normalise too.")
        self.noise_std = noise

    def prepare(self, data: Any) -> None:
        """Take mean and variance of a Demonstrations' observations."""
        if self.normalise:
            self.update_running_stats(data.observations())

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of observations (B, …) and the expert's actions (B, K)."""
        x, action = self.features(batch["observation"]), batch["action"]
        if self.training and self.noise_std:
            x = x + self.noise_std * torch.randn_like(x)
        dist_params = self.actor(x).float()
        if self.parts:
            right = (self.draw(dist_params, None) == action).all(dim=1).float().mean()
            return {"loss": -self.likelihood(dist_params, action)[0].mean(), "accuracy": right}
        low, high = self.low.flatten(), self.high.flatten()
        beyond = ((action >= high) & (dist_params > high)) | ((action <= low) & (dist_params < low))
        error = torch.where(beyond, 0.0, dist_params - action)
        return {"loss": error.square().sum(dim=1).mean(), "error": error.abs().mean()}
