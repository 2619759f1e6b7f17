"""The table of species: `data/pokedex.csv`, built from poke-env's pokédex and read by everything else.

Left out: forms (Mega, regional, Gigantamax); each row is a species in its base form.
Reading uses only the standard library, because `pokegen card` starts with it.
"""

import csv
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Never

from pokegen.errors import DataError
from pokegen.files import write_csv
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
from pokegen.text import plain
from pokegen.trust import echo

LEGENDARY_TAGS = {"Sub-Legendary", "Restricted Legendary", "Mythical"}
_OUTSIDE_THE_GAMES = {"Melmetal": "Meltan"}  # evolves only in Pokémon GO, so Showdown lists no line
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
    rows = [
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
        for s in species
    ]
    write_csv(path, [COLUMNS, *rows])
    return len(species)


# Other spellings of the columns, normalised by `plain`, from well-known tables.
_COLUMN_OF = {plain(column): column for column in COLUMNS}
_COLUMN_OF |= {"": "No", "number": "No", "dexnumber": "No", "pokedexnumber": "No", "nationalnumber": "No", "ndex": "No"}
_COLUMN_OF |= {"basetotal": "Total", "totalpoints": "Total", "bst": "Total"}
_COLUMN_OF |= {"spattack": "Sp. Atk", "specialattack": "Sp. Atk", "spdefense": "Sp. Def", "specialdefense": "Sp. Def"}
_COLUMN_OF |= {
    "hitpoints": "HP",
    "islegendary": "Legendary",
    "status": "Legendary",
    "colour": "Color",
    "gen": "Generation",
}
_COLUMN_OF |= {"primarytype": "Type1", "secondarytype": "Type2"}
_FROM_KIN = ("Color", "Height (m)", "Weight (kg)")  # for known species, missing ones come from the shipped table
_LEGENDARY = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LEGENDARY |= {"legendary": True, "sublegendary": True, "mythical": True, "normal": False}
_NOTHING = {"", "none", "nan", "na", "null"}


@cache
def load_pokedex(path: Path | None = None) -> tuple[Species, ...]:
    """Read a table: the shipped one, or a user's own with `REQUIRED_COLUMNS`, in their own or a well-known spelling.

    The columns _FROM_KIN may be missing for known species. Rows of forms (Mega, regional, …), which repeat a number,
    are left out. How columns were read is printed on stderr. Raises DataError, naming file, row and column, for a
    missing column or a value outside its range.
    """
    path = path or shipped("data/pokedex.csv")
    if not path.is_file():
        raise DataError(f"No table at {path}. Expected a CSV file with the columns {', '.join(REQUIRED_COLUMNS)}.")
    own = path == shipped("data/pokedex.csv")
    known = {} if own else {s.number: s for s in load_pokedex()}
    named = {plain(s.name): s for s in known.values()}
    species: dict[int, Species] = {}
    forms = 0
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
            columns = _columns(reader.fieldnames or [])
            missing = [c for c in REQUIRED_COLUMNS if c not in columns.values()]
            if absent := [c for c in missing if own or c not in _FROM_KIN]:
                raise DataError(f"{path}: missing column {', '.join(repr(c) for c in absent)}.")
            for cells in reader:
                row = {columns[c]: (cell or "").strip() for c, cell in cells.items() if c in columns}
                where = f"{path}, row {reader.line_num}"
                name, base = row["Name"], known.get(_whole(row["No"]))
                if base and _is_form(name, base.name):
                    if base.number in species:
                        forms += 1
                        continue
                    row["Name"] = base.name  # DeoxysNormal Forme
                one = _parse(row, where, named)
                if one.number in species:
                    raise DataError(f"{path}, column 'No': {one.number} occurs more than once.")
                species[one.number] = one
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error}).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not species:
        raise DataError(f"{path}: no rows below the header.")
    notes = [f"{theirs!r} read as {ours}" for theirs, ours in columns.items() if theirs != ours]
    notes += [f"{c} taken from the shipped table" for c in missing]
    notes += [f"{forms} rows of forms left out"] if forms else []
    if notes:
        echo(f"{path}: {', '.join(notes)}.", file=sys.stderr)
    return tuple(species.values())


