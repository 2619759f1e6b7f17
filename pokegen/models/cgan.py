"""cgan: a small-data GAN, conditional on both types, colour and legendary, at 128×128.

Generator and discriminator follow FastGAN (Liu et al., Towards Faster and Stabilized GAN Training for High-fidelity
Few-shot Image Synthesis, ICLR 2021): skip-layer excitation, and a discriminator that must also draw its input again
from its features. Conditions enter the generator through conditional batch norm (BigGAN, Brock et al. 2019) and the
discriminator by projection (Miyato and Koyama 2018). Weights of the discriminator are spectrally normalised.

Left out: FastGAN's computation at full resolution. On a CPU the large maps decide the cost, so both nets work at 64×64,
which is about the resolution that most sprites were drawn at, and a small upsampler, trained beside them on real
sprites, makes the last doubling.

Letters: N images, Z latent, E embedding, C conditions, (H, W) height and width.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pokegen.models.condition import CONDITIONS, Condition, ConditionEmbedding, ConditionPrior


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias are a function of the style vector."""

    def __init__(self, channels: int, style_dim: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.affine = nn.Linear(style_dim, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.02)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gain, bias = self.affine(style)[:, :, None, None].chunk(2, dim=1)
        return self.norm(x) * (1 + gain) + bias


class UpBlock(nn.Module):
    """Doubles height and width: nearest neighbour, so that no checkerboard can form, then a 3×3 convolution."""

    def __init__(self, inputs: int, outputs: int, style_dim: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = ConditionalNorm(outputs, style_dim)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(F.interpolate(x, scale_factor=2)), style), 0.2)


class SkipExcitation(nn.Module):
    """A small map gates the channels of a large one (FastGAN, eq. 1)."""

    def __init__(self, small: int, large: int):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4), nn.Conv2d(small, large, 4), nn.LeakyReLU(0.1), nn.Conv2d(large, large, 1)
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        return large * self.gate(small).sigmoid()


class Upsampler(nn.Module):
    """RGB (N, 3, H, W) → (N, 3, 2H, 2W): nearest neighbour plus a learned correction (ESPCN, Shi et al. 2016)."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.correct = nn.Sequential(
            *(nn.Conv2d(3, width, 5, padding=2), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2) + self.correct(x)


class Generator(nn.Module):
    """Latent (N, Z) and conditions (N, C) → RGB (N, 3, 64, 64) in [-1, 1]; `sample` enlarges it to 128×128.

    Args:
        latent_dim: Z.
        width: channels at 32×32; smaller maps have up to four times as many.
        embedding_dim: E, size of the condition's vector.
    """

    conditions = CONDITIONS  # what `sample` heeds
    strength: Tensor

    def __init__(self, latent_dim: int = 128, width: int = 48, embedding_dim: int = 64):
        super().__init__()
        self.latent_dim = latent_dim
        style = latent_dim + embedding_dim
        channels = [4 * width, 4 * width, 2 * width, width, width // 2]  # at 4, 8, 16, 32, 64
        self.prior = ConditionPrior()
        self.register_buffer("strength", torch.ones(()))  # of the condition, as far as training has faded it in
        self.embedding = ConditionEmbedding(embedding_dim)
        self.project = nn.Linear(style, channels[0] * 16)
        self.first = ConditionalNorm(channels[0], style)
        self.blocks = nn.ModuleList(UpBlock(a, b, style) for a, b in pairwise(channels))
        self.skip = SkipExcitation(channels[0], channels[3])
        self.draw = nn.Conv2d(channels[4], 3, 3, padding=1)
        self.upsampler = Upsampler()

    def forward(self, latent: Tensor, rows: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """`strength` fades the condition in: 0 ignores it."""
        style = torch.cat([latent, strength * self.embedding(rows)], dim=1)  # (N, Z + E)
        x = self.project(style).view(len(latent), -1, 4, 4)  # (N, 4w, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        start = x = F.leaky_relu(self.first(x, style), 0.2)
        for block in self.blocks[:-1]:
            x = block(x, style)  # (N, w, 32, 32) at the end
        x = self.blocks[-1](self.skip(start, x), style)  # (N, w / 2, 64, 64)
        return self.draw(x).tanh()  # (N, 3, 64, 64)

    def prepare(self, data: Any) -> None:
        """Take the joint distribution of conditions from the DataModule."""
        self.prior.fit(data.conditions)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        state_dict.setdefault(f"{prefix}strength", torch.ones(()))  # checkpoints from before it was kept
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def enlarge(self, images: Tensor) -> Tensor:
        """RGB (N, 3, 64, 64) → (N, 3, 128, 128), in [-1, 1]."""
        return self.upsampler(images).clamp(-1, 1)

    def auxiliary_loss(self, real: Tensor) -> Tensor:
        """What the upsampler learns from: real sprites (N, 3, 128, 128), halved and enlarged again."""
        return F.l1_loss(self.upsampler(F.avg_pool2d(real, 2)), real)

    @torch.inference_mode()
    def sample(
        self,
        n: int,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Sprites, float32 (n, 3, 128, 128) in [-1, 1]. `truncation` below 1 shrinks the latent: safer, less varied."""
        rows = self.prior.draw(n, condition, generator)
        latent = truncation * torch.randn(n, self.latent_dim, generator=generator)
        device = self.project.weight.device
        return self.enlarge(self(latent.to(device), rows.to(device), self.strength)).float()


