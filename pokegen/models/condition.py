"""Conditions of the image models: int64 (N,) tensors of indices. -1 means "sample it"; to a network, "hidden".

    type1, type2    index into schema.TYPES; NO_TYPE for no second type
    color           index into schema.COLORS: the species' colour, which a shiny sprite does not show
    legendary       0 or 1
    stage           1 to 3
    shiny           0 or 1
    style           index into schema.STYLES

A model supports some or all of them: its `conditions`. N images; C conditions of a model, in the model's order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pokegen import schema
from pokegen.errors import UserError

SIZES = {key: len(words) for key, words in schema.CONDITIONS.items()}
CONDITIONS = tuple(SIZES)
OF_SPECIES = ("type1", "type2", "color", "legendary", "stage")  # together these nearly identify a species

Condition = dict[str, Tensor]


def stack(condition: Condition, keys: Sequence[str]) -> Tensor:
    """The conditions `keys` of a batch → int64 (N, C)."""
    if keys:
        return torch.stack([condition[key] for key in keys], dim=1)
    first = next(iter(condition.values()))
    return torch.zeros(len(first), 0, dtype=torch.long, device=first.device)


def _known(keys: Sequence[str]) -> tuple[str, ...]:
    """The keys. UserError if a key is unknown or repeated, or if there is none."""
    if unknown := set(keys) - SIZES.keys():
        raise UserError(f"Unknown condition {min(unknown)!r}. Known conditions: {', '.join(CONDITIONS)}.")
    if not keys or len(set(keys)) < len(keys):
        raise UserError(f"Expected one or more of the conditions {', '.join(CONDITIONS)}, each once; got {list(keys)}.")
    return tuple(keys)


class ConditionPrior(nn.Module):
    """The joint distribution of conditions in the training data. Conditions left open are sampled from it.

    Args:
        keys: the conditions, most important first.
    """

    rows: Tensor
    weights: Tensor

    def __init__(self, keys: Sequence[str] = CONDITIONS):
        super().__init__()
        self.keys = _known(keys)
        self.register_buffer("rows", torch.zeros(0, len(self.keys), dtype=torch.int16))
        self.register_buffer("weights", torch.zeros(0))

    def fit(self, rows: Tensor, weights: Tensor) -> None:
        """Store rows of all CONDITIONS, int64 (K, 7), and their weights, float (K,)."""
        self.rows = rows[:, [CONDITIONS.index(key) for key in self.keys]].to(self.rows)
        self.weights = (weights / weights.max()).to(self.weights)  # at most 1, so that float16 keeps them precisely

    def draw(self, n: int, condition: Condition | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Complete conditions, int64 (n, C). Given values stay. The others come from a training row that agrees with
        the given values, first in the first condition, then in the second, and so on, as far as any row does."""
        asked = torch.full((n, len(self.keys)), -1)
        for key, value in (condition or {}).items():
            if key not in self.keys:
                continue  # a condition that this model does not support, such as the generation
            if value.shape != (n,) or value.min() < -1 or value.max() >= SIZES[key]:
                raise UserError(f"condition {key!r} must hold {n} indices from -1 to {SIZES[key] - 1}.")
            asked[:, self.keys.index(key)] = value
        rows, weights = self.rows.long().cpu(), self.weights.float().cpu()
        if not len(rows):  # not trained yet: all values are equally likely
            rows, weights = torch.zeros(1, len(self.keys), dtype=torch.long), torch.ones(1)
        importance = 2 ** torch.arange(len(self.keys) - 1, -1, -1)  # agreement in one outweighs all later ones
        score = torch.zeros(n, len(rows), dtype=torch.long)
        for i, weight in enumerate(importance):
            score += (rows[:, i] == asked[:, i, None]) * weight
        if {"type1", "type2"} <= set(self.keys):  # the two types must differ
            one, two = (self.keys.index(key) for key in ("type1", "type2"))
            clash = (rows[:, one] == asked[:, two, None]) & (asked[:, one, None] < 0)
            clash |= (rows[:, two] == asked[:, one, None]) & (asked[:, two, None] < 0)
            score = score.masked_fill(clash, -1)
        best = (score == score.amax(dim=1, keepdim=True)) * weights  # (n, K)
        chosen = rows[torch.multinomial(best, 1, generator=generator).squeeze(1)]  # (n, C)
        return torch.where(asked >= 0, asked, chosen)

    def known(self, key: str) -> list[int]:
        """The values of a condition that occur in the training data; before training, all values."""
        seen = self.rows[:, self.keys.index(key)].unique().tolist()
        return seen or list(range(int(key == "stage"), SIZES[key]))

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        if (saved := state_dict.get(f"{prefix}rows")) is not None:  # as many rows as the training data had
            self.rows, self.weights = self.rows.new_zeros(saved.shape), self.weights.new_zeros(len(saved))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class ConditionEmbedding(nn.Module):
    """The sum of one learned vector per condition of `keys`: (N, C) → (N, dim). A hidden condition (-1) adds nothing.
    At initialisation the entries have variance 1."""

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
