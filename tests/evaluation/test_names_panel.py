"""The names panel: closed forms of its numbers, and that it tells good names from bad ones."""

import json
import math

import numpy as np
import pytest
import torch

from pokegen.data.tables import NamesDataModule
from pokegen.errors import UserError
from pokegen.evaluation import names_panel as panel
from pokegen.evaluation.names_panel import (
    BY_CONSTRUCTION,
    METRICS,
    ORDERS,
    STRENGTHS,
    SYMBOLS,
    NGram,
    bits_and_error,
    edit_distances,
    evaluate_names,
    fit_ngram,
    type_scores,
)
from pokegen.models.names import ALPHABET, END, NameModel, edit_distance
from pokegen.schema import NO_TYPE, TYPES

NAMES = ("abra", "Ekans", "Arbok", "Ho-Oh", "Flabébé", "Abomasnow")
SYLLABLES = {"Fire": ("fi", "ra", "zu"), "Water": ("wo", "lu", "mi"), "Grass": ("ge", "st", "ho")}


def word(kind: str, rng: np.random.Generator) -> str:
    return "".join(rng.choice(SYLLABLES[kind], size=rng.integers(3, 6)))


def table(n: int, seed: int) -> dict:
    """Names that are written as their type is."""
    rng = np.random.default_rng(seed)
    kinds = [list(SYLLABLES)[i % 3] for i in range(n)]
    return {
        "name": [word(kind, rng) for kind in kinds],
        "type1": torch.tensor([TYPES.index(kind) for kind in kinds]),
        "type2": torch.full((n,), NO_TYPE),
        "stage": torch.ones(n, dtype=torch.int64),
        "legendary": torch.zeros(n, dtype=torch.int64),
    }


class Fake:
    """Says what `say(type, generator)` says, and finds every character as hard as every other."""

    def __init__(self, say):
        self.say = say

    def sample(self, n, condition=None, generator=None):
        rng = np.random.default_rng(generator.initial_seed())
        return [self.say(TYPES[k], rng) for k in condition["type1"].tolist()]

    def bits_per_character(self, names, condition=None):
        return math.log2(SYMBOLS)


OBEDIENT = Fake(word)


@pytest.fixture(scope="module")
def splits():
    return {"train": table(90, 0), "val": table(30, 1), "test": table(30, 2)}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(panel, "COUNT", 60)


@pytest.fixture(scope="module")
def obedient(splits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "COUNT", 60)
        return evaluate_names(OBEDIENT, splits, seed=3)


def test_uniform_bits_are_the_logarithm_of_the_symbols():
    uniform = NGram(NAMES, order=0)
    assert uniform.bits_per_character(NAMES) == pytest.approx(math.log2(len(ALPHABET) + 1))
    assert bits_and_error(uniform, NAMES) == pytest.approx((math.log2(43), 0))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("context", ["", "^^^^^", "ar", "zzz", "^ekan"])
def test_probabilities_sum_to_one(order, context):
    p = NGram(NAMES, order, strength=3).distribution(context[-order + 1 :] if order > 1 else "")
    assert p.sum() == pytest.approx(1)
    assert (p > 0).all()


def test_orders_one_and_two_are_the_counts_by_hand():
    # abra, aab: a 4 times, b 2, r 1, end 2, of 9; behind an a: b 2, a 1, end 1, of 4
    names, strength = ["Abra", "aab"], 2
    one = {c: (count + strength / SYMBOLS) / (9 + strength) for c, count in {"a": 4, "b": 2, "r": 1, "z": 0}.items()}
    p = NGram(names, 1, strength).distribution("")
    assert [p[ALPHABET.index(c) + 1] for c in one] == pytest.approx(list(one.values()))
    assert p[END] == pytest.approx((2 + strength / SYMBOLS) / (9 + strength))
    p = NGram(names, 2, strength).distribution("a")
    assert p[ALPHABET.index("b") + 1] == pytest.approx((2 + strength * one["b"]) / (4 + strength))
    assert p[ALPHABET.index("z") + 1] == pytest.approx(strength * one["z"] / (4 + strength))


def test_bits_are_those_of_the_probabilities():
    gram = NGram(["ab"], 2, strength=1)
    p = [gram.distribution("^")[1], gram.distribution("a")[2], gram.distribution("b")[END]]
    assert gram.bits_per_character(["AB"]) == pytest.approx(-sum(map(math.log2, p)) / 3)


def test_strength_is_the_best_on_validation(splits):
    train, val = splits["train"]["name"], splits["val"]["name"]
    chosen = fit_ngram(train, val, 4)
    assert chosen.bits_per_character(val) == min(NGram(train, 4, s).bits_per_character(val) for s in STRENGTHS)


def test_a_seed_is_a_list_of_names_within_bounds():
    gram = NGram(NAMES, 3)
    first = gram.sample(200, np.random.default_rng(1))
    assert gram.sample(200, np.random.default_rng(1)) == first
    assert gram.sample(200, np.random.default_rng(2)) != first
    assert {len(name) for name in first} <= set(range(3, 13))


