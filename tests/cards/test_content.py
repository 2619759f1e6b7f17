"""What a card says besides its models' output: ability, attacks, retreat cost, rarity, number, French names."""

import random
from collections import Counter

import pytest

from pokegen.cards.abilities import choose_ability
from pokegen.cards.assembly import assemble
from pokegen.cards.moves import choose_attacks, choose_moves, retreat_cost
from pokegen.cards.rarity import rarity
from pokegen.cards.words import translated
from pokegen.data.abilities import load_abilities, write_abilities
from pokegen.data.moves import load_moves
from pokegen.resources import shipped
from pokegen.schema import COLORS, NO_TYPE, RARITIES, STAT_LABELS, STATS, TIERS, TYPES

PAIRS = [[a, *([b] if b != a else [])] for a in TYPES for b in TYPES]  # a == b: a single type


def stats_of(**changes):
    return dict.fromkeys(STATS, 70) | changes


def abilities(types, stage=1, legendary=False, n=200, **changes):
    stats = stats_of(**changes)
    return Counter(choose_ability(types, stage, legendary, stats, random.Random(seed)) for seed in range(n))


def test_committed_abilities_are_what_the_builder_writes(tmp_path):
    rows = write_abilities(tmp_path / "abilities.csv")
    built = (tmp_path / "abilities.csv").read_bytes()
    assert built == shipped("data/abilities.csv").read_bytes()
    assert built.count(b"\n") == rows + 1


def test_abilities_have_the_known_owners():
    known = {ability.name: ability for ability in load_abilities()}
    assert known["Blaze"].traits["Fire"] == known["Blaze"].species > 20
    assert known["Multitype"].families == known["Multitype"].traits["Legendary"] == 1
    assert known["Sturdy"].stats["defense"] > 130 > known["Speed Boost"].stats["speed"] > 110
    for ability in known.values():
        assert 1 <= ability.families <= ability.species
        assert max(ability.traits.values()) <= ability.species
        assert sum(ability.traits[f"Stage {stage}"] for stage in (1, 2, 3)) == ability.species


def test_an_ability_is_one_that_creatures_of_the_types_have():
    known = {ability.name: ability for ability in load_abilities()}
    for seed, types in enumerate(PAIRS):
        name = choose_ability(types, 1 + seed % 3, seed % 9 == 0, stats_of(), random.Random(seed))
        assert any(known[name].traits[kind] for kind in types), (types, name)
        assert known[name].families >= 3
    assert "Blaze" not in abilities(["Fighting"]) and "Overgrow" not in abilities(["Poison"])
    assert "Blaze" in abilities(["Fire"])


def test_no_ability_means_something_that_a_card_has_not():
    chosen = set().union(*(abilities([kind], legendary=legendary) for kind in TYPES for legendary in (True, False)))
    assert len(chosen) > 80
    assert not chosen & {"Battle Bond", "Zero to Hero", "Multitype", "Protosynthesis", "Beast Boost", "Plus", "Klutz"}


def test_stats_and_rank_change_which_ability_is_likely():
    sturdy = abilities(["Rock"], defense=160)["Sturdy"]
    assert sturdy > 2 * abilities(["Rock"], speed=160)["Sturdy"]
    fast = abilities(["Bug"], speed=150)["Speed Boost"]
    assert fast > abilities(["Bug"], defense=150)["Speed Boost"]
    assert abilities(["Ghost"], legendary=True)["Pressure"] > abilities(["Ghost"])["Pressure"]


def test_forms_keep_their_ability_unless_they_gain_a_type():
    form = stats_of() | {"type1": TYPES.index("Bug"), "type2": NO_TYPE, "color": 1, "legendary": 0, "tier": 0}
    form |= {"stage": 1, "height_m": 1.0, "weight_kg": 20.0}
    forms = [form, form | {"stage": 2, "speed": 150}, form | {"stage": 3, "type2": TYPES.index("Water")}]
    lines = [[card.ability for card in assemble(forms, ["Ba", "Be", "Bi"], None, seed, {})] for seed in range(30)]
    assert all(first == second for first, second, _ in lines)
    assert any(second != third for _, second, third in lines)
    assert len({first for first, _, _ in lines}) > 5


