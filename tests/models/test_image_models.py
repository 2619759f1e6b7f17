import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from pokegen.errors import UserError
from pokegen.models import autoregressive, cgan, cvae, dcgan, gan, losses, projected_gan, tokenizer, vae
from pokegen.models.augment import affine, diff_augment, translate, vary_color
from pokegen.models.condition import CONDITIONS, ConditionEmbedding, ConditionPrior
from pokegen.models.pixels import despeckle_and_center, limit_colors
from pokegen.schema import NO_TYPE

CONDITIONAL = ("cgan", "projected_gan", "cvae", "autoregressive")
KINDS = ("gan", "dcgan", "vae", *CONDITIONAL)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(kind, **options):
    torch.manual_seed(0)
    nets = {
        "gan": lambda: gan.GANGenerator(latent_dim=8, width=4, **options),
        "cgan": lambda: cgan.CGANGenerator(latent_dim=8, width=8, embedding_dim=8, **options),
        "projected_gan": lambda: projected_gan.ProjectedGANGenerator(latent_dim=8, width=8, embedding_dim=8, **options),
        "dcgan": lambda: dcgan.DCGANGenerator(latent_dim=8, width=4, **options),
        "vae": lambda: vae.VAE(latent_dim=8, width=4, **options),
        "cvae": lambda: cvae.CVAE(latent_dim=8, width=4, embedding_dim=8, **options),
        "autoregressive": lambda: autoregressive.Autoregressive("", (4, 3), 4, width=16, depth=1, heads=2, **options),
    }
    net = nets[kind]().eval()
    if kind == "autoregressive":  # whose heads begin next to 0, so that a new one would tell nothing apart
        for layer in (layer for head in net.heads for layer in (head[0], head[2])):
            torch.nn.init.normal_(layer.weight)
    return net


def rows_of(*labels):
    """Training labels that differ in their first four conditions, equally likely."""
    return torch.tensor([[*row, 1, 0, 0] for row in labels]), torch.ones(len(labels))


@pytest.mark.parametrize("kind", KINDS)
def test_samples_keep_the_promise(kind):
    net = small(kind)
    images = net.sample(5, generator=seeded())
    assert images.shape == (5, 3, 128, 128)
    assert images.dtype == torch.float32
    assert -1 <= images.min() <= images.max() <= 1
    assert images.equal(net.sample(5, generator=seeded()))
    assert not images.equal(net.sample(5, generator=seeded(1)))
    assert net.sample(5, generator=seeded(), truncation=0.1).std(0).mean() < images.std(0).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_leaves_the_global_stream_and_the_weights_alone(kind):
    net = small(kind)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    before = torch.get_rng_state()
    net.sample(3, generator=seeded())
    assert torch.get_rng_state().equal(before)
    assert all(v.equal(state[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_sprites_of_other_sizes(kind, size):
    images = small(kind, size=size).sample(2, generator=seeded())
    assert images.shape == (2, 3, size, size)
    assert -1 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("kind", ["gan", "vae"])
def test_small_grey_images(kind):
    assert small(kind, size=28, channels=1).sample(2, generator=seeded()).shape == (2, 1, 28, 28)
    if kind == "gan":
        assert gan.GANDiscriminator(4, size=28, channels=1)(torch.rand(2, 1, 28, 28))[0].shape == (2, 1)
        assert len(gan.GANGenerator(size=28).net) == len(gan.GANGenerator(size=64).net) - 3  # one block less


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: gan.GANGenerator(size=50), "7 or 8 doubled at least once"),
        (lambda: dcgan.DCGANGenerator(size=100), "power of two from 16 up, got 100"),
        (lambda: cgan.CGANGenerator(size=100), "64, 128 or 256"),
        (lambda: autoregressive.Autoregressive(size=100), "multiple of 16 pixels, got 100"),
        (lambda: autoregressive.Autoregressive(width=100), "width .100. must be a multiple of heads .8."),
        (lambda: tokenizer.Tokenizer(levels=[8, 1]), "levels must be 2 or more, got 8, 1"),
        (lambda: vae.VAE(architecture="deep"), "Unknown architecture 'deep'. Known: conv, linear"),
        (lambda: vae.VAE(likelihood="laplace"), "Unknown likelihood 'laplace'. Known: gaussian, bernoulli"),
        (lambda: cvae.CVAE(conditions=["weight"]), "Unknown condition 'weight'"),
        (lambda: cgan.CGANDiscriminator(conditions=["weight"]), "Unknown condition 'weight'"),
        (lambda: cgan.CGANDiscriminator(conditions=["type1", "type1"]), "each once"),
        (lambda: cgan.CGANGenerator(conditions=[]), "at least one condition"),
    ],
)
def test_settings_that_no_model_has(make, says):
    with pytest.raises(UserError, match=says):
        make()


