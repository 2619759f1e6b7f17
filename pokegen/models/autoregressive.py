"""autoregressive: a causal transformer that samples the codes of a tokenizer, one position at a time, given CONDITIONS.

The transformer is GPT-2's (Radford et al. 2019) over the 64 positions of a 128×128 sprite. Within a position, small
heads sample the codes one after another; each head sees the codes before it (after Lee et al., Autoregressive Image
Generation using Residual Quantization, CVPR 2022, whose second transformer they replace).

Sampling is a deterministic function of the latent. The latent holds one normal number for each level of each code; it
becomes Gumbel noise, which is added to the logits before the argmax (the Gumbel-max trick). The same latent with other
conditions therefore gives the same creature as far as the logits allow, and `encode` finds a latent that reproduces a
given picture (Oberst and Sontag, Counterfactual Off-Policy Evaluation with Gumbel-Max Structural Causal Models, ICML
2019, section 3.3). Latents nearer to the centre act like a lower temperature.

Letters: N images, T positions, C codes per position, L levels of all codes together, D width.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.condition import CONDITIONS, stack
from pokegen.models.image import ImageModel
from pokegen.models.tokenizer import LEVELS, SHRINK, Tokenizer
from pokegen.schema import SPRITE_SIZE


class TransformerBlock(nn.Module):
    """Causal attention, then an MLP: (N, T, D) → (N, T, D). With a cache, x is the next position only, and the cache
    holds the keys and values of the positions before it."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, cache: list[Tensor] | None = None) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
            cache[:] = [k, v]
        drop = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None, dropout_p=drop)
        x = x + F.dropout(self.out(y.transpose(1, 2).reshape(n, t, d)), drop)
        return x + F.dropout(self.down(F.gelu(self.up(self.norm2(x)))), drop)


