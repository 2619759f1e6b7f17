"""The teaching experiments, one command each; docs/experiments.md has the results.

    python benchmarks/teaching.py reconstruction             test error by latent size, linear against convolutional VAE
    python benchmarks/teaching.py latent-map                 classes in a latent space of two dimensions
    python benchmarks/teaching.py gan-cost                   cost and gain of DCGAN, compared with the plain GAN

    --data digits | mnist | sprites      default: digits, which come with scikit-learn; for gan-cost: sprites
    --root FOLDER                        of MNIST (data) or of imported sprites (data/sprites)
    --seeds N                            trainings, 0 to N - 1; default: 3
    --images N                           training images of a run; default: by experiment and data, see IMAGES
    --out FOLDER                         of the figures; default: docs/figures

Each trains with Lightning's Trainer and the modules of `pokegen fit`, writes a figure and prints a table in Markdown:
mean ± sample standard deviation over the seeds. Figures show digits, never a sprite.

reconstruction  Mean squared error per pixel, values in [-1, 1], of test images decoded from their mean latent, by
                the averaged weights; compared with as many principal components as latent dimensions, and with
                the mean image. Nets of configs/experiment/vae_digits_*.yaml; sprites at 64×64, Gaussian likelihood.
latent-map      The share of test images whose nearest training image in the map has their class (for sprites: the first
                type), compared with chance, the same with shuffled classes, and the same in pixels.
gan-cost        Seconds per training step and images per second, alternating between a few steps of one and of the
                other, so that other load affects both alike: median, lowest and highest round; then the number of
                trained weights. Quality on sprites: the panel's kernel distance to held-out families, as computed in
                training, of two zoo models or checkpoint folders (`--checkpoints gan dcgan`), over seeds of the
                samples. On digits (and MNIST) both are trained for --images, and the distance is that of the images at
                8×8 pixels, compared with real training digits'.
"""

import argparse
import copy
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import lightning as L
import matplotlib
import numpy as np
import torch
import yaml
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from pokegen import zoo
from pokegen.data.modules import SpriteDataModule
from pokegen.data.teaching import DigitsDataModule, MNISTDataModule
from pokegen.errors import CheckpointError, UserError
from pokegen.evaluation.distances import kernel_distance
from pokegen.evaluation.features import ReferenceFeatures
from pokegen.evaluation.sprites_panel import draw
from pokegen.models.vae import ARCHITECTURES, VAE
from pokegen.schema import TYPE_COLORS, TYPES
from pokegen.trainers.adversarial import AdversarialModule
from pokegen.trainers.likelihood import LikelihoodModule

CONFIGS = Path(__file__).parents[1] / "configs"
ROOTS = {"digits": "", "mnist": "data", "sprites": "data/sprites"}
LATENTS = (2, 4, 8, 16, 32, 64)
SHOWN = (2, 8, 64)  # latent sizes whose reconstructions are shown
IMAGES = {  # the training digits 40 and 20 times; MNIST 15 and 9 times, as a report had it
    "reconstruction": {"digits": 50_280, "mnist": 825_000, "sprites": 6_000},
    "latent-map": {"digits": 50_280, "mnist": 825_000, "sprites": 12_000},
    "gan-cost": {"digits": 25_140, "mnist": 495_000, "sprites": 0},  # sprites are drawn by checkpoints
}
GANS = ("gan", "dcgan")
LABELS = {"gan": "plain GAN", "dcgan": "DCGAN", "linear": "linear VAE", "conv": "convolutional VAE"}
COLORS = {"linear": "tab:orange", "conv": "tab:blue", "gan": "tab:orange", "dcgan": "tab:blue"}


def open_data(args: argparse.Namespace, seed: int = 0, size: int = 0, batch: int = 64, images: int = 0) -> Any:
    """The DataModule, set up, with `images` or `args.images` an epoch."""
    more: dict[str, Any] = {"batch_size": batch, "epoch_images": max(images or args.images, batch), "seed": seed}
    if args.data == "sprites":
        games = read_config("dcgan")["data"]["init_args"]["games"]
        data: Any = SpriteDataModule(args.root, size=size or 64, games=games, rotation=0.0, **more)
    elif args.data == "mnist":
        data = MNISTDataModule(args.root, size=size or 28, **more)
    else:
        data = DigitsDataModule(size=size or 28, **more)
    data.setup("fit")
    return data


