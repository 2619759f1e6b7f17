"""What an agent knows of the game: species, moves, types, as numbers. From poke-env's data of generation 9.

A species is known by its types, stats and weight, and a move by what it does, not by a number of its own. So an agent
that has learnt from the games' Pokémon can field a created one. Abilities and items, whose effects no table gives as
numbers, do have numbers of their own, which an agent embeds.

Left out: what only other generations have (Z-moves, Max moves, Mega Evolution), doubles.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pokegen.schema import NO_TYPE, TYPES

TYPE_INDEX = {name.lower(): index for index, name in enumerate(TYPES)} | {"stellar": NO_TYPE, "": NO_TYPE}
STATS = ("hp", "atk", "def", "spa", "spd", "spe")  # Showdown's words
BOOSTS = ("atk", "def", "spa", "spd", "spe", "accuracy", "evasion")
STATUSES = ("", "brn", "par", "slp", "frz", "psn", "tox")
CATEGORIES = ("Physical", "Special", "Status")
HAZARDS = ("stealthrock", "spikes", "toxicspikes", "stickyweb")
SCREENS = ("reflect", "lightscreen", "auroraveil")
WEATHERS = ("", "sunnyday", "raindance", "sandstorm", "snow")
TERRAINS = ("", "electricterrain", "grassyterrain", "mistyterrain", "psychicterrain")
_WEATHER_NAMES = {"desolateland": "sunnyday", "primordialsea": "raindance", "snowscape": "snow", "hail": "snow"}

# Base powers of attacks whose power depends on the battle; typical values, since the table has 0.
_POWERS = {
    "beatup": 60, "crushgrip": 60, "electroball": 70, "flail": 50, "fling": 40, "frustration": 100, "grassknot": 70,
    "gyroball": 70, "hardpress": 60, "heatcrash": 70, "heavyslam": 70, "lowkick": 70, "magnitude": 70, "present": 50,
    "punishment": 60, "return": 100, "reversal": 50, "spitup": 80, "trumpcard": 60, "wringout": 60, "acrobatics": 110,
    "facade": 80, "hex": 80, "storedpower": 60, "powertrip": 60, "risingvoltage": 90, "lastrespects": 80,
}  # fmt: skip
# Abilities that make a type harmless, and those that multiply the damage done or received.
ABSORBED = {
    "levitate": "ground", "eartheater": "ground", "flashfire": "fire", "wellbakedbody": "fire", "waterabsorb": "water",
    "dryskin": "water", "stormdrain": "water", "voltabsorb": "electric", "motordrive": "electric",
    "lightningrod": "electric", "sapsipper": "grass",
}  # fmt: skip
PHYSICAL_POWER = {"hugepower": 2.0, "purepower": 2.0, "gorillatactics": 1.5, "hustle": 1.5, "guts": 1.5}
ITEM_POWER = {  # item → factors of physical and of special damage
    "choiceband": (1.5, 1.0), "choicespecs": (1.0, 1.5), "lifeorb": (1.3, 1.3), "expertbelt": (1.1, 1.1),
    "lightball": (2.0, 2.0),
}  # fmt: skip
ITEM_GUARD = {"assaultvest": (1.0, 1.5), "eviolite": (1.5, 1.5)}  # item → factors of Defense and of Special Defense


def to_id(name: str) -> str:
    """Showdown's id of a name: its lower-case letters and digits, without accents."""
    if not name.isascii():
        name = unicodedata.normalize("NFKD", name)
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


@dataclass(frozen=True)
class SpeciesData:
    """A species, real or created."""

    id: str
    types: tuple[int, int]  # indices of schema.TYPES, NO_TYPE for no second type
    stats: tuple[int, ...]  # base stats, in the order of STATS
    weight: float  # kilograms
    abilities: tuple[str, ...]  # ids


@cache
def _data() -> Any:
    from poke_env.data import GenData

    return GenData.from_gen(9)


_created: dict[str, SpeciesData] = {}


