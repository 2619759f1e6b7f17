"""What a name calls to mind: types by evidence, rows by fit, and cards that follow a name's words."""

import pytest
import torch

from pokegen.cards.generator import Generator
from pokegen.cards.reading import fitting, read_types
from pokegen.cards.request import Request
from pokegen.models.reader import CODES, NUMBERS, Reader
from pokegen.schema import COLORS, NO_TYPE, TYPES


def drawn(evidence, asked=None, n=400):
    g = torch.Generator().manual_seed(0)
    return [tuple(int(v) for v in read_types(evidence, asked or {}, g).values()) for _ in range(n)]


def evidence(**times):
    return torch.tensor([times.get(kind, 0.5) for kind in TYPES])


def test_types_follow_the_evidence_and_never_repeat():
    fire = TYPES.index("Fire")
    pairs = drawn(evidence(Fire=10.0))
    assert sum(fire in pair for pair in pairs) > 350
    assert sum(pair[0] == fire for pair in pairs) > sum(pair[1] == fire for pair in pairs)
    assert all(a != b for a, b in drawn(torch.ones(18), n=2000))


def test_a_blend_takes_both_types_more_often():
    both = {TYPES.index("Fire"), TYPES.index("Dragon")}
    blend = sum(set(pair) == both for pair in drawn(evidence(Fire=8.0, Dragon=14.0)))
    plain = sum(set(pair) == both for pair in drawn(evidence(Fire=8.0)))
    assert blend > 3 * max(plain, 1)


def test_asked_types_stay():
    pairs = drawn(evidence(Fire=20.0), {"type1": torch.tensor([3])})
    assert {a for a, _ in pairs} == {3}
    assert {b for _, b in drawn(evidence(Fire=20.0), {"type2": torch.tensor([NO_TYPE])})} == {NO_TYPE}


def test_rows_of_the_read_colour_and_size_fit_best():
    reader = Reader(buckets=64)
    codes = {key: torch.full((size,), 1 / size) for key, size in CODES.items()}
    codes["color"] = torch.tensor([0.91 if color == "Red" else 0.01 for color in COLORS])
    columns = {"type1": torch.zeros(4), "stage": torch.ones(4).long()}
    columns["color"] = torch.tensor([COLORS.index(color) for color in ("Red", "Blue", "Red", "Blue")])
    columns |= {key: torch.tensor([80.0, 80, 20, 20]) for key in NUMBERS}
    weights = fitting(reader, codes, torch.full((len(NUMBERS),), 80.0), columns)
    assert weights.argsort(descending=True).tolist()[0] == 0
    assert weights[0] > weights[2] and weights[1] > weights[3]
    assert weights.sum() == pytest.approx(1)


@pytest.fixture(scope="module")
def generator():
    return Generator.from_zoo()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Pyrodrake", "Fire"),
        ("Glaciorb", "Ice"),
        ("Voltmouse", "Electric"),
        ("Toxifang", "Poison"),
        ("Mudtusk", "Ground"),
    ],
)
def test_a_name_decides_the_types(generator, name, kind):
    cards = list(generator.cards(Request(name=name, count=8, seed=1)))
    assert sum(kind in card.types for card in cards) >= 5
    assert {card.name for card in cards} == {name}
    assert all("reader" in card.models for card in cards)
    other = list(generator.cards(Request(count=8, seed=1)))
    assert sum(kind in card.types for card in other) <= 3


def test_what_is_asked_stands_before_what_is_read(generator):
    card = generator.card(name="Pyrodrake", type1="water", type2="none", color="blue", stage=2, legendary=False)
    assert (card.types, card.color, card.stage, card.legendary) == (["Water"], "Blue", 2, False)


def test_a_name_that_cannot_be_read_is_written(generator):
    assert "reader" in generator.card(seed=1).models  # which chose the name
    assert generator.card(name="Æ", seed=1).name == "Æ"  # no letter that can be read
