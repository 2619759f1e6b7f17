"""The stats model: rules that hold by construction, conditions that come back, and rows that look like the table's."""

import copy
import itertools

import pytest
import torch
from safetensors.torch import load_file, save_file

from pokegen.errors import UserError
from pokegen.models.stats import COLUMNS, NUMERIC, TOKENS, StatsModel
from pokegen.schema import COLORS, NO_TYPE, STATS, TIERS

FLOATS = ("height_m", "weight_kg")
ASKED = {
    "type1": 6,
    "type2": NO_TYPE,
    "tier": 3,
    "legendary": 1,
    "line": 3,
    "stage": 3,
    "color": 7,
    "generation": 9,
    "hp": 255,
    "attack": 1,
    "defense": 83,
    "sp_atk": 120,
    "sp_def": 7,
    "speed": 199,
    "height_m": 14.2,
    "weight_kg": 0.3,
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def table(n: int) -> dict[str, torch.Tensor]:
    """Rows with a rule that a model can learn: legendaries are strong, heavy, of stage 1, and multiples of ten."""
    g = seeded()
    legendary = torch.randint(2, (n,), generator=g)
    rows = {
        "type1": torch.randint(18, (n,), generator=g),
        "tier": torch.where(legendary == 1, 3, torch.randint(3, (n,), generator=g)),
        "legendary": legendary,
        "line": torch.full((n,), 3),
        "stage": torch.where(legendary == 1, 1, torch.randint(1, 4, (n,), generator=g)),
        "color": torch.randint(len(COLORS), (n,), generator=g),
        "generation": torch.randint(1, 10, (n,), generator=g),
    }
    rows["type2"] = torch.where(torch.rand(n, generator=g) < 0.5, NO_TYPE, (rows["type1"] + 1) % 18)
    for stat in STATS:
        rows[stat] = 10 * torch.randint(2, 8, (n,), generator=g) + 60 * legendary
    rows["height_m"] = torch.randint(1, 40, (n,), generator=g).double() / 10
    rows["weight_kg"] = torch.randint(1, 900, (n,), generator=g).double() / 10 + 500 * legendary
    return rows


class Data:
    """What `prepare` reads of a datamodule."""

    columns = {"train": table(400), "val": table(50)}  # noqa: RUF012


@pytest.fixture(scope="module")
def untrained() -> StatsModel:
    torch.manual_seed(0)
    return StatsModel().eval()


@pytest.fixture(scope="module")
def model() -> StatsModel:
    torch.manual_seed(0)
    network = StatsModel(bins=16, width=48, dropout=0.0)
    network.prepare(Data)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        network.loss(Data.columns["train"])["loss"].backward()
        optimizer.step()
    return network.eval()


def check_rules(rows: dict[str, torch.Tensor], n: int) -> None:
    assert set(rows) == {*COLUMNS, "total"}
    for name, values in rows.items():
        assert values.shape == (n,)
        assert values.dtype == (torch.float64 if name in FLOATS else torch.int64)
    assert (rows["type1"] != rows["type2"]).all()
    assert rows["type1"].min() >= 0 and rows["type1"].max() <= 17
    assert rows["type2"].min() >= 0 and rows["type2"].max() <= NO_TYPE
    assert rows["stage"].min() >= 1 and rows["stage"].max() <= 3
    assert rows["generation"].min() >= 1 and rows["generation"].max() <= 9
    assert set(rows["legendary"].tolist()) <= {0, 1}
    assert torch.equal(rows["legendary"] == 1, rows["tier"] == TIERS.index("legendary"))
    assert (rows["line"] >= rows["stage"]).all() and rows["line"].max() <= 3
    stats = torch.stack([rows[stat] for stat in STATS])
    assert stats.min() >= 1 and stats.max() <= 255
    assert torch.equal(rows["total"], stats.sum(dim=0))
    for name in FLOATS:
        assert rows[name].min() >= 0.1
        assert rows[name].tolist() == [round(value, 1) for value in rows[name].tolist()]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_rules_hold_in_an_untrained_model(untrained, temperature):
    check_rules(untrained.sample(5000, generator=seeded(), temperature=temperature), 5000)


def test_rules_hold_in_a_trained_model(model):
    check_rules(model.sample(5000, generator=seeded()), 5000)


def test_types_differ_whichever_is_asked_for(untrained):
    for key in ("type1", "type2"):
        rows = untrained.sample(2000, {key: torch.full((2000,), 4)}, seeded())
        assert (rows["type1"] != rows["type2"]).all()
        assert len(rows["type2" if key == "type1" else "type1"].unique()) > 15


@pytest.mark.parametrize("keys", [*itertools.combinations(COLUMNS, 1), *itertools.combinations(COLUMNS, 2), COLUMNS])
def test_conditions_come_back_exactly(untrained, keys):
    rows = untrained.sample(20, {key: torch.full((20,), ASKED[key]) for key in keys}, seeded())
    for key in keys:
        assert (rows[key] == ASKED[key]).all()
    check_rules(rows, 20)


def test_a_condition_may_be_open_in_some_rows(model):
    rows = model.sample(300, {"type1": torch.tensor([5, -1] * 150), "weight_kg": 7.7}, seeded())
    assert (rows["type1"][::2] == 5).all()
    assert len(rows["type1"][1::2].unique()) > 10
    assert (rows["weight_kg"] == 7.7).all()


def test_a_condition_moves_the_other_columns(model):
    plain = model.sample(500, {"legendary": 0}, seeded())
    legendary = model.sample(500, {"legendary": 1}, seeded())
    assert legendary["total"].double().mean() > plain["total"].double().mean() + 200
    assert (legendary["stage"] == 1).double().mean() > 0.95
    strong = model.sample(500, {"attack": 130, "speed": 130}, seeded())  # only legendaries have that much
    assert strong["legendary"].double().mean() > 0.9


def test_values_are_those_of_the_training_rows(model):
    rows = model.sample(2000, generator=seeded())
    for name in NUMERIC:
        assert set(rows[name].tolist()) <= set(Data.columns["train"][name].tolist())


def habits(rows: dict[str, torch.Tensor]) -> list[float]:
    """Shares: twins of attack, twins of defence, all six stats multiples of five."""
    stats = torch.stack([rows[stat] for stat in STATS])
    twins = [(rows[a] == rows[b]).double().mean().item() for a, b in (("attack", "sp_atk"), ("defense", "sp_def"))]
    return [*twins, (stats % 5 == 0).all(dim=0).double().mean().item()]


def test_twins_and_round_numbers_come_as_often_as_in_the_table():
    g = seeded(1)
    rows = table(600)
    even = torch.rand(600, generator=g) < 0.5  # half the rows: multiples of five throughout
    for stat in STATS:
        rows[stat] = torch.where(even, 5 * torch.randint(4, 26, (600,), generator=g), 1 + 5 * (rows[stat] // 5))
    for a, b, share in (("attack", "sp_atk", 0.3), ("defense", "sp_def", 0.6)):
        rows[b] = torch.where(torch.rand(600, generator=g) < share, rows[a], rows[b])
    torch.manual_seed(0)
    network = StatsModel(bins=16, width=48, dropout=0.0, rare=0.0)
    network.prepare(type("Habits", (), {"columns": {"train": rows}}))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        network.loss(rows)["loss"].backward()
        optimizer.step()
    network.eval().calibrate(rows=4000)
    drawn = habits(network.sample(4000, generator=seeded()))
    assert drawn == pytest.approx(habits(rows), abs=0.06)


def test_calibrated_columns_have_the_tables_shares(model):
    tilted = copy.deepcopy(model)
    tilted.heads[TOKENS.index("color")].bias.data[3] += 2  # far too many of one colour
    wanted = (Data.columns["train"]["color"] == 3).double().mean().item()
    before = (tilted.sample(4000, generator=seeded())["color"] == 3).double().mean().item()
    tilted.calibrate(rows=4000)
    after = (tilted.sample(4000, generator=seeded())["color"] == 3).double().mean().item()
    assert before > wanted + 0.2
    assert after == pytest.approx(wanted, abs=0.03)


def test_what_is_rare_is_drawn_only_where_it_is_asked_for():
    rows = {**table(400)}
    rows["hp"] = torch.cat([torch.tensor([255]), rows["hp"][1:]])
    network = StatsModel(bins=16, width=48, rare=0.01)
    network.prepare(type("Rare", (), {"columns": {"train": rows}}))
    assert network.eval().sample(3000, generator=seeded())["hp"].max() < 255
    assert (network.sample(5, {"hp": 255}, seeded())["hp"] == 255).all()


def test_bins_hold_every_value_once_and_about_equally_many():
    network = StatsModel(bins=8)
    values = torch.cat([torch.arange(100), torch.full((60,), 50)]).double()
    network._set_bins(1, values)
    rows = {"hp": values}
    bins = network.tokenise(rows)[:, TOKENS.index("hp")]
    assert torch.equal(bins, bins.sort().values) or (bins[:100].diff() >= 0).all()
    assert len(bins[values == 50].unique()) == 1
    assert torch.bincount(bins, minlength=8).max() < 90
    for i in bins.unique():
        assert set(network.values[1, i].tolist()) <= set(values[bins == i].tolist())


def test_few_values_leave_bins_empty_and_never_drawn():
    network = StatsModel(bins=16)
    few = {**Data.columns["train"], "hp": torch.tensor([20, 30] * 200)}
    network.prepare(type("Few", (), {"columns": {"train": few}}))
    assert set(network.eval().sample(500, generator=seeded())["hp"].tolist()) == {20, 30}


def test_training_lowers_the_loss_and_evaluation_repeats_itself(model):
    torch.manual_seed(0)
    fresh = StatsModel(bins=16, width=48)
    fresh.prepare(Data)
    before = fresh.eval().loss(Data.columns["val"])["loss"]
    after = model.loss(Data.columns["val"])["loss"]
    assert after < before - 0.2
    assert model.loss(Data.columns["val"])["loss"] == after


def test_averaging_the_weights_keeps_the_bins(model):
    """The training module averages floating-point buffers too: none may become NaN by it."""
    average = copy.deepcopy(model)
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(average.buffers(), model.buffers(), strict=True))


def test_saved_and_loaded_draws_the_same(model, tmp_path):
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    loaded = StatsModel(bins=16, width=48).eval()
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    first, again = model.sample(50, generator=seeded(3)), loaded.sample(50, generator=seeded(3))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_seed_is_a_table(model):
    def rows(seed: int) -> list[int]:
        return model.sample(20, generator=seeded(seed))["total"].tolist()

    torch.manual_seed(0)
    first = rows(1)
    torch.manual_seed(1)
    assert rows(1) == first
    assert rows(2) != first


@pytest.mark.parametrize(
    "condition, message",
    [
        ({"mana": 3}, "Unknown condition 'mana'"),
        ({"type1": 18}, "0 to 17"),
        ({"type2": 19}, "0 to 18"),
        ({"stage": 0}, "1 to 3"),
        ({"generation": 10}, "1 to 9"),
        ({"hp": 0}, "1 to 255"),
        ({"attack": 256}, "1 to 255"),
        ({"attack": 50.5}, "whole number"),
        ({"height_m": 0.0}, "0.1 to 100"),
        ({"weight_kg": float("nan")}, "0.1 to 10000"),
        ({"hp": torch.tensor([1, 2])}, "one value or 3"),
        ({"type1": 2, "type2": 2}, "differ"),
        ({"tier": 1, "legendary": 1}, "tier"),
        ({"line": 2, "stage": 3}, "length of the evolution line"),
    ],
)
def test_wrong_conditions_are_refused_in_one_line(untrained, condition, message):
    with pytest.raises(UserError, match=message) as error:
        untrained.sample(3, condition)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("n, options", [(0, {}), (3, {"temperature": 0.0}), (3, {"temperature": -1.0})])
def test_wrong_options_are_refused(untrained, n, options):
    with pytest.raises(UserError):
        untrained.sample(n, **options)
