"""A creature's ability: one of the games' own that creatures of its types, stage and stats have.

Left out: what an ability does in a battle.
"""

import math
import random
from functools import cache

from pokegen.data.abilities import Ability, load_abilities, traits_of
from pokegen.schema import STATS, TYPES

_FAMILIES = 3  # an ability of fewer families is the signature of a species
# Means nothing on a card: tied to a group of species, a partner in the same battle, a held item, or a gender.
_NEEDS_MORE = {"Beast Boost", "Protosynthesis", "Quark Drive", "Toxic Chain"}
_NEEDS_MORE |= {"Plus", "Minus", "Friend Guard", "Klutz", "Unburden", "Magician", "Rivalry"}
_OWN = 0.75  # share of owners from which on an ability belongs to their type
_PRIOR = 3  # species by which each share is drawn to the usual one, since some abilities have few owners
_SPREAD = 30  # percent of the mean stat
_MOST = 2.0  # what the stats may add to the log of a weight


def choose_ability(types: list[str], stage: int, legendary: bool, stats: dict[str, int], rng: random.Random) -> str:
    """The English name of an ability that fits.

    Args:
        types: one or two.
        stage: place in the evolution line, 1 to 3.
        legendary: whether the creature is legendary.
        stats: the six.
        rng: decides among abilities, by their weight.
    """
    pool = [ability for ability in load_abilities() if _suits(ability, types)]
    mean = sum(stats[key] for key in STATS) / len(STATS)

    def weight(ability: Ability) -> float:
        """The square root of its owners, so that rare ones come up, times how much likelier than usual an owner has
        each trait of the creature, times how well the stats agree."""
        traits = math.prod(_lift(ability, trait) for trait in traits_of(types, stage, legendary))
        agreement = sum((stats[key] / mean * 100 - 100) * (ability.stats[key] - 100) for key in STATS) / _SPREAD**2
        return math.sqrt(ability.species) * traits * math.exp(max(-_MOST, min(_MOST, agreement)))

    return rng.choices(pool, [weight(ability) for ability in pool])[0].name


def _suits(ability: Ability, types: list[str]) -> bool:
    """Whether a card of these types can have it: several families do, two species of one of the types do, and it
    belongs to no other type."""
    belongs = [kind for kind in TYPES if ability.traits[kind] >= _OWN * ability.species]
    return (
        ability.families >= _FAMILIES
        and ability.name not in _NEEDS_MORE
        and any(ability.traits[kind] > 1 for kind in types)
        and set(belongs) <= set(types)
    )


@cache
def _usual(trait: str) -> float:
    """The share of owners that have a trait, over all abilities."""
    known = load_abilities()
    return sum(ability.traits[trait] for ability in known) / sum(ability.species for ability in known)


def _lift(ability: Ability, trait: str) -> float:
    """How many times as often as usual owners of the ability have the trait."""
    usual = _usual(trait)
    return (ability.traits[trait] + _PRIOR * usual) / (ability.species + _PRIOR) / usual
