"""Writes `data/french.csv` from PokeAPI's CSV tables: the French names of what a card shows.

python benchmarks/french.py PATH        PATH: data/v2/csv of https://github.com/PokeAPI/pokeapi
"""

import csv
import sys
from pathlib import Path

from pokegen.data.abilities import load_abilities
from pokegen.data.moves import load_moves
from pokegen.files import write_csv
from pokegen.resources import shipped
from pokegen.schema import COLORS, STAT_LABELS, TYPES

ENGLISH, FRENCH = "9", "5"  # PokeAPI's language numbers
# kind → PokeAPI's table, and the names that are needed
SOURCES = {
    "type": ("type_names.csv", TYPES),
    "color": ("pokemon_color_names.csv", COLORS),
    "stat": ("stat_names.csv", STAT_LABELS),
    "ability": ("ability_names.csv", [ability.name for ability in load_abilities()]),
    "move": ("move_names.csv", [move.name for move in load_moves()]),
}
LONG = {"Special Attack": "Sp. Atk", "Special Defense": "Sp. Def"}  # what this project abbreviates
SHORT = {"Attaque Spéciale": "Atq. Spé.", "Défense Spéciale": "Déf. Spé."}  # as the games abbreviate them


def french_names(path: Path) -> dict[str, str]:
    """English name to French name, from one of PokeAPI's tables."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    english = {row[0]: row[2] for row in rows if row[1] == ENGLISH}
    french = {row[0]: row[2] for row in rows if row[1] == FRENCH}
    return {plain(LONG.get(name, name)): SHORT.get(french[i], french[i]) for i, name in english.items() if i in french}


def plain(name: str) -> str:
    return name.replace("’", "'")


def main() -> None:
    rows, missing = [], []
    for kind, (table, wanted) in SOURCES.items():
        names = french_names(Path(sys.argv[1]) / table)
        rows += [(kind, name, names[plain(name)].replace("'", "’")) for name in wanted if plain(name) in names]
        missing += [f"{kind} {name}" for name in wanted if plain(name) not in names]
    write_csv(shipped("data/french.csv"), [("Kind", "English", "French"), *rows])
    print(f"{len(rows)} names; missing: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()
