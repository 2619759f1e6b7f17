"""Trains GANs: a generator against a discriminator."""

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models import condition, losses
from pokegen.models.augment import diff_augment
from pokegen.models.image import ImageModel
from pokegen.models.network import ImageDiscriminator
from pokegen.trainers.base import TrainingModule

ADVERSARIAL: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "hinge": (losses.hinge_discriminator, losses.hinge_generator),
    "bce": (losses.bce_discriminator, losses.bce_generator),
    "relativistic": (losses.relativistic_discriminator, losses.relativistic_generator),
}


class AdversarialModule(TrainingModule):
    """Trains a generator against a discriminator, one step of each per batch (Goodfellow et al. 2014, algorithm 1).

    Both nets receive the conditions; an unconditional net ignores them. Both steps use the same generated batch.

    Args:
        generator: (latent, labels, condition scale) → images. If they are smaller than the data's, the real images are
            averaged down to their size.
        discriminator: (images, labels, condition scale) → (logits, features).
        loss: `hinge`; `bce`, the original non-saturating loss; or `relativistic`, which compares each generated image
            with a real one (Huang et al., The GAN is dead; long live the GAN!, NeurIPS 2024; with r1 and r2).
        generator_lr, discriminator_lr: Adam's learning rates.
        beta1, beta2: Adam's decay rates.
        ema_images: half-life of the averaged generator, in images.
        shift: DiffAugment's largest translation, as a share of the side; 0 for none.
        color: DiffAugment's largest change of contrast and saturation; 0 for none.
        rotation, scale: DiffAugment's largest rotation in degrees, and largest change of size as a share; 0 for none.
        augment_probability: share of the images that are augmented. Below 0.8 the augmentations do not leak into the
            generated images.
        r1: weight of the R1 penalty on real images, computed every `r1_every` batches; 0 for none.
        r1_every: see r1 (lazy regularisation, StyleGAN2, appendix B).
        r2: weight of the same penalty on generated images.
        condition_start, condition_full: images seen when the conditions begin to fade in, and when they have full
            weight (Transitional-cGAN, Shahbazi et al., ICLR 2022: on little data, conditioning from the start
            collapses).
        condition_dropout: share of the species conditions that are hidden from both nets, so that conditions alone do
            not identify a creature and the latent has to encode them.
        diversity: weight of the diversity loss: max(0, feature distance of two real images − that of two generated
            images with equal conditions), in the discriminator's features (after Yang et al., Diversity-Sensitive
            Conditional GANs, ICLR 2019, eq. 2).
        consistency: weight of the change in a generated image's shape when its types and colour change: the mean
            difference in ink, from 0 (white) to 2 (black), over a quarter of the batch drawn again with other types.
        decay_start, decay_end: images seen when the learning rates begin to fall linearly, and when they reach 0; 0 and
            0 for never. A resumed training uses the new values.
        gradient_clip: largest norm of each net's gradient; 0 for no limit.
    """

    def __init__(
        self,
        generator: ImageModel,
        discriminator: ImageDiscriminator,
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
        supports, judges = tuple(generator.conditions), tuple(discriminator.conditions)
        if judges != supports:
            raise UserError(
                f"The generator supports {', '.join(supports) or 'no condition'}, the discriminator "
                f"{', '.join(judges)}. Give both the same conditions."
            )
        super().__init__(generator, ema_images)
        self.automatic_optimization = False
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.learning = [p for p in discriminator.parameters() if p.requires_grad]  # without its frozen parts
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
    def condition_scale(self) -> float:
        """0 before condition_start, 1 from condition_full on."""
        span = max(1, self.condition_full - self.condition_start)
        return min(1.0, max(0.0, (int(self.images_seen) + 1 - self.condition_start) / span))

    @property
    def lr_scale(self) -> float:
        """Factor of the learning rates: 1 until decay_start, 0 from decay_end on."""
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

    def _shape_change(self, fake: Tensor, latent: Tensor, conditions: Tensor, condition_scale: float) -> Tensor:
        """The `consistency` loss: images (N, 3, H, W) of latents and conditions, compared with the first of them drawn
        again in the types and colours of others."""
        n = max(1, len(fake) // 4)
        swapped = conditions[:n].clone()
        for i, key in enumerate(self.generator.conditions):
            if key in ("type1", "type2", "color"):
                swapped[:, i] = conditions[n : 2 * n, i] if len(conditions) >= 2 * n else conditions[:n, i].roll(1)
        other = self.generator(latent[:n], swapped, condition_scale)
        return (fake[:n].amin(dim=1) - other.amin(dim=1)).abs().mean()

    def _discriminator_learns(self, learns: bool) -> None:
        for parameter in self.learning:
            parameter.requires_grad_(learns)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        generator_step, discriminator_step = cast("list[LightningOptimizer]", self.optimizers())
        for step, rate in zip((generator_step, discriminator_step), self.learning_rates, strict=True):
            step.optimizer.param_groups[0]["lr"] = rate * self.lr_scale
        real, condition_scale = batch["image"], self.condition_scale
        labels = condition.stack(batch, self.generator.conditions)
        if self.condition_dropout:
            of_species = torch.tensor(
                [key in condition.OF_SPECIES for key in self.generator.conditions], device=labels.device
            )
            labels = labels.masked_fill(
                (torch.rand(labels.shape, device=labels.device) < self.condition_dropout) & of_species, -1
            )
        conditions = labels[: (len(labels) + 1) // 2].repeat(2, 1)[: len(labels)] if self.diversity else labels
        latent = torch.randn(len(real), self.generator.latent_dim, device=real.device)
        fake = self.generator(latent, conditions, condition_scale)
        values = {}

        full = real
        real = nn.functional.adaptive_avg_pool2d(real, fake.shape[-1]) if real.shape != fake.shape else real
        shown = self.augment(real)
        drawn = self.augment(fake.detach())
        penalise = (self.r1 > 0 or self.r2 > 0) and batch_index % self.r1_every == 0
        real_logits, features = self.discriminator(shown.requires_grad_(penalise), labels, condition_scale)
        fake_logits, _ = self.discriminator(drawn.requires_grad_(penalise), conditions, condition_scale)
        values["discriminator"] = total = self.discriminator_loss(real_logits, fake_logits)
        if (reconstruction := self.discriminator.auxiliary_loss(shown, features)) is not None:
            values["reconstruction"] = reconstruction
            total = total + reconstruction
        if penalise:
            for key, weight, logits, images in (
                ("r1", self.r1, real_logits, shown),
                ("r2", self.r2, fake_logits, drawn),
            ):
                if weight:
                    values[key] = losses.gradient_penalty(logits, images)
                    total = total + weight * self.r1_every * values[key]
        # The raw optimizer: Lightning counts a global step per wrapped optimizer, but a batch is to be one step.
        self._descend(discriminator_step.optimizer, total, self.discriminator, self.gradient_clip)

        self._discriminator_learns(False)
        logits, seen = self.discriminator(self.augment(fake), conditions, condition_scale)
        values["generator"] = total = self.generator_loss(logits, real_logits.detach())
        if self.diversity:
            values["diversity"] = (losses.pair_distance(features.detach()) - losses.pair_distance(seen)).relu()
            total = total + self.diversity * values["diversity"]
        if self.consistency:
            values["shape"] = self._shape_change(fake, latent, conditions, condition_scale)
            total = total + self.consistency * values["shape"]
        quarter = full[: max(1, len(full) // 4)]  # enough to learn from
        if (upsample := self.generator.auxiliary_loss(quarter)) is not None:
            values["upsample"] = upsample
            total = total + upsample
        self._descend(generator_step, total, self.generator, self.gradient_clip)
        self._discriminator_learns(True)

        self.count(len(real))
        for net in (self.generator, self.ema):  # samples use the scale that training has reached
            if net.conditions:
                net.condition_scale.fill_(condition_scale)
        values |= {"real": real_logits.mean(), "fake": fake_logits.mean(), "images": self.images_seen.float()}
        self._record("train", values, len(real), shown="images")
