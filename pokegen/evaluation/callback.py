"""Scores a sprite model while it trains, and keeps the best.

Logged: `val/kernel_distance`, see `sprites.METRICS`, between the averaged weights' sprites and real ones of validation
families, lower is better. The models are asked for those families' types and colours, so that no distance comes from
what was asked.
"""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch

from pokegen import zoo
from pokegen.evaluation.features import ReferenceFeatures
from pokegen.evaluation.sprites_panel import MIN_PICTURES, at_panel_size, draw

_log = logging.getLogger(__name__)


class KernelDistance(L.Callback):
    """At the end of an epoch, once `every_images` have been seen since the last time, and at the end of the last. Data
    that are no sprites, such as digits, are not scored. While a condition fades in, no checkpoint is the best.

    Args:
        best: where the best checkpoint goes.
        every_images: training images between two scores; 0 for never.
        n: sprites to draw.
    """

    def __init__(self, best: Path, every_images: int = 20_000, n: int = 500):
        self.best, self.every_images, self.n = best, every_images, n
        self.judge: ReferenceFeatures | None = None
        self.scored, self.lowest = 0, float("inf")  # images seen at the last score, and the best score

    def on_fit_start(self, trainer: L.Trainer, module: Any) -> None:
        dataset: Any = getattr(getattr(trainer, "datamodule", None), "datasets", {}).get("val")
        sprites = all(hasattr(dataset, name) for name in ("conditions", "pixels"))
        if not self.every_images or not sprites:
            return
        if len(dataset) < MIN_PICTURES:
            _log.warning(
                f"val/kernel_distance needs {MIN_PICTURES} validation sprites, there are {len(dataset)}: not scored, "
                "and no best checkpoint is kept."
            )
            return
        self.conditions = dataset.conditions.numpy()
        with torch.random.fork_rng(devices=[]):
            self.judge = ReferenceFeatures(zoo.load("judge").model, at_panel_size(dataset.pixels[dataset.rows]))

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        images, last = int(module.images_seen), trainer.current_epoch + 1 == trainer.max_epochs
        if self.judge is None or (images - self.scored < self.every_images and not last):
            return
        self.scored = images
        value = 0.0
        if trainer.is_global_zero:  # of several processes one scores, and all save
            value = self.judge.kernel_distance(self.judge.embed(draw(module, self.conditions, self.n).pictures))
        value = trainer.strategy.broadcast(value)
        module.log("val/kernel_distance", value, rank_zero_only=True)
        whole = getattr(module, "condition_scale", 1.0) == 1  # or the best might ignore its conditions
        if value < self.lowest and whole:
            self.lowest = value
            trainer.save_checkpoint(self.best)

    def state_dict(self) -> dict[str, Any]:
        return {"scored": self.scored, "lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scored, self.lowest = state_dict["scored"], state_dict["lowest"]
