import copy
from types import SimpleNamespace

import lightning as L
import pytest
import torch

from pokegen.data.modules import SpriteDataModule
from pokegen.errors import UserError
from pokegen.models import cgan, cvae, dcgan, gan, losses, projected_gan, vae
from pokegen.models.condition import CONDITIONS, OF_SPECIES
from pokegen.models.network import Network
from pokegen.models.tokenizer import PatchDiscriminator, Tokenizer
from pokegen.trainers.adversarial import AdversarialModule
from pokegen.trainers.autoencoder import AutoencoderModule
from pokegen.trainers.likelihood import LikelihoodModule


def adversarial(kind="cgan", **options):
    torch.manual_seed(0)
    nets = {
        "gan": lambda: (gan.GANGenerator(8, 4), gan.GANDiscriminator(4)),
        "dcgan": lambda: (dcgan.DCGANGenerator(8, 4), dcgan.DCGANDiscriminator(4)),
        "cgan": lambda: (cgan.CGANGenerator(8, 8, 8), cgan.CGANDiscriminator(8)),
        "projected_gan": lambda: (
            projected_gan.ProjectedGANGenerator(8, 8, 8),
            projected_gan.ProjectedGANDiscriminator(8, widths=(4, 4, 4, 4)),
        ),
    }
    return AdversarialModule(*nets[kind](), **options)


def fit(module, imported, batches=2, **options):
    data = SpriteDataModule(str(imported), batch_size=8, epoch_images=8 * batches, rotation=0, flip=0)
    trainer = L.Trainer(
        max_epochs=options.pop("max_epochs", 1),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=1,
        **options,
    )
    trainer.fit(module, data)
    return trainer


def state(net):
    return {k: v.clone() for k, v in net.state_dict().items()}


def moved(net, before):
    return {k for k, v in net.named_parameters() if not v.equal(before[k])}


def test_a_batch_is_one_global_step_and_moves_both_nets_and_the_average(imported):
    module = adversarial()
    before = {name: state(getattr(module, name)) for name in ("generator", "discriminator", "ema")}
    trainer = fit(module, imported, batches=2)
    assert trainer.global_step == 2
    assert module.images_seen == 16
    assert moved(module.generator, before["generator"]) >= set(dict(module.generator.named_parameters()))
    assert moved(module.discriminator, before["discriminator"])
    assert moved(module.ema, before["ema"])
    assert module.ema.prior.rows.shape[0] > 0  # the average knows the data's conditions too


@pytest.mark.parametrize("still", ["generator", "discriminator"])
@pytest.mark.parametrize("kind", ["gan", "dcgan", "cgan", "projected_gan"])
def test_each_step_moves_only_its_own_net(imported, kind, still):
    module = adversarial(kind, **{f"{still}_lr": 0.0})
    other = "discriminator" if still == "generator" else "generator"
    before = {name: state(getattr(module, name)) for name in (still, other)}
    fit(module, imported, batches=1)
    assert not moved(getattr(module, still), before[still])
    assert moved(getattr(module, other), before[other])
    if other == "discriminator" and kind == "projected_gan":  # what it holds frozen stays so
        kept = {k for k, p in module.discriminator.named_parameters() if not p.requires_grad}
        assert kept and not kept & moved(module.discriminator, before[other])


def test_hidden_conditions_are_hidden_from_both_nets(imported):
    module = adversarial(condition_dropout=0.5)
    seen = []
    for net in (module.generator, module.discriminator):
        net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[1]))
    fit(module, imported, batches=1)
    assert len(seen) == 4 and all(rows.equal(seen[0]) for rows in seen)
    told = [key in OF_SPECIES for key in CONDITIONS]
    assert 0.2 < (seen[0] == -1)[:, told].float().mean() < 0.8
    assert (seen[0][:, -2:] >= 0).all()  # shiny and style


def test_two_images_of_the_same_conditions_are_to_differ(imported):
    module = adversarial(diversity=1.0)
    seen = []
    module.generator.register_forward_pre_hook(lambda net, inputs: seen.append(inputs))
    trainer = fit(module, imported, batches=1)
    (latent, rows, _), *_ = seen
    assert rows[:4].equal(rows[4:]) and not latent[:4].equal(latent[4:])
    varied = trainer.callback_metrics["train/diversity"]
    collapsed = adversarial(diversity=1.0)
    collapsed.generator.register_forward_pre_hook(lambda net, inputs: (torch.zeros_like(inputs[0]), *inputs[1:]))
    assert fit(collapsed, imported, batches=1).callback_metrics["train/diversity"] > max(float(varied), 0.1)


