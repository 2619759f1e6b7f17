"""The stats panel: scores sampled rows of the table against species that the model has never seen.

No metric suffices alone. Quality is SDMetrics' report (Patki et al., The Synthetic Data Vault, DSAA 2016), which
saturates. The two-sample AUC (Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017) rewards copying.
The distance to the closest record detects copies. Train on synthetic, test on real (Esteban et al., 2017) measures
usefulness. The model is compared with independent columns, the floor, and real rows, the ceiling.

A species resembles its relatives, so every cross-validation keeps an evolution family in one fold. Otherwise the trees
separate real rows from unseen real rows (AUC 0.6) by recognising relatives. Subsets of the real rows are drawn by
family too.

Left out: generation, which cards do not show; evolution lines, since rows are sampled independently; privacy attacks.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import SPLITS, split_of
from pokegen.errors import UserError
from pokegen.schema import COLORS, STAGES, STAT_LABELS, STAT_MAX, STAT_MIN, STATS, TYPES

if TYPE_CHECKING:
    from pandas import DataFrame

# Metric -> its meaning. Each also has NAME_std, its standard deviation over the repeats.
METRICS = {
    "quality": "score of SDMetrics' quality report against held-out species, 0 to 1, higher is better",
    "auc_all": "AUC of boosted trees that separate the rows from all real ones, 0.5 is best",
    "auc_held_out": "AUC of boosted trees that separate the rows from held-out ones, 0.5 is best",
    "dcr_share": "share of rows nearer to a training row than to a held-out one, 0.5 is neutral, more means copies",
    "legendary_auc": "AUC of Legendary on held-out species, learned from the rows, higher is better",
    "type1_f1": "macro-F1 of Type1 on held-out species, learned from the rows, 0 to 1, higher is better",
    "violations": "share of rows that break a rule, 0 is best",
    "violations_total": "share of rows whose Total is not the sum of the six stats",
    "violations_types": "share of rows whose two types are equal",
    "violations_stats": "share of rows with a stat that is not a whole number from 1 to 255",
    "violations_size": "share of rows with a height or weight that is not above 0 or not a multiple of 0.1",
    "violations_words": "share of rows with an unknown type, colour, stage, or Legendary",
}
REPEATS = 3

_VALUES = {
    "Type1": TYPES,
    "Type2": (*TYPES, ""),
    "Legendary": ("False", "True"),
    "Color": COLORS,
    "Stage": tuple(str(stage) for stage in STAGES),
}
_SIZES = ("Height (m)", "Weight (kg)")
_NUMBERS = ("Total", *STAT_LABELS, *_SIZES)
COLUMNS = (*_VALUES, *_NUMBERS)  # the scored columns, which `pokegen stats` writes
_DRAWN = ("type1", "type2", "legendary", "stage", "color", *STATS, "height_m", "weight_kg")
_FEWEST = 50  # rows: ten for each of five folds


def real_splits() -> dict[str, "DataFrame"]:
    """The rows of the shipped table by split, `train`, `val` and `test`, with `COLUMNS` and Family."""
    import pandas as pd

    rows = [
        {
            "Family": s.family,
            "Type1": s.type1,
            "Type2": s.type2 or "",
            "Legendary": str(s.legendary),
            "Color": s.color,
            "Stage": str(s.stage),
            "Total": s.total,
            **dict(zip(STAT_LABELS, s.stats, strict=True)),
            "Height (m)": s.height_m,
            "Weight (kg)": s.weight_kg,
        }
        for s in load_pokedex()
    ]
    table = pd.DataFrame(rows)
    split = table["Family"].map(split_of)
    return {name: table[split == name].reset_index(drop=True) for name in SPLITS}


def evaluate_stats(
    model: Any, splits: Mapping[str, "DataFrame"], seed: int = 0, samples: "DataFrame | None" = None
) -> dict[str, Any]:
    """Score a model, or given rows, next to independent columns and real rows.

    Held-out rows are the validation and test families together. The weights have seen neither, but a model that stopped
    early by its validation loss has chosen its epoch on half of them.

    Args:
        model: any object whose `.sample(n, generator=…)` returns columns of (n,) as `StatsModel` does; None with
            `samples`.
        splits: of `real_splits`, or in the same form.
        seed: of all sampling. Repeat k of `REPEATS` uses seed + k.
        samples: rows with `COLUMNS`, such as `pokegen stats` writes, at least as many as there are real rows.

    Returns:
        `rows` (`model` or `samples`, `independent columns`, `real`; each with every one of `METRICS`, and NAME_std,
        the sample standard deviation over repeats), `seed`, `n` (numbers of rows), `notes`.

    Raises UserError for a model of another kind, missing columns, values that are not numbers, and too few rows.
    """
    if (model is None) == (samples is None):
        raise UserError("Expected either a model or samples to score.")
    train, held_out, real = _parts(splits)
    name = "model" if samples is None else "samples"
    given = None if samples is None else _checked(samples, len(real))
    scores: dict[str, list[dict[str, float]]] = {name: [], "independent columns": [], "real": []}
    for repeat in range(seed, seed + REPEATS):
        rng = np.random.default_rng(repeat)
        rows = draw(model, len(real), repeat) if given is None else given.sample(len(real), random_state=repeat)
        scores[name].append(score_rows(rows, splits, repeat))
        scores["independent columns"].append(score_rows(independent_columns(train, len(real), rng), splits, repeat))
        scores["real"].append(score_real(splits, repeat))
    notes = [
        f"mean and standard deviation of {REPEATS} repeats: rows drawn (the same ones where a CSV has no more than the "
        "table), folds and subsets, not the split",
        "real: training rows against held-out ones; auc_all and dcr_share between halves, by family",
        "read each number against real: the split itself moves quality, auc_held_out and dcr_share by 0.02 to 0.03",
        f"legendary_auc rests on {int((held_out['Legendary'] == 'True').sum())} legendary species among the held-out",
    ]
    return {
        "rows": {row: _summary(repeats) for row, repeats in scores.items()},
        "seed": seed,
        "n": {"rows": len(real), "train": len(train), "held_out": len(held_out), "repeats": REPEATS},
        "notes": notes,
    }


def score_rows(rows: "DataFrame", splits: Mapping[str, "DataFrame"], seed: int = 0) -> dict[str, float]:
    """The value of each of `METRICS`, for at least as many rows as there are real ones."""
    train, held_out, real = _parts(splits)
    return {
        **_scores(rows.iloc[: len(real)], train, held_out, seed),
        "auc_all": two_sample_auc(rows, real, seed),
        "dcr_share": closest_record_share(rows, train, held_out, seed),
    }


def score_real(splits: Mapping[str, "DataFrame"], seed: int = 0) -> dict[str, float]:
    """The same for the training rows. They are themselves among the real rows, at distance 0, so halves of the families
    are compared where `score_rows` would compare them with themselves."""
    train, held_out, real = _parts(splits)
    train, real = _by_family(train, seed), _by_family(real, seed)
    half = len(train) // 2
    return {
        **_scores(train, train, held_out, seed),
        "auc_all": two_sample_auc(real.iloc[: len(real) // 2], real.iloc[len(real) // 2 :], seed),
        "dcr_share": closest_record_share(train.iloc[:half], train.iloc[half:], held_out, seed),
    }


def _scores(rows: "DataFrame", train: "DataFrame", held_out: "DataFrame", seed: int) -> dict[str, float]:
    size = min(len(rows), len(held_out))
    parts = [rows.iloc[start : start + size] for start in range(0, len(rows) - size + 1, size)]
    return {
        "quality": quality(rows, held_out),
        "auc_held_out": float(np.mean([two_sample_auc(part, held_out, seed) for part in parts])),
        **train_on_rows(rows.iloc[: len(train)], held_out),
        **violations(rows),
    }


def draw(model: Any, n: int, seed: int) -> "DataFrame":
    """`n` rows sampled from a model, with `COLUMNS`. UserError for a model of another kind."""
    import pandas as pd
    import torch

    drawn = model.sample(n, generator=torch.Generator().manual_seed(seed))
    if not isinstance(drawn, Mapping):
        raise UserError(f"{type(model).__name__} samples no rows of the table. Give a model such as `stats`.")
    missing = [name for name in _DRAWN if name not in drawn]
    if missing:
        raise UserError(f"{type(model).__name__} samples no {', '.join(missing)}; the panel needs {', '.join(_DRAWN)}.")
    column = {name: np.asarray(values) for name, values in drawn.items()}
    stats = {label: column[name] for name, label in zip(STATS, STAT_LABELS, strict=True)}
    return pd.DataFrame(
        {
            "Type1": np.array(TYPES)[column["type1"]],
            "Type2": np.array([*TYPES, ""])[column["type2"]],
            "Legendary": np.array(["False", "True"])[column["legendary"]],
            "Color": np.array(COLORS)[column["color"]],
            "Stage": column["stage"].astype(str),
            "Total": column["total"] if "total" in column else sum(stats.values()),
            **stats,
            "Height (m)": column["height_m"],
            "Weight (kg)": column["weight_kg"],
        }
    )


def independent_columns(train: "DataFrame", n: int, rng: np.random.Generator) -> "DataFrame":
    """`n` rows with every column sampled independently from the training rows; Total is the sum."""
    import pandas as pd

    rows = pd.DataFrame({name: rng.choice(train[name].to_numpy(), n) for name in COLUMNS})
    return rows.assign(Total=rows[list(STAT_LABELS)].sum(axis=1))


def quality(rows: "DataFrame", real: "DataFrame") -> float:
    """SDMetrics' quality score (0.27 and later) in [0, 1], from its definition: the mean of the column shapes
    (complements of the Kolmogorov-Smirnov and the total-variation distance) and of the column pairs (1 - half the
    difference of the Pearson correlations, if the real one is above 0.5; the total-variation complement of contingency
    tables, if the real Cramér's V is above 0.3). SDMetrics itself is not used, because a dependency of it is under the
    Business Source License. `benchmarks/stats.py` shows that the two agree, if SDMetrics is installed.

    Real rows are not its upper limit: a contingency table divides each side's own range into ten bins, so that a single
    heavy row moves the score, and a Gaussian copula can score higher than real rows.
    """
    import pandas as pd
    from scipy.stats import ks_2samp
    from scipy.stats.contingency import association

    def overlap(a: Any, b: Any) -> float:  # of two tables of counts
        return float(np.minimum(*pd.concat([a / a.sum(), b / b.sum()], axis=1).fillna(0).to_numpy().T).sum())

    def codes(frame: "DataFrame", name: str) -> Any:
        column = frame[name]
        return column if name in _VALUES else np.digitize(column, np.histogram_bin_edges(column))

    shapes = [
        overlap(real[name].value_counts(), rows[name].value_counts())
        if name in _VALUES
        else 1 - ks_2samp(real[name], rows[name]).statistic
        for name in COLUMNS
    ]
    pairs = []
    for a, b in combinations(COLUMNS, 2):
        if a in _VALUES or b in _VALUES:
            tables = [pd.crosstab(codes(frame, a), codes(frame, b)) for frame in (real, rows)]
            if min(tables[0].shape) > 1 and association(tables[0].to_numpy(), method="cramer") > 0.3:
                pairs.append(overlap(*(table.stack() for table in tables)))
        elif abs(real[a].corr(real[b])) > 0.5 and not np.isnan(rows[a].corr(rows[b])):
            pairs.append(1 - abs(real[a].corr(real[b]) - rows[a].corr(rows[b])) / 2)
    return float(np.mean([np.mean(shapes), np.mean(pairs)]))


def two_sample_auc(a: "DataFrame", b: "DataFrame", seed: int = 0) -> float:
    """AUC of boosted trees that separate rows `a` from rows `b`, in [0, 1]: mean of five folds, 0.5 if they are alike.

    Equal sizes: the larger set is cut to its first rows. Rows of one Family, from either side, share a fold.
    """
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    n = min(len(a), len(b))
    both = pd.concat([a.iloc[:n], b.iloc[:n]], ignore_index=True)
    features, label = _features(both), np.arange(2 * n) >= n
    alone = both.index.to_series().astype(str)  # sampled rows have no relatives
    family = both["Family"].fillna(alone) if "Family" in both else alone
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(features, label, family)
    aucs = []
    for seen, unseen in folds:
        trees = HistGradientBoostingClassifier(categorical_features="from_dtype")
        trees.fit(features.iloc[seen], label[seen])
        aucs.append(roc_auc_score(label[unseen], trees.predict_proba(features.iloc[unseen])[:, 1]))
    return float(np.mean(aucs))


def closest_record_share(rows: "DataFrame", train: "DataFrame", held_out: "DataFrame", seed: int = 0) -> float:
    """Share of rows whose nearest real row is a training row rather than a held-out one, in [0, 1]; ties count half.

    Equal sizes: whole families of the larger set, mean of ten draws. Distance: Gower's (Biometrics 1971), the mean over
    all columns but Total of 0 or 1 for a category, and the difference of ranks among the real rows for a number.
    """
    import pandas as pd

    n = min(len(train), len(held_out))
    real = pd.concat([train, held_out])
    to_train, to_held_out = _distances(rows, train, real), _distances(rows, held_out, real)
    shares = []
    for k in range(10):
        place = [_family_order(frame, 10 * seed + k)[:n] for frame in (train, held_out)]
        near, other = to_train[:, place[0]].min(axis=1), to_held_out[:, place[1]].min(axis=1)
        shares.append(np.mean((near < other) + 0.5 * (near == other)))
    return float(np.mean(shares))


def train_on_rows(rows: "DataFrame", real: "DataFrame") -> dict[str, float]:
    """`legendary_auc` and `type1_f1`, on real rows, of boosted trees trained on `rows`."""
    from sklearn.metrics import f1_score, roc_auc_score

    names, chance = _learn(rows, real, "Legendary")
    legendary = chance[:, names.index("True")] if "True" in names else np.zeros(len(real))
    types, likely = _learn(rows, real, "Type1")
    guess = np.array(types)[likely.argmax(axis=1)]
    known = sorted(set(real["Type1"]))
    return {
        "legendary_auc": float(roc_auc_score(real["Legendary"] == "True", legendary)),
        "type1_f1": float(f1_score(real["Type1"], guess, labels=known, average="macro", zero_division=0)),
    }


def _learn(rows: "DataFrame", real: "DataFrame", target: str) -> tuple[list[str], np.ndarray]:
    """The values of `target` in `rows`, and their probabilities in the real rows: (N, values)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    names = sorted(set(rows[target]))
    if len(names) == 1:  # nothing to learn: all rows are alike
        return names, np.ones((len(real), 1))
    # 30 trees per class: more score the same on 18 types, at proportionally higher cost.
    trees = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=30)
    trees.fit(_features(rows).drop(columns=target), rows[target])
    return list(trees.classes_), trees.predict_proba(_features(real).drop(columns=target))


