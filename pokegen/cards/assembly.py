"""From the rows of the stats model and names to cards: everything on a card that no model draws.

Moves, ability and Pokédex entry each have a stream of random numbers of their own, so that a change of one leaves the
others as they are.
"""

import random
from collections.abc import Mapping, Sequence

from pokegen.cards.abilities import choose_ability
from pokegen.cards.entry import write_entry
from pokegen.cards.evolution import Form
from pokegen.cards.moves import choose_attacks, choose_moves, resistances, retreat_cost, weaknesses
from pokegen.cards.rarity import rarity
from pokegen.cards.seeds import derived_seed
from pokegen.schema import COLORS, NO_TYPE, STATS, TIERS, TYPES, Card


def assemble(
    forms: Sequence[Form], names: Sequence[str], evolves_from: str | None, seed: int, models: Mapping[str, str]
) -> list[Card]:
    """The cards of one creature or of the forms of one line, without pictures.

    Args:
        forms: rows of the stats model, the first form first.
        names: one for each form.
        evolves_from: the name of the form before the first, if it has one.
        seed: of the creature or the line.
        models: role to "name version".
    """
    cards: list[Card] = []
    for place, (form, name) in enumerate(zip(forms, names, strict=True)):
        types = types_of(form)
        stats = {key: int(form[key]) for key in STATS}
        total = sum(stats.values())
        stage, legendary = form["stage"], bool(form["legendary"])
        tier = "legendary" if legendary else TIERS[form["tier"]]
        height_m = max(0.1, round(float(form["height_m"]), 1))
        weight_kg = max(0.1, round(float(form["weight_kg"]), 1))
        moves = choose_moves(types, stats | {"total": total}, stage, random.Random(derived_seed(seed, "moves")))
        if cards and cards[-1].types == types:  # a form keeps the ability of the one before, unless it gains a type
            ability = cards[-1].ability
        else:
            rng = random.Random(derived_seed(seed, "ability"))
            ability = choose_ability(types, stage, legendary, stats, rng)
        card = Card(
            name=name,
            types=types,
            stats=stats | {"total": total},
            height_m=height_m,
            weight_kg=weight_kg,
            color=COLORS[form["color"]],
            legendary=legendary,
            stage=stage,
            evolves_from=names[place - 1] if place else evolves_from,
            evolves_to=list(names[place + 1 : place + 2]),
            moves=moves,
            weaknesses=weaknesses(types),
            resistances=resistances(types),
            seed=seed,
            models=dict(models),
            tier=tier,
            rarity=rarity(tier, stage, total),
            number=f"{seed:04d}" + (f"-{place + 1}" if place else ""),
            ability=ability,
            attacks=choose_attacks(types, stats, moves),
            retreat=retreat_cost(weight_kg, stats["speed"]),
        )
        card.entry = write_entry(card, random.Random(derived_seed(seed, f"entry {place}")))
        cards.append(card)
    return cards


def types_of(form: Form) -> list[str]:
    """The one or two types of a row, as the schema writes them."""
    return [TYPES[form["type1"]], *([TYPES[form["type2"]]] if form["type2"] != NO_TYPE else [])]
