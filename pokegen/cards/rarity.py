"""How rare a card is, from the creature's tier, stage and stats."""

# Points from which on a card is of each rarity.
_BOUNDS = {"uncommon": 450, "rare": 520, "ultra rare": 600}
_STAGE = 20  # points for each stage after the first
_TIER = {"starter": 60, "pseudo": 80}


def rarity(tier: str, stage: int, total: int) -> str:
    """One of schema.RARITIES. The card of a legendary creature is "legendary".

    Other cards have points: the total of the stats, 20 for each stage after the first, 60 for a starter, and 80 for a
    pseudo-legendary line. They are "uncommon" from 450 points on, "rare" from 520, and "ultra rare" from 600.
    """
    if tier == "legendary":
        return "legendary"
    points = total + _STAGE * (stage - 1) + _TIER.get(tier, 0)
    return next((name for name, bound in reversed(_BOUNDS.items()) if points >= bound), "common")
