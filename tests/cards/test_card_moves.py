"""Four moves that fit, and the type chart applied to both types."""

import random

from pokegen.cards.moves import choose_moves, resistances, weaknesses
from pokegen.data.moves import load_moves, load_type_chart
from pokegen.schema import STATS, TYPES

PAIRS = [[a, *([b] if b != a else [])] for a in TYPES for b in TYPES]  # a == b: a single type


def creature(total=400, attack=70, sp_atk=70):
    stats = dict.fromkeys(STATS, (total - attack - sp_atk) // 4)
    return stats | {"attack": attack, "sp_atk": sp_atk, "total": total}


def test_every_creature_gets_four_moves_with_its_own_types_first():
    for types in PAIRS:
        moves = choose_moves(types, creature(), 2, random.Random(5))
        assert len({move["name"] for move in moves}) == 4, types
        attacks = [move["type"] for move in moves if move["power"]]
        assert len(attacks) == 3, types
        assert set(types) <= set(attacks), types
        assert sum(kind in types for kind in attacks) == 2, types  # the third is of another type
        assert [move["power"] for move in moves if move["category"] == "Status"] == [None], types


def test_category_is_that_of_the_better_attack():
    def categories(**attacks):
        moves = [m for seed in range(40) for m in choose_moves(["Water"], creature(**attacks), 1, random.Random(seed))]
        return {move["category"] for move in moves if move["power"]}

    assert categories(attack=120, sp_atk=40) == {"Physical"}
    assert categories(attack=40, sp_atk=120) == {"Special"}
    assert categories(attack=80, sp_atk=80) == {"Physical", "Special"}


def test_power_grows_with_total_and_stage():
    def power(total, stage):
        moves = [m for seed in range(40) for m in choose_moves(["Fire"], creature(total), stage, random.Random(seed))]
        powers = [move["power"] for move in moves if move["power"]]
        return sum(powers) / len(powers)

    assert power(220, 1) + 8 < power(400, 1) < power(600, 1) - 8
    assert power(300, 1) < power(300, 3)


def test_moves_depend_on_the_seed_alone():
    first, again, other = (choose_moves(["Dark"], creature(), 1, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_moves_are_in_the_order_of_learning():
    level = {move.name: move.level for move in load_moves()}
    levels = [level[move["name"]] for move in choose_moves(["Grass", "Ice"], creature(), 3, random.Random(0))]
    assert levels == sorted(levels)


def test_known_matchups():
    assert weaknesses(["Fire", "Flying"]) == {"Rock": 4, "Electric": 2, "Water": 2}
    assert next(iter(weaknesses(["Fire", "Flying"]))) == "Rock"
    assert resistances(["Normal", "Ghost"]) == {"Fighting": 0, "Ghost": 0, "Normal": 0, "Bug": 0.5, "Poison": 0.5}
    assert weaknesses(["Electric"]) == {"Ground": 2}
    assert "Ground" not in weaknesses(["Electric", "Flying"])  # immunity beats weakness


def test_factors_are_the_products():
    chart = load_type_chart()
    for types in PAIRS:
        factors = {**dict.fromkeys(TYPES, 1.0), **weaknesses(types), **resistances(types)}
        for attacking, factor in factors.items():
            product = chart[attacking][types[0]] * (chart[attacking][types[1]] if len(types) == 2 else 1)
            assert factor == product, (attacking, types)
