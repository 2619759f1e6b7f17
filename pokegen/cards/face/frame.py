"""The frame: the colours of the types in a material that the rarity chooses.

Common cards are matte. The others carry a metal edge: silver, gold, a foil that breaks light into its colours, and for
legendary cards gold foil all over.
"""

from functools import lru_cache

import numpy as np
from PIL import Image

from pokegen.cards.face.theme import Theme, mix, rgb

METALS = {  # rarity → dark, middle and light tone of its edge
    "common": None,
    "uncommon": ("#7F8792", "#C3CAD3", "#F5F8FB"),
    "rare": ("#9A6B12", "#E3B23C", "#FFF1B8"),
    "ultra rare": ("#6E7FA8", "#C9D3F2", "#FFFFFF"),
    "legendary": ("#8A5A0C", "#E8B73F", "#FFF6C8"),
}


def metal(rarity: str, theme: Theme) -> tuple[str, str, str]:
    """The dark, middle and light tone of the edges; a common card has its type's own."""
    return METALS[rarity] or (theme.deep, mix(theme.first, "#FFFFFF", 0.25), mix(theme.first, "#FFFFFF", 0.6))


@lru_cache(maxsize=32)
def frame(width: int, height: int, theme: Theme, rarity: str) -> Image.Image:
    """The whole ground of a card, RGB (width, height). Drawn at half size: it is soft."""
    w, h = width // 2, height // 2
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    along = np.clip(((x / w + y / h) / 2 - 0.2) / 0.6, 0, 1)
    along = (along * along * (3 - 2 * along))[..., None]
    ground = rgb(theme.start).astype(np.float32) * (1 - along) + rgb(theme.end).astype(np.float32) * along
    if rarity == "legendary":
        dark, mid, light = (rgb(tone).astype(np.float32) for tone in METALS["legendary"] or ())
        shine = (0.5 + 0.5 * np.sin((x + 0.6 * y) / 34) * np.cos((x - 0.4 * y) / 61))[..., None]
        gold = np.where(shine < 0.5, dark + (mid - dark) * 2 * shine, mid + (light - mid) * (2 * shine - 1))
        ground = 0.86 * gold + 0.14 * ground
    if rarity in ("ultra rare", "legendary"):
        strength = 0.42 if rarity == "ultra rare" else 0.2
        ground += strength * (_foil(x, y) - 128)
    grain = 3.0 * np.sin((x + y) * 2.1) + 5 * (1 - 2 * y / h)  # a fine weave, lit from above
    pixels = np.clip(ground + grain[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def _foil(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A rainbow broken by triangular facets, float32 (H, W, 3), around 128."""
    side = 23.0
    a, b = np.floor((x + y / 1.732) / side), np.floor((x - y / 1.732) / side)
    c = np.floor(2 * y / 1.732 / side)
    facet = np.modf(np.sin(a * 12.9898 + b * 78.233 + c * 37.719) * 43758.547)[0]
    phase = (x + 1.4 * y) / 90 + 0.9 * facet
    bands = [np.sin(2 * np.pi * (phase + turn)) for turn in (0, 1 / 3, 2 / 3)]
    return np.stack([128 + 96 * band + 44 * facet for band in bands], axis=-1).astype(np.float32)
