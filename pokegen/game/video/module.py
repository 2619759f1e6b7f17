"""The LightningModule of the models that predict keys from frames, and the callback that stops one which ignores them.

Metrics in addition to those of trainers/base.py, for stage val or test; GROUP is a name of `groups`, KEY one of its
keys:

    */error                     1 − macro-F1, mean over the groups; lower is better, the best checkpoint is kept by it,
                                of a policy by */loss
    */macro_f1_GROUP            F1, mean over the keys that were pressed, none included; higher is better
    */majority_f1_GROUP         the same of a model that always answers the commonest key: what must be beaten
    */balanced_accuracy_GROUP   mean recall of the keys that were pressed; higher is better, chance is 1 / keys
    */recall_GROUP_KEY          share of the frames with this key that are predicted so; higher is better
    */changed_accuracy          accuracy on the frames whose keys differ from those of the frame before; higher is
                                better (not for a policy, which predicts one frame of a window)
    val/depends                 share of the answers that change when the frames are swapped for others; 0 is collapse
"""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from pokegen.files import write_csv
from pokegen.game.video.annotate import write_labels
from pokegen.game.video.keys import KeyNetwork
from pokegen.trainers.likelihood import LikelihoodModule


class KeysModule(LikelihoodModule):
    """Trains a KeyNetwork, and scores the keys that it predicts.

    Args:
        network: a keys.KeyNetwork.
        lr, weight_decay, ema_images: see LikelihoodModule; a row is a window.
        kwargs: see LikelihoodModule.
    """

    def __init__(
        self,
        network: KeyNetwork,
        lr: float = 5e-4,
        weight_decay: float = 0.05,
        ema_images: float = 1_000,
        **kwargs: Any,
    ):
        super().__init__(network, lr, weight_decay, ema_images=ema_images, **kwargs)
        self.monitor = self.ema.monitor
        sizes = self.ema.keys.sizes
        self.confusion: Any = nn.ModuleList(MulticlassConfusionMatrix(n, validate_args=False) for n in sizes)
        self.changed: Any = MeanMetric()

    def configure_optimizers(self) -> Any:
        """LikelihoodModule's, with a step size that falls linearly after the warm-up, to 0 at the run's
        end."""
        chosen = super().configure_optimizers()
        warm, steps = max(1, self.warmup_steps), self.trainer.estimated_stepping_batches
        chosen["lr_scheduler"]["scheduler"] = torch.optim.lr_scheduler.LambdaLR(
            chosen["optimizer"], lambda step: max(0.0, min((step + 1) / warm, 1 - step / steps))
        )
        return chosen

    def validation_step(self, batch: dict[str, Any], _: int) -> Any:  # what StopOnCollapse is given
        return self._score(batch, "val")

    def test_step(self, batch: dict[str, Any], _: int) -> None:
        self._score(batch, "test")

    def predict_step(self, batch: Any, _: int) -> Path:
        """Label a shard of a video, see annotate.AnnotationDataModule."""
        return write_labels(self.ema, *batch)

    def _score(self, batch: dict[str, Any], stage: str) -> list[Tensor]:
        """Count correct predictions. Returns the logits of each group."""
        logits = self.ema(batch["frames"])
        self._log({"loss": self.ema.nats(logits, batch)}, stage, batch)
        mask, targets = batch["mask"], batch["keys"]
        predicted = torch.stack([answer.argmax(dim=2) for answer in logits], dim=2)  # (B, T, G)
        for group, matrix in enumerate(self.confusion):
            matrix.update(predicted[..., group][mask], targets[..., group][mask])
        changed = (targets[:, 1:] != targets[:, :-1]).any(dim=2) & mask[:, 1:] & mask[:, :-1]
        if changed.any():
            self.changed.update((predicted[:, 1:] == targets[:, 1:]).all(dim=2)[changed].float())
        return logits

    def on_validation_epoch_end(self) -> None:
        self._report("val")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def _report(self, stage: str) -> None:
        values: dict[str, Tensor] = {}
        scores = []
        matrices = [matrix.compute() for matrix in self.confusion]
        for (group, keys), matrix in zip(self.ema.keys.groups.items(), matrices, strict=True):
            found = key_scores(matrix)
            scores.append(found["macro_f1"])
            values |= {f"{name}_{group}": found[name] for name in ("macro_f1", "majority_f1", "balanced_accuracy")}
            values |= {f"recall_{group}_{k}": r for k, r in zip(keys, found["recall"], strict=True) if r.isfinite()}
        values["error"] = 1 - torch.stack(scores).mean()
        if self.changed.update_count:
            values["changed_accuracy"] = self.changed.compute()
        self.log_dict({f"{stage}/{key}": value.float() for key, value in values.items()}, rank_zero_only=True)
        if self.trainer.is_global_zero and not self.trainer.sanity_checking:
            self._write(Path(self.trainer.default_root_dir) / f"confusion_{stage}.csv", matrices)
        for metric in (*self.confusion, self.changed):
            metric.reset()

    def _write(self, path: Path, matrices: list[Tensor]) -> None:
        """The confusion matrices: a line for each key that was pressed, a column for each that was predicted."""
        lines: list[list[object]] = []
        for (group, keys), matrix in zip(self.ema.keys.groups.items(), matrices, strict=True):
            lines.append([group, *keys])
            lines += [[key, *row] for key, row in zip(keys, matrix.tolist(), strict=True)]
        write_csv(path, lines)


