"""Does a creature stay the same when its type changes? Compares distances across types with distances across seeds.

    python benchmarks/type_swap.py                       three models, 40 creatures under all 18 types, three seeds
    python benchmarks/type_swap.py --model cgan --root data/sprites

Each creature (a seed) is drawn under each type as `pokegen sprites --by type` does: the latent is fixed, and the colour
follows the type. Pictures are compared by

    features    the judge's, at its three middle depths, each scaled to deviation 1 over all pictures of the model
    shape       1 - intersection over union of the drawing (not white): 0 is the same silhouette, colour aside

`same creature` is the mean distance of one creature under two types, `same type` that of two creatures under one type.
Their ratio is 0 if the type changes nothing, 1 if a creature is no nearer to itself than to any other, and more if the
type determines everything. Real sprites are the comparison: in one game, a species' usual and shiny colouring against
two species that share a first type. This needs an import with shinies in --root; without one, that line is left out.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pokegen import zoo
from pokegen.cards.generator import SPRITE_BATCH, Generator
from pokegen.cards.request import Request
from pokegen.data.modules import CONDITIONS, SpriteDataModule
from pokegen.errors import DataError
from pokegen.evaluation.features import features
from pokegen.schema import TYPES

DEPTHS = ("32", "16", "8")
Ratios = dict[str, tuple[float, float, float]]  # measure → same creature, same type, their ratio
GAME = "heartgold-soulsilver"  # many species, each with its shiny


def distances(judge: torch.nn.Module, pictures: np.ndarray) -> dict[str, Tensor]:
    """Between all pictures, uint8 (N, 128, 128, 3): measure → (N, N)."""
    seen = features(judge, pictures)
    scaled = [(f - f.mean(dim=0)) / f.std(dim=0).clamp(min=1e-4) for f in (seen[depth] for depth in DEPTHS)]
    drawn = torch.from_numpy((pictures.min(axis=3) < 250).reshape(len(pictures), -1)).float()
    both = drawn @ drawn.T
    area = drawn.sum(dim=1)
    union = area[:, None] + area - both
    return {
        "features": torch.stack([torch.cdist(f, f) / f.shape[1] ** 0.5 for f in scaled]).mean(dim=0),
        "shape": 1 - both / union.clamp(min=1),
    }


def ratios(judge: torch.nn.Module, pictures: np.ndarray, creature: Tensor, kind: Tensor, look: Tensor) -> Ratios:
    """Of pictures (N, 128, 128, 3) of creatures, types, and looks (the type or colouring), int64 (N,) each."""
    same = creature[:, None] == creature
    own = same & (look[:, None] != look)
    alike = ~same & (kind[:, None] == kind)
    result = {}
    for name, values in distances(judge, pictures).items():
        a, b = float(values[own].mean()), float(values[alike].mean())
        result[name] = (a, b, a / b)
    return result


def of_model(name: str, judge: torch.nn.Module, creatures: int, seed: int) -> Ratios:
    generator = Generator.from_zoo(name, roles=("sprites",))
    lines = []
    for start in range(0, creatures, SPRITE_BATCH):
        request = Request(count=min(SPRITE_BATCH, creatures - start), seed=seed * 1000 + start)
        lines.append(np.stack([line for _, line in generator.vary_condition("type1", request)]))  # (18, n, 128, 128, 3)
    pictures = np.concatenate(lines, axis=1).reshape(-1, *lines[0].shape[2:])
    kind, creature = torch.meshgrid(torch.arange(len(TYPES)), torch.arange(creatures), indexing="ij")
    return ratios(judge, pictures, creature.flatten(), kind.flatten(), kind.flatten())


def of_real(root: Path, judge: torch.nn.Module) -> Ratios | None:
    data = SpriteDataModule(str(root), games=[GAME], shiny=True, rotation=0, flip=0)
    try:
        data.setup("fit")
    except DataError:
        return None
    train = data.datasets["train"]
    kind, shiny = (train.conditions[:, CONDITIONS.index(key)] for key in ("type1", "shiny"))
    return ratios(judge, train.pixels[train.rows], train.species, kind, shiny)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["projected_gan", "cgan", "cvae"])
    parser.add_argument("--creatures", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=Path("data/sprites"))
    args = parser.parse_args()
    judge = zoo.load("judge").model
    print(f"{'':<15}{'measure':<10}{'same creature':>15}{'same type':>12}{'ratio':>8}")
    for name in args.model:
        runs = [of_model(name, judge, args.creatures, seed) for seed in range(args.seeds)]
        for measure in runs[0]:
            values = np.array([run[measure] for run in runs])  # (seeds, 3)
            mean, spread = values.mean(axis=0), values[:, 2].std(ddof=1) if len(runs) > 1 else 0.0
            print(f"{name:<15}{measure:<10}{mean[0]:>15.3f}{mean[1]:>12.3f}{mean[2]:>8.3f} ± {spread:.3f}")
    for measure, values in (of_real(args.root, judge) or {}).items():
        print(f"{'real':<15}{measure:<10}{values[0]:>15.3f}{values[1]:>12.3f}{values[2]:>8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
