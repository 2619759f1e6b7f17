import numpy as np
import pytest
import torch

from pokegen.data.modules import BalancedSampler, SampleSpriteDataModule, SpriteDataModule, condition_of
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sprites import load_sprites
from pokegen.errors import DataError, UserError


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
    for key, size in {"type1": 18, "type2": 19, "color": 10, "legendary": 2}.items():
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
        assert [int(dataset[place][k]) for k in dataset.CONDITIONS] == expected
    assert {tuple(c) for c in module.conditions.tolist()} <= {tuple(condition_of(s)) for s in species.values()}


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
