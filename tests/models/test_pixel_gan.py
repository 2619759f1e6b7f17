"""A palette found in the drawing, shinies that keep their shape, and a discriminator with an eye for small patches."""

import pytest
import torch

from pokegen.errors import UserError
from pokegen.models.condition import CONDITIONS
from pokegen.models.pixel_gan import PixelGANDiscriminator, PixelGANGenerator, Recolor, find_palette, paint

SHINY = CONDITIONS.index("shiny")


def seeded(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def labels(n, shiny=0):
    result = torch.zeros(n, len(CONDITIONS), dtype=torch.long)
    result[:, SHINY] = shiny
    return result


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    net = PixelGANGenerator(8, 8, 8)
    torch.nn.init.normal_(net.recolor.out.weight)  # as if it had learned
    net(seeded(16, 8), labels(16))  # batch norm's averages
    return net.eval()


def flat(colors, side=8):
    """An image of rows of `colors`, each a triple in [-1, 1]: (1, 3, side, side)."""
    image = torch.ones(1, 3, side, side)
    for y, color in enumerate(colors):
        image[0, :, y] = torch.tensor(color)[:, None]
    return image


def test_a_picture_of_few_colours_keeps_each_of_them():
    image = flat([(-1, -1, -1), (0.5, -0.5, 0), (0.5, -0.4, 0), (-0.2, 0.8, 0.1)])
    palette, index = find_palette(image, 16)
    assert palette[0, 0].tolist() == [1, 1, 1]
    assert torch.allclose(paint(palette, index), image, atol=1e-6)


def test_a_small_spot_of_a_rare_colour_keeps_its_own():
    image = 0.2 * seeded(1, 3, 32, 32).clamp(-1, 1) - 0.5  # an uneven plane
    image[0, :, 5, 5] = torch.tensor([1.0, -1.0, -1.0])  # a red eye
    palette, index = find_palette(image, 16)
    assert torch.allclose(paint(palette, index)[0, :, 5, 5], image[0, :, 5, 5], atol=0.05)


def test_what_is_nearly_white_becomes_background():
    image = torch.full((1, 3, 8, 8), 0.97)
    palette, index = find_palette(image, 4)
    assert (index == 0).all()
    assert (paint(palette, index) == 1).all()


def test_all_that_is_drawn_has_at_most_so_many_colours(generator):
    images = generator.sample(6, generator=torch.Generator().manual_seed(1))
    assert images.shape == (6, 3, 128, 128)
    for image in images:
        assert len(image.flatten(1).unique(dim=1).T) <= 16


def test_what_is_shown_is_doubled_in_whole_squares(generator):
    images = generator.sample(2, generator=torch.Generator().manual_seed(1))
    assert images[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3).equal(images)


def test_the_gradient_passes_the_palette(generator):
    latent = seeded(2, 8).requires_grad_()
    generator(latent, labels(2)).sum().backward()
    assert latent.grad is not None and latent.grad.abs().sum() > 0


def test_training_and_showing_draw_the_same(generator):
    latent = seeded(4, 8)
    for shiny in (0, 1):
        with torch.no_grad():
            trained = generator(latent, labels(4, shiny))
            shown = generator.draw_small(latent, generator.embed(labels(4, shiny)))
        assert torch.allclose(trained, shown, atol=1e-5)


def test_a_shiny_has_the_same_shape_to_the_pixel_in_other_colours(generator):
    latent = seeded(8, 8)
    with torch.no_grad():
        usual, shiny = (generator.decode(latent, generator.embed(labels(8, s))) for s in (0, 1))
    assert ((usual.amin(1) < 0.92) == (shiny.amin(1) < 0.92)).all()
    assert not torch.allclose(usual, shiny, atol=0.05)


def test_no_map_of_colours_touches_white_or_makes_any():
    torch.manual_seed(0)
    recolor = Recolor(4)
    torch.nn.init.normal_(recolor.out.weight, std=10)
    colors = torch.cat([torch.ones(5, 1, 3), 2 * torch.rand(5, 40, 3) - 1], dim=1)
    mapped = recolor(colors, seeded(5, 4))
    assert (mapped[:, 0] == 1).all()
    assert (mapped[:, 1:].amin(dim=2) < 0.92).all()


def test_the_discriminator_judges_patches_of_four_pixels():
    torch.manual_seed(0)
    net = PixelGANDiscriminator(8, widths=(4, 8, 8, 8), texture=4).eval()
    images = seeded(2, 3, 64, 64).clamp(-1, 1).requires_grad_()
    logits, _ = net(images, labels(2))
    assert logits.shape == (2, 256 + 64)
    (gradient,) = torch.autograd.grad(logits[0, 256], images)
    seen = gradient[0].abs().sum(dim=0) > 0
    assert seen[:9, :9].any() and not seen[12:].any() and not seen[:, 12:].any()  # the first of 8×8 tiles


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="colors must be from 2 to 256, got 1"):
        PixelGANGenerator(colors=1)
    with pytest.raises(UserError, match="default_style 'oil'"):
        PixelGANGenerator(default_style="oil")


def test_specks_are_not_shown_and_the_creature_stands_in_the_middle(generator, monkeypatch):
    small = torch.ones(1, 3, 64, 64)
    small[:, :, 2:22, 4:34] = -0.5
    small[:, :, 60, 60] = -0.5
    monkeypatch.setattr(generator, "draw_small", lambda *_: small)
    shown = generator.decode(torch.zeros(1, 8), torch.zeros(1, 9))
    ys, xs = (shown[0, 0] < 1).nonzero(as_tuple=True)
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (44, 83, 34, 93)
