"""A reward model: predicts the reward of a step from the frames before and after it; learned from recorded play.

A regression of the recorded rewards, as the reward predictor of Christiano et al., NeurIPS 2017, section 2.2.3, where
rewards are known instead of preferences. An agent can learn from it in a game without rewards: `reward_model` of
agents.base.AgentModule. Left out: ensembles of predictors and their uncertainty; the reward of an episode's last step,
since recordings do not hold the frame after it.

Letters: B windows, T frames of a window.

Metrics, for stage train, val or test:

    */loss          squared error in units of the rewards' variance; lower is better
    val/explained   share of the variance of the validation rewards that is explained; 1 is best, 0 is their mean alone
"""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pokegen.errors import DataError, UserError
from pokegen.game.video.clips import csv_files, decoded
from pokegen.game.video.recording import read_recording
from pokegen.models.network import Network
from pokegen.trainers.likelihood import LikelihoodModule


class RewardModel(Network):
    """The last frames, of which the last shows what the action did → the reward of that step.

    Args:
        window: T, frames.
        widths: channels of the three convolutions.
        hidden: units of the layer after the convolutions.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, window: int = 3, widths: Sequence[int] = (32, 64, 64), hidden: int = 128):
        super().__init__()
        if window < 2:
            raise UserError(f"window must be at least 2 frames, one before the step and one after, got {window}.")
        self.window = window
        self.trunk = nn.Sequential(
            *(nn.Conv2d(window, widths[0], 8, stride=4, padding=2), nn.ReLU()),  # (B, C, 32, 32)
            *(nn.Conv2d(widths[0], widths[1], 4, stride=2, padding=1), nn.ReLU()),  # (B, C, 16, 16)
            *(nn.Conv2d(widths[1], widths[2], 4, stride=2, padding=1), nn.ReLU()),  # (B, C, 8, 8)
            *(nn.Flatten(), nn.Linear(widths[2] * 8**2, hidden), nn.ReLU(), nn.Linear(hidden, 1)),
        )
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def prepare(self, data: Any) -> None:
        """Take the rewards' mean and deviation from a Rewards."""
        self.mean.fill_(float(data.rewards.mean()))
        self.deviation.fill_(max(float(data.rewards.std()), 1e-6))

    def _normalised(self, frames: Tensor) -> Tensor:
        x = frames.to(self.mean.dtype).div(255)
        return self.trunk(torch.cat([x[:, -1:], x[:, 1:] - x[:, :-1]], dim=1))[
            :, 0
        ].float()  # changes carry most of the signal

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 (B, T, 128, 128) → rewards (B,)."""
        return self._normalised(frames) * self.deviation + self.mean

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of frames uint8 (B, T, 128, 128) and rewards (B,)."""
        wanted = (batch["reward"] - self.mean) / self.deviation
        return {"loss": (self._normalised(batch["frames"]) - wanted).square().mean()}


class RewardModule(LikelihoodModule):
    """Trains a RewardModel.

    Args:
        network: a RewardModel.
        ema_images, kwargs: see trainers.likelihood.LikelihoodModule; a row is a window.
    """

    def __init__(self, network: RewardModel, ema_images: float = 5_000, **kwargs: Any):
        super().__init__(network, ema_images=ema_images, **kwargs)
        self.answers: list[Tensor] = []

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        super().validation_step(batch, _)
        self.answers.append(torch.stack([self.ema(batch["frames"]), batch["reward"]]))

    def on_validation_epoch_end(self) -> None:
        predicted, rewards = torch.cat(self.answers, dim=1)
        self.answers.clear()
        variance = rewards.var(unbiased=False)
        if variance > 0:
            self.log(
                "val/explained", 1 - (predicted - rewards).square().mean() / variance, prog_bar=True, sync_dist=True
            )


