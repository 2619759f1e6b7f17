"""The table of species: `data/pokedex.csv`, built from the pokédex that poke-env carries, and read by everything else.

Left out: forms (Mega, regional, Gigantamax); a row is a species in its base form.
Reading uses only the standard library, because `pokegen card` starts with it.
"""

import csv
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

from pokegen.errors import DataError
from pokegen.resources import shipped
from pokegen.schema import (
    COLORS,
    COLUMNS,
    REQUIRED_COLUMNS,
    STAT_LABELS,
    STAT_MAX,
    STAT_MIN,
    TYPES,
    Species,
    generation_of,
)

LEGENDARY_TAGS = {"Sub-Legendary", "Restricted Legendary", "Mythical"}
_OUTSIDE_THE_GAMES = {"Melmetal": "Meltan"}  # evolves in Pokémon GO alone, so Showdown lists no line
_SHOWDOWN_STATS = ("hp", "atk", "def", "spa", "spd", "spe")


def build_species() -> list[Species]:
    """The 1,025 species in national order, from the pokédex of poke-env (generation 9)."""
    from poke_env.data import GenData

    entries = GenData.from_gen(9).pokedex
    base: dict[int, dict] = {}  # cosmetic forms repeat a number; the first entry is the base form
    for entry in entries.values():
        if entry["num"] > 0 and "forme" not in entry:
            # Showdown writes é as two characters
            base.setdefault(entry["num"], entry | {"name": unicodedata.normalize("NFC", entry["name"])})
    number_of = {e["name"]: e["num"] for e in entries.values()}  # forms too: Sirfetch’d comes from Farfetch’d-Galar

    def line(number: int) -> list[int]:
        """National numbers from the first of the evolution line to this species."""
        prevo = base[number].get("prevo") or _OUTSIDE_THE_GAMES.get(base[number]["name"])
        return [*(line(number_of[prevo]) if prevo else []), number]

    species = []
    for number, entry in sorted(base.items()):
        ancestors = line(number)
        types = entry["types"]
        species.append(
            Species(
                number=number,
                name=entry["name"],
                type1=types[0],
                type2=types[1] if len(types) > 1 else None,
                stats=tuple(entry["baseStats"][s] for s in _SHOWDOWN_STATS),
                generation=generation_of(number),
                legendary=bool(LEGENDARY_TAGS & set(entry.get("tags", ()))),
                color=entry["color"],
                height_m=float(entry["heightm"]),
                weight_kg=float(entry["weightkg"]),
                evolves_from=base[ancestors[-2]]["name"] if len(ancestors) > 1 else None,
                evolution_level=entry.get("evoLevel"),
                stage=len(ancestors),
                family=base[ancestors[0]]["name"],
                abilities=tuple(entry["abilities"].values()),
                egg_groups=tuple(entry["eggGroups"]),
            )
        )
    return species


def write_pokedex(path: Path) -> int:
    """Build the table and write it to `path`, the same bytes each time. Returns the number of rows."""
    species = build_species()
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for s in species:
            writer.writerow(
                [
                    s.number,
                    s.name,
                    s.type1,
                    s.type2 or "",
                    s.total,
                    *s.stats,
                    s.generation,
                    s.legendary,
                    s.color,
                    f"{s.height_m:g}",
                    f"{s.weight_kg:g}",
                    s.evolves_from or "",
                    s.evolution_level or "",
                    s.stage,
                    s.family,
                    "|".join(s.abilities),
                    "|".join(s.egg_groups),
                ]
            )
    return len(species)


def plain(name: str) -> str:
    """Its letters and digits alone, lower case, without accents: what names are compared by."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return "".join(c for c in decomposed if c.isalnum() and c.isascii())


@cache
def load_pokedex(path: Path | None = None) -> tuple[Species, ...]:
    """Read a table: the shipped one, or a user's own with at least `REQUIRED_COLUMNS`.

    Raises DataError, naming file, row and column, for a missing column or a value outside its range.
    """
    path = path or shipped("data/pokedex.csv")
    if not path.is_file():
        raise DataError(f"No table at {path}. Expected a CSV file with the columns {', '.join(REQUIRED_COLUMNS)}.")
    known = {} if path == shipped("data/pokedex.csv") else {s.name: s for s in load_pokedex()}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [c for c in REQUIRED_COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: missing column {', '.join(repr(c) for c in missing)}.")
            species = tuple(_parse(row, f"{path}, row {reader.line_num}", known) for row in reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error}).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not species:
        raise DataError(f"{path}: no rows below the header.")
    doubled = [n for n, count in Counter(s.number for s in species).items() if count > 1]
    if doubled:
        raise DataError(f"{path}, column 'No': {doubled[0]} stands more than once.")
    return species


def _parse(row: dict[str, str], where: str, known: dict[str, Species]) -> Species:
    """A row as a Species. Evolution that the row does not tell is that of the species of the same name in `known`, so
    that a table without it keeps families in one split."""

    def fail(column: str, expected: str):
        raise DataError(f"{where}, column {column!r}: expected {expected}, got {row.get(column)!r}.")

    def number(column: str, low: float, high: float, kind: type[int] | type[float] = int):
        try:
            value = kind(row[column])
        except (TypeError, ValueError):
            value = None
        if value is None or not low <= value <= high:
            article = "a whole number" if kind is int else "a number"
            fail(column, f"{article} from {low:g} to {high:g}")
        return value

    def one_of(column: str, known: tuple[str, ...]) -> str:
        if row[column] not in known:
            fail(column, f"one of {', '.join(known)}")
        return row[column]

    name = (row["Name"] or "").strip()
    if not name:
        fail("Name", "a name")
    type1 = one_of("Type1", TYPES)
    type2 = one_of("Type2", TYPES) if row["Type2"] else None
    if type1 == type2:
        fail("Type2", "a type other than Type1, or nothing")
    stats = tuple(number(label, STAT_MIN, STAT_MAX) for label in STAT_LABELS)
    if number("Total", 6 * STAT_MIN, 6 * STAT_MAX) != sum(stats):
        fail("Total", f"the sum of the six stats, {sum(stats)}")
    if (row["Legendary"] or "").lower() not in ("true", "false", "1", "0"):
        fail("Legendary", "True or False")
    kin = known.get(name)
    return Species(
        number=number("No", 1, 100_000),
        name=name,
        type1=type1,
        type2=type2,
        stats=stats,
        generation=number("Generation", 1, 99),
        legendary=row["Legendary"].lower() in ("true", "1"),
        color=one_of("Color", COLORS),
        height_m=number("Height (m)", 0.01, 1000, float),
        weight_kg=number("Weight (kg)", 0.01, 1_000_000, float),
        evolves_from=row.get("EvolvesFrom") or (kin.evolves_from if kin and "EvolvesFrom" not in row else None),
        evolution_level=number("EvolutionLevel", 1, 100) if row.get("EvolutionLevel") else None,
        stage=number("Stage", 1, 3) if row.get("Stage") else (kin.stage if kin else 1),
        family=row.get("Family") or (kin.family if kin else name),
        abilities=tuple(filter(None, (row.get("Abilities") or "").split("|"))),
        egg_groups=tuple(filter(None, (row.get("Egg Groups") or "").split("|"))),
    )
