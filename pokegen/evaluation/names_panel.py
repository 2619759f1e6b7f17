"""The names panel: how well a model predicts names of unseen evolution families, and the quality of its samples.

Each number is compared with references. Interpolated n-grams with a Dirichlet prior (MacKay & Peto, "A hierarchical
Dirichlet language model", 1995) predict and sample as a model does; order 0 is uniform. Real held-out names show the
values to aim for; the same names with shuffled letters show the values to avoid.

`NameModel.sample` rejects names that are not new, distinct and readable by rule, so those shares are 1 by construction:
the result lists them under `by_construction`, and the row "model, unchecked" shows the candidates before rejection.

Left out: modified Kneser-Ney smoothing, which gains little where most counts are 1; human judgements.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pokegen.data.pokedex import load_pokedex
from pokegen.errors import UserError
from pokegen.models.names import (
    ALPHABET,
    CONDITIONS,
    END,
    MAX_LENGTH,
    MIN_LENGTH,
    NameModel,
    encode,
    encode_condition,
    readable,
)
from pokegen.schema import NO_TYPE
from pokegen.text import normalise

COUNT = 1000  # names sampled for a row
LONGEST = 32  # characters of the longest name that is scored
SYMBOLS = len(ALPHABET) + 1  # including the end of a name
ORDERS = range(7)  # of the n-grams; 0 is uniform
STRENGTHS = (5, 10, 20, 40, 80)
PRONOUNCEABLE_ORDER, PRONOUNCEABLE_SHARE = 3, 0.95

# Meaning of the columns. Chance: the same names with the requested types shuffled, in expectation (exact, not sampled).
METRICS = {
    "bits_val": "bits per character, the end counted as one, validation families; lower is better",
    "bits_val_se": "its standard error, over families",
    "bits_test": "bits per character, the end counted as one, test families; lower is better",
    "bits_test_se": "its standard error, over families",
    "bits_test_above_5gram": "`bits_test` minus that of the 5-gram; lower is better, below 0 is better than the 5-gram",
    "bits_test_above_5gram_se": "the standard error of this difference, over the same families: compare by this one",
    "names": "number of names for the metrics that follow",
    "new": "share at 2 or more edits from every real name (real names: from every other); higher is better",
    "nearest": "median edit distance to the nearest real name; near that of real names is better",
    "distinct": "share of different names; higher is better",
    "readable": "share that follows the spelling rules of `pokegen.models.names`; higher is better",
    "pronounceable": "share whose likelihood per character, under a 3-gram of the training names, reaches that of"
    " the validation names without their least likely 5 %; near that of real names is better",
    "type_top1": "share whose type, guessed from the letters, is one of the requested; higher is better",
    "type_top1_se": "its standard error, over names",
    "type_top1_chance": "its floor: the requested types shuffled",
    "type_f1": "macro-F1 of that guess over the requested types; one guess a name, so two types keep it below 1; "
    "higher is better",
    "type_f1_chance": "its floor: the requested types shuffled",
}
BY_CONSTRUCTION = ("new", "distinct", "readable")  # for names of NameModel.sample

Columns = Mapping[str, Any]  # `name`, a list of N strings; `type1`, `type2`, `stage`, `legendary`, int64 (N,) each


class Predictor(Protocol):
    def bits_per_character(self, names: Sequence[str], condition: Mapping[str, Tensor] | None = None) -> float: ...


class NGram:
    """Counts of up to `order` characters. Each order adds `strength` counts, distributed as the order below predicts.

    Args:
        names: Training names, in any case.
        order: Length of the n-grams, the predicted character included; 0 is the uniform distribution.
        strength: Weight of the order below, in counts.
    """

    def __init__(self, names: Sequence[str], order: int, strength: float = STRENGTHS[0]):
        self.order, self.strength = order, strength
        self.counts: dict[str, np.ndarray] = {}  # context -> (SYMBOLS,)
        for name in names:
            for context, symbol in self._pairs(name):
                for length in range(order):
                    self.counts.setdefault(context[len(context) - length :], np.zeros(SYMBOLS))[symbol] += 1

    def _pairs(self, name: str) -> list[tuple[str, int]]:
        """The context of each character and of the end; `^` marks the beginning of a name."""
        width = max(self.order - 1, 0)
        name = normalise(name)
        text = "^" * width + name
        symbols = [*(ALPHABET.index(c) + 1 for c in name), END]
        return [(text[i : i + width], symbol) for i, symbol in enumerate(symbols)]

    def distribution(self, context: str) -> np.ndarray:
        """Probability of each symbol after `context`, float64 (SYMBOLS,); symbol 0 is the end."""
        p = np.full(SYMBOLS, 1 / SYMBOLS)
        for length in range(self.order):
            counts = self.counts.get(context[len(context) - length :])
            if counts is None:  # longer contexts are unknown too
                break
            p = (counts + self.strength * p) / (counts.sum() + self.strength)
        return p

    def bits_per_character(self, names: Sequence[str], condition: Mapping[str, Tensor] | None = None) -> float:
        """Mean bits per character, the end of a name counted as one. The condition is ignored."""
        pairs = [pair for name in names for pair in self._pairs(name)]
        return float(-np.mean([np.log2(self.distribution(context)[symbol]) for context, symbol in pairs]))

    def sample(self, n: int, generator: np.random.Generator, max_length: int = MAX_LENGTH) -> list[str]:
        """`n` names in lower case, unchecked: none ends before `MIN_LENGTH` characters, each is cut at `max_length`, as
        in the names model.
        """
        width = max(self.order - 1, 0)
        names: list[str] = []
        for _ in range(n):
            text = "^" * width
            while len(text) < width + max_length:
                p = self.distribution(text[len(text) - width :])
                if len(text) < width + MIN_LENGTH:
                    p[END] = 0
                sums = p.cumsum()
                symbol = int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))
                if symbol == END:
                    break
                text += ALPHABET[symbol - 1]
            names.append(text[width:])
        return names


def fit_ngram(train: Sequence[str], validation: Sequence[str], order: int) -> NGram:
    """An n-gram of `train`, with the strength from `STRENGTHS` that predicts `validation` best."""
    gram = NGram(train, order)
    bits = {}
    for gram.strength in STRENGTHS:
        bits[gram.strength] = gram.bits_per_character(validation)
    gram.strength = min(bits, key=bits.__getitem__)
    return gram


def bits_and_error(
    model: Predictor,
    names: Sequence[str],
    condition: Mapping[str, Tensor] | None = None,
    above: Predictor | None = None,
) -> tuple[float, float]:
    """Bits per character of `names`, the end counted as one, and the standard error of this ratio over families.

    With `above`, the difference from another predictor, and the standard error of this paired difference. Names of one
    family resemble each other, so a family is one observation (Cochran, Sampling Techniques, 1977, chapter 6: the ratio
    estimator). A name that is not in the pokédex is a family of its own. UserError for fewer than two families.
    """
    lengths = np.array([len(normalise(name)) + 1 for name in names], float)
    rows = [{key: values[i : i + 1] for key, values in (condition or {}).items()} for i in range(len(names))]
    rates = np.array([model.bits_per_character([name], row) for name, row in zip(names, rows, strict=True)])
    if above is not None:
        rates -= [above.bits_per_character([name]) for name in names]
    bits = rates * lengths
    family = {species.name: species.family for species in load_pokedex()}
    families, of = np.unique([family.get(name, name) for name in names], return_inverse=True)
    if len(families) < 2:
        raise UserError(f"Expected names of 2 evolution families or more to score, got {len(families)}.")
    mean = bits.sum() / lengths.sum()
    residuals = np.bincount(of, bits - mean * lengths)  # one per family
    error = np.sqrt(len(families) / (len(families) - 1) * (residuals**2).sum()) / lengths.sum()
    return float(mean), float(error)


def edit_distances(names: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Levenshtein distance of each name to each of the others, int (N, M)."""
    width, columns = max(map(len, others)), np.arange(len(others))
    lengths = np.array([len(other) for other in others])
    letters = np.array([[ord(c) for c in other.ljust(width)] for other in others]).T  # (W, M)
    ramp = np.arange(width + 1, dtype=np.int16)[:, None]
    distances = np.empty((len(names), len(others)), np.int16)
    for i, name in enumerate(names):
        row = np.broadcast_to(ramp, (width + 1, len(others)))  # (W + 1, M): to the first w letters of each
        for letter in name:
            best = row + np.int16(1)
            np.minimum(best[1:], row[:-1] + (letters != ord(letter)), out=best[1:])
            row = np.minimum.accumulate(best - ramp, axis=0) + ramp  # insertions
        distances[i] = row[lengths, columns]
    return distances