@pytest.mark.parametrize("key", CONDITIONS)
@pytest.mark.parametrize("kind", CONDITIONAL)
def test_each_condition_changes_a_sample(kind, key):
    net = small(kind)
    for table in net.embedding.tables:
        torch.nn.init.normal_(table.weight)
    base = {k: torch.zeros(2, dtype=torch.long) for k in CONDITIONS}
    net.prior.fit(*rows_of([0, 0, 0, 0]))
    one, other = (net.sample(2, base | {key: torch.full((2,), v)}, seeded()) for v in (0, 1))
    assert not one.equal(other)


def test_discriminators_give_one_row_of_logits_an_image():
    torch.manual_seed(0)
    labels = torch.zeros(4, len(CONDITIONS), dtype=torch.long)
    logits, features = cgan.CGANDiscriminator(width=8)(torch.rand(4, 3, 64, 64), labels)
    assert logits.shape == (4, 128)
    assert features.shape == (4, 32, 8, 8)
    logits, _ = dcgan.DCGANDiscriminator(width=4)(torch.rand(4, 3, 128, 128), labels)
    assert logits.shape == (4, 1)


@pytest.mark.parametrize("norm", [True, False])
def test_a_projection_discriminator_sees_the_condition_only_in_its_strength(norm):
    torch.manual_seed(0)
    net = cgan.CGANDiscriminator(width=8, norm=norm).eval()
    images = torch.rand(2, 3, 64, 64)
    labels = torch.tensor([[0, NO_TYPE, 0, 0, 1, 0, 0], [5, 3, 1, 1, 2, 1, 3]])
    ignored = [net(images, r.expand(2, -1), condition_scale=0.0)[0] for r in labels]
    seen = [net(images, r.expand(2, -1), condition_scale=1.0)[0] for r in labels]
    assert ignored[0].equal(ignored[1])
    assert not seen[0].equal(seen[1])


def test_minibatch_deviation_tells_copies_from_variety():
    varied = torch.randn(8, 4, 2, 2)
    copies = varied[:1].expand(8, -1, -1, -1)
    assert cgan.minibatch_deviation(varied).shape == (8, 5, 2, 2)
    assert cgan.minibatch_deviation(copies)[:, -1].max() < 1e-3 < 0.5 < cgan.minibatch_deviation(varied)[:, -1].min()


def test_what_is_asked_is_kept_and_the_rest_comes_from_a_real_row():
    prior = ConditionPrior(CONDITIONS[:4])
    prior.fit(*rows_of([0, 3, 1, 0], [0, 4, 2, 0], [6, NO_TYPE, 7, 1]))
    labels = prior.draw(200, {"type1": torch.zeros(200, dtype=torch.long)}, seeded())
    assert {tuple(r) for r in labels.tolist()} == {(0, 3, 1, 0), (0, 4, 2, 0)}
    unseen = {"type1": torch.full((50,), 9), "type2": torch.full((50,), 3)}
    assert {tuple(r) for r in prior.draw(50, unseen, seeded()).tolist()} == {(9, 3, 1, 0)}  # the row with that type2
    free = prior.draw(300, {"type1": torch.full((300,), -1)}, seeded())
    assert len({tuple(r) for r in free.tolist()}) == 3


def test_what_is_not_asked_is_as_likely_as_in_the_data():
    prior = ConditionPrior()
    labels, _ = rows_of([0, 3, 1, 0], [0, 4, 2, 0], [6, NO_TYPE, 7, 1])
    prior.fit(labels, torch.tensor([1.0, 3.0, 4.0]))
    drawn = prior.draw(4000, generator=seeded())
    shares = [float((drawn == row).all(dim=1).float().mean()) for row in labels]
    assert shares == pytest.approx([1 / 8, 3 / 8, 4 / 8], abs=0.03)
    bugs = prior.draw(4000, {"type1": torch.zeros(4000, dtype=torch.long)}, seeded())
    assert float((bugs[:, 1] == 4).float().mean()) == pytest.approx(3 / 4, abs=0.03)


