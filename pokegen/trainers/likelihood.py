"""Trains models with a likelihood or any other loss of their own."""

from typing import Any

import torch
from torch import Tensor, nn

from pokegen.models.network import Network
from pokegen.trainers.base import TrainingModule, batch_size_of


class LikelihoodModule(TrainingModule):
    """Minimises `network.loss(batch)["loss"]` with AdamW, and logs every value in that dict.

    Args:
        network: has `loss(batch) -> dict[str, Tensor]` and `sample(n, …)`.
        lr: AdamW's learning rate after the warm-up.
        weight_decay: AdamW's decoupled decay, of matrices only.
        warmup_steps: optimizer steps over which the learning rate rises linearly from 0.
        ema_images: half-life of the averaged weights, in rows.
    """

    monitor = "val/loss"

    def __init__(
        self,
        network: Network,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        warmup_steps: int = 100,
        ema_images: float = 10_000,
    ):
        super().__init__(network, ema_images)
        self.net = network.to(memory_format=torch.channels_last)
        self.lr, self.weight_decay, self.warmup_steps = lr, weight_decay, warmup_steps

    @property
    def network(self) -> Any:
        return self.net

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        loss = self._log(self.net.loss(batch), "train", batch)
        self.check_loss(loss)
        return loss

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        self._log(self.ema.loss(batch), "val", batch)

    def test_step(self, batch: dict[str, Any], _: int) -> None:
        self._log(self.ema.loss(batch), "test", batch)

    def _log(self, values: dict[str, Tensor], stage: str, batch: dict[str, Any]) -> Tensor:
        self._record(stage, values, batch_size_of(batch), shown="loss")
        return values["loss"]

    def on_train_batch_end(self, outputs: Any, batch: dict[str, Any], batch_idx: int) -> None:
        self.count(batch_size_of(batch))

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """By norm. Lightning's own method refuses a fused optimizer with any mixed precision."""
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.net.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> Any:
        matrices = [p for p in self.net.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.net.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.lr, fused=True)
        warm = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / max(1, self.warmup_steps))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": warm, "interval": "step"}}
