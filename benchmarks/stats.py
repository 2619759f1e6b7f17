"""The stats model compared with a Gaussian copula, TVAE, Forest-Flow and sequential CART, on one split, by the panel's
metrics.

    python benchmarks/stats.py                      the project's split by family, three seeds
    python benchmarks/stats.py --split random       820 and 205 rows at random, another split for each seed
    python benchmarks/stats.py rules                rules and conditions of the shipped model, and its speed

Each figure is shown with the earlier measurement of the same method on 820 training and 205 held-out species. That
used a weaker two-sample test than the panel's: `plain_auc` is the form that reproduces its figures.

The copula and TVAE are SDV's (2 or later), the copula with its defaults, TVAE with 2,000 epochs, Total a column like
the others. SDV is under the Business Source License and not a dependency: `pip install sdv` to measure it. Forest-Flow
(Jolicoeur-Martineau et al., AISTATS 2024; `pip install ForestDiffusion`) has 20 steps and ten copies of each row, a
fifth and a tenth of its defaults, which would take hours. CART (Reiter, Using CART to Generate
Partially Synthetic Public Use Microdata, Journal of Official Statistics 2005) grows one tree per column on the columns
before it, with leaves of five rows or more, and samples from the leaf's values or, smoothed, between the lowest and the
highest; Total is the sum. The earlier figures do not say which of the two they are.

If SDMetrics is installed, the last line gives the difference between the panel's `quality` and its quality report.
"""

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pokegen.evaluation import stats_panel as panel
from pokegen.schema import NO_TYPE, STAT_LABELS
from pokegen.zoo import load

METRICS = (
    *("quality", "auc_all", "auc_held_out", "plain_all", "plain_held_out", "dcr_share"),
    *("total_is_sum", "legendary_auc", "type1_f1"),
)
EARLIER = {
    "real": {"quality": 0.857, "plain_held_out": 0.547, "total_is_sum": 1, "legendary_auc": 0.945},
    "independent columns": dict(zip(METRICS, (0.814, None, None, 0.917, 0.853, 0.503, 1), strict=False)),
    "TVAE": dict(zip(METRICS, (0.843, None, None, 0.844, 0.742, 0.605), strict=False)),
    "Gaussian copula": dict(zip(METRICS, (0.847, None, None, 0.872, 0.774, 0.515, 0.020), strict=False)),
    "CART": dict(zip(METRICS, (0.848, None, None, 0.836, 0.706, 0.621, None, 0.947), strict=False)),
}
EARLIER["CART, smoothed"] = EARLIER["CART"]
WORDS = ("Type1", "Type2", "Legendary", "Color", "Stage")


def plain_auc(a: pd.DataFrame, b: pd.DataFrame, seed: int) -> float:
    """Two-sample AUC of gradient boosting that sees words as numbers and no Stage, relatives in any fold."""
    n = min(len(a), len(b))
    both = pd.concat([a.iloc[:n], b.iloc[:n]])[[name for name in panel.COLUMNS if name != "Stage"]]
    codes = both.apply(lambda column: column.astype("category").cat.codes if column.name in WORDS else column)
    order = np.random.default_rng(seed).permutation(2 * n)
    label = np.arange(2 * n) >= n
    trees = GradientBoostingClassifier(random_state=seed)
    return float(cross_val_score(trees, codes.iloc[order], label[order], scoring="roc_auc").mean())


def cart(train: pd.DataFrame, n: int, seed: int, smoothed: bool = False) -> pd.DataFrame:
    """`n` rows, column after column."""
    rng = np.random.default_rng(seed)
    names = [name for name in panel.COLUMNS if name != "Total"]
    rows = pd.DataFrame({names[0]: rng.choice(train[names[0]].to_numpy(), n)})
    for i, name in enumerate(names[1:], start=1):
        seen = pd.get_dummies(train[names[:i]])
        grow = DecisionTreeClassifier if name in WORDS else DecisionTreeRegressor
        tree = grow(min_samples_leaf=5, random_state=seed).fit(seen, train[name])
        leaves = tree.apply(seen)
        values = {leaf: train[name].to_numpy()[leaves == leaf] for leaf in set(leaves)}
        drawn = [values[leaf] for leaf in tree.apply(pd.get_dummies(rows).reindex(columns=seen.columns, fill_value=0))]
        if smoothed and name not in WORDS:
            digits = 0 if name in STAT_LABELS else 1
            rows[name] = np.round([rng.uniform(leaf.min(), leaf.max()) for leaf in drawn], digits)
        else:
            rows[name] = [rng.choice(leaf) for leaf in drawn]
    return rows.assign(Total=rows[list(STAT_LABELS)].sum(axis=1))


