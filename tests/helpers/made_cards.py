"""Cards made by hand for tests, with a sprite of a few colours."""

import numpy as np

from pokegen.schema import Card

MOVES = ("Ember", "Wing Attack", "Will-O-Wisp", "U-turn")


def sprite(colors=40, seed=0):
    """A ball on white, uint8 (128, 128, 3): bands of colours in a dark outline, with one white eye."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :128]
    distance = np.hypot(x - 64, y - 70)
    bands = rng.integers(0, 230, (colors, 3))[(x + y) * colors // 256]
    picture = np.where((distance < 50)[..., None], bands, 255)
    picture[(distance >= 46) & (distance < 50)] = (20, 10, 30)
    picture[50:58, 50:58] = 255
    return picture.astype(np.uint8)


def made(name="Pyrodrake", weight_kg=40.0, seed=1, image=None, **stats):
    """A card; `stats` change some of its six."""
    values = {"hp": 70, "attack": 80, "defense": 60, "sp_atk": 75, "sp_def": 65, "speed": 90} | stats
    return Card(
        name=name,
        types=["Fire", "Flying"],
        stats=values | {"total": sum(values.values())},
        height_m=1.2,
        weight_kg=weight_kg,
        color="Red",
        legendary=False,
        stage=1,
        evolves_from=None,
        evolves_to=[],
        moves=[
            {"name": move, "type": "Fire", "category": "Special", "power": 60, "accuracy": 100, "pp": 20}
            for move in MOVES
        ],
        weaknesses={"Rock": 4.0, "Water": 2.0, "Electric": 2.0},
        resistances={"Ground": 0.0, "Grass": 0.25},
        seed=seed,
        models={"sprites": "blob 0.1"},
        ability="Blaze",
        image=sprite(seed=seed) if image is None else image,
    )
