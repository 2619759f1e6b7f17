"""The names model: the same network as transformers', and names that are new, distinct and readable."""

import copy
import math
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from pokegen.errors import UserError
from pokegen.models.names import (
    ALPHABET,
    CONDITIONS,
    LETTERS,
    VOCABULARY,
    NameModel,
    NameTrainer,
    capitalise,
    decode,
    edit_distance,
    encode,
    encode_condition,
    readable,
)
from pokegen.schema import NO_TYPE
from pokegen.text import normalise

REAL = ("Bulbasaur", "Charmander", "Squirtle", "Caterpie", "Weedle", "Pidgey", "Rattata", "Ekans", "Ho-Oh", "Flabébé")


class Table:
    """What `prepare` reads of a datamodule."""

    names = tuple(REAL)


def batch(names=REAL):
    n = torch.arange(len(names))
    return {"name": list(names), "type1": n % 18, "type2": (n + 1) % 19, "stage": n % 3 + 1, "legendary": n % 2}


@pytest.fixture(scope="module")
def trainer() -> NameTrainer:
    torch.manual_seed(0)
    network = NameTrainer(layers=2, heads=2, width=48, dropout=0.0, noise=0.0)
    network.prepare(Table)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        network.loss(batch())["loss"].backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def model(trainer) -> NameModel:
    return trainer.to_inference_model()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_few_steps_lower_the_loss(trainer):
    assert trainer.loss(batch())["loss"] < 0.8 * math.log(len(ALPHABET))
    assert trainer.loss(batch())["bits"].item() == pytest.approx(trainer.loss(batch())["loss"].item() / math.log(2))


@torch.inference_mode()
def test_logits_are_those_of_transformers(trainer, model):
    tokens = torch.randint(VOCABULARY, (5, 20), generator=seeded(1))
    logits = model(tokens)
    torch.testing.assert_close(logits, trainer(tokens), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, model.to_transformers()(tokens).logits, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_cache_changes_nothing(model):
    tokens = torch.randint(VOCABULARY, (3, 12), generator=seeded(2))
    cache: dict = {}
    parts = [model(tokens[:, :6], cache), *(model(tokens[:, i : i + 1], cache) for i in range(6, 12))]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("start", ["", "pi"])
def test_drawing_reads_no_more_than_it_must(model, start, monkeypatch):
    """The names of a plain loop, which reads every name to the end of the longest: here what several begin with is read
    once, and what has ended no more."""
    conditions = encode_condition({"type1": torch.arange(300) % 3}, 300)
    tokens = torch.cat([conditions, torch.tensor([ALPHABET.index(c) + 1 for c in start]).long().expand(300, -1)], dim=1)
    generator, allowed = seeded(3), torch.zeros(VOCABULARY, dtype=torch.bool)
    allowed[1:30] = True  # letters, hyphen, space
    for length in range(len(start), 13):
        allowed[0] = length >= 3
        shares = model(tokens)[:, -1].masked_fill(~allowed, -torch.inf).div(0.9).softmax(dim=1)
        tokens = torch.cat([tokens, torch.multinomial(shares, 1, generator=generator)], dim=1)
    expected = [(decode(row), 0 in row) for row in tokens[:, 4:].tolist()]

    read, forward = [], NameModel.forward
    monkeypatch.setattr(NameModel, "forward", lambda self, x, *rest: read.append(x.numel()) or forward(self, x, *rest))
    assert model.draw(conditions, start, 12, 0.9, seeded(3)) == expected
    lengths = [min(len(name), 12) for name, _ in expected]
    assert sum(read) == 3 * (4 + len(start)) + sum(lengths) - 300 * len(start)
    assert sum(lengths) < 300 * 11  # so that a loop to the end would read more


def test_exported_weights_load_in_transformers(trainer, tmp_path):
    from transformers import GPT2LMHeadModel

    save_file(trainer.state_dict(), tmp_path / "model.safetensors")  # refuses tensors that share memory
    twin = GPT2LMHeadModel(trainer.to_inference_model().to_transformers().config)
    missing, unexpected = twin.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    assert missing == ["lm_head.weight"]  # tied to the embedding
    assert unexpected == ["known"]
    tokens = torch.arange(20)[None]
    torch.testing.assert_close(twin.eval()(tokens).logits, trainer(tokens), atol=1e-4, rtol=0)


def test_saved_and_loaded_draws_the_same(trainer, tmp_path):
    class_path, arguments = trainer.exported()
    assert class_path == f"{NameModel.__module__}.{NameModel.__name__}"
    save_file(trainer.state_dict(), tmp_path / "model.safetensors")
    loaded = NameModel(**arguments).eval()
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert loaded.sample(8, generator=seeded(3)) == trainer.to_inference_model().sample(8, generator=seeded(3))


def test_a_seed_is_a_list_of_names(model):
    torch.manual_seed(0)
    first = model.sample(8, generator=seeded(3))
    torch.manual_seed(1)
    assert model.sample(8, generator=seeded(3)) == first
    assert model.sample(8, generator=seeded(4)) != first
    assert model.sample(8) != model.sample(8)


@pytest.mark.parametrize("min_distance", [1, 2, 3])
def test_names_are_new_distinct_and_readable(model, min_distance):
    names = model.sample(100, generator=seeded(5), min_distance=min_distance)
    assert len(set(names)) == 100
    for name in names:
        low = normalise(name)
        assert name == capitalise(low) and readable(low)
        assert 3 <= len(name) <= 12
        assert min(edit_distance(low, normalise(real)) for real in REAL) >= min_distance


def test_the_learnt_names_would_come_back_if_they_were_not_refused(model):
    """The check above can fail: without the buffer this model recites its training names."""
    forgetful = copy.deepcopy(model)
    forgetful.known.zero_()
    assert set(forgetful.sample(100, generator=seeded(5), min_distance=1)) & set(REAL)


def test_training_shows_what_the_network_says_even_before_it_can_speak():
    torch.manual_seed(0)
    names = NameTrainer(layers=1, heads=1, width=8).sample(32, generator=seeded(0))
    assert len(names) == 32
    assert all(name == capitalise(name) and len(name) <= 13 for name in names)


def test_names_to_avoid_are_avoided(model):
    first = model.sample(20, generator=seeded(6))
    again = model.sample(20, generator=seeded(6), avoid=first)
    assert all(edit_distance(a.lower(), b.lower()) >= 2 for a in first for b in again)


@pytest.mark.parametrize("key", CONDITIONS)
def test_each_condition_matters(model, key):
    low = 1 if key == "stage" else 0
    names = ["pikari"]
    known = model.bits_per_character(names, {key: torch.tensor([low])})
    assert known != model.bits_per_character(names, {key: torch.tensor([low + 1])})
    assert known != model.bits_per_character(names)
    assert model.bits_per_character(names) == model.bits_per_character(names, {key: torch.tensor([-1])})


def test_prefix_begins_each_name_in_any_case(model):
    names = model.sample(10, generator=seeded(7), prefix="CHAr")
    assert all(re.match("Char[a-zé]", name) for name in names)
    assert model.sample(10, generator=seeded(7), prefix="char") == names


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prefix": "p1ka"}, "letters"),
        ({"prefix": "abcdefghijklm"}, "no room"),
        ({"prefix": "xxx"}, "readable"),
        ({"prefix": "Tapu Koko "}, "letters"),
        ({"temperature": 0.0}, "temperature from 0.01 to 100"),
        ({"temperature": math.nan}, "temperature from 0.01 to 100"),
        ({"max_length": 2}, "maximum length"),
        ({"min_distance": 0}, "distance"),
        ({"condition": {"type1": torch.tensor([18])}}, "0 to 17"),
        ({"condition": {"stage": torch.tensor([0])}}, "1 to 3"),
        ({"condition": {"type1": torch.tensor([1, 2])}}, "one value or 1"),
        ({"condition": {"type1": torch.tensor([3]), "type2": torch.tensor([3])}}, "differ"),
        ({"condition": {"hp": torch.tensor([3])}}, "Unknown condition 'hp'"),
        # Five letters are left by the prefix, and every one of the names they make is to be avoided.
        ({"prefix": "pika", "max_length": 5, "avoid": [f"pika{c}" for c in LETTERS]}, "new names that begin"),
    ],
)
def test_wrong_options_are_refused_in_one_line(model, options, message):
    with pytest.raises(UserError, match=message) as error:
        model.sample(1, generator=seeded(0), **options)
    assert "\n" not in str(error.value)