def key_scores(matrix: Tensor) -> dict[str, Tensor]:
    """Scores of a confusion matrix, (K, K) counts, a row for each key that was pressed, a column for each predicted.

    Returns scalars `macro_f1`, `majority_f1`, `balanced_accuracy`, all over the keys that were pressed, and `recall`
    (K,), NaN where a key was not.
    """
    matrix = matrix.double()
    pressed, predicted, right = matrix.sum(dim=1), matrix.sum(dim=0), matrix.diagonal()
    met = pressed > 0
    f1 = 2 * right / (pressed + predicted).clamp(min=1)
    most = pressed.max() / pressed.sum().clamp(min=1)
    return {
        "macro_f1": f1[met].mean(),
        "majority_f1": 2 * most / (1 + most) / met.sum(),
        "balanced_accuracy": (right / pressed)[met].mean(),
        "recall": torch.where(met, right / pressed, torch.nan),
    }


class StopOnCollapse(L.Callback):
    """Stops a run whose predictions no longer depend on the frames, with an error that names the remedies.

    In each validation some batches are answered a second time with the frames of other windows, in another order of
    time. A model that looks answers otherwise; one that has settled on the commonest key does not.

    Args:
        least: share of the answers that must change, in (0, 1).
        patience: validations in a row that may fall short before the run is stopped.
        batches: of a validation that are answered twice.
    """

    def __init__(self, least: float = 0.01, patience: int = 3, batches: int = 20):
        self.least, self.patience, self.batches = least, patience, batches
        self.short = 0
        self.answers: dict[str, float] = {}

    def on_validation_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.swapped, self.total = 0, 0
        self.predictions: list[Tensor] = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: dict[str, Tensor], batch_idx: int, *_: Any
    ) -> None:
        if batch_idx >= self.batches:
            return
        generator = torch.Generator().manual_seed(batch_idx)
        frames = batch["frames"].flatten(0, 1)
        other = frames[torch.randperm(len(frames), generator=generator)].view_as(batch["frames"])
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            again = module.ema(other)
        for logits, swapped in zip(outputs, again, strict=True):
            self.swapped += int((logits.argmax(2) != swapped.argmax(2)).sum())
            self.total += logits[..., 0].numel()
        self.predictions.append(torch.stack([logits.argmax(2).flatten() for logits in outputs], dim=1).cpu())

    def on_validation_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        counts = torch.tensor([self.swapped, self.total], dtype=torch.float64, device=module.device)
        swapped, total = trainer.strategy.reduce(counts, reduce_op="sum").tolist()  # or one process stops alone
        if not total:
            return
        depends = swapped / total
        module.log("val/depends", depends, rank_zero_only=True)
        self.short = self.short + 1 if depends < self.least and not trainer.sanity_checking else 0
        if self.short < self.patience:
            return
        rows, counts = torch.cat(self.predictions).unique(dim=0, return_counts=True)
        favourite = module.ema.keys.decode(rows[counts.argmax()][None].numpy())[0]
        share = float(counts.max() / counts.sum())
        rank_zero_warn(
            f"stopped: the model does not look at the frames. Other frames change {depends:.1%} of its answers, and "
            f"{share:.0%} of them are {favourite!r}. Raise model.network.init_args.balance or data.balance, lower "
            "model.lr, or check that the keys belong to the frames."
        )
        trainer.should_stop = True
