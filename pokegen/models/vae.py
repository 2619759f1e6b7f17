"""vae: variational autoencoder, linear or convolutional, at 128×128 and other sizes.

Kingma and Welling, Auto-Encoding Variational Bayes (ICLR 2014). The likelihood of a pixel is Bernoulli, as there,
or Gaussian with the batch's mean squared error as variance (Rybkin et al., Simple and Effective VAE Training with
Calibrated Decoders, ICML 2021, section 4.2). Reconstruction and KL are then both in nats, and no weight needs tuning.
The KL is faded in over the first images, so that the latent is used before it is regularised (Bowman et al. 2016).
Samples come from a Gaussian with the mean and covariance of the training images' latents, which N(0, 1) only
approximates (ex-post density estimation: Ghosh et al., From Variational to Deterministic Autoencoders, ICLR 2020,
section 4).

Left out: a learned prior; conditions, which `cvae` adds.

Letters: N images, D latent, E embedding of the conditions, S side.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.condition import stack
from pokegen.models.image import ImageModel
from pokegen.models.losses import bernoulli_nll, gaussian_kl
from pokegen.schema import SPRITE_SIZE

ARCHITECTURES = ("conv", "linear")
LIKELIHOODS = ("gaussian", "bernoulli")


def _conv(width: int, size: int, channels: int) -> tuple[nn.Module, nn.Module, int]:
    """Encoder's body, decoder's body, and the size of the features between them. The side is halved down to 4, or until
    it is odd. Channels are `width` at half the side and double with each halving, up to 8 times."""
    side, widths = size, [channels]
    while side > 4 and side % 2 == 0:
        side, widths = side // 2, [*widths, width * 2 ** min(3, len(widths) - 1)]
    encoder: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        encoder += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
        encoder += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
    decoder: list[nn.Module] = [nn.Unflatten(1, (widths[-1], side, side))]
    for i, (inputs, outputs) in enumerate(pairwise(reversed(widths)), start=2):
        decoder += [nn.BatchNorm2d(inputs), nn.LeakyReLU(0.2, inplace=True)]
        decoder += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=i == len(widths))]
    return nn.Sequential(*encoder, nn.Flatten()), nn.Sequential(*decoder), widths[-1] * side**2


def _linear(width: int, size: int, channels: int) -> tuple[nn.Module, nn.Module, int]:
    """Like `_conv`, with one hidden layer of `width` units on either side of the latent: linear, ReLU, linear."""
    pixels = channels * size**2
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(inplace=True))
    shape = nn.Unflatten(1, (channels, size, size))
    return encoder, nn.Sequential(nn.ReLU(inplace=True), nn.Linear(width, pixels), shape), width


class VAE(ImageModel):
    """Images (N, channels, S, S) in [-1, 1] ↔ latent (N, D).

    Args:
        latent_dim: D.
        width: channels at half the side; they double with each halving, up to 8 times. In the linear architecture, the
            units of the hidden layer.
        size: S.
        channels: 3 for RGB, 1 for grey.
        architecture: `conv`, or `linear`: linear, ReLU, linear.
        likelihood: of a pixel, `gaussian` or `bernoulli`.
        warmup_images: images over which the KL is faded in.
        conditions: see models/cvae.py.
        embedding_dim: E, size of the condition embedding.
    """

    images_seen: Tensor
    encodes = True
    latent_mean: Tensor  # (D,), mean latent of about the last 10,000 training images
    latent_second: Tensor  # (D, D), their second moment

    def __init__(
        self,
        latent_dim: int = 64,
        width: int = 32,
        size: int = SPRITE_SIZE,
        channels: int = 3,
        architecture: str = "conv",
        likelihood: str = "gaussian",
        warmup_images: int = 40_000,
        conditions: Sequence[str] = (),
        embedding_dim: int = 0,
    ):
        if architecture not in ARCHITECTURES:
            raise UserError(f"Unknown architecture {architecture!r}. Known: {', '.join(ARCHITECTURES)}.")
        if likelihood not in LIKELIHOODS:
            raise UserError(f"Unknown likelihood {likelihood!r}. Known: {', '.join(LIKELIHOODS)}.")
        super().__init__(latent_dim, size, channels, conditions, embedding_dim)
        self.likelihood, self.warmup_images = likelihood, warmup_images
        embedding = embedding_dim if conditions else 0
        self.encoder, self.decoder, inner = (_conv if architecture == "conv" else _linear)(width, size, channels)
        self.posterior = nn.Linear(inner + embedding, 2 * latent_dim)
        self.spread = nn.Linear(latent_dim + embedding, inner)
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_second", torch.zeros(latent_dim, latent_dim).fill_diagonal_(1))

    def encode(self, images: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latent, each (N, D), of images and their embedded conditions."""
        x = torch.cat([self.encoder(images), embedded], dim=1)  # (N, inner + E)
        mean, log_variance = self.posterior(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)

    def likelihood_params(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """Parameters of the likelihood, (N, channels, S, S): the Gaussian mean before tanh, or the Bernoulli logits."""
        return self.decoder(self.spread(torch.cat([latent, embedded], dim=1))).float()

    def to_images(self, decoded: Tensor) -> Tensor:
        """Parameters of the likelihood → images in [-1, 1]."""
        return (decoded if self.likelihood == "gaussian" else decoded / 2).tanh()  # 2 sigmoid(x) - 1 = tanh(x / 2)

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        return self.to_images(self.likelihood_params(latent, embedded))

    def loss(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """In nats per image: `loss` is `nll` plus the faded-in `kl`; `elbo` is the negative evidence lower bound, with
        the full KL. `mse` is per pixel, in [-1, 1]. In evaluation the latent is the posterior mean, not a sample."""
        images, embedded = batch["image"], self.embed(stack(batch, self.conditions))
        mean, log_variance = self.encode(images, embedded)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        decoded = self.likelihood_params(latent, embedded)
        mse = F.mse_loss(self.to_images(decoded), images)
        if self.likelihood == "gaussian":  # with the variance that fits best, which is the mse
            nll = 0.5 * images[0].numel() * (mse.log() + 1 + math.log(2 * math.pi))
        else:
            nll = bernoulli_nll(decoded, (images + 1) / 2).mean()
        kl = gaussian_kl(mean, log_variance).mean()
        weight: Tensor | float = 1.0
        if self.training:
            seen = self.images_seen + len(images)
            self._remember(latent.detach(), float(seen))
            weight = (seen / max(1, self.warmup_images)).clamp(max=1)
        return {"loss": nll + weight * kl, "mse": mse.detach(), "kl": kl.detach(), "elbo": (nll + kl).detach()}

    def count(self, images: Tensor) -> None:
        self.images_seen.copy_(images)

    def _remember(self, latent: Tensor, seen: float) -> None:
        """Move the moments of the latents towards those of this batch (N, D); `seen` images were seen in total."""
        rate = len(latent) / min(10_000.0, max(seen, len(latent)))
        latent = latent.double()  # autocast would round the product
        self.latent_mean.lerp_(latent.mean(dim=0).float(), rate)
        self.latent_second.lerp_((latent.T @ latent / len(latent)).float(), rate)

    @property
    def center(self) -> Tensor:
        return self.latent_mean.cpu()

    def latents(self, n: int, generator: torch.Generator | None = None, truncation: float = 1.0) -> Tensor:
        mean, second = self.latent_mean.cpu().double(), self.latent_second.cpu().double()
        values, vectors = torch.linalg.eigh(second - torch.outer(mean, mean))
        # The symmetric root is unique; rounding may leave an eigenvalue a little below 0.
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # (D, D)
        noise = torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float64)
        return (mean + truncation * noise @ root).float()