def test_a_model_may_heed_some_conditions_only():
    net = small("cgan", conditions=["style", "type1"])
    net.prior.fit(*rows_of([5, 3, 1, 0]))
    assert net.prior.draw(1).tolist() == [[0, 5]]
    assert net.sample(2, {"color": torch.zeros(2, dtype=torch.long)}, seeded()).shape == (2, 3, 128, 128)
    critic = cgan.CGANDiscriminator(8, conditions=["style", "type1"]).eval()
    images, labels = torch.rand(2, 3, 64, 64), torch.tensor([[0, 5], [0, 5]])
    told = critic(images, labels)[0]
    for condition in (0, 1):
        other = labels.clone()
        other[0, condition] += 1
        changed = critic(images, other)[0]
        assert not changed[0].equal(told[0]) and changed[1].equal(told[1])


def test_a_drawn_type_is_never_the_asked_one():
    prior = ConditionPrior(CONDITIONS[:4])
    prior.fit(*rows_of([0, 3, 1, 0], [0, 3, 1, 0], [6, NO_TYPE, 7, 1]))
    drawn = prior.draw(50, {"type2": torch.zeros(50, dtype=torch.long)}, seeded())
    assert {tuple(r) for r in drawn.tolist()} == {(6, 0, 7, 1)}


def test_a_condition_out_of_range_is_told():
    with pytest.raises(UserError, match="'type1' must hold 2 indices"):
        ConditionPrior().draw(2, {"type1": torch.tensor([0, 18])})
    with pytest.raises(UserError, match="'color' must hold 3 indices"):
        ConditionPrior().draw(3, {"color": torch.tensor([0])})


def test_the_prior_travels_in_the_weights():
    net = small("cgan")
    net.prior.fit(*rows_of([6, 7, 7, 0], [5, 7, 7, 0]))
    fresh = cgan.CGANGenerator(latent_dim=8, width=8, embedding_dim=8).eval()
    fresh.load_state_dict(net.state_dict())
    assert fresh.sample(3, generator=seeded()).equal(net.sample(3, generator=seeded()))
    assert fresh.prior.draw(1, {"type1": torch.tensor([6])}).tolist() == [[6, 7, 7, 0, 1, 0, 0]]


def test_kl_against_the_closed_form_of_torch():
    mean, log_variance = torch.randn(6, 4), torch.randn(6, 4)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(losses.gaussian_kl(mean, log_variance), expected, atol=1e-5)
    assert losses.gaussian_kl(torch.zeros(2, 4), torch.zeros(2, 4)).abs().max() == 0


def test_bernoulli_likelihood_against_a_naive_sum():
    logits, values = torch.randn(3, 2, 4, 4), torch.rand(3, 2, 4, 4)
    for i, nll in enumerate(losses.bernoulli_nll(logits, values)):
        expected = 0.0
        for x, v in zip(logits[i].flatten().tolist(), values[i].flatten().tolist(), strict=True):
            p = 1 / (1 + math.exp(-x))
            expected -= v * math.log(p) + (1 - v) * math.log(1 - p)
        assert float(nll) == pytest.approx(expected, rel=1e-5)


def reconstruction(net, images):
    """What the net makes of the posterior's mean: as the likelihood reads it."""
    nothing = torch.zeros(len(images), 0)
    return net.likelihood_params(net.encode(images, nothing)[0], nothing)


def test_the_vae_nll_is_that_of_a_gaussian_with_the_best_variance():
    net = small("vae")
    images = torch.rand(4, 3, 128, 128) * 2 - 1
    values = net.loss({"image": images})
    decoded = net.to_images(reconstruction(net, images))
    expected = -Normal(decoded, values["mse"].sqrt()).log_prob(images).sum(dim=(1, 2, 3)).mean()
    assert torch.allclose(values["loss"] - values["kl"], expected, rtol=1e-4)


