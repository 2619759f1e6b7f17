"""A classifier of sprites: both types, the species, and whether the picture was corrupted. It judges other models.

A small residual network (He et al., Identity Mappings in Deep Residual Networks, ECCV 2016) from 128×128 down to 4×4.
The evaluation panel uses its features at every depth, so they must capture more than colour and texture. It is
therefore also trained to recognise corrupted sprites (two halves glued, two blended, patches shuffled, blurred), which
requires a sense of the whole body. No model that it judges is ever trained with it.

Left out: pretraining on other pictures, because ImageNet features flatter models that use them (Kynkäänniemi et al.,
ICLR 2023).

Letters: N images, C channels, S species.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.network import Network
from pokegen.schema import NO_TYPE, SPRITE_SIZE, TYPES

INTACT, GLUED, BLENDED, SHUFFLED, BLURRED = range(5)


class Down(nn.Module):
    """Halves height and width, then one residual block: (N, C, H, W) → (N, C', H / 2, W / 2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.halve = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.halve(x)
        y = self.convs[0](F.relu(self.norms[0](x)))
        return x + self.convs[1](F.relu(self.norms[1](y)))


class Classifier(Network):
    """RGB (N, 3, 128, 128) in [-1, 1] → logits of types, species and corruption.

    Args:
        widths: channels at 64×64, 32×32, …; one entry per halving.
        species: number of species classes; 0 for types only.
        corrupted: share of each training batch that is corrupted; None builds no head for it.
        dropout: rate before the heads.
        smoothing: label smoothing of the species.
    """

    hub_task = "image-classification"

    def __init__(
        self,
        widths: Sequence[int] = (24, 48, 96, 128, 192),
        species: int = 1025,
        corrupted: float | None = 0.3,
        dropout: float = 0.3,
        smoothing: float = 0.1,
    ):
        super().__init__()
        self.corrupted, self.smoothing = corrupted, smoothing
        self.stem = nn.Conv2d(3, widths[0], 5, stride=2, padding=2)
        self.stages = nn.ModuleList(Down(a, b) for a, b in pairwise(widths))
        self.norm, self.dropout = nn.BatchNorm2d(widths[-1]), nn.Dropout(dropout)
        self.types = nn.Linear(widths[-1], len(TYPES))
        self.species = nn.Linear(widths[-1], species) if species else None
        self.kind = nn.Linear(widths[-1], BLURRED + 1) if corrupted is not None else None

    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """The activations at every depth, from (N, widths[0], 64, 64) down to (N, widths[-1], 4, 4)."""
        if images.shape[1:] != (3, SPRITE_SIZE, SPRITE_SIZE):
            raise UserError(f"Expected images of (N, 3, {SPRITE_SIZE}, {SPRITE_SIZE}), got {tuple(images.shape)}.")
        maps = [F.relu(self.stem(images))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return [*maps[:-1], F.relu(self.norm(maps[-1]))]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the types (N, 18), one binary decision per type, since a creature has one or two."""
        return self.types(self.pooled(images))

    def pooled(self, images: Tensor) -> Tensor:
        """The input of the heads: (N, C)."""
        return self.dropout(self.stage_maps(images)[-1].mean(dim=(2, 3)))

    def loss(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`loss` is the sum of `types` (binary cross-entropy, summed over the 18 types), `species` and `corrupted`
        (cross-entropies). `accuracy`: share of images whose likeliest type is one of theirs. In evaluation nothing is
        corrupted, and species are left out, since held-out families share none."""
        images, kind = batch["image"], torch.zeros_like(batch["type1"])
        if self.training and self.corrupted:
            images, kind = corrupt(images, self.corrupted)
        intact = kind == INTACT
        pooled = self.pooled(images)
        types = type_targets(batch["type1"], batch["type2"])[intact]  # (M, 18)
        logits = self.types(pooled)[intact].float()
        result = {"types": F.binary_cross_entropy_with_logits(logits, types) * len(TYPES)}
        if self.training:
            if self.corrupted and self.kind is not None:
                result["corrupted"] = F.cross_entropy(self.kind(pooled).float(), kind)
            if self.species is not None:
                target = batch["species"][intact] - 1
                result["species"] = F.cross_entropy(
                    self.species(pooled[intact]).float(), target, label_smoothing=self.smoothing
                )
        hit = types.gather(1, logits.argmax(dim=1, keepdim=True)).mean()
        return {"loss": torch.stack(list(result.values())).sum(), **result, "accuracy": hit}


def type_targets(type1: Tensor, type2: Tensor) -> Tensor:
    """Indices (N,), NO_TYPE for none → float (N, 18), 1 for each type present."""
    both = F.one_hot(type1, NO_TYPE + 1) + F.one_hot(type2, NO_TYPE + 1)
    return both[:, :NO_TYPE].clamp(max=1).float()


def corrupt(images: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Corrupt the first `share` of a batch, a quarter in each way → (N, 3, H, W), and the way, int64 (N,)."""
    count, (n, _, height, width) = int(share * len(images) / 4), images.shape
    images, kind = images.clone(), torch.zeros(n, dtype=torch.long, device=images.device)
    partner = images.roll(1, dims=0)
    for i, way in enumerate((GLUED, BLENDED, SHUFFLED, BLURRED)):
        rows = slice(i * count, (i + 1) * count)
        kind[rows] = way
        if way == GLUED:
            for j in range(rows.start, rows.stop):
                if torch.rand(()) < 0.5:
                    images[j, :, height // 2 :] = partner[j, :, height // 2 :]
                else:
                    images[j, :, :, width // 2 :] = partner[j, :, :, width // 2 :]
        elif way == BLENDED:
            images[rows] = (images[rows] + partner[rows]) / 2
        elif way == SHUFFLED:  # 4×4 patches of 32×32
            patches = images[rows].unfold(2, height // 4, height // 4).unfold(3, width // 4, width // 4)
            patches = patches.flatten(2, 3)[:, :, torch.randperm(16, device=images.device)]  # (M, 3, 16, h, w)
            grid = patches.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5)
            images[rows] = grid.reshape(len(patches), 3, height, width)
        elif count:
            small = int(torch.randint(16, 48, ()))
            shrunk = F.interpolate(images[rows], size=small, mode="area")
            images[rows] = F.interpolate(shrunk, size=height, mode="bilinear")
    return images, kind
