"""Compares `data/pokedex.csv` with an independent source, the CSV tables of PokeAPI (folder `data/v2/csv` of its
repository). Prints how many species agree, and a Markdown table of every difference.

    python benchmarks/check_pokedex.py PATH_TO_POKEAPI_CSV

Compares the default forms: types, the six stats, colour, height, weight, legendary, and what a species evolves from.
Left out: abilities and egg groups, which are spelt differently there; evolution levels, which PokeAPI lists by game.
"""

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pokegen.data.pokedex import load_pokedex
from pokegen.schema import STAT_LABELS

FIELDS = ("Type1", "Type2", *STAT_LABELS, "Color", "Height (m)", "Weight (kg)", "Legendary", "EvolvesFrom")


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pokeapi_rows(folder: Path) -> dict[int, dict[str, Any]]:
    """National number to the values of `FIELDS`, as PokeAPI has them; `EvolvesFrom` is a national number or None."""
    type_names = {row["id"]: row["identifier"].title() for row in read(folder, "types")}
    color_names = {row["id"]: row["identifier"].title() for row in read(folder, "pokemon_colors")}
    types = {(row["pokemon_id"], row["slot"]): type_names[row["type_id"]] for row in read(folder, "pokemon_types")}
    stats = {(row["pokemon_id"], row["stat_id"]): int(row["base_stat"]) for row in read(folder, "pokemon_stats")}
    form = {row["species_id"]: row for row in read(folder, "pokemon") if row["is_default"] == "1"}
    rows = {}
    for species in read(folder, "pokemon_species"):
        default = form[species["id"]]
        key, parent = default["id"], species["evolves_from_species_id"]
        values = (
            types[key, "1"], types.get((key, "2")),
            *(stats[key, str(i)] for i in range(1, 7)),
            color_names[species["color_id"]], int(default["height"]) / 10, int(default["weight"]) / 10,
            species["is_legendary"] == "1" or species["is_mythical"] == "1", int(parent) if parent else None,
        )  # fmt: skip
        rows[int(species["id"])] = dict(zip(FIELDS, values, strict=True))
    return rows


def differences(folder: Path) -> list[tuple[int, str, str, Any, Any]]:
    """(number, name, field, ours, PokeAPI's) for each value that differs."""
    theirs = pokeapi_rows(folder)
    table = load_pokedex()
    number_of = {s.name: s.number for s in table}
    if theirs.keys() != set(number_of.values()):
        raise SystemExit(f"different species: {sorted(theirs.keys() ^ set(number_of.values()))}")
    found = []
    for s in table:
        parent = number_of[s.evolves_from] if s.evolves_from else None
        ours = (s.type1, s.type2, *s.stats, s.color, s.height_m, s.weight_kg, s.legendary, parent)
        for name, mine in zip(FIELDS, ours, strict=True):
            if mine != theirs[s.number][name]:
                found.append((s.number, s.name, name, mine, theirs[s.number][name]))
    return found


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    found = differences(Path(sys.argv[1]))
    counts = Counter(name for _, _, name, _, _ in found)
    total = len(load_pokedex())
    print(f"{total} species. Differences: " + ", ".join(f"{name} {counts[name]}" for name in FIELDS) + "\n")
    print("| No | species | field | pokedex.csv | PokeAPI |\n|---:|---|---|---|---|")
    for number, species, name, mine, other in sorted(found, key=lambda f: (FIELDS.index(f[2]), f[0])):
        print(f"| {number} | {species} | {name} | {mine} | {other} |")


if __name__ == "__main__":
    main()
