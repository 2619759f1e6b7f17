"""How far a sprite model is from a kernel distance of 0, and why: real sprites, degraded by each step of a model or its
data.

    python benchmarks/sprites.py floors --tokenizer FOLDER       one seed; half a minute per row
    python benchmarks/sprites.py pilots --images 40000           four models, three trainings each
    python benchmarks/sprites.py aids --model projected_gan      framing, few colours, candidates, truncation

floors: each row is the half of the training families' sprites that is not the reference, changed as named. A generator
that is perfect otherwise cannot score below its row. Columns are the judge's depths (64: texture of a few pixels; 4
and body: the whole), their mean, which is the panel's `kernel_distance`, that of random networks, and the palette.

pilots: each model is trained by `pokegen fit` on the same number of images, without rotation, with conditions fading in
over the second quarter, with three seeds, and scored by the panel on test families; existing trainings are not
repeated. The dcgan, which supports no style, sees only the pixel art of the panel's reference, the others every style.
Figures are the mean over the trainings and their deviation; – if --count is too small.

aids: a projected_gan without sampling aids, then with one at a time; validation families.
"""

import argparse
import functools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pokegen import zoo
from pokegen.cli.evaluate import GAMES, JUDGES
from pokegen.data.modules import SpriteDataModule
from pokegen.evaluation.features import RandomNet, ReferenceFeatures, as_images
from pokegen.evaluation.samples import species_conditions
from pokegen.evaluation.sprites_panel import RANDOM_SEEDS, SpritePanel, Sprites, draw, palette, split_species
from pokegen.images import grid
from pokegen.models.augment import translate
from pokegen.models.pixels import to_pixels
from pokegen.models.tokenizer import Tokenizer

ROW = 800  # pictures


def changes(tokenizer: str | None) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    """Name → images (N, 3, 128, 128) in [-1, 1] → as many, changed."""
    yield "as they are", lambda x: x
    yield "mirrored", lambda x: x.flip(3)
    yield "moved by up to 3 pixels", lambda x: translate(x, 3 / 128)
    yield "rotated by up to 8 degrees", rotated
    yield "halved, doubled by nearest neighbour", lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)
    yield (
        "halved, doubled by cubic interpolation",
        lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bicubic"),
    )
    upsampler = zoo.load("cgan").model.upsampler
    yield "halved, doubled by cgan's upsampler", lambda x: upsampler(F.avg_pool2d(x, 2))
    if tokenizer:
        loaded = zoo.load(tokenizer).model
        net: Tokenizer = getattr(loaded, "tokenizer", loaded)
        yield "through the tokenizer and back", lambda x: net.from_tokens(net.tokens(x))


def rotated(images: Tensor) -> Tensor:
    """As SpriteDataModule's `rotation` does."""
    turn = A.Rotate(limit=8, border_mode=0, fill=255, p=1)
    pixels = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    return torch.from_numpy(np.stack([turn(image=p)["image"] for p in pixels])).permute(0, 3, 1, 2) / 127.5 - 1


def floors(args: argparse.Namespace) -> None:
    data = SpriteDataModule(args.root, games=list(GAMES), rotation=0, flip=0)
    data.setup("test")
    train = data.datasets["train"]
    pictures = train.pixels[train.rows]
    first, second = split_species(train.species.numpy(), args.seed)
    judge = ReferenceFeatures(zoo.load("judge").model, pictures[first], args.seed)
    random = [ReferenceFeatures(RandomNet(s), pictures[first][:600], args.seed) for s in RANDOM_SEEDS]
    real = pictures[second][:ROW]
    print(f"{'':42}{'64':>7}{'32':>7}{'16':>7}{'8':>7}{'4':>7}{'body':>7}{'mean':>8}{'random':>8}{'palette':>8}")
    for name, change in changes(args.tokenizer):
        with torch.inference_mode():
            made = np.concatenate([to_pixels(change(x).clamp(-1, 1)) for x in as_images(real)])
        depths = list(judge.kernel_distances(judge.embed(made)).values())
        other = np.mean([net.kernel_distance(net.embed(made[:600])) for net in random])
        cells = "".join(f"{d:7.3f}" for d in depths) + f"{np.mean(depths):8.4f}{other:8.4f}"
        print(f"{name:42}{cells}{np.median([palette(p) for p in made[:250]]):8.0f}", flush=True)


PILOTS = {  # name → config, and what differs from it
    "dcgan": ("dcgan", []),
    "cgan": ("cgan", []),
    "cgan, relativistic": (
        "cgan",
        [
            *("loss=relativistic", "r1=0.5", "r2=0.5", "r1_every=4", "beta1=0.0", "beta2=0.99"),
            "discriminator.init_args.norm=false",
        ],
    ),
    "projected_gan": ("projected_gan", []),
}
AIDS: dict[str, dict[str, Any]] = {  # name → what differs from what is shipped
    "none": {"despeckle": False, "colors": 0, "candidates": 1},
    "framed": {"colors": 0, "candidates": 1},
    "framed, 24 colours": {"candidates": 1},
    "framed, 24 colours, best of 4: as shipped": {},
    "… 32 colours": {"colors": 32},
    "… 16 colours": {"colors": 16},
    "… best of 8": {"candidates": 8},
    "… truncation 0.9": {"truncation": 0.9},
    "… truncation 0.8": {"truncation": 0.8},
}
SHOWN = ("kernel_distance", "random_distance", "coverage", "type_accuracy", "white_border", "copy_ratio")