def test_the_distance_of_pairs():
    features = torch.tensor([1.0, 2, 3, 1, 6, -5]).view(6, 1)
    assert losses.pair_distance(features) == pytest.approx((0 + 4 + 8) / 3 / 3)
    assert losses.pair_distance(features[:3]) == pytest.approx(2 / 2)  # of an odd number the middle stays alone


def test_the_conditions_fade_in():
    module = adversarial(condition_start=100, condition_full=200)
    strengths = []
    for images in (0, 99, 149, 199, 1000):
        module.images_seen.fill_(images)
        strengths.append(module.condition_scale)
    assert strengths == pytest.approx([0, 0, 0.5, 1, 1], abs=0.02)
    assert adversarial().condition_scale == 1


def test_the_step_sizes_fall_to_nothing(imported):
    module = adversarial(decay_start=100, decay_end=300, generator_lr=0.1)
    shares = []
    for images in (0, 100, 150, 250, 300, 1000):
        module.images_seen.fill_(images)
        shares.append(module.pace)
    assert shares == pytest.approx([1, 1, 0.75, 0.25, 0, 0])
    assert adversarial().pace == 1
    nets = (module.generator, module.discriminator)
    before = [state(net) for net in nets]
    fit(module, imported, batches=1)  # after 1,000 images
    assert not any(moved(net, old) for net, old in zip(nets, before, strict=True))
    module.images_seen.fill_(192)
    trainer = fit(module, imported, batches=2)
    assert [o.param_groups[0]["lr"] for o in trainer.optimizers] == pytest.approx([0.05, 1e-4])  # at image 200


def test_samples_use_the_condition_as_far_as_training_has_it(imported):
    module = adversarial(condition_start=0, condition_full=64)
    fit(module, imported, batches=2)
    assert float(module.ema.condition_scale) == pytest.approx(9 / 64)  # at the second batch of 8
    one, other = (
        module.sample(2, condition={"type1": torch.full((2,), t)}, generator=torch.Generator().manual_seed(0))
        for t in (0, 1)
    )
    far = (one - other).abs().mean()
    module.ema.condition_scale.fill_(0)
    ignored = [
        module.sample(2, condition={"type1": torch.full((2,), t)}, generator=torch.Generator().manual_seed(0))
        for t in (0, 1)
    ]
    assert ignored[0].equal(ignored[1])
    assert far > 0


def test_half_precision_with_a_scaler_is_refused():
    module = adversarial()
    module._trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=object()))
    with pytest.raises(UserError, match="bf16-mixed"):
        module.on_fit_start()