def test_names_are_drawn_by_their_probabilities():
    gram = NGram(["aab", "aba", "bab", "ccc"], 2, strength=0.5)
    drawn = gram.sample(4000, np.random.default_rng(0))
    p = gram.distribution("^")
    p[END] = 0  # no name ends before its third letter
    for letter in "abc":
        share = np.mean([name[0] == letter for name in drawn])
        assert share == pytest.approx(p[ALPHABET.index(letter) + 1] / p.sum(), abs=0.03)
    second = [name[1] for name in drawn if name[0] == "c"]
    assert np.mean([c == "c" for c in second]) > 0.5


class Costs:
    """So many bits a character for each name."""

    def __init__(self, **bits):
        self.bits = bits

    def bits_per_character(self, names, condition=None):
        assert not condition or len(condition["type1"]) == len(names)
        return float(np.mean([self.bits[name] for name in names]))


def test_the_error_is_that_of_a_mean_over_families():
    # Names of equal length: the ratio is the mean, its error the sample deviation over the root of the families.
    names = ["Zzzaa", "Zzzbb", "Zzzcc"]
    model = Costs(Zzzaa=1.0, Zzzbb=2.0, Zzzcc=6.0)
    assert bits_and_error(model, names) == pytest.approx((3, np.std([1, 2, 6], ddof=1) / math.sqrt(3)))
    conditioned = bits_and_error(model, names, {"type1": torch.arange(3)})
    assert conditioned == bits_and_error(model, names)


def test_a_family_is_one_draw():
    # Togepi, Togetic, Togekiss: one family; had each counted for itself, the error would be smaller.
    together = Costs(Togepi=1.0, Togetic=1.0, Togekiss=1.0, Pikachu=4.0)
    apart = Costs(Zogepi=1.0, Zogetic=1.0, Zogekiss=1.0, Pikachu=4.0)
    mean, error = bits_and_error(together, list(together.bits))
    alone_mean, alone_error = bits_and_error(apart, list(apart.bits))
    assert mean == alone_mean
    assert error > alone_error > 0
    with pytest.raises(UserError, match="2 evolution families or more"):
        bits_and_error(together, ["Togepi", "Togetic"])


def test_a_difference_is_paired():
    a, b = Costs(Zzzaa=1.0, Zzzbb=5.0), Costs(Zzzaa=2.0, Zzzbb=6.0)
    names = ["Zzzaa", "Zzzbb"]
    assert bits_and_error(a, names, above=a) == (0, 0)
    assert bits_and_error(b, names, above=a) == (1, 0)  # each name costs one more, however they differ
    assert bits_and_error(a, names)[1] == 2


def test_edit_distances_are_those_one_by_one():
    rng = np.random.default_rng(0)
    words = ["", "é", "kitten", "sitting", *("".join(rng.choice(list("abé-"), rng.integers(1, 9))) for _ in range(40))]
    expected = [[edit_distance(a, b) for b in words] for a in words]
    np.testing.assert_array_equal(edit_distances(words, words), expected)


def test_perfect_guesses_score_one():
    guesses = np.arange(36) % 18
    scores = type_scores(guesses, np.eye(18, dtype=bool)[guesses])
    assert scores["type_top1"] == scores["type_f1"] == 1
    assert scores["type_top1_se"] == 0
    assert scores["type_top1_chance"] == pytest.approx(1 / 18)


def test_type_scores_are_scikit_learns_and_chance_is_the_mean_over_shuffles():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    types = np.zeros((60, 18), bool)
    types[np.arange(60), rng.integers(0, 9, 60)] = True
    types[np.arange(60), rng.integers(0, 18, 60)] = True
    types[:, 17] = False  # never asked: not averaged
    guesses = rng.integers(0, 18, 60)
    scores = type_scores(guesses, types)
    present = np.flatnonzero(types.any(axis=0))
    f1 = f1_score(types[:, present], np.eye(18, dtype=bool)[guesses][:, present], average="macro", zero_division=0)
    assert scores["type_f1"] == pytest.approx(f1)
    shuffled = [type_scores(guesses, rng.permutation(types)) for _ in range(500)]
    for metric in ("type_top1", "type_f1"):
        assert scores[f"{metric}_chance"] == pytest.approx(np.mean([s[metric] for s in shuffled]), abs=0.01)


def test_the_result_is_seeded_and_plain(obedient, splits):
    assert evaluate_names(OBEDIENT, splits, seed=3) == obedient
    assert evaluate_names(OBEDIENT, splits, seed=4) != obedient
    assert json.loads(json.dumps(obedient, allow_nan=False)) == obedient
    assert (obedient["seed"], obedient["n"]) == (3, 60)
    assert {metric for row in obedient["rows"].values() for metric in row} == METRICS.keys()
    references = {"uniform", *(f"{n}-gram" for n in range(1, 7)), "real, held out", "real, letters shuffled"}
    assert obedient["rows"].keys() == {"model", "model, no condition", *references}
    assert obedient["by_construction"] == {}


