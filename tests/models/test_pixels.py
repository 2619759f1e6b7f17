"""Nearly white becomes white, and a sheet shows every sprite."""

import numpy as np

from pokegen.models.pixels import clean_white, grid


def test_uneven_white_becomes_white_and_what_is_drawn_stays():
    noise = np.random.default_rng(0).integers(246, 256, (2, 128, 128, 3), dtype=np.uint8)
    assert (clean_white(noise) == 255).all()
    shades = np.arange(225, dtype=np.uint8).reshape(15, 15, 1).repeat(3, axis=2)
    assert np.array_equal(clean_white(shades), shades)


def test_grid_shows_every_sprite_in_order():
    sprites = np.stack([np.full((128, 128, 3), shade, np.uint8) for shade in (10, 20, 30)])
    pixels = np.asarray(grid(sprites, 2))
    assert pixels.shape == (2 * 132 + 4, 2 * 132 + 4, 3)
    assert [pixels[60, 60, 0], pixels[60, 200, 0], pixels[200, 60, 0], pixels[200, 200, 0]] == [10, 20, 30, 255]
