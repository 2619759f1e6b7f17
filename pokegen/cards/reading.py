"""From the reader's view of a name to the creature: its types, and which of many sampled rows fits best.

Every distribution here is that of the real species, or of the stats model, times how much likelier than usual the
reader finds each value (Bayes' rule).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pokegen.data.pokedex import load_pokedex
from pokegen.schema import NO_TYPE, TYPES

_SURE = 2.0  # exponent of the evidence: a name made up for one creature says more than the names of the games do
_BLEND = 0.05  # share of names of two words that mean both types
_UNSEEN = 0.2  # species of each pair of types that no species has
_SAME_TALE = 0.25  # weight of the numbers of a row, which rise and fall together


@cache
def _pairs() -> Tensor:
    """How common each pair of types is, (18, 19): rows the first type, the last column no second."""
    pairs = torch.full((len(TYPES), NO_TYPE + 1), _UNSEEN)
    for species in load_pokedex():
        pairs[TYPES.index(species.type1), TYPES.index(species.type2) if species.type2 else NO_TYPE] += 1
    pairs[:, :NO_TYPE].fill_diagonal_(0)
    return pairs


def read_types(evidence: Tensor, requested: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """The two types of a name, int64 (1,) each. `evidence` (18,): how many times likelier than usual each type is. The
    `requested` types stay.

    A name refers to the first type, less often to the second, or to both, as a blend of two words does."""
    first = evidence[:, None] ** _SURE
    both = 0.75 * first + 0.25 * first.T + _BLEND * first * first.T
    likely = _pairs() * torch.cat([both, first], dim=1)
    for key, values in (("type1", likely), ("type2", likely.T)):
        if key in requested:
            others = torch.arange(len(values)) != requested[key]
            values[others] = 0
    place = int(torch.multinomial(likely.flatten(), 1, generator=generator))
    return {"type1": torch.tensor([place // (NO_TYPE + 1)]), "type2": torch.tensor([place % (NO_TYPE + 1)])}


def fitting(reader: Any, codes: Mapping[str, Tensor], numbers: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    """How well sampled rows, columns of (n,), agree with the output of a `models.reader.Reader`, without the types:
    weights (n,) above 0."""
    log = torch.zeros(len(columns["type1"]))
    for key in ("color", "stage"):
        sure = _SURE if key == "color" else 1.0
        log += sure * (codes[key] / reader.usual(key)).log()[columns[key] - int(key == "stage")]
    rows = torch.stack([columns[key].double().log() for key in reader.numbers], dim=1)  # (n, 8)
    usual = ((rows - reader.center) / reader.spread).square()
    read = ((rows - numbers.log()) / reader.spread).square()
    return (log + _SAME_TALE * 0.5 * (usual - read).sum(dim=1)).softmax(dim=0)
