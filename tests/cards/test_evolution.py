"""Evolution lines: they grow as real ones do, keep what is asked, and belong together."""

import random
from itertools import pairwise

import numpy as np
import pytest
from fake_zoo import LABELS, Blob, Dice, Syllables

from pokegen.cards import evolution
from pokegen.cards.generator import Generator
from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import split_of
from pokegen.errors import UserError
from pokegen.schema import NO_TYPE, STATS, TYPES

FIRST = {"type1": 6, "type2": NO_TYPE, "legendary": 0, "color": 7, "stage": 1, "height_m": 0.6, "weight_kg": 8.5}
FIRST |= dict(zip(STATS, (39, 52, 43, 60, 50, 65), strict=True))


def total(form):
    return sum(form[stat] for stat in STATS)


@pytest.fixture
def generator():
    return Generator(Blob(), Dice(), Syllables(), LABELS)


@pytest.mark.parametrize("length", [2, 3])
def test_real_lines_are_whole_and_of_the_training_families(length):
    found = evolution.lines(length)
    assert len(found) > 50
    evolves = {species.evolves_from for species in load_pokedex()}
    for line in found:
        assert [species.stage for species in line] == list(range(1, length + 1))
        assert line[-1].name not in evolves
        assert {split_of(species.family) for species in line} == {"train"}
        assert not any(species.legendary for species in line)
        assert len({species.type1 for species in line}) == 1
    assert not set(found) & set(evolution.lines(length, ("val", "test")))


@pytest.mark.parametrize("length", [2, 3])
def test_forms_grow_and_types_stay_or_gain_one(length):
    gained = 0
    for seed in range(60):
        forms = evolution.grow(FIRST, length, lambda: 9, random.Random(seed))
        assert forms[0] == FIRST
        assert [form["stage"] for form in forms] == list(range(1, length + 1))
        assert all(total(a) <= total(b) for a, b in pairwise(forms))
        assert {form["type1"] for form in forms} == {6}
        seconds = [form["type2"] for form in forms]
        assert seconds in ([NO_TYPE] * i + [9] * (length - i) for i in range(1, length + 1))
        gained += 9 in seconds
        assert all(form["height_m"] >= 0.1 and form["weight_kg"] >= 0.1 for form in forms)
    assert 0 < gained < 60


def test_a_line_grows_as_a_real_one_that_begins_alike():
    line = next(line for line in evolution.lines(3) if line[0].name == "Charmander")
    first = {**FIRST, "height_m": line[0].height_m, "weight_kg": line[0].weight_kg}
    grown = [evolution.grow(first, 3, lambda: NO_TYPE, random.Random(seed)) for seed in range(40)]
    lasts = [tuple(forms[-1][stat] for stat in STATS) for forms in grown]
    assert line[-1].stats in lasts  # its own growth is among the likest
    assert len(set(lasts)) > 5


def test_bounds_hold_at_the_ends():
    strong = {**FIRST, **dict.fromkeys(STATS, 250)}
    for seed in range(20):
        forms = evolution.grow(strong, 3, lambda: NO_TYPE, random.Random(seed))
        assert all(1 <= form[stat] <= 255 for form in forms for stat in STATS)
        assert total(forms[0]) <= total(forms[1]) <= total(forms[2])


def test_roots_begin_the_name_and_leave_it_an_ending():
    for seed in range(30):
        start = evolution.root("Pyrodrake", random.Random(seed))
        assert "Pyrodrake".startswith(start) and 3 <= len(start) <= 7
    assert evolution.root("Muk", random.Random(0)) == "Muk"
    assert evolution.root("Ho-Oh", random.Random(0)) == "Hoo"


@pytest.mark.parametrize("evolutions", [2, 3])
def test_cards_of_a_line_belong_together(generator, evolutions):
    cards = generator.line(evolutions, seed=5, type1="Fire", color="Red")
    assert [card.stage for card in cards] == list(range(1, evolutions + 1))
    names = [card.name for card in cards]
    assert len(set(names)) == evolutions
    assert len({name[:3] for name in names}) == 1
    assert [card.evolves_from for card in cards] == [None, *names[:-1]]
    assert [card.evolves_to for card in cards] == [*([name] for name in names[1:]), []]
    assert {card.types[0] for card in cards} == {"Fire"} and {card.color for card in cards} == {"Red"}
    assert all(a.stats["total"] <= b.stats["total"] for a, b in pairwise(cards))
    again = generator.line(evolutions, seed=5, type1="Fire", color="Red")
    assert cards == again
    assert all(np.array_equal(a.image, b.image) for a, b in zip(cards, again, strict=True))


def test_two_asked_types_hold_for_every_form_and_a_single_one_stays_single(generator):
    for seed in range(10):
        both = generator.line(3, seed=seed, type1="Fire", type2="Dragon")
        assert all(card.types == ["Fire", "Dragon"] for card in both)
        one = generator.line(3, seed=seed, type1="Fire", type2="none")
        assert all(card.types == ["Fire"] for card in one)


def test_a_given_name_is_the_last_forms(generator):
    names = [card.name for card in generator.line(3, seed=1, name="Pyrodrake")]
    assert names[-1] == "Pyrodrake" and len(set(names)) == 3
    assert all(name.startswith("Pyr") for name in names)


def test_names_that_the_model_cannot_begin_still_differ():
    class Picky(Syllables):
        def sample(self, n, condition=None, generator=None, prefix="", **options):
            if prefix:
                raise UserError("no")
            return super().sample(n, condition, generator)

    for name in ("Nxqwling", "Nxqwkin", "Æ"):
        names = [card.name for card in Generator(Blob(), Dice(), Picky(), LABELS).line(3, seed=1, name=name)]
        assert len(set(names)) == 3 and names[-1] == name


@pytest.mark.parametrize("kind", ["fire", "water"])
def test_the_shipped_models_draw_one_creature_growing_up(kind):
    shipped = Generator.from_zoo()
    line, other = shipped.line(3, seed=2, type1=kind), shipped.line(3, seed=3, type1=kind)
    images = [card.image.astype(int) for card in line]
    apart = np.abs(images[0] - images[2]).mean()
    assert np.abs(images[0] - images[1]).mean() > 0
    assert apart < np.abs(images[0] - other[0].image.astype(int)).mean()  # nearer than another creature
    assert line[0].stats["total"] < line[2].stats["total"] and line[0].types[0] == TYPES[TYPES.index(kind.title())]
