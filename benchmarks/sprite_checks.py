"""Three plain checks of a shipped sprite model, until the evaluation panel scores it: white border, colour, copies.

    python benchmarks/sprite_checks.py cgan vae                 needs an import of real sprites in data/sprites

For each model, 1,000 sprites of seeds 0, 1 and 2 under the conditions of held-out species; beside them real sprites:

    white border    share of the pixels of the outermost ring of 2 that are white (all channels from 250 up)
    colour          share whose drawn pixels have the asked colour's species as nearest, by mean RGB of the colour
    to train, held-out    median distance to the nearest real sprite (RMS of 32×32 RGB, 0 to 255), among equally many
                    training and held-out sprites; copies of training sprites would make the first much the smaller
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from pokegen import hub
from pokegen.cards.generator import to_pixels
from pokegen.data.modules import SpriteDataModule
from pokegen.models.condition import CONDITIONS
from pokegen.schema import COLORS

COLOR = CONDITIONS.index("color")


def border(sprites: np.ndarray) -> float:
    ring = np.ones(sprites.shape[1:3], dtype=bool)
    ring[2:-2, 2:-2] = False
    return float((sprites[:, ring].min(axis=2) >= 250).mean())


def ink(sprites: np.ndarray) -> np.ndarray:
    """Mean RGB of what is drawn: (N, 3)."""
    drawn = (sprites.min(axis=3, keepdims=True) < 240).astype(np.float32)
    return (sprites * drawn).sum(axis=(1, 2)) / np.maximum(1, drawn.sum(axis=(1, 2)))


def small(sprites: np.ndarray) -> torch.Tensor:
    """uint8 (N, 128, 128, 3) → float32 (N, 3072), 32×32, as RMS distances are taken of it."""
    images = torch.from_numpy(sprites).permute(0, 3, 1, 2).float()
    return torch.nn.functional.avg_pool2d(images, 4).flatten(1) / 3072**0.5


def nearest(sprites: np.ndarray, real: torch.Tensor) -> float:
    return float(torch.cdist(small(sprites), real).min(dim=1).values.median())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--root", type=Path, default=Path("data/sprites"))
    parser.add_argument("--count", type=int, default=1000)
    args = parser.parse_args()

    data = SpriteDataModule(str(args.root), styles=["pixel"], rotation=0, flip=0)
    data.setup("test")
    rng = np.random.default_rng(0)
    train, test = data.datasets["train"], data.datasets["test"]
    size = min(len(train) // 2, len(test) // 2)
    order = rng.permutation(len(train))
    real_train = train.pixels[train.rows[order[:size]]]
    other_train = train.pixels[train.rows[order[size : 2 * size]]]
    held_order = rng.permutation(len(test))
    real_test = test.pixels[test.rows[held_order[:size]]]
    colors = train.conditions[order[: 20 * size], COLOR].numpy()
    inks = ink(train.pixels[train.rows[order[: 20 * size]]])
    centres = np.stack([inks[colors == c].mean(axis=0) for c in range(len(COLORS))])
    references = small(real_train), small(real_test)

    def row(name: str, sprites: np.ndarray, asked: np.ndarray) -> None:
        guess = np.linalg.norm(ink(sprites)[:, None] - centres, axis=2).argmin(axis=1)
        distances = [nearest(sprites, reference) for reference in references]
        figures = f"{border(sprites):12.3f} {(guess == asked).mean():8.3f} {distances[0]:9.1f} {distances[1]:9.1f}"
        print(f"{name:<24} {figures}", flush=True)

    print(f"{size} real sprites on each side\n{'':<24} white border   colour  to train  held-out")
    row("real, other training", other_train, train.conditions[order[size : 2 * size], COLOR].numpy())
    for name in args.models:
        for seed in (0, 1, 2):
            rows = test.conditions[rng.integers(len(test), size=args.count)]
            condition = {key: rows[:, i] for i, key in enumerate(CONDITIONS)}
            model, generator = hub.load(name).model, torch.Generator().manual_seed(seed)
            batches = [
                to_pixels(model.sample(len(part), {k: v[i : i + 50] for k, v in condition.items()}, generator))
                for i, part in ((i, rows[i : i + 50]) for i in range(0, args.count, 50))
            ]
            row(f"{name}, seed {seed}", np.concatenate(batches), rows[:, COLOR].numpy())


if __name__ == "__main__":
    main()
