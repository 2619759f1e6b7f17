"""The Generator keeps what is asked, draws the rest from the seed alone, and says what it lacks."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import fake_zoo
import jsonschema
import numpy as np
import pytest
import torch
from fake_zoo import LABELS, Blob, Dice, Syllables

from pokegen.cards.generator import SPRITE_BATCH, Generator
from pokegen.cards.request import Request
from pokegen.errors import CheckpointError, UserError
from pokegen.schema import STATS, TYPES

SCHEMA = json.loads(files("pokegen.cards").joinpath("card.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture
def generator():
    return Generator(Blob(), Dice(), Syllables(), LABELS)


def record(card):
    return json.loads(json.dumps(replace(card, sprite="x.png").to_dict()))


def test_pairs_of_types_give_valid_cards_as_asked(generator):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    pairs = [(a, b) for i, a in enumerate(TYPES) for j, b in enumerate(TYPES) if i != j and (i + 2 * j) % 5 == 0]
    for seed, (type1, type2) in enumerate([*pairs, *((kind, "none") for kind in TYPES)]):
        card = generator.card(type1, type2, seed=seed)
        VALID.validate(record(card))
        assert card.types == ([type1] if type2 == "none" else [type1, type2])
        assert card.stats["total"] == sum(card.stats[key] for key in STATS)


@pytest.mark.parametrize(
    "spoil",
    [
        {"color": "Orange"},
        {"types": ["Fire", "Fire"]},
        {"types": []},
        {"stage": 4},
        {"height_m": 0},
        {"weaknesses": {"Fire": 1}},
        {"weaknesses": {"Plasma": 2}},
        {"moves": []},
        {"models": {"sprites": "cgan 1"}},
        {"stage": 1, "evolves_from": "Bala"},
        {"stage": 2, "evolves_from": None},
        {"mood": "fine"},
        {"stats": {"hp": 900}},
        {"sprite": "../x.png"},
        {"tier": "mythical"},
        {"rarity": "epic"},
        {"number": "7"},
        {"ability": ""},
        {"attacks": []},
        {"attacks": [{"name": "A", "type": "Fire", "cost": ["Fire"], "damage": 15}] * 2},
        {"retreat": 5},
        {"entry": {"en": "It naps in cold fireplaces and leaves them warm, every day but Sunday."}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_wrong(generator, spoil):
    card = record(generator.card(seed=1))
    VALID.validate(card)
    assert not VALID.is_valid(card | spoil)


def test_same_seed_same_card_another_seed_another(generator):
    first, again, other = (generator.card("fire", seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert np.array_equal(first.image, again.image)
    assert first.name != other.name
    assert first.stats != other.stats
    assert not np.array_equal(first.image, other.image)


def test_a_card_of_an_order_is_the_card_of_its_own_seed(generator):
    third = list(generator.cards(Request("fire", count=3, seed=7)))[2]
    alone = generator.card("fire", seed=9)
    assert third == alone
    assert third.seed == 9
    assert np.array_equal(third.image, alone.image)


def test_another_sprite_model_leaves_stats_and_name(generator):
    class Hungry(Blob):
        def sample(self, n, condition=None, generator=None):
            super().sample(5, generator=generator)
            return super().sample(n, condition, generator)

    other = Generator(Hungry(), Dice(), Syllables(), LABELS)
    assert generator.card(seed=3) == other.card(seed=3)
    assert not np.array_equal(generator.card(seed=3).image, other.card(seed=3).image)


def test_global_randomness_is_neither_used_nor_moved(generator):
    torch.manual_seed(1)
    random.seed(1)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    first = generator.card(seed=5)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])
    torch.manual_seed(2)
    random.seed(2)
    assert generator.card(seed=5) == first


def test_a_card_is_drawn_on_one_thread_and_leaves_the_setting_as_it_was():
    threads = []

    class Watching(Dice):
        def sample(self, n, condition=None, generator=None):
            threads.append(torch.get_num_threads())
            return super().sample(n, condition, generator)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        next(Generator(Blob(), Watching(), Syllables()).cards(Request(count=2)))  # and the second is never asked for
        assert threads == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_given_name_is_borne_and_changes_nothing_else(generator):
    named, free = generator.card(name="Flabébé", seed=4), generator.card(seed=4)
    assert named.name == "Flabébé"
    assert replace(named, name=free.name, evolves_from=free.evolves_from) == free


@pytest.mark.parametrize("legendary", [True, False])
def test_legendary_and_stage_are_kept(generator, legendary):
    cards = [generator.card(legendary=legendary, stage=2, seed=seed) for seed in range(10)]
    assert {card.legendary for card in cards} == {legendary}
    assert {card.stage for card in cards} == {2}


def test_the_form_before_shares_the_root_and_not_the_name(generator):
    for seed in range(30):
        card = generator.card(seed=seed)
        assert card.evolves_to == []
        if card.stage == 1:
            assert card.evolves_from is None
        else:
            assert card.evolves_from[:3] == card.name[:3]
            assert card.evolves_from != card.name


def test_the_form_before_of_a_name_that_the_model_cannot_begin():
    class Picky(Syllables):
        def sample(self, n, condition=None, generator=None, prefix="", **options):
            if prefix:
                raise UserError("no")
            return super().sample(n, condition, generator)

    generator = Generator(Blob(), Dice(), Picky(), LABELS)
    before = generator.card(name="Ñxqwling", stage=2).evolves_from
    assert before.startswith("Nxq") and before.endswith("kin")
    assert generator.card(name="Rx 7", stage=2).evolves_from == "Rxling"


def test_the_sprite_model_is_told_what_the_card_says():
    seen = {}

    class Listening(Blob):
        def sample(self, n, condition=None, generator=None):
            seen.update({key: value.tolist() for key, value in condition.items()})
            return super().sample(n, condition, generator)

    card = Generator(Listening(), Dice(), Syllables()).card("ghost", "none", legendary=True, stage=3)
    assert seen["type1"] == [TYPES.index("Ghost")]
    assert seen["type2"] == [18]
    assert seen["legendary"] == [1]
    assert seen["stage"] == [3]
    assert card.types == ["Ghost"]


def test_tier_rarity_and_number_are_those_of_the_creature(generator):
    for seed in range(20):
        card = generator.card(seed=seed)
        assert (card.tier == "legendary") == card.legendary == (card.rarity == "legendary")
        assert card.number == f"{seed:04d}"
    assert generator.card(seed=123456).number == "123456"
    forms = generator.line(3, seed=42, legendary=False)
    assert [card.number for card in forms] == ["0042", "0042-2", "0042-3"]
    assert len({card.tier for card in forms}) == 1


def test_the_earlier_form_has_a_picture(generator):
    for seed in range(10):
        card = generator.card("fire", seed=seed)
        assert (card.earlier is None) == (card.stage == 1)
    forms = generator.line(3, seed=2, type1="fire")
    assert forms[0].earlier is None
    assert all(np.array_equal(after.earlier, before.image) for before, after in pairwise(forms))
    assert generator.card(seed=0).to_dict().keys() & {"image", "earlier"} == set()


def test_sprites_are_pixels_on_white(generator):
    n = SPRITE_BATCH + 3
    sprites = generator.sprites(n, "fire", seed=1)
    assert sprites.shape == (n, 128, 128, 3)
    assert sprites.dtype == np.uint8
    assert (sprites[:, 0, 0] == 255).all()
    assert np.array_equal(sprites, generator.sprites(n, "fire", seed=1))
    assert not np.array_equal(sprites, generator.sprites(n, "fire", seed=2))
    assert not np.array_equal(sprites[:3], sprites[SPRITE_BATCH:])  # a batch does not begin the stream anew


def test_truncation_reaches_the_model_or_is_refused(generator):
    dark = [(generator.sprites(8, seed=1, truncation=t) < 255).mean() for t in (0.2, 1.0)]
    assert dark[0] < dark[1]

    class Plain(Blob):
        def sample(self, n, condition=None, generator=None):
            return super().sample(n, condition, generator)

    with pytest.raises(UserError, match="knows no truncation"):
        Generator(Plain()).sprites(1, truncation=0.5)
    with pytest.raises(UserError, match="above 0"):
        generator.sprites(1, truncation=0.0)


def test_sprites_are_the_same_on_any_number_of_threads():
    from pokegen.models.cgan import CGANGenerator as Net

    torch.manual_seed(0)
    generator, before, seen = Generator(Net(width=16).eval()), torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        seen.append(generator.sprites(5, seed=3))
    torch.set_num_threads(before)
    assert all(np.array_equal(seen[0], other) for other in seen[1:])


def test_a_model_without_conditions_is_not_asked_for_types():
    class Plain(Blob):
        conditions = ()

    assert Generator(Plain()).sprites(1).shape == (1, 128, 128, 3)
    with pytest.raises(UserError, match="'unnamed' draws without type1, type2"):
        Generator(Plain()).sprites(1, type1="fire", type2="none")
    assert Generator(Blob()).ignored(Request("fire")) == []


def test_stats_are_a_table_with_the_pokedex_columns(generator):
    table = generator.stats(50, "dragon", stage=2, seed=3)
    assert len(table) == 50
    assert (table["Type1"] == "Dragon").all()
    assert (table["Stage"] == 2).all()
    assert (table["Total"] == table[["HP", "Attack", "Defense", "Sp. Atk", "Sp. Def", "Speed"]].sum(axis=1)).all()
    assert (table["Type1"] != table["Type2"]).all()
    assert table.equals(generator.stats(50, "dragon", stage=2, seed=3))
    assert (generator.stats(5, type2="none")["Type2"] == "").all()


def test_names_pass_the_options_on(generator):
    names = generator.names(20, "ghost", prefix="Bra", seed=3)
    assert len(set(names)) == 20
    assert all(name.startswith("Bra") for name in names)
    assert names == generator.names(20, "ghost", prefix="Bra", seed=3) != generator.names(20, "ghost", prefix="Bra")


def test_a_missing_model_is_named():
    with pytest.raises(UserError, match="no stats model"):
        Generator(sprites=Blob()).card()
    assert Generator(sprites=Blob()).sprites(1).shape == (1, 128, 128, 3)


@pytest.mark.parametrize("model", [Dice(), Syllables()])
def test_a_model_of_another_kind_is_refused(model):
    with pytest.raises(UserError, match="A sprite model must draw images"):
        Generator(model, Dice(), Syllables()).card()


@pytest.mark.parametrize("mistake", [{"type1": "Plasma"}, {"type1": "Fire", "type2": "Fire"}, {"seed": -1}])
def test_mistakes_reach_python_users_too(generator, mistake):
    with pytest.raises(UserError):
        generator.card(**mistake)
    with pytest.raises(UserError):
        generator.sprites(1, **mistake)


def test_creating_a_card_imports_nothing_heavy():
    """Cold start: in a process of its own, since this one has imported everything."""
    code = """
import sys
import pokegen.cli.card, pokegen.cli.sprites, pokegen.cli.stats, pokegen.cli.names
assert "torch" not in sys.modules, "the verbs import torch before it is needed"
from pokegen import Generator
import pokegen.cards.files
heavy = {"lightning", "transformers", "torchvision", "wandb", "pandas", "jsonargparse", "sklearn", "rich"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
sys.path.insert(0, sys.argv[1])
from fake_zoo import Blob, Dice, Syllables
from pokegen.cards.render import render
render(Generator(Blob(), Dice(), Syllables()).card(seed=1))
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(fake_zoo.__file__).parent)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_model_that_scores_is_no_generator():
    with pytest.raises(CheckpointError, match="judge creates nothing"):
        Generator.from_zoo("judge", roles=("sprites",))