def minibatch_deviation(x: Tensor, group: int = 8) -> Tensor:
    """Append a channel: how much the images of a group differ (Karras et al. 2018, section 3). (N, C, H, W) → C + 1."""
    n, c, h, w = x.shape
    group = group if n % group == 0 else n
    variance = x.float().view(group, -1, c, h, w).var(dim=0, unbiased=False)  # (N / group, C, H, W)
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))  # (N / group,)
    return torch.cat([x, deviation.to(x.dtype).repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w)], dim=1)


class Discriminator(nn.Module):
    """RGB (N, 3, 64, 64) and conditions (N, C) → logits (N, 64 + 64): the whole image's, repeated, and one for each of
    8×8 patches.

    Args:
        width: channels at 32×32; they double with each halving, up to 4 times.
    """

    def __init__(self, width: int = 48):
        super().__init__()

        def conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
            layer = spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2))
            # Without batch norm, spectral norm alone lets the signal fade: the logits stayed near 0.
            return nn.Sequential(layer, nn.BatchNorm2d(outputs)) if inputs > 3 else layer

        self.body = nn.Sequential(
            *(conv(3, width, 4, 2), nn.LeakyReLU(0.2, inplace=True)),  # 32
            *(conv(width, 2 * width, 4, 2), nn.LeakyReLU(0.2, inplace=True)),  # 16
            *(conv(2 * width, 2 * width, 3, 1), nn.LeakyReLU(0.2, inplace=True)),
            *(conv(2 * width, 4 * width, 4, 2), nn.LeakyReLU(0.2, inplace=True)),  # 8
        )
        self.patch = spectral_norm(nn.Conv2d(4 * width, 1, 1))
        self.last = conv(4 * width + 1, 4 * width, 4, 2)  # 4
        self.features = spectral_norm(nn.Linear(4 * width * 16, 4 * width))
        self.logit = spectral_norm(nn.Linear(4 * width, 1))
        self.embedding = ConditionEmbedding(4 * width)
        self.decoder = nn.Sequential(
            *(nn.Upsample(scale_factor=2), nn.Conv2d(4 * width, 2 * width, 3, padding=1), nn.GLU(dim=1)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.GLU(dim=1)),
            *(nn.Conv2d(width // 2, 3, 3, padding=1), nn.Tanh()),
        )

    def forward(self, images: Tensor, rows: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor]:
        """Logits, and the features at 8×8. `strength` fades the condition in: 0 ignores it."""
        x = self.body(images)  # (N, 4w, 8, 8)
        y = F.leaky_relu(self.last(minibatch_deviation(x)), 0.2)  # (N, 4w, 4, 4)
        y = F.leaky_relu(self.features(y.flatten(1)), 0.2)  # (N, 4w)
        whole = self.logit(y) + strength * (y * self.embedding(rows)).sum(dim=1, keepdim=True)  # (N, 1)
        patches = self.patch(x).flatten(1)  # (N, 64)
        return torch.cat([whole.expand_as(patches), patches], dim=1), x  # so that both weigh the same in a mean

    def auxiliary_loss(self, real: Tensor, features: Tensor) -> Tensor:
        """The discriminator's second task: to draw the real input (N, 3, 64, 64) again, at half the size."""
        return F.l1_loss(self.decoder(features), F.avg_pool2d(real, 2))
