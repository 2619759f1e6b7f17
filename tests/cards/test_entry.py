"""Pokédex entries: true of the card, right in both languages, and no two alike."""

import random
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations

import pytest

from pokegen.cards.assembly import assemble
from pokegen.cards.entry import LONGEST, SHORTEST, phrases, traits_of, write_entry
from pokegen.data.pokedex import load_pokedex
from pokegen.schema import COLORS, LANGUAGES, NO_TYPE, STATS, TIERS, TYPES, Card


def card_of(seed: int) -> Card:
    """A card with the attributes of a species: without models, and as creatures are."""
    table = load_pokedex()
    species = table[seed * 997 % len(table)]  # all over the table
    form = dict(zip(STATS, species.stats, strict=True)) | {
        "type1": TYPES.index(species.type1),
        "type2": TYPES.index(species.type2) if species.type2 else NO_TYPE,
        "color": COLORS.index(species.color),
        "legendary": species.legendary,
        "tier": TIERS.index("regular"),
        "stage": species.stage,
        "height_m": species.height_m,
        "weight_kg": species.weight_kg,
    }
    return assemble([form], ["Balamu"], "Balako" if species.stage > 1 else None, seed, {})[0]


@cache
def cards() -> tuple[Card, ...]:
    return tuple(card_of(seed) for seed in range(300))


def phrases_of(card: Card) -> list[int]:
    """The phrases in an entry, by their places in the file."""
    return [i for i in range(len(phrases())) if says(card.entry, i, "en")]


def says(entry: dict[str, str], place: int, lang: str) -> bool:
    """Whether a phrase is in an entry, with anything for its braces."""
    pattern = re.sub(r"\\{\w+\\}", r"(\\d+[.,]?\\d*|[^.,]+)", re.escape(phrases()[place].words[lang]))
    return re.search(pattern, entry[lang], re.IGNORECASE) is not None


def test_two_hundred_cards_have_two_hundred_entries():
    for lang in LANGUAGES:
        for few in (cards()[:200], cards()[100:]):
            assert len({card.entry[lang] for card in few}) == 200


def test_no_phrase_is_in_more_than_one_of_twelve_cards():
    used = Counter(i for card in cards() for i in phrases_of(card))
    place, most = used.most_common(1)[0]
    assert most <= 0.08 * len(cards()), phrases()[place]
    assert len(used) > 0.6 * len(phrases())  # and most of them come up


def test_an_entry_is_one_or_two_sentences_of_the_length_that_a_card_has_room_for():
    for card in cards():
        assert tuple(card.entry) == LANGUAGES
        for text in card.entry.values():
            assert SHORTEST <= len(text) <= LONGEST
            sentences = re.split(r"(?<=\.) ", text)
            assert len(sentences) == 2 and all(each[0].isupper() for each in sentences) and text.endswith(".")
            assert "{" not in text


def test_both_languages_say_the_same():
    for card in cards()[:100]:
        found = phrases_of(card)
        assert 2 <= len(found) <= 3
        assert all(says(card.entry, i, "fr") for i in found)


def test_an_entry_is_true_of_its_card():
    for card in cards():
        traits = traits_of(card)
        found = [phrases()[i] for i in phrases_of(card)]
        assert all(phrase.holds(traits) for phrase in found)
        topics = [phrase.topic for phrase in found if phrase.topic]
        assert len(set(topics)) == len(topics)
        for color in set(COLORS) - {card.color}:
            assert f"its {color.lower()}" not in card.entry["en"].lower()


