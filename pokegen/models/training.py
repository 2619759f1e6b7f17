"""The LightningModules that train the zoo: one for models with a likelihood or a plain loss, one for adversarial pairs.

Both keep an exponential moving average (EMA) of what is shipped; it is what validates, samples and is exported.
Budgets are counted in images, those of all processes together: `images_seen` is saved with the checkpoint, and each
batch is one global step. With several processes, batch norm and the batch's deviation see the images of their own.

Metrics are named `stage/quantity`; all losses are lower-is-better:

    train/loss, val/loss        what is minimised, mean over the batch, and whatever else the network returns
    train/discriminator         the discriminator's adversarial loss
    train/generator             the generator's adversarial loss
    train/real, train/fake      mean logits: far apart, the discriminator has won
    train/redraw, train/upsample    the auxiliary tasks' L1 losses
    train/likeness              how much nearer two generated images of equal conditions are than two real ones
    train/shape                 how much generated images change in shape with type and colour
    train/r1, train/r2          squared gradient of the real, and of the generated, images' logits, before its weight
    */mse, */kl, */elbo, */bits, */accuracy …     see the `loss` of the network that logs them
    train/images                images seen so far; each row of a log also has them as `images`
    val/kernel_distance         of sprite models, see evaluation/callback.py
"""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models import condition, losses
from pokegen.models.augment import diff_augment

ADVERSARIAL: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "hinge": (losses.hinge_discriminator, losses.hinge_generator),
    "bce": (losses.bce_discriminator, losses.bce_generator),
    "relativistic": (losses.relativistic_discriminator, losses.relativistic_generator),
}


def diverged(what: str, step: int | None, folder: Path) -> UserError:
    """What a user is told when training has left the finite numbers. `folder` holds the run's checkpoints."""
    newest = sorted(folder.glob("*.ckpt"), key=lambda path: (path.stem == "last", path.stat().st_mtime))
    kept = newest[-1] if newest else None
    last = f"The last good checkpoint is {kept}" if kept else "There is no checkpoint from before"
    return UserError(f"Training stopped at step {step}: {what}. {last}. Lower the learning rate, and check the data.")


