"""gan: the plain convolutional GAN, at 128×128, and small at 28×28.

Goodfellow et al., Generative Adversarial Nets (NeurIPS 2014), with convolutional nets as they were before DCGAN's
rules: a dense layer to 8×8 (7×7 for images of 28), then transposed convolutions that double the side; a discriminator
of strided convolutions that ends in a dense layer. Each halving of the image's side saves one block. The generator has
batch norm: without it, it still drew only white after 20,000 sprites.

Left out, and added by `dcgan`: batch norm in the discriminator, a 1024-channel start at 4×4, no dense layers.

Letters: N images, Z latent, S side.
"""

from itertools import pairwise

from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.image import ImageModel
from pokegen.models.network import ImageDiscriminator
from pokegen.schema import SPRITE_SIZE


def _widths(width: int, size: int) -> tuple[int, list[int]]:
    """The side at which the nets start, 7 or 8, and the channels from there up to half the image's side."""
    start, blocks = size, 0
    while start > 8 and start % 2 == 0:
        start, blocks = start // 2, blocks + 1
    if start not in (7, 8) or not blocks:
        raise UserError(
            f"The gan draws images whose side is 7 or 8 doubled at least once, such as 28 or 128; got {size}."
        )
    return start, [width * 2 ** min(2, blocks - 1 - i) for i in range(blocks)]


class GANGenerator(ImageModel):
    """Latent (N, Z) → images (N, channels, S, S) in [-1, 1].

    Args:
        latent_dim: Z.
        width: channels at half the side; they double with each halving, up to 4 times.
        size: S; 7 or 8 doubled at least once.
        channels: 3 for RGB, 1 for grey.
    """

    def __init__(self, latent_dim: int = 100, width: int = 32, size: int = SPRITE_SIZE, channels: int = 3):
        super().__init__(latent_dim, size, channels)
        start, widths = _widths(width, size)
        layers: list[nn.Module] = [nn.Linear(latent_dim, widths[0] * start**2)]
        layers += [nn.Unflatten(1, (widths[0], start, start))]
        for inputs, outputs in pairwise([*widths, channels]):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)]
        self.net = nn.Sequential(*layers, nn.Tanh())

    def forward(self, latent: Tensor, labels: Tensor | None = None, condition_scale: float = 1.0) -> Tensor:
        """`labels` and `condition_scale` are ignored."""
        return self.net(latent)

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        return self(latent)


class GANDiscriminator(ImageDiscriminator):
    """Images (N, channels, S, S) → logits (N, 1), and the features at 8×8 or 7×7.

    Args:
        width: channels at half the side; they double with each halving, up to 4 times.
        size, channels: see GANGenerator.
    """

    def __init__(self, width: int = 32, size: int = SPRITE_SIZE, channels: int = 3):
        super().__init__()
        start, widths = _widths(width, size)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([channels, *reversed(widths)]):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        self.net = nn.Sequential(*layers)
        self.logit = nn.Linear(widths[0] * start**2, 1)

    def forward(
        self, images: Tensor, labels: Tensor | None = None, condition_scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`labels` and `condition_scale` are ignored."""
        features = self.net(images)  # (N, 4w, 8, 8)
        return self.logit(features.flatten(1)), features