def evaluate_names(
    model: Any, splits: Mapping[str, Columns], seed: int = 0, samples: Sequence[str] | None = None
) -> dict[str, Any]:
    """The names panel.

    Args:
        model: Has `.sample(n, condition, generator)` and `.bits_per_character(names, condition)`, like `NameModel`;
            None if `samples` are given.
        splits: `train`, `val` and `test`, as `pokegen.data.tables.NamesDataModule().columns`. The strengths of the
            n-grams are chosen on `val`; the requested types are those of `val` and `test`, repeated to `COUNT` names.
        seed: Of all sampling.
        samples: Names to score instead of a model's, at most `COUNT` of them, chosen by the seed. They have no
            requested types and no model, so neither type metrics nor bits per character.

    Returns:
        `rows`, name of the row -> metric of `METRICS` -> value: "model" or "samples", then the references;
        `by_construction`, row -> metrics that the row satisfies by construction; `seed`; `n`, the number of names
        sampled for a row.

    Raises:
        UserError: for no samples, or one that is not a name; for both a model and samples, or neither.
    """
    if (model is None) == (samples is None):
        raise UserError("Expected either a model or samples to evaluate.")
    names = {split: [normalise(name) for name in splits[split]["name"]] for split in ("train", "val", "test")}
    real = [name for split in names.values() for name in split]
    held_out = names["val"] + names["test"]
    for name in (*real, *(samples or ())):
        encode([name], LONGEST)
    rng = np.random.default_rng(seed)
    if samples is not None:
        if not samples:
            raise UserError("Expected 1 name or more to evaluate, got none. Write one name per line.")
        samples = [normalise(samples[i]) for i in sorted(rng.permutation(len(samples))[:COUNT])]
    count = COUNT if samples is None else len(samples)

    conditions = {key: torch.cat([splits["val"][key], splits["test"][key]]) for key in CONDITIONS}
    chosen = torch.from_numpy(np.resize(rng.permutation(len(held_out)), count))
    requested_types = _types(conditions)[chosen.numpy()]  # a tensor of one would count as a number
    guess = _type_classifier(names["train"], _types(splits["train"]))
    grams = {order: fit_ngram(names["train"], names["val"], order) for order in ORDERS}
    speaker = grams[PRONOUNCEABLE_ORDER]
    limit = np.quantile([speaker.bits_per_character([name]) for name in names["val"]], PRONOUNCEABLE_SHARE)

    def bits(predictor: Predictor, conditional: bool) -> dict[str, float]:
        row = {}
        for split in ("val", "test"):
            columns = splits[split]
            given = {key: columns[key] for key in CONDITIONS} if conditional else None
            row[f"bits_{split}"], row[f"bits_{split}_se"] = bits_and_error(predictor, columns["name"], given)
            if split == "test":
                above = bits_and_error(predictor, columns["name"], given, above=grams[5])
                row["bits_test_above_5gram"], row["bits_test_above_5gram_se"] = above
        return row

    def shares(drawn: Sequence[str], types: np.ndarray | None, are_real: bool = False) -> dict[str, float]:
        drawn = [normalise(name) for name in drawn]
        distances = edit_distances(drawn, real)
        if are_real:
            distances[np.array(drawn)[:, None] == np.array(real)] = LONGEST
        nearest = distances.min(axis=1)
        spoken = [speaker.bits_per_character([name]) <= limit for name in drawn]
        row = {
            "names": len(drawn),
            "new": float((nearest >= 2).mean()),
            "nearest": float(np.median(nearest)),
            "distinct": len(set(drawn)) / len(drawn),
            "readable": float(np.mean([readable(name) for name in drawn])),
            "pronounceable": float(np.mean(spoken)),
        }
        return row if types is None else row | type_scores(guess(drawn), types)

    rows: dict[str, dict[str, float]] = {}
    by_construction = {}
    if samples is not None:
        rows["samples"] = shares(samples, None)
    else:
        wanted = {key: values[chosen] for key, values in conditions.items()}
        drawn = model.sample(count, wanted, torch.Generator().manual_seed(seed))
        rows["model"] = bits(model, conditional=True) | shares(drawn, requested_types)
        rows["model, no condition"] = bits(model, conditional=False)
        if isinstance(model, NameModel):
            by_construction["model"] = list(BY_CONSTRUCTION)
            with torch.inference_mode():
                generator = torch.Generator().manual_seed(seed)
                drawn = model.draw(encode_condition(wanted, count), "", MAX_LENGTH, 1.0, generator)
            rows["model, unchecked"] = shares([name for name, _ in drawn], requested_types)
    for order in reversed(ORDERS):
        drawn = grams[order].sample(count, np.random.default_rng([seed, order]))
        label = f"{order}-gram" if order else "uniform"
        rows[label] = bits(grams[order], conditional=False) | shares(drawn, requested_types)
    rows["real, held out"] = shares(held_out, _types(conditions), are_real=True)
    shuffled = ["".join(rng.permutation(list(name))) for name in held_out]
    rows["real, letters shuffled"] = shares(shuffled, _types(conditions))
    return {"rows": rows, "by_construction": by_construction, "seed": seed, "n": count}


