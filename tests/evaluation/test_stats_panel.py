"""The stats panel: closed forms, the order of floor, model and ceiling, and what a user can get wrong."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from pokegen.errors import UserError
from pokegen.evaluation import stats_panel as panel
from pokegen.schema import STAT_LABELS, STATS, TYPES


def table(n: int, seed: int) -> pd.DataFrame:
    """Rows with rules that trees can learn: the first type says the colour, legendaries are strong and heavy. Families
    of two; numbers are whole, so that some rows are near each other."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(rng.integers(3, size=(n + 1) // 2), 2)[:n]
    legendary = rng.random(n) < 0.3
    rows = pd.DataFrame(
        {
            "Family": [f"{seed} {i // 2}" for i in range(n)],
            "Type1": np.array(["Fire", "Grass", "Water"])[kind],
            "Type2": rng.choice(["", "Flying"], n),
            "Legendary": np.where(legendary, "True", "False"),
            "Color": np.array(["Red", "Green", "Blue"])[kind],
            "Stage": rng.choice(["1", "2", "3"], n),
        }
    )
    for label in STAT_LABELS:
        rows[label] = rng.integers(40, 80, n) + 30 * legendary
    rows["Height (m)"] = rng.integers(1, 40, n) / 10
    rows["Weight (kg)"] = rng.integers(1, 90, n) + 200 * legendary
    return rows.assign(Total=rows[list(STAT_LABELS)].sum(axis=1))


@pytest.fixture(scope="module")
def splits() -> dict[str, pd.DataFrame]:
    return {"train": table(120, 1), "val": table(30, 2), "test": table(30, 3)}


@pytest.fixture(scope="module")
def held_out(splits) -> pd.DataFrame:
    return pd.concat([splits["val"], splits["test"]])


class Model:
    """Draws rows of the same distribution, as columns of schema indices."""

    def sample(self, n: int, condition=None, generator=None) -> dict[str, torch.Tensor]:
        rows = table(n, int(torch.randint(10**6, (1,), generator=generator)) + 10)
        columns = {
            "type1": rows["Type1"].map(TYPES.index),
            "type2": rows["Type2"].map([*TYPES, ""].index),
            "legendary": (rows["Legendary"] == "True").astype(int),
            "stage": rows["Stage"].astype(int),
            "color": rows["Color"].map(list(panel._VALUES["Color"]).index),
            **{name: rows[label] for name, label in zip(STATS, STAT_LABELS, strict=True)},
            "total": rows["Total"],
            "height_m": rows["Height (m)"],
            "weight_kg": rows["Weight (kg)"].astype(float),
        }
        return {name: torch.tensor(values.to_numpy()) for name, values in columns.items()}


@pytest.fixture(scope="module")
def result(splits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "REPEATS", 2)
        return panel.evaluate_stats(Model(), splits, seed=4)


def test_rows_of_one_distribution_cannot_be_told_apart_and_others_can():
    a, b = table(250, 1), table(250, 2)
    assert panel.two_sample_auc(a, b) == pytest.approx(0.5, abs=0.07)
    assert panel.two_sample_auc(a, b.assign(HP=b["HP"] + 100)) == pytest.approx(1)
    assert panel.two_sample_auc(a, a.drop(columns="Family")) < 0.5  # each row's twin lies on the other side


def test_relatives_do_not_help_to_tell_two_sets_apart():
    """Families of four equal rows, each on one side: who has seen one of them in training knows the others."""
    rows = table(100, 1).drop(columns="Family")
    four = pd.concat([rows] * 4, ignore_index=True).assign(Family=[str(i) for i in range(100)] * 4)
    side = four["Family"].astype(int) < 50
    kept = panel.two_sample_auc(four[side], four[~side])
    parted = panel.two_sample_auc(*(four[s].assign(Family=np.arange(s.sum()).astype(str)) for s in (side, ~side)))
    assert parted > 0.9
    assert kept < 0.65


def test_quality_of_a_table_with_itself_is_one_and_of_strangers_low(splits):
    rows = splits["train"]
    assert panel.quality(rows, rows) == pytest.approx(1)
    far = rows.assign(**{label: rows[label] + 100 for label in STAT_LABELS}, Type1="Bug", Color="Pink", Type2="Ice")
    assert panel.quality(far, rows) < 0.7


