"""Created creatures as species of Pokémon Showdown: cards become a mod of the package, and teams.

    creatures = read_cards(cards)              # dictionaries, as `pokegen card` writes them to JSON
    folder = with_mod(creatures)               # for Bridge(folder=…) and server(folder=…)
    team = pack(creatures[:6])                 # for Bridge.start(…, CREATED, …, teams=(team, …))
    teach_poke_env(creatures)                  # so that poke-env's players know them

The mod has two formats, of level 50 and up to six a side: CREATED allows created creatures alone, MIXED also those of
the games. Each set of creatures has a folder of its own in the cache, named by a hash: a copy of the package by hard
links, and five JSON files. No card becomes JavaScript, and its name is the only text of it that is written there, held
to letters, digits, space, `.`, `'` and `-`.

Names are changed where that is safe: accents go, spaces are trimmed, what is longer than 18 characters is cut, and the
second Katton becomes "Katton 2". Refused is a name with anything else in it, one that the games know, such as Pex
(Toxapex), and one that means something to the simulator, such as "constructor".
"""

import hashlib
import json
import math
import re
import subprocess
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pokegen.files import atomic_folder
from pokegen.game.battle.showdown import NODE, ShowdownError, link_package, node, package
from pokegen.schema import COLORS, STAT_MAX, STAT_MIN, STATS, TYPES

CREATED = "gen9pokegencards"  # created creatures alone
MIXED = "gen9pokegenmixed"  # created ones, and those of the games
TEAM_SIZE = 6
LEVEL = 50
NO_EFFECT = "Run Away"  # the ability of a card that has none: in battles between trainers it does nothing

_NAME = re.compile(r"[A-Za-z0-9 .'-]{1,18}")
_FIRST_NUMBER = 10_001  # far from those of the games; the Species Clause compares them
_SHORT = dict(zip(STATS, ("hp", "atk", "def", "spa", "spd", "spe"), strict=True))
_RULES = [
    "Obtainable",
    "Team Preview",
    "HP Percentage Mod",
    "Cancel Mod",
    "Species Clause",
    f"Max Team Size = {TEAM_SIZE}",
    f"Adjust Level = {LEVEL}",
    "Sleep Clause Mod",
    "Terastal Clause",
    "Endless Battle Clause",
]


class Creature(NamedTuple):
    """A created creature as the simulator knows it.

    Attributes:
        id: lower-case letters and digits of the name.
        name: as battles show it.
        card_name: as the card has it.
        entry: of the simulator's pokédex.
        moves: four or fewer, as the games spell them.
        ability: as the games spell it.
    """

    id: str
    name: str
    card_name: str
    entry: dict[str, Any]
    moves: tuple[str, ...]
    ability: str


def read_cards(cards: Sequence[Mapping[str, Any]]) -> list[Creature]:
    """Creatures of cards, in their order. ShowdownError, in one line, where a card cannot be one."""
    if not cards:
        raise ShowdownError("Expected at least one card.")
    names = _names([_safe_name(card.get("name")) for card in cards])
    for name, card in zip(names, cards, strict=True):
        _check(name, card)
    moves = [[move["name"] for move in card["moves"]] for card in cards]
    abilities = [card.get("ability") or NO_EFFECT for card in cards]
    ids = [_id(name) for name in names]
    known = _ask(ids, sorted({move for each in moves for move in each}), sorted(set(abilities)))
    found = []
    for i, (name, card) in enumerate(zip(names, cards, strict=True)):
        if taken := known["species"].get(ids[i]):
            raise ShowdownError(f"The name {name!r} is taken: it is {taken}. Give the card another name.")
        if unknown := [move for move in moves[i] if move not in known["moves"]]:
            raise ShowdownError(f"{name}: unknown move {_short(unknown[0])}. Expected moves of generation 9.")
        if abilities[i] not in known["abilities"]:
            raise ShowdownError(f"{name}: unknown ability {_short(abilities[i])}. Expected one of generation 9.")
        learnt = tuple(dict.fromkeys(known["moves"][move] for move in moves[i]))
        ability = known["abilities"][abilities[i]]
        entry = _entry(_FIRST_NUMBER + i, name, card, ability)
        found.append(Creature(ids[i], name, card["name"], entry, learnt, ability))
    return found