def trained(name: str, seed: int, args: argparse.Namespace) -> Any:
    """The averaged net of a pilot, trained where it is not there yet."""
    config, options = PILOTS[name]
    run = Path("runs") / f"pilot-{name.replace(', ', '-')}-{args.images}-{seed}"
    if config != "dcgan":
        options = [*options, f"condition_start={args.images // 4}", f"condition_full={args.images // 2}"]
    if not (run / "exported").is_dir():
        shutil.rmtree(run, ignore_errors=True)  # of a training that was stopped
        settings = {
            **{f"model.init_args.{key}": value for key, value in (option.split("=") for option in options)},
            **{"data.rotation": 0, "data.root": args.root, "data.epoch_images": args.images},
            **{"trainer.max_epochs": 1, "seed_everything": seed, "run": run.name, "score_images": 0, "log": "csv"},
        }
        words = [f"--{key}={value}" for key, value in settings.items()]
        subprocess.run(
            [sys.executable, "-m", "pokegen.cli.main", "fit", "--config", f"configs/{config}.yaml", *words], check=True
        )
        zoo.export(run, run / "exported")
    return zoo.load(run / "exported").model


def real_sprites(root: str, split: str) -> tuple[Sprites, Sprites]:
    """Of the training families and of a held-out split, as `pokegen evaluate sprites` compares with."""
    data = SpriteDataModule(root, games=list(GAMES), rotation=0, flip=0)
    data.setup("test")
    parts = (data.datasets["train"], data.datasets[split])
    first, second = (Sprites(d.pixels[d.rows], d.conditions.numpy(), d.species.numpy()) for d in parts)
    return first, second


def line(name: str, cells: Iterable[str]) -> None:
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def pilots(args: argparse.Namespace) -> None:
    real, unseen = real_sprites(args.root, "test")
    judges = [zoo.load(name).model for name in JUDGES]
    conditions = species_conditions(real)
    line(f"{args.images:,} images", SHOWN)
    line("---", ["---"] * len(SHOWN))
    for name in PILOTS:
        rows = []
        for seed in range(args.seeds):
            sprites = draw(trained(name, seed, args), conditions, args.count, seed)
            rows.append(SpritePanel(real, unseen, *judges, seed).score(sprites))
            grid(sprites.pictures[:64], 16).save(f"runs/pilot-{name.replace(', ', '-')}-{args.images}-{seed}.png")
        cells = [[row[metric] for row in rows] for metric in SHOWN]
        line(name, ("–" if None in c else f"{np.mean(c):.3f} ± {np.std(c, ddof=1):.3f}" for c in cells))


def aids(args: argparse.Namespace) -> None:
    real, unseen = real_sprites(args.root, "val")
    panel = SpritePanel(real, unseen, *(zoo.load(name).model for name in JUDGES), args.seed)
    conditions = species_conditions(real)
    line("", SHOWN)
    line("---", ["---"] * len(SHOWN))
    for name, changed in AIDS.items():
        model, settings = zoo.load(args.model).model, dict(changed)
        model.sample = functools.partial(model.sample, truncation=settings.pop("truncation", 1.0))
        for key, value in settings.items():
            setattr(model, key, value)
        row = panel.score(draw(model, conditions, args.count, args.seed))
        line(name, (f"{row[metric]:.4f}" for metric in SHOWN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="{floors,pilots,aids}")
    verb = verbs.add_parser("floors", help="real sprites made worse by each step that a model takes")
    verb.add_argument("--tokenizer", metavar="MODEL", help="zoo name or checkpoint folder, to pass sprites through")
    verb.add_argument("--root", default="data/sprites", metavar="DIR", help="imported sprites; default: %(default)s")
    verb.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    verb.set_defaults(run=floors)
    verb = verbs.add_parser("pilots", help="models on equal images, three trainings each")
    verb.add_argument("--images", type=int, default=40_000, metavar="N", help="of each training; default: %(default)s")
    verb.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each; default: %(default)s")
    verb.add_argument("--count", type=int, default=2000, metavar="N", help="sprites scored; default: %(default)s")
    verb.add_argument("--root", default="data/sprites", metavar="DIR", help="imported sprites; default: %(default)s")
    verb.set_defaults(run=pilots)
    verb = verbs.add_parser("aids", help="what helps sampling, and what it does to the panel")
    verb.add_argument("--model", default="projected_gan", metavar="MODEL", help="zoo name or folder")
    verb.add_argument("--count", type=int, default=1000, metavar="N", help="sprites scored; default: %(default)s")
    verb.add_argument("--root", default="data/sprites", metavar="DIR", help="imported sprites; default: %(default)s")
    verb.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    verb.set_defaults(run=aids)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
