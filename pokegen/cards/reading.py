"""From what the reader says of a name to the creature that bears it: its types, and which of many drawn rows fits best.

What a name calls to mind is evidence beside what is usual. So every distribution here is that of the real species, or
of the stats model, times how much likelier than usual the reader finds each value (Bayes' rule).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pokegen.data.pokedex import load_pokedex
from pokegen.schema import NO_TYPE, TYPES

_SURE = 2.0  # a power: who thinks up a name for a creature means it more than the names of the games do
_BLEND = 0.05  # how often a name of two words means both its types, next to either alone
_UNSEEN = 0.2  # species of each pair of types that no species has
_SAME_TALE = 0.25  # the numbers of a row, all large or all small, say one thing four times over


@cache
def _pairs() -> Tensor:
    """How common each pair of types is, (18, 19): rows the first type, the last column no second."""
    pairs = torch.full((len(TYPES), NO_TYPE + 1), _UNSEEN)
    for species in load_pokedex():
        pairs[TYPES.index(species.type1), TYPES.index(species.type2) if species.type2 else NO_TYPE] += 1
    pairs[:, :NO_TYPE].fill_diagonal_(0)
    return pairs


def read_types(evidence: Tensor, asked: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """The two types of a name that calls to mind each type `evidence` (18,) times as much as usual, int64 (1,) each;
    those that are `asked` stay.

    A name speaks of the first type, less often of the second, or of both, as a blend of two words does."""
    first = evidence[:, None] ** _SURE
    both = 0.75 * first + 0.25 * first.T + _BLEND * first * first.T
    likely = _pairs() * torch.cat([both, first], dim=1)
    for key, values in (("type1", likely), ("type2", likely.T)):
        if key in asked:
            others = torch.arange(len(values)) != asked[key]
            values[others] = 0
    place = int(torch.multinomial(likely.flatten(), 1, generator=generator))
    return {"type1": torch.tensor([place // (NO_TYPE + 1)]), "type2": torch.tensor([place % (NO_TYPE + 1)])}


def fitting(reader: Any, codes: Mapping[str, Tensor], numbers: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    """How well drawn rows, columns of (n,), go with what a `models.reader.Reader` read, but for the types: weights (n,)
    above 0."""
    log = torch.zeros(len(columns["type1"]))
    for key in ("color", "stage"):
        sure = _SURE if key == "color" else 1.0
        log += sure * (codes[key] / reader.usual(key)).log()[columns[key] - int(key == "stage")]
    rows = torch.stack([columns[key].double().log() for key in reader.numbers], dim=1)  # (n, 8)
    usual = ((rows - reader.center) / reader.spread).square()
    read = ((rows - numbers.log()) / reader.spread).square()
    return (log + _SAME_TALE * 0.5 * (usual - read).sum(dim=1)).softmax(dim=0)
