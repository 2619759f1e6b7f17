"""A generator of table rows: types, legendary, stage, colour, generation, six stats, height, weight, given any of them.

An order-agnostic autoregressive model (Hoogeboom et al., Autoregressive Diffusion Models, ICLR 2022): every column is
a token, a small residual network fills in the hidden ones, and training hides a random subset each time, so that one
network knows every conditional distribution. Sampling fills the columns that were not asked for one after another.

Numeric columns become bins of about equal mass, and inside a bin a value is drawn from the training rows', so that
stats keep their liking for multiples of five, heights their 0.1 m and weights their 0.1 kg. The network sees a bin
through smooth functions of its place, because 830 rows are too few to learn each bin by itself.

Rules that hold by construction: two types differ; stats are whole numbers that occur in the table; the total is their
sum; what was asked for comes back exactly.

Left out: evolution lines (a row is drawn by itself), abilities and egg groups.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.schema import COLORS, GENERATIONS, NO_TYPE, STAGES, STAT_MAX, STAT_MIN, STATS, TYPES

# Categorical column -> number of values. They count from 0, except those in _LOWEST.
CATEGORICAL = {
    "type1": len(TYPES),
    "type2": NO_TYPE + 1,
    "legendary": 2,
    "stage": len(STAGES),
    "color": len(COLORS),
    "generation": len(GENERATIONS),
}
_LOWEST = {"stage": STAGES[0], "generation": 1}
# Numeric column -> lowest and highest value that a condition may ask for: stats, metres, kilograms.
NUMERIC = {**dict.fromkeys(STATS, (STAT_MIN, STAT_MAX)), "height_m": (0.1, 100.0), "weight_kg": (0.1, 10_000.0)}
COLUMNS = (*CATEGORICAL, *NUMERIC)
_INTEGER = (*CATEGORICAL, *STATS)
_NEVER = 1e9  # above every value, and finite: averaging the weights subtracts buffers from themselves
_TYPE1, _TYPE2 = COLUMNS.index("type1"), COLUMNS.index("type2")


class StatsModel(nn.Module):
    """Draws and scores rows of the table.

    Args:
        bins: Bins of a numeric column, at most.
        draws: Training values kept of each bin (evenly spaced ones where it holds more).
        waves: Cosines through which the network sees and says a bin; fewer is smoother.
        layers: Residual blocks.
        width: Channels.
        dropout: Inside the blocks, in [0, 1).
        ordered: Share of training rows that hide all columns from some one on, as sampling does, instead of any.
    """

    edges: Tensor
    values: Tensor
    filled: Tensor
    mass: Tensor
    basis: Tensor

    def __init__(
        self,
        bins: int = 32,
        draws: int = 64,
        waves: int = 8,
        layers: int = 2,
        width: int = 128,
        dropout: float = 0.2,
        ordered: float = 0.5,
    ) -> None:
        super().__init__()
        self.ordered = ordered
        self.bins = bins
        # Edges are the lowest value of each bin but the first, _NEVER where a column has fewer bins. Until `prepare`
        # has seen a table, a stat may be any whole number, a height or weight any up to 20 m and 1000 kg.
        self.register_buffer("edges", torch.full((len(NUMERIC), bins - 1), _NEVER, dtype=torch.float64))
        self.register_buffer("values", torch.zeros(len(NUMERIC), bins, draws, dtype=torch.float64))
        self.register_buffer("filled", torch.ones(len(NUMERIC), bins, dtype=torch.bool))
        # The logarithm of a bin's share of the rows: the network says only how a row departs from it, smoothly, and the
        # liking for round numbers stays out of what it has to learn.
        self.register_buffer("mass", torch.zeros(len(NUMERIC), bins))
        for row, (name, (low, high)) in enumerate(NUMERIC.items()):
            top = {"height_m": 20.0, "weight_kg": 1000.0}.get(name, high)
            self._set_bins(row, _round(name, torch.linspace(low, top, bins * draws, dtype=torch.float64)))

        # An embedding a column, summed: together the first layer of a network on one-hot columns.
        self.categories = nn.ParameterList(torch.randn(size, width) for size in CATEGORICAL.values())
        self.numbers = nn.Parameter(torch.randn(len(NUMERIC), waves, width))
        self.hidden = nn.Parameter(torch.randn(len(COLUMNS), width))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 2 * width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(2 * width, width),
                nn.Dropout(dropout),
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(
            nn.Linear(width, CATEGORICAL[name]) if name in CATEGORICAL else nn.Linear(width, waves) for name in COLUMNS
        )
        # cos(k * pi * u) at the middle u of each bin: a cosine basis, (bins, waves).
        u = (torch.arange(bins) + 0.5) / bins
        self.register_buffer("basis", torch.cos(math.pi * u[:, None] * torch.arange(1, waves + 1)), persistent=False)

    def prepare(self, datamodule: Any) -> None:
        """Take bins and their values from the training split, `datamodule.columns["train"]`, columns of (N,)."""
        for row, name in enumerate(NUMERIC):
            self._set_bins(row, _round(name, datamodule.columns["train"][name].double()))

    def _set_bins(self, row: int, values: Tensor) -> None:
        """Bins of about equal mass; a value never falls into two."""
        bins, draws = self.values.shape[1:]
        values = values.sort().values.to(self.edges.device)
        parts: list[Tensor] = []
        left = values
        for remaining in range(bins, 0, -1):
            if not len(left):
                break
            size = max(1, round(len(left) / remaining)) if remaining > 1 else len(left)
            # All the copies of the value in the middle of which a cut would fall go to the nearer side.
            below, above = (left < left[size - 1]).sum().item(), (left <= left[size - 1]).sum().item()
            cut = below if below and size - below < above - size else above
            parts.append(left[:cut])
            left = left[cut:]
        self.edges[row] = _NEVER
        self.filled[row] = False
        self.mass[row] = 0.0
        for i, part in enumerate(parts):
            if i:
                self.edges[row, i - 1] = part[0]
            self.values[row, i] = part[torch.arange(draws, device=part.device) * len(part) // draws]
            self.filled[row, i] = True
            self.mass[row, i] = math.log(len(part) / len(values))

    def tokenise(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Raw columns of (N,) -> int64 (N, 14): categories from 0, bins; -1 where a column is missing or unknown."""
        n = len(next(iter(columns.values())))
        tokens = []
        for name in COLUMNS:
            if name not in columns:
                token = torch.full((n,), -1)
            elif name in CATEGORICAL:
                token = torch.where(columns[name] == -1, -1, columns[name] - _LOWEST.get(name, 0))
            else:
                edges = self.edges[list(NUMERIC).index(name)]
                found = torch.searchsorted(edges, columns[name].double().contiguous().to(edges.device), right=True)
                token = torch.where(columns[name].to(edges.device) == -1, -1, found)
            tokens.append(token.to(self.edges.device).long())
        return torch.stack(tokens, dim=1)

    def embed(self, tokens: Tensor) -> Tensor:
        """The rows as the network reads them: int64 (B, 14), -1 for hidden -> (B, C)."""
        return torch.stack([self._embed(i, tokens[:, i]) for i in range(len(COLUMNS))]).sum(dim=0)

    def _embed(self, column: int, tokens: Tensor) -> Tensor:
        if column < len(CATEGORICAL):
            table = self.categories[column]  # (values, C)
        else:
            table = self.basis @ self.numbers[column - len(CATEGORICAL)]  # (bins, C)
        return torch.cat([table, self.hidden[column : column + 1]])[tokens]  # -1 is the last row

    def predict(self, x: Tensor, tokens: Tensor, columns: Sequence[int]) -> list[Tensor]:
        """Logits of some columns, from the sum of the embeddings (B, C) of `tokens` (B, 14)."""
        for block in self.blocks:
            x = x + block(x)
        x = self.norm(x)
        logits = []
        for i in columns:
            out = self.heads[i](x)
            if i >= len(CATEGORICAL):
                row = i - len(CATEGORICAL)
                out = (out @ self.basis.T + self.mass[row]).masked_fill(~self.filled[row], -torch.inf)  # (B, bins)
            elif i in (_TYPE1, _TYPE2):  # two types of one kind do not exist, whichever comes first
                other = tokens[:, _TYPE1 + _TYPE2 - i]
                taken = (torch.arange(out.shape[1], device=out.device) == other[:, None]) & (other != NO_TYPE)[:, None]
                out = out.masked_fill(taken, -torch.inf)
            logits.append(out)
        return logits

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Logits of every column given those that are not -1: int64 (B, 14) -> 14 times float32 (B, values)."""
        return self.predict(self.embed(tokens), tokens, range(len(COLUMNS)))

    def loss(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`loss`: nats a column, averaged over random subsets of hidden columns, all sizes alike. Lower is better.

        In evaluation the subsets are always the same, so that epochs can be compared.
        """
        tokens = self.tokenise({name: batch[name] for name in COLUMNS})
        if not self.training:
            tokens = tokens.repeat(8, 1)  # steadier
        generator = None if self.training else torch.Generator().manual_seed(0)
        size, columns = tokens.shape
        order = torch.rand(size, columns, generator=generator).argsort(dim=1).argsort(dim=1)
        ordered = torch.rand(size, 1, generator=generator) < self.ordered
        order = torch.where(ordered, torch.arange(columns).flip(0), order)
        hidden = order < torch.randint(1, columns + 1, (size, 1), generator=generator)
        hidden = hidden.to(tokens.device)
        logits = self(tokens.masked_fill(hidden, -1))
        nats = torch.stack(
            [F.cross_entropy(logits[i], tokens[:, i], reduction="none") for i in range(columns)], dim=1
        )  # (B, 14)
        # A mean over the hidden columns of each row: the bound of the paper, divided by the number of columns.
        loss = ((nats * hidden).sum(dim=1) / hidden.sum(dim=1)).mean()
        return {"loss": loss}

    @torch.inference_mode()
    def sample(
        self,
        n: int,
        condition: Mapping[str, Any] | None = None,
        generator: torch.Generator | None = None,
        *,
        temperature: float = 1.0,
    ) -> dict[str, Tensor]:
        """`n` rows as columns of (n,), on the CPU.

        Args:
            n: Rows to draw, 1 or more.
            condition: Any of `COLUMNS`, one value or (n,); they come back as they are. -1 leaves a row's value open.
                Types, colour and legendary are indices of the schema, stats whole numbers, `height_m` metres,
                `weight_kg` kilograms.
            generator: A generator on the CPU; the same state gives the same rows.
            temperature: 0.01 to 100; lower is closer to the commonest, higher is wilder.

        Returns:
            `COLUMNS` and `total`: int64, `height_m` and `weight_kg` float64 rounded to 0.1 where drawn.
        """
        if n < 1:
            raise UserError(f"Expected 1 row or more, got {n}.")
        if not 0.01 <= temperature <= 100:
            raise UserError(f"Expected a temperature from 0.01 to 100, got {temperature:g}.")
        if generator is None:
            generator = torch.Generator()
            generator.seed()
        asked = _check_condition(condition, n)
        tokens = self.tokenise(asked) if asked else torch.full((n, len(COLUMNS)), -1, device=self.edges.device)
        x = self.embed(tokens)  # (n, C)
        for i in range(len(COLUMNS)):
            open_ = tokens[:, i] < 0
            uniform = torch.rand(n, generator=generator)
            if not open_.any():
                continue
            probabilities = (self.predict(x, tokens, [i])[0].cpu().float() / temperature).softmax(dim=1)
            drawn = torch.where(open_, _draw(probabilities, uniform).to(tokens.device), tokens[:, i])
            x = x + self._embed(i, drawn) - self._embed(i, tokens[:, i])
            tokens[:, i] = drawn
        return self._raw(tokens.cpu(), asked, generator)

    def _raw(self, tokens: Tensor, asked: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Tokens (N, 14) as values, those that were asked for as they were."""
        columns: dict[str, Tensor] = {}
        for i, name in enumerate(COLUMNS):
            if name in CATEGORICAL:
                value = tokens[:, i] + _LOWEST.get(name, 0)
            else:
                values = self.values[i - len(CATEGORICAL)].cpu()
                place = torch.randint(values.shape[1], (len(tokens),), generator=generator)
                value = _round(name, values[tokens[:, i], place])
            if name in asked:
                value = torch.where(asked[name] == -1, value.double(), asked[name].double())
            columns[name] = value.long() if name in _INTEGER else value
        columns["total"] = sum((columns[stat] for stat in STATS), torch.zeros(len(tokens), dtype=torch.int64))
        return columns


def _round(name: str, values: Tensor) -> Tensor:
    """Stats to whole numbers; heights and weights to 0.1, as the table has them."""
    # Dividing by ten gives the float that "0.7" is; multiplying by 0.1 would not.
    return values.round() if name in STATS else (values * 10).round() / 10


def _draw(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """One index a row of (N, V), by the inverse of the cumulative distribution at `uniform` (N,) in [0, 1)."""
    cumulative = probabilities.double().cumsum(dim=1)
    place = uniform.double()[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, place, right=True)[:, 0].clamp(max=probabilities.shape[1] - 1)


def _check_condition(condition: Mapping[str, Any] | None, n: int) -> dict[str, Tensor]:
    """The columns asked for, float64 or int64 (n,) on the CPU. Raises UserError for what no row can have."""
    asked: dict[str, Tensor] = {}
    for name, raw in (condition or {}).items():
        if name not in COLUMNS:
            raise UserError(f"Unknown condition {name!r} for stats. Known: {', '.join(COLUMNS)}.")
        value = raw.cpu() if isinstance(raw, Tensor) else torch.as_tensor(raw, dtype=torch.float64)
        if value.ndim > 1 or value.numel() not in (1, n):
            raise UserError(f"Condition {name!r}: expected one value or {n}, got shape {tuple(value.shape)}.")
        value = value.reshape(-1).expand(n)
        # 7.7 as a float32 is 7.69999981: four decimals say what was meant.
        value = (value.double() * 1e4).round() / 1e4 if value.dtype == torch.float32 else value.double()
        low, high = (
            NUMERIC[name] if name in NUMERIC else (_LOWEST.get(name, 0), _LOWEST.get(name, 0) + CATEGORICAL[name] - 1)
        )
        inside = (value == -1) | ((value >= low) & (value <= high))
        if name in _INTEGER:
            inside &= value == value.round()
        if not inside.all():
            kind = "a whole number from" if name in _INTEGER else "a number from"
            raise UserError(
                f"Condition {name!r}: expected {kind} {low:g} to {high:g}, or -1 for any, got {value[~inside][0]:g}."
            )
        asked[name] = value.long() if name in _INTEGER else value
    if "type1" in asked and "type2" in asked and ((asked["type1"] == asked["type2"]) & (asked["type1"] >= 0)).any():
        raise UserError("The second type must differ from the first, or be none.")
    return asked
