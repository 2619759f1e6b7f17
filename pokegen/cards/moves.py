"""What a creature can do and what hurts it: four of the games' moves, weaknesses and resistances by type, and the
attacks and the retreat cost of a trading card.

A creature gets two attacks of its own types, then one of another type, and one status move. The category of its attacks
is that of its better attack stat, and their power grows with its total. Left out: which species learns which move, and
the effects of moves.
"""

import math
import random

from pokegen.data.moves import Move, load_moves, load_type_chart
from pokegen.schema import TYPES

_COMMON = 8  # learners; below it a move is mostly some species' signature
_SPREAD = 18.0  # of power around what fits the creature
# Attacks that only work with something a card does not show: sleep, a berry, a stockpile, the user's own fainting.
_NEEDS_MORE = {
    *("Belch", "Dream Eater", "Explosion", "Fake Out", "First Impression", "Focus Punch", "Future Sight"),
    *("Last Resort", "Misty Explosion", "Self-Destruct", "Snore", "Spit Up", "Steel Roller", "Synchronoise"),
}
_COSTS = (30, 70, 120)  # damage above which an attack costs one energy more
_WEIGHTS = (10.0, 60.0, 200.0)  # kilograms from which on leaving the field costs one energy more


def choose_moves(types: list[str], stats: dict[str, int], stage: int, rng: random.Random) -> list[dict]:
    """Four different moves for a creature, in the order in which it would learn them.

    Args:
        types: one or two.
        stats: the six and "total".
        stage: place in the evolution line, 1 to 3.
        rng: decides among moves that fit about equally.
    """
    power = min(110.0, 20 + stats["total"] / 8 + 5 * (stage - 1))  # total 300: 58, total 500: about 90
    attack, special = stats["attack"], stats["sp_atk"]
    categories = {
        category
        for category, value in (("Physical", attack), ("Special", special))
        if value >= 0.9 * max(attack, special)  # nearly as good counts as good
    }
    chosen: list[Move] = []

    def attack_of(kinds: set[str], wanted_power: float) -> None:
        pool = [m for m in load_moves() if m.power and m.type in kinds and m not in chosen]
        pool = [m for m in pool if m.name not in _NEEDS_MORE]
        fitting = [m for m in pool if m.category in categories and m.learners >= _COMMON]
        chosen.append(_draw(fitting or pool, wanted_power, rng))

    # One attack of each own type; of a single type one for early on and one for later.
    attack_of({types[0]}, power if len(types) == 2 else power - 25)
    attack_of({types[-1]}, power)
    attack_of(_coverage(types), power - 10)
    status = [m for m in load_moves() if m.category == "Status" and m.learners >= _COMMON]
    own = [m for m in status if m.type in types]
    chosen.append(_draw(own if own and rng.random() < 0.6 else [m for m in status if m.type == "Normal"], None, rng))
    return [
        {
            "name": move.name,
            "type": move.type,
            "category": move.category,
            "power": move.power,
            "accuracy": move.accuracy,
            "pp": move.pp,
        }
        for move in sorted(chosen, key=lambda move: (move.level, move.name))
    ]


def choose_attacks(types: list[str], stats: dict[str, int], moves: list[dict]) -> list[dict]:
    """Two of the moves as a trading card shows them, the weaker first: name, type, cost and damage.

    The two are those that do most damage in the games: power times accuracy, half as much again in an own type. The
    damage on the card is the power, scaled by the better attack stat (100 leaves it as it is), from 10 to 200. A status
    move, with damage None, is the first attack only of a creature with fewer than two moves that do damage.
    """
    better = max(stats["attack"], stats["sp_atk"])

    def worth(move: dict) -> float:
        return (move["power"] or 0) * (move["accuracy"] or 100) * (1.5 if move["type"] in types else 1)

    attacks = []
    for move in sorted(moves, key=worth, reverse=True)[:2]:
        damage = None
        if move["power"]:
            damage = min(max(10 * round(move["power"] * (0.5 + better / 200) / 10), 10), 200)
        energies = 1 + sum((damage or 0) > bound for bound in _COSTS)
        own = (energies + 1) // 2 if move["type"] in types else 0
        cost = [move["type"]] * own + ["Normal"] * (energies - own)
        attacks.append({"name": move["name"], "type": move["type"], "cost": cost, "damage": damage})
    return sorted(reversed(attacks), key=lambda attack: attack["damage"] or 0)


def retreat_cost(weight_kg: float, speed: int) -> int:
    """Energies that leaving the field costs, 0 to 4: more with weight, one less if fast, one more if slow."""
    return min(max(sum(weight_kg >= bound for bound in _WEIGHTS) + (speed < 45) - (speed >= 90), 0), 4)


def _draw(pool: list[Move], power: float | None, rng: random.Random) -> Move:
    """One move: likelier if many learn it and its power is near `power`."""

    def weight(move: Move) -> float:
        near = 1.0 if power is None else math.exp(-0.5 * (((move.power or 0) - power) / _SPREAD) ** 2)
        return math.sqrt(move.learners) * near + 1e-9

    return rng.choices(pool, [weight(move) for move in pool])[0]


def _coverage(types: list[str]) -> set[str]:
    """Normal, and the types that hit hard what resists every own type, except those that hurt the creature itself."""
    chart = load_type_chart()
    resisting = [d for d in TYPES if all(chart[own][d] < 1 for own in types)]
    useful = {a for a in TYPES if any(chart[a][d] > 1 for d in resisting)} | {"Normal"}
    return useful - set(types) - set(weaknesses(types)) or {"Normal" if "Normal" not in types else "Fighting"}


def damage_factors(types: list[str]) -> dict[str, float]:
    """Attacking type to damage factor against a creature of these types: the product of both, from 0 to 4."""
    chart = load_type_chart()
    return {attacking: math.prod(chart[attacking][own] for own in types) for attacking in TYPES}


def weaknesses(types: list[str]) -> dict[str, float]:
    """Attacking types that do more than usual damage: factor 2 or 4, the worst first."""
    factors = damage_factors(types)
    return {kind: factors[kind] for kind in sorted(factors, key=lambda k: -factors[k]) if factors[kind] > 1}


def resistances(types: list[str]) -> dict[str, float]:
    """Attacking types that do less than usual damage: factor 0, 0.25 or 0.5, the best first."""
    factors = damage_factors(types)
    return {kind: factors[kind] for kind in sorted(factors, key=lambda k: factors[k]) if factors[kind] < 1}
