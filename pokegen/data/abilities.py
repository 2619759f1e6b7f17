"""The table of abilities: `data/abilities.csv`, which counts the species that have each ability.

Built from poke-env's pokédex (generation 9), base forms, hidden abilities included. Left out: what an ability does.
Reading uses only the standard library, because `pokegen card` starts with it.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pokegen.files import write_csv
from pokegen.resources import shipped
from pokegen.schema import STAGES, STAT_LABELS, STATS, TYPES, Species

TRAITS = (*TYPES, *(f"Stage {stage}" for stage in STAGES), "Legendary")  # what owners are counted by
ABILITY_COLUMNS = ("Name", "Species", "Families", *TRAITS, *STAT_LABELS)


@dataclass(frozen=True)
class Ability:
    """One ability of the games, and the species that have it."""

    name: str
    species: int  # how many have it
    families: int  # of how many evolution families
    traits: dict[str, int]  # each of TRAITS → how many of the species have it
    stats: dict[str, int]  # each of STATS → mean over the species, in percent of a species' mean stat


def traits_of(types: list[str], stage: int, legendary: bool) -> list[str]:
    """Those of TRAITS that a creature has."""
    return [*types, f"Stage {stage}", *(["Legendary"] if legendary else [])]


def build_abilities() -> list[Ability]:
    """The abilities that at least one species has, by name."""
    from pokegen.data.pokedex import build_species

    owners: dict[str, list[Species]] = defaultdict(list)
    for species in build_species():
        for name in dict.fromkeys(species.abilities):
            owners[name].append(species)
    abilities = []
    for name, group in sorted(owners.items()):
        traits = [t for s in group for t in traits_of([s.type1, *filter(None, [s.type2])], s.stage, s.legendary)]
        percent = [sum(100 * len(STATS) * s.stats[i] / s.total for s in group) / len(group) for i in range(len(STATS))]
        abilities.append(
            Ability(
                name=name,
                species=len(group),
                families=len({species.family for species in group}),
                traits={trait: traits.count(trait) for trait in TRAITS},
                stats={stat: round(value) for stat, value in zip(STATS, percent, strict=True)},
            )
        )
    return abilities


def write_abilities(path: Path) -> int:
    """Build the abilities and write them to `path`, the same bytes each time. Returns the number of rows."""
    abilities = build_abilities()
    rows = [(a.name, a.species, a.families, *a.traits.values(), *a.stats.values()) for a in abilities]
    write_csv(path, [ABILITY_COLUMNS, *rows])
    return len(rows)


@cache
def load_abilities() -> tuple[Ability, ...]:
    """The shipped abilities, by name."""
    with open(shipped("data/abilities.csv"), newline="", encoding="utf-8") as file:
        return tuple(
            Ability(
                name=row["Name"],
                species=int(row["Species"]),
                families=int(row["Families"]),
                traits={trait: int(row[trait]) for trait in TRAITS},
                stats={stat: int(row[label]) for stat, label in zip(STATS, STAT_LABELS, strict=True)},
            )
            for row in csv.DictReader(file)
        )
