"""Walks, changed conditions and pictures of a user's: what stays, what changes, and what is refused."""

import numpy as np
import pytest
import torch
from fake_zoo import Blob, Dice, Syllables

from pokegen.cards import latent
from pokegen.cards.generator import Generator, stream
from pokegen.cards.request import Request
from pokegen.errors import UserError
from pokegen.models.cgan import CGANGenerator as CGAN
from pokegen.models.condition import CONDITIONS
from pokegen.models.cvae import CVAE
from pokegen.models.gan import GANGenerator as GAN
from pokegen.models.pixels import to_pixels
from pokegen.models.vae import VAE
from pokegen.schema import COLORS, NO_TYPE, STYLES, TYPES


def trained(net):
    """As if trained: conditions that show, and creatures of two kinds in the data."""
    for module in net.modules():
        if isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=3)
    labels = [
        [t, NO_TYPE, c, 0, 1 + t % 3, s, (3, 5)[t % 2]]
        for t in range(18)
        for c in (t % 10, (t + 1) % 10)
        for s in (0, 1)
    ]
    net.prior.fit(torch.tensor(labels), torch.ones(len(labels)))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def cgan():
    torch.manual_seed(0)
    return trained(CGAN(latent_dim=8, width=8, embedding_dim=8))


@pytest.fixture(scope="module")
def cvae():
    torch.manual_seed(0)
    return trained(CVAE(latent_dim=8, width=8, embedding_dim=8))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_earlier_form_is_the_same_creature_of_the_stage_before(cgan):
    generator = Generator(cgan, Dice(), Syllables())
    card, later = generator.card("fire", stage=2, seed=5), generator.card("fire", stage=3, seed=5)
    assert card.earlier.shape == (128, 128, 3) and card.earlier.dtype == np.uint8
    assert not np.array_equal(card.earlier, card.image)
    assert not np.array_equal(card.earlier, later.earlier)
    assert np.array_equal(card.earlier, generator.card("fire", stage=2, seed=5).earlier)
    shown = {"type1": torch.tensor([6]), "stage": torch.tensor([3])}
    same = latent.earlier(cgan, shown, shown, seeded())
    assert torch.allclose(same, cgan.sample(1, shown, seeded()), atol=1e-5)  # under its own stage, the creature itself


def test_a_model_without_stages_draws_no_earlier_form():
    torch.manual_seed(0)
    card = Generator(GAN(width=8).eval(), Dice(), Syllables()).card(stage=2, seed=1)
    assert card.evolves_from and card.earlier is None


def test_another_type_brings_its_colour_and_leaves_the_rest(cgan):
    labels = cgan.sample_conditions(5, None, seeded())
    changed = list(latent.vary_condition(cgan, labels, "type1", {}, seeded()))
    assert [kind for kind, _ in changed] == list(range(18))
    for kind, new in changed:
        assert (new[:, 0] == kind).all()
        assert (new[:, 1] == NO_TYPE).all()
        assert all(int(c) in (kind % 10, (kind + 1) % 10) for c in new[:, 2])
        assert new[:, 3:].equal(labels[:, 3:])
    asked = {"color": torch.full((5,), 7), "type2": torch.full((5,), 4)}
    labels = cgan.sample_conditions(5, asked, seeded())
    for kind, new in latent.vary_condition(cgan, labels, "type1", asked, seeded()):
        assert (new[:, 2] == 7).all()
        assert (new[:, 1] == (NO_TYPE if kind == 4 else 4)).all()


@pytest.mark.parametrize("key", [key for key in CONDITIONS if key != "type2"])
def test_each_value_that_the_data_had_is_shown_once(cgan, key):
    labels = cgan.sample_conditions(2, None, seeded())
    place = CONDITIONS.index(key)
    found = [int(new[0, place]) for _, new in latent.vary_condition(cgan, labels, key, {}, seeded())]
    seen = {"type1": range(18), "color": range(10), "legendary": [0], "stage": [1, 2, 3], "shiny": [0, 1]}
    assert found == list((seen | {"style": [3, 5]})[key])


