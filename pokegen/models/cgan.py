"""cgan: a small-data GAN, conditional on types, colour, legendary, stage, shiny and style, at 128×128.

Generator and discriminator follow FastGAN (Liu et al., Towards Faster and Stabilized GAN Training for High-fidelity
Few-shot Image Synthesis, ICLR 2021): skip-layer excitation, and a discriminator that also reconstructs its input from
its features. Conditions enter the generator through conditional batch norm (BigGAN, Brock et al. 2019) and the
discriminator by projection (Miyato and Koyama 2018). The discriminator's weights are spectrally normalised.

Left out: FastGAN's computation at full resolution. On a CPU the large maps dominate the cost, so both nets work at half
the side: at 64×64 for 128×128, which is about the resolution at which most sprites were drawn. A small upsampler,
trained on real sprites at the same time, doubles the result.

Letters: N images, Z latent, E embedding, C conditions, S side, (H, W) height and width.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pokegen.errors import UserError
from pokegen.models.condition import CONDITIONS, ConditionEmbedding
from pokegen.models.image import ImageModel
from pokegen.models.network import ImageDiscriminator
from pokegen.schema import SPRITE_SIZE


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias are a function of the modulation vector."""

    def __init__(self, channels: int, modulation_dim: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.affine = nn.Linear(modulation_dim, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.02)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        gain, bias = self.affine(modulation)[:, :, None, None].chunk(2, dim=1)
        return self.norm(x) * (1 + gain) + bias


class UpBlock(nn.Module):
    """Doubles height and width: nearest neighbour, which avoids checkerboard artefacts, then a 3×3 convolution."""

    def __init__(self, inputs: int, outputs: int, modulation_dim: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = ConditionalNorm(outputs, modulation_dim)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(F.interpolate(x, scale_factor=2)), modulation), 0.2)


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


class CGANGenerator(ImageModel):
    """Latent (N, Z) and conditions (N, C) → RGB (N, 3, S / 2, S / 2) in [-1, 1]; `sample` upsamples it to S.

    Args:
        latent_dim: Z.
        width: channels at 32×32; smaller maps have up to four times as many, larger ones fewer.
        embedding_dim: E, size of the condition's vector.
        size: S; 64, 128 or 256.
        conditions: the conditions it supports; the discriminator must support the same.
    """

    def __init__(
        self,
        latent_dim: int = 128,
        width: int = 48,
        embedding_dim: int = 64,
        size: int = SPRITE_SIZE,
        conditions: Sequence[str] = CONDITIONS,
    ):
        if not conditions:
            raise UserError("A cgan needs at least one condition. For an unconditional model use gan or dcgan.")
        super().__init__(latent_dim, size, 3, conditions, embedding_dim)
        modulation = latent_dim + embedding_dim
        widths = [4 * width, 4 * width, 2 * width, width, width // 2, width // 4]  # at 4, 8, 16, 32, 64, 128
        widths = widths[: _inner(size).bit_length() - 2]
        self.project = nn.Linear(modulation, widths[0] * 16)
        self.first = ConditionalNorm(widths[0], modulation)
        self.blocks = nn.ModuleList(UpBlock(a, b, modulation) for a, b in pairwise(widths))
        self.skip = SkipExcitation(widths[0], widths[-2])
        self.draw = nn.Conv2d(widths[-1], 3, 3, padding=1)
        self.upsampler: nn.Module = Upsampler()

    def forward(self, latent: Tensor, labels: Tensor, condition_scale: float | Tensor = 1.0) -> Tensor:
        """`condition_scale` fades the conditions in: 0 ignores them."""
        return self._draw(latent, condition_scale * self.embedding(labels))

    def _draw(self, latent: Tensor, embedded: Tensor) -> Tensor:
        modulation = torch.cat([latent, embedded], dim=1)  # (N, Z + E)
        x = self.project(modulation).view(len(latent), -1, 4, 4)  # (N, 4w, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        start = x = F.leaky_relu(self.first(x, modulation), 0.2)
        for block in self.blocks[:-1]:
            x = block(x, modulation)  # (N, w, S / 4, S / 4) at the end, for S = 128
        x = self.blocks[-1](self.skip(start, x), modulation)  # (N, w / 2, S / 2, S / 2)
        return self.draw(x).tanh()  # (N, 3, S / 2, S / 2)

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        return self.upsampler(self._draw(latent, embedded)).clamp(-1, 1)

    def auxiliary_loss(self, real: Tensor) -> Tensor:
        """The upsampler's loss: real sprites (N, 3, S, S), halved and upsampled again."""
        return F.l1_loss(self.upsampler(F.avg_pool2d(real, 2)), real)


def _inner(size: int) -> int:
    """The side at which both nets work."""
    if size not in (64, 128, 256):
        raise UserError(f"The cgan draws sprites of 64, 128 or 256 pixels a side, got {size}.")
    return size // 2


def minibatch_deviation(x: Tensor, group: int = 8) -> Tensor:
    """Append a channel: the deviation within a group (Karras et al. 2018, section 3). (N, C, H, W) → (N, C+1, H, W)."""
    n, c, h, w = x.shape
    group = group if n % group == 0 else n
    variance = x.float().view(group, -1, c, h, w).var(dim=0, unbiased=False)  # (N / group, C, H, W)
    deviation = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3))  # (N / group,)
    return torch.cat([x, deviation.to(x.dtype).repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w)], dim=1)