def add_species(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Make created species known: a mod's pokedex, id → entry."""
    for key, entry in entries.items():
        _created[key] = _species(key, entry)


def species(name: str) -> SpeciesData:
    """The species of a name, such as "Rotom-Wash". An unknown one is an average creature of the Normal type."""
    key = to_id(name)
    return _created.get(key) or _known(key)


@cache
def _known(key: str) -> SpeciesData:
    entry = _data().pokedex.get(key)
    if entry is None:
        return SpeciesData(key, (TYPE_INDEX["normal"], NO_TYPE), (80,) * 6, 50.0, ())
    return _species(key, entry)


def _species(key: str, entry: Mapping[str, Any]) -> SpeciesData:
    types = [TYPE_INDEX[kind.lower()] for kind in entry["types"]]
    return SpeciesData(
        key,
        (types[0], types[1] if len(types) > 1 else NO_TYPE),
        tuple(entry["baseStats"][stat] for stat in STATS),
        float(entry.get("weightkg", 50)),
        tuple(to_id(name) for name in entry.get("abilities", {}).values()),
    )


@cache
def moves() -> dict[str, int]:
    """Move id → its row in the table of moves; row 0 is an unknown move."""
    return {"": 0} | {key: row for row, key in enumerate(sorted(_data().moves), start=1)}


@cache
def abilities() -> dict[str, int]:
    """Ability id → its number; 0 is unknown."""
    found = {to_id(name) for entry in _data().pokedex.values() for name in entry.get("abilities", {}).values()}
    return {"": 0} | {key: number for number, key in enumerate(sorted(found - {""}), start=1)}


ITEMS = (
    "", "none", "other", "abilityshield", "airballoon", "assaultvest", "blacksludge", "boosterenergy", "choiceband",
    "choicescarf", "choicespecs", "clearamulet", "covertcloak", "custapberry", "eviolite", "expertbelt", "flameorb",
    "focussash", "heavydutyboots", "leftovers", "lifeorb", "lightclay", "loadeddice", "lumberry", "mentalherb",
    "powerherb", "punchingglove", "redcard", "rockyhelmet", "safetygoggles", "salacberry", "scopelens", "sitrusberry",
    "throatspray", "toxicorb", "weaknesspolicy", "whiteherb", "widelens", "lightball",
)  # fmt: skip
ITEM_INDEX = {key: number for number, key in enumerate(ITEMS)}

MOVE_NUMBERS = (
    "power", "accuracy", "always_hits", "priority", "hits", "crit", "drain", "recoil", "heal", "self_destruct",
    "recharge", "charge", "contact", "self_switch", "force_switch", "protect", "on_self", "fixed", "level_damage",
    "half_damage", "ohko", "weather_heal", "removes_hazards", "tailwind", "trick_room", "knock_off", "cures", "wish",
    "trick", "flinch", "confusion", "partial_trap", "leech_seed", "taunt", "encore", "substitute", "yawn", "psyshock",
    "body_press", "foul_play", "ignores_ability", "sound", "needs_more", "focus_energy", "sleep_only",
)  # fmt: skip
_WORDS = (
    *MOVE_NUMBERS,
    *(f"is_{kind}" for kind in CATEGORIES),
    *(f"type_{index}" for index in range(NO_TYPE + 1)),
    *(f"{status}_chance" for status in STATUSES[1:]),
    *(f"self_{boost}" for boost in BOOSTS),
    *(f"target_{boost}" for boost in BOOSTS),
    *HAZARDS,
    *SCREENS,
    *WEATHERS[1:],
    *TERRAINS[1:],
)
MOVE_COLUMN = {word: column for column, word in enumerate(_WORDS)}


@cache
def move_table() -> np.ndarray:
    """What each move does, float32 (moves, numbers): see MOVE_COLUMN. Powers are a hundredth, chances 0 to 1, boosts
    halved. Row 0, an unknown move, is empty."""
    table = np.zeros((len(moves()), len(_WORDS)), np.float32)
    for key, entry in _data().moves.items():
        row = table[moves()[key]]
        for word, value in _move(key, entry).items():
            row[MOVE_COLUMN[word]] = value
    table.flags.writeable = False
    return table


def _move(key: str, entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of one move that are not 0."""
    found: dict[str, float] = {}
    flags, target = entry["flags"], entry["target"]
    damaging = entry["category"] != "Status"
    found[f"is_{entry['category']}"] = 1.0
    found[f"type_{TYPE_INDEX[entry['type'].lower()]}"] = 1.0
    if damaging:
        found["power"] = (_POWERS.get(key) or entry["basePower"]) / 100
    found["accuracy"] = 1.0 if entry["accuracy"] is True else entry["accuracy"] / 100
    found["always_hits"] = float(entry["accuracy"] is True)
    found["priority"] = entry["priority"] / 3
    hits = entry.get("multihit", 1)
    found["hits"] = (3.1 if hits == [2, 5] else sum(hits) / 2 if isinstance(hits, list) else hits) / 3
    found["crit"] = 1.0 if entry.get("willCrit") else (entry.get("critRatio", 1) - 1) / 4
    for word in ("drain", "recoil", "heal"):
        if word in entry:
            found[word] = entry[word][0] / entry[word][1]
    if entry.get("mindBlownRecoil") or key in ("substitute", "clangoroussoul"):
        found["recoil"] = 0.5
    on_self = target in ("self", "allySide", "allies", "allyTeam", "adjacentAllyOrSelf")
    for word, true in {
        "self_destruct": "selfdestruct" in entry,
        "recharge": "recharge" in flags,
        "charge": "charge" in flags,
        "contact": "contact" in flags,
        "sound": "sound" in flags,
        "self_switch": bool(entry.get("selfSwitch")),
        "force_switch": bool(entry.get("forceSwitch")),
        "protect": bool(entry.get("stallingMove")),
        "on_self": on_self,
        "fixed": "damageCallback" in entry or "damage" in entry,
        "level_damage": entry.get("damage") == "level",
        "half_damage": key in ("superfang", "naturesmadness", "ruination"),
        "ohko": bool(entry.get("ohko")),
        "weather_heal": key in ("moonlight", "morningsun", "synthesis", "shoreup"),
        "removes_hazards": key in ("rapidspin", "defog", "mortalspin", "tidyup", "courtchange"),
        "tailwind": key == "tailwind",
        "trick_room": key == "trickroom",
        "knock_off": key in ("knockoff", "corrosivegas"),
        "cures": key in ("healbell", "aromatherapy", "junglehealing", "lunarblessing", "takeheart", "refresh", "rest"),
        "wish": key in ("wish", "healingwish", "lunardance", "revivalblessing"),
        "trick": key in ("trick", "switcheroo"),
        "psyshock": entry.get("overrideDefensiveStat") == "def",
        "body_press": entry.get("overrideOffensiveStat") == "def",
        "foul_play": entry.get("overrideOffensivePokemon") == "target",
        "ignores_ability": bool(entry.get("ignoreAbility")),
        "needs_more": "onTry" in entry or "beforeMoveCallback" in entry or "onTryMove" in entry,
        "focus_energy": key in ("focusenergy", "dragoncheer"),
        "sleep_only": bool(entry.get("sleepUsable")) or key == "dreameater",
    }.items():
        if true:
            found[word] = 1.0
    if key in ("moonlight", "morningsun", "synthesis", "shoreup", "roost", "rest", "softboiled", "slackoff"):
        found["heal"] = 1.0 if key == "rest" else 0.5
    volatile = entry.get("volatileStatus")
    _effect(found, {"status": entry.get("status"), "volatileStatus": volatile, "boosts": entry.get("boosts")}, on_self)
    for extra in [entry.get("secondary"), *(entry.get("secondaries") or ())]:
        if extra:
            chance = extra.get("chance", 100) / 100
            _effect(found, extra, False, chance)
            if extra.get("self"):
                _effect(found, extra["self"], True, chance)
    for own in (entry.get("self"), entry.get("selfBoost")):
        if own:
            _effect(found, own, True)
    condition = to_id(str(entry.get("sideCondition") or (entry.get("self") or {}).get("sideCondition") or ""))
    if condition in HAZARDS or condition in SCREENS:
        found[condition] = 1.0
    weather = to_id(str(entry.get("weather") or ""))
    weather = _WEATHER_NAMES.get(weather, weather)
    if weather in WEATHERS[1:]:
        found[weather] = 1.0
    terrain = to_id(str(entry.get("terrain") or ""))
    if terrain in TERRAINS[1:]:
        found[terrain] = 1.0
    return found


_VOLATILES = {
    "flinch": "flinch", "confusion": "confusion", "partiallytrapped": "partial_trap", "leechseed": "leech_seed",
    "taunt": "taunt", "encore": "encore", "substitute": "substitute", "yawn": "yawn",
}  # fmt: skip


def _effect(found: dict[str, float], effect: Mapping[str, Any], on_self: bool, chance: float = 1.0) -> None:
    """Add a status, a volatile status or boosts, which happen with `chance`, to a move's numbers."""
    if effect.get("status"):
        found[f"{effect['status']}_chance"] = chance
    if word := _VOLATILES.get(to_id(str(effect.get("volatileStatus") or ""))):
        found[word] = chance
    for stat, stages in (effect.get("boosts") or {}).items():
        word = f"{'self' if on_self else 'target'}_{stat}"
        found[word] = found.get(word, 0.0) + chance * stages / 2


@cache
def move_pp() -> np.ndarray:
    """Power points of each move with all PP Ups, float32 (moves,)."""
    found = np.ones(len(moves()), np.float32)
    for key, entry in _data().moves.items():
        found[moves()[key]] = entry["pp"] if entry.get("noPPBoosts") else entry["pp"] * 8 // 5
    return found


@cache
def effectiveness() -> np.ndarray:
    """Damage factor of an attacking type against a defending one, float32 (19, 19); NO_TYPE is neutral."""
    chart = np.ones((NO_TYPE + 1, NO_TYPE + 1), np.float32)
    for defending, factors in _data().type_chart.items():
        for attacking, factor in factors.items():
            if (
                (a := TYPE_INDEX.get(attacking.lower())) is not None
                and (d := TYPE_INDEX.get(defending.lower())) is not None
                and NO_TYPE not in (a, d)
            ):
                chart[a, d] = factor
    return chart


def weather_index(name: str) -> int:
    """Place in WEATHERS of a protocol's name such as "RainDance" or "Snowscape"; 0 for none or others."""
    key = to_id(name)
    key = _WEATHER_NAMES.get(key, key)
    return WEATHERS.index(key) if key in WEATHERS else 0
