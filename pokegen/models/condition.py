"""Conditions of the image models: type1, type2, color, legendary, as int64 (N,) tensors of indices; -1 means "draw it".

N images; C conditions, in the order of `CONDITIONS`.
"""

import torch
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.schema import COLORS, NO_TYPE, TYPES

SIZES = {"type1": len(TYPES), "type2": NO_TYPE + 1, "color": len(COLORS), "legendary": 2}
CONDITIONS = tuple(SIZES)

Condition = dict[str, Tensor]


def stack(condition: Condition) -> Tensor:
    """A batch's conditions → int64 (N, C)."""
    return torch.stack([condition[key] for key in CONDITIONS], dim=1)


class ConditionPrior(nn.Module):
    """The joint distribution of conditions in the training data, from which what is not asked is drawn."""

    rows: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(0, len(CONDITIONS), dtype=torch.int16))

    def fit(self, rows: Tensor) -> None:
        """Remember the training rows, int64 (K, C)."""
        self.rows = rows.to(self.rows)

    def draw(self, n: int, condition: Condition | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Complete conditions, int64 (n, C). What is asked stays; the rest comes from a training row that agrees with
        it, in type1 first, then type2, color, legendary, as far as any row does."""
        asked = torch.full((n, len(CONDITIONS)), -1)
        for key, value in (condition or {}).items():
            if key not in SIZES:
                continue  # a condition that images do not show, such as the generation
            if value.shape != (n,) or value.min() < -1 or value.max() >= SIZES[key]:
                raise UserError(f"condition {key!r} must hold {n} indices from -1 to {SIZES[key] - 1}.")
            asked[:, CONDITIONS.index(key)] = value
        rows = self.rows.long().cpu()
        if not len(rows):  # never trained: any row is as good
            rows = torch.zeros(1, len(CONDITIONS), dtype=torch.long)
        importance = 2 ** torch.arange(len(CONDITIONS) - 1, -1, -1)  # agreeing in type1 outweighs all that follows
        agree = (rows == asked[:, None]) * importance  # (n, K, C)
        score = agree.sum(dim=2)  # (n, K)
        clash = (rows[:, 0] == asked[:, 1:2]) & (asked[:, :1] < 0) | (rows[:, 1] == asked[:, :1]) & (asked[:, 1:2] < 0)
        score = score.masked_fill(clash, -1)  # no creature has one type twice
        best = score == score.amax(dim=1, keepdim=True)
        chosen = rows[torch.multinomial(best.float(), 1, generator=generator).squeeze(1)]  # (n, C)
        return torch.where(asked >= 0, asked, chosen)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        if (saved := state_dict.get(f"{prefix}rows")) is not None:
            self.rows = self.rows.new_zeros(saved.shape)  # as many rows as the training data had
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class ConditionEmbedding(nn.Module):
    """The sum of one learned vector for each condition: (N, C) → (N, dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in SIZES.values())

    def forward(self, rows: Tensor) -> Tensor:
        return torch.stack([table(rows[:, i]) for i, table in enumerate(self.tables)]).sum(dim=0)
