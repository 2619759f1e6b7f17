"""The tokenizer, and the models that draw its codes: what all image models promise is in test_image_models.py."""

import math

import pytest
import torch

from pokegen.errors import UserError
from pokegen.models import autoregressive
from pokegen.models.autoregressive import Autoregressive
from pokegen.models.condition import CONDITIONS
from pokegen.models.tokenizer import PatchDiscriminator, Tokenizer

LEVELS = (4, 3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tokenizer():
    torch.manual_seed(0)
    return Tokenizer(4, LEVELS).eval()


def transformer(**options):
    """Small and untrained, but with decided opinions."""
    torch.manual_seed(0)
    net = Autoregressive("", LEVELS, 4, width=16, depth=2, heads=2, **options)
    for head in net.heads:
        torch.nn.init.normal_(head[2].weight, std=1.0)
    for table in [*net.codes, *net.inner, *net.embedding.tables]:
        torch.nn.init.normal_(table.weight)
    return net.eval()


def pictures(n=4, size=64):
    return torch.rand(n, 3, size, size, generator=seeded()) * 2 - 1


def batch(n=4, size=64):
    return {"image": pictures(n, size)} | {key: torch.ones(n, dtype=torch.long) for key in CONDITIONS}


def test_codes_are_whole_numbers_below_their_levels_and_draw_the_reconstruction():
    net, images = tokenizer(), pictures()
    tokens = net.tokens(images)
    assert tokens.shape == (4, 16, 2)
    assert tokens.dtype == torch.int64
    assert tokens.min() >= 0
    assert (tokens.amax(dim=(0, 1)) < torch.tensor(LEVELS)).all()
    assert torch.allclose(net.from_tokens(tokens), net.decode(net.encode(images)).clamp(-1, 1), atol=1e-5)


def test_a_batch_uses_the_levels_about_equally():
    net = tokenizer().train()
    net.encoder = torch.nn.Identity()
    codes = net.encode(1 - (100 * torch.randn(64, 2, 8, 8, generator=seeded()) + 30))
    for i, levels in enumerate(LEVELS):
        shares = torch.bincount(codes[:, i].round().long().flatten(), minlength=levels) / codes[:, i].numel()
        assert shares.min() > 0.4 / levels


def test_what_is_rounded_lets_gradients_through():
    net = tokenizer()
    net.encoder = torch.nn.Identity()
    x = torch.ones(1, 2, 2, 2, requires_grad=True)
    net.encode(x).sum().backward()
    assert (x.grad < 0).all()  # what is encoded is ink, 1 - x


def test_white_is_nothing_to_a_new_tokenizer():
    net = tokenizer()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.bias)
    assert net.encoder(1 - torch.ones(1, 3, 64, 64)).abs().max() == 0
    assert net.decoder(torch.zeros(1, 2, 4, 4)).abs().max() == 0


def test_a_short_overfit_lowers_the_tokenizers_loss():
    net = tokenizer().train()
    images = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4, generator=seeded()) * 2 - 1, 64)
    optimizer, trace = torch.optim.Adam(net.parameters(), 5e-3), []
    for _ in range(60):
        values, drawn = net.loss({"image": images})
        optimizer.zero_grad()
        values["loss"].backward()
        optimizer.step()
        trace.append(float(values["l1"]))
    assert drawn.shape == images.shape
    assert trace[-1] < 0.7 * trace[0]


def test_patches_are_judged_one_by_one():
    torch.manual_seed(0)
    net = PatchDiscriminator(4).eval()
    images = pictures(1, 128)
    changed = images.clone()
    changed[..., :16, :16] = 1
    same = net(images) == net(changed)
    assert same.shape == (1, 1, 16, 16)
    assert same[..., 8:, 8:].all()
    assert not same[..., :2, :2].any()