def test_the_way_between_two_latents_keeps_their_distance_from_the_centre():
    center = torch.randn(16, generator=seeded())
    start, end = torch.randn(2, 16, generator=seeded(1)) + center
    assert torch.allclose(latent.slerp(start, end, 0.0, center), start, atol=1e-5)
    assert torch.allclose(latent.slerp(start, end, 1.0, center), end, atol=1e-5)
    a = torch.nn.functional.normalize(start - center, dim=0) * 3 + center
    b = torch.nn.functional.normalize(end - center, dim=0) * 3 + center
    for share in (0.2, 0.5, 0.9):
        assert float((latent.slerp(a, b, share, center) - center).norm()) == pytest.approx(3, rel=1e-4)
    assert torch.allclose(latent.slerp(a, a, 0.3, center), a)


def test_a_walk_passes_each_creature_and_moves_in_small_steps(cgan):
    generator = Generator(cgan)
    frames = np.stack(list(generator.walk(Request(count=2, seed=5), steps=10)))
    assert frames.shape == (20, 128, 128, 3)
    for i, seed in ((0, 5), (10, 6)):
        assert np.array_equal(frames[i], generator.sprites(1, seed=seed)[0])
    steps = np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3))
    far = np.abs(frames[0].astype(float) - frames[10]).mean()
    assert 0 < steps.max() < 0.5 * far
    assert np.abs(frames[-1].astype(float) - frames[0]).mean() < 0.5 * far  # it comes back


def test_a_walk_through_the_types_is_one_creature_under_each(cgan):
    generator = Generator(cgan)
    frames = list(generator.walk(Request(seed=3, style="pixel-4"), steps=2, types=True))
    labels = [row[0] for _, row in generator.vary_condition("type1", Request(count=1, seed=3, style="pixel-4"))]
    assert len(frames) == 2 * len(TYPES)
    assert all(np.array_equal(a, b) for a, b in zip(frames[::2], labels, strict=True))
    assert not np.array_equal(labels[0], labels[1])


def test_the_same_creatures_stand_in_each_line(cgan):
    generator = Generator(cgan)
    lines = dict(generator.vary_condition("style", Request("fire", count=3, seed=1)))
    assert {word: line.shape for word, line in lines.items()} == dict.fromkeys(("pixel-2", "pixel-4"), (3, 128, 128, 3))
    labels = cgan.sample_conditions(
        3, {"type1": torch.full((3,), TYPES.index("Fire"))}, generator := stream(1, "sprites")
    )
    z = cgan.latents(3, generator)
    labels[:, CONDITIONS.index("style")] = STYLES.index("pixel-4")
    assert np.array_equal(to_pixels(cgan.decode(z, cgan.embed(labels))), lines["pixel-4"])


def test_a_picture_of_the_model_is_found_again(cgan):
    """The model draws it better from what was found than nearly all of its other creatures are like it."""
    generator = Generator(cgan)
    picture = generator.sprites(1, seed=11)[0]
    redrawn, _ = generator.reimagine(picture, Request(count=1, seed=2))
    assert redrawn.shape == picture.shape
    far = [np.abs(o.astype(float) - picture).mean() for o in (redrawn, *generator.sprites(50, seed=12))]
    assert far[0] < np.quantile(far[1:], 0.1)


