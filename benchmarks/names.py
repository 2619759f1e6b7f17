"""Bits per character of the names model on unseen names, compared with GRUs and an interpolated 5-gram.

    python benchmarks/names.py

First on splits like those of the public figures, 80 % of all names for training and 20 % for testing, split at random
and at random by evolution family: three splits each, and whether their mean is within two standard errors of the
public figure, including the latter's own error.
Then on the project's own split, with the shipped model. Free settings of a predictor (epochs, strength) are chosen on
held-out names that are not test names; on the 80/20 splits it is then fitted again on all 80 %.

The GRUs: makemore's (Karpathy, 2022; one layer, 64 channels, AdamW at 5e-4), and a wider one with dropout.
"""

import copy
import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pokegen.data.tables import NamesDataModule
from pokegen.evaluation.names_panel import SYMBOLS, NGram, bits_and_error, fit_ngram
from pokegen.models.names import CONDITIONS, END, encode
from pokegen.zoo import load

LENGTH = 16  # characters of the longest name
BEGIN = SYMBOLS  # the input before the first character
PATIENCE = 10  # epochs without a better validation
# Public figures, bits per character with the end. A standard error is published for none of these but for a mixture
# of them on the same names, 0.04.
PUBLIC_ERROR = 0.04
PUBLIC = {
    ("5-gram", "random 80/20"): 3.66,
    ("5-gram", "families 80/20"): 3.70,
    ("makemore's GRU", "random 80/20"): 3.67,
    ("dropout GRU", "random 80/20"): 3.63,
}
GRUS = {
    "makemore's GRU": SimpleNamespace(width=64, dropout=0.0, lr=5e-4, weight_decay=0.01),
    "dropout GRU": SimpleNamespace(width=192, dropout=0.5, lr=2e-3, weight_decay=0.01),
}


class GRU(nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.embed = nn.Embedding(SYMBOLS + 1, 64)
        self.gru = nn.GRU(64, width, batch_first=True)
        self.head = nn.Linear(width, SYMBOLS)
        self.dropout = nn.Dropout(dropout)

    def loss(self, names: Sequence[str]) -> torch.Tensor:
        """Mean nats a character, the end counted as one."""
        tokens = encode(names, LENGTH + 1)  # (B, T), END after the name
        inputs = F.pad(tokens[:, :-1], (1, 0), value=BEGIN)
        hidden, _ = self.gru(self.dropout(self.embed(inputs)))  # (B, T, width)
        after_end = (tokens == END).cumsum(dim=1) > 1
        targets = tokens.masked_fill(after_end, -100)
        return F.cross_entropy(self.head(self.dropout(hidden)).flatten(0, 1), targets.flatten())

    @torch.inference_mode()
    def bits_per_character(self, names, condition=None) -> float:
        return self.loss(names).item() / math.log(2)


def fit_gru(settings: SimpleNamespace, names: list[str], seed: int, validation: list[str], epochs: int = 0):
    """A GRU and the epochs it took: `epochs`, or where these are 0 those after which `validation` is predicted best."""
    torch.manual_seed(seed)
    model = GRU(settings.width, settings.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), settings.lr, (0.9, 0.99), weight_decay=settings.weight_decay)
    best, best_epoch, best_model, epoch = math.inf, 0, model, 0
    while epoch < epochs if epochs else epoch < best_epoch + PATIENCE:
        model.train()
        for batch in torch.randperm(len(names)).split(32):
            optimizer.zero_grad()
            model.loss([names[i] for i in batch]).backward()
            optimizer.step()
        model.eval()
        epoch += 1
        if not epochs and (bits := model.bits_per_character(validation)) < best:
            best, best_epoch, best_model = bits, epoch, copy.deepcopy(model)
    return (model, epochs) if epochs else (best_model, best_epoch)


def predictors(train: list[str], validation: list[str], seed: int, refit: bool) -> dict:
    """The 5-gram and the GRUs, fitted on `train`; with `refit`, on `validation` too, by what it has chosen."""
    gram = fit_ngram(train, validation, 5)
    fitted = {"5-gram": NGram(train + validation, 5, gram.strength) if refit else gram}
    for label, settings in GRUS.items():
        fitted[label], epochs = fit_gru(settings, train, seed, validation)
        if refit:
            fitted[label], _ = fit_gru(settings, train + validation, seed, [], epochs)
    return fitted


def parts(groups: list[list[str]], seed: int) -> list[list[str]]:
    """70 %, 10 % and 20 % of the names, whole groups."""
    groups = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    ends = np.cumsum([len(group) for group in groups]) / sum(map(len, groups))
    return [
        [name for group, end in zip(groups, ends, strict=True) if low < end <= high for name in group]
        for low, high in ((0, 0.7), (0.7, 0.8), (0.8, 1))
    ]


def main() -> None:
    torch.set_num_threads(1)
    data = NamesDataModule()
    families: dict[str, list[str]] = {}
    for species in data.species:
        families.setdefault(species.family, []).append(species.name)
    groups = {"random 80/20": [[name] for name in data.names], "families 80/20": list(families.values())}

    print(f"{'split':<16}{'model':<16}{'test':>7}{'spread':>8}{'public':>8}  within noise")
    for split, members in groups.items():
        values: dict[str, list[float]] = {}
        for seed in range(3):
            train, validation, test = parts(members, seed)
            for label, model in predictors(train, validation, seed, refit=True).items():
                values.setdefault(label, []).append(model.bits_per_character(test))
        for label, bits in values.items():
            mean, spread = np.mean(bits), np.std(bits, ddof=1)
            line = f"{split:<16}{label:<16}{mean:>7.3f}{spread:>8.3f}"
            if public := PUBLIC.get((label, split)):
                noise = 2 * math.hypot(spread / math.sqrt(len(bits)), PUBLIC_ERROR)
                line += f"{public:>8.2f}  {'yes' if abs(mean - public) <= noise else 'no'} (±{noise:.2f})"
            print(line, flush=True)

    print(f"\n{'the project split':<24}{'val':>7}{'test':>7}{'s.e.':>7}{'above 5-gram':>14}{'s.e.':>7}")
    columns = data.columns
    train, validation = columns["train"]["name"], columns["val"]["name"]
    shipped = load("names").model
    lines = []
    for seed in range(3):
        models = predictors(train, validation, seed, refit=False)
        gram = models["5-gram"]
        lines += [(f"{label}, seed {seed}", model, ()) for label, model in models.items() if label in GRUS]
    lines = [("5-gram", gram, ()), *sorted(lines, key=lambda line: line[0])]
    lines += [("names, no condition", shipped, ()), ("names, conditions given", shipped, tuple(CONDITIONS))]
    for label, model, keys in lines:
        given = {split: {key: columns[split][key] for key in keys} for split in ("val", "test")}
        val, _ = bits_and_error(model, validation, given["val"])
        test, error = bits_and_error(model, columns["test"]["name"], given["test"])
        above, above_error = bits_and_error(model, columns["test"]["name"], given["test"], above=gram)
        print(f"{label:<24}{val:>7.3f}{test:>7.3f}{error:>7.3f}{above:>14.3f}{above_error:>7.3f}")


if __name__ == "__main__":
    main()