def sdv(kind: str, train: pd.DataFrame, n: int, seed: int, **options: int) -> pd.DataFrame:
    """`n` rows of one of SDV's synthesizers."""
    from sdv import single_table
    from sdv.metadata import Metadata

    names = list(panel.COLUMNS)
    columns = {name: {"sdtype": "categorical" if name in WORDS else "numerical"} for name in names}
    metadata = Metadata.load_from_dict({"tables": {"rows": {"columns": columns}}})
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(single_table, kind)(metadata, **options)
        model.fit({"rows": train[names]})
        # Every new model draws with the same seed of its own: a later draw is another one.
        return model.sample((seed + 1) * n)["rows"].iloc[-n:].reset_index(drop=True)


def forest_flow(train: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """`n` rows of flow matching with boosted trees."""
    from ForestDiffusion import ForestDiffusionModel

    names = [name for name in panel.COLUMNS if name != "Total"]
    codes = {name: sorted(set(train[name])) for name in WORDS}
    numbers = train[names].apply(lambda c: c.map(codes[c.name].index) if c.name in codes else c).to_numpy(float)
    model = ForestDiffusionModel(
        numbers,
        n_t=20,
        duplicate_K=10,
        cat_indexes=[names.index(name) for name in WORDS],
        int_indexes=[names.index(name) for name in STAT_LABELS],
        diffusion_type="flow",
        n_jobs=1,  # with more it waited for itself here
        seed=seed,
    )
    rows = pd.DataFrame(model.generate(batch_size=n), columns=names)
    for name, values in codes.items():
        rows[name] = [values[int(code)] for code in rows[name]]
    rows[["Height (m)", "Weight (kg)"]] = rows[["Height (m)", "Weight (kg)"]].round(1)
    return rows.assign(Total=rows[list(STAT_LABELS)].sum(axis=1))


def rules() -> None:
    """What must hold in every row of the shipped model, counted; rows a second; real numbers' habits."""
    model = load("stats").model
    for threads in (1, 2):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        rows = panel.draw(model, 100_000, 0)
        print(f"100,000 rows in {time.perf_counter() - start:.1f} s, {threads} threads")
    print("share that breaks a rule:", panel.violations(rows))
    real = pd.concat(panel.real_splits().values())
    for label, table in (("real", real), ("model", rows)):
        stats = table[list(STAT_LABELS)]
        print(
            f"{label:<6} attack is special attack {(stats['Attack'] == stats['Sp. Atk']).mean():.3f}, "
            f"defence is special defence {(stats['Defense'] == stats['Sp. Def']).mean():.3f}, "
            f"all six multiples of five {(stats % 5 == 0).all(axis=1).mean():.3f}"
        )
    rng = np.random.default_rng(0)
    pairs = [(a, b) for a in range(NO_TYPE) for b in range(NO_TYPE) if a != b]
    orders = [{"type1": a} for a in range(NO_TYPE)] + [{"type1": a, "type2": NO_TYPE} for a in range(NO_TYPE)]
    orders += [{"type1": pairs[i][0], "type2": pairs[i][1]} for i in rng.choice(len(pairs), 100, replace=False)]
    wrong = 0
    for seed, order in enumerate(orders):
        condition = {key: torch.full((50,), value) for key, value in order.items()}
        drawn = model.sample(50, condition, torch.Generator().manual_seed(seed))
        wrong += sum(int((drawn[key] != value).sum()) for key, value in order.items())
    print(f"{len(orders)} orders of types, 50 rows each: {wrong} rows without the requested types")


def splits_of(kind: str, seed: int) -> dict[str, pd.DataFrame]:
    splits = panel.real_splits()
    if kind == "random":
        table = pd.concat(splits.values()).sample(frac=1, random_state=seed, ignore_index=True)
        return {"train": table[:820], "val": table[820:922], "test": table[922:]}
    return splits


def sdmetrics_quality(rows: pd.DataFrame, real: pd.DataFrame) -> float:
    from sdmetrics.reports import QualityReport

    names, report = list(panel.COLUMNS), QualityReport()
    columns = {name: {"sdtype": "numerical" if real[name].dtype.kind in "if" else "categorical"} for name in names}
    tables = {"tables": {"rows": {"columns": columns}}}
    report.generate({"rows": real[names]}, {"rows": rows[names]}, tables, verbose=False)
    return float(report.get_score())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "rules"), nargs="?", default="compare")
    parser.add_argument("--split", choices=("family", "random"), default="family")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    if args.what == "rules":
        return rules()

    methods: dict[str, Callable[[pd.DataFrame, int, int], pd.DataFrame]] = {
        "independent columns": lambda train, n, seed: panel.independent_columns(train, n, np.random.default_rng(seed)),
        "TVAE": lambda *given: sdv("TVAESynthesizer", *given, epochs=2000),
        "Gaussian copula": lambda *given: sdv("GaussianCopulaSynthesizer", *given),
        "Forest-Flow": forest_flow,
        "CART": cart,
        "CART, smoothed": lambda *given: cart(*given, smoothed=True),
    }
    if not importlib.util.find_spec("sdv"):
        print("sdv is not installed, so TVAE and the Gaussian copula are left out: pip install sdv")
        methods = {name: method for name, method in methods.items() if name not in ("TVAE", "Gaussian copula")}
    if not importlib.util.find_spec("ForestDiffusion"):
        print("Forest-Flow is left out: pip install ForestDiffusion")
        del methods["Forest-Flow"]
    if args.split == "family":  # the shipped model has seen that split's training families
        stats = load("stats")
        methods[stats.label] = lambda train, n, seed: panel.draw(stats.model, n, seed)

    scores: dict[str, list[list[float]]] = {"real": [], **{name: [] for name in methods}}
    for seed in range(args.seeds):
        splits = splits_of(args.split, seed)
        held_out, real = pd.concat([splits["val"], splits["test"]]), pd.concat(splits.values())
        for name, repeats in scores.items():
            start = time.perf_counter()
            rows = splits["train"] if name == "real" else methods[name](splits["train"], len(real), seed)
            seconds = time.perf_counter() - start
            score = panel.score_real(splits, seed) if name == "real" else panel.score_rows(rows, splits, seed)
            score["total_is_sum"] = 1 - score["violations_total"]
            score["plain_all"] = np.nan if name == "real" else plain_auc(rows, real, seed)
            score["plain_held_out"] = plain_auc(rows.sample(frac=1, random_state=seed), held_out, seed)
            repeats.append([*(score[metric] for metric in METRICS), seconds])

    print(f"{args.split} split, {args.seeds} seeds: mean ± standard deviation (earlier figure)")
    print(f"{'':<20}" + "".join(f"{metric:>22}" for metric in METRICS) + f"{'fit, draw (s)':>15}")
    for name, repeats in scores.items():
        mean, spread = np.mean(repeats, axis=0), np.std(repeats, axis=0, ddof=1)
        cells = []
        for metric, m, s in zip(METRICS, mean, spread, strict=False):
            earlier = EARLIER.get(name, {}).get(metric)
            cells.append(f"{m:.3f} ± {s:.3f} " + ("       " if earlier is None else f"({earlier:.3f})"))
        print(f"{name:<20}" + "".join(f"{cell:>22}" for cell in cells) + f"{mean[-1]:>15.1f}")
    if importlib.util.find_spec("sdmetrics"):
        rows, real = panel.independent_columns(splits["train"], 1000, np.random.default_rng(0)), splits["val"]
        print(f"quality is {panel.quality(rows, real):.6f}, SDMetrics' {sdmetrics_quality(rows, real):.6f}")


if __name__ == "__main__":
    main()
