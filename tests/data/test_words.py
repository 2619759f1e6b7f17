"""Words that the names model begins on: real ones, and none that tells a real name."""

import sys

import pytest

from pokegen.data.pokedex import load_pokedex
from pokegen.data.words import WordsDataModule, words
from pokegen.errors import UserError
from pokegen.text import plain


@pytest.fixture(scope="module")
def data():
    return WordsDataModule(5000, batch_size=64)


def test_words_are_plain_and_distinct_and_the_commonest_come_first():
    found = words(3000)
    assert len(found) == len(set(found)) > 5000  # some are in both languages
    assert all(3 <= len(word) <= 12 and word.isascii() and word.isalpha() and word.islower() for word in found)
    assert {"water", "fire", "maison", "ecole"} <= set(found)  # école without its accent
    assert words(1000, ["en"]) == words(3000, ["en"])[:1000]


def test_no_word_holds_a_real_name():
    names = {plain(species.name) for species in load_pokedex()}
    found = words(60_000, ["en"])
    assert not names & set(found)
    assert not [word for word in found if "pikachu" in word or "charizard" in word]
    from wordfreq import top_n_list

    assert {"pikachu", "charizard"} & set(top_n_list("en", 100_000))  # they would have been there


def test_batches_are_names_without_conditions(data):
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    train, val, test = ([name for batch in loader for name in batch["name"]] for loader in loaders)
    assert not set(train) & set(val) and not set(val) & set(test) and not set(test) & set(train)
    assert sorted([*train, *val, *test]) == sorted(words(5000))
    assert 0.05 < len(val) / len(train) < 0.2
    batch = next(iter(data.train_dataloader()))
    assert len(batch["name"]) == 64
    for key in ("type1", "type2", "stage", "legendary"):
        assert batch[key].tolist() == [-1] * 64
    assert data.names == [species.name for species in load_pokedex()]


def test_what_cannot_be_had_is_told(monkeypatch):
    with pytest.raises(UserError, match="has no language 'xx'"):
        words(1000, ["xx"])
    with pytest.raises(UserError, match="1000 words or more"):
        WordsDataModule(10)
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(UserError, match=r"pip install 'pokegen\[words\]'"):
        words(1000)