def test_references_stand_in_the_order_of_what_they_know(obedient):
    rows = obedient["rows"]
    assert rows["uniform"]["bits_test"] == pytest.approx(math.log2(SYMBOLS))
    assert rows["4-gram"]["bits_test"] < rows["2-gram"]["bits_test"] < rows["1-gram"]["bits_test"]
    assert rows["1-gram"]["bits_test"] < rows["uniform"]["bits_test"]
    assert rows["5-gram"]["bits_test_above_5gram"] == rows["5-gram"]["bits_test_above_5gram_se"] == 0
    difference = rows["uniform"]["bits_test"] - rows["5-gram"]["bits_test"]
    assert rows["uniform"]["bits_test_above_5gram"] == pytest.approx(difference)
    for metric in ("readable", "pronounceable"):
        assert rows["real, held out"][metric] > rows["real, letters shuffled"][metric] > rows["uniform"][metric]


def test_a_model_that_heeds_types_is_told_from_one_that_does_not(obedient, splits):
    supports = obedient["rows"]["model"]
    real = obedient["rows"]["real, held out"]
    assert supports["type_top1"] > 0.95 and real["type_top1"] > 0.95
    assert supports["type_f1"] > 0.9 > 0.5 > supports["type_f1_chance"]
    deaf = Fake(lambda kind, rng: word(str(rng.choice(list(SYLLABLES))), rng))
    row = evaluate_names(deaf, splits)["rows"]["model"]
    assert abs(row["type_top1"] - row["type_top1_chance"]) < 4 * row["type_top1_se"]
    # N-grams look at no condition.
    blind = obedient["rows"]["3-gram"]
    assert abs(blind["type_top1"] - blind["type_top1_chance"]) < 4 * blind["type_top1_se"]


def test_copies_repeats_and_noise_are_seen(splits):
    copies = Fake(lambda kind, rng: str(rng.choice(splits["train"]["name"])).capitalize())
    row = evaluate_names(copies, splits)["rows"]["model"]
    assert (row["new"], row["nearest"], row["pronounceable"]) == (0, 0, pytest.approx(1, abs=0.1))
    row = evaluate_names(Fake(lambda *_: "zzzzzzzzz"), splits)["rows"]["model"]
    assert row["distinct"] == 1 / 60
    assert (row["new"], row["readable"], row["pronounceable"]) == (1, 0, 0)
    assert row["nearest"] >= 6


def test_real_names_are_measured_against_every_other(splits):
    lonely = {key: dict(value) for key, value in splits.items()}
    lonely["val"] = table(2, 5) | {"name": ["abcdefghij", "abcdefghik"]}  # one edit apart
    lonely["test"] = table(2, 6) | {"name": ["vwvwvwvw", "xyxyxyxy"]}
    row = evaluate_names(OBEDIENT, lonely)["rows"]["real, held out"]
    assert (row["names"], row["new"]) == (4, 0.5)


def test_what_holds_by_construction_is_said_and_shown_without(splits, monkeypatch):
    monkeypatch.setattr(panel, "COUNT", 20)  # an untrained net finds few readable names
    torch.manual_seed(0)
    result = evaluate_names(NameModel(layers=1, heads=1, width=8).eval(), splits)
    assert result["by_construction"] == {"model": list(BY_CONSTRUCTION)}
    checked, unchecked = result["rows"]["model"], result["rows"]["model, unchecked"]
    assert all(checked[metric] == 1 for metric in BY_CONSTRUCTION)
    assert unchecked["readable"] < 0.5
    assert "bits_test" not in unchecked


def test_samples_have_neither_bits_nor_types(splits):
    rng = np.random.default_rng(9)
    samples = [word("Fire", rng).capitalize() for _ in range(40)]
    result = evaluate_names(None, splits, samples=samples)
    row = result["rows"]["samples"]
    assert row["names"] == result["n"] == result["rows"]["2-gram"]["names"] == 40
    assert row["pronounceable"] > 0.5
    assert not any(metric.startswith(("bits", "type")) for metric in row)
    many = evaluate_names(None, splits, samples=samples * 3)  # more than are scored
    assert many["rows"]["samples"]["names"] == 60


@pytest.mark.parametrize(
    "model, samples, message",
    [
        (None, None, "either a model or samples"),
        (OBEDIENT, ["Abra"], "either a model or samples"),
        (None, [], "1 name or more"),
        (None, ["Abra", "Ab#ra"], "'Ab#ra'"),
        (None, ["Abra", "a" * 33], "1 to 32 of the characters"),
        (None, ["Abra", ""], "1 to 32 of the characters"),
    ],
)
def test_wrong_samples_are_refused_in_one_line(splits, model, samples, message):
    with pytest.raises(UserError, match=message) as error:
        evaluate_names(model, splits, samples=samples)
    assert "\n" not in str(error.value)


def test_a_single_name_is_scored_too():
    result = evaluate_names(None, NamesDataModule().columns, samples=["Pyrodrake"])
    assert result["n"] == 1
    assert result["rows"]["samples"]["names"] == 1
