"""The pokédex table as training data: rows for the stats model, names for the names model, split by evolution family.

Batches are dictionaries. Types, colours and legendary are the schema's indices; `NO_TYPE` is a missing second type.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import SPLITS, split_of
from pokegen.errors import DataError
from pokegen.schema import CATEGORIES, COLORS, GENERATIONS, NO_TYPE, NUMBERS, STAGES, STATS, TIERS, TYPES, Species

INTEGER_COLUMNS = (*CATEGORIES, *STATS)
COLUMNS = (*CATEGORIES, *NUMBERS)
# National numbers of the starter lines: the first nine of each generation, in the fifth the nine after Victini.
STARTERS = frozenset(last + i + (last == 493) for last in (0, *GENERATIONS[:-1]) for i in range(1, 10))
PSEUDO_TOTAL = 600  # of a line's last form, which is the third and not legendary


def columns_of(species: Sequence[Species]) -> dict[str, Tensor]:
    """The rows as columns: int64 (N,) each, `height_m` in metres and `weight_kg` in kilograms float64 (N,)."""
    after: dict[str, list[Species]] = {}
    for s in species:
        after.setdefault(s.evolves_from or "", []).append(s)
    strong = {s.family for s in species if s.stage == STAGES[-1] and s.total == PSEUDO_TOTAL}

    def forms(s: Species) -> int:
        """Length of the longest line that it belongs to."""
        return max([s.stage, *(forms(form) for form in after.get(s.name, ()) if form.stage > s.stage)])

    def tier(s: Species) -> str:
        if s.legendary:
            return "legendary"
        return "starter" if s.number in STARTERS else "pseudo" if s.family in strong else "regular"

    columns: dict[str, list] = {
        "type1": [TYPES.index(s.type1) for s in species],
        "type2": [TYPES.index(s.type2) if s.type2 else NO_TYPE for s in species],
        "tier": [TIERS.index(tier(s)) for s in species],
        "legendary": [int(s.legendary) for s in species],
        "line": [forms(s) for s in species],
        "stage": [s.stage for s in species],
        "color": [COLORS.index(s.color) for s in species],
        "generation": [s.generation for s in species],
        **{stat: [s.stats[i] for s in species] for i, stat in enumerate(STATS)},
        "height_m": [s.height_m for s in species],
        "weight_kg": [s.weight_kg for s in species],
    }
    return {
        name: torch.tensor(values, dtype=torch.int64 if name in INTEGER_COLUMNS else torch.float64)
        for name, values in columns.items()
    }


class _Rows(Dataset):
    """Rows of equally long columns, each as a dictionary."""

    def __init__(self, columns: dict[str, Any]):
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: values[index] for name, values in self.columns.items()}


class TableDataModule(LightningDataModule):
    """Shared by the modules below: reading, splitting, loaders.

    Args:
        path: A CSV table, see `data/README.md` for its columns; the shipped one by default.
        batch_size: Rows of a training batch. Validation and test use up to 2,048 at once.
        seed: Of the order of the training rows.
    """

    def __init__(self, path: str | None = None, batch_size: int = 64, seed: int = 0):
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.species = load_pokedex(Path(path) if path else None)
        self.data_hash = hashlib.sha256(repr(self.species).encode()).hexdigest()  # for the run's record
        by_split = {name: [s for s in self.species if split_of(s.family) == name] for name in SPLITS}
        empty = [name for name, rows in by_split.items() if not rows]
        if empty:
            raise DataError(f"{len(self.species)} rows are too few: no evolution family falls into {empty[0]}.")
        self.columns = {name: self.read(rows) for name, rows in by_split.items()}  # split -> column -> values

    def read(self, species: Sequence[Species]) -> dict[str, Any]:
        """The columns of a batch."""
        raise NotImplementedError

    def train_dataloader(self) -> DataLoader:
        return DataLoader(
            _Rows(self.columns["train"]),
            self.batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(self.seed),
        )

    def val_dataloader(self) -> DataLoader:
        return self._whole("val")

    def test_dataloader(self) -> DataLoader:
        return self._whole("test")

    def _whole(self, split: str) -> DataLoader:
        rows = _Rows(self.columns[split])
        return DataLoader(rows, min(len(rows), 2048))


class StatsDataModule(TableDataModule):
    """Rows of the table for the stats model: a batch is a dictionary of `COLUMNS`, (B,) each.

    `columns["train"]` is the whole training split, from which the model computes its bins.
    """

    def read(self, species: Sequence[Species]) -> dict[str, Tensor]:
        return columns_of(species)


class NamesDataModule(TableDataModule):
    """Names with their conditions: a batch holds `name`, a list of B strings, and `type1`, `type2`, `stage`,
    `legendary`, int64 (B,).

    `names` contains all real names of all splits, which samples must avoid.
    """

    @property
    def names(self) -> list[str]:
        return [s.name for s in self.species]

    def read(self, species: Sequence[Species]) -> dict[str, Any]:
        columns = columns_of(species)
        return {
            "name": [s.name for s in species],
            **{key: columns[key] for key in ("type1", "type2", "stage", "legendary")},
        }