@pytest.mark.parametrize("architecture", vae.ARCHITECTURES)
def test_the_vae_of_grey_images_has_a_bernoulli_likelihood(architecture):
    net = small("vae", size=28, channels=1, architecture=architecture, likelihood="bernoulli")
    images = torch.rand(4, 1, 28, 28) * 2 - 1
    values = net.loss({"image": images})
    logits = reconstruction(net, images)
    expected = losses.bernoulli_nll(logits, (images + 1) / 2).mean()
    assert torch.allclose(values["loss"] - values["kl"], expected, rtol=1e-4)
    assert torch.allclose(net.to_images(logits), 2 * logits.sigmoid() - 1, atol=1e-6)


def test_the_vae_samples_from_the_latents_it_has_seen():
    net = small("vae")
    latents = torch.randn(4000, 8, generator=seeded()) @ torch.randn(8, 8, generator=seeded(1)) + 3
    for i, batch in enumerate(latents.split(200), start=1):
        net._remember(batch, 200.0 * i)
    assert torch.allclose(net.latent_mean, latents.mean(0), atol=1e-4)
    drawn = net.latents(5_000, seeded(2))
    assert torch.allclose(drawn.mean(0), latents.mean(0), atol=0.15)
    assert torch.allclose(drawn.T.cov(), latents.T.cov(), atol=0.6)
    assert net.center.equal(net.latent_mean)


def test_the_vae_fades_its_kl_in():
    net = vae.VAE(latent_dim=8, width=4, warmup_images=8).train()
    images, weights = torch.rand(4, 3, 128, 128) * 2 - 1, []
    for seen in (0, 4, 8):
        net.images_seen.fill_(seen)
        v = net.loss({"image": images})
        weights.append(float(((v["loss"] - (v["elbo"] - v["kl"])) / v["kl"]).detach()))
    assert weights == pytest.approx([0.5, 1.0, 1.0], rel=1e-2)


def test_the_cvae_reads_and_draws_under_its_conditions():
    net = small("cvae")
    net.prior.fit(*rows_of([6, 7, 7, 0]))
    images = torch.rand(2, 3, 128, 128) * 2 - 1
    one, other = (net.embed(torch.tensor([[t, NO_TYPE, 0, 0, 1, 0, 0]] * 2)) for t in (0, 1))
    assert not net.encode(images, one)[0].equal(net.encode(images, other)[0])
    latent = net.latents(2, seeded())
    assert not net.render(latent, one).equal(net.render(latent, other))


@pytest.mark.parametrize("kind", ["vae", "cvae", "linear"])
def test_a_short_overfit_lowers_the_loss(kind):
    net = vae.VAE(8, 64, 64, architecture="linear") if kind == "linear" else small(kind)
    net.train()
    batch = {"image": torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4) * 2 - 1, net.size)}
    batch |= {key: torch.ones(4, dtype=torch.long) for key in CONDITIONS}
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    trace = []
    for _ in range(60):
        optimizer.zero_grad()
        values = net.loss(batch)
        values["loss"].backward()
        optimizer.step()
        trace.append(float(values["mse"].detach()))
    assert trace[-1] < 0.5 * trace[0]


def test_adversarial_losses_at_known_logits():
    zero = torch.zeros(3)
    assert losses.hinge_discriminator(zero, zero) == 2
    assert losses.hinge_discriminator(zero + 2, zero - 2) == 0
    assert losses.bce_discriminator(zero, zero) == pytest.approx(2 * math.log(2))
    assert losses.bce_generator(zero, zero) == pytest.approx(math.log(2))
    assert losses.hinge_generator(zero + 3, zero) == -3
    assert losses.relativistic_discriminator(zero + 1, zero + 1) == pytest.approx(math.log(2))
    far = losses.relativistic_discriminator(zero + 9, zero - 9), losses.relativistic_generator(zero - 9, zero + 9)
    assert far[0] == pytest.approx(0, abs=1e-6)
    assert far[1] == pytest.approx(18, abs=1e-4)


def test_two_losses_pull_alike_at_a_parameter():
    weight = torch.ones(4, requires_grad=True)
    loss, other = (3 * weight).sum(), (0.02 * weight).sum()
    assert losses.adaptive_weight(loss, other, weight) == pytest.approx(150, rel=1e-3)
    assert losses.adaptive_weight(loss, 0 * other, weight) == 1e4


