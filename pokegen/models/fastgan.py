"""fastgan: a small-data GAN whose discriminator sees every pixel, conditional on CONDITIONS.

As `cgan`, after FastGAN (Liu et al., Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image
Synthesis, ICLR 2021): skip-layer excitation, and a discriminator that must also draw its input again. But where cgan
draws at half the side and enlarges by a net that never met a discriminator, here the last doubling is the generator's
own, from 64 to 128 by sub-pixel convolution (Shi et al. 2016), and beside the whole and patches of 8×8 a third head
judges texture: patches of about ten pixels, as PatchGAN's smallest (Isola et al. 2017, section 4.4).

Letters: N images, Z latent, E embedding, S side, w width.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pokegen.errors import UserError
from pokegen.models.cgan import ConditionalNorm, SkipExcitation, UpBlock, minibatch_deviation
from pokegen.models.condition import CONDITIONS, ConditionEmbedding
from pokegen.models.image import ImageModel
from pokegen.schema import SPRITE_SIZE


class Generator(ImageModel):
    """Latent (N, Z) and conditions (N, C) → RGB (N, 3, S, S) in [-1, 1].

    Args:
        latent_dim: Z.
        width: w, channels at S / 4; smaller maps have up to four times as many, the one at S / 2 half.
        embedding_dim: E, size of the condition's vector.
        size: S; 64, 128 or 256.
        conditions: those that it heeds; the discriminator must heed the same.
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
            raise UserError("A fastgan heeds one condition or more; without, take the gan or dcgan.")
        _check(size)
        super().__init__(latent_dim, size, 3, conditions, embedding_dim)
        style = latent_dim + embedding_dim
        doublings = size.bit_length() - 4  # from 4 to S / 2
        widths = [4 * width] * (doublings - 2) + [2 * width, width, width // 2]  # at 4, …, S / 8, S / 4, S / 2
        self.project = nn.Linear(style, widths[0] * 16)
        self.first = ConditionalNorm(widths[0], style)
        self.blocks = nn.ModuleList(UpBlock(a, b, style) for a, b in pairwise(widths))
        self.skips = nn.ModuleList([SkipExcitation(widths[0], widths[-2]), SkipExcitation(widths[1], widths[-1])])
        self.draw = nn.Sequential(
            *(nn.Conv2d(widths[-1], widths[-1], 3, padding=1), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Conv2d(widths[-1], 12, 3, padding=1), nn.PixelShuffle(2)),
        )

    def forward(self, latent: Tensor, rows: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """`strength` fades the condition in: 0 ignores it."""
        return self.render(latent, strength * self.embedding(rows))

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        style = torch.cat([latent, embedded], dim=1)  # (N, Z + E)
        x = self.project(style).view(len(latent), -1, 4, 4)  # (N, 4w, 4, 4)
        x = F.leaky_relu(self.first(x.contiguous(memory_format=torch.channels_last), style), 0.2)
        maps = [x]
        for i, block in enumerate(self.blocks, start=-len(self.blocks)):
            x = block(x, style)
            if i >= -2:  # at S / 4 and S / 2
                x = self.skips[i](maps[i + 2], x)
            maps.append(x)
        return self.draw(x).tanh()  # (N, 3, S, S)


class Discriminator(nn.Module):
    """RGB (N, 3, S, S) and conditions (N, C) → logits (N, 192): the whole image's, repeated, one for each of 8×8
    patches, and those of texture, averaged over the same patches.

    Args:
        width: channels at 32×32; they double with each halving, up to 4 times.
        size, conditions: see Generator.
    """

    def __init__(self, width: int = 48, size: int = SPRITE_SIZE, conditions: Sequence[str] = CONDITIONS):
        super().__init__()
        _check(size)
        self.conditions = tuple(conditions)

        def conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
            layer = spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2))
            return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True))

        widths = [width * 32 // side for side in (size >> i for i in range(1, size.bit_length() - 3))]  # down to 8
        enter = spectral_norm(nn.Conv2d(3, widths[0], 4, 2, padding=1))
        self.fine = nn.Sequential(enter, nn.LeakyReLU(0.2, inplace=True), conv(widths[0], widths[1], 4, 2))  # S / 4
        self.texture = spectral_norm(nn.Conv2d(widths[1], 1, 1))
        body: list[nn.Module] = [conv(a, b, 4, 2) for a, b in pairwise(widths[1:])]
        body.insert(len(body) - 1, conv(widths[-2], widths[-2], 3, 1))  # once more at 16×16
        self.body = nn.Sequential(*body)
        self.patch = spectral_norm(nn.Conv2d(4 * width, 1, 1))
        self.last = conv(4 * width + 1, 4 * width, 4, 2)  # 4
        self.features = spectral_norm(nn.Linear(4 * width * 16, 4 * width))
        self.logit = spectral_norm(nn.Linear(4 * width, 1))
        self.embedding = ConditionEmbedding(4 * width, conditions)
        self.decoder = nn.Sequential(
            *(nn.Upsample(scale_factor=2), nn.Conv2d(4 * width, 2 * width, 3, padding=1), nn.GLU(dim=1)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.GLU(dim=1)),
            *(nn.Conv2d(width // 2, 3, 3, padding=1), nn.Tanh()),
        )

    def forward(self, images: Tensor, rows: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor]:
        """Logits, and the features at 8×8. `strength` fades the condition in: 0 ignores it."""
        fine = self.fine(images)  # (N, w, S / 4, S / 4)
        x = self.body(fine)  # (N, 4w, 8, 8)
        y = self.last(minibatch_deviation(x))  # (N, 4w, 4, 4)
        y = F.leaky_relu(self.features(y.flatten(1)), 0.2)  # (N, 4w)
        whole = self.logit(y) + strength * (y * self.embedding(rows)).sum(dim=1, keepdim=True)  # (N, 1)
        patches = self.patch(x).flatten(1)  # (N, 64)
        texture = F.adaptive_avg_pool2d(self.texture(fine), 8).flatten(1)
        return torch.cat([whole.expand_as(patches), patches, texture], dim=1), x  # so that all weigh the same

    def auxiliary_loss(self, real: Tensor, features: Tensor) -> Tensor:
        """The discriminator's second task: to draw the real input (N, 3, S, S) again, at 32×32."""
        return F.l1_loss(self.decoder(features), F.adaptive_avg_pool2d(real, 32))


def _check(size: int) -> None:
    if size not in (64, 128, 256):
        raise UserError(f"The fastgan draws sprites of 64, 128 or 256 pixels a side, not {size}.")