class Number(Network):
    """A network of one weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, 1))


def test_the_average_has_the_half_life_that_was_asked():
    module = LikelihoodModule(Number(), ema_images=100)
    module.images_seen.fill_(10_000)
    torch.nn.init.constant_(module.ema.weight, 0.0)
    torch.nn.init.constant_(module.net.weight, 1.0)
    for _ in range(10):
        module.count(10)
    assert float(module.ema.weight) == pytest.approx(0.5, abs=1e-3)
    current = LikelihoodModule(Number(), ema_images=0)
    torch.nn.init.constant_(current.net.weight, 3.0)
    current.count(1)
    assert float(current.ema.weight) == 3


def test_a_relativistic_pair_trains_under_both_penalties(imported):
    torch.manual_seed(0)
    critic = cgan.CGANDiscriminator(8, norm=False)
    assert not [m for m in critic.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    module = AdversarialModule(cgan.CGANGenerator(8, 8, 8), critic, loss="relativistic", r1=1.0, r2=1.0, r1_every=1)
    before = {name: state(getattr(module, name)) for name in ("generator", "discriminator")}
    trainer = fit(module, imported, batches=2)
    assert trainer.callback_metrics["train/r1"] > 0
    assert trainer.callback_metrics["train/r2"] > 0
    assert all(moved(getattr(module, name), before[name]) for name in before)


def test_r1_and_clipping_train(imported):
    module = adversarial(r1=1.0, r1_every=1, gradient_clip=0.1)
    norms = []
    module._descend = lambda o, loss, net, clip, descend=module._descend: (
        descend(o, loss, net, clip),
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in net.parameters() if p.grad is not None])),
    )
    trainer = fit(module, imported, batches=1)
    assert trainer.callback_metrics["train/r1"] > 0
    assert len(norms) == 2 and 0 < min(norms) <= max(norms) < 0.101


def test_dcgan_trains_with_the_original_loss_in_bf16(imported):
    torch.manual_seed(0)
    module = AdversarialModule(dcgan.DCGANGenerator(8, 4), dcgan.DCGANDiscriminator(4), loss="bce")
    dtypes = set()
    module.generator.net[0].register_forward_hook(lambda layer, inputs, output: dtypes.add(output.dtype))
    trainer = fit(module, imported, batches=2, precision="bf16-mixed")
    assert 0 < trainer.callback_metrics["train/discriminator"] < 20
    assert dtypes == {torch.bfloat16}


@pytest.mark.parametrize("kind", ["vae", "cvae"])
def test_the_vae_trains_in_bf16(imported, kind):
    torch.manual_seed(0)
    net = vae.VAE(8, 4) if kind == "vae" else cvae.CVAE(8, 4)
    module, scores = LikelihoodModule(net, lr=5e-3, warmup_steps=0, ema_images=0), []
    score = L.pytorch.callbacks.LambdaCallback(
        on_validation_end=lambda trainer, _: scores.append(float(trainer.callback_metrics["val/mse"]))
    )
    fit(module, imported, batches=4, max_epochs=2, precision="bf16-mixed", callbacks=[score])
    before, *_, after = scores  # the first is of the untrained weights
    assert after < 0.95 * before
    assert int(module.net.images_seen) == int(module.images_seen) == 64
    assert not module.net.latent_second.equal(torch.eye(8))


def test_an_autoencoder_trains_against_patches_once_that_counts(imported):
    torch.manual_seed(0)
    module = AutoencoderModule(Tokenizer(4, (4, 3)), PatchDiscriminator(4), adversarial_start=8)
    before = {name: state(getattr(module, name)) for name in ("net", "discriminator", "ema")}
    trainer = fit(module, imported, batches=1)
    assert moved(module.net, before["net"])
    assert moved(module.ema, before["ema"])
    assert not moved(module.discriminator, before["discriminator"])
    assert "train/generator" not in trainer.callback_metrics
    trainer = fit(module, imported, batches=2, precision="bf16-mixed")
    assert moved(module.discriminator, before["discriminator"])
    assert {"train/generator", "train/discriminator"} <= trainer.callback_metrics.keys()
    assert {"val/loss", "val/l1", "val/edges"} <= trainer.callback_metrics.keys()
    assert module.images_seen == 24


def test_gradients_are_clipped_with_a_fused_optimizer(imported):
    before = state(vae_module().net)
    moves = []
    for clip in (None, 1e-9):
        module = vae_module()
        fit(module, imported, batches=1, gradient_clip_val=clip)
        moves.append(max(float((v - before[k]).abs().max()) for k, v in module.net.named_parameters()))
    assert moves[1] < 0.5 * moves[0]  # Adam divides the scale out, but for its epsilon


def vae_module():
    torch.manual_seed(0)
    return LikelihoodModule(vae.VAE(8, 4), weight_decay=0.0)


def test_validation_moves_nothing_and_scores_the_average(imported):
    torch.manual_seed(0)
    module = LikelihoodModule(vae.VAE(8, 4))
    trainer = fit(module, imported, batches=1)
    before = copy.deepcopy(module.state_dict())
    data = SpriteDataModule(str(imported), batch_size=8, epoch_images=8, rotation=0, flip=0)
    first = trainer.validate(module, data, verbose=False)[0]
    assert all(v.equal(before[k]) for k, v in module.state_dict().items())
    torch.nn.init.zeros_(module.net.spread.weight)  # the net itself is not what is scored
    assert trainer.validate(module, data, verbose=False)[0] == first
    assert set(first) == {"val/loss", "val/mse", "val/kl", "val/elbo"}


def test_contradictions_are_told():
    with pytest.raises(UserError, match="Unknown loss 'wasserstein'"):
        adversarial(loss="wasserstein")
    with pytest.raises(UserError, match="must not come before"):
        adversarial(condition_start=10, condition_full=5)
    with pytest.raises(UserError, match="must come after decay_start"):
        adversarial(decay_start=10, decay_end=10)


def test_nets_that_heed_other_conditions_are_not_paired():
    with pytest.raises(UserError, match="The generator supports type1, the discriminator type1, style"):
        AdversarialModule(
            cgan.CGANGenerator(8, 8, 8, conditions=["type1"]), cgan.CGANDiscriminator(8, conditions=["type1", "style"])
        )


def test_images_of_another_size_are_told(imported):
    module = AdversarialModule(dcgan.DCGANGenerator(8, 4, size=64), dcgan.DCGANDiscriminator(4, size=64))
    with pytest.raises(UserError, match="draws images of 3×64×64, but the data are 3×128×128"):
        fit(module, imported)


def test_data_without_the_conditions_that_a_model_heeds_are_told():
    digits = SimpleNamespace(image_shape=(3, 128, 128))
    with pytest.raises(UserError, match="conditioned on type1, but this DataModule provides no conditions"):
        cgan.CGANGenerator(8, 8, 8, conditions=["type1"]).prepare(digits)


class Line(Network):
    """A deterministic network, whose loss curve does not depend on which process sees which image."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(3, 1)
        torch.nn.init.constant_(self.net.weight, 0.1)
        torch.nn.init.zeros_(self.net.bias)

    def loss(self, batch):
        wanted = batch["color"].float()
        return {"loss": (self.net(batch["image"].mean(dim=(2, 3)))[:, 0] - wanted).square().mean()}


