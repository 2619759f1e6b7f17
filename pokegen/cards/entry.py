"""The Pokédex entry of a card, in English and French: what its type does, and a fact about the creature itself.

The phrases are in `entries.csv`, each with its translation and the traits that a creature must have for it to be true.
The grammar:

    entry  → nature fact | fact nature | fact fact
    nature → [opener ","] "it" what its type does "."

An opener is a few adjectives from stats or size; a fact is a sentence of its own. The phrases of an entry differ in
topic, so that no entry is about sleep twice. An entry calls the creature "it" and "il" and never by its name, so that
every phrase agrees with it as it is written. Braces in a phrase stand for a number or a name of the card.
"""

import csv
import random
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from pokegen.cards.words import translated
from pokegen.schema import LANGUAGES, STATS, Card

SHORTEST, LONGEST = 60, 170  # characters of an entry, in either language
_TWO_FACTS = 0.25  # share of entries that consist of two facts
_OPENED = 0.8  # share of the others that have an opener, where one is true
_TURNED = 0.35  # share of entries whose sentences change places
# From which value on (metres, kilograms) a creature is of each class.
SIZES = {"tiny": 0.0, "small": 0.4, "medium": 0.8, "large": 1.6, "huge": 2.8}
WEIGHTS = {"feather": 0.0, "light": 3.0, "middling": 15.0, "heavy": 90.0, "massive": 220.0}
_GIANT = 5.0
_SUBJECTS = {"en": "it", "fr": "il"}
_STRONG, _WEAK = 1.25, 0.75  # of the mean stat


@dataclass(frozen=True)
class Phrase:
    """One phrase in both languages. `when`: the traits that it needs, "a|b" for either, "-a" for none."""

    part: str  # "nature", "fact" or "opener"
    when: tuple[str, ...]
    topic: str  # what it speaks of, if another phrase could contradict it
    words: dict[str, str]  # each of schema.LANGUAGES → the phrase

    def holds(self, traits: set[str]) -> bool:
        """Whether the phrase is true of a creature."""
        return all(
            need[1:] not in traits if need.startswith("-") else bool(traits & set(need.split("|")))
            for need in self.when
        )


@cache
def phrases() -> tuple[Phrase, ...]:
    """Those of `entries.csv`."""
    with open(Path(__file__).with_name("entries.csv"), newline="", encoding="utf-8") as file:
        return tuple(
            Phrase(row["Part"], tuple(row["When"].split()), row["Topic"], {"en": row["English"], "fr": row["French"]})
            for row in csv.DictReader(file)
        )


def traits_of(card: Card) -> set[str]:
    """All that a phrase can need, of one creature: its types, colour, tier and stage, its classes of size and weight,
    "speed+" for its best stat and "speed-" for its worst, if they stick out, else "balanced"."""
    traits = {*card.types, card.color, card.tier, f"stage{card.stage}"}
    traits |= {"evolves"} if card.evolves_to else set()
    traits |= {"evolved"} if card.stage > 1 else set()
    traits |= {_class(SIZES, card.height_m), _class(WEIGHTS, card.weight_kg)}
    traits |= {"giant"} if card.height_m >= _GIANT else set()
    traits |= {"airy"} if card.height_m >= SIZES["large"] and card.weight_kg < WEIGHTS["middling"] else set()
    traits |= {"dense"} if card.height_m < SIZES["medium"] and card.weight_kg >= 50 else set()
    mean = sum(card.stats[key] for key in STATS) / len(STATS)
    best, worst = max(STATS, key=card.stats.__getitem__), min(STATS, key=card.stats.__getitem__)
    stats = {f"{best}+"} if card.stats[best] >= _STRONG * mean else set()
    stats |= {f"{worst}-"} if card.stats[worst] <= _WEAK * mean else set()
    return traits | (stats or {"balanced"})


def write_entry(card: Card, rng: random.Random) -> dict[str, str]:
    """The entry in each of schema.LANGUAGES, 60 to 170 characters, from the attributes of a card; `rng` decides among
    what is true of it."""
    traits = traits_of(card)
    true = [phrase for phrase in phrases() if phrase.holds(traits)]
    rng.shuffle(true)
    natures, facts, openers = ([p for p in true if p.part == part] for part in ("nature", "fact", "opener"))
    two_facts = rng.random() < _TWO_FACTS
    opener = openers[:1] if rng.random() < _OPENED and not two_facts else []
    turned = rng.random() < _TURNED
    for first, second in product(facts if two_facts else natures, facts):
        for chosen in ([*opener, first, second], [first, second]):
            topics = [phrase.topic for phrase in chosen if phrase.topic]
            entry = {lang: _sentences(lang, chosen, turned).format(**_slots(card, lang)) for lang in LANGUAGES}
            fits = all(SHORTEST <= len(text) <= LONGEST for text in entry.values())
            if fits and first is not second and len(set(topics)) == len(topics):
                return entry
    raise AssertionError(f"No phrases fit a creature with the traits {sorted(traits)}.")


def _sentences(lang: str, chosen: list[Phrase], turned: bool) -> str:
    """Two sentences in one language, with an opener before the first or none. `turned`: the second comes first."""
    *opener, first, second = (phrase.words[lang] for phrase in chosen)
    if chosen[-2].part == "nature":
        subject = _SUBJECTS[lang]
        first = f"{opener[0]}, {subject} {first}." if opener else f"{subject.capitalize()} {first}."
    return f"{second} {first}" if turned else f"{first} {second}"


def _slots(card: Card, lang: str) -> dict[str, str]:
    """What the braces of a phrase stand for."""
    point = "," if lang == "fr" else "."
    return {
        "height": f"{card.height_m:g}".replace(".", point),
        "weight": f"{card.weight_kg:g}".replace(".", point),
        "move": translated("move", card.attacks[-1]["name"], lang),
        "ability": translated("ability", card.ability, lang),
    }


def _class(bounds: dict[str, float], value: float) -> str:
    return next(name for name, bound in reversed(bounds.items()) if value >= bound)