def violations(rows: "DataFrame") -> dict[str, float]:
    """Share of rows that break each rule, and any rule, in [0, 1]."""
    stats, sizes = rows[list(STAT_LABELS)], rows[list(_SIZES)]
    broken = {
        "total": rows["Total"] != stats.sum(axis=1),
        "types": rows["Type1"] == rows["Type2"],
        "stats": ((stats != stats.round()) | (stats < STAT_MIN) | (stats > STAT_MAX)).any(axis=1),
        "size": ((sizes <= 0) | ((10 * sizes - (10 * sizes).round()).abs() > 1e-6)).any(axis=1),
        "words": ~np.logical_and.reduce([rows[name].isin(values) for name, values in _VALUES.items()]),
    }
    return {
        "violations": float(np.logical_or.reduce(list(broken.values())).mean()),
        **{f"violations_{rule}": float(np.mean(rows)) for rule, rows in broken.items()},
    }


def _features(rows: "DataFrame") -> "DataFrame":
    """Inputs of the trees; a value outside the vocabulary is missing."""
    import pandas as pd

    columns = {name: pd.Categorical(rows[name], categories=list(values)) for name, values in _VALUES.items()}
    return pd.DataFrame({**columns, **{name: rows[name].to_numpy(float) for name in _NUMBERS}})


