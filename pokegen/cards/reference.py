"""Real species as cards: the yardstick for created ones in battle. Their moves are chosen as those of created creatures
are, so that a comparison is about stats, types and moves of one kind, not about sets that people have honed."""

import random
from collections.abc import Sequence
from typing import Any

from pokegen.cards.moves import choose_moves
from pokegen.data.pokedex import load_pokedex
from pokegen.schema import STATS, Species


def as_card(species: Species, seed: int = 0) -> dict[str, Any]:
    """A species as a card's JSON, without picture; `seed` draws its moves."""
    types = [species.type1, *([species.type2] if species.type2 else [])]
    stats = dict(zip(STATS, species.stats, strict=True)) | {"total": species.total}
    return {
        "name": species.name,
        "types": types,
        "stats": stats,
        "height_m": species.height_m,
        "weight_kg": species.weight_kg,
        "color": species.color,
        "legendary": species.legendary,
        "stage": species.stage,
        "ability": species.abilities[0] if species.abilities else None,
        "moves": choose_moves(types, stats, species.stage, random.Random(f"{species.number} {seed}")),
    }


def peers(totals: Sequence[int], each: int = 3) -> list[Species]:
    """For each total the `each` species of the nearest totals that were not taken before, by number."""
    found: dict[int, Species] = {}
    table = load_pokedex()
    for total in totals:
        free = (species for species in table if species.number not in found)
        near = sorted(free, key=lambda species: (abs(species.total - total), species.number * 7919 % 1031))
        found |= {species.number: species for species in near[:each]}
    return [found[number] for number in sorted(found)]