@pytest.mark.parametrize(
    ("changes", "present", "absent"),
    [
        ({"weight_kg": 1.0, "height_m": 0.3}, {"feather", "tiny"}, {"heavy", "huge", "dense", "airy"}),
        ({"weight_kg": 500.0, "height_m": 6.0}, {"massive", "huge", "giant"}, {"feather", "tiny", "airy"}),
        ({"weight_kg": 100.0, "height_m": 0.5}, {"heavy", "small", "dense"}, {"light", "giant"}),
        ({"weight_kg": 5.0, "height_m": 2.0}, {"light", "large", "airy"}, {"dense"}),
        ({"stage": 3, "evolves_from": "Ba"}, {"stage3", "evolved"}, {"stage1", "evolves"}),
        ({"stage": 1, "evolves_to": ["Ba"]}, {"stage1", "evolves"}, {"evolved"}),
        ({"stats": dict.fromkeys(STATS, 70) | {"speed": 120}}, {"speed+"}, {"balanced", "speed-", "hp+"}),
        ({"stats": dict.fromkeys(STATS, 70) | {"hp": 20}}, {"hp-"}, {"balanced", "hp+"}),
        ({"stats": dict.fromkeys(STATS, 70)}, {"balanced"}, {f"{key}{sign}" for key in STATS for sign in "+-"}),
    ],
)
def test_traits_are_those_of_the_attributes(changes, present, absent):
    traits = traits_of(replace(card_of(0), **changes))
    assert present <= traits
    assert not absent & traits


def test_fire_does_not_sleep_in_the_sea_nor_is_a_light_creature_heavy():
    card = replace(card_of(0), types=["Water", "Fire"], weight_kg=2.0, height_m=0.5, tier="regular")
    texts = [write_entry(card, random.Random(seed))["en"] for seed in range(300)]
    assert not any(re.search(r"sea floor|[Hh]eavy|sinks|[Bb]ridge", text) for text in texts)
    assert any("steam" in text for text in texts)
    wet = replace(card, types=["Water"])
    assert any("sea floor" in write_entry(wet, random.Random(seed))["en"] for seed in range(300))


def test_every_kind_of_creature_gets_an_entry():
    sizes = [(0.1, 0.1), (0.5, 10.0), (1.0, 100.0), (2.0, 50.0), (10.0, 900.0)]
    for i, types in enumerate([[kind] for kind in TYPES] + [list(pair) for pair in combinations(TYPES, 2)]):
        for j, tier in enumerate(TIERS):
            height, weight = sizes[(i + j) % len(sizes)]
            card = replace(card_of(i), types=types, tier=tier, height_m=height, weight_kg=weight)
            entry = write_entry(card, random.Random(i))
            assert all(SHORTEST <= len(text) <= LONGEST for text in entry.values())


def test_an_entry_depends_on_the_seed_and_not_on_the_name():
    card = card_of(3)
    entries = [
        write_entry(replace(card, name=name), random.Random(seed)) for name, seed in (("A", 1), ("B", 1), ("A", 2))
    ]
    assert entries[0] == entries[1] != entries[2]


def test_phrases_are_written_for_known_traits_and_with_the_right_signs():
    known = {*TYPES, *COLORS, *TIERS, *(f"{key}{sign}" for key in STATS for sign in "+-"), "balanced"}
    known |= {"tiny", "small", "medium", "large", "huge", "giant", "feather", "light", "middling", "heavy", "massive"}
    known |= {"airy", "dense", "stage1", "stage2", "stage3", "evolves", "evolved"}
    assert len({phrase.words["en"] for phrase in phrases()}) == len(phrases())
    for phrase in phrases():
        assert phrase.when or "{" in phrase.words["en"]
        for need in phrase.when:
            assert set(need.removeprefix("-").split("|")) <= known, phrase
        for text in phrase.words.values():
            assert "'" not in text and '"' not in text and "  " not in text, text
            assert text.endswith(".") == (phrase.part == "fact"), text
            assert text[0].isupper() == (phrase.part != "nature"), text
    english, french = ([phrase.words[lang] for phrase in phrases()] for lang in LANGUAGES)
    assert not any(re.search(r"\b[Aa] [aeio]|\b[Aa]n (?!hour)[^aeiou]", text) for text in english)
    assert not any(re.search(r"\b(de|le|la|que|ne|se) [aeiouéèêâîôû]", text) for text in french)  # these elide
    assert all(re.search(r"\s[;:!?]", text) for text in french if re.search("[;:!?]", text))  # French spaces


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_has_natures_of_its_own_for_a_legendary_creature_too(kind):
    for tier in ("regular", "legendary"):
        traits = traits_of(replace(card_of(1), types=[kind], tier=tier))
        assert sum(phrase.part == "nature" and phrase.holds(traits) for phrase in phrases()) >= 3