class Autoregressive(ImageModel):
    """Latent (N, T L) and conditions (N, conditions) → images (N, 3, S, S). The tokenizer is trained before this model
    and stays frozen.

    Args:
        tokenizer_checkpoint: zoo name or checkpoint folder of the trained tokenizer; `pokegen fit` loads it at the
            start.
        levels, tokenizer_width: settings of the tokenizer.
        width: D.
        depth: number of blocks.
        heads: attention heads.
        dropout: dropout rate during training.
        size, conditions: see ImageModel.
        condition_dropout: share of training images whose conditions are hidden, for classifier-free guidance (Ho and
            Salimans, Classifier-Free Diffusion Guidance, 2022).
        guidance: guidance scale. 0 samples without conditions, 1 with them; above 1 extrapolates.
    """

    encodes = True

    def __init__(
        self,
        tokenizer_checkpoint: str = "",
        levels: Sequence[int] = LEVELS,
        tokenizer_width: int = 32,
        width: int = 256,
        depth: int = 6,
        heads: int = 8,
        dropout: float = 0.1,
        size: int = SPRITE_SIZE,
        conditions: Sequence[str] = CONDITIONS,
        condition_dropout: float = 0.1,
        guidance: float = 1.0,
    ):
        if size % SHRINK:
            raise UserError(f"The side of a sprite must be a multiple of {SHRINK} pixels, got {size}.")
        if width % heads:
            raise UserError(f"width ({width}) must be a multiple of heads ({heads}).")
        positions = (size // SHRINK) ** 2
        super().__init__(positions * sum(levels), size, 3, conditions, width)
        self.pretrained, self.levels, self.positions = tokenizer_checkpoint, tuple(levels), positions
        self.condition_dropout, self.guidance = condition_dropout, guidance
        self.tokenizer = Tokenizer(tokenizer_width, levels).requires_grad_(False).eval()  # Lightning keeps each mode
        self.start = nn.Parameter(torch.zeros(width))
        self.place = nn.Parameter(torch.zeros(positions, width))
        self.codes = nn.ModuleList(nn.Embedding(k, width) for k in levels)  # of the previous position
        self.inner = nn.ModuleList(nn.Embedding(k, width) for k in levels[:-1])  # of the codes before, same position
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, dropout) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in levels)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, k)) for k in levels
        )
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2 and not name.startswith("tokenizer"):
                nn.init.normal_(parameter, std=0.02)
            if name.endswith(("out.weight", "down.weight")):  # each block adds two of these to the residual stream
                nn.init.normal_(parameter, std=0.02 / (2 * depth) ** 0.5)

    def train(self, mode: bool = True) -> "Autoregressive":
        super().train(mode)
        self.tokenizer.eval()
        return self

    def load_pretrained(self, source: nn.Module) -> None:
        """Copy the weights of a trained Tokenizer, or of a model that holds one. UserError if they do not fit."""
        found = getattr(source, "tokenizer", source)
        if not isinstance(found, Tokenizer):
            raise UserError(f"tokenizer_checkpoint: {self.pretrained} holds no tokenizer.")
        try:
            self.tokenizer.load_state_dict(found.state_dict())
        except RuntimeError as error:
            raise UserError(
                f"tokenizer_checkpoint: {self.pretrained} does not fit the model's levels and tokenizer_width."
            ) from error

    def logits(self, tokens: Tensor, embedded: Tensor) -> list[Tensor]:
        """Logits of each code, (N, T, levels), given the codes before it in tokens (N, T, C) and conditions (N, D)."""
        x = torch.cat([self.start.expand(len(tokens), 1, -1), self._embed(tokens[:, :-1])], dim=1)
        x = x + self.place + embedded[:, None]
        for block in self.blocks:
            x = block(x)
        logits = []
        for i in range(len(self.levels)):
            logits.append(self.heads[i](self.norms[i](x)).float())
            if i < len(self.inner):
                x = x + self.inner[i](tokens[..., i])
        return logits

    def _embed(self, tokens: Tensor) -> Tensor:
        """Codes (…, C) → (…, D)."""
        return torch.stack([table(tokens[..., i]) for i, table in enumerate(self.codes)]).sum(dim=0)

    def loss(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`loss`: negative log-likelihood of a position in nats, mean over positions. `bits`: the same for the whole
        image, in bits."""
        tokens = self.tokenizer.tokens(batch["image"])
        embedded = self.embed(stack(batch, self.conditions))
        if self.training:
            embedded = embedded * (torch.rand(len(embedded), 1, device=embedded.device) >= self.condition_dropout)
        logits = self.logits(tokens, embedded)
        nats = torch.stack(
            [F.cross_entropy(x.flatten(0, 1), tokens[..., i].flatten()) for i, x in enumerate(logits)]
        ).sum()
        return {"loss": nats, "bits": nats.detach() * self.positions / math.log(2)}

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        noise = _gumbel(latent).view(len(latent), self.positions, -1).split(self.levels, dim=2)
        both = self._with_unconditional(embedded)
        caches: list[list[Tensor]] = [[] for _ in self.blocks]
        tokens: list[Tensor] = []
        for t in range(self.positions):
            x = self._embed(self._repeat_codes(tokens[-1])) if tokens else self.start.expand(len(both), -1)
            x = (x + self.place[t] + both)[:, None]
            for block, cache in zip(self.blocks, caches, strict=True):
                x = block(x, cache)
            x, codes = x[:, 0], []
            for i in range(len(self.levels)):
                logits = self._guided(self.heads[i](self.norms[i](x)).float())
                codes.append((logits + noise[i][:, t]).argmax(dim=1))
                if i < len(self.inner):
                    x = x + self.inner[i](self._repeat_codes(codes[-1]))
            tokens.append(torch.stack(codes, dim=1))
        return self.tokenizer.from_tokens(torch.stack(tokens, dim=1))

    def encode(self, images: Tensor, embedded: Tensor) -> tuple[Tensor, None]:
        """A latent (N, T L) that, with these conditions, reproduces the tokenizer's reconstruction of images
        (N, 3, S, S). Each number is the median of its conditional distribution."""
        tokens = self.tokenizer.tokens(images)
        noise = []
        for i, logits in enumerate(self.logits(self._repeat_codes(tokens), self._with_unconditional(embedded))):
            logits = self._guided(logits)  # (N, T, levels)
            greatest = logits.logsumexp(dim=2, keepdim=True) - math.log(math.log(2))  # median of max(logits + noise)
            below = -((logits - greatest).exp() + math.log(2)).log()  # noise of the others, truncated at `greatest`
            drawn = F.one_hot(tokens[..., i], logits.shape[2]).bool()
            noise.append(torch.where(drawn, greatest - logits, below))
        return _normal(torch.cat(noise, dim=2).flatten(1)), None

    def _with_unconditional(self, embedded: Tensor) -> Tensor:
        """Conditions (N, D) → (2 N, D), the second half unconditional, if sampling is guided."""
        return embedded if self.guidance == 1 else torch.cat([embedded, torch.zeros_like(embedded)])

    def _repeat_codes(self, codes: Tensor) -> Tensor:
        """Repeat codes to match the batch that `_with_unconditional` returns."""
        return codes if self.guidance == 1 else torch.cat([codes, codes])

    def _guided(self, logits: Tensor) -> Tensor:
        """Logits of the doubled batch → guided logits."""
        if self.guidance == 1:
            return logits
        conditional, unconditional = logits.chunk(2)
        return unconditional + self.guidance * (conditional - unconditional)


def _gumbel(normal: Tensor) -> Tensor:
    """Standard normal numbers → standard Gumbel numbers with the same quantiles."""
    return (-(-torch.special.log_ndtr(normal.double())).log()).float()


def _normal(gumbel: Tensor) -> Tensor:
    """The inverse of `_gumbel`."""
    share = (-(-gumbel.double()).exp()).exp()
    return torch.special.ndtri(share.clamp(1e-300, 1 - 1e-16)).float()
