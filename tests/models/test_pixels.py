"""Nearly white becomes white, sprites are framed as the data are, and a sheet shows every one."""

import numpy as np
import pytest
import torch

from pokegen.images import clean_white, grid
from pokegen.models.pixels import despeckle_and_center, limit_colors


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


def picture(*parts, side=32):
    """White, with ink in (top, left, height, width)."""
    image = torch.ones(1, 3, side, side)
    for top, left, height, width in parts:
        image[:, :, top : top + height, left : left + width] = -0.5
    return image


def box(image):
    """(top, left, height, width) of what is not white."""
    y, x = np.nonzero((image[0].amin(dim=0) < 1).numpy())
    return y.min(), x.min(), y.max() - y.min() + 1, x.max() - x.min() + 1


def test_what_is_drawn_comes_into_the_centre():
    before = picture((0, 3, 10, 6))
    kept = before.clone()
    assert box(despeckle_and_center(before)) == (11, 13, 10, 6)
    assert before.equal(kept)  # a copy


def test_specks_go_and_parts_stay():
    assert despeckle_and_center(picture((4, 4, 12, 12), (25, 25, 2, 2))).equal(
        despeckle_and_center(picture((4, 4, 12, 12)))
    )
    assert box(despeckle_and_center(picture((4, 4, 12, 12), (20, 20, 4, 4)))) == (6, 6, 20, 20)


def test_corners_that_touch_are_one_part():
    assert box(despeckle_and_center(picture((4, 4, 12, 12), (16, 16, 2, 2)))) == (9, 9, 14, 14)


@pytest.mark.parametrize(("part", "found"), [((0, 0, 32, 32), (2, 2, 28, 28)), ((0, 5, 32, 8), (2, 12, 28, 8))])
def test_the_margin_is_white(part, found):
    assert box(despeckle_and_center(picture(part))) == found


def test_a_white_picture_stays_white_and_nearly_white_counts_as_white():
    assert despeckle_and_center(torch.ones(2, 3, 16, 16)).equal(torch.ones(2, 3, 16, 16))
    assert despeckle_and_center(torch.full((1, 1, 16, 16), 0.95)).equal(torch.ones(1, 1, 16, 16))


def test_uneven_planes_become_flat_in_few_colors():
    image = picture((4, 4, 24, 24))[0] * 1.2  # -0.6: in the middle of a cube of the octree
    image[0, 4:16, 4:28] = 0.4  # a second plane
    noise = 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    uneven = torch.where(image > 1, 1.0, image + noise)
    before = uneven.clone()
    flat = limit_colors(uneven[None], 4)[0]
    assert len(uneven.flatten(1).unique(dim=1).T) > 100 and len(flat.flatten(1).unique(dim=1).T) <= 4
    assert (flat - image.clamp(max=1)).abs().max() < 0.03
    assert flat[:, 6:26, 6:26].diff().abs().mean() < 0.5 * uneven[:, 6:26, 6:26].diff().abs().mean()
    assert uneven.equal(before)  # a copy


def test_white_stays_white_when_colors_are_few():
    nearly = torch.full((1, 3, 16, 16), 0.97)
    nearly[:, :, :4] = 1.0
    assert limit_colors(nearly, 2)[:, :, :4].equal(torch.ones(1, 3, 4, 16))
