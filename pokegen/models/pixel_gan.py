"""pixel_gan: pixel art on its own grid of 64×64, in at most 16 colours; shown at twice the size, 128×128.

The generator has cgan's body (after FastGAN, Liu et al., ICLR 2021). Its RGB output is mapped to a palette that is
computed from the output itself, in training too. The gradient skips the nearest-colour step (straight-through, Bengio
et al. 2013; a palette inside a pixel-art generator: Coutinho et al., Entertainment Computing 2025). So the
discriminator wastes no capacity on uneven colours, and it judges exactly what is shown. A shiny creature is the same
drawing with its palette mapped by a small net, so that no pixel of its shape changes.

The discriminator is projected_gan's (Sauer et al., Projected GANs Converge Faster, NeurIPS 2021), on the grid itself.
Left out: an upsampler, because doubling pixel art is exact; the discriminator's reconstruction task of FastGAN, because
the frozen features already prevent memorisation.

Letters: N images, Z latent, E embedding, C conditions, K colours, P points: the pixels of an image, (H, W) 64×64.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pokegen.errors import UserError
from pokegen.models import pixels, projected_gan
from pokegen.models.cgan import ConditionalNorm, SkipExcitation, UpBlock
from pokegen.models.condition import CONDITIONS
from pokegen.models.critic import ChosenByCritic
from pokegen.models.image import ImageModel
from pokegen.schema import SPRITE_SIZE

WHITE = 2 * 245 / 255 - 1  # pixels whose darkest channel is above this are background
FAINTEST = 0.1  # least ink, from 0 (white) to 2 (black), that a drawn pixel keeps in any colouring
ROUNDS = 3  # of k-means; colours change little after that


@torch.no_grad()
def find_palette(images: Tensor, colors: int) -> tuple[Tensor, Tensor]:
    """The palette of each image and the index of each pixel's colour in it: (N, 3, H, W) in [-1, 1] → (N, K, 3), white
    first, and int64 (N, H, W).

    k-means of the drawn pixels, initialised with colours as far apart as possible (Gonzalez 1985), so that a small spot
    of a rare colour, such as an eye, keeps its own."""
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 would merge similar colours
        points = images.float().flatten(2).transpose(1, 2)  # (N, P, 3)
        drawn = points.amin(dim=2) < WHITE  # (N, P)
        palette = torch.ones(len(points), colors, 3, device=images.device)
        nearest = (points - 1).square().sum(dim=2) * drawn  # of each pixel, to the colours so far: (N, P)
        for k in range(1, colors):
            farthest = nearest.argmax(dim=1)  # (N,)
            palette[:, k] = points[torch.arange(len(points), device=images.device), farthest]
            nearest = torch.minimum(nearest, (points - palette[:, k, None]).square().sum(dim=2))
        ink = points * drawn[:, :, None]
        for _ in range(ROUNDS):
            index = _nearest(points, palette, drawn)
            total = torch.zeros_like(palette).scatter_add_(1, index[:, :, None].expand_as(ink), ink)
            count = torch.zeros_like(palette[:, :, 0]).scatter_add_(1, index, drawn.float())[:, 1:, None]
            palette[:, 1:] = torch.where(count > 0, total[:, 1:] / count.clamp(min=1), palette[:, 1:])
        return palette, _nearest(points, palette, drawn).unflatten(1, images.shape[2:])


def _nearest(points: Tensor, palette: Tensor, drawn: Tensor) -> Tensor:
    """Index (N, P) of the nearest colour of each drawn point, white excluded; 0 for the others."""
    ink = palette[:, 1:]
    distance = ink.square().sum(dim=2)[:, None] - 2 * points @ ink.transpose(1, 2)  # (N, P, K - 1), less what is common
    return (distance.argmin(dim=2) + 1).masked_fill(~drawn, 0)


def paint(palette: Tensor, index: Tensor) -> Tensor:
    """Palettes (N, K, 3) and indices (N, H, W) → images (N, 3, H, W)."""
    colors = torch.gather(palette, 1, index.flatten(1)[:, :, None].expand(-1, -1, 3))  # (N, P, 3)
    return colors.transpose(1, 2).unflatten(2, index.shape[1:])


class Recolor(nn.Module):
    """Maps colours (N, P, 3) in [-1, 1], differently for each image, controlled by its modulation vector (N, S). White
    stays white, and no other colour becomes white. At initialisation it changes nothing."""

    def __init__(self, modulation_dim: int, width: int = 32):
        super().__init__()
        self.style = nn.Linear(modulation_dim, 2 * width)
        self.hidden = nn.Linear(3, width)
        self.second = nn.Linear(width, width)
        self.out = nn.Linear(width, 3)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, colors: Tensor, modulation: Tensor) -> Tensor:
        gain, bias = self.style(modulation)[:, None].chunk(2, dim=2)  # (N, 1, width)
        x = F.leaky_relu(self.hidden(colors) * (1 + gain) + bias, 0.2)
        change = self.out(F.leaky_relu(self.second(x), 0.2)).float().tanh()  # (N, P, 3)
        ink = 1 - colors.float()
        most = ink.amax(dim=2, keepdim=True)
        new = (ink + most * change).clamp(0, 2)
        lift = (FAINTEST - new.amax(dim=2, keepdim=True)).clamp(min=0) * (most > 0)
        return 1 - (new + lift)


class PixelGANGenerator(ChosenByCritic, ImageModel):
    """Latent (N, Z) and conditions (N, C) → RGB (N, 3, 64, 64) in [-1, 1] in at most K colours; `sample` doubles it.

    Args:
        latent_dim: Z.
        width: channels at 32×32; smaller maps have up to four times as many, the largest half.
        embedding_dim: E.
        conditions: the conditions it supports. `shiny` changes only the palette.
        colors: K, white included.
        despeckle: remove specks and centre the creature, as in the data: see pixels.despeckle_and_center.
        critic_checkpoint, critic_widths, candidates, default_style: see ChosenByCritic.
    """

    def __init__(
        self,
        latent_dim: int = 128,
        width: int = 48,
        embedding_dim: int = 64,
        conditions: Sequence[str] = CONDITIONS,
        colors: int = 16,
        despeckle: bool = True,
        critic_checkpoint: str = "",
        critic_widths: Sequence[int] = (16, 32, 64, 128, 128),
        candidates: int = 4,
        default_style: str = "",
    ):
        if not 2 <= colors <= 256:
            raise UserError(f"colors must be from 2 to 256, got {colors}.")
        super().__init__(latent_dim, SPRITE_SIZE, 3, conditions, embedding_dim)
        self.colors, self.despeckle = colors, despeckle
        modulation = latent_dim + embedding_dim
        widths = [4 * width, 4 * width, 2 * width, width, width // 2]  # at 4, 8, 16, 32, 64
        self.project = nn.Linear(modulation, widths[0] * 16)
        self.first = ConditionalNorm(widths[0], modulation)
        self.blocks = nn.ModuleList(UpBlock(a, b, modulation) for a, b in pairwise(widths))
        self.skip = SkipExcitation(widths[0], widths[-2])
        self.draw = nn.Conv2d(widths[-1], 3, 3, padding=1)
        self.recolor = Recolor(modulation)
        self.add_critic(critic_checkpoint, critic_widths, candidates, default_style)

    def embed(self, labels: Tensor) -> Tensor:
        """Conditions (N, C) → embeddings (N, E + 1). The last entry is 1 for shiny, which has no other embedding."""
        return self._embed(labels, self.condition_scale)

    def _embed(self, labels: Tensor, condition_scale: float | Tensor) -> Tensor:
        shiny = torch.zeros(len(labels), 1, device=labels.device)
        if "shiny" in self.conditions:
            place = self.conditions.index("shiny")
            shiny = labels[:, place, None].clamp(min=0).float()
            labels = labels.index_fill(1, torch.tensor([place], device=labels.device), -1)
        return torch.cat([condition_scale * self.embedding(labels), shiny], dim=1)

    def forward(self, latent: Tensor, labels: Tensor, condition_scale: float | Tensor = 1.0) -> Tensor:
        """`condition_scale` fades the conditions in: 0 ignores them. The gradient skips the palette."""
        embedded = self._embed(labels, condition_scale)
        modulation, shiny = torch.cat([latent, embedded[:, :-1]], dim=1), embedded[:, -1, None, None]
        raw = self._body(modulation)
        palette, index = find_palette(raw, self.colors)
        few = raw + (paint(palette, index) - raw).detach()  # straight-through
        colors = few.flatten(2).transpose(1, 2)  # (N, P, 3)
        return torch.lerp(colors, self.recolor(colors, modulation), shiny).transpose(1, 2).unflatten(2, raw.shape[2:])

    def _body(self, modulation: Tensor) -> Tensor:
        """Modulation vectors (N, Z + E) → RGB (N, 3, 64, 64) in [-1, 1], before any palette."""
        x = self.project(modulation).view(len(modulation), -1, 4, 4)  # (N, 4w, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        start = x = F.leaky_relu(self.first(x, modulation), 0.2)
        for block in self.blocks[:-1]:
            x = block(x, modulation)  # (N, w, 32, 32) at the end
        x = self.blocks[-1](self.skip(start, x), modulation)  # (N, w / 2, 64, 64)
        return self.draw(x).float().tanh()

    def draw_small(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """Latents (N, Z) and embedded conditions (N, E + 1) → (N, 3, 64, 64), with the palette mapped for shinies."""
        modulation = torch.cat([latent, embedded[:, :-1]], dim=1)
        palette, index = find_palette(self._body(modulation), self.colors)
        return paint(torch.lerp(palette, self.recolor(palette, modulation), embedded[:, -1, None, None]), index)

    def preview(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """Before the palette; shinies too have their usual colours."""
        return self._body(torch.cat([latent, embedded[:, :-1]], dim=1))

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """See ImageModel.render. The gradient skips the palette and the mapping of a shiny's palette."""
        raw = self.preview(latent, embedded)
        return F.interpolate(raw + (self.draw_small(latent, embedded) - raw).detach(), scale_factor=2)

    def decode(self, latent: Tensor, embedded: Tensor) -> Tensor:
        images = self.draw_small(latent, embedded)
        return F.interpolate(
            pixels.despeckle_and_center(images, margin=1) if self.despeckle else images, scale_factor=2
        )


