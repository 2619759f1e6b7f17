"""list and describe the models; export a run as a model; upload one to the Hugging Face hub

list      print the shipped models, one per line
info      print the config and the model card of one
export    make a model (a checkpoint folder) from a training run
push      upload a model to the Hugging Face hub

examples:
  pokegen zoo list
  pokegen zoo info cgan
  pokegen zoo export runs/cgan checkpoints/cgan --version 2
  pokegen zoo push checkpoints/cgan ada/my-cgan --private

Every verb can use an uploaded model: `pokegen card --model hf:ada/my-cgan`, or hf:ada/my-cgan@REVISION for a branch,
tag or commit. It is downloaded once, into the hub's own cache. To upload, log in with `hf auth login` or set HF_TOKEN.
"""

import argparse
from pathlib import Path
from typing import Any

from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", required=True, metavar="{list,info,export,push}")
    _parser(verbs, "list", "print the shipped models, one per line: name, version, size, class")
    action = _parser(verbs, "info", "print the config and the model card of a model")
    action.add_argument("name", help="zoo name, checkpoint folder, or hf:owner/name")
    action = _parser(
        verbs, "export", "make a checkpoint folder from a training run: weights, config, model card, sample pictures"
    )
    action.add_argument("run", type=Path, help="a run's folder (its best checkpoint, else its last), or a .ckpt file")
    action.add_argument("folder", type=Path, help="where to write, such as checkpoints/cgan")
    action.add_argument("--version", default="1", help="shown on cards next to the model's name; default: %(default)s")
    action.add_argument("--full", action="store_true", help="write float32 weights, twice the size; default: float16")
    action.add_argument(
        "--discriminator", action="store_true", help="include a GAN's discriminator, for training on with --init_from"
    )
    action = _parser(verbs, "push", "upload a model to the Hugging Face hub, and print its page's address")
    action.add_argument("name", help="zoo name or checkpoint folder")
    action.add_argument("repo", help="owner/name; created if it is missing")
    action.add_argument("--private", action="store_true", help="visible only to you or your organisation")


def _parser(verbs: Any, name: str, summary: str) -> argparse.ArgumentParser:
    return verbs.add_parser(name, help=summary, description=summary)


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

        def add_files(folder: Path) -> None:
            _draw_samples(folder)
            if args.discriminator:
                zoo.export_discriminator(args.run, folder)

        zoo.export(args.run, args.folder, version=args.version, half=not args.full, also=add_files)
        echo(args.folder)


def _draw_samples(folder: Path) -> None:
    """For a sprite model, write unselected samples of seed 0: 64 sprites into samples.png; and four creatures, one line
    per value, into types.png and styles.png, if it supports these conditions."""
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
