"""flow: flow matching with a transformer, in the smooth latent space of a Gaussian tokenizer, under CONDITIONS.

The net learns the velocity of straight lines from noise, at time 0, to codes, at time 1 (Lipman et al., Flow Matching
for Generative Modeling, ICLR 2023, section 4.1), most often in the middle of the way (Esser et al., Scaling Rectified
Flow Transformers, ICML 2024, section 3.1). Its transformer is DiT's (Peebles and Xie, ICCV 2023), with one modulation
for all blocks (Chen et al., PixArt-α, ICLR 2024, section 2.3). Sampling follows the velocity from the latent, which is
the noise; the way back reads a picture.

Letters: N images, T positions, C codes a position, D width.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.models.condition import CONDITIONS, stack
from pokegen.models.tokenizer import SHRINK, Tokenizer, TokenModel
from pokegen.schema import SPRITE_SIZE

_FREQUENCIES = 64  # that tell the time
_PREPARED = 1000  # training images that tell the codes' mean and deviation


class Block(nn.Module):
    """Attention, then two layers, each shifted, scaled and gated by the time and the conditions."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulation = nn.Parameter(torch.zeros(6, width))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """x (N, T, D) and what all blocks share of the modulation (N, 6, D) → (N, T, D)."""
        n, t, d = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation + modulation)[:, :, None].unbind(1)
        y = F.layer_norm(x, (d,)) * (1 + scale1) + shift1
        q, k, v = self.qkv(y).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d)
        x = x + gate1 * F.dropout(self.out(y), self.dropout, self.training)
        y = F.layer_norm(x, (d,)) * (1 + scale2) + shift2
        return x + gate2 * F.dropout(self.down(F.gelu(self.up(y))), self.dropout, self.training)


class Flow(TokenModel):
    """Latent (N, T C) and conditions (N, conditions) → images (N, 3, S, S).

    Args:
        weights: see TokenModel.
        codes: C.
        tokenizer_width: of the tokenizer.
        width: D.
        depth: blocks.
        dropout: while training.
        steps: of sampling, two evaluations of the net each.
        heads, size, conditions, drop_condition, guidance: see TokenModel.
    """

    mean: Tensor  # (C,), of the training images' codes
    deviation: Tensor  # (C,)
    frequencies: Tensor

    def __init__(
        self,
        weights: str = "",
        codes: int = 16,
        tokenizer_width: int = 32,
        width: int = 256,
        depth: int = 6,
        heads: int = 8,
        dropout: float = 0.0,
        steps: int = 16,
        size: int = SPRITE_SIZE,
        conditions: Sequence[str] = CONDITIONS,
        drop_condition: float = 0.1,
        guidance: float = 1.0,
    ):
        tokenizer = Tokenizer(tokenizer_width, (), codes)
        super().__init__(tokenizer, weights, codes, size, conditions, width, heads, drop_condition, guidance)
        self.codes, self.steps = codes, steps
        self.register_buffer("mean", torch.zeros(codes))
        self.register_buffer("deviation", torch.ones(codes))
        self.register_buffer("frequencies", torch.linspace(0, 6.9, _FREQUENCIES).exp(), persistent=False)
        self.enter = nn.Linear(codes, width)
        self.place = nn.Parameter(0.02 * torch.randn(self.positions, width))
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.modulate = nn.Linear(width, 8 * width)
        self.leave = nn.Linear(width, codes)
        for layer in (self.modulate, self.leave):  # each block begins as the identity, and the velocity as 0
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def prepare(self, data: Any) -> None:
        super().prepare(data)
        train = data.datasets["train"]
        drawn = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:_PREPARED]
        with torch.no_grad():
            codes = torch.cat([self._codes(train.__getitems__(part.tolist())["image"]) for part in drawn.split(50)])
        self.mean.copy_(codes.mean(dim=(0, 1)))
        self.deviation.copy_(codes.std(dim=(0, 1)))

    def _codes(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) → the means of their codes (N, T, C)."""
        return self.tokenizer.encode(images).chunk(2, dim=1)[0].flatten(2).transpose(1, 2)

    def velocity(self, x: Tensor, time: Tensor, embedded: Tensor) -> Tensor:
        """At x (N, T, C) and time (N,), under conditions (N, D): (N, T, C)."""
        angles = time[:, None] * self.frequencies
        style = F.silu(self.time(torch.cat([angles.sin(), angles.cos()], dim=1)) + embedded)
        modulation = self.modulate(style).unflatten(1, (8, -1))  # (N, 8, D)
        x = self.enter(x) + self.place
        for block in self.blocks:
            x = block(x, modulation[:, :6])
        shift, scale = modulation[:, 6:, None].unbind(1)
        return self.leave(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift).float()

    def loss(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`loss` is the squared error of the velocity, whose components have deviation √2."""
        embedded = self.heard(stack(batch, self.conditions))
        x = (self._codes(batch["image"]) - self.mean) / self.deviation
        n, device = len(x), x.device
        if self.training:
            time, noise = torch.randn(n, device=device).sigmoid(), torch.randn_like(x)
        else:  # the same each time
            time = (torch.arange(n, device=device) + 0.5) / n
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(device)
        mixed = torch.lerp(noise, x, time[:, None, None])
        return {"loss": F.mse_loss(self.velocity(mixed, time, embedded), x - noise)}

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        x = self._follow(latent.unflatten(1, (self.positions, self.codes)), embedded, 0.0, 1.0)
        side = self.size // SHRINK
        codes = (x * self.deviation + self.mean).transpose(1, 2).unflatten(2, (side, side))
        return self.tokenizer.decode(codes).clamp(-1, 1)

    def encode(self, images: Tensor, embedded: Tensor) -> tuple[Tensor, None]:
        """The latent (N, T C) from which the flow leads to images (N, 3, S, S), as near as its steps allow."""
        x = (self._codes(images) - self.mean) / self.deviation
        return self._follow(x, embedded, 1.0, 0.0).flatten(1), None

    def _follow(self, x: Tensor, embedded: Tensor, start: float, end: float) -> Tensor:
        """The flow's way of x (N, T, C) from one time to another, by Heun's method; next to time 1, of which nothing
        was learnt, by Euler's."""
        span = (end - start) / self.steps
        for i in range(self.steps):
            time = start + i * span
            slope = self._slope(x, min(time, 1 - abs(span)), embedded)
            if max(time, time + span) < 1 - 1e-6:
                slope = (slope + self._slope(x + span * slope, time + span, embedded)) / 2
            x = x + span * slope
        return x

    def _slope(self, x: Tensor, time: float, embedded: Tensor) -> Tensor:
        x, embedded = self.again(x), self.twice(embedded)
        return self.guided(self.velocity(x, x.new_full((len(x),), time), embedded))
