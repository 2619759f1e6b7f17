"""The official French names of types, colours, stats, moves and abilities, from `data/french.csv`."""

import csv
from functools import cache

from pokegen.resources import shipped


@cache
def _french() -> dict[tuple[str, str], str]:
    """Kind and English name to French name."""
    with open(shipped("data/french.csv"), newline="", encoding="utf-8") as file:
        return {(row["Kind"], row["English"]): row["French"] for row in csv.DictReader(file)}


def translated(kind: str, name: str, lang: str) -> str:
    """A name of the games in a language: the English one where `lang` is "en" or no translation is known.

    Args:
        kind: "move", "ability", "type", "color" or "stat".
        name: as the schema and the tables write it: "Fire", "Sp. Atk", "Flamethrower".
        lang: one of schema.LANGUAGES.
    """
    return _french().get((kind, name), name) if lang == "fr" else name