def test_copies_are_nearest_to_what_they_copy(splits, held_out):
    train = splits["train"].iloc[:60]
    assert panel.closest_record_share(train, train, held_out) > 0.97  # equal numbers only, so no row is left out
    assert panel.closest_record_share(held_out, train, held_out) < 0.03
    assert panel.closest_record_share(table(300, 9), train, train) == 0.5  # every row ties
    assert panel.closest_record_share(table(300, 9), train, held_out) == pytest.approx(0.5, abs=0.1)


def test_distance_is_gowers():
    """Of 13 columns: one category off is 1/13; a number at the other end of n distinct ones is (n - 1)/n of that."""
    rows = table(2, 1).assign(HP=[10, 20])
    same = pd.concat([rows.iloc[:1]] * 2)
    assert panel._distances(same, same, rows).tolist() == [[0, 0], [0, 0]]
    other = same.iloc[:1].assign(Color="Pink")
    assert panel._distances(same.iloc[:1], other, rows) == pytest.approx(1 / 13)
    other = same.iloc[:1].assign(HP=20, Total=999)  # Total counts for nothing
    assert panel._distances(same.iloc[:1], other, rows) == pytest.approx(1 / 2 / 13)


def test_what_rows_teach(splits, held_out):
    taught = panel.train_on_rows(splits["train"], held_out)
    assert taught["legendary_auc"] > 0.9 and taught["type1_f1"] > 0.9
    swap = {"True": "False", "False": "True", "Fire": "Grass", "Grass": "Water", "Water": "Fire"}
    wrong = panel.train_on_rows(splits["train"].replace(swap), held_out)
    assert wrong["legendary_auc"] < 0.1 and wrong["type1_f1"] < 0.1
    alike = splits["train"].assign(Legendary="False", Type1="Fire")
    share = (held_out["Type1"] == "Fire").mean()
    fire = 2 * share / (1 + share)  # precision is the share, recall 1; the two other types get 0
    assert panel.train_on_rows(alike, held_out) == pytest.approx({"legendary_auc": 0.5, "type1_f1": fire / 3})


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("total", {"Total": 1}),
        ("types", {"Type2": "Fire", "Type1": "Fire"}),
        ("stats", {"HP": 50.5, "Total": None}),
        ("stats", {"Speed": 0, "Total": None}),
        ("stats", {"Attack": 256, "Total": None}),
        ("size", {"Height (m)": 0.0}),
        ("size", {"Weight (kg)": -1.0}),
        ("size", {"Height (m)": 0.75}),
        ("words", {"Type1": "Plasma"}),
        ("words", {"Type2": "none"}),
        ("words", {"Color": "Teal"}),
        ("words", {"Stage": "4"}),
        ("words", {"Legendary": "perhaps"}),
    ],
)
def test_each_broken_rule_is_counted_and_no_other(rule, change):
    rows = table(10, 1).astype({label: float for label in (*STAT_LABELS, "Total")})
    assert set(panel.violations(rows).values()) == {0}
    for column, value in change.items():
        rows.loc[3, column] = rows.loc[3, list(STAT_LABELS)].sum() if value is None else value
    broken = {name: share for name, share in panel.violations(rows).items() if share}
    assert broken == pytest.approx({"violations": 0.1, f"violations_{rule}": 0.1})


def test_floor_model_and_ceiling_stand_in_order(result):
    rows = result["rows"]
    assert list(rows) == ["model", "independent columns", "real"]
    for row in rows.values():
        assert set(row) == {*panel.METRICS, *(f"{name}_std" for name in panel.METRICS)}
    floor, model, real = rows["independent columns"], rows["model"], rows["real"]
    for other in (model, real):
        assert other["auc_all"] < floor["auc_all"] - 0.2
        assert other["auc_held_out"] < floor["auc_held_out"] - 0.1
        assert other["quality"] > floor["quality"] + 0.05
        assert other["type1_f1"] > floor["type1_f1"] + 0.3
        assert other["violations"] == 0
        assert other["dcr_share"] == pytest.approx(0.5, abs=0.12)
    assert model["auc_all_std"] > 0
    assert result["n"] == {"rows": 180, "train": 120, "held_out": 60, "repeats": 2}
    assert json.loads(json.dumps(result)) == result


