"""dcgan: deep convolutional GAN at 128×128.

Radford, Metz and Chintala, Unsupervised Representation Learning with Deep Convolutional GANs (ICLR 2016): a latent
projected to a 1024-channel 4×4 tensor, transposed convolutions up to the image, a mirrored discriminator; figure 1,
with one more doubling for 128×128 (two for 256×256). Weights start from N(0, 0.02) (section 4).

Left out: conditions. Both nets accept them, as the adversarial trainer passes them, and ignore them.

Letters: N images, Z latent, S side.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.image import ImageModel
from pokegen.models.network import ImageDiscriminator
from pokegen.schema import SPRITE_SIZE


def _widths(width: int, size: int) -> list[int]:
    """Channels from 4×4 up to half the image's side."""
    if size < 16 or size & (size - 1):
        raise UserError(f"The dcgan draws images whose side is a power of two from 16 up, got {size}.")
    return [max(1, 16 * width >> i) for i in range(size.bit_length() - 3)]


def _normal_weights(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.02)


class DCGANGenerator(ImageModel):
    """Latent (N, Z) → images (N, channels, S, S) in [-1, 1].

    Args:
        latent_dim: Z; 100 in the paper.
        width: channels at 64×64; the 4×4 tensor has 16 times as many, 1024 at the paper's width of 64.
        size: S, a power of two from 16.
        channels: 3 for RGB, 1 for grey.
    """

    def __init__(self, latent_dim: int = 100, width: int = 64, size: int = SPRITE_SIZE, channels: int = 3):
        super().__init__(latent_dim, size, channels)
        widths = _widths(width, size)
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, widths[0], 4, bias=False)]
        for i, (inputs, outputs) in enumerate(zip(widths, [*widths[1:], channels], strict=True), start=1):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=i == len(widths))]
        self.net = nn.Sequential(*layers, nn.Tanh())
        _normal_weights(self)

    def forward(self, latent: Tensor, labels: Tensor | None = None, condition_scale: float = 1.0) -> Tensor:
        """`labels` and `condition_scale` are ignored."""
        return self.net(latent[:, :, None, None].contiguous(memory_format=torch.channels_last))

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        return self(latent)


class DCGANDiscriminator(ImageDiscriminator):
    """Images (N, channels, S, S) → logits (N, 1), and the features at 4×4.

    Args:
        width: channels at 64×64; they double with each halving.
        size, channels: see DCGANGenerator.
    """

    def __init__(self, width: int = 64, size: int = SPRITE_SIZE, channels: int = 3):
        super().__init__()
        widths = _widths(width, size)[::-1]
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, stride=2, padding=1)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
        self.net = nn.Sequential(*layers)
        self.logit = nn.Conv2d(widths[-1], 1, 4)
        _normal_weights(self)

    def forward(
        self, images: Tensor, labels: Tensor | None = None, condition_scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`labels` and `condition_scale` are ignored."""
        features = self.net(images)  # (N, 16w, 4, 4)
        return self.logit(features).flatten(1), features
