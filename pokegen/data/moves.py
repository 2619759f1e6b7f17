"""The two small tables that cards need: `data/moves.csv` (moves learnt by level-up) and `data/type_chart.csv`.

Both are built from poke-env's generation 9 data. Left out: Z-moves, Max moves and moves that no species of generation 9
learns by level-up; effects of a move other than damage; the Stellar type. Reading uses only the standard library,
because `pokegen card` starts with it.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median_low

from pokegen.files import write_csv
from pokegen.resources import shipped
from pokegen.schema import TYPES

MOVE_COLUMNS = ("Name", "Type", "Category", "Power", "Accuracy", "PP", "Level", "Learners")


@dataclass(frozen=True)
class Move:
    """One move as the games define it, and how common it is."""

    name: str
    type: str
    category: str  # Physical, Special or Status
    power: int | None  # base power; None for status moves and for moves whose power depends on the battle
    accuracy: int | None  # percent; None for moves that cannot miss
    pp: int  # how often it can be used
    level: int  # median level at which species learn it; 0 is "on evolving"
    learners: int  # number of species that learn it by level-up


def build_moves() -> list[Move]:
    """The moves of generation 9 that at least one species learns by level-up, by name."""
    from poke_env.data import GenData

    data = GenData.from_gen(9)
    levels: dict[str, list[int]] = defaultdict(list)  # move → one level per species
    species: dict[int, str] = {}  # cosmetic forms repeat a number and would count their species twice
    for key, entry in data.pokedex.items():
        if entry["num"] > 0 and "forme" not in entry:
            species.setdefault(entry["num"], key)
    for key in species.values():
        for move, sources in data.learnset.get(key, {}).get("learnset", {}).items():
            # The highest, since evolved species also list level 1, for the move reminder.
            own = [int(source[2:]) for source in sources if source.startswith("9L")]
            if own:
                levels[move].append(max(own))
    moves = []
    for key, learnt in levels.items():
        entry = data.moves[key]
        if entry.get("isNonstandard") or entry.get("isZ") or entry.get("isMax"):
            continue
        moves.append(
            Move(
                name=entry["name"],
                type=entry["type"],
                category=entry["category"],
                power=entry["basePower"] or None,
                accuracy=None if entry["accuracy"] is True else entry["accuracy"],
                pp=entry["pp"],
                level=median_low(learnt),
                learners=len(learnt),
            )
        )
    return sorted(moves, key=lambda move: move.name)


def build_type_chart() -> dict[str, dict[str, float]]:
    """`chart[attacking][defending]` is the damage factor: 0, 0.5, 1 or 2."""
    from poke_env.data import GenData

    defending_first = GenData.from_gen(9).type_chart
    return {a: {d: float(defending_first[d.upper()][a.upper()]) for d in TYPES} for a in TYPES}


def write_moves(path: Path) -> int:
    """Build the moves and write them to `path`, the same bytes each time. Returns the number of rows."""
    moves = build_moves()
    rows = [(m.name, m.type, m.category, m.power, m.accuracy, m.pp, m.level, m.learners) for m in moves]
    write_csv(path, [MOVE_COLUMNS, *rows])  # csv writes None as an empty field
    return len(rows)


def write_type_chart(path: Path) -> int:
    """Build the chart and write it to `path`: attacking types down, defending across. Returns the number of rows."""
    chart = build_type_chart()
    rows = [(attacking, *(f"{factor:g}" for factor in row.values())) for attacking, row in chart.items()]
    write_csv(path, [("Attacking", *TYPES), *rows])
    return len(rows)


@cache
def load_moves() -> tuple[Move, ...]:
    """The shipped moves, by name."""
    with open(shipped("data/moves.csv"), newline="", encoding="utf-8") as file:
        return tuple(
            Move(
                name=row["Name"],
                type=row["Type"],
                category=row["Category"],
                power=int(row["Power"]) if row["Power"] else None,
                accuracy=int(row["Accuracy"]) if row["Accuracy"] else None,
                pp=int(row["PP"]),
                level=int(row["Level"]),
                learners=int(row["Learners"]),
            )
            for row in csv.DictReader(file)
        )


@cache
def load_type_chart() -> dict[str, dict[str, float]]:
    """The shipped chart: `chart[attacking][defending]` is the damage factor: 0, 0.5, 1 or 2."""
    with open(shipped("data/type_chart.csv"), newline="", encoding="utf-8") as file:
        return {
            row["Attacking"]: {defending: float(row[defending]) for defending in TYPES} for row in csv.DictReader(file)
        }
