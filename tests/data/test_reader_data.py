"""The lexicon, and the names blended from it."""

import numpy as np
import pytest
import torch

from pokegen.data import lexicon
from pokegen.data.lexicon import load_lexicon, meanings
from pokegen.data.pokedex import load_pokedex
from pokegen.data.reader_data import CODES, ReaderDataModule
from pokegen.errors import UserError
from pokegen.schema import COLORS, TYPES
from pokegen.text import plain


def test_roots_are_plain_and_no_species_is_one():
    roots = load_lexicon()
    assert len(roots) > 1000
    assert all(root.isascii() and root.isalpha() and root.islower() and len(root) >= 3 for root in roots)
    assert not roots.keys() & {plain(species.name) for species in load_pokedex()}
    types = np.stack(list(roots.values()))[:, : len(TYPES)]
    assert ((types.sum(axis=1) == 0) | np.isclose(types.sum(axis=1), 1)).all()
    assert (types > 0).sum(axis=0).min() >= 25
    assert roots["pyro"][TYPES.index("Fire")] == 1


def test_words_mean_what_the_roots_near_them_mean():
    found = meanings(["bonfire", "glacier", "submarine", "skeleton", "ruby"])
    assert np.allclose(found[:, :18].sum(axis=1), 1) and np.allclose(found[:, 18:].sum(axis=1), 1)
    best = [TYPES[i] for i in found[:, :18].argmax(axis=1)]
    assert best[:3] == ["Fire", "Ice", "Water"]
    assert COLORS[found[4, 18:].argmax()] == "Red"


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'pokegen\[reader\]'"):
        lexicon.meanings(["fire"])


def test_batches_hold_names_and_what_is_known_of_them():
    data = ReaderDataModule(words=0, real=0.5, epoch_names=512, batch_size=256)
    data.setup("fit")
    real = set(data.columns["train"]["name"])
    held_out = {*data.columns["val"]["name"], *data.columns["test"]["name"]}
    batches = list(data.train_dataloader())
    names = [name for batch in batches for name in batch["name"]]
    assert len(names) == 512
    assert 180 < sum(name in real for name in names) < 330
    assert len(set(names) - real) > 150 and not set(names) & held_out
    for batch in batches:
        for key, size in CODES.items():
            assert batch[key].shape == (256, size)
            sums = batch[key].sum(dim=1)
            assert torch.isclose(sums, sums.round(), atol=1e-4).all() and sums.max() < 1.001
        unknown = batch["numbers"].isnan().all(dim=1)
        assert torch.equal(unknown, batch["stage"].sum(dim=1) == 0)


def test_the_same_seed_blends_the_same_names():
    def names(seed):
        data = ReaderDataModule(words=0, epoch_names=256, seed=seed)
        data.setup("fit")
        return next(iter(data.train_dataloader()))["name"]

    assert names(1) == names(1) != names(2)


@pytest.mark.parametrize("options", [{"real": 0.0}, {"real": 1.5}, {"epoch_names": 10}])
def test_what_makes_no_batch_is_refused(options):
    with pytest.raises(UserError) as error:
        ReaderDataModule(words=0, **options)
    assert "\n" not in str(error.value)


def test_without_words_and_lexicon_real_names_alone_teach():
    data = ReaderDataModule(words=0, lexicon=False)
    data.setup("fit")
    assert data.real == 1 and not data.pieces
