"""Compares created evolution lines with real ones: growth, changes of type, similarity of names.

    python benchmarks/lines.py

Lines of two and three forms of the shipped models, compared with the real ones of held-out families and of training
families. The two-sample AUC is that of boosted trees on one row per evolution step, with whole lines in one fold; 0.5
means the same distribution. Computed with and without the names, because real names often share no root, and a third
of the real colours change.
"""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from pokegen.cards import evolution
from pokegen.cards.generator import Generator
from pokegen.cards.request import Request
from pokegen.models.names import edit_distance
from pokegen.schema import STAT_LABELS, STATS
from pokegen.text import plain

LINES = 250  # drawn of each length


def steps_of(lines: list[list[dict]]) -> pd.DataFrame:
    """A row a step; the line's number is its group."""
    rows = []
    for number, line in enumerate(lines):
        for before, after in pairwise(line):
            growth = [after["stats"][i] - before["stats"][i] for i in range(len(STATS))]
            longest = max(len(before["name"]), len(after["name"]))
            rows.append(
                {
                    "line": number,
                    "forms": len(line),
                    "stage": after["stage"],
                    **dict(zip(STAT_LABELS, growth, strict=True)),
                    "total before": sum(before["stats"]),
                    "growth": sum(growth),
                    "height ratio": after["height"] / before["height"],
                    "weight ratio": after["weight"] / before["weight"],
                    "type gained": float(len(after["types"]) > len(before["types"])),
                    "types": len(after["types"]),
                    "name distance": edit_distance(before["name"], after["name"]) / longest,
                    "shared letters": evolution.shared(before["name"], after["name"]),
                }
            )
    return pd.DataFrame(rows)


def real(length: int, *splits: str) -> list[list[dict]]:
    return [
        [
            {
                "stats": s.stats, "height": s.height_m, "weight": s.weight_kg, "stage": s.stage, "name": plain(s.name),
                "types": [s.type1, *([s.type2] if s.type2 else [])],
            }
            for s in line
        ]
        for line in evolution.lines(length, splits)
    ]  # fmt: skip


def drawn(generator: Generator, length: int) -> list[list[dict]]:
    cards = list(generator.cards(Request(evolutions=length, legendary=False, count=LINES, seed=1)))
    rows = [
        {
            "stats": tuple(card.stats[stat] for stat in STATS), "height": card.height_m, "weight": card.weight_kg,
            "stage": card.stage, "name": plain(card.name), "types": card.types,
        }
        for card in cards
    ]  # fmt: skip
    return [rows[i : i + length] for i in range(0, len(rows), length)]


def auc(a: pd.DataFrame, b: pd.DataFrame, seed: int) -> float:
    """Five folds, lines whole."""
    both = pd.concat([a, b.assign(line=b["line"] + 10_000)], ignore_index=True)
    label = np.arange(len(both)) >= len(a)
    features, found = both.drop(columns="line"), []
    for seen, unseen in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(features, label, both["line"]):
        trees = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
        trees.fit(features.iloc[seen], label[seen])
        found.append(roc_auc_score(label[unseen], trees.predict_proba(features.iloc[unseen])[:, 1]))
    return float(np.mean(found))


def main() -> None:
    torch.set_num_threads(1)
    generator = Generator.from_zoo()
    tables = {
        "drawn": steps_of([line for length in (2, 3) for line in drawn(generator, length)]),
        "real, training": steps_of([line for length in (2, 3) for line in real(length, "train")]),
        "real, held out": steps_of([line for length in (2, 3) for line in real(length, "val", "test")]),
    }
    rooted = {name: table[table["shared letters"] >= evolution.ROOT] for name, table in tables.items()}
    shown = ["total before", "growth", "height ratio", "weight ratio", "type gained", "name distance", "shared letters"]
    print(pd.DataFrame({name: table[shown].median() for name, table in tables.items()}).round(2).to_string())
    for name, table in tables.items():
        print(
            f"{name}: {table['line'].nunique()} lines, {len(table)} steps, gains {table['type gained'].mean():.3f}, "
            f"growth {table['growth'].mean():.1f} ± {table['growth'].std():.1f}, "
            f"weaker {(table['growth'] < 0).mean():.3f}, names with a shared root {len(rooted[name]) / len(table):.2f}"
        )
    names = ["name distance", "shared letters"]
    for label, of, columns in (
        ("growth and types", tables, names),
        ("and names", tables, []),
        ("and names, steps that share a root alone", rooted, []),
    ):
        for first, second in combinations(tables, 2):
            values = [auc(of[first].drop(columns=columns), of[second].drop(columns=columns), seed) for seed in range(3)]
            print(f"AUC by {label}: {first} against {second}: {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}")


if __name__ == "__main__":
    main()
