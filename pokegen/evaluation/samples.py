"""Inputs of the panel: a folder of pictures, and the conditions to sample a model with."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from pokegen.errors import DataError
from pokegen.evaluation.sprites_panel import MIN_PICTURES, Sprites
from pokegen.images import read_picture
from pokegen.schema import NO_TYPE, SPRITE_SIZE, TYPES
from pokegen.trust import inside


def read_samples(folder: Path, seed: int) -> Sprites:
    """A folder's pictures on a white background, in random order, without grid.png; with their types if `pokegen card`
    wrote a cards.json next to them."""
    if not folder.is_dir():
        raise DataError(f"No folder of samples at {folder}.")
    rows: dict[str, list[int]] = {}
    if (folder / "cards.json").is_file():
        try:
            for card in json.loads((folder / "cards.json").read_text(encoding="utf-8")):
                type1, *more = (TYPES.index(word) for word in card["types"])
                type2 = more[0] if more else NO_TYPE
                name = str(card["sprite"])
                if name != Path(name).name:
                    raise ValueError(f"{name!r} is not a file name")
                rows[name] = [type1, type2]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(f"{folder / 'cards.json'} was not written by `pokegen card`: {error}.") from error
    paths = [folder / name for name in rows] or [p for p in sorted(folder.glob("*.png")) if p.name != "grid.png"]
    if len(paths) < MIN_PICTURES:
        raise DataError(f"The panel needs {MIN_PICTURES} PNG files or more; {folder} holds {len(paths)}.")
    pictures = []
    for path in paths:
        try:
            drawn = read_picture(inside(folder, path.name))
        except ValueError as error:
            raise DataError(f"{path} cannot be read as a picture: {error}.") from error
        if drawn.size != (SPRITE_SIZE, SPRITE_SIZE):
            width, height = drawn.size
            raise DataError(f"{path} is {width}×{height}; the panel needs {SPRITE_SIZE}×{SPRITE_SIZE}.")
        white = Image.new("RGBA", drawn.size, "white")
        pictures.append(np.asarray(Image.alpha_composite(white, drawn).convert("RGB")))
    order = np.random.default_rng(seed).permutation(len(paths))
    return Sprites(np.stack(pictures), np.array(list(rows.values())) if rows else None).take(order)


def species_conditions(sprites: Sprites) -> np.ndarray:
    """The conditions of one sprite per species, so that species with more pictures are not sampled more often."""
    assert sprites.conditions is not None and sprites.species is not None
    order = np.random.default_rng(0).permutation(len(sprites))  # otherwise all would be from the first game
    return sprites.conditions[order[np.unique(sprites.species[order], return_index=True)[1]]]