def test_a_model_that_copies_is_seen(splits):
    copies = splits["train"].sample(180, replace=True, random_state=0)
    scores = panel.score_rows(copies.drop(columns="Family"), splits)
    assert scores["dcr_share"] > 0.6
    assert scores["auc_all"] < 0.55  # which alone would praise it


def test_a_seed_is_a_score(splits):
    first, again, other = (panel.draw(Model(), 60, seed) for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)
    train, held_out = splits["train"], splits["val"]
    for measure in (
        panel.two_sample_auc,
        lambda rows, real, seed: panel.closest_record_share(rows, real, held_out, seed),
    ):
        assert measure(first, train, 1) == measure(first, train, 1)
        assert measure(first, train, 1) != measure(first, train, 2)


def test_a_users_csv_is_read_as_what_wrote_it(splits, tmp_path, monkeypatch):
    rows = table(200, 5)
    written = rows.drop(columns="Family").assign(Legendary=rows["Legendary"] == "True")
    written.to_csv(tmp_path / "rows.csv", index=False)  # no second type becomes an empty cell
    read = panel._checked(pd.read_csv(tmp_path / "rows.csv"), 180)
    assert read.equals(panel._checked(rows, 180))
    assert set(panel.violations(read).values()) == {0}
    assert panel.two_sample_auc(read, rows) < 0.5  # they are the same rows

    monkeypatch.setattr(panel, "score_rows", lambda rows, *_: dict.fromkeys(panel.METRICS, len(rows)))
    monkeypatch.setattr(panel, "score_real", lambda *_: dict.fromkeys(panel.METRICS, 0))
    scored = panel.evaluate_stats(None, splits, samples=pd.read_csv(tmp_path / "rows.csv"))["rows"]
    assert list(scored) == ["samples", "independent columns", "real"]
    assert scored["samples"]["quality"] == 180  # as many as real ones, of the 200


def test_the_shipped_table_is_split_and_breaks_no_rule():
    real = panel.real_splits()
    assert {name: len(rows) > 50 for name, rows in real.items()} == {"train": True, "val": True, "test": True}
    table = pd.concat(real.values())
    assert len(table) == 1025
    assert set(panel.violations(table).values()) == {0}
    families = [set(rows["Family"]) for rows in real.values()]
    assert sum(map(len, families)) == len(set.union(*families))


class NotStats:
    def __init__(self, drawn):
        self.drawn = drawn

    def sample(self, n, condition=None, generator=None):
        return self.drawn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None), "one of the two"),
        ((Model(), table(200, 1)), "one of the two"),
        ((NotStats(torch.zeros(3, 3, 8, 8)), None), "NotStats draws no rows"),
        ((NotStats({"type1": torch.zeros(3)}), None), "draws no type2, legendary"),
        ((None, table(200, 1).drop(columns=["Stage", "HP"])), "have no column 'Stage', 'HP'"),
        ((None, table(100, 1)), "180 samples or more.*got 100"),
        ((None, table(200, 1).assign(HP=["x"] * 200)), "row 2, column 'HP': expected a number, got 'x'"),
        ((None, table(200, 1).assign(HP=np.inf)), "row 2, column 'HP'"),
    ],
)
def test_a_mistake_gets_one_clear_line(splits, arguments, message):
    model, samples = arguments
    with pytest.raises(UserError, match=message) as error:
        panel.evaluate_stats(model, splits, samples=samples)
    assert "\n" not in str(error.value)


def test_too_small_a_table_gets_one_clear_line(splits):
    with pytest.raises(UserError, match="50 held-out species or more, got 40"):
        panel.evaluate_stats(Model(), {**splits, "val": table(10, 1)})
    with pytest.raises(UserError, match="50 training species or more, got 20"):
        panel.evaluate_stats(Model(), {**splits, "train": table(20, 1)})
    common = {name: rows.assign(Legendary="False") for name, rows in splits.items()}
    with pytest.raises(UserError, match="legendary and other species"):
        panel.evaluate_stats(Model(), common)
