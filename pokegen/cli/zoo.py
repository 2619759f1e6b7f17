"""list the shipped models, tell about one, export a run, push one to the Hugging Face hub

examples:
  pokegen zoo list
  pokegen zoo info cgan
  pokegen zoo export runs/cgan checkpoints/cgan --version 2
  pokegen zoo push checkpoints/cgan ada/my-cgan --private

What was pushed is a model for every verb: pokegen card --model hf:ada/my-cgan, or hf:ada/my-cgan@REVISION for a branch,
tag or commit. It is downloaded once, into the hub's own cache. `hf auth login`, or HF_TOKEN, says who you are.
"""

import argparse
from pathlib import Path

from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", required=True, metavar="{list,info,export,push}")
    verbs.add_parser("list", help="the shipped models, one a line")
    action = verbs.add_parser("info", help="the config and the model card of one")
    action.add_argument("name", help="zoo name, checkpoint folder, or hf:owner/name")
    action = verbs.add_parser("export", help="make a checkpoint folder of a run")
    action.add_argument("run", type=Path, help="a run's folder, or one of its .ckpt files")
    action.add_argument("folder", type=Path, help="where to write, such as checkpoints/cgan")
    action.add_argument("--version", default="1", help="what cards name beside the model; default: %(default)s")
    action.add_argument("--full", action="store_true", help="write float32, twice the size")
    action.add_argument(
        "--discriminator", action="store_true", help="a GAN's discriminator too, for `fit --init_from` to go on with"
    )
    action = verbs.add_parser("push", help="upload one to the Hugging Face hub, and print its page's address")
    action.add_argument("name", help="zoo name or checkpoint folder")
    action.add_argument("repo", help="owner/name; made when missing")
    action.add_argument("--private", action="store_true", help="for you, or your organisation, alone")


def run(args: argparse.Namespace) -> None:
    from pokegen import trust, zoo

    if args.action == "list":
        width = max(map(len, zoo.available()))
        for name in zoo.available():
            config = zoo.read_config(zoo.folder_of(name))
            size = (zoo.folder_of(name) / zoo.WEIGHTS).stat().st_size / 2**10
            echo(f"{name:<{width}}  version {config['version']:<4} {size:7,.0f} KiB  {config['class_path']}")
    elif args.action == "info":
        folder = zoo.folder_of(args.name)
        zoo.check(zoo.read_config(folder), args.name)
        for name in (zoo.CONFIG, zoo.CARD):
            if (folder / name).is_file():
                echo(zoo.read_file(folder, name, trust.CONFIG_BYTES).decode("utf-8", "replace"))
    elif args.action == "push":
        echo(zoo.push(args.name, args.repo, private=args.private))
    else:

        def more(folder: Path) -> None:
            _draw_samples(folder)
            if args.discriminator:
                zoo.export_discriminator(args.run, folder)

        zoo.export(args.run, args.folder, version=args.version, half=not args.full, also=more)
        echo(args.folder)


def _draw_samples(folder: Path) -> None:
    """If the checkpoint draws sprites, its sheets, of seed 0 and unselected: 64 sprites into samples.png; four
    creatures, a line for each value, into types.png and styles.png, where it supports those."""
    import numpy as np
    import torch

    from pokegen import zoo
    from pokegen.cards.generator import Generator
    from pokegen.cards.request import Request
    from pokegen.images import grid
    from pokegen.models import ImageModel
    from pokegen.models.pixels import to_pixels

    model = zoo.load(folder, own=True).model
    if not isinstance(model, ImageModel):
        return
    samples = model.sample(64, generator=torch.Generator().manual_seed(0))
    grid(to_pixels(samples), columns=8).save(folder / "samples.png")
    for key, name in (("type1", "types.png"), ("style", "styles.png")):
        if key in model.conditions:
            lines = [line for _, line in Generator(model).vary_condition(key, Request(count=4))]
            grid(np.concatenate(lines), columns=4).save(folder / name)