class PixelGANDiscriminator(projected_gan.ProjectedGANDiscriminator):
    """RGB (N, 3, 64, 64) and conditions (N, C) → logits (N, 256 + 64): those of projected_gan, and one for each of 8×8
    tiles, the mean over patches of 4×4 pixels. The latter penalise stray pixels and broken outlines (patches this small
    suit pixel art best: Coutinho and Chaimowicz, AIIDE 2022).

    Args:
        width, conditions, widths: see projected_gan.ProjectedGANDiscriminator.
        texture: channels of the patch discriminator; 0 for none.
    """

    def __init__(
        self,
        width: int = 32,
        conditions: Sequence[str] = CONDITIONS,
        widths: Sequence[int] = (16, 32, 64, 128),
        texture: int = 32,
    ):
        super().__init__(width, SPRITE_SIZE, conditions, widths)
        del self.decoder  # see the head of this file
        self.texture = None
        if texture:
            self.texture = nn.Sequential(
                *(spectral_norm(nn.Conv2d(3, texture, 3, padding=1)), nn.LeakyReLU(0.2, inplace=True)),
                *(spectral_norm(nn.Conv2d(texture, texture, 2)), nn.LeakyReLU(0.2, inplace=True)),
                *(nn.AdaptiveAvgPool2d(8), spectral_norm(nn.Conv2d(texture, 1, 1)), nn.Flatten()),
            )

    def auxiliary_loss(self, real: Tensor, features: Tensor) -> Tensor | None:
        return None  # there is no second task

    def forward(self, images: Tensor, labels: Tensor, condition_scale: float = 1.0) -> tuple[Tensor, Tensor]:
        """See cgan.CGANDiscriminator."""
        logits, x = super().forward(images, labels, condition_scale)
        return (logits if self.texture is None else torch.cat([logits, self.texture(images)], dim=1)), x