class CGANDiscriminator(ImageDiscriminator):
    """RGB (N, 3, S / 2, S / 2) and conditions (N, C) → logits (N, 64 + 64): the logit of the whole image, repeated, and
    one logit for each of 8×8 patches.

    Args:
        width: channels at 32×32; they double with each halving, up to 4 times.
        size, conditions: see CGANGenerator.
        norm: use spectral norm and batch norm. Without them, train with a gradient penalty.
    """

    def __init__(
        self, width: int = 48, size: int = SPRITE_SIZE, conditions: Sequence[str] = CONDITIONS, norm: bool = True
    ):
        super().__init__()
        bound = spectral_norm if norm else nn.Identity()
        self.conditions = tuple(conditions)

        def conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
            layer = bound(nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2))
            # With spectral norm but no batch norm the signal fades: the logits stayed near 0.
            return nn.Sequential(layer, nn.BatchNorm2d(outputs)) if norm and inputs > 3 else layer

        sides = [_inner(size) >> i for i in range(1, _inner(size).bit_length() - 3)]  # down to 8
        widths = [3, *(32 * width // side for side in sides)]
        body: list[nn.Module] = []
        for inputs, outputs, side in zip(widths, widths[1:], sides, strict=False):
            if side == 8:  # one more convolution at 16×16
                body += [conv(inputs, inputs, 3, 1), nn.LeakyReLU(0.2, inplace=True)]
            body += [conv(inputs, outputs, 4, 2), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*body)
        self.patch = bound(nn.Conv2d(4 * width, 1, 1))
        self.last = conv(4 * width + 1, 4 * width, 4, 2)  # 4
        self.features = bound(nn.Linear(4 * width * 16, 4 * width))
        self.logit = bound(nn.Linear(4 * width, 1))
        self.embedding = ConditionEmbedding(4 * width, conditions)
        self.decoder = nn.Sequential(
            *(nn.Upsample(scale_factor=2), nn.Conv2d(4 * width, 2 * width, 3, padding=1), nn.GLU(dim=1)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.GLU(dim=1)),
            *(nn.Conv2d(width // 2, 3, 3, padding=1), nn.Tanh()),
        )

        if not norm:
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, a=0.2)

    def forward(self, images: Tensor, labels: Tensor, condition_scale: float = 1.0) -> tuple[Tensor, Tensor]:
        """Logits, and the features at 8×8. `condition_scale` fades the conditions in: 0 ignores them."""
        x = self.body(images)  # (N, 4w, 8, 8)
        y = F.leaky_relu(self.last(minibatch_deviation(x)), 0.2)  # (N, 4w, 4, 4)
        y = F.leaky_relu(self.features(y.flatten(1)), 0.2)  # (N, 4w)
        whole = self.logit(y) + condition_scale * (y * self.embedding(labels)).sum(dim=1, keepdim=True)  # (N, 1)
        patches = self.patch(x).flatten(1)  # (N, 64)
        return torch.cat([whole.expand_as(patches), patches], dim=1), x  # so that both weigh the same in a mean

    def auxiliary_loss(self, real: Tensor, features: Tensor) -> Tensor | None:
        """The discriminator's second task: reconstruct the real input (N, 3, S / 2, S / 2) at 32×32."""
        return F.l1_loss(self.decoder(features), F.adaptive_avg_pool2d(real, 32))
