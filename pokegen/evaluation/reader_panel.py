"""How well a reader predicts types, colours and stages from the names of unseen families, compared with base rates.

Left out: second types and sizes, which names hardly predict (`benchmarks/reader.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

# What the columns mean, for each column that is read.
METRICS = {
    "top1": "share of names whose likeliest value is right, higher is better",
    "top3": "share of names with the right value among the likeliest three, higher is better",
    "nats": "mean surprise at the right value, lower is better",
}


def evaluate_reader(model: Any, splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Score a `models.reader.Reader`.

    Args:
        model: a reader with `read` and `usual`.
        splits: split → columns as `data.reader_data.ReaderDataModule.columns`; `train` is not scored.

    Returns:
        `rows`: "model, SPLIT" and "usual, SPLIT" (the base rates) → COLUMN_metric → value, and COLUMN_top1_se, its
        standard error.
    """
    rows: dict[str, dict[str, float]] = {}
    for split, columns in splits.items():
        if split == "train":
            continue
        read = [model.read(name)[0] for name in columns["name"]]
        scored: dict[str, dict[str, float]] = {"model": {}, "usual": {}}
        for key in read[0]:
            right = columns[key].argmax(dim=1).numpy()
            likely = {
                "model": torch.stack([each[key] for each in read]).numpy(),
                "usual": np.tile(model.usual(key).numpy(), (len(right), 1)),
            }
            for row, values in likely.items():
                scored[row] |= {f"{key}_{metric}": value for metric, value in scores(values, right).items()}
        rows |= {f"{row}, {split}": values for row, values in scored.items()}
    return {"rows": rows}


def scores(likely: np.ndarray, right: Sequence[int] | np.ndarray) -> dict[str, float]:
    """`METRICS` of distributions (N, values) with true values (N,), and the standard error of the first metric."""
    place = np.arange(len(right))
    order = np.argsort(-likely, axis=1, kind="stable") == np.asarray(right)[:, None]
    top1 = float(order[:, 0].mean())
    return {
        "top1": top1,
        "top1_se": float(np.sqrt(top1 * (1 - top1) / len(right))),
        "top3": float(order[:, :3].any(axis=1).mean()),
        "nats": float(-np.log(likely[place, right] + 1e-9).mean()),
    }
