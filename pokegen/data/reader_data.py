"""Training data for the reader: a thousand real names with their types, colours and numbers, and any number of invented
names, blended like real ones from words of known meaning.

    pyrodrake = pyro (Fire) + drake (Dragon)      emberlet = ember (Fire) + an ending of real names
"""

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pokegen.data.lexicon import load_lexicon, meanings
from pokegen.data.tables import TableDataModule, columns_of
from pokegen.data.words import words as common_words
from pokegen.errors import UserError
from pokegen.schema import CATEGORIES, NUMBERS, READ, STAGES, TYPES, Species
from pokegen.text import plain

CODES = {key: len(CATEGORIES[key]) for key in READ}
_ENDINGS = (2, 3, 4)  # letters of a real name's ending
_PIECE = (4, 7)  # least and most letters that a blend keeps of a long word
_ROOT = 3.0  # sampling weight of a root of the lexicon; that of a word is at most 1


class ReaderDataModule(TableDataModule):
    """Names with targets. A batch: `name`, B strings; each of `CODES` as probabilities, float32 (B, values), all 0 if
    unknown; `numbers`, natural logarithms of `NUMBERS`, float32 (B, 8), NaN if unknown.

    Args:
        real: share of real names in a training batch; the others are blends.
        lexicon: blend the roots of the lexicon.
        words: number of the most common English words to blend, with the meanings of `lexicon.meanings`; 0 for none.
        sure: least probability of a word's likeliest type for the word to be used, in [0, 1).
        epoch_names: names per epoch.
        path, batch_size, seed: see TableDataModule.
    """

    def __init__(
        self,
        real: float = 0.05,
        lexicon: bool = True,
        words: int = 40_000,
        sure: float = 0.35,
        epoch_names: int = 25_600,
        path: str | None = None,
        batch_size: int = 256,
        seed: int = 0,
    ):
        if not 0 < real <= 1:
            raise UserError(f"Expected a share of real names above 0 and at most 1, got {real}.")
        if epoch_names < batch_size:
            raise UserError(f"epoch_names ({epoch_names}) gives less than one batch.")
        super().__init__(path=path, batch_size=batch_size, seed=seed)
        self.real = real if lexicon or words else 1.0
        self.lexicon, self.words, self.sure, self.epoch_names = lexicon, words, sure, epoch_names
        self.pieces: dict[str, tuple[np.ndarray, float]] = {}  # word → what it means, and how often it is taken

    def read(self, species: Sequence[Species]) -> dict[str, Any]:
        columns = columns_of(species)
        targets: dict[str, Any] = {"name": [plain(s.name) for s in species]}
        for key, values in CODES.items():
            codes = columns[key] - int(key == "stage")
            targets[key] = torch.nn.functional.one_hot(codes, values).float()
        targets["numbers"] = torch.stack([columns[key].double() for key in NUMBERS], dim=1).log().float()
        return targets

    def setup(self, stage: str | None = None) -> None:
        if self.pieces or stage not in (None, "fit"):
            return
        if self.words:
            listed = common_words(self.words, ["en"])
            for word, means in zip(listed, meanings(listed), strict=True):
                if (sure := float(means[: len(TYPES)].max())) >= self.sure:
                    self.pieces[word] = means, sure**2
        if self.lexicon:
            self.pieces |= {root: (means, _ROOT) for root, means in load_lexicon().items()}

    def train_dataloader(self) -> DataLoader:
        return DataLoader(_Names(self), self.batch_size)


class _Names(Dataset):
    """Real names and blends, newly drawn each time."""

    def __init__(self, data: ReaderDataModule):
        self.data, self.rng = data, random.Random(data.seed)
        self.real = data.columns["train"]
        self.words = list(data.pieces)
        self.sums = list(accumulate(weight for _, weight in data.pieces.values()))

    def __len__(self) -> int:
        return self.data.epoch_names

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = self.rng
        if not self.words or rng.random() < self.data.real:
            row = rng.randrange(len(self.real["name"]))
            return {key: values[row] for key, values in self.real.items()}
        first, second = rng.choices(self.words, cum_weights=self.sums, k=2)
        kind = rng.random()
        if kind < 0.25:
            return _target(first, self.data.pieces[first][0])
        if kind < 0.5:
            ending = rng.choice(self.real["name"])[-rng.choice(_ENDINGS) :]
            return _target(_front(first, rng) + ending, self.data.pieces[first][0])
        a, b = _front(first, rng), _front(second[::-1], rng)[::-1]
        return _target(a + b[a[-1] == b[0] :], self.data.pieces[first][0], self.data.pieces[second][0])


def _front(word: str, rng: random.Random) -> str:
    """The word, or the beginning of it that a blend keeps."""
    low, high = _PIECE
    return word if len(word) <= low or rng.random() < 0.5 else word[: rng.randint(low, min(high, len(word)))]


def _target(name: str, *means: np.ndarray) -> dict[str, Any]:
    """Targets for a name of one or two pieces; stage and numbers are unknown."""
    first, color = (part / (part.sum() or 1) for part in np.split(np.sum(means, axis=0), [len(TYPES)]))
    target = {"type1": first, "color": color, "stage": np.zeros(len(STAGES))}
    target["numbers"] = np.full(len(NUMBERS), np.nan)
    return {"name": name, **{key: torch.tensor(value, dtype=torch.float32) for key, value in target.items()}}
