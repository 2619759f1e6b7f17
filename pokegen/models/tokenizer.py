"""tokenizer: an autoencoder of sprites, 128×128 ↔ 8×8 positions of a few codes each, whose decoder keeps edges sharp.

Codes are whole numbers, by finite scalar quantization (Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple,
ICLR 2024, section 3.1). The loss is the absolute error, at half the side, of the pixels and of the differences between
neighbours, which emphasises outlines. Finer texture is left to the adversarial patch loss of
`trainers.autoencoder.AutoencoderModule` (Esser et al., Taming Transformers, CVPR 2021, section 3.1). White is encoded
as zero: the nets read and draw ink.

Letters: N images, T positions, C codes per position, S side.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pokegen.errors import UserError
from pokegen.models.network import Network

LEVELS = (5,) * 16
SHRINK = 16  # side of a position in pixels


class ResidualBlock(nn.Module):
    """x + conv(conv(x)); at initialisation near the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight)
        nn.init.normal_(self.second.weight, std=0.3 * (2 / (9 * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.gelu(self.first(F.gelu(x))))


class Downsample(nn.Module):
    """Half the side: 2×2 pixels become channels, which are mixed; a shortcut averages them (Chen et al., Deep
    Compression Autoencoder, ICLR 2025, section 3.2). Without the shortcut, learning colours took tens of thousands of
    images."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.outputs, self.mix = outputs, nn.Conv2d(4 * inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, 2)
        return self.mix(x) + x.unflatten(1, (self.outputs, -1)).mean(dim=2)


class Up(nn.Module):
    """Twice the side: the reverse of Downsample."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.repeats, self.mix = 4 * outputs // inputs, nn.Conv2d(inputs, 4 * outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.mix(x) + x.repeat_interleave(self.repeats, dim=1), 2)


class Tokenizer(Network):
    """Images (N, 3, S, S) in [-1, 1] ↔ codes (N, C, S / 16, S / 16).

    Args:
        width: channels at 64×64; they double with each halving.
        levels: number of levels of each of the C codes.
    """

    span: Tensor  # levels, (1, C, 1, 1)

    def __init__(self, width: int = 32, levels: Sequence[int] = LEVELS):
        super().__init__()
        if min(levels, default=0) < 2:
            raise UserError(f"levels must be 2 or more, got {', '.join(map(str, levels))}.")
        widths = [width, 2 * width, 4 * width, 8 * width]  # at 64, 32, 16, 8
        encoder: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1)]
        for inputs, outputs in pairwise(widths):
            encoder += [Downsample(inputs, outputs), ResidualBlock(outputs)]
        encoder += [nn.Conv2d(widths[-1], len(levels), 1)]
        self.encoder = nn.Sequential(*encoder)
        # Normalised, all levels are used about equally: sigmoid(1.7 x) approximates the normal distribution function.
        # Without this, all positions of all images collapsed into one code.
        self.spread = nn.BatchNorm2d(len(levels), affine=False)
        decoder: list[nn.Module] = [nn.Conv2d(len(levels), widths[-1], 3, padding=1)]
        for inputs, outputs in pairwise(reversed(widths)):
            decoder += [ResidualBlock(inputs) for _ in range(1 if inputs == widths[-1] else 2)] + [Up(inputs, outputs)]
        decoder += [ResidualBlock(width), ResidualBlock(width)]
        self.decoder = nn.Sequential(*decoder)
        self.draw = nn.Conv2d(width, 12, 3, padding=1)
        self.register_buffer("span", torch.tensor(levels, dtype=torch.float).view(1, -1, 1, 1))

    def encode(self, images: Tensor) -> Tensor:
        """Images → codes (N, C, S / 16, S / 16): whole numbers from 0 to levels - 1 as float, with a straight-through
        gradient."""
        x = (self.span - 1) * (1.7 * self.spread(self.encoder(1 - images).float())).sigmoid()
        return x + (x.round() - x).detach()

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (N, C, S / 16, S / 16) → images (N, 3, S, S), approximately in [-1, 1]."""
        x = (4 * codes / (self.span - 1) - 2).contiguous(memory_format=torch.channels_last)
        return 1 - F.pixel_shuffle(self.draw(self.decoder(x)), 2).float()

    def tokens(self, images: Tensor) -> Tensor:
        """Images → codes int64 (N, T, C), row by row."""
        with torch.no_grad():
            return self.encode(images).round().long().flatten(2).transpose(1, 2)

    def from_tokens(self, tokens: Tensor) -> Tensor:
        """Codes int64 (N, T, C) → images."""
        side = int(tokens.shape[1] ** 0.5)
        return self.decode(tokens.transpose(1, 2).unflatten(2, (side, side)).float()).clamp(-1, 1)

    def loss(self, batch: dict[str, Any]) -> tuple[dict[str, Tensor], Tensor]:
        """The values and the reconstruction. `loss` is the sum of `l1`, of `edges` (differences between neighbours) and
        of the error of the average colours."""
        drawn = self.decode(self.encode(batch["image"]))
        error = F.avg_pool2d(drawn - batch["image"], 2)
        pixels = error.abs().mean()
        edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        color = F.avg_pool2d(error, 4).square().mean()  # without it the nets settle on grey, the median
        return {"loss": pixels + edges + 4 * color, "l1": pixels.detach(), "edges": edges.detach()}, drawn


class PatchDiscriminator(nn.Module):
    """Images (N, 3, S, S) → logits (N, 1, S / 8, S / 8), one for each patch (Isola et al. 2017, section 3.2.2)."""

    def __init__(self, width: int = 32):
        super().__init__()
        body: list[nn.Module] = []
        for inputs, outputs in pairwise((3, width, 2 * width, 4 * width)):
            body += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, padding=1)), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body, spectral_norm(nn.Conv2d(4 * width, 1, 3, padding=1)))

    def forward(self, images: Tensor) -> Tensor:
        return self.body(1 - images)