def test_no_names_is_a_mistake(model):
    with pytest.raises(UserError, match="1 name or more"):
        model.sample(0)


def test_every_real_name_can_be_written():
    from pokegen.data.pokedex import load_pokedex

    names = [species.name for species in load_pokedex()]
    tokens = encode(names, 16).tolist()
    assert [decode(row) for row in tokens] == [normalise(name) for name in names]
    share = sum(readable(normalise(name)) for name in names) / len(names)
    assert share > 0.93  # the rules describe the real ones


@pytest.mark.parametrize(
    "name",
    [
        "strngth",
        "tdkagde",
        "dontoltd",
        "lo-pqi",
        "aaab",
        "bcdf",
        "eeoua",
        "ab cd ef",
        "-abc",
        "abc-",
        "a",
        "fu-ckino",
        "",
    ],
)
def test_unreadable(name):
    assert not readable(name)


def test_edit_distance_by_hand():
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "abc") == 3
    assert edit_distance("pikachu", "pikachu") == 0


def test_training_hides_conditions_and_letters_and_evaluation_does_not(trainer):
    noisy = copy.deepcopy(trainer)
    noisy.noise, noisy.unknown = 0.5, 0.5
    clean = trainer.loss(batch())["loss"]
    assert noisy.eval().loss(batch())["loss"] == clean
    assert noisy.train().loss(batch())["loss"] > clean


def test_padding_costs_nothing(trainer):
    one = trainer.to_inference_model().bits_per_character(["ekans"])
    assert trainer.to_inference_model().bits_per_character(["ekans", "ekans"]) == pytest.approx(one, abs=1e-5)
    # By hand: the mean of -log2 p over the five letters and the end.
    tokens = torch.cat([encode_condition(None, 1), encode(["ekans"], 5)], dim=1)
    log_p = trainer(tokens)[0, 3:, : len(ALPHABET) + 1].log_softmax(dim=-1)
    targets = [*encode(["ekans"], 5)[0].tolist(), 0]
    by_hand = -sum(log_p[i, t].item() for i, t in enumerate(targets)) / 6 / math.log(2)
    assert one == pytest.approx(by_hand, abs=1e-3)


def test_conditions_of_other_models_are_passed_over(model):
    everything = {"type1": 3, "type2": NO_TYPE, "color": 2, "legendary": 0, "stage": 1}
    given = {key: torch.tensor([value]) for key, value in everything.items()}
    del everything["color"]
    assert model.sample(1, given, seeded(1)) == model.sample(1, everything, seeded(1))