def test_attacks_are_two_of_the_moves_with_cost_and_damage():
    for seed, types in enumerate(PAIRS):
        stats = stats_of(attack=20 + seed % 200, sp_atk=60)
        moves = choose_moves(types, stats | {"total": 420}, 2, random.Random(seed))
        attacks = choose_attacks(types, stats, moves)
        by_name = {move["name"]: move for move in moves}
        assert len({attack["name"] for attack in attacks}) == 2
        assert attacks[0]["damage"] <= attacks[1]["damage"]
        assert len(attacks[0]["cost"]) <= len(attacks[1]["cost"])
        for attack in attacks:
            assert attack["type"] == by_name[attack["name"]]["type"]
            assert attack["damage"] in range(10, 201, 10)
            assert 1 <= len(attack["cost"]) <= 4
            own = [kind for kind in attack["cost"] if kind != "Normal"]
            assert attack["cost"][: len(own)] == own  # Normal last
            assert set(own) <= {attack["type"]} & set(types)
            if attack["type"] in types:
                assert attack["cost"][0] == attack["type"]


def move(name, power, kind="Fire", accuracy=100):
    return {"name": name, "type": kind, "power": power, "accuracy": accuracy}


@pytest.mark.parametrize(
    ("power", "attack", "damage", "energies"),
    [(100, 100, 100, 3), (40, 100, 40, 2), (20, 20, 10, 1), (30, 100, 30, 1), (120, 255, 200, 4), (70, 100, 70, 2)],
)
def test_damage_and_cost_follow_power_and_the_better_stat(power, attack, damage, energies):
    moves = [move("Weak", 5), move("Strong", power)]
    strong = choose_attacks(["Fire"], stats_of(attack=attack, sp_atk=10), moves)[1]
    assert strong == choose_attacks(["Fire"], stats_of(attack=10, sp_atk=attack), moves)[1]
    assert (strong["name"], strong["damage"], len(strong["cost"])) == ("Strong", damage, energies)


def test_own_types_and_sure_hits_come_first_and_status_moves_only_for_want_of_others():
    status = move("Growl", None, "Normal", None)
    moves = [move("Ember", 80), move("Tackle", 90, "Normal"), move("Zap", 110, "Electric", 50), status]
    assert [attack["name"] for attack in choose_attacks(["Fire"], stats_of(), moves)] == ["Ember", "Tackle"]
    alone = choose_attacks(["Fire"], stats_of(), [moves[0], status])
    assert [(attack["name"], attack["damage"]) for attack in alone] == [("Growl", None), ("Ember", 70)]
    assert alone[0]["cost"] == ["Normal"]


def test_leaving_the_field_costs_more_for_the_heavy_and_the_slow():
    assert [retreat_cost(weight, 70) for weight in (1.0, 10.0, 60.0, 200.0)] == [0, 1, 2, 3]
    assert [retreat_cost(100.0, speed) for speed in (20, 70, 120)] == [3, 2, 1]
    assert retreat_cost(1.0, 200) == 0
    assert retreat_cost(900.0, 5) == 4


def test_rarity_grows_with_total_stage_and_tier():
    assert rarity("legendary", 1, 200) == "legendary"
    assert [rarity("regular", 1, total) for total in (300, 450, 520, 600)] == list(RARITIES[:4])
    assert rarity("regular", 1, 430) == "common" != rarity("regular", 2, 430)
    assert rarity("starter", 1, 400) == "uncommon" and rarity("pseudo", 3, 600) == "ultra rare"
    for tier in TIERS:
        ranks = [RARITIES.index(rarity(tier, 2, total)) for total in range(100, 800, 10)]
        assert ranks == sorted(ranks)


def test_french_names_are_the_official_ones():
    assert translated("type", "Fire", "fr") == "Feu" and translated("type", "Fire", "en") == "Fire"
    assert translated("move", "Flamethrower", "fr") == "Lance-Flammes"
    assert translated("ability", "Overgrow", "fr") == "Engrais"
    assert translated("color", "Yellow", "fr") == "Jaune"
    assert translated("stat", "Sp. Atk", "fr") == "Atq. Spé."
    assert translated("move", "Made Up", "fr") == "Made Up"


def test_every_name_on_a_card_has_a_french_one():
    names = {"type": TYPES, "color": COLORS, "stat": STAT_LABELS}
    names |= {"move": [m.name for m in load_moves()], "ability": [a.name for a in load_abilities()]}
    for kind, known in names.items():
        french = [translated(kind, name, "fr") for name in known]
        assert len(set(french)) == len(french)
        assert sum(a == b for a, b in zip(known, french, strict=True)) < 0.12 * len(known) + 3  # few are the same