def type_scores(guesses: np.ndarray, types: np.ndarray) -> dict[str, float]:
    """The metrics `type_…` of one guessed type per name, int (N,), against the requested types, bool (N, 18).

    With p(k) the share of names guessed k and q(k) the share requested k, a random order of the requests makes k right
    for p(k) q(k) of all names. F1 of k is 2 right(k) / (p(k) + q(k)), linear in right(k), so its expectation is exact.
    """
    hits = types[np.arange(len(types)), guesses]  # (N,)
    guessed = np.bincount(guesses, minlength=NO_TYPE) / len(types)  # (18,)
    share = types.mean(axis=0)  # (18,)
    right = np.bincount(guesses, hits, minlength=NO_TYPE) / len(types)
    present = share > 0

    def f1(right: np.ndarray) -> float:
        return float((2 * right[present] / (guessed + share)[present]).mean())

    return {
        "type_top1": float(hits.mean()),
        "type_top1_se": float(np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits))),
        "type_top1_chance": float((guessed * share).sum()),
        "type_f1": f1(right),
        "type_f1_chance": f1(guessed * share),
    }


def _types(columns: Columns) -> np.ndarray:
    """The types of each row, bool (N, 18)."""
    types = np.zeros((len(columns["type1"]), NO_TYPE + 1), bool)
    for key in ("type1", "type2"):
        types[np.arange(len(types)), columns[key].numpy()] = True
    return types[:, :NO_TYPE]


def _type_classifier(names: Sequence[str], types: np.ndarray) -> Any:
    """Guesses types from names, list of N -> int (N,): logistic regression on n-grams of 1 to 4 letters.

    A name with two types counts half for each. Classes are balanced; otherwise guessing Water for every name would
    score well. The n-grams and the balancing were chosen on the validation split, which slightly flatters the row of
    real names.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rows, labels = np.nonzero(types)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
    features = letters.fit_transform(names)
    model = LogisticRegression(class_weight="balanced", max_iter=300)
    model.fit(features[rows], labels, sample_weight=1 / types.sum(axis=1)[rows])
    return lambda drawn: model.predict(letters.transform(drawn))
