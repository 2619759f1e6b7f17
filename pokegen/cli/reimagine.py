"""redraw your own picture with a sprite model, with variations

The picture is a drawing, or a photo on an even background. Its background is made white, the nearest point of the
model's latent space is found, and the model draws from there. Writes into the folder --out: seen.png (the picture as
the model sees it), redrawn.png, 001.png, 002.png, … (the variations) and grid.png (all of them).

Conditions such as --type or --color apply to the variations; a --type also changes their colours. Anything you leave
out stays as in the picture. A model with an encoder (vae, cvae) finds the latent at once. Others (cgan) search for some
seconds; their result is sharper but less like the picture.

examples:
  pokegen reimagine drawing.png
  pokegen reimagine drawing.png --type fire --strength 0.2 --count 15
  pokegen reimagine photo.jpg --model cgan --seed 5 --out mine
"""

import argparse
from pathlib import Path

from pokegen.cli import _order
from pokegen.errors import UserError
from pokegen.trust import echo

MODEL = "cvae"  # has an encoder, so needs no search


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a picture file")
    _order.add_model(parser, MODEL)
    parser.add_argument(
        "--strength",
        type=float,
        default=0.4,
        metavar="X",
        help="of the variations: 0 repeats the picture, 1 ignores it; default: %(default)s",
    )
    _order.add_looks(parser)
    _order.add_count_and_seed(parser, count=8)
    parser.add_argument("--transparent", action="store_true", help="transparent instead of white background")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    request = _order.looks(args, count=args.count)
    if not args.image.is_file():
        raise UserError(f"No picture at {args.image}.")

    # Slow from here on: torch, the model, the pictures.
    import numpy as np
    from PIL import Image

    from pokegen.cards.files import write_sprites
    from pokegen.cards.generator import Generator
    from pokegen.data.sprites import decode
    from pokegen.files import writable_folder, write
    from pokegen.images import grid, png
    from pokegen.progress import progress

    out = writable_folder(args.out)
    generator = Generator.from_zoo(args.model, roles=("sprites",))
    decoded = decode(args.image, generator.size)
    if isinstance(decoded, str):
        raise UserError(f"{args.image} cannot be reimagined: {decoded}. Give a drawing or photo on an even background.")
    seen, _ = decoded
    redrawn, varied = generator.reimagine(
        seen, request, args.strength, lambda items, total: progress(items, "search", total)
    )
    _order.tell_seed(args, request.seed)
    for name, sprite in (("seen", seen), ("redrawn", redrawn)):
        echo(write(out / f"{name}.png", png(Image.fromarray(sprite))))
    *paths, _ = write_sprites([varied], out, request.count, args.transparent)
    for path in paths:
        echo(path)
    echo(write(out / "grid.png", png(grid(np.stack([seen, redrawn, *varied]), columns=5))))