def creatures(kinds, places):
    """White pictures (N, 3, 64, 64) with a square: the type is its colour, the place one of four quarters."""
    images = torch.ones(len(kinds), 3, 64, 64)
    for image, kind, place in zip(images, kinds, places, strict=True):
        top, left = 8 + 32 * (int(place) // 2), 8 + 32 * (int(place) % 2)
        image[:, top : top + 16, left : left + 16] = torch.tensor(PAINTS[int(kind)])[:, None, None]
    return images


PAINTS = {6: (1.0, -1.0, -1.0), 11: (-1.0, 1.0, -1.0), 17: (-1.0, -1.0, 1.0)}  # of three types


@pytest.fixture(scope="module")
def trained_cvae():
    """A CVAE that has learned `creatures`."""
    torch.manual_seed(0)
    net = CVAE(latent_dim=4, width=8, size=64, embedding_dim=8, conditions=["type1"], warmup_images=1)
    net.prior.fit(torch.tensor([[kind] for kind in PAINTS]), torch.ones(len(PAINTS)))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(200):
        kinds, places = torch.tensor([*PAINTS])[torch.randint(3, (16,))], torch.randint(4, (16,))
        loss = net.loss({"image": creatures(kinds, places), "type1": kinds})["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        net.count(16 * (step + 1))
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("kind", PAINTS)
def test_a_trained_encoder_finds_the_type_and_the_place_of_a_picture(trained_cvae, kind):
    every = creatures([k for k in PAINTS for _ in range(4)], 3 * [0, 1, 2, 3])
    for place in range(4):
        image = creatures([kind], [place])
        z, labels = latent.invert(trained_cvae, image, seeded(place))
        assert int(labels) == kind
        drawn = trained_cvae.render(z, trained_cvae.embed(labels))
        nearest = (every - drawn).abs().mean(dim=(1, 2, 3)).argmin()
        assert every[nearest].equal(image[0])


@pytest.mark.parametrize("net", [VAE(4, 4, 28, channels=1), GAN(4, 4, 14)])
def test_pictures_of_other_sizes_and_in_grey_are_found(net):
    generator = Generator(net.eval().requires_grad_(False))
    redrawn, varied = generator.reimagine(np.full((net.size, net.size, 3), 90, np.uint8), Request(count=2, seed=1))
    assert redrawn.shape == (net.size, net.size, 3)
    assert varied.shape == (2, net.size, net.size, 3)


def test_no_creature_has_one_type_twice(cgan):
    labels = torch.tensor([[6, NO_TYPE, 7, 0, 1, 0, 3]])
    new = latent.override_conditions(cgan, labels, {"type2": torch.full((30,), 6)}, 30, seeded())
    assert (new[:, 1] == 6).all() and (new[:, 0] != 6).all()
    other = latent.override_conditions(cgan, labels, {"type2": torch.full((30,), 5)}, 30, seeded())
    assert (other[:, :2] == torch.tensor([6, 5])).all()
    cgan.prior.rows[0, 1] = 6  # so that the data has it as a second type
    try:
        lines = dict(latent.vary_condition(cgan, labels, "type2", {}, seeded()))
    finally:
        cgan.prior.rows[0, 1] = NO_TYPE
    assert lines[6][0, 0] != 6 and lines[NO_TYPE][0, 0] == 6


def test_strength_goes_from_the_picture_to_any_creature(cvae):
    z, labels = cvae.latents(1, seeded()), cvae.sample_conditions(1, None, seeded())
    home = cvae.render(z, cvae.embed(labels))
    far = [
        float((latent.variations(cvae, z, labels.expand(20, -1), strength, seeded(1)) - home).abs().mean())
        for strength in (0.0, 0.3, 1.0)
    ]
    assert far[0] == pytest.approx(0, abs=1e-6)
    assert far[0] < far[1] < far[2]
    fresh = cvae.render(cvae.latents(20, seeded(1)), cvae.embed(labels.expand(20, -1)))
    assert torch.allclose(latent.variations(cvae, z, labels.expand(20, -1), 1.0, seeded(1)), fresh, atol=1e-5)


def test_a_new_type_of_a_picture_brings_its_colours(cvae):
    labels = torch.tensor([[6, NO_TYPE, 7, 0, 1, 0, 3]])
    water = {"type1": torch.full((40,), 17)}
    new = latent.override_conditions(cvae, labels, water, 40, seeded())
    assert {tuple(row) for row in new.tolist()} == {(17, NO_TYPE, c, 0, 1, 0, 3) for c in (7, 8)}  # 17's, in the data
    assert latent.override_conditions(cvae, labels, {}, 3, seeded()).equal(labels.expand(3, -1))


def test_variations_are_of_the_asked_type(cvae):
    generator, picture = Generator(cvae), np.full((128, 128, 3), 200, np.uint8)
    plain, fire = (generator.reimagine(picture, Request(t, count=3, seed=1), 0.2) for t in (None, "fire"))
    assert np.array_equal(plain[0], fire[0])  # the picture is found alike
    assert not np.array_equal(plain[1], fire[1])
    assert fire[1].shape == (3, 128, 128, 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda g: g.walk(Request("fire"), types=True), "no one type"),
        (lambda g: g.walk(Request(count=1)), "two creatures or more"),
        (lambda g: g.vary_condition("style", Request(), 0.0), "truncation must be above 0"),
        (lambda g: next(g.cards(Request(style="artwork"))), "has seen no sprite of style 'artwork'"),
        (lambda g: g.walk(Request(), steps=0), "steps must be from 1 to 1000, got 0"),
        (lambda g: g.vary_condition("style", Request(style="pixel-2")), "leave one of the two out"),
        (lambda g: g.vary_condition("style", Request(count=99)), "At most 32"),
        (lambda g: g.sprites(1, style="artwork"), "has seen no sprite of style 'artwork'. It knows: pixel-2, pixel-4"),
        (lambda g: g.reimagine(np.zeros((64, 64, 3), np.uint8), Request()), "draws 128×128"),
        (lambda g: g.reimagine(np.zeros((128, 128, 3), np.uint8), Request(), 1.5), "strength must be from 0 to 1"),
    ],
)
def test_what_cannot_be_is_told(cgan, call, says):
    with pytest.raises(UserError, match=says):
        call(Generator(cgan, Dice(), Syllables()))