def _columns(header: Sequence[str]) -> dict[str, str]:
    """The table's name of each known column → its name here. If several match, the identical name is used."""
    found: dict[str, str] = {}
    for column in sorted(header, key=lambda c: (c not in COLUMNS, not plain(c))):
        ours = column if column in COLUMNS else _COLUMN_OF.get(plain(column), "")
        if ours and ours not in found.values() and (plain(column) or column.strip() == "#"):
            found[column] = ours
    return found


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0


def _is_form(name: str, base: str) -> bool:
    """Whether a name is a species' name with an addition before or after it: VenusaurMega Venusaur, Alolan Raichu."""
    return name != base and bool(re.search(rf"(?<![a-z]){re.escape(base)}(?![a-z])", name))


def _listed(text: str) -> tuple[str, ...]:
    """The items of `Overgrow|Chlorophyll` or `['Overgrow', 'Chlorophyll']`."""
    return tuple(filter(None, (item.strip(" '\"") for item in re.split(r"[|,]", text.strip("[]")))))


def _parse(row: dict[str, str], where: str, named: dict[str, Species]) -> Species:
    """A row as a Species. Missing values of _FROM_KIN and of evolution come from the species of the same name in
    `named`, so that a table without them keeps families in one split."""
    name = row["Name"]
    kin = named.get(plain(name.replace("♀", "F").replace("♂", "M")))

    def fail(column: str, expected: str) -> Never:
        raise DataError(f"{where}, column {column!r}: expected {expected}, got {row.get(column)!r}.")

    def number(column: str, low: float, high: float, kind: type[int] | type[float] = int) -> Any:
        try:
            value = float(row.get(column, ""))
        except ValueError:
            value = math.nan
        if not low <= value <= high or (kind is int and value % 1):
            article = "a whole number" if kind is int else "a number"
            fail(column, f"{article} from {low:g} to {high:g}")
        return kind(value)

    def one_of(column: str, words: tuple[str, ...]) -> str:
        word = row.get(column, "").capitalize()
        if word not in words:
            fail(column, f"one of {', '.join(words)}")
        return word

    def or_kin(column: str, read: Callable[[], Any], kins: Any) -> Any:
        return kins if kin and not row.get(column) else read()

    if not name:
        fail("Name", "a name")
    type1 = one_of("Type1", TYPES)
    type2 = one_of("Type2", TYPES) if row["Type2"].lower() not in _NOTHING else None
    if type1 == type2:
        fail("Type2", "a type other than Type1, or nothing")
    stats = tuple(number(label, STAT_MIN, STAT_MAX) for label in STAT_LABELS)
    if number("Total", 6 * STAT_MIN, 6 * STAT_MAX) != sum(stats):
        fail("Total", f"the sum of the six stats, {sum(stats)}")
    legendary = _LEGENDARY.get(plain(row["Legendary"]))
    if legendary is None:
        fail("Legendary", "True or False")
    return Species(
        number=number("No", 1, 100_000),
        name=name,
        type1=type1,
        type2=type2,
        stats=stats,
        generation=number("Generation", 1, 99),
        legendary=bool(legendary),
        color=or_kin("Color", lambda: one_of("Color", COLORS), kin and kin.color),
        height_m=or_kin("Height (m)", lambda: number("Height (m)", 0.01, 1000, float), kin and kin.height_m),
        weight_kg=or_kin("Weight (kg)", lambda: number("Weight (kg)", 0.01, 1_000_000, float), kin and kin.weight_kg),
        evolves_from=row.get("EvolvesFrom") or (kin.evolves_from if kin and "EvolvesFrom" not in row else None),
        evolution_level=number("EvolutionLevel", 1, 100) if row.get("EvolutionLevel") else None,
        stage=number("Stage", 1, 3) if row.get("Stage") else (kin.stage if kin else 1),
        family=row.get("Family") or (kin.family if kin else name),
        abilities=_listed(row.get("Abilities", "")),
        egg_groups=_listed(row.get("Egg Groups", "")),
    )
