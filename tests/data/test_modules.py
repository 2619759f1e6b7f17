import json
import shutil

import numpy as np
import pytest
import torch

from pokegen.data.modules import (
    CONDITIONS,
    BalancedSampler,
    SampleSpriteDataModule,
    SpriteDataModule,
    condition_of,
)
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sprites import GridPixels, import_sprites, load_sprites
from pokegen.errors import DataError, UserError
from pokegen.models import condition
from pokegen.schema import STYLES


@pytest.fixture
def module(imported):
    module = SpriteDataModule(str(imported), batch_size=8, epoch_images=32)
    module.setup("fit")
    return module


def test_a_batch_holds_images_and_indices(module):
    batch = next(iter(module.train_dataloader()))
    image = batch["image"]
    assert image.shape == (8, 3, 128, 128)
    assert image.dtype == torch.float32
    assert image.min() >= -1
    assert image[:, :, 0, 0].min() == 1  # corners are white, after rotation too
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert CONDITIONS == condition.CONDITIONS  # which the models read, and neither room imports the other
    for key, size in condition.SIZES.items():
        assert batch[key].shape == (8,)
        assert 0 <= batch[key].min() <= batch[key].max() < size
    assert sum(len(b["image"]) for b in module.train_dataloader()) == 32


def test_no_family_is_in_two_splits_and_all_sprites_are_used(module, imported):
    _, index, _ = load_sprites(imported)
    family = {s.number: s.family for s in load_pokedex()}
    families = {k: {family[index[i].No] for i in d.rows} for k, d in module.datasets.items()}
    assert families["train"] and families["val"] | families["test"]
    assert not families["train"] & (families["val"] | families["test"])
    assert not families["val"] & families["test"]
    assert sum(len(d) for d in module.datasets.values()) == len(index)


def test_conditions_are_those_of_the_species(module, imported):
    _, index, _ = load_sprites(imported)
    species = {s.number: s for s in load_pokedex()}
    dataset = module.datasets["train"]
    for place in (0, len(dataset) - 1):
        expected = condition_of(species[index[dataset.rows[place]].No])
        assert [int(dataset[place][k]) for k in CONDITIONS] == expected
    rows, weights = module.conditions
    assert {tuple(c) for c in rows.tolist()} <= {tuple(condition_of(s)) for s in species.values()}
    assert float(weights.sum()) == pytest.approx(1)


def test_shiny_and_style_are_the_sprites_own(drawn, tmp_path):
    source = tmp_path / "sprites" / "pokemon"
    names = ("other/official-artwork/25.png", "versions/generation-iv/platinum/shiny/25.png")
    for name, picture in zip(names, sorted(drawn.glob("*/*.png")), strict=False):
        (source / name).parent.mkdir(parents=True)
        shutil.copy(picture, source / name)
    import_sprites(tmp_path, tmp_path / "cache", workers=1)
    module = SpriteDataModule(str(tmp_path / "cache"), batch_size=1, epoch_images=1, shiny=True)
    module.setup("fit")
    found = torch.cat([d.conditions for d in module.datasets.values()])[:, -2:].tolist()
    assert sorted(found) == sorted([[0, STYLES.index("artwork")], [1, STYLES.index("pixel-4")]])
    for words, kept in ((["pixel"], 1), (["pixel-4"], 1), (["artwork", "pixel"], 2), (["artwork"], 1)):
        module = SpriteDataModule(str(tmp_path / "cache"), batch_size=1, epoch_images=1, shiny=True, styles=words)
        module.setup("fit")
        assert sum(len(d) for d in module.datasets.values()) == kept


def test_the_joint_distribution_gives_each_species_its_share(module):
    """As the sampler does, however many sprites a species has."""
    train = module.datasets["train"]
    draws = torch.tensor(list(BalancedSampler(train.species.numpy(), 20_000, seed=0)))
    rows, weights = module.conditions
    drawn = (train.conditions[draws][:, None] == rows).all(dim=2).float().mean(dim=0)
    assert (drawn - weights).abs().max() < 0.01


