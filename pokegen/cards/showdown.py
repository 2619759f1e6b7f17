"""A creature for Pokémon Showdown: its name there, a team text, and the entries of a mod.

Formats: a team as Showdown's teambuilder exports and imports it; a mod as JSON files of `data/mods/NAME`. Names keep to
a list of safe signs: Showdown's client hangs on names of more than 18 characters or with signs of its protocol. Left
out: a check against Showdown's nicknames of real species, such as Pex, whose list is not on this machine.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

from pokegen.data.pokedex import load_pokedex
from pokegen.schema import STATS, Card
from pokegen.text import plain

LEVEL = 100  # the usual: Showdown refuses another where a format does not ask for it
LONGEST = 18  # characters of a name
FIRST_NUMBER = 10_001  # far above the games' own
TEAM = 6  # creatures of a team
ABILITY = "Pressure"  # of a card without one
_STAT_IDS = ("hp", "atk", "def", "spa", "spd", "spe")  # in the order of schema.STATS
_STAT_NAMES = ("HP", "Atk", "Def", "SpA", "SpD", "Spe")
_EVS = (252, 252, 4)  # of the three stats that matter most
_NO_SIGN = re.compile(r"[^A-Za-z0-9 .'-]")
_RESERVED = {"", "constructor", "missingno"}  # ids that are no species to Showdown's JavaScript


def identifier(name: str) -> str:
    """A name as Showdown compares it: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def names(cards: Iterable[Card]) -> list[str]:
    """A name on Showdown for each card: at most 18 of the signs `A-Z a-z 0-9 space . ' -`. A number follows a name that
    a real species, an earlier card or the program itself has."""
    taken, found = set(_species()) | _RESERVED, []
    for card in cards:
        letters = unicodedata.normalize("NFKD", card.name.replace("’", "'").replace("ß", "ss"))
        for sign, two in (("æ", "ae"), ("Æ", "Ae"), ("œ", "oe"), ("Œ", "Oe")):
            letters = letters.replace(sign, two)
        base = " ".join(_NO_SIGN.sub("", letters).split())[:LONGEST].strip() or "Creature"
        name, number = base, 2
        while identifier(name) in taken:
            name = f"{base[: LONGEST - len(str(number)) - 1].strip()} {number}"
            number += 1
        taken.add(identifier(name))
        found.append(name)
    return found


@cache
def _species() -> frozenset[str]:
    return frozenset(plain(species.name) for species in load_pokedex())


def pokedex_entry(card: Card, name: str, number: int = FIRST_NUMBER) -> dict[str, Any]:
    """The creature as a species of a mod's `pokedex.json`."""
    return {
        "num": number,
        "name": name,
        "types": card.types,
        **({"gender": "N"} if card.legendary else {"genderRatio": {"M": 0.5, "F": 0.5}}),
        "baseStats": {there: card.stats[here] for there, here in zip(_STAT_IDS, STATS, strict=True)},
        "abilities": {"0": card.ability or ABILITY},
        "heightm": card.height_m,
        "weightkg": card.weight_kg,
        "color": card.color,
        "eggGroups": ["Undiscovered"],
        "gen": 9,
        "tier": "OU",
    }


def mod(cards: Iterable[Card]) -> dict[str, Any]:
    """The files of a mod with these creatures: file name to content."""
    cards = list(cards)
    species = dict(zip(names(cards), cards, strict=True))
    return {
        "scripts.json": {"Scripts": {"inherit": "gen9", "gen": 9}},
        "pokedex.json": {
            "Pokedex": {
                identifier(name): pokedex_entry(card, name, FIRST_NUMBER + i)
                for i, (name, card) in enumerate(species.items())
            }
        },
        "formats-data.json": {"FormatsData": {identifier(name): {"tier": "OU"} for name in species}},
        "learnsets.json": {
            "Learnsets": {
                identifier(name): {"learnset": {identifier(move["name"]): ["9M"] for move in card.moves}}
                for name, card in species.items()
            }
        },
    }


def team(cards: Iterable[Card]) -> str:
    """Up to six creatures as a team text: name, ability, level, EVs, nature and four moves each."""
    cards = list(cards)[:TEAM]
    return "\n".join(member(card, name) for card, name in zip(cards, names(cards), strict=True))


def member(card: Card, name: str) -> str:
    """One creature of a team text, ended by a line feed.

    The effort values go to the better attack, then to speed where it is above the mean of the other stats, else to hit
    points; the nature raises the attack and lowers the other one.
    """
    physical = card.stats["attack"] >= card.stats["sp_atk"]
    attack, nature = ("attack", "Adamant") if physical else ("sp_atk", "Modest")
    fast = 6 * card.stats["speed"] > card.stats["total"]
    order = [attack, "speed", "hp"] if fast else [attack, "hp", "sp_def"]
    evs = dict(zip(order, _EVS, strict=True))
    spread = " / ".join(f"{evs[key]} {label}" for key, label in zip(STATS, _STAT_NAMES, strict=True) if key in evs)
    return "\n".join(
        [
            name,
            f"Ability: {card.ability or ABILITY}",
            f"Level: {LEVEL}",
            f"Tera Type: {card.types[0]}",
            f"EVs: {spread}",
            f"{nature} Nature",
            *(f"- {move['name']}" for move in card.moves),
            "",
        ]
    )