def with_mod(creatures: Sequence[Creature]) -> Path:
    """The folder of a package that has these creatures, and the formats CREATED and MIXED."""
    files = {path: json.dumps(content, indent=1) for path, content in _files(creatures).items()}
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
    source = package()
    folder = source.parents[1] / "mods" / digest
    if not folder.is_dir():
        with atomic_folder(folder, wait=120) as new:
            link_package(source, new)
            for path, content in files.items():
                (new / path).parent.mkdir(exist_ok=True)
                (new / path).write_text(content, encoding="utf-8")
    return folder


def pack(creatures: Sequence[Creature]) -> str:
    """A team in Showdown's packed format: level 50, no items, even training."""
    evs = ",".join(["84"] * len(STATS))
    return "]".join(
        f"{c.name}|||{_id(c.ability)}|{','.join(map(_id, c.moves))}|Serious|{evs}|N|||{LEVEL}|"
        for c in _of_a_team(creatures)
    )


def export(creatures: Sequence[Creature]) -> str:
    """A team in Showdown's export format, which people read and paste."""
    evs = " / ".join(f"84 {label}" for label in ("HP", "Atk", "Def", "SpA", "SpD", "Spe"))
    return "\n\n".join(
        "\n".join(
            [c.name, f"Ability: {c.ability}", f"Level: {LEVEL}", f"EVs: {evs}", "Serious Nature"]
            + [f"- {move}" for move in c.moves]
        )
        for c in _of_a_team(creatures)
    )


def teach_poke_env(creatures: Sequence[Creature]) -> None:
    """Add the creatures to poke-env's data, before any player of poke-env exists. From then on all of this process sees
    them there, the tables of species and moves too, if they are built again."""
    from poke_env.data import GenData

    data = GenData.from_gen(9)
    for c in creatures:
        data.pokedex[c.id] = {**c.entry, "baseSpecies": c.id}
        data.learnset[c.id] = {"learnset": {_id(move): ["9L1"] for move in c.moves}}


def _safe_name(name: object) -> str:
    """A card's name without accents, cut to 18 characters. ShowdownError where something else is in it."""
    if not isinstance(name, str):
        raise ShowdownError(f"Expected a card's name, got {_short(name)}.")
    plain = unicodedata.normalize("NFKD", name[:100].replace("’", "'"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).strip()
    if not re.fullmatch(r"[A-Za-z0-9 .'-]+", plain) or not _id(plain):
        raise ShowdownError(
            f"The name {_short(name)} cannot be used in battles: expected letters, digits, spaces, and any of . ' -"
        )
    plain = " ".join(plain.split())[:18].strip()
    if plain.lower().endswith("-gmax"):
        raise ShowdownError(f"The name {_short(name)} cannot be used in battles: -Gmax is the ending of giant forms.")
    return plain


def _names(names: list[str]) -> list[str]:
    """The names, with a number where another one of the list has the same id."""
    found: dict[str, str] = {}
    for name in names:
        new, number = name, 1
        while _id(new) in found:
            number += 1
            new = f"{name[: 17 - len(str(number))].strip()} {number}"
        found[_id(new)] = new
    return list(found.values())


def _check(name: str, card: Mapping[str, Any]) -> None:
    """ShowdownError where a card's other values are none of the games'."""
    types, stats, moves = card.get("types"), card.get("stats"), card.get("moves")
    if not (isinstance(types, list) and 1 <= len(types) <= 2 and all(each in TYPES for each in types)):
        raise ShowdownError(f"{name}: expected one or two types of the games, got {_short(types)}.")
    if len(set(types)) < len(types):
        raise ShowdownError(f"{name}: expected two different types, got {types[0]} twice.")
    for stat in STATS:
        value = stats.get(stat) if isinstance(stats, Mapping) else None
        if type(value) is not int or not STAT_MIN <= value <= STAT_MAX:
            raise ShowdownError(f"{name}: expected {stat} of {STAT_MIN} to {STAT_MAX}, got {_short(value)}.")
    for size, limit in (("height_m", 100), ("weight_kg", 10_000)):
        value = card.get(size)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or not 0 < value <= limit
        ):
            raise ShowdownError(f"{name}: expected {size} above 0 and up to {limit}, got {_short(value)}.")
    if card.get("color") not in COLORS:
        raise ShowdownError(f"{name}: expected a colour of {', '.join(COLORS)}, got {_short(card.get('color'))}.")
    if not (isinstance(moves, list) and 1 <= len(moves) <= 4):
        raise ShowdownError(f"{name}: expected one to four moves.")
    if not all(isinstance(move, Mapping) and isinstance(move.get("name"), str) for move in moves):
        raise ShowdownError(f"{name}: expected a name in each move.")
    if not isinstance(card.get("ability", ""), str | None):
        raise ShowdownError(f"{name}: expected an ability's name, got {_short(card['ability'])}.")