def test_no_position_sees_itself_or_what_comes_after():
    net = transformer(size=64)
    tokens, embedded = net.tokenizer.tokens(pictures(1)), net.embed(net.sample_conditions(1))
    before = net.logits(tokens, embedded)
    for t in (0, 5, 15):
        other = tokens.clone()
        other[:, t] = (other[:, t] + 1) % torch.tensor(LEVELS)
        after = net.logits(other, embedded)
        assert all(torch.allclose(a[:, :t], b[:, :t], atol=1e-5) for a, b in zip(after, before, strict=True))
        assert torch.allclose(after[0][:, t], before[0][:, t], atol=1e-5)  # the first code, before any of its position
        assert not torch.allclose(after[1][:, t], before[1][:, t], atol=1e-5)  # the second has seen the first
        assert t == 15 or not torch.allclose(after[0][:, t + 1], before[0][:, t + 1], atol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_a_picture_is_drawn_again_from_the_latent_it_is_read_as(guidance):
    net = transformer(guidance=guidance, size=64)
    images, embedded = pictures(), net.embed(net.sample_conditions(4, None, seeded()))
    latent, _ = net.encode(images, embedded)
    assert latent.shape == (4, net.latent_dim)
    assert torch.allclose(net.render(latent, embedded), net.tokenizer.from_tokens(net.tokenizer.tokens(images)))


def test_draws_are_as_likely_as_the_logits_say():
    """All that there are of two positions' first codes, against the product of their probabilities."""
    net = transformer(size=64)
    net.positions = 2
    n = 20_000
    embedded = net.embed(torch.zeros(1, len(CONDITIONS), dtype=torch.long))
    drawn = []
    net.tokenizer.from_tokens = lambda tokens: drawn.append(tokens)
    net.render(torch.randn(n, 2 * sum(LEVELS), generator=seeded()), embedded.expand(n, -1))
    first = torch.bincount(drawn[0][:, 0, 0], minlength=4) / n
    net.place = torch.nn.Parameter(net.place[:2])
    logits = net.logits(drawn[0][:1], embedded)[0][0, 0]
    assert torch.allclose(first, logits.softmax(0), atol=0.02)
    second = drawn[0][(drawn[0][:, 0] == drawn[0][0, 0]).all(dim=1)][:, 1, 0]  # after the same first position
    logits = net.logits(drawn[0][:1], embedded)[0][0, 1]
    assert torch.allclose(torch.bincount(second, minlength=4) / len(second), logits.softmax(0), atol=0.03)


def test_gumbel_noise_keeps_its_rank_and_finds_back():
    normal = torch.linspace(-6, 6, 200)
    gumbel = autoregressive._gumbel(normal)
    assert (gumbel.diff() > 0).all()
    assert torch.allclose(autoregressive._normal(gumbel), normal, atol=1e-3)
    assert float(autoregressive._gumbel(torch.randn(100_000, generator=seeded())).mean()) == pytest.approx(
        0.5772, abs=0.02
    )


def test_the_loss_is_the_likelihood_of_all_codes():
    net = transformer(size=64)
    values = net.loss(batch())
    tokens, embedded = net.tokenizer.tokens(pictures()), net.embed(torch.ones(4, len(CONDITIONS), dtype=torch.long))
    each = [x.log_softmax(2).gather(2, tokens[..., i, None]).sum() for i, x in enumerate(net.logits(tokens, embedded))]
    assert float(values["loss"].detach()) == pytest.approx(-float(sum(each).detach()) / (4 * 16), rel=1e-4)
    assert float(values["bits"]) == pytest.approx(float(values["loss"].detach()) * 16 / math.log(2), rel=1e-4)


def test_training_learns_and_leaves_the_tokenizer_alone():
    net = transformer(size=64).train()
    assert not net.tokenizer.training
    before = {k: v.clone() for k, v in net.tokenizer.state_dict().items()}
    optimizer, trace = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 5e-3), []
    torch.manual_seed(0)
    for _ in range(80):
        values = net.loss(batch())
        optimizer.zero_grad()
        values["loss"].backward()
        optimizer.step()
        trace.append(float(values["loss"]))
    assert sum(trace[-10:]) < 0.8 * sum(trace[:10])
    assert all(v.equal(before[k]) for k, v in net.tokenizer.state_dict().items())


def test_hidden_conditions_are_those_that_guidance_goes_away_from():
    net, known = transformer(size=64, condition_dropout=1.0), batch()
    shown = net.loss(known)["loss"]
    net.embed = lambda labels: torch.zeros(len(labels), 16)
    hidden = net.loss(known)["loss"]
    del net.embed
    for block in net.blocks:
        block.dropout = 0.0
    assert torch.allclose(net.train().loss(known)["loss"], hidden)
    assert not torch.allclose(shown, hidden)
    net.guidance = 3.0
    assert net._guided(torch.tensor([[2.0], [1.0]])).tolist() == [[4.0]]
    assert net._with_unconditional(torch.ones(1, 2)).tolist() == [[1, 1], [0, 0]]


def test_guidance_changes_what_is_drawn_and_one_is_none():
    labels = torch.tensor([[3, 18, 2, 0, 1, 0, 0]])
    one, same, other = (transformer(guidance=g, size=64) for g in (1.0, 1.0 + 1e-7, 4.0))
    latent = one.latents(1, seeded())
    pictures = [net.render(latent, net.embed(labels)) for net in (one, same, other)]
    assert torch.allclose(pictures[0], pictures[1], atol=1e-4)
    assert not torch.allclose(pictures[0], pictures[2], atol=1e-2)


def test_a_trained_tokenizer_is_taken_over():
    source, net = tokenizer(), transformer(size=64)
    net.load_pretrained(source)
    assert net.tokenizer.tokens(pictures()).equal(source.tokens(pictures()))
    other = transformer(size=64)
    torch.nn.init.normal_(other.tokenizer.encoder[-1].weight)
    net.load_pretrained(other)  # a model's own serves as well
    assert net.tokenizer.tokens(pictures()).equal(other.tokenizer.tokens(pictures()))
    with pytest.raises(UserError, match="does not fit the model's levels"):
        net.load_pretrained(Tokenizer(8, LEVELS))
    with pytest.raises(UserError, match="holds no tokenizer"):
        net.load_pretrained(torch.nn.Linear(1, 1))
