"""The base class of the zoo's LightningModules.

Each keeps an exponential moving average (EMA) of the network, which is validated, sampled and exported. Budgets count
images over all processes: `images_seen` is saved with the checkpoint, and each batch is one global step. With several
processes, batch norm and the minibatch deviation use only the images of their own process.

Metrics are named `stage/quantity`; all losses are lower-is-better:

    train/loss, val/loss        the minimised loss, mean over the batch; also any other value the network returns
    train/discriminator         the discriminator's adversarial loss
    train/generator             the generator's adversarial loss
    train/real, train/fake      mean logits; if they are far apart, the discriminator is winning
    train/reconstruction, train/upsample    L1 losses of the discriminator's and the generator's auxiliary tasks
    train/diversity             how much more similar two generated images with equal conditions are than two real
                                images, in discriminator features
    train/shape                 how much the shape of generated images changes with type and colour
    train/r1, train/r2          squared gradient of the logits of real and of generated images, before weighting
    */mse, */kl, */elbo, */bits, */accuracy …     see the `loss` of the network that logs them
    train/images                images seen so far; each row of a log also has them as `images`
    val/kernel_distance         of sprite models, see evaluation/callback.py
"""

import copy
import re
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.network import Network


def diverged(what: str, step: int | None, folder: Path) -> UserError:
    """The error for a loss or weights that are not finite. `folder` contains the run's checkpoints."""
    newest = sorted(folder.glob("*.ckpt"), key=lambda path: (path.stem == "last", path.stat().st_mtime))
    kept = newest[-1] if newest else None
    last = f"The last good checkpoint is {kept}" if kept else "There is no earlier checkpoint"
    return UserError(f"Training stopped at step {step}: {what}. {last}. Lower the learning rate, and check the data.")


class TrainingModule(L.LightningModule):
    """EMA, the image count, sampling, and the network's preparation.

    Args:
        network: the network to average, sample and export.
        ema_images: half-life of the average, in images (rows of a batch); 0 keeps the current weights.
    """

    monitor: str | None = None  # the metric that chooses the best checkpoint, lower is better
    images_seen: Tensor
    ema: Any  # a network, with methods that nn.Module does not declare
    net: Any
    generator: Any
    discriminator: Any

    def __init__(self, network: Network, ema_images: float):
        super().__init__()
        self.ema = copy.deepcopy(network).requires_grad_(False).eval()
        self.ema_images = ema_images
        self._random_state: Tensor | None = None  # of the checkpoint being resumed
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))

    @property
    def network(self) -> Any:
        """The net that is trained, averaged and exported."""
        raise NotImplementedError

    def on_fit_start(self) -> None:
        if not self.images_seen:
            self.network.prepare(getattr(self.trainer, "datamodule", None))
            self.ema.load_state_dict(self.network.state_dict())
        self.ema.eval()
        if self.trainer.world_size > 1:  # otherwise all processes, seeded alike, would draw the same noise
            torch.manual_seed(torch.initial_seed() + 1_000_003 * self.trainer.global_rank)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_state"] = torch.get_rng_state()  # the CPU's; a GPU's is not saved
        if hasattr(self.network, "plain_spaces"):  # an agent's, so that an export need not make its environment
            checkpoint["plain_spaces"] = self.network.plain_spaces()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._random_state = checkpoint.get("random_state")

    def on_train_start(self) -> None:
        if self._random_state is not None and self.processes == 1:  # only one process saved its state
            torch.set_rng_state(self._random_state)

    def load_matching(self, weights: dict[str, Tensor]) -> str:
        """Load the weights of another training whose name and shape match; the average and the counters start afresh.
        Returns how many match, as text. UserError if none does."""
        own = {k: v for k, v in self.state_dict().items() if k != "images_seen" and not k.startswith("ema.")}
        weights = {
            re.sub(r"\bstrength$", "condition_scale", key): value for key, value in weights.items()
        }  # its former name
        matching = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
        if not matching:
            raise UserError("init_from: none of its weights matches a weight of this model in name and shape.")
        self.load_state_dict(matching, strict=False)
        return f"{len(matching)} of {len(own)} weights"

    @property
    def processes(self) -> int:
        return self._trainer.world_size if self._trainer else 1

    @torch.no_grad()
    def count(self, images: int) -> None:
        """After a step with `images` in each process: count them and update the average. Early on, its half-life is a
        tenth of the images seen, so that the initial weights are forgotten."""
        images *= self.processes
        self.images_seen += images
        self.network.count(self.images_seen)
        half_life = min(self.ema_images, 0.1 * float(self.images_seen))
        decay = 0.5 ** (images / half_life) if half_life else 0.0
        for average, current in zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True):
            if average.dtype.is_floating_point:
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(current)

    def _record(self, stage: str, values: dict[str, Tensor], size: int, shown: str) -> None:
        """Log `values` under `stage`; the one named `shown` also appears on the progress bar."""
        for key, value in values.items():
            self.log(
                *(f"{stage}/{key}", value.detach()),
                prog_bar=key == shown,
                batch_size=size,
                sync_dist=self.processes > 1,
            )

    def check_loss(self, loss: Tensor) -> None:
        """UserError for a loss of NaN or infinity, before it reaches the weights."""
        trainer = self._trainer
        if bool(loss.isfinite()) or not trainer or getattr(trainer.precision_plugin, "scaler", None):
            return  # a gradient scaler skips such steps itself
        folder = Path(trainer.default_root_dir) / "checkpoints"
        raise diverged(f"the loss is {float(loss):g}", trainer.global_step, folder)

    def _descend(self, optimizer: Any, loss: Tensor, net: nn.Module, clip: float = 0.0) -> None:
        """A step of one of several optimizers. `clip` is the largest norm of the gradient, 0 for no limit."""
        self.check_loss(loss)
        optimizer.zero_grad()
        self.manual_backward(loss)
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()

    def sample(self, n: int, **options: Any) -> Any:
        """Samples from the averaged weights; see the network's own `sample`. None if the network has no `sample`."""
        return self.ema.eval().sample(n, **options) if hasattr(self.ema, "sample") else None


def batch_size_of(batch: dict[str, Any]) -> int:
    """Number of rows of a batch."""
    return len(next(iter(batch.values())))