def test_models_without_conditions_or_latents_are_told():
    plain = VAE(latent_dim=4, width=4).eval()
    with pytest.raises(UserError, match="draws without types"):
        Generator(plain).walk(Request(), types=True)
    with pytest.raises(UserError, match="draws without color"):
        Generator(plain).vary_condition("color", Request())
    with pytest.raises(UserError, match="draws without style"):
        Generator(plain).sprites(1, style="artwork")
    with pytest.raises(UserError, match="no latent space"):
        Generator(object()).walk(Request())


def test_colours_and_styles_are_asked_by_their_words(cgan):
    seen = {}
    cgan.prior.draw, draw = lambda n, c, g: seen.update(c) or draw(n, c, g), cgan.prior.draw
    Generator(cgan).sprites(2, color="red", style="PIXEL-4", shiny=True, stage=2)
    del cgan.prior.draw
    expected = {"color": COLORS.index("Red"), "style": 5, "shiny": 1, "stage": 2}
    assert {key: int(value[0]) for key, value in seen.items()} == expected


@pytest.mark.parametrize("size", [64, 256])
def test_a_model_of_another_size_fills_the_card(size):
    torch.manual_seed(0)
    net = trained(CGAN(latent_dim=8, width=8, embedding_dim=8, size=size))
    generator = Generator(net, Dice(), Syllables())
    assert generator.sprites(2, seed=1).shape == (2, size, size, 3)
    assert generator.size == size
    image = generator.card(style="pixel-4", seed=1).image
    assert image.shape == (128, 128, 3)
    if size == 64:  # whole pixels
        assert np.array_equal(image[::2, ::2].repeat(2, axis=0).repeat(2, axis=1), image)


def test_a_card_is_shiny_only_where_that_is_asked(cgan):
    asked = []
    cgan.sample, sample = (
        lambda n, condition, generator: asked.append(condition) or sample(n, condition, generator),
        cgan.sample,
    )
    generator = Generator(cgan, Dice(), Syllables())
    plain, shiny = (generator.card(shiny=s, style="pixel-2", seed=4) for s in (None, True))
    del cgan.sample
    assert [int(c["shiny"]) for c in asked] == [0, 1]
    assert [STYLES[int(c["style"])] for c in asked] == ["pixel-2"] * 2
    assert plain.name == shiny.name and plain.stats == shiny.stats  # the same creature
    assert not np.array_equal(plain.image, shiny.image)


@pytest.mark.parametrize("options", [{}, {"style": STYLES[3], "shiny": True}, {"evolutions": 3}])
def test_neighbours_start_at_the_card_and_come_back(cgan, options):
    generator = Generator(cgan, Dice(), Syllables())
    request = Request(count=2, seed=4, **options)
    cards = list(generator.cards(request))
    rounds = list(generator.neighbours(cards, request, steps=8))
    assert len(rounds) == len(cards)
    for card, frames in zip(cards, rounds, strict=True):
        assert len(frames) == 8
        assert np.array_equal(frames[0], card.image)
        away = [np.abs(frame.astype(int) - frames[0]).mean() for frame in frames]
        assert away[0] == 0 < min(away[1:])
        assert max(away[1], away[7]) < max(away[3:6])  # the farthest is halfway
    again = list(generator.neighbours(cards, request, steps=8))
    assert all(
        np.array_equal(a, b) for one, two in zip(rounds, again, strict=True) for a, b in zip(one, two, strict=True)
    )


def test_neighbours_need_a_latent_space():
    with pytest.raises(UserError, match="no latent space"):
        Generator(Blob(), Dice(), Syllables()).check_latents()


def test_a_round_of_latents_begins_with_the_latent_and_closes(cgan):
    start = cgan.latents(1, seeded(1))
    near = latent.neighbours(cgan, start, 36, seeded(2))
    assert near.shape == (36, 8)
    assert near[0].equal(start[0])
    steps = (near - near.roll(1, dims=0)).norm(dim=1)
    assert steps.max() < 0.5 * (near - start).norm(dim=1).max()  # no jump, nor from the last to the first
