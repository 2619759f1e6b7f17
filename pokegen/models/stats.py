"""A generator of table rows: types, power tier, length of the evolution line, colour, generation, six stats, height and
weight, given any of them.

An order-agnostic autoregressive model (Hoogeboom et al., Autoregressive Diffusion Models, ICLR 2022). Every column is a
token, and a small residual network predicts the hidden ones. Training hides a random subset each time, so that one
network learns every conditional distribution. Sampling fills the open columns one after another.

Numeric columns become bins of about equal mass. Within a bin a value is drawn from the training rows, so that stats
favour multiples of five as real ones do, and heights and weights are multiples of 0.1. The network sees a bin through
smooth functions of its position, because 830 rows are too few to learn each bin separately.

Properties that bins cannot express are columns of their own, drawn before the stats and never shown (`SHAPE`): whether
attack equals special attack, whether defense equals special defense, how many of the six stats are not multiples of
five (none, in half of the real rows), and roughly their sum.

Rules that hold by construction: the two types differ; legendary is a tier; no stage exceeds the length of its line;
stats are whole numbers that occur in the table; the total is their sum; given conditions are returned exactly.

Left out: the other forms of a line (cards/evolution.py derives them from the first), abilities and egg groups.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.network import Network
from pokegen.schema import CATEGORIES, NO_TYPE, STAGES, STAT_MAX, STAT_MIN, STATS, TIERS, TYPES

# Numeric column -> lowest and highest value of a condition: stats, metres, kilograms.
NUMERIC = {**dict.fromkeys(STATS, (STAT_MIN, STAT_MAX)), "height_m": (0.1, 100.0), "weight_kg": (0.1, 10_000.0)}
COLUMNS = (*CATEGORIES, *NUMERIC)
# Properties of the six stats that are drawn before them: number of values, and the bins of their sum.
SHAPE = {"twin_attack": 2, "twin_defense": 2, "uneven": len(STATS) + 1}
_TOTAL = "total"
_CODES = {name: len(values) for name, values in CATEGORIES.items()} | SHAPE
_NUMBERS = (_TOTAL, *NUMERIC)
TOKENS = (*_CODES, *_NUMBERS)  # in the order of sampling
_TWINS = {"twin_attack": ("attack", "sp_atk"), "twin_defense": ("defense", "sp_def")}
_ROUND = 5  # most real stats are multiples of it
_INTEGER = (*CATEGORIES, *STATS)
_FLOATS = ("height_m", "weight_kg")
_ROWS = 2048  # sampled at once: fits the processor's cache
_NEVER = 1e9  # larger than every value, and finite: averaging the weights subtracts buffers from themselves


def _pairs() -> dict[tuple[str, str], tuple[Tensor, str]]:
    """Pairs of columns that constrain each other: the allowed combinations, bool (values, values), and the rule."""
    types = ~torch.eye(len(TYPES), NO_TYPE + 1, dtype=torch.bool)
    legendary = torch.tensor([[tier == "legendary"] for tier in TIERS]) == torch.tensor([False, True])
    stages = torch.arange(len(STAGES))
    return {
        ("type1", "type2"): (types, "The second type must differ from the first, or be none."),
        ("tier", "legendary"): (legendary, "Legendary Pokémon have the tier legendary, and no others have it."),
        ("line", "stage"): (stages[:, None] >= stages, "The stage cannot exceed the length of the evolution line."),
    }


PAIRS = _pairs()
_PARTNER = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}


class StatsModel(Network):
    """Samples and scores rows of the table.

    Args:
        bins: Largest number of bins of a numeric column.
        draws: Training values kept per bin (evenly spaced ones if it holds more).
        rare: Share of the training values at each end of a column that is sampled only on request: values of single
            species, such as 255 HP or 20 m.
        waves: Cosines that encode and predict a bin; fewer is smoother.
        layers: Residual blocks.
        width: Channels.
        dropout: Rate inside the blocks, in [0, 1).
        ordered: Share of training rows that hide all columns after a random one, as sampling does, rather than any.
    """

    edges: Tensor
    values: Tensor
    filled: Tensor
    mass: Tensor
    basis: Tensor
    shares: Tensor
    tilt: Tensor

    def __init__(
        self,
        bins: int = 32,
        draws: int = 64,
        rare: float = 0.005,
        waves: int = 8,
        layers: int = 2,
        width: int = 128,
        dropout: float = 0.2,
        ordered: float = 0.5,
    ) -> None:
        super().__init__()
        self.ordered = ordered
        self.bins, self.rare = bins, rare
        # Edges are the lowest value of each bin but the first, _NEVER if a column has fewer bins. Before `prepare` has
        # seen a table, a stat may be any whole number, a height or weight any up to 20 m and 1000 kg.
        self.register_buffer("edges", torch.full((len(_NUMBERS), bins - 1), _NEVER, dtype=torch.float64))
        self.register_buffer("values", torch.zeros(len(_NUMBERS), bins, draws, dtype=torch.float64))
        self.register_buffer("filled", torch.ones(len(_NUMBERS), bins, dtype=torch.bool))
        # The logarithm of a bin's share of the rows. The network predicts only a smooth deviation from it, so it need
        # not learn the preference for round numbers.
        self.register_buffer("mass", torch.zeros(len(_NUMBERS), bins))
        ranges = {_TOTAL: (len(STATS) * STAT_MIN, len(STATS) * STAT_MAX), **NUMERIC}
        for row, (name, (low, high)) in enumerate({} if self.edges.is_meta else ranges.items()):
            top = {"height_m": 20.0, "weight_kg": 1000.0}.get(name, high)
            self._set_bins(row, _round(name, torch.linspace(low, top, bins * draws, dtype=torch.float64)))

        # The share of each value of each column in the training rows, and `calibrate`'s offsets of the logits.
        most = max(bins, *_CODES.values())
        self.register_buffer("shares", torch.zeros(len(TOKENS), most))
        self.register_buffer("tilt", torch.zeros(len(TOKENS), most))
        for (a, b), (fits, _) in PAIRS.items():
            self.register_buffer(f"fits_{a}", fits, persistent=False)
            self.register_buffer(f"fits_{b}", fits.T, persistent=False)

        # One embedding per column, summed: equivalent to the first layer of a network on one-hot columns.
        self.categories = nn.ParameterList(torch.randn(size, width) for size in _CODES.values())
        self.numbers = nn.Parameter(torch.randn(len(_NUMBERS), waves, width))
        self.hidden = nn.Parameter(torch.randn(len(TOKENS), width))
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
        self.heads = nn.ModuleList(nn.Linear(width, _CODES.get(name, waves)) for name in TOKENS)
        # cos(k * pi * u) at the centre u of each bin: a cosine basis, (bins, waves).
        self.register_buffer("basis", torch.empty(bins, waves), persistent=False)
        if not self.basis.is_meta:
            u = (torch.arange(bins) + 0.5) / bins
            self.basis.copy_(torch.cos(math.pi * u[:, None] * torch.arange(1, waves + 1)))

    def prepare(self, datamodule: Any) -> None:
        """Compute bins and their values from the training split, `datamodule.columns["train"]`, columns of (N,)."""
        columns = _derive(datamodule.columns["train"])
        for row, name in enumerate(_NUMBERS):
            self._set_bins(row, _round(name, columns[name].double()))
        self.shares.copy_(self._count(columns))

    def _count(self, columns: Mapping[str, Tensor]) -> Tensor:
        """The share of each value of each column, (20, values)."""
        tokens = self.tokenise(columns)
        counts = [torch.bincount(column, minlength=self.shares.shape[1]) for column in tokens.T]
        return torch.stack(counts) / len(tokens)

    def calibrate(self, rows: int = 20_000, rounds: int = 3) -> None:
        """Adjust each column so that samples have the training rows' shares (raking: Deming and Stephan, Annals of
        Mathematical Statistics 1940), which a network stopped early still blurs. Called by `pokegen zoo export`."""
        generator = torch.Generator().manual_seed(0)
        for _ in range(rounds):
            drawn = self._count(self.sample(rows, generator=generator))
            self.tilt += 0.7 * ((self.shares + 1e-4) / (drawn + 1e-4)).log()

    def _set_bins(self, row: int, values: Tensor) -> None:
        """Bins of about equal mass; equal values share a bin."""
        bins, draws = self.values.shape[1:]
        values = values.sort().values.to(self.edges.device)
        parts: list[Tensor] = []
        left = values
        for remaining in range(bins, 0, -1):
            if not len(left):
                break
            size = max(1, round(len(left) / remaining)) if remaining > 1 else len(left)
            # If the cut would split equal values, all of them go to the nearer side.
            below, above = (left < left[size - 1]).sum().item(), (left <= left[size - 1]).sum().item()
            cut = below if below and size - below < above - size else above
            parts.append(left[:cut])
            left = left[cut:]
        usual = values[round(self.rare * len(values))], values[-1 - round(self.rare * len(values))]
        self.edges[row] = _NEVER
        self.filled[row] = False
        self.mass[row] = 0.0
        for i, part in enumerate(parts):
            if i:
                self.edges[row, i - 1] = part[0]
            self.filled[row, i] = True
            self.mass[row, i] = math.log(len(part) / len(values))
            inside = (part >= usual[0]) & (part <= usual[1])
            part = part[inside] if inside.any() else part.clamp(*usual)
            self.values[row, i] = part[torch.arange(draws, device=part.device) * len(part) // draws]

    def _bin(self, row: int, values: Tensor) -> Tensor:
        """The bins of values (N,) of numeric column `row`."""
        edges = self.edges[row]
        return torch.searchsorted(edges, values.double().contiguous().to(edges.device), right=True)

    def tokenise(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Raw columns of (N,) -> int64 (N, 20): categories from 0, bins; -1 where a column is missing or unknown."""
        columns = _derive(columns)
        tokens = []
        for name in TOKENS:
            column = columns[name].to(self.edges.device)
            known = column - _lowest(name) if name in _CODES else self._bin(_NUMBERS.index(name), column)
            tokens.append(torch.where(column == -1, -1, known).long())
        return torch.stack(tokens, dim=1)

    def embed(self, tokens: Tensor) -> Tensor:
        """The input of the network: int64 (B, 20), -1 for hidden -> (B, C)."""
        return torch.stack([self._embed(i, tokens[:, i]) for i in range(len(TOKENS))]).sum(dim=0)

    def _embed(self, column: int, tokens: Tensor) -> Tensor:
        number = column - len(_CODES)
        table = self.categories[column] if number < 0 else self.basis @ self.numbers[number]  # (values, C)
        return torch.cat([table, self.hidden[column : column + 1]])[tokens]  # -1 is the last row

    def predict(self, x: Tensor, tokens: Tensor, columns: Sequence[int]) -> list[Tensor]:
        """Logits of some columns, from the sum of the embeddings (B, C) of `tokens` (B, 20)."""
        for block in self.blocks:
            x = x + block(x)
        x = self.norm(x)
        logits = []
        for i in columns:
            out = self.heads[i](x)
            if i >= len(_CODES):
                row = i - len(_CODES)
                out = (out @ self.basis.T + self.mass[row]).masked_fill(~self.filled[row], -torch.inf)  # (B, bins)
            elif (partner := _PARTNER.get(TOKENS[i])) is not None:
                other = tokens[:, TOKENS.index(partner)]
                fits = getattr(self, f"fits_{partner}")[other] | (other < 0)[:, None]
                out = out.masked_fill(~fits, -torch.inf)
            logits.append(out + self.tilt[i, : out.shape[1]])
        return logits

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Logits of every column given those that are not -1: int64 (B, 20) -> 20 times float32 (B, values)."""
        return self.predict(self.embed(tokens), tokens, range(len(TOKENS)))

    def loss(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`loss`: nats per column, averaged over random subsets of hidden columns; all sizes are equally likely. Lower
        is better.

        In evaluation the subsets are fixed, so that epochs can be compared.
        """
        tokens = self.tokenise(batch)
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
        )  # (B, 20)
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
            n: Number of rows, 1 or more.
            condition: Any of `COLUMNS`, one value or (n,); they are returned unchanged. -1 leaves a row's value open.
                Types, colour and legendary are indices of the schema, stats whole numbers, `height_m` metres,
                `weight_kg` kilograms.
            generator: A generator on the CPU; the same state gives the same rows.
            temperature: 0.01 to 100; lower gives more typical rows, higher wilder ones.

        Returns:
            `COLUMNS` and `total`: int64; `height_m` and `weight_kg` float64, rounded to 0.1 if sampled.
        """
        if n < 1:
            raise UserError(f"Expected 1 row or more, got {n}.")
        if not 0.01 <= temperature <= 100:
            raise UserError(f"Expected a temperature from 0.01 to 100, got {temperature:g}.")
        if generator is None:
            generator = torch.Generator()
            generator.seed()
        columns = _derive(_check_condition(condition, n) or {"type1": torch.full((n,), -1)})
        parts = []
        for start in range(0, n, _ROWS):
            part = {name: column[start : start + _ROWS] for name, column in columns.items()}
            parts.append(self._fill(part, generator, temperature))
        return {
            name: torch.cat([part[name] for part in parts]).to(torch.float64 if name in _FLOATS else torch.int64)
            for name in (*COLUMNS, _TOTAL)
        }

    def _fill(self, columns: dict[str, Tensor], generator: torch.Generator, temperature: float) -> dict[str, Tensor]:
        """Columns of `_derive` with each -1 sampled, and the total."""
        tokens = self.tokenise(columns)
        n = len(tokens)
        x = self.embed(tokens)  # (n, C)
        for i, name in enumerate(TOKENS):
            open_ = tokens[:, i] < 0
            uniform = torch.rand(3, n, generator=generator)
            if not open_.any():
                continue
            logits = self.predict(x, tokens, [i])[0].cpu().float() / temperature
            if name in _CODES:
                token = _draw(logits, uniform[0])
                value = (token + _lowest(name)).double()
            else:
                token, value = self._draw_number(name, logits, columns, uniform)
            token = torch.where(open_, token.to(tokens.device), tokens[:, i])
            x = x + self._embed(i, token) - self._embed(i, tokens[:, i])
            tokens[:, i] = token
            columns[name] = torch.where(open_.cpu(), value, columns[name])
        columns[_TOTAL] = torch.stack([columns[stat] for stat in STATS]).sum(dim=0)
        return columns

    def _draw_number(
        self, name: str, logits: Tensor, columns: Mapping[str, Tensor], uniform: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Bins (n,) and values (n,) of a numeric column, from logits (n, bins) and random numbers (3, n)."""
        row = _NUMBERS.index(name)
        values = _round(name, self.values[row].cpu())  # (bins, draws)
        if name not in STATS:
            bins = _draw(logits, uniform[0])
            return bins, values[bins, (uniform[1] * values.shape[1]).long()]
        # As many multiples of five as `SHAPE` requires, in any order.
        known = torch.stack([columns[stat] for stat in STATS])  # (6, n)
        left = columns["uneven"] - ((known >= 0) & (known % _ROUND != 0)).sum(dim=0)
        odd = uniform[1] * (known < 0).sum(dim=0) < left
        uneven = values % _ROUND != 0
        share = torch.stack([1 - uneven.float().mean(dim=1), uneven.float().mean(dim=1)])[odd.long()]  # (n, bins)
        twin, other = self._twin(name, columns)
        near = self._bin(row, other).cpu()
        # A stat that must not equal its twin must not do so by chance either.
        alone = (uneven[near] == odd[:, None]) & (values[near] != other[:, None])
        lonely = share.scatter(1, near[:, None], alone.float().mean(dim=1, keepdim=True))
        share = torch.where(twin[:, None], share, lonely)
        fitting = logits + share.log()
        bins = _draw(torch.where(fitting.isfinite().any(dim=1, keepdim=True), fitting, logits), uniform[0])
        fits = (uneven[bins] == odd[:, None]) & (values[bins] != other[:, None])
        fits |= ~fits.any(dim=1, keepdim=True)
        place = (uniform[2] * fits.sum(dim=1)).floor()[:, None]
        value = values[bins, (fits.cumsum(dim=1) > place).int().argmax(dim=1)]
        return torch.where(twin, near, bins), torch.where(twin, other, value)

    @staticmethod
    def _twin(name: str, columns: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Whether a stat must equal its twin, bool (n,), and the twin's values (n,), -1 if not sampled yet."""
        for twin, pair in _TWINS.items():
            if name in pair:
                other = columns[pair[1 - pair.index(name)]]
                return (columns[twin] == 1) & (other >= 0), other
        nobody = torch.full_like(columns[name], -1)
        return nobody > 0, nobody


def _derive(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The columns, float64 (N,), plus those of `SHAPE` and the total; -1 where the stats do not determine them."""
    n = len(next(iter(columns.values())))
    nothing = torch.full((n,), -1.0, dtype=torch.float64)
    known = {name: columns.get(name, nothing).double() for name in COLUMNS}
    stats = torch.stack([known[stat] for stat in STATS], dim=1)
    whole = (stats >= 0).all(dim=1)
    known["uneven"] = torch.where(whole, (stats % _ROUND != 0).sum(dim=1).double(), -1)
    known[_TOTAL] = torch.where(whole, stats.sum(dim=1), -1)
    for twin, (a, b) in _TWINS.items():
        both = (known[a] >= 0) & (known[b] >= 0)
        known[twin] = torch.where(both, (known[a] == known[b]).double(), -1)
    return known


def _round(name: str, values: Tensor) -> Tensor:
    """Stats to whole numbers; heights and weights to 0.1, as in the table."""
    # Dividing by ten gives exactly the float 0.7; multiplying by 0.1 would not.
    return values.round() if name in (*STATS, _TOTAL) else (values * 10).round() / 10


def _draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """One index per row of (N, V), by the inverse of the cumulative distribution at `uniform` (N,) in [0, 1)."""
    cumulative = logits.softmax(dim=1).double().cumsum(dim=1)
    place = uniform.double()[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, place, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def _lowest(name: str) -> int:
    """The value with index 0 of a category, or of SHAPE."""
    return CATEGORIES[name][0] if name in CATEGORIES else 0


def _check_condition(condition: Mapping[str, Any] | None, n: int) -> dict[str, Tensor]:
    """The given columns, float64 or int64 (n,) on the CPU. UserError for values that no row can have."""
    asked: dict[str, Tensor] = {}
    for name, raw in (condition or {}).items():
        if name not in COLUMNS:
            raise UserError(f"Unknown condition {name!r} for stats. Known: {', '.join(COLUMNS)}.")
        value = raw.cpu() if isinstance(raw, Tensor) else torch.as_tensor(raw, dtype=torch.float64)
        if value.ndim > 1 or value.numel() not in (1, n):
            raise UserError(f"Condition {name!r}: expected one value or {n}, got shape {tuple(value.shape)}.")
        value = value.reshape(-1).expand(n)
        # 7.7 as a float32 is 7.69999981: rounding to four decimals restores the intended value.
        value = (value.double() * 1e4).round() / 1e4 if value.dtype == torch.float32 else value.double()
        low, high = NUMERIC[name] if name in NUMERIC else (CATEGORIES[name][0], CATEGORIES[name][-1])
        inside = (value == -1) | ((value >= low) & (value <= high))
        if name in _INTEGER:
            inside &= value == value.round()
        if not inside.all():
            kind = "a whole number from" if name in _INTEGER else "a number from"
            raise UserError(
                f"Condition {name!r}: expected {kind} {low:g} to {high:g}, or -1 for any, got {value[~inside][0]:g}."
            )
        asked[name] = value.long() if name in _INTEGER else value
    for (a, b), (fits, rule) in PAIRS.items():
        if a in asked and b in asked:
            first, second = asked[a] - _lowest(a), asked[b] - _lowest(b)
            if not (fits[first, second] | (asked[a] < 0) | (asked[b] < 0)).all():
                raise UserError(rule)
    return asked