def _ask(ids: list[str], moves: list[str], abilities: list[str]) -> dict[str, dict[str, str]]:
    """What the package knows of these names; see node/facts.js."""
    done = subprocess.run(
        [node(), str(NODE / "facts.js"), str(package())],
        input=json.dumps({"species": ids, "moves": moves, "abilities": abilities}),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "Error" in line]
        raise ShowdownError(f"Pokémon Showdown does not run: {' '.join(errors[:1]) or done.returncode}")
    return json.loads(done.stdout)


def _entry(number: int, name: str, card: Mapping[str, Any], ability: str) -> dict[str, Any]:
    return {
        "num": number,
        "name": name,
        "types": list(card["types"]),
        "gender": "N",
        "baseStats": {short: card["stats"][stat] for stat, short in _SHORT.items()},
        "abilities": {"0": ability},
        "heightm": card["height_m"],
        "weightkg": card["weight_kg"],
        "color": card["color"],
        "eggGroups": ["Undiscovered"],
        "gen": 9,
    }


def _files(creatures: Sequence[Creature]) -> dict[str, Any]:
    """The mod's files: path inside the package → content."""
    data = "dist/data/mods/pokegen"
    shared = {"mod": "pokegen", "ruleset": _RULES, "searchShow": False, "bestOfDefault": False}
    allowed = [f"pokemon:{c.id}" for c in creatures]
    formats = [
        {"section": "pokegen", "column": 1},
        {**shared, "name": "[Gen 9] PokeGen Cards", "banlist": ["tag:allpokemon"], "unbanlist": allowed},
        {**shared, "name": "[Gen 9] PokeGen Mixed"},
    ]
    return {
        f"{data}/scripts.json": {"Scripts": {"inherit": "gen9", "gen": 9}},
        f"{data}/pokedex.json": {"Pokedex": {c.id: c.entry for c in creatures}},
        f"{data}/formats-data.json": {"FormatsData": {c.id: {"tier": "OU", "doublesTier": "DOU"} for c in creatures}},
        f"{data}/learnsets.json": {
            "Learnsets": {c.id: {"learnset": {_id(move): ["9L1"] for move in c.moves}} for c in creatures}
        },
        "dist/config/custom-formats.json": {"Formats": formats},
    }


def _of_a_team(creatures: Sequence[Creature]) -> Sequence[Creature]:
    if not 1 <= len(creatures) <= TEAM_SIZE:
        raise ShowdownError(f"Expected a team of 1 to {TEAM_SIZE} creatures, got {len(creatures)}.")
    return creatures


def _id(name: str) -> str:
    """A name's id, as the simulator makes it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
