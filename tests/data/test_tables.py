"""The table as training data: split by family, in the shapes and numbers that the models read."""

import pytest
import torch

from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import split_of
from pokegen.data.tables import COLUMNS, NamesDataModule, StatsDataModule, columns_of
from pokegen.errors import DataError
from pokegen.schema import COLORS, NO_TYPE, STATS, TIERS, TYPES


def names_in(loader) -> list[str]:
    return [name for batch in loader for name in batch["name"]]


def test_no_family_is_in_two_loaders():
    data = NamesDataModule()
    loaders = {"train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader()}
    family = {species.name: species.family for species in load_pokedex()}
    families = {split: {family[name] for name in names_in(loader)} for split, loader in loaders.items()}
    assert not families["train"] & families["val"]
    assert not families["train"] & families["test"]
    assert not families["val"] & families["test"]
    for split, members in families.items():
        assert {split_of(member) for member in members} == {split}
    assert sum(len(names_in(loader)) for loader in loaders.values()) == len(family) == len(data.names)


def test_columns_are_those_of_the_table():
    species = load_pokedex()
    columns = columns_of(species)
    assert tuple(columns) == COLUMNS
    bulbasaur = {name: values[0].item() for name, values in columns.items()}
    assert bulbasaur == {
        "type1": TYPES.index("Grass"),
        "type2": TYPES.index("Poison"),
        "tier": TIERS.index("starter"),
        "legendary": 0,
        "line": 3,
        "stage": 1,
        "color": COLORS.index("Green"),
        "generation": 1,
        **dict(zip(STATS, (45, 49, 49, 65, 65, 45), strict=True)),
        "height_m": 0.7,
        "weight_kg": 6.9,
    }
    assert columns["type2"][3] == NO_TYPE  # Charmander
    for i, stat in enumerate(STATS):
        assert columns[stat].tolist() == [s.stats[i] for s in species]


def test_tiers_and_lines_are_those_of_the_games():
    species = load_pokedex()
    columns = columns_of(species)
    tier = {s.name: TIERS[i] for s, i in zip(species, columns["tier"].tolist(), strict=True)}
    line = dict(zip((s.name for s in species), columns["line"].tolist(), strict=True))
    assert sum(value == "starter" for value in tier.values()) == 81
    assert sum(value == "pseudo" for value in tier.values()) == 30
    for name, kind in (("Snivy", "starter"), ("Victini", "legendary"), ("Dreepy", "pseudo"), ("Slaking", "regular")):
        assert tier[name] == kind
    for name, forms in (("Eevee", 2), ("Tauros", 1), ("Pichu", 3), ("Cosmog", 3), ("Flapple", 2), ("Hydrapple", 3)):
        assert line[name] == forms


def test_batches():
    stats = next(iter(StatsDataModule(batch_size=16).train_dataloader()))
    assert tuple(stats) == COLUMNS
    for name, values in stats.items():
        assert values.shape == (16,)
        assert values.dtype == (torch.float64 if name in ("height_m", "weight_kg") else torch.int64)
    names = next(iter(NamesDataModule(batch_size=16).train_dataloader()))
    assert len(names["name"]) == 16 and all(isinstance(name, str) for name in names["name"])
    species = {s.name: s for s in load_pokedex()}
    for i, name in enumerate(names["name"]):
        assert TYPES[names["type1"][i]] == species[name].type1
        assert names["stage"][i] == species[name].stage
        assert names["legendary"][i] == species[name].legendary


def test_a_seed_fixes_the_order_and_epochs_differ():
    def order(seed: int) -> list[list[str]]:
        loader = NamesDataModule(batch_size=64, seed=seed).train_dataloader()
        return [names_in(loader), names_in(loader)]

    assert order(0) == order(0)
    assert order(0)[0] != order(1)[0]
    first, second = order(0)
    assert first != second and sorted(first) == sorted(second)


def test_a_table_of_ones_own(tmp_path):
    header = "No,Name,Type1,Type2,Total,HP,Attack,Defense,Sp. Atk,Sp. Def,Speed,Generation,Legendary,Color,"
    rows = [f"{i},Mon{i},Fire,,60,10,10,10,10,10,10,1,False,Red,0.5,2" for i in range(1, 61)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join([header + "Height (m),Weight (kg)", *rows]))
    data = NamesDataModule(path=str(path))
    assert sorted(data.names) == sorted(f"Mon{i}" for i in range(1, 61))
    path = tmp_path / "one.csv"
    path.write_text("\n".join([header + "Height (m),Weight (kg)", rows[0]]))
    with pytest.raises(DataError, match="too few"):
        StatsDataModule(path=str(path))
