"""Conditions of the image models, as int64 (N,) tensors of indices; -1 means "draw it", and to a net "hidden".

    type1, type2    index into schema.TYPES; NO_TYPE for no second type
    color           index into schema.COLORS: the species', which a shiny sprite does not show
    legendary       0 or 1
    stage           1 to 3
    shiny           0 or 1
    style           index into schema.STYLES

A model supports some or all of them, its `conditions`. N images; C conditions of a model, in its own order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pokegen import schema
from pokegen.errors import UserError

SIZES = {key: len(words) for key, words in schema.CONDITIONS.items()}
CONDITIONS = tuple(SIZES)
OF_SPECIES = ("type1", "type2", "color", "legendary", "stage")  # which together nearly name one

Condition = dict[str, Tensor]


def stack(condition: Condition, keys: Sequence[str]) -> Tensor:
    """The conditions `keys` of a batch → int64 (N, C)."""
    if keys:
        return torch.stack([condition[key] for key in keys], dim=1)
    first = next(iter(condition.values()))
    return torch.zeros(len(first), 0, dtype=torch.long, device=first.device)


def _known(keys: Sequence[str]) -> tuple[str, ...]:
    """The keys, or UserError where one is unknown or repeated, or none is there."""
    if unknown := set(keys) - SIZES.keys():
        raise UserError(f"Unknown condition {min(unknown)!r}. Known conditions: {', '.join(CONDITIONS)}.")
    if not keys or len(set(keys)) < len(keys):
        raise UserError(f"Expected some of the conditions {', '.join(CONDITIONS)}, each once; got {list(keys)}.")
    return tuple(keys)


class ConditionPrior(nn.Module):
    """The joint distribution of conditions in the training data, from which what is not asked is drawn.

    Args:
        keys: the conditions, those that matter most first.
    """

    rows: Tensor
    weights: Tensor

    def __init__(self, keys: Sequence[str] = CONDITIONS):
        super().__init__()
        self.keys = _known(keys)
        self.register_buffer("rows", torch.zeros(0, len(self.keys), dtype=torch.int16))
        self.register_buffer("weights", torch.zeros(0))

    def fit(self, rows: Tensor, weights: Tensor) -> None:
        """Remember rows of all CONDITIONS, int64 (K, 7), and how likely each is, float (K,)."""
        self.rows = rows[:, [CONDITIONS.index(key) for key in self.keys]].to(self.rows)
        self.weights = (weights / weights.max()).to(self.weights)  # at most 1, which float16 keeps well

    def draw(self, n: int, condition: Condition | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Complete conditions, int64 (n, C). What is asked stays; the rest comes from a training row that agrees with
        it, in the first condition above all, then in the second and so on, as far as any row does."""
        asked = torch.full((n, len(self.keys)), -1)
        for key, value in (condition or {}).items():
            if key not in self.keys:
                continue  # what this model does not show, such as the generation
            if value.shape != (n,) or value.min() < -1 or value.max() >= SIZES[key]:
                raise UserError(f"condition {key!r} must hold {n} indices from -1 to {SIZES[key] - 1}.")
            asked[:, self.keys.index(key)] = value
        rows, weights = self.rows.long().cpu(), self.weights.float().cpu()
        if not len(rows):  # never trained: any row is as good
            rows, weights = torch.zeros(1, len(self.keys), dtype=torch.long), torch.ones(1)
        importance = 2 ** torch.arange(len(self.keys) - 1, -1, -1)  # agreeing in one outweighs all that follow
        score = torch.zeros(n, len(rows), dtype=torch.long)
        for i, weight in enumerate(importance):
            score += (rows[:, i] == asked[:, i, None]) * weight
        if {"type1", "type2"} <= set(self.keys):  # no creature has one type twice
            one, two = (self.keys.index(key) for key in ("type1", "type2"))
            clash = (rows[:, one] == asked[:, two, None]) & (asked[:, one, None] < 0)
            clash |= (rows[:, two] == asked[:, one, None]) & (asked[:, two, None] < 0)
            score = score.masked_fill(clash, -1)
        best = (score == score.amax(dim=1, keepdim=True)) * weights  # (n, K)
        chosen = rows[torch.multinomial(best, 1, generator=generator).squeeze(1)]  # (n, C)
        return torch.where(asked >= 0, asked, chosen)

    def known(self, key: str) -> list[int]:
        """The values of a condition that the training data had; all that there are, before any training."""
        seen = self.rows[:, self.keys.index(key)].unique().tolist()
        return seen or list(range(int(key == "stage"), SIZES[key]))

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        if (saved := state_dict.get(f"{prefix}rows")) is not None:  # as many rows as the training data had
            self.rows, self.weights = self.rows.new_zeros(saved.shape), self.weights.new_zeros(len(saved))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class ConditionEmbedding(nn.Module):
    """The sum of one learned vector for each condition of `keys`, none for a hidden one, -1: (N, C) → (N, dim). At
    first its numbers have a variance of 1."""

    def __init__(self, dim: int, keys: Sequence[str] = CONDITIONS):
        super().__init__()
        tables = [nn.Embedding(SIZES[key], dim) for key in _known(keys)]
        for table in tables:
            nn.init.normal_(table.weight, std=len(tables) ** -0.5)
        self.tables = nn.ModuleList(tables)

    def forward(self, rows: Tensor) -> Tensor:
        known = (rows >= 0).unsqueeze(2)  # (N, C, 1)
        vectors = torch.stack([table(rows[:, i].clamp(min=0)) for i, table in enumerate(self.tables)], dim=1)
        return (vectors * known).sum(dim=1)
