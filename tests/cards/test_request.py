"""A user's mistake is one clear line; what is right is kept as the schema writes it."""

import pytest

from pokegen.cards.request import MAX_SEED, Request, known_name
from pokegen.errors import UserError
from pokegen.schema import TYPES


def test_types_are_read_in_any_case():
    request = Request(type1="fIRE", type2=" flying ")
    assert (request.type1, request.type2) == ("Fire", "Flying")
    assert Request(type1="fire", type2="NONE").type2 == "None"
    assert all(Request(type1=kind.upper()).type1 == kind for kind in TYPES)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"type1": "Plasma"}, "Unknown type 'Plasma'. Known types: Bug, Dark, "),
        ({"type1": "fire", "type2": "Plasma"}, "Unknown type 'Plasma'"),
        ({"type1": "none"}, "Unknown type 'none'"),
        ({"type1": ""}, "Unknown type ''"),
        ({"type1": "Fire", "type2": "fire"}, "must differ"),
        ({"count": 0}, "count must be from 1 to 100000, got 0"),
        ({"count": 1_000_000}, "count must be from 1 to 100000, got 1000000"),
        ({"count": -3}, "got -3"),
        ({"seed": -1}, "seed must be"),
        ({"seed": MAX_SEED + 1}, "seed must be"),
        ({"stage": 4}, "stage must be from 1 to 3, got 4"),
        ({"tier": "god"}, "Unknown tier 'god'. Known tiers: regular, starter, pseudo, legendary (4)."),
        ({"tier": "starter", "legendary": True}, "'starter' cannot be legendary"),
        ({"tier": "legendary", "legendary": False}, "cannot be not legendary"),
        ({"line": 4}, "line must be from 1 to 3, got 4"),
        ({"line": 2, "stage": 3}, "A line of 2 has no stage 3"),
        ({"evolutions": 1}, "evolutions must be 2 or 3, got 1"),
        ({"evolutions": 4}, "evolutions must be 2 or 3, got 4"),
        ({"evolutions": 3, "stage": 1}, "leave stage and line out"),
        ({"evolutions": 3, "legendary": True}, "'legendary' have 1 or 2 forms, not 3"),
        ({"legendary": True, "stage": 1, "line": 3}, "'legendary' have 1 or 2 forms, not 3"),
        ({"evolutions": 2, "tier": "pseudo"}, "'pseudo' have 3 forms, not 2"),
        ({"name": ""}, "Unusable name ''"),
        ({"name": "x" * 25}, "expected 1 to 24"),
        ({"name": "..."}, "Unusable name '...'"),
        ({"name": "a/b"}, "Unusable name 'a/b'"),
        ({"name": "ピカチュウ"}, "Unusable name"),
        ({"name": "Nidoran♀"}, "Unusable name"),
        ({"name": "Pika\x00chu"}, "Unusable name"),
    ],
)
def test_mistakes_are_one_line(order, says):
    with pytest.raises(UserError) as error:
        Request(**order)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_type_lists_all():
    with pytest.raises(UserError, match=r"Water \(18\)\.$") as error:
        Request(type1="Plasma")
    assert all(kind in str(error.value) for kind in TYPES)


@pytest.mark.parametrize("name", ["Mr. Mime", "Farfetch’d", "Porygon2", "Łódź", "Type: Null", "Ho-Oh", "Flabébé"])
def test_names_like_the_games_own_are_fine(name):
    assert known_name(name) == name


def test_names_are_tidied():
    assert known_name("  Mr.   Mime ") == "Mr. Mime"
    assert known_name("Flabe\u0301be\u0301") == "Flabébé"
