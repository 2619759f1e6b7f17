"""The panel of sprites: how realistic, varied and clean they are, whether they match the conditions, and copies.

Each row of the result is a set of pictures. Models are compared with floors and ceilings made of real sprites, all
measured in the same way:

    real                other pictures of the species in the reference
    unseen species      real sprites of held-out families
    glued, blended, blurred, noise      the `real` ones degraded, see `references`

Metrics that depend on the number of pictures use the same number in each row, and are None if there are too few. The
networks that judge train no model. The judge chooses checkpoints, on validation families; the random networks choose
nothing. Train on generated, test on real is Ravuri and Vinyals, Classification Accuracy Score (NeurIPS 2019), with a
linear classifier instead of their ResNet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from pokegen.errors import UserError
from pokegen.evaluation import references, report
from pokegen.evaluation.distances import density_coverage, frechet_distance, sliced_wasserstein
from pokegen.evaluation.features import Features, RandomNet, ReferenceFeatures, as_images, features
from pokegen.evaluation.memorisation import copy_metrics, distances, fit_copy_baseline
from pokegen.images import as_judged, grid
from pokegen.models.classifier import type_targets
from pokegen.models.condition import CONDITIONS
from pokegen.models.pixels import to_pixels

METRICS = {
    "pictures": "number of pictures",
    "kernel_distance": "MMD² in the judge's features, the mean over its depths, each divided by that of blends: 0"
    " is as real sprites, 1 as far as two sprites blended; lower is better, and models are selected by it",
    "random_distance": "the same in the features of three random networks; lower is better",
    "frechet_distance": "in 48 principal components of the judge's features, the mean over its depths, each "
    "divided by that of blends; biased upwards, alike in each row; lower is better",
    "sliced_wasserstein": "sliced Wasserstein distance of patches, the mean over four scales; lower is better",
    "density": "in the judge's features at 8×8; real is about 1, higher is better",
    "coverage": "in the judge's features at 8×8; real is about 1, higher is better",
    "species_coverage": "share of the reference's species that are nearest to one of 1,000 pictures; higher is better",
    "type_accuracy": "share of pictures whose likeliest type by the type judge is one of the requested types; "
    "higher is better",
    "type_f1": "F1 of the likeliest types, as many as were requested, the mean over the 18; higher is better",
    "train_on_generated": "share of unseen real sprites whose likeliest type is right by a linear classifier of "
    "the judge's features, fitted to these pictures and their requested types; higher is better",
    "white_border": "share of white pixels in the outermost ring of 2; higher is better",
    "palette": "colours that cover 95 % of the drawing, at 4 bits a channel, the median; near real is better",
    "components": "separate parts of 8 pixels or more, the mean; near real is better",
    "copy_ratio": "distance of 250 pictures to training sprites divided by their distance to unseen ones, in "
    "units of the same ratio of unseen real sprites: 1 where nothing is copied, towards 0 for copies",
    "copies": "share of 250 pictures nearer to a training sprite than 99 % of unseen real sprites are; lower is better",
    "inception_fid": "the Fréchet inception distance to the training sprites, of the first seed; without floor or"
    " ceiling; lower is better",
}

DISTANCES = ("kernel_distance", "random_distance", "frechet_distance", "sliced_wasserstein")
REAL, UNSEEN = "real", "unseen species"
MIN_PICTURES = 60  # fewer do not describe a distribution
EQUAL = 250  # pictures of a row in metrics that depend on their number
COMPONENTS = 48
RANDOM_SEEDS = (0, 1, 2)
_DRAWS = 1000  # pictures in species_coverage
_WORSE = 600  # pictures of a row of degraded sprites, and of any row for the random networks
_LOOKED_AT = 250  # pictures in metrics that are slow per picture: patches, neighbours


@dataclass(frozen=True)
class Sprites:
    """Pictures uint8 (N, 128, 128, 3), and their `conditions` int64 (N, C), requested or real: the first C of
    `models.condition.CONDITIONS`, at least the two types. `species` int64 (N,): national numbers."""

    pictures: np.ndarray
    conditions: np.ndarray | None = None
    species: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, rows: np.ndarray) -> "Sprites":
        known = (None if a is None else a[rows] for a in (self.conditions, self.species))
        return Sprites(self.pictures[rows], *known)


def draw(model: Any, conditions: np.ndarray, count: int, seed: int = 0) -> Sprites:
    """`count` sprites of a model, with conditions drawn at random from `conditions` int64 (N, 7)."""
    rows = conditions[np.random.default_rng(seed).integers(len(conditions), size=count)]
    generator, parts = torch.Generator().manual_seed(seed), []
    for start in range(0, count, 50):
        part = torch.from_numpy(rows[start : start + 50])
        condition = dict(zip(CONDITIONS, part.unbind(1), strict=True))
        parts.append(at_panel_size(to_pixels(model.sample(len(part), condition=condition, generator=generator))))
    return Sprites(np.concatenate(parts), rows)


def at_panel_size(pictures: np.ndarray) -> np.ndarray:
    """Real or generated pictures uint8 (N, S, S, 3), prepared for the judges alike: see `images.as_judged`."""
    return np.stack([as_judged(picture) for picture in pictures])


class SpritePanel:
    """Scores sets of sprites against real ones.

    Args:
        trained: real sprites of the training families, with conditions and species. Half of each species' pictures are
            the reference, the other half the row `real`.
        unseen: real sprites of held-out families, with conditions.
        judge: a Classifier whose features are compared.
        type_judge: a Classifier of types, trained separately from the judge.
        seed: of the split into halves and of all other sampling.
    """

    def __init__(self, trained: Sprites, unseen: Sprites, judge: Any, type_judge: Any, seed: int = 0):
        for name, sprites, fewest in (("training", trained, 2 * MIN_PICTURES), ("held-out", unseen, MIN_PICTURES)):
            if len(sprites) < fewest:
                raise UserError(f"The panel needs {fewest} real {name} sprites, but there are {len(sprites)}.")
        assert trained.species is not None and unseen.species is not None
        unseen = unseen.take(np.random.default_rng(seed).permutation(len(unseen)))  # some metrics use the first ones
        self.trained, self.unseen, self.type_judge, self.seed = trained, unseen, type_judge, seed
        first, second = split_species(trained.species, seed)
        self.reference, self.same = trained.take(first), trained.take(second)
        self.judge_features = ReferenceFeatures(judge, self.reference.pictures, seed)
        self.random = [ReferenceFeatures(RandomNet(s), self.reference.pictures[:_WORSE], seed) for s in RANDOM_SEEDS]
        self.seen_unseen = self.judge_features.embed(unseen.pictures)
        self.axes = {
            d: torch.linalg.svd(f, full_matrices=False)[2][:COMPONENTS].T
            for d, f in self.judge_features.reference.items()
        }
        table, own = distances(unseen.pictures, trained.pictures), distances(unseen.pictures, unseen.pictures)
        numbers = np.asarray(unseen.species)
        self.baseline = fit_copy_baseline(table, own, numbers)
        self.half_baseline = fit_copy_baseline(
            table[:, first], own, numbers
        )  # for rows that can have copied only the reference
        self.equal = min(EQUAL, len(self.same), len(unseen))
        blended = self.judge_features.embed(references.blended(self.reference.pictures, seed)[:_WORSE])
        real, other = next(self._draws(blended))
        self.unit = {d: frechet_distance(real[d], other[d]) for d in real}

    def references(self) -> dict[str, Sprites]:
        """The floors and ceilings, by row name."""
        same, seed = self.same.pictures[:_WORSE], self.seed
        return {
            REAL: self.same,
            UNSEEN: self.unseen,
            "glued": Sprites(references.glued(same, seed)),
            "blended": Sprites(references.blended(same, seed + 1)),
            "blurred": Sprites(references.blurred(same)),
            "noise": Sprites(references.noise(same, seed)),
        }

    def score(self, sprites: Sprites, made_of_real: bool = False) -> dict[str, Any]:
        """The metrics of a row, in random order, and under `depths` the kernel distance at each depth. `made_of_real`:
        the row is made of real sprites, so it can contain copies of the reference only. UserError for too few
        pictures."""
        if len(sprites) < MIN_PICTURES:
            raise UserError(f"The panel needs {MIN_PICTURES} pictures or more, got {len(sprites)}.")
        seen = self.judge_features.embed(sprites.pictures)
        depths = self.judge_features.kernel_distances(seen)
        few = sprites.pictures[np.random.default_rng(self.seed).permutation(len(sprites))[:_LOOKED_AT]]
        return {
            "kernel_distance": float(np.mean(list(depths.values()))),
            "random_distance": float(
                np.mean([net.kernel_distance(net.embed(sprites.pictures[:_WORSE])) for net in self.random])
            ),
            **self._of_equal_numbers(seen),
            "sliced_wasserstein": float(
                np.mean(sliced_wasserstein(self.reference.pictures[:_LOOKED_AT], few, self.seed))
            ),
            "species_coverage": self._species_coverage(sprites, seen),
            **self._types(sprites, seen),
            "white_border": white_border(sprites.pictures),
            "palette": float(np.median([palette(p) for p in few])),
            "components": float(np.mean([components(p) for p in few])),
            **self._copies(sprites, few, made_of_real),
            "depths": depths,
        }

    def pictures(self, sprites: Sprites) -> dict[str, Image.Image]:
        """Samples, the likeliest copies each next to their four nearest training sprites, and histograms."""
        few = sprites.pictures[:_LOOKED_AT]
        table = distances(few, self.trained.pictures)
        likeliest = table.min(axis=1).argsort()

        def side_by_side(chosen: np.ndarray) -> Image.Image:
            """Each picture followed by its four nearest training sprites, two per line."""
            nearest = table[chosen].argsort(axis=1)[:, :4]
            pairs = [p for i, near in zip(chosen, nearest, strict=True) for p in (few[i], *self.trained.pictures[near])]
            return grid(np.stack(pairs), 10)

        rows = {"these": few, REAL: self.same.pictures[:_LOOKED_AT], UNSEEN: self.unseen.pictures[:_LOOKED_AT]}
        near = {"these": table, UNSEEN: distances(rows[UNSEEN], self.trained.pictures)}
        counts = {
            "distance to the nearest training sprite": {name: table.min(axis=1) for name, table in near.items()},
            "palette": {name: np.array([palette(p) for p in row]) for name, row in rows.items()},
            "components": {name: np.array([components(p) for p in row]) for name, row in rows.items()},
        }
        return {
            "samples": grid(few[:64], 16),
            "sixteen, each before the four training sprites nearest to it": side_by_side(np.arange(16)),
            "the eight nearest to a training sprite, each before its four nearest": side_by_side(likeliest[:8]),
            "compared with real sprites": report.histograms(counts),
        }

    def _of_equal_numbers(self, seen: Features) -> Mapping[str, float | None]:
        """Metrics that depend on the number of pictures, averaged over four draws of equal size."""
        names = ("frechet_distance", "density", "coverage")
        if len(seen["8"]) < self.equal:
            return dict.fromkeys(names)
        draws = []
        for real, other in self._draws(seen):
            frechet = [frechet_distance(real[d], other[d]) / self.unit[d] for d in real]
            draws.append((float(np.mean(frechet)), *density_coverage(real["8"], other["8"])))
        return dict(zip(names, np.mean(np.array(draws), axis=0).tolist(), strict=True))

    def _draws(self, seen: Features) -> Iterator[tuple[Features, Features]]:
        """Four draws of equally many pictures of the reference and the row, in principal components."""
        rng = np.random.default_rng(self.seed)
        for _ in range(4):
            a, b = (
                torch.from_numpy(rng.permutation(len(f["8"]))[: self.equal])
                for f in (self.judge_features.reference, seen)
            )
            yield (
                {d: self.judge_features.reference[d][a] @ axes for d, axes in self.axes.items()},
                {d: seen[d][b] @ axes for d, axes in self.axes.items()},
            )

    def _species_coverage(self, sprites: Sprites, seen: Features) -> float | None:
        if len(sprites) < _DRAWS or self.reference.species is None:
            return None
        rows = torch.from_numpy(np.random.default_rng(self.seed).permutation(len(sprites))[:_DRAWS])
        axes = self.axes["4"]
        found = torch.cdist(seen["4"][rows] @ axes, self.judge_features.reference["4"] @ axes).argmin(dim=1).numpy()
        species = self.reference.species
        return len(np.unique(species[found])) / len(np.unique(species))

    def _types(self, sprites: Sprites, seen: Features) -> Mapping[str, float | None]:
        names = ("type_accuracy", "type_f1", "train_on_generated")
        if sprites.conditions is None:
            return dict.fromkeys(names)
        targets = _targets(sprites)
        with torch.inference_mode():
            logits = torch.cat([self.type_judge(images) for images in as_images(sprites.pictures)])
        scores = type_scores(logits.numpy(), targets)
        if sprites is self.unseen:
            return dict(zip(names, (*scores, None), strict=True))
        from sklearn.linear_model import RidgeCV

        linear = RidgeCV(alphas=np.logspace(0, 5, 11)).fit(seen["4"].numpy(), targets)
        transferred, _ = type_scores(linear.predict(self.seen_unseen["4"].numpy()), _targets(self.unseen))
        return dict(zip(names, (*scores, transferred), strict=True))

    def _copies(self, sprites: Sprites, few: np.ndarray, made_of_real: bool) -> Mapping[str, float | None]:
        if sprites is self.unseen:
            return {"copy_ratio": None, "copies": None}  # this row is the baseline of both
        real, control = (self.reference, self.half_baseline) if made_of_real else (self.trained, self.baseline)
        return copy_metrics(distances(few, real.pictures), distances(few, self.unseen.pictures), control)


def evaluate_sprites(
    models: Mapping[str, Callable[[int], Sprites]],
    trained: Sprites,
    unseen: Sprites,
    judge: Any,
    type_judge: Any,
    seeds: Sequence[int] = (0,),
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> tuple[dict[str, Any], dict[str, Image.Image]]:
    """The whole panel: the result for `report`, and pictures of each model for the first seed.

    Args:
        models: name → function that draws the model's sprites from a seed.
        trained, unseen, judge, type_judge: see SpritePanel.
        progress: wraps the iterable of row names, to show progress.
    """
    scores: dict[str, list[dict[str, Any]]] = {}
    pictures: dict[str, Image.Image] = {}
    for seed in seeds:
        panel = SpritePanel(trained, unseen, judge, type_judge, seed)
        floors = panel.references()
        if taken := floors.keys() & models.keys():
            raise UserError(f"{min(taken)!r} is the name of a reference row. Give the model another name.")
        for name in progress([*floors, *models]):
            sprites = floors[name] if name in floors else models[name](seed)
            row = panel.score(sprites, made_of_real=name in floors) | {"pictures": len(sprites)}
            scores.setdefault(name, []).append(row)
            if seed == seeds[0] and name in models:
                pictures |= {f"{name}: {title}": p for title, p in panel.pictures(sprites).items()}
    table = {name: _summary(rows) for name, rows in scores.items()}
    result = {
        "rows": table,
        "out of order": ordering_errors(table) or "nothing",
        "seeds": list(seeds),
        "real sprites": {"trained": len(trained), "unseen": len(unseen)},
    }
    return result, pictures


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of several rows and, for more than one, METRIC_std; None if any row has None."""
    result: dict[str, Any] = {}
    for key, first in rows[0].items():
        values = [row[key] for row in rows]
        if isinstance(first, dict):
            result[key] = _summary(values)
        elif None in values:
            result[key] = None
        else:
            result[key] = float(np.mean(values))
            if len(rows) > 1:
                result[f"{key}_std"] = float(np.std(values, ddof=1))
    return result


