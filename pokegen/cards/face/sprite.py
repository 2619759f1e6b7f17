"""The creature on its scene: cut out of its white ground, with a light around it and a shadow under it.

`images.transparent` does the same with soft edges, for export. Here edges are hard, since enlarged pixels must stay
square, and scipy is not used, since its import would be a tenth of a cold `pokegen card`.
"""

import numpy as np
from PIL import Image, ImageFilter

from pokegen.cards.face.canvas import dithered

FEET = 7  # rows between the feet and the scene's lower edge
_HOVER = 7  # how much higher those are that fly
_WHITE = 14  # ink below which a pixel counts as white
_KEPT = 0.42  # share of the darkest ink within two pixels that a pixel of the edge must have
_LIGHT, _SHADOW = "#FFF9E6", "#0B0A1E"


def cutout(sprite: np.ndarray) -> Image.Image:
    """A sprite on white, uint8 (S, S, 3) → RGBA, cropped to what is drawn. White that reaches the border becomes
    clear, and so do pale pixels of the edge; the others of the edge lose the white that was mixed into them."""
    ink = 255 - sprite.min(axis=2).astype(np.float32)  # (S, S), 0 is white
    white = ink < _WHITE
    outside = np.zeros_like(white)
    outside[[0, -1]], outside[:, [0, -1]] = white[[0, -1]], white[:, [0, -1]]
    while True:  # flood from the border
        grown = _spread(outside) & white
        if (grown == outside).all():
            break
        outside = grown
    share, around = np.ones_like(ink), _largest(_largest(ink))
    for _ in range(2):  # what antialiasing leaves is up to two pixels wide
        edge = _spread(outside) & ~outside
        share = np.where(edge, ink / np.maximum(around, 1), 1)
        outside |= share < _KEPT
    color = 255 - (255 - sprite.astype(np.float32)) / np.maximum(share, _KEPT)[..., None]
    image = Image.fromarray(np.dstack([color.clip(0, 255), np.where(outside, 0, 255)]).astype(np.uint8))
    return image.crop(image.getchannel("A").getbbox() or (0, 0, 1, 1))


def _spread(mask: np.ndarray) -> np.ndarray:
    """The mask and its neighbours above, below, left and right."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _largest(values: np.ndarray) -> np.ndarray:
    """Of each pixel and its eight neighbours the largest value."""
    padded = np.pad(values, 1)
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def place(scene: Image.Image, creature: Image.Image, flies: bool = False) -> None:
    """Put a cut-out creature into the middle of its scene, on the floor or, where there is room, above it. A blank
    picture leaves the scene as it is."""
    if not creature.getchannel("A").getbbox():
        return
    floor = scene.height - FEET
    foot = floor - min(_HOVER * flies, max(0, floor - creature.height - 2))
    left, top = (scene.width - creature.width) // 2, foot - creature.height
    alpha = Image.new("L", scene.size)
    alpha.paste(creature.getchannel("A"), (left, top))
    light = np.asarray(alpha.filter(ImageFilter.BoxBlur(5)), np.float32) / 255
    scene.paste(_LIGHT, (0, 0), dithered(0.3 * light))
    feet = np.asarray(creature.getchannel("A"))[-max(4, creature.height // 7) :].any(axis=0)
    columns = left + np.flatnonzero(feet)
    middle, half = (columns[0] + columns[-1]) / 2, max(0.62 * np.ptp(columns), 0.36 * creature.width, 4)
    x, y = np.arange(scene.width), np.arange(scene.height)[:, None]
    away = np.hypot((x - middle) / half, (y - floor + 2) / max(4, 0.15 * half))
    scene.paste(_SHADOW, (0, 0), dithered(np.clip(1.5 - 1.2 * away, 0, 0.62)))
    scene.paste(creature, (left, top), creature)
