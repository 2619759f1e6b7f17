"""English and French words as training data for the names model: real names are blends of words, and a thousand names
cannot teach what a word looks like.

The words are wordfreq's (Speer 2022; Apache License 2.0, its lists CC BY-SA 4.0), the commonest first. Whatever holds
a real name is left out, for people write about Pokémon too. Training alone needs the package: `pip install
'pokegen[words]'`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from pokegen.data.pokedex import load_pokedex
from pokegen.errors import UserError

LANGUAGES = ("en", "fr")
_WORD = re.compile("[a-z]{3,12}")
_SHORTEST = 4  # letters of a name that may not occur in a word: "muk" and "mew" occur in others


def plain(text: str) -> str:
    """Lower case without accents: é → e."""
    parts = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in parts if not unicodedata.combining(c))


def words(count: int, languages: Sequence[str] = LANGUAGES) -> list[str]:
    """The `count` commonest words of 3 to 12 letters a to z of each language, no word twice, none with a name in it.

    UserError where wordfreq is not installed or lacks a language.
    """
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise UserError("Learning words needs pip install 'pokegen[words]'.") from error
    names = {re.sub("[^a-z]", "", plain(species.name)) for species in load_pokedex()}
    inside = re.compile("|".join(sorted(name for name in names if len(name) >= _SHORTEST)))
    found: dict[str, None] = {}
    for language in languages:
        try:
            listed = top_n_list(language, 3 * count)
        except LookupError as error:
            raise UserError(f"wordfreq knows no language {language!r}.") from error
        kept = (word for word in map(plain, listed) if _WORD.fullmatch(word))
        fitting = (word for word in kept if word not in names and not inside.search(word))
        found |= dict.fromkeys(word for word, _ in zip(fitting, range(count), strict=False))
    return list(found)


class WordsDataModule(LightningDataModule):
    """Words in the place of names: a batch holds `name`, a list of B strings, and the conditions of a name, int64 (B,),
    all -1 for unknown. One word in fifty validates, by a hash.

    Args:
        count: words of each language.
        languages: codes of two letters.
        batch_size: words of a training batch.
        seed: of the order in which they come.
    """

    def __init__(
        self, count: int = 100_000, languages: Sequence[str] = LANGUAGES, batch_size: int = 256, seed: int = 0
    ):
        super().__init__()
        if count < 1000:
            raise UserError(f"Expected 1000 words or more, got {count}.")
        self.batch_size, self.seed = batch_size, seed
        self.names = [species.name for species in load_pokedex()]  # what the names model is to stay away from
        everything = words(count, languages)
        self.data_hash = hashlib.sha256("\n".join(everything).encode()).hexdigest()  # for the run's record
        held_out = {word for word in everything if hashlib.sha256(word.encode()).digest()[0] < 256 / 50}
        self.words = {
            "train": [word for word in everything if word not in held_out],
            "val": [word for word in everything if word in held_out],
        }

    def _loader(self, split: str, **options: Any) -> DataLoader:
        def batch(members: list[str]) -> dict[str, Any]:
            unknown = torch.full((len(members),), -1)
            return {"name": members} | dict.fromkeys(("type1", "type2", "stage", "legendary"), unknown)

        return DataLoader(self.words[split], collate_fn=batch, **options)  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader:
        order = torch.Generator().manual_seed(self.seed)
        return self._loader("train", batch_size=self.batch_size, shuffle=True, generator=order)

    def val_dataloader(self) -> DataLoader:
        return self._loader("val", batch_size=1024)
