"""The procedural creatures: the same each time, different between species, coloured by type, written by species."""

import time
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pokegen.data.filenames import SpeciesNames
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sample import draw_creature, write_sample
from pokegen.schema import TYPES

POKEDEX = load_pokedex()


def pixels(species, variant=0):
    return np.asarray(draw_creature(species, variant))  # (96, 96, 4)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_gives_a_creature_on_a_transparent_ground(kind):
    for species in [s for s in POKEDEX if kind in (s.type1, s.type2)][:5]:
        image = draw_creature(species)
        assert (image.mode, image.size) == ("RGBA", (96, 96))
        alpha = np.asarray(image)[..., 3]
        assert set(np.unique(alpha)) == {0, 255}
        assert 0.1 < (alpha > 0).mean() < 0.75
        assert (alpha[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()
        colors = np.unique(np.asarray(image)[alpha > 0], axis=0)
        assert 6 <= len(colors) <= 48  # pixel art: flat colours


def test_drawing_ignores_and_leaves_the_global_random_state():
    np.random.seed(1)
    first = pixels(POKEDEX[24])
    state = np.random.get_state()[1].copy()
    np.random.seed(2)
    assert (pixels(POKEDEX[24]) == first).all()
    np.random.seed(1)
    assert (np.random.get_state()[1] == state).all()


def test_species_differ_more_than_variants_of_one():
    creatures = [pixels(s).astype(float) for s in POKEDEX[:40]]
    assert len({c.tobytes() for c in creatures}) == 40
    between = np.mean([np.abs(a - b).mean() for a, b in pairwise(creatures)])
    variants = [np.abs(c - pixels(s, 1)).mean() for s, c in zip(POKEDEX, creatures, strict=False)]
    assert min(variants) > 0
    assert np.mean(variants) < between / 2


def test_types_can_be_seen():
    """Water creatures are bluer than Fire creatures, which are redder: there is something for a model to learn."""

    def mean_color(kind):
        found = [pixels(s) for s in POKEDEX if s.type1 == kind][:30]
        return np.mean([p[p[..., 3] > 0][:, :3].mean(0) for p in found], axis=0)  # (3,)

    fire, water, grass = mean_color("Fire"), mean_color("Water"), mean_color("Grass")
    assert fire[0] > water[0] + 40
    assert water[2] > fire[2] + 40
    assert grass[1] > fire[1]


def test_write_sample_makes_a_folder_a_species(tmp_path):
    count = write_sample(tmp_path, POKEDEX[482:485], variants=3)  # Dialga, Palkia, Heatran
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png"))
    assert count == len(files) == 9
    assert "Palkia/2.png" in files
    with Image.open(tmp_path / "Palkia/2.png") as image:
        assert (np.asarray(image) == pixels(POKEDEX[483], 2)).all()


def test_the_import_recognises_every_folder(tmp_path):
    write_sample(tmp_path, POKEDEX, variants=0)
    names = SpeciesNames(POKEDEX)
    assert {names.find(folder.name)[0].number for folder in tmp_path.iterdir()} == set(range(1, 1026))


def test_a_hundred_creatures_take_about_a_second():
    start = time.process_time()  # not the wall: other work may share the machine
    for species in POKEDEX[::10]:
        draw_creature(species)
    assert time.process_time() - start < 3