@pytest.mark.parametrize("size", [64, 128])
def test_images_come_in_the_size_that_is_asked(imported, size):
    module = SpriteDataModule(str(imported), batch_size=4, epoch_images=4, size=size, rotation=0, flip=0)
    module.setup("fit")
    assert next(iter(module.train_dataloader()))["image"].shape == (4, 3, size, size)
    assert module.image_shape == (3, size, size)
    full = torch.from_numpy(np.array(module.datasets["val"].pixels[module.datasets["val"].rows[0]])).float()
    factor = 128 // size
    mean = full.unflatten(0, (size, factor)).unflatten(2, (size, factor)).mean(dim=(1, 3)).permute(2, 0, 1)
    assert torch.allclose(module.datasets["val"][0]["image"], mean / 127.5 - 1, atol=1e-5)


def test_an_import_of_256_serves_every_size_and_one_of_128_does_not(drawn, imported, tmp_path):
    large = import_sprites(drawn, tmp_path / "large", size=256, workers=1).folder
    for size in (64, 256):
        module = SpriteDataModule(str(large), batch_size=2, epoch_images=2, size=size)
        module.setup("fit")
        assert next(iter(module.train_dataloader()))["image"].shape == (2, 3, size, size)
    module = SpriteDataModule(str(imported), size=256)
    with pytest.raises(DataError, match="128 pixels a side, but size is 256"):
        module.setup("fit")
    with pytest.raises(UserError, match="size must be one of 64, 128, 256, got 100"):
        SpriteDataModule(str(imported), size=100)
    with pytest.raises(DataError, match="64, 128, 256 pixels a side, not at 99"):
        import_sprites(drawn, tmp_path / "odd", size=99)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_grid_is_delivered_in_whole_squares_of_its_own_pixels(imported, size):
    module = SpriteDataModule(str(imported), batch_size=4, epoch_images=4, size=size, grid=True, flip=0)
    module.setup("fit")
    image = next(iter(module.val_dataloader()))["image"]
    small = image[:, :, :: size // 64, :: size // 64]
    expected = GridPixels(imported)[module.datasets["val"].rows[:4]]
    assert image.shape[2:] == (size, size)
    assert ((small + 1) * 127.5).round().permute(0, 2, 3, 1).byte().numpy().tolist() == expected.tolist()
    assert small.repeat_interleave(size // 64, 2).repeat_interleave(size // 64, 3).equal(image)


def test_pictures_are_mirrored_as_often_as_asked(imported):
    for flip, share in ((0.0, 0.0), (1.0, 1.0), (0.5, 0.5)):
        module = SpriteDataModule(str(imported), batch_size=64, epoch_images=64, grid=True, rotation=0, flip=flip)
        module.setup("fit")
        train = module.datasets["train"]
        indices = list(range(len(train)))
        plain = torch.from_numpy(train.pixels[train.rows]).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        seen = train.__getitems__(indices)["image"][:, :, ::2, ::2]
        mirrored = [bool(s.equal(p.flip(2)) and not s.equal(p)) for s, p in zip(seen, plain, strict=True)]
        assert abs(sum(mirrored) / len(mirrored) - share) <= (0.2 if flip == 0.5 else 0.02)


def test_training_says_in_one_line_what_it_leaves_out(drawn, tmp_path, monkeypatch):
    pictures = iter(sorted(drawn.glob("*/*.png")))
    for name in ("001.png", "002.png", "003-mega.png", "shiny/001.png", "shiny/004.png", "shiny/006-mega-x.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(pictures), tmp_path / "in" / name)
    import_sprites(tmp_path / "in", tmp_path / "out", workers=1)
    told = []
    monkeypatch.setattr("pokegen.data.modules.rank_zero_info", told.append)
    SpriteDataModule(str(tmp_path / "out"), batch_size=1, epoch_images=1).setup("fit")
    SpriteDataModule(str(tmp_path / "out"), batch_size=1, epoch_images=1, shiny=True, forms=True).setup("fit")
    SpriteDataModule(str(tmp_path / "out"), batch_size=1, epoch_images=1).setup("validate")
    left_out = "left out: 2 of other forms (data.forms), 2 shiny (data.shiny)"
    assert told == [
        f"{tmp_path / 'out'}: 2 of 6 sprites are used; {left_out}.",
        f"{tmp_path / 'out'}: 6 of 6 sprites are used.",
    ]


def test_an_import_of_another_version_is_told(imported, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(imported, old)
    meta = json.loads((old / "meta.json").read_text())
    (old / "meta.json").write_text(json.dumps(meta | {"format": meta["format"] - 1}))
    with pytest.raises(DataError, match="another version of pokegen"):
        load_sprites(old)


def test_processes_share_the_draws_of_one(monkeypatch):
    species = np.arange(50)
    alone = BalancedSampler(species, 64, seed=3)
    alone.set_epoch(2)
    parts = []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        part = BalancedSampler(species, 64, seed=3)
        part.set_epoch(2)
        assert len(part) == 32
        parts.append(list(part))
    assert [i for pair in zip(*parts, strict=True) for i in pair] == list(alone)


def test_training_images_vary_and_validation_images_do_not(module):
    train, val = module.datasets["train"], module.datasets["val"]
    assert len({train[0]["image"].numpy().tobytes() for _ in range(6)}) > 1
    assert (val[0]["image"] == val[0]["image"]).all()
    assert (
        ((val[0]["image"] + 1) * 127.5)
        .round()
        .to(torch.uint8)
        .equal(torch.from_numpy(np.array(val.pixels[val.rows[0]])).permute(2, 0, 1))
    )


def test_workers_augment_each_epoch_otherwise(imported):
    module = SpriteDataModule(str(imported), batch_size=16, epoch_images=32, rotation=0, num_workers=2)
    module.setup("fit")
    loader = module._loader("train", sampler=[0] * 32)  # the same row again and again
    first, second = (torch.cat([batch["image"] for batch in loader]) for _ in range(2))
    assert not first.equal(second)
    assert not first[:16].equal(first[16:])


def test_same_seed_same_order(imported):
    def order(seed):
        module = SpriteDataModule(str(imported), batch_size=8, epoch_images=32, seed=seed)
        module.setup("fit")
        return torch.cat([b["image"] for b in module.train_dataloader()])

    assert order(1).equal(order(1))
    assert not order(1).equal(order(2))


def test_balanced_sampling_gives_each_species_its_share():
    species = np.array([1] * 30 + [2] * 10 + [3])
    draws = np.array(list(BalancedSampler(species, 6000, seed=0)))
    shares = np.bincount(species[draws])[1:] / 6000
    assert np.abs(shares - 1 / 3).max() < 0.03
    sampler = BalancedSampler(species, 100, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_filters(imported):
    with pytest.raises(DataError, match="No game 'emerald'"):
        SpriteDataModule(str(imported), games=["emerald"]).setup("fit")
    with pytest.raises(UserError, match="Unknown style 'sketch'"):
        SpriteDataModule(str(imported), styles=["sketch"])
    with pytest.raises(DataError, match="No training sprite"):
        SpriteDataModule(str(imported), styles=["artwork"]).setup("fit")
    with pytest.raises(UserError, match="at least batch_size"):
        SpriteDataModule(str(imported), batch_size=64, epoch_images=10)


def test_the_sample_set_draws_and_imports_itself(tmp_path):
    module = SampleSpriteDataModule(str(tmp_path / "sample"), species=12, variants=2, batch_size=4, epoch_images=8)
    module.prepare_data()
    module.setup("fit")
    assert sum(len(d) for d in module.datasets.values()) == 24
