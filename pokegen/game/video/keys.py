"""Keys as models see them: groups of keys of which at most one is down, so that `right+fire` is two answers.

A key string is `none`, or names of keys joined by `+`, in any order: see recording.py. A group of K keys has K + 1
values, of which 0 is none of them.

Letters: B windows, T frames of a window, G groups.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.envs.names import NONE
from pokegen.models.network import Network


class Keys:
    """The vocabulary of a model.

    Args:
        groups: name of a group → its keys, for example {"move": ["left", "right"], "fire": ["fire"]}. UserError where a
            key occurs twice, is called none, or holds a `+`.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]):
        self.groups = {name: (NONE, *keys) for name, keys in groups.items()}
        self._place: dict[str, tuple[int, int]] = {}  # key → group, value
        for column, values in enumerate(self.groups.values()):
            if len(values) < 2:
                raise UserError("Each group of keys needs at least one key besides none.")
            for value, key in enumerate(values[1:], start=1):
                if key in self._place or key == NONE or "+" in key or not key:
                    raise UserError(f"Keys have names of their own, without + and not {NONE!r}: got {key!r} in groups.")
                self._place[key] = column, value
        if not self._place:
            raise UserError("groups holds no key. Expected, for example: {move: [left, right], fire: [fire]}.")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Values of each group, none included."""
        return tuple(len(values) for values in self.groups.values())

    def encode(self, pressed: Sequence[str]) -> np.ndarray:
        """N key strings → int64 (N, groups). UserError for a key of no group, or two of one."""
        known: dict[str, np.ndarray] = {}
        for text in pressed:
            if text not in known:
                known[text] = self._encode(text)
        return np.stack([known[text] for text in pressed]) if len(pressed) else np.zeros((0, len(self.groups)), int)

    def _encode(self, text: str) -> np.ndarray:
        row = np.zeros(len(self.groups), dtype=np.int64)
        for key in () if text == NONE else text.split("+"):
            if key not in self._place:
                known = ", ".join((NONE, *self._place))
                raise UserError(f"Unknown key {key!r}. This model's keys: {known}; set others as its groups.")
            column, value = self._place[key]
            if row[column]:
                raise UserError(f"{text!r} presses two keys of one group: put them into groups of their own.")
            row[column] = value
        return row

    def decode(self, values: np.ndarray) -> list[str]:
        """(N, groups) → N key strings, a group's key after that of the group before it."""
        tables = list(self.groups.values())
        pressed = ([tables[i][v] for i, v in enumerate(row) if v] for row in np.asarray(values).tolist())
        return ["+".join(keys) or NONE for keys in pressed]


class KeyNetwork(Network):
    """Base of the networks that predict keys from frames: the vocabulary and the loss.

    Args:
        groups: the keys, see Keys; `pokegen fit` takes them from the data where they are left out.
        window: frames that are seen together.
        balance: in [0, 1]: a key's errors count by its frequency to the power of −balance; 1 makes all keys equal.
        focal: exponent γ of the focal loss (Lin et al., ICCV 2017, eq. 4): how much less well predicted frames count;
            0 for plain cross-entropy.

    A subclass has `features`, (B, T, 128, 128) in [0, 1] → (B, T', C), and `head`, a Linear of sum(keys.sizes).
    """

    monitor = "val/error"  # the metric, lower is better, by which the best checkpoint is kept
    frequency: Tensor
    head: nn.Linear

    def __init__(
        self, groups: Mapping[str, Sequence[str]] = {}, window: int = 32, balance: float = 0.5, focal: float = 0.0
    ):
        super().__init__()
        if window < 1:
            raise UserError(f"window must be at least one frame, got {window}.")
        if not 0 <= balance <= 1 or focal < 0:
            raise UserError(f"balance must be from 0 to 1, and focal at least 0, got {balance} and {focal}.")
        self.keys, self.window, self.balance, self.focal = Keys(groups), window, balance, focal
        # How often each value of each group was pressed in training, group after group.
        self.register_buffer("frequency", torch.cat([torch.full((n,), 1 / n) for n in self.keys.sizes]))

    def prepare(self, datamodule: Any) -> None:
        """Take from the training recordings how often each key is pressed. UserError where their keys are others."""
        same = list(datamodule.keys.groups.items()) == list(self.keys.groups.items())  # in the same order too
        if not same or datamodule.window != self.window:
            groups = {name: keys[1:] for name, keys in self.keys.groups.items()}
            raise UserError(
                f"groups and window must be the same in model and data: the model has {groups} and {self.window}."
            )
        self.frequency.copy_(torch.cat([torch.as_tensor(share) for share in datamodule.frequencies]))

    def features(self, frames: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Gray frames, uint8 (B, T, 128, 128) → logits of each group, float32 (B, T', values)."""
        x = self.features(frames.to(self.head.weight.dtype).div(255))
        return list(self.head(x).float().split(self.keys.sizes, dim=2))

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """`loss`, nats a frame, summed over the groups. A batch is as clips.RecordingsDataModule makes it."""
        return {"loss": self.nats(self(batch["frames"]), batch)}

    def nats(self, logits: Sequence[Tensor], batch: dict[str, Tensor]) -> Tensor:
        """The loss of these logits."""
        mask = batch["mask"].float()
        total = mask.new_zeros(())
        shares = self.frequency.split(self.keys.sizes)
        for answer, share, value in zip(logits, shares, batch["keys"].unbind(2), strict=True):
            weights = share.clamp(min=1e-4).pow(-self.balance)
            weights = weights / (weights * share).sum()  # so that a frame counts 1 on average
            nats = F.cross_entropy(answer.flatten(0, 1), value.flatten(), reduction="none").view_as(mask)
            # Away from 0, where an exponent below 1 has no gradient.
            eased = (1 - (-nats).exp()).clamp(min=1e-6).pow(self.focal) if self.focal else 1.0
            total = total + (nats * eased * weights[value] * mask).sum() / mask.sum().clamp(min=1)
        return total
