"""The reader's predictions for names of unseen families, compared with the majority class and with letters alone, and
the contributions of the lexicon and of the words.

    python benchmarks/reader.py

Each reader is trained with three seeds (needs pip install 'pokegen[reader]'; about fifteen minutes on two cores).
Held-out names are those of the validation and test families; the epoch was chosen on the former. Letters alone:
logistic regression on n-grams of 1 to 4, its strength chosen in cross-validation over training families. p: McNemar's
exact test (Psychometrika 1947), two-sided, of the first seed's Type1 against that of each baseline, name by name.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from pokegen.data.reader_data import ReaderDataModule
from pokegen.data.splits import split_of
from pokegen.evaluation.reader_panel import METRICS, scores
from pokegen.models.reader import CODES
from pokegen.zoo import export, load

SETTINGS = {
    "names alone": ["--data.words", "0", "--data.lexicon", "false", "--data.epoch_names", "8300"],
    "and the lexicon": ["--data.words", "0"],
    "and the words": [],
}
SEEDS = 3


def trained(options: list[str], seed: int, folder: Path):
    run = f"{folder.name}-{seed}"
    command = ["fit", "--config", "configs/reader.yaml", "--log", "off", "--run", run, "--seed_everything", str(seed)]
    command += ["--data.seed", str(seed), *options]
    subprocess.run([sys.executable, "-m", "pokegen.cli.main", *command], check=True, capture_output=True)
    export(Path("runs") / run, folder / str(seed))
    return load(str(folder / str(seed))).model


def by_letters(train: dict, families: list[str], names: list[str]) -> np.ndarray:
    """Probabilities of the 18 types, (N, 18)."""
    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True),
        LogisticRegression(max_iter=300),
    )
    grid = {"logisticregression__C": [0.5, 2, 8]}
    search = GridSearchCV(model, grid, scoring="accuracy", cv=GroupKFold(5))
    search.fit(train["name"], train["type1"].argmax(dim=1).numpy(), groups=families)
    return search.predict_proba(names)


def main() -> None:
    torch.set_num_threads(1)
    data = ReaderDataModule(words=0)
    train, parts = data.columns["train"], [data.columns["val"], data.columns["test"]]
    names = [name for part in parts for name in part["name"]]
    truth = {key: torch.cat([part[key] for part in parts]).argmax(dim=1).numpy() for key in CODES}
    families = [species.family for species in data.species if split_of(species.family) == "train"]

    def score(likely: np.ndarray, key: str = "type1") -> tuple[np.ndarray, list[float]]:
        """Which names are right at once; top 1, top 3, nats."""
        values = scores(likely, truth[key])
        return likely.argmax(axis=1) == truth[key], [values[metric] for metric in METRICS]

    usual = np.tile(train["type1"].mean(dim=0).numpy(), (len(names), 1))
    baselines = {"majority class": usual, "letters alone": by_letters(train, families, names)}
    print(f"{len(names)} held-out names")
    print(f"{'Type1':<20}{'top 1':>16}{'top 3':>16}{'nats':>16}")
    for label, likely in baselines.items():
        print(f"{label:<20}" + "".join(f"{value:>16.3f}" for value in score(likely)[1]))

    with tempfile.TemporaryDirectory() as folder:
        for label, options in SETTINGS.items():
            results, first = [], None
            for seed in range(SEEDS):
                model = trained(options, seed, Path(folder) / label.replace(" ", "-"))
                read = [model.read(name)[0] for name in names]
                likely = {key: torch.stack([each[key] for each in read]).double().numpy() for key in CODES}
                right, values = score(likely["type1"])
                first = right if first is None else first
                others = [score(likely[key], key)[1][2] for key in CODES if key != "type1"]
                results.append([*values, *others])
            mean, spread = np.mean(results, axis=0), np.std(results, axis=0, ddof=1)
            cells = "".join(f"{f'{m:.3f} ± {s:.3f}':>16}" for m, s in zip(mean, spread, strict=True))
            print(f"{label:<20}{cells}", flush=True)
            for name, likely in baselines.items():
                other, _ = score(likely)
                better, worse = int((first & ~other).sum()), int((other & ~first).sum())
                print(f"{'':<20}{better} names better and {worse} worse than {name}, p = {p_of(better, worse):.2g}")
    base = [train[key].mean(dim=0).numpy()[truth[key]] for key in CODES if key != "type1"]
    nats = ", ".join(f"{key} {-np.log(b).mean():.3f}" for key, b in zip(list(CODES)[1:], base, strict=True))
    print(f"nats of {', '.join(list(CODES)[1:])} follow those of Type1; of the base rates: {nats}")


def p_of(better: int, worse: int) -> float:
    return binomtest(better, better + worse).pvalue if better + worse else 1.0


if __name__ == "__main__":
    main()