def _distances(rows: "DataFrame", others: "DataFrame", real: "DataFrame") -> np.ndarray:
    """(rows, others), in [0, 1]."""
    names = [name for name in COLUMNS if name != "Total"]
    total = np.zeros((len(rows), len(others)))
    for name in names:
        if name in _VALUES:
            total += rows[name].to_numpy()[:, None] != others[name].to_numpy()
        else:
            scale = np.sort(real[name].to_numpy(float))
            mine, theirs = (_rank(frame[name].to_numpy(float), scale) for frame in (rows, others))
            total += np.abs(mine[:, None] - theirs)
    return total / len(names)


def _rank(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Rank of values (N,) among sorted ones, in [0, 1]; equal values share their middle rank."""
    return (np.searchsorted(scale, values, "left") + np.searchsorted(scale, values, "right")) / (2 * len(scale))


def _family_order(rows: "DataFrame", seed: int) -> np.ndarray:
    """Positions of the rows (N,): families in random order, each kept together."""
    _, family = np.unique(rows["Family"].to_numpy(str), return_inverse=True)
    return np.random.default_rng(seed).permutation(family.max() + 1)[family].argsort(kind="stable")


def _by_family(rows: "DataFrame", seed: int) -> "DataFrame":
    return rows.iloc[_family_order(rows, seed)]


def _parts(splits: Mapping[str, "DataFrame"]) -> tuple["DataFrame", "DataFrame", "DataFrame"]:
    """Training, held-out and all real rows. UserError if there are too few."""
    import pandas as pd

    train, held_out = splits["train"], pd.concat([splits["val"], splits["test"]], ignore_index=True)
    for name, rows in (("training", train), ("held-out", held_out)):
        if len(rows) < _FEWEST:
            raise UserError(f"Expected {_FEWEST} {name} species or more, got {len(rows)}. Use a larger table.")
    if held_out["Legendary"].nunique() < 2:
        raise UserError("Expected legendary and other species among the held-out, got one kind. Use a larger table.")
    return train, held_out, pd.concat([train, held_out], ignore_index=True)


def _checked(samples: "DataFrame", fewest: int) -> "DataFrame":
    """A user's rows as `COLUMNS`: words as strings, numbers as floats. Raises UserError."""
    import pandas as pd

    advice = f"`pokegen stats --count {fewest} --out FILE` writes what is needed."
    missing = [name for name in COLUMNS if name not in samples]
    if missing:
        raise UserError(f"The samples have no column {', '.join(repr(name) for name in missing)}. {advice}")
    if len(samples) < fewest:
        raise UserError(f"Expected {fewest} samples or more, as many as real rows, got {len(samples)}. {advice}")
    rows = pd.DataFrame(index=range(len(samples)))
    for name in _VALUES:
        rows[name] = samples[name].astype(object).where(samples[name].notna(), "").astype(str).to_numpy()
    rows["Legendary"] = rows["Legendary"].str.capitalize()
    for name in _NUMBERS:
        rows[name] = pd.to_numeric(samples[name], errors="coerce").to_numpy(float)
        wrong = np.flatnonzero(~np.isfinite(rows[name]))
        if len(wrong):
            got = samples[name].iloc[wrong[0]]
            raise UserError(f"Samples, row {wrong[0] + 2}, column {name!r}: expected a number, got {str(got)!r}.")
    return rows


def _summary(repeats: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric, and its sample standard deviation as NAME_std."""
    summary: dict[str, float] = {}
    for name in METRICS:
        values = [repeat[name] for repeat in repeats]
        summary |= {name: float(np.mean(values)), f"{name}_std": float(np.std(values, ddof=1))}
    return summary
