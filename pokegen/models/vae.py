"""vae: convolutional variational autoencoder at 128×128.

Kingma and Welling, Auto-Encoding Variational Bayes (ICLR 2014), with the Gaussian likelihood whose variance is the
batch's own mean squared error (Rybkin et al., Simple and Effective VAE Training with Calibrated Decoders, ICML 2021,
section 4.2): reconstruction and KL are then in one unit, nats, and no weight has to be tuned. The KL is faded in over
the first images, so that the latent is used before it is regularised (Bowman et al. 2016). Samples are drawn from a
Gaussian with the mean and covariance that the latents of the training images have, which N(0, 1) only approximates
(ex-post density estimation: Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020, section 4).

Left out: other likelihoods, the linear architecture, conditions.

Letters: N images, D latent.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.models.condition import Condition
from pokegen.models.losses import gaussian_kl
from pokegen.schema import SPRITE_SIZE


class VAE(nn.Module):
    """RGB (N, 3, 128, 128) in [-1, 1] ↔ latent (N, D).

    Args:
        latent_dim: D.
        width: channels at 64×64; they double with each halving, up to 8 times.
        warmup_images: images over which the KL fades in.
    """

    conditions = ()  # what `sample` heeds
    images_seen: Tensor
    latent_mean: Tensor  # (D,), of the latents of about the last 10,000 training images
    latent_second: Tensor  # (D, D), their second moment

    def __init__(self, latent_dim: int = 64, width: int = 32, warmup_images: int = 40_000):
        super().__init__()
        self.latent_dim, self.warmup_images = latent_dim, warmup_images
        channels = [width, 2 * width, 4 * width, 8 * width, 8 * width]  # at 64, 32, 16, 8, 4
        encoder: list[nn.Module] = []
        for inputs, outputs in zip([3, *channels], channels, strict=False):
            encoder += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
            encoder += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
        self.encoder = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(channels[-1] * 16, 2 * latent_dim))
        decoder: list[nn.Module] = [nn.Linear(latent_dim, channels[-1] * 16), nn.Unflatten(1, (channels[-1], 4, 4))]
        for inputs, outputs in zip(reversed(channels), [*reversed(channels[:-1]), 3], strict=True):
            decoder += [nn.BatchNorm2d(inputs), nn.LeakyReLU(0.2, inplace=True)]
            decoder += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=outputs == 3)]
        self.decoder = nn.Sequential(*decoder, nn.Tanh())
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_second", torch.eye(latent_dim))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latent, each (N, D)."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)

    def decode(self, latent: Tensor) -> Tensor:
        """Latent (N, D) → RGB (N, 3, 128, 128) in [-1, 1]."""
        return self.decoder(latent)

    def loss(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """In nats an image: `loss` is `nll` plus the faded-in `kl`; `mse` is a pixel's, in [-1, 1]; `elbo` the negative
        evidence lower bound with the KL in full. In evaluation the latent is the posterior's mean, not a draw."""
        images = batch["image"]
        mean, log_variance = self.encode(images)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        mse = F.mse_loss(self.decode(latent).float(), images)
        pixels = 3 * SPRITE_SIZE**2
        nll = 0.5 * pixels * (mse.log() + 1 + math.log(2 * math.pi))  # at the variance that fits best, which is the mse
        kl = gaussian_kl(mean, log_variance).mean()
        if self.training:
            self.images_seen += len(images)
            self._remember(latent.detach())
        weight = (self.images_seen / max(1, self.warmup_images)).clamp(max=1) if self.training else 1.0
        return {"loss": nll + weight * kl, "mse": mse.detach(), "kl": kl.detach(), "elbo": (nll + kl).detach()}

    def _remember(self, latent: Tensor) -> None:
        """Move the latents' moments towards those of this batch (N, D)."""
        rate = len(latent) / min(10_000.0, float(self.images_seen))
        latent = latent.double()  # autocast would round the product
        self.latent_mean.lerp_(latent.mean(dim=0).float(), rate)
        self.latent_second.lerp_((latent.T @ latent / len(latent)).float(), rate)

    @torch.inference_mode()
    def sample(
        self,
        n: int,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Sprites, float32 (n, 3, 128, 128) in [-1, 1], whatever the condition. `truncation` below 1 shrinks the
        latent: safer, less varied."""
        mean, second = self.latent_mean.cpu().double(), self.latent_second.cpu().double()
        values, vectors = torch.linalg.eigh(second - torch.outer(mean, mean))
        # The symmetric root, which has one sign only; rounding may leave a value a little below 0.
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # (D, D)
        noise = torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float64)
        latent = mean + truncation * noise @ root  # (n, D)
        return self.decode(latent.float().to(self.images_seen.device)).float()