class TrainingModule(L.LightningModule):
    """EMA, the count of images, sampling, and the network's own preparation.

    Args:
        network: what is averaged, sampled and exported.
        ema_images: half-life of the average, in images (rows of a batch); 0 keeps the current weights.
    """

    monitor: str | None = None  # the metric, lower is better, by which the best checkpoint is kept
    images_seen: Tensor
    ema: Any  # a net, whose methods nn.Module does not know
    net: Any
    generator: Any
    discriminator: Any

    def __init__(self, network: nn.Module, ema_images: float):
        super().__init__()
        self.ema = copy.deepcopy(network).requires_grad_(False).eval()
        self.ema_images = ema_images
        self._random_state: Tensor | None = None  # of the checkpoint that is resumed
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))

    @property
    def network(self) -> Any:
        """The net that is trained, averaged and exported."""
        raise NotImplementedError

    def on_fit_start(self) -> None:
        if not self.images_seen and hasattr(self.network, "prepare"):  # what the network takes from the data, once
            self.network.prepare(getattr(self.trainer, "datamodule", None))
            self.ema.load_state_dict(self.network.state_dict())
        self.ema.eval()
        if self.trainer.world_size > 1:  # or all processes, seeded alike, would draw the same noise
            torch.manual_seed(torch.initial_seed() + 1_000_003 * self.trainer.global_rank)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_state"] = torch.get_rng_state()  # on a CPU: a GPU's is not kept
        if hasattr(self.network, "plain_spaces"):  # an agent's, so that an export need not make its environment
            checkpoint["plain_spaces"] = self.network.plain_spaces()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._random_state = checkpoint.get("random_state")

    def on_train_start(self) -> None:
        if self._random_state is not None and self.processes == 1:  # one process kept its own alone
            torch.set_rng_state(self._random_state)

    def load_matching(self, weights: dict[str, Tensor]) -> str:
        """Take those weights of another training whose name and shape match; the average and what was counted begin
        anew. Says how many match. UserError where none does."""
        own = {k: v for k, v in self.state_dict().items() if k != "images_seen" and not k.startswith("ema.")}
        matching = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
        if not matching:
            raise UserError("init_from: none of its weights has the name and shape of one of this model's.")
        self.load_state_dict(matching, strict=False)
        return f"{len(matching)} of {len(own)} weights"

    @property
    def processes(self) -> int:
        return self._trainer.world_size if self._trainer else 1

    @torch.no_grad()
    def count(self, images: int) -> None:
        """After a step with `images` in each process: count them and move the average. Early on it follows faster, with
        a tenth of what was seen as half-life, so that it forgets the first weights."""
        images *= self.processes
        self.images_seen += images
        if hasattr(self.network, "images_seen"):
            self.network.images_seen.copy_(self.images_seen)
        half_life = min(self.ema_images, 0.1 * float(self.images_seen))
        decay = 0.5 ** (images / half_life) if half_life else 0.0
        for average, current in zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True):
            if average.dtype.is_floating_point:
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(current)

    def _record(self, stage: str, values: dict[str, Tensor], size: int, shown: str) -> None:
        """Log `values` under `stage`, the one of them named `shown` on the progress bar too."""
        for key, value in values.items():
            self.log(
                *(f"{stage}/{key}", value.detach()),
                prog_bar=key == shown,
                batch_size=size,
                sync_dist=self.processes > 1,
            )

    def check_loss(self, loss: Tensor) -> None:
        """Raises UserError for a loss of NaN or infinity, before it reaches the weights."""
        trainer = self._trainer
        if bool(loss.isfinite()) or not trainer or getattr(trainer.precision_plugin, "scaler", None):
            return  # a gradient scaler skips such steps
        folder = Path(trainer.default_root_dir) / "checkpoints"
        raise diverged(f"the loss is {float(loss):g}", trainer.global_step, folder)

    def _descend(self, optimizer: Any, loss: Tensor, net: nn.Module, clip: float = 0.0) -> None:
        """A step of one of several optimizers; `clip` is the largest norm of the gradient, 0 for any."""
        self.check_loss(loss)
        optimizer.zero_grad()
        self.manual_backward(loss)
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()

    def sample(self, n: int, **options: Any) -> Any:
        """From the averaged weights; see the network's own `sample`. None from a network that creates nothing."""
        return self.ema.eval().sample(n, **options) if hasattr(self.ema, "sample") else None