class Keep(L.Callback):
    """Of each process: the losses, and the weights and noise at the end. Its memory ends with it, so in a file."""

    def __init__(self, folder):
        self.folder, self.losses = folder, []

    def on_train_batch_end(self, trainer, module, *_):
        self.losses.append(float(trainer.callback_metrics.get("train/loss", 0.0)))

    def on_train_end(self, trainer, module):
        kept = {"losses": self.losses, "images": int(module.images_seen), "noise": torch.rand(4)}
        torch.save(kept | module.state_dict(), self.folder / f"{trainer.world_size}-{trainer.global_rank}.pt")


def train_together(module, imported, folder, processes, strategy="ddp_fork"):
    """Two epochs of ten steps, each with a global batch of 8; what each process kept."""
    data = SpriteDataModule(str(imported), batch_size=8 // processes, epoch_images=80, rotation=0, flip=0)
    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=processes,
        strategy=strategy if processes > 1 else "auto",
        logger=False,
        callbacks=[Keep(folder)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(module, data)
    return [torch.load(folder / f"{processes}-{rank}.pt", weights_only=True) for rank in range(processes)]


def test_two_processes_train_as_one(imported, tmp_path):
    (one,), (first, second) = (
        train_together(LikelihoodModule(Line(), lr=0.05, warmup_steps=2), imported, tmp_path, n) for n in (1, 2)
    )
    assert one["images"] == first["images"] == 160
    assert one["losses"][-1] < 0.7 * one["losses"][0]
    assert first["losses"] == pytest.approx(one["losses"], rel=1e-4)
    for key in ("net.net.weight", "ema.net.weight"):
        assert torch.allclose(one[key], first[key], rtol=1e-4)
        assert first[key].equal(second[key])


def test_two_processes_of_a_gan_share_gradients_and_not_noise(imported, tmp_path):
    module = adversarial("dcgan")
    first, second = train_together(module, imported, tmp_path, 2, "ddp_fork_find_unused_parameters_true")
    weights = [key for key, _ in module.named_parameters()]
    assert all(first[key].equal(second[key]) for key in weights)
    assert first["images"] == 160
    assert not first["noise"].equal(second["noise"])


def test_a_training_begins_with_what_matches_of_another_s_weights(imported):
    first = adversarial()
    first.images_seen.fill_(100)
    torch.manual_seed(1)
    second = AdversarialModule(
        cgan.CGANGenerator(8, 8, 4), cgan.CGANDiscriminator(8), generator_lr=0, discriminator_lr=0
    )
    before = {k: v for k, v in state(second).items() if k != "images_seen" and not k.startswith("ema.")}
    other = {k for k, v in before.items() if v.shape != first.state_dict()[k].shape}  # a shorter vector
    assert other
    assert second.load_matching(first.state_dict()) == f"{len(before) - len(other)} of {len(before)} weights"
    fit(second, imported, batches=1)
    assert second.images_seen == 8
    for key, _ in second.generator.named_parameters():
        expected = before if f"generator.{key}" in other else first.state_dict()
        assert second.generator.get_parameter(key).equal(expected[f"generator.{key}"])
        assert torch.allclose(second.ema.get_parameter(key), second.generator.get_parameter(key))
    with pytest.raises(UserError, match="none of its weights"):
        second.load_matching(LikelihoodModule(torch.nn.Linear(1, 1)).state_dict())


@pytest.mark.parametrize("name", ["augment_probability", "condition_dropout"])
def test_a_share_above_one_is_refused(name):
    with pytest.raises(UserError, match=f"{name} is a share from 0 to 1, got 1.5"):
        adversarial(**{name: 1.5})