def read_config(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))


def fit(module: Any, data: Any, callbacks: Any = (), **options: Any) -> L.Trainer:
    """Train for an epoch, as `pokegen fit` does but for what it writes."""
    trainer = L.Trainer(
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )
    trainer.fit(module, data)
    return trainer


def train_vae(args: argparse.Namespace, architecture: str, latent_dim: int, seed: int) -> tuple[VAE, float]:
    """The averaged weights, and their mean squared error on the test images."""
    L.seed_everything(seed, verbose=False)
    started, sprites = time.perf_counter(), args.data == "sprites"
    data = open_data(args, seed)
    network = VAE(
        latent_dim,
        width=400 if architecture == "linear" else 32,
        size=data.image_shape[-1],
        channels=data.image_shape[0],
        architecture=architecture,
        likelihood="gaussian" if sprites else "bernoulli",
        warmup_images=args.images // 6,
    )
    module = LikelihoodModule(network, weight_decay=0.0)
    options = {"precision": "bf16-mixed"} if sprites else {}
    error = fit(module, data, **options).test(module, data, verbose=False)[0]["test/mse"]
    seconds = time.perf_counter() - started
    print(f"{architecture}, latent {latent_dim}, seed {seed}: mse {error:.4f}, {seconds:.0f} s", file=sys.stderr)
    return module.ema.cpu(), error


def images_of(data: Any, split: str, most: int = 5_000) -> dict[str, Tensor]:
    """Images of a split without augmentation, at most so many, drawn at random from a fixed seed, and their classes:
    the label, or the sprite's first type."""
    dataset = data.datasets[split]
    if hasattr(dataset, "augment"):
        dataset.augment = None
    rows = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[:most]
    batch = dataset.__getitems__(rows.tolist())
    return {"image": batch["image"], "class": batch["label"] if "label" in batch else batch["type1"]}


@torch.inference_mode()
def encode(network: VAE, images: Tensor) -> Tensor:
    """The mean of the latent (N, D) of each image."""
    return torch.cat([network.encode(part, torch.zeros(len(part), 0))[0] for part in images.split(256)])