class LikelihoodModule(TrainingModule):
    """Minimises `network.loss(batch)["loss"]` with AdamW; everything that dict holds is logged.

    Args:
        network: has `loss(batch) -> dict[str, Tensor]` and `sample(n, …)`.
        lr: AdamW's step size, after the warm-up.
        weight_decay: AdamW's decoupled decay, of matrices only.
        warmup_steps: optimizer steps over which the step size rises linearly from 0.
        ema_images: half-life of the averaged weights, in rows.
    """

    monitor = "val/loss"

    def __init__(
        self,
        network: nn.Module,
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
        self._record(stage, values, _size(batch), shown="loss")
        return values["loss"]

    def on_train_batch_end(self, outputs: Any, batch: dict[str, Any], batch_idx: int) -> None:
        self.count(_size(batch))

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """By norm. Lightning's own refuses a fused optimizer in any mixed precision."""
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


class AutoencoderModule(TrainingModule):
    """Trains an autoencoder against a discriminator of patches, so that what it draws stays sharp.

    Args:
        network: has `loss(batch) -> (values, reconstruction)`, and `draw`, its last layer.
        discriminator: images → logits of patches.
        lr, discriminator_lr: Adam's step sizes.
        adversarial: the adversarial gradient at the last layer, as a share of the reconstruction's (Esser et al.,
            CVPR 2021, eq. 7).
        adversarial_start: images seen before it counts.
        ema_images: half-life of the averaged weights, in images.

    No checkpoint is the best: the adversarial loss costs a little of what validation measures.
    """

    def __init__(
        self,
        network: nn.Module,
        discriminator: nn.Module,
        lr: float = 1e-3,
        discriminator_lr: float = 2e-4,
        adversarial: float = 0.5,
        adversarial_start: int = 0,
        ema_images: float = 10_000,
    ):
        super().__init__(network, ema_images)
        self.automatic_optimization = False
        self.net = network.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.learning_rates = lr, discriminator_lr
        self.adversarial, self.adversarial_start = adversarial, adversarial_start

    @property
    def network(self) -> Any:
        return self.net

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        nets = (self.net, self.discriminator)
        betas = ((0.9, 0.99), (0.5, 0.99))
        return [
            torch.optim.Adam(n.parameters(), lr=r, betas=b, fused=True)
            for n, r, b in zip(nets, self.learning_rates, betas, strict=True)
        ]

    def training_step(self, batch: dict[str, Tensor], _: int) -> None:
        step, discriminator_step = cast("list[LightningOptimizer]", self.optimizers())
        real = batch["image"]
        values, drawn = self.net.loss(batch)
        total = values["loss"]
        started = int(self.images_seen) >= self.adversarial_start
        if started:
            self.discriminator.requires_grad_(False)
            values["generator"] = -self.discriminator(drawn).float().mean()
            weight = losses.equal_pull(total, values["generator"], self.net.draw.weight)
            total = total + self.adversarial * weight * values["generator"]
            self.discriminator.requires_grad_(True)
        self._descend(step, total, self.net, clip=1.0)
        if started:
            logits = self.discriminator(real).float(), self.discriminator(drawn.detach()).float()
            values["discriminator"] = losses.hinge_discriminator(*logits)
            self._descend(discriminator_step.optimizer, values["discriminator"], self.discriminator)  # raw, as below
        self.count(len(real))
        self._record("train", values, len(real), shown="loss")

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        self._record("val", self.ema.loss(batch)[0], _size(batch), shown="loss")


class AdversarialModule(TrainingModule):
    """Trains a generator against a discriminator, one step each a batch (Goodfellow et al. 2014, algorithm 1).

    Both nets take conditions; an unconditional one ignores them. The same generated batch serves both steps.

    Args:
        generator: (latent, rows, strength) → images; has `latent_dim` and `sample`. With `auxiliary_loss(real)` it
            also learns from that; its images may then be smaller than the data's, which are averaged to that size.
        discriminator: (images, rows, strength) → (logits, features). With `auxiliary_loss(real, features)`, that too.
        loss: `hinge`, `bce` for the original non-saturating one, or `relativistic`, which compares each generated image
            with a real one (Huang et al., The GAN is dead; long live the GAN!, NeurIPS 2024; with r1 and r2).
        generator_lr, discriminator_lr: Adam's step sizes.
        beta1, beta2: Adam's decay rates.
        ema_images: half-life of the averaged generator, in images.
        shift: DiffAugment's largest translation, as a share of the side; 0 for none.
        color: DiffAugment's largest change of contrast and saturation; 0 for none.
        rotation, scale: the discriminator is shown images turned by up to so many degrees, and larger or smaller by up
            to this share; 0 for none.
        augment_probability: share of the images that are changed so; below 0.8 no change shows in what is drawn.
        r1: weight of the R1 penalty on real images, taken every `r1_every` batches; 0 for none.
        r1_every: see r1 (lazy regularisation, StyleGAN2, appendix B).
        r2: the same penalty's weight on generated images.
        condition_start, condition_full: images seen when the condition begins to fade in, and when it counts in full
            (Transitional-cGAN, Shahbazi et al., ICLR 2022: on little data, conditioning from the start collapses).
        condition_dropout: share of the conditions of species that are hidden from both nets, so that no creature is
            known by its conditions alone, and the latent has to tell what they do not.
        diversity: weight of what two generated images of equal conditions lack, in the discriminator's features, of the
            distance of two real images (after Yang et al., Diversity-Sensitive Conditional GANs, ICLR 2019, eq. 2).
        consistency: weight of how much the shape of a generated image changes with its types and colour: the mean
            difference of the ink, from 0 (white) to 2 (black), of a quarter of the batch drawn again in other types.
        decay_start, decay_end: images seen when the step sizes begin to fall, in a straight line, and when they are 0;
            0 and 0 for never. A resumed training takes what is asked anew.
        gradient_clip: largest norm of each net's gradient; 0 for none.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: str = "hinge",
        generator_lr: float = 2e-4,
        discriminator_lr: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        ema_images: float = 10_000,
        shift: float = 0.125,
        color: float = 0.2,
        rotation: float = 0.0,
        scale: float = 0.0,
        augment_probability: float = 1.0,
        r1: float = 0.0,
        r1_every: int = 16,
        r2: float = 0.0,
        condition_start: int = 0,
        condition_full: int = 0,
        condition_dropout: float = 0.0,
        diversity: float = 0.0,
        consistency: float = 0.0,
        decay_start: int = 0,
        decay_end: int = 0,
        gradient_clip: float = 0.0,
    ):
        if loss not in ADVERSARIAL:
            raise UserError(f"Unknown loss {loss!r}. Known losses: {', '.join(ADVERSARIAL)}.")
        for name, share in (("augment_probability", augment_probability), ("condition_dropout", condition_dropout)):
            if not 0 <= share <= 1:
                raise UserError(f"{name} is a share from 0 to 1, got {share}.")
        if condition_full < condition_start:
            raise UserError(
                f"condition_full ({condition_full}) must not come before condition_start ({condition_start})."
            )
        if (decay_start or decay_end) and decay_end <= decay_start:
            raise UserError(f"decay_end ({decay_end}) must come after decay_start ({decay_start}).")
        heeds, judges = (tuple(getattr(net, "conditions", ())) for net in (generator, discriminator))
        if judges != heeds:
            raise UserError(
                f"The generator heeds {', '.join(heeds) or 'no condition'}, the discriminator {', '.join(judges)}: "
                "give both the same conditions."
            )
        super().__init__(generator, ema_images)
        self.automatic_optimization = False
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.learning = [p for p in discriminator.parameters() if p.requires_grad]  # not what it holds frozen
        self.discriminator_loss, self.generator_loss = ADVERSARIAL[loss]
        self.learning_rates, self.betas = (generator_lr, discriminator_lr), (beta1, beta2)
        self.augment = functools.partial(
            diff_augment, shift=shift, color=color, rotation=rotation, scale=scale, probability=augment_probability
        )
        self.r1, self.r1_every, self.r2 = r1, r1_every, r2
        self.condition_start, self.condition_full = condition_start, condition_full
        self.condition_dropout, self.diversity, self.consistency = condition_dropout, diversity, consistency
        self.decay_start, self.decay_end = decay_start, decay_end
        self.gradient_clip = gradient_clip

    @property
    def network(self) -> Any:
        return self.generator

    @property
    def condition_strength(self) -> float:
        """0 before condition_start, 1 from condition_full on."""
        span = max(1, self.condition_full - self.condition_start)
        return min(1.0, max(0.0, (int(self.images_seen) + 1 - self.condition_start) / span))

    @property
    def pace(self) -> float:
        """The share of the step sizes that is left: 1 until decay_start, 0 from decay_end on."""
        if not self.decay_end:
            return 1.0
        return min(1.0, max(0.0, (self.decay_end - int(self.images_seen)) / (self.decay_end - self.decay_start)))

    def on_fit_start(self) -> None:
        if getattr(self.trainer.precision_plugin, "scaler", None) is not None:
            raise UserError("precision 16-mixed scales one optimizer's gradients; use bf16-mixed or 32-true.")
        super().on_fit_start()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        nets = (self.generator, self.discriminator)
        return [
            torch.optim.Adam(n.parameters(), lr=r, betas=self.betas, fused=True)
            for n, r in zip(nets, self.learning_rates, strict=True)
        ]

    def _shape_change(self, fake: Tensor, latent: Tensor, asked: Tensor, strength: float) -> Tensor:
        """See `consistency`: images (N, 3, H, W) of latents and conditions against the first of them in the types and
        colours of others."""
        n = max(1, len(fake) // 4)
        swapped = asked[:n].clone()
        for i, key in enumerate(self.generator.conditions):
            if key in ("type1", "type2", "color"):
                swapped[:, i] = asked[n : 2 * n, i] if len(asked) >= 2 * n else asked[:n, i].roll(1)
        other = self.generator(latent[:n], swapped, strength)
        return (fake[:n].amin(dim=1) - other.amin(dim=1)).abs().mean()

    def _discriminator_learns(self, learns: bool) -> None:
        for parameter in self.learning:
            parameter.requires_grad_(learns)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        generator_step, discriminator_step = cast("list[LightningOptimizer]", self.optimizers())
        for step, rate in zip((generator_step, discriminator_step), self.learning_rates, strict=True):
            step.optimizer.param_groups[0]["lr"] = rate * self.pace
        real, strength = batch["image"], self.condition_strength
        rows = condition.stack(batch, self.generator.conditions)
        if self.condition_dropout:
            told = torch.tensor([key in condition.OF_SPECIES for key in self.generator.conditions], device=rows.device)
            rows = rows.masked_fill((torch.rand(rows.shape, device=rows.device) < self.condition_dropout) & told, -1)
        asked = rows[: (len(rows) + 1) // 2].repeat(2, 1)[: len(rows)] if self.diversity else rows  # each twice
        latent = torch.randn(len(real), self.generator.latent_dim, device=real.device)
        fake = self.generator(latent, asked, strength)
        values = {}

        full = real
        real = nn.functional.adaptive_avg_pool2d(real, fake.shape[-1]) if real.shape != fake.shape else real
        shown = self.augment(real)
        drawn = self.augment(fake.detach())
        penalise = (self.r1 > 0 or self.r2 > 0) and batch_index % self.r1_every == 0
        real_logits, features = self.discriminator(shown.requires_grad_(penalise), rows, strength)
        fake_logits, _ = self.discriminator(drawn.requires_grad_(penalise), asked, strength)
        values["discriminator"] = total = self.discriminator_loss(real_logits, fake_logits)
        if getattr(self.discriminator, "auxiliary_loss", None):
            values["redraw"] = self.discriminator.auxiliary_loss(shown, features)
            total = total + values["redraw"]
        if penalise:
            for key, weight, logits, images in (
                ("r1", self.r1, real_logits, shown),
                ("r2", self.r2, fake_logits, drawn),
            ):
                if weight:
                    values[key] = losses.gradient_penalty(logits, images)
                    total = total + weight * self.r1_every * values[key]
        # The raw optimizer: Lightning counts a global step for each of its own, and a batch is to be one.
        self._descend(discriminator_step.optimizer, total, self.discriminator, self.gradient_clip)

        self._discriminator_learns(False)
        logits, seen = self.discriminator(self.augment(fake), asked, strength)
        values["generator"] = total = self.generator_loss(logits, real_logits.detach())
        if self.diversity:
            values["likeness"] = (losses.pair_distance(features.detach()) - losses.pair_distance(seen)).relu()
            total = total + self.diversity * values["likeness"]
        if self.consistency:
            values["shape"] = self._shape_change(fake, latent, asked, strength)
            total = total + self.consistency * values["shape"]
        if hasattr(self.generator, "auxiliary_loss"):
            quarter = full[: max(1, len(full) // 4)]  # which teaches enough
            values["upsample"] = self.generator.auxiliary_loss(quarter)
            total = total + values["upsample"]
        self._descend(generator_step, total, self.generator, self.gradient_clip)
        self._discriminator_learns(True)

        self.count(len(real))
        for net in (self.generator, self.ema):  # samples are to use what training has reached, no more
            if hasattr(net, "strength"):
                net.strength.fill_(strength)
        values |= {"real": real_logits.mean(), "fake": fake_logits.mean(), "images": self.images_seen.float()}
        self._record("train", values, len(real), shown="images")


def _size(batch: dict[str, Any]) -> int:
    return len(next(iter(batch.values())))
