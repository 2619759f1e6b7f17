"""Trains autoencoders with an adversarial loss on patches."""

from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from pokegen.models import losses
from pokegen.models.tokenizer import PatchDiscriminator, Tokenizer
from pokegen.trainers.base import TrainingModule, batch_size_of


class AutoencoderModule(TrainingModule):
    """Trains an autoencoder with a reconstruction loss and an adversarial loss on patches, which keeps images sharp.

    Args:
        network: has `loss(batch) -> (values, reconstruction)`, and `draw`, its last layer.
        discriminator: images → logits of patches.
        lr, discriminator_lr: Adam's learning rates.
        adversarial: norm of the adversarial gradient at the last layer, relative to that of the reconstruction loss
            (Esser et al., CVPR 2021, eq. 7).
        adversarial_start: images seen before the adversarial loss is used.
        ema_images: half-life of the averaged weights, in images.

    Keeps only the last checkpoint: the adversarial term worsens the validation loss, so the minimum of that loss would
    pick too early a checkpoint.
    """

    def __init__(
        self,
        network: Tokenizer,
        discriminator: PatchDiscriminator,
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
            weight = losses.adaptive_weight(total, values["generator"], self.net.draw.weight)
            total = total + self.adversarial * weight * values["generator"]
            self.discriminator.requires_grad_(True)
        self._descend(step, total, self.net, clip=1.0)
        if started:
            logits = self.discriminator(real).float(), self.discriminator(drawn.detach()).float()
            values["discriminator"] = losses.hinge_discriminator(*logits)
            self._descend(discriminator_step.optimizer, values["discriminator"], self.discriminator)
        self.count(len(real))
        self._record("train", values, len(real), shown="loss")

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        self._record("val", self.ema.loss(batch)[0], batch_size_of(batch), shown="loss")