def spread(values: list[float], digits: int = 4) -> str:
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def table(head: list[str], rows: list[list[str]]) -> None:
    print("\n" + "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]) + "\n")


def save(args: argparse.Namespace, figure: Any) -> None:
    path = args.out / f"{args.experiment}-{args.data}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(path)


def reconstruction(args: argparse.Namespace) -> None:
    errors: dict[str, list[list[float]]] = {}  # architecture → latent size → seed
    shown: dict[int, VAE] = {}  # latent size → the convolutional VAE of seed 0
    for architecture in ARCHITECTURES[::-1]:
        errors[architecture] = []
        for latent_dim in args.latents:
            runs = [train_vae(args, architecture, latent_dim, seed) for seed in range(args.seeds)]
            errors[architecture].append([error for _, error in runs])
            if architecture == "conv" and latent_dim in SHOWN:
                shown[latent_dim] = runs[0][0]
    data = open_data(args)
    train, test = images_of(data, "train")["image"].flatten(1), images_of(data, "test")
    torch.manual_seed(0)
    centered = test["image"].flatten(1) - train.mean(dim=0)
    axes = torch.pca_lowrank(train, max(args.latents), niter=4)[2]  # (pixels, components)
    linear = [float((centered - centered @ axes[:, :k] @ axes[:, :k].T).square().mean()) for k in args.latents]
    mean = float(centered.square().mean())

    strip = bool(shown) and args.data != "sprites"
    figure, places = plt.subplots(
        1, 1 + strip, figsize=(11 if strip else 6.5, 4.2), layout="constrained", squeeze=False
    )
    plot = places[0, 0]
    for architecture, values in errors.items():
        low, high = ([choose(each) for each in values] for choose in (min, max))
        middle = [statistics.mean(each) for each in values]
        plot.plot(args.latents, middle, "o-", color=COLORS[architecture], label=LABELS[architecture])
        plot.fill_between(args.latents, low, high, color=COLORS[architecture], alpha=0.25, linewidth=0)
    plot.plot(args.latents, linear, "s--", color="0.45", label="principal components")
    plot.axhline(mean, color="0.7", linestyle=":", label="mean training image")
    plot.set_xscale("log", base=2)
    plot.set_xticks(args.latents, [str(k) for k in args.latents])
    plot.set_ylim(bottom=0)
    plot.set_xlabel("latent dimensions")
    plot.set_ylabel("mean squared error a pixel, on test images")
    seeds = f"{args.seeds} seeds, band from lowest to highest" if args.seeds > 1 else "one seed"
    plot.set_title(f"{args.data}: {args.images:,} training images, {seeds}", fontsize=10)
    plot.legend()
    if strip:
        show_strip(places[0, 1], shown, test)
    save(args, figure)
    head = ["latent dimensions", *(LABELS[a] for a in errors), "principal components"]
    rows = [
        [str(k), *(spread(values[i]) for values in errors.values()), f"{linear[i]:.4f}"]
        for i, k in enumerate(args.latents)
    ]
    table(head, [*rows, ["mean image", *[f"{mean:.4f}"] * 3]])


@torch.inference_mode()
def show_strip(plot: Any, networks: dict[int, VAE], test: dict[str, Tensor]) -> None:
    """A test digit of each class, and below it what the networks make of it."""
    chosen = test["image"][[int((test["class"] == c).nonzero()[0]) for c in test["class"].unique()]]
    embedded = torch.zeros(len(chosen), 0)
    made = [net.render(encode(net, chosen), embedded) for net in networks.values()]
    sheet = torch.cat([torch.cat(list(images[:, 0]), dim=1) for images in (chosen, *made)])  # (rows · S, 10 · S)
    side = chosen.shape[-1]
    plot.imshow(sheet, cmap="gray", vmin=-1, vmax=1)
    plot.set_xticks([])
    plot.set_yticks([side * (i + 0.5) for i in range(1 + len(made))], ["test digit", *(f"{k} dim." for k in networks)])
    plot.tick_params(length=0)
    plot.set_title("decoded by the convolutional VAE of seed 0", fontsize=10)


def latent_map(args: argparse.Namespace) -> None:
    data, names = open_data(args), TYPES if args.data == "sprites" else [str(i) for i in range(10)]
    train, test = images_of(data, "train"), images_of(data, "test")
    classes = train["class"], test["class"]
    pixels = nearest(train["image"].flatten(1), test["image"].flatten(1), *classes)
    rows, found = [], []
    for architecture in ARCHITECTURES[::-1]:
        accuracies = []
        for seed in range(args.seeds):
            network, _ = train_vae(args, architecture, 2, seed)
            places = [encode(network, part["image"]) for part in (train, test)]
            accuracies.append(nearest(places[0], places[1], *classes))
            if seed == 0:
                found.append((architecture, places[1], accuracies[0]))
        rows.append([f"map of the {LABELS[architecture]}", spread(accuracies, 3)])

    figure, plots = plt.subplots(1, 2, figsize=(11.5, 5), layout="constrained")
    for plot, (architecture, points, accuracy) in zip(plots, found, strict=True):
        for i, name in enumerate(names):
            mine = test["class"] == i
            color = TYPE_COLORS[name] if args.data == "sprites" else plt.cm.tab10(i)
            plot.scatter(*points[mine].T, s=14, color=color, label=name, alpha=0.85, linewidths=0)
        plot.set_title(f"{LABELS[architecture]}, seed 0: {accuracy:.0%} by nearest neighbour", fontsize=10)
        plot.set_xlabel("latent 1")
        plot.set_ylabel("latent 2")
    what = "type 1" if args.data == "sprites" else "digit"
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside right upper", title=what, markerscale=1.8)
    figure.suptitle(f"{args.data}: {len(test['image'])} test images in two latent dimensions", fontsize=11)
    save(args, figure)
    rows += [["pixels", f"{pixels:.3f}"], ["chance", f"{chance(*classes):.3f}"]]
    table(["nearest neighbour in", "share of its class"], rows)


def nearest(train_places: Tensor, test_places: Tensor, train: Tensor, test: Tensor) -> float:
    """Share of test places (N, D) whose nearest training place is of their class; `train` and `test` are classes."""
    found = torch.cat([torch.cdist(part, train_places).argmin(dim=1) for part in test_places.split(256)])
    return float((train[found] == test).float().mean())


def chance(train: Tensor, test: Tensor) -> float:
    """How often any training image is of a test image's class."""
    return float((train[:, None] == test).float().mean())


class Clock(L.Callback):
    """Seconds of each training step, without what fetches its batch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def gan_cost(args: argparse.Namespace) -> None:
    """Nets and settings of configs/gan.yaml and configs/dcgan.yaml; of digits at 32×32, without augmentation."""
    given = {name: read_config(name) for name in GANS}
    batch, sprites = given["gan"]["data"]["init_args"]["batch_size"], args.data == "sprites"
    options = {"precision": given["gan"]["trainer"]["precision"]}

    def build(name: str, seed: int = 0) -> AdversarialModule:
        L.seed_everything(seed, verbose=False)
        arguments = copy.deepcopy(given[name]["model"]["init_args"]) | ({} if sprites else {"shift": 0.0, "color": 0.0})
        for key in ("generator", "discriminator"):
            module, _, kind = arguments[key]["class_path"].rpartition(".")
            size = {} if sprites else {"size": 32, "channels": 1}
            arguments[key] = getattr(import_module(module), kind)(**arguments[key].get("init_args", {}), **size)
        return AdversarialModule(**arguments)

    modules, clocks = {name: build(name) for name in GANS}, {name: Clock() for name in GANS}
    data = open_data(args, size=128 if sprites else 32, batch=batch, images=batch * (args.steps + 1))
    rounds: dict[str, list[float]] = {name: [] for name in GANS}  # seconds of a step
    for turn in range(args.rounds):
        for name in GANS[:: -1 if turn % 2 else 1]:
            fit(modules[name], data, [clocks[name]], **options)
            rounds[name].append(statistics.mean(clocks[name].seconds[-args.steps :]))  # the first one warms up
    ratios = [d / g for g, d in zip(rounds["gan"], rounds["dcgan"], strict=True)]
    if sprites:
        title, quality = "kernel distance, held-out families", score_checkpoints(args)
    else:
        title, quality = "MMD² at 8×8 pixels", score_digits(args, batch, build, options)

    figure, plots = plt.subplots(1, 1 + bool(quality), figsize=(9 if quality else 4.5, 3.6), layout="constrained")
    speed, *scores = np.atleast_1d(plots)
    for i, name in enumerate(GANS):
        speed.plot([i] * args.rounds, [batch / s for s in rounds[name]], "o", color=COLORS[name], alpha=0.6)
    speed.set_ylabel("images a second")
    speed.set_title(f"{args.rounds} rounds in turns, batch {batch}", fontsize=10)
    for plot in scores:
        for i, (name, values) in enumerate(quality.items()):
            plot.plot([i] * len(values), values, "o", color=COLORS.get(name, "0.45"), alpha=0.7, clip_on=False)
        plot.set_ylabel(f"{title}; lower is better")
        plot.set_title(f"{args.seeds} seeds", fontsize=10)
    for plot, names in zip((speed, *scores), (GANS, tuple(quality)), strict=False):
        plot.set_xticks(range(len(names)), [LABELS.get(name, name) for name in names])
        plot.set_xlim(-0.6, len(names) - 0.4)
        plot.set_ylim(0, 1.1 * plot.get_ylim()[1])
    save(args, figure)

    head = ["", "seconds a step", "images a second", "weights of both nets", title]
    rows = []
    for name in GANS:
        low, middle, high = (choose(rounds[name]) for choose in (min, statistics.median, max))
        weights = sum(p.numel() for p in modules[name].parameters() if p.requires_grad)
        rows.append([LABELS[name], f"{middle:.3f} ({low:.3f} to {high:.3f})", f"{batch / middle:.0f}", f"{weights:,}"])
        rows[-1].append(spread(quality[name], 3) if name in quality else "not measured")
    low, middle, high = (choose(ratios) for choose in (min, statistics.median, max))
    rows.append(["DCGAN : plain GAN", f"{middle:.2f} ({low:.2f} to {high:.2f})", f"{1 / middle:.2f}", "", ""])
    if "real" in quality:
        rows.append(["real digits", "", "", "", spread(quality["real"], 3)])
    table(head, rows)


def score_checkpoints(args: argparse.Namespace) -> dict[str, list[float]]:
    """Kernel distance of each draw of the two checkpoints to the test families; {} where one is missing."""
    try:
        models = {name: zoo.load(place) for name, place in zip(GANS, args.checkpoints, strict=True)}
    except CheckpointError as error:
        print(f"Quality is not measured: {error}", file=sys.stderr)
        return {}
    for name, loaded in models.items():
        print(f"{LABELS[name]}: {loaded.label}, trained on {loaded.config['training']['examples']:,} images")
    test = open_data(args, size=128).datasets["test"]
    with torch.random.fork_rng(devices=[]):
        net = ReferenceFeatures(zoo.load("judge").model, test.pixels[test.rows])
    conditions = test.conditions.numpy()
    return {
        name: [
            net.kernel_distance(net.embed(draw(loaded.model, conditions, args.draws, seed).pictures))
            for seed in range(args.seeds)
        ]
        for name, loaded in models.items()
    }


def score_digits(
    args: argparse.Namespace, batch: int, build: Callable[[str, int], AdversarialModule], options: dict[str, Any]
) -> dict[str, list[float]]:
    """MMD² between what both draw after `args.images` and test digits, a value each training; and of real ones."""
    quality: dict[str, list[float]] = {"real": [], **{name: [] for name in GANS}}
    for seed in range(args.seeds):
        data = open_data(args, seed, size=32, batch=batch)
        train, test = (
            adaptive_avg_pool2d(images_of(data, split)["image"], 8).flatten(1) for split in ("train", "test")
        )
        quality["real"].append(kernel_distance(test, train, seed))
        for name in GANS:
            module = build(name, seed)
            fit(module, data, **options)
            images = module.cpu().sample(args.draws, generator=torch.Generator().manual_seed(seed))
            quality[name].append(kernel_distance(test, adaptive_avg_pool2d(images, 8).flatten(1), seed))
            print(f"{name}, seed {seed}: {quality[name][-1]:.3f}", file=sys.stderr)
    return quality


def main() -> int:
    experiments = {"reconstruction": reconstruction, "latent-map": latent_map, "gan-cost": gan_cost}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=experiments)
    parser.add_argument("--data", choices=ROOTS)
    parser.add_argument("--root", help="default: data for MNIST, data/sprites for sprites")
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--images", type=int, default=0, help="training images of a run; default: see IMAGES")
    parser.add_argument("--latents", type=int, nargs="+", default=LATENTS, help="default: %(default)s")
    parser.add_argument("--checkpoints", nargs=2, default=GANS, help="plain GAN and DCGAN; default: those of the zoo")
    parser.add_argument("--rounds", type=int, default=8, help="of gan-cost; default: %(default)s")
    parser.add_argument("--steps", type=int, default=5, help="measured steps a round; default: %(default)s")
    parser.add_argument("--draws", type=int, default=500, help="pictures to score; default: %(default)s")
    parser.add_argument("--out", type=Path, default=CONFIGS.parent / "docs" / "figures")
    args = parser.parse_args()
    if min(args.seeds, args.rounds, args.steps, *args.latents) < 1 or args.images < 0:
        parser.error("seeds, rounds, steps and latents must be at least 1")
    args.data = args.data or ("sprites" if args.experiment == "gan-cost" else "digits")
    args.root = args.root or ROOTS[args.data]
    args.images = args.images or IMAGES[args.experiment][args.data]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")  # Lightning's, of a run without checkpoints
    try:
        experiments[args.experiment](args)
    except UserError as error:
        sys.exit(f"teaching.py: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
