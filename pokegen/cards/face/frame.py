"""The frame: the colours of the types in a material that the rarity chooses.

Common cards are matte, with an edge of their own colour. The others carry a metal edge: silver, gold, a foil that
breaks light into its colours, and for legendary cards gold all over.
"""

from functools import lru_cache

import numpy as np
from PIL import Image

from pokegen.cards.face.page import Box, Page
from pokegen.cards.face.theme import Theme, mix, rgb

METALS = {  # rarity → dark, middle and light tone of its edge
    "uncommon": ("#7F8792", "#C3CAD3", "#F5F8FB"),
    "rare": ("#9A6B12", "#E3B23C", "#FFF1B8"),
    "ultra rare": ("#6E7FA8", "#CFD9F5", "#FFFFFF"),
    "legendary": ("#7A4E08", "#EBBD4A", "#FFF6C8"),
}
_COARSE = 4  # the material is soft: it is drawn so many times smaller


def metal(rarity: str, theme: Theme) -> tuple[str, str, str]:
    """The dark, middle and light tone of the edges; a common card has its type's own."""
    return METALS.get(rarity) or (theme.deep, mix(theme.first, "#FFFFFF", 0.25), mix(theme.first, "#FFFFFF", 0.6))


@lru_cache(maxsize=16)  # 2 MiB each
def frame(width: int, height: int, bleed: int, inner: Box, radius: int, theme: Theme, rarity: str) -> Image.Image:
    """The ground of a card, RGB, `width` and `height` and `bleed` on each side, with a metal edge around the rounded
    rectangle `inner`, which counts from the corner without bleed."""
    full = (width + 2 * bleed, height + 2 * bleed)
    x = (np.arange(-(-full[0] // _COARSE), dtype=np.float32) * _COARSE - bleed) / width
    y = (np.arange(-(-full[1] // _COARSE), dtype=np.float32)[:, None] * _COARSE - bleed) / height
    place = np.clip(((x + y) / 2 - 0.15) / 0.7, 0, 1)
    place = (place * place * (3 - 2 * place))[..., None]
    ground = rgb(theme.first).astype(np.float32) * (1 - place) + rgb(theme.end).astype(np.float32) * place
    sheen = np.exp(-(((x + 0.6 * y - 0.55) / 0.05) ** 2)) + 0.6 * np.exp(-(((x + 0.6 * y - 0.72) / 0.02) ** 2))
    if rarity == "legendary":
        turn = (0.5 + 0.5 * np.sin(9.4 * (x + 1.3 * y)))[..., None]  # light that runs over gold
        dark, mid, light = (rgb(tone).astype(np.float32) for tone in METALS[rarity])
        gold = np.where(turn < 0.5, dark + (mid - dark) * 2 * turn, mid + (light - mid) * (2 * turn - 1))
        ground = 0.9 * gold + 0.1 * ground
    if rarity == "ultra rare":
        turns = 2 * np.pi * (2.2 * (x + 1.4 * y)[..., None] + np.array([0, 1 / 3, 2 / 3], np.float32))
        ground = 0.45 * ground + 0.55 * (178 + 72 * np.sin(turns))
    strength = 0.16 if rarity == "common" else 0.42
    ground += strength * sheen[..., None] * (255 - ground)
    page = Page(Image.fromarray(ground.clip(0, 255).astype(np.uint8)).resize(full, Image.Resampling.BICUBIC))
    dark_tone, mid_tone, light_tone = metal(rarity, theme)
    left, top, right, bottom = (bleed + side for side in inner)
    for wide, tone in ((5, dark_tone), (4, mid_tone), (2, light_tone), (1, dark_tone)):
        page.rounded((left - wide, top - wide, right + wide, bottom + wide), radius + wide, tone)
    return page.image
