"""dcgan: deep convolutional GAN at 128×128.

Radford, Metz and Chintala, Unsupervised Representation Learning with Deep Convolutional GANs (ICLR 2016): a latent
projected to a 1024-channel 4×4 tensor, transposed convolutions up to the image, a mirrored discriminator; figure 1,
with one more doubling for 128×128. Weights start from N(0, 0.02) (section 4).

Left out: conditions. Both nets take them, as every adversarial pair does, and ignore them.

Letters: N images, Z latent.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pokegen.models.condition import Condition


def _normal_weights(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.02)


class Generator(nn.Module):
    """Latent (N, Z) → RGB (N, 3, 128, 128) in [-1, 1].

    Args:
        latent_dim: Z; 100 in the paper.
        width: channels at 64×64; the 4×4 tensor has 16 times as many, 1024 at the paper's width of 64.
    """

    conditions = ()  # what `sample` heeds

    def __init__(self, latent_dim: int = 100, width: int = 64):
        super().__init__()
        self.latent_dim = latent_dim
        channels = [16 * width, 8 * width, 4 * width, 2 * width, width]  # at 4, 8, 16, 32, 64
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, channels[0], 4, bias=False)]
        for inputs, outputs in zip(channels, [*channels[1:], 3], strict=True):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=outputs == 3)]
        self.net = nn.Sequential(*layers, nn.Tanh())
        _normal_weights(self)

    def forward(self, latent: Tensor, rows: Tensor | None = None, strength: float = 1.0) -> Tensor:
        """`rows` and `strength`, the condition, are ignored."""
        return self.net(latent[:, :, None, None].contiguous(memory_format=torch.channels_last))

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
        latent = truncation * torch.randn(n, self.latent_dim, generator=generator)
        return self(latent.to(next(self.parameters()).device)).float()


class Discriminator(nn.Module):
    """RGB (N, 3, 128, 128) → logits (N, 1), and the features at 4×4.

    Args:
        width: channels at 64×64; they double with each halving.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        channels = [width, 2 * width, 4 * width, 8 * width, 16 * width]  # at 64, 32, 16, 8, 4
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]
        self.net = nn.Sequential(*layers)
        self.logit = nn.Conv2d(channels[-1], 1, 4)
        _normal_weights(self)

    def forward(self, images: Tensor, rows: Tensor | None = None, strength: float = 1.0) -> tuple[Tensor, Tensor]:
        """`rows` and `strength`, the condition, are ignored."""
        features = self.net(images)  # (N, 16w, 4, 4)
        return self.logit(features).flatten(1), features