class Rewards(L.LightningDataModule):
    """Recordings of play as windows of frames, and what was paid between the last two.

    Args:
        recordings: folders of recordings, or their CSV files.
        window: frames.
        batch_size: windows.
        epoch_frames: windows an epoch.
        balance: share of the windows that are drawn evenly over the kinds of reward, rare ones as often as common.
        val_share: of the episodes, by their order.
        seed: of the order of windows.
    """

    def __init__(
        self,
        recordings: list[str],
        window: int = 3,
        batch_size: int = 64,
        epoch_frames: int = 20_000,
        balance: float = 0.5,
        val_share: float = 0.2,
        seed: int = 0,
    ):
        super().__init__()
        if not 0 <= balance <= 1 or not 0 < val_share < 1:
            raise UserError(f"balance must be in [0, 1] and val_share in (0, 1), got {balance} and {val_share}.")
        self.recordings, self.window, self.batch_size, self.epoch_frames = recordings, window, batch_size, epoch_frames
        self.balance, self.val_share, self.seed = balance, val_share, seed
        self.parts: dict[str, list[tuple[np.ndarray, int, float]]] = {}  # video, row after the step, reward

    def setup(self, stage: str) -> None:
        if self.parts:
            return
        episodes: list[list[tuple[np.ndarray, int, float]]] = []
        for path in csv_files(self.recordings):
            recording = read_recording(path)
            pixels = decoded(recording.video, len(recording.keys))
            for episode in np.unique(recording.episode):
                rows = np.flatnonzero(recording.episode == episode)
                # What an episode's last step brought is in no frame of its own.
                steps = [(pixels, int(r) + 1, float(recording.reward[r])) for r in rows[self.window - 2 : -1]]
                episodes.append(steps)
        episodes = [steps for steps in episodes if steps]
        held = max(1, round(self.val_share * len(episodes)))
        if len(episodes) <= held:
            raise DataError(f"{len(episodes)} episodes are too few for a val_share of {self.val_share}. Record more.")
        self.parts = {
            "val": [step for steps in episodes[:held] for step in steps],
            "train": [step for steps in episodes[held:] for step in steps],
        }

    @property
    def rewards(self) -> np.ndarray:
        """Of all steps of training."""
        return np.array([reward for *_, reward in self.parts["train"]])

    def train_dataloader(self) -> DataLoader:
        rewards = self.rewards
        _, kind, counts = np.unique(rewards, return_inverse=True, return_counts=True)
        chance = self.balance / (counts[kind] * len(counts)) + (1 - self.balance) / len(rewards)
        return self._loader("train", chance)

    def val_dataloader(self) -> DataLoader:
        return self._loader("val", None)

    def _loader(self, split: str, chance: np.ndarray | None) -> DataLoader:
        steps = self.parts[split]
        order: Any = _Order(self, len(steps), chance)
        return DataLoader(_Windows(steps, self.window), sampler=order, batch_size=None)


class _Windows(Dataset):
    """Whole batches, by the steps that they hold."""

    def __init__(self, steps: Sequence[tuple[np.ndarray, int, float]], window: int):
        self.steps, self.window = steps, window

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, rows: np.ndarray) -> dict[str, Tensor]:
        drawn = [self.steps[i] for i in rows]
        frames = np.stack([pixels[row - self.window + 1 : row + 1] for pixels, row, _ in drawn])
        rewards = torch.tensor([reward for *_, reward in drawn], dtype=torch.float32)
        return {"frames": torch.from_numpy(frames), "reward": rewards}


class _Order:
    """The steps of each batch; with `chance`, resampled in each epoch; without, each step once."""

    def __init__(self, data: Rewards, count: int, chance: np.ndarray | None):
        self.data, self.count, self.chance = data, count, chance

    def __len__(self) -> int:
        return -(-(self.count if self.chance is None else self.data.epoch_frames) // self.data.batch_size)

    def __iter__(self) -> Iterator[np.ndarray]:
        data = self.data
        order = np.arange(self.count)
        if self.chance is not None:
            epoch = data.trainer.current_epoch if data.trainer else 0
            rng = np.random.default_rng((data.seed, epoch))
            order = rng.choice(self.count, len(self) * data.batch_size, p=self.chance)
        return iter(np.array_split(order, len(self)))
