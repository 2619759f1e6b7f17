"""Scores a sprite model during training, and keeps the best checkpoint.

Logged: `val/kernel_distance`, see `sprites_panel.METRICS`, between samples of the averaged weights and real sprites of
the validation families; lower is better. Samples have those families' types and colours, so that the distance does not
measure a difference in conditions.
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
    """Scores at the end of an epoch if `every_images` have been seen since the last score, and after the last epoch.
    Data other than sprites, such as digits, are not scored. While conditions fade in, no checkpoint counts as the best.

    Args:
        best: path of the best checkpoint.
        every_images: training images between two scores; 0 for never.
        n: number of sprites to sample.
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
                f"val/kernel_distance needs {MIN_PICTURES} validation sprites, but there are {len(dataset)}: it is not "
                "computed, and no best checkpoint is kept."
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
        if trainer.is_global_zero:  # one process scores, all save
            value = self.judge.kernel_distance(self.judge.embed(draw(module, self.conditions, self.n).pictures))
        value = trainer.strategy.broadcast(value)
        module.log("val/kernel_distance", value, rank_zero_only=True)
        whole = getattr(module, "condition_scale", 1.0) == 1  # otherwise the best might ignore its conditions
        if value < self.lowest and whole:
            self.lowest = value
            trainer.save_checkpoint(self.best)

    def state_dict(self) -> dict[str, Any]:
        return {"scored": self.scored, "lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scored, self.lowest = state_dict["scored"], state_dict["lowest"]