def ordering_errors(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One sentence for each distance that violates the expected order: real < glued < blended < noise; real < blurred;
    glued < dcgan, if it is included. Do not trust such a distance."""
    pairs = [(REAL, "glued"), ("glued", "blended"), ("blended", "noise"), (REAL, "blurred"), ("glued", "dcgan")]
    return [
        f"{metric} puts {worse} ({rows[worse][metric]:.3g}) at or before {better} ({rows[better][metric]:.3g})"
        for metric in DISTANCES
        for better, worse in pairs
        if {better, worse} <= rows.keys() and None not in (rows[better][metric], rows[worse][metric])
        if rows[worse][metric] <= rows[better][metric]
    ]


def split_species(species: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint sets of rows, each with half of every species' pictures, in random order. If the number is odd,
    either may have one more."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(species))
    order = order[np.argsort(species[order], kind="stable")]  # grouped by species, random within
    return rng.permutation(order[::2]), rng.permutation(order[1::2])


def type_scores(logits: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Accuracy and macro-F1 of scores (N, 18) against 0 and 1 (N, 18): see `type_accuracy` and `type_f1` in METRICS."""
    from sklearn.metrics import f1_score

    ranks = (-logits).argsort(axis=1).argsort(axis=1)
    predicted = ranks < targets.sum(axis=1, keepdims=True)
    accuracy = targets[np.arange(len(targets)), logits.argmax(axis=1)].mean()
    return float(accuracy), float(f1_score(targets, predicted, average="macro", zero_division=0))


def white_border(pictures: np.ndarray) -> float:
    ring = np.ones(pictures.shape[1:3], dtype=bool)
    ring[2:-2, 2:-2] = False
    return float((pictures[:, ring].min(axis=2) >= 250).mean())


def palette(picture: np.ndarray) -> int:
    """See METRICS. 0 for a white picture."""
    drawn = picture[picture.min(axis=2) < 250].astype(np.int64) >> 4  # (P, 3)
    counts = np.sort(np.bincount(drawn @ np.array([256, 16, 1]), minlength=1))[::-1]
    return int(np.searchsorted(counts.cumsum(), 0.95 * len(drawn)) + 1) if len(drawn) else 0


def components(picture: np.ndarray) -> int:
    """Number of separate parts of the drawing with 8 pixels or more; touching corners connect."""
    from scipy.ndimage import label

    parts, _ = label(picture.min(axis=2) < 250, structure=np.ones((3, 3)))
    return int((np.bincount(parts.ravel())[1:] >= 8).sum())


def _targets(sprites: Sprites) -> np.ndarray:
    assert sprites.conditions is not None
    return type_targets(*torch.from_numpy(sprites.conditions[:, :2]).unbind(1)).numpy()


def score_judge(judge: Any, sprites: Sprites) -> dict[str, float]:
    """The quality of a judge on real sprites: `type_accuracy`, `type_f1`, and `same_species`, the share whose nearest
    other sprite in its deepest features shows the same species (among species with two pictures or more)."""
    assert sprites.species is not None
    with torch.inference_mode():
        logits = torch.cat([judge(images) for images in as_images(sprites.pictures)]).numpy()
    accuracy, f1 = type_scores(logits, _targets(sprites))
    seen = features(judge, sprites.pictures)
    deep = seen[list(seen)[-2]]  # the last one before `body`
    deep = (deep - deep.mean(dim=0)) / deep.std(dim=0).clamp(min=1e-4)
    table = torch.cdist(deep, deep).fill_diagonal_(torch.inf)
    same = sprites.species[table.argmin(dim=1).numpy()] == sprites.species
    _, inverse, counts = np.unique(sprites.species, return_inverse=True, return_counts=True)
    return {"type_accuracy": accuracy, "type_f1": f1, "same_species": float(same[counts[inverse] > 1].mean())}