def test_r1_of_a_linear_critic_is_half_its_squared_weights():
    images = torch.rand(5, 3, 4, 4, requires_grad=True)
    weight = torch.randn(3, 4, 4)
    logits = (images * weight).sum(dim=(1, 2, 3))
    assert torch.allclose(losses.gradient_penalty(logits, images), 0.5 * weight.square().sum())
    several = torch.stack([(images * w).sum(dim=(1, 2, 3)) for w in (weight, -weight, weight)], dim=1)
    assert torch.allclose(losses.gradient_penalty(several, images), 0.5 * (weight / 3).square().sum())


def test_augmentation_keeps_white_white_and_lets_gradients_through():
    white = torch.ones(4, 3, 32, 32)
    assert torch.allclose(diff_augment(white), white)
    images = (torch.rand(4, 3, 32, 32) * 2 - 1).requires_grad_()
    diff_augment(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert torch.allclose(vary_color(images, 0.0), images, atol=1e-6)


def test_translation_moves_and_fills_with_white():
    images = torch.full((512, 3, 16, 16), -1.0)
    moved = translate(images, 0.25)
    covered = (moved == -1).float().mean(dim=(1, 2, 3))
    assert covered.max() > 0.9  # some hardly move
    assert len(covered.unique()) > 10
    assert covered.min() >= (12 / 16) ** 2  # at most 4 pixels each way
    assert set(moved.unique().tolist()) == {-1.0, 1.0}


def test_images_are_augmented_with_the_probability():
    torch.manual_seed(0)
    images = torch.rand(400, 3, 8, 8) * 2 - 1
    same = (diff_augment(images, rotation=10, probability=0.6) == images).flatten(1).all(dim=1).float().mean()
    assert 0.3 < same < 0.5
    assert not (diff_augment(images, rotation=10) == images).flatten(1).all(dim=1).any()


def test_turning_and_scaling_move_a_point_about_the_centre():
    torch.manual_seed(0)
    images = torch.ones(300, 3, 65, 65)
    images[:, :, 31:34, 51:54] = -1.0  # 20 pixels right of the centre
    images.requires_grad_()
    changed = affine(images, 20, 0.25)
    ink = (1 - changed).mean(dim=1)
    axis = torch.arange(65) - 32.0
    y, x = ((ink * part).sum(dim=(1, 2)) / ink.sum(dim=(1, 2)) for part in (axis[:, None], axis))
    angle, radius = torch.rad2deg(torch.atan2(y, x)).detach(), torch.hypot(x, y).detach()
    assert -20.5 < angle.min() < -18 and 18 < angle.max() < 20.5
    assert 15.5 < radius.min() < 16.5 and 24 < radius.max() < 25.5
    assert changed.amax() == 1  # what comes from outside is white
    changed.sum().backward()
    assert images.grad.abs().sum() > 0


def test_a_hidden_condition_adds_nothing_to_the_embedding():
    torch.manual_seed(0)
    embed = ConditionEmbedding(5, ("type1", "stage"))
    labels = torch.tensor([[3, 1], [3, -1], [-1, 1], [-1, -1]])
    both, first, second, none = embed(labels)
    assert torch.allclose(first + second, both)
    assert first.equal(embed.tables[0].weight[3])
    assert not none.any()
    wide = ConditionEmbedding(2000)(torch.zeros(1, len(CONDITIONS), dtype=torch.long))
    assert float(wide.detach().var()) == pytest.approx(1, abs=0.1)


def test_a_projected_gan_frames_what_it_shows_and_limits_its_colors():
    net = small("projected_gan")
    few = net.sample(4, generator=seeded())
    net.colors = 0
    shown = net.sample(4, generator=seeded())
    net.despeckle = False
    plain = net.sample(4, generator=seeded())
    assert despeckle_and_center(plain).equal(shown) and not plain.equal(shown)
    assert limit_colors(shown, 24).equal(few) and not shown.equal(few)
    latent, embedded = net.latents(2, seeded()), net.embed(torch.ones(2, len(CONDITIONS), dtype=torch.long))
    net.despeckle = True
    assert net.decode(latent, embedded).equal(despeckle_and_center(net.render(latent, embedded)))
