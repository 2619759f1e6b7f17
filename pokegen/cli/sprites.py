"""create sprites, and a grid of them

Writes 001.png, 002.png, … (on white; 128×128 pixels with the shipped models) and grid.png, which shows the first 400,
into the folder --out. Anything you leave out is sampled as it is distributed in the training data, --shiny too. With
--by, the files are VALUE-001.png, …, and each line of the grid shows the same --count creatures with another value.

examples:
  pokegen sprites --count 64 --seed 1
  pokegen sprites --type ghost --type2 none --count 16 --truncation 0.7
  pokegen sprites --style artwork --color blue --no-shiny --transparent
  pokegen sprites --by type --count 6 --seed 3
  pokegen sprites --model vae --out vae-sprites
"""

import argparse
from pathlib import Path

from pokegen.cli import _order
from pokegen.trust import echo

BY = ("type", "color", "legendary", "stage", "shiny", "style")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _order.add_model(parser)
    _order.add_looks(parser)
    _order.add_count_and_seed(parser, count=16)
    parser.add_argument("--by", choices=BY, help="one line of sprites for each value of this")
    parser.add_argument(
        "--truncation", type=float, metavar="T", help="below 1: safer and less varied sprites; default: the model's own"
    )
    parser.add_argument("--transparent", action="store_true", help="transparent instead of white background")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    request = _order.looks(args, count=args.count)

    # Slow from here on: torch, the model, the pictures.
    from pokegen.cards.files import write_rows, write_sprites
    from pokegen.cards.generator import SPRITE_BATCH, Generator
    from pokegen.files import writable_folder
    from pokegen.progress import progress

    out = writable_folder(args.out)
    generator = Generator.from_zoo(args.model, roles=("sprites",))
    if args.by:
        lines = generator.vary_condition("type1" if args.by == "type" else args.by, request, args.truncation)
        paths = write_rows(progress(lines, "lines"), out, args.transparent)
    else:
        batches = generator.sprite_batches(request, args.truncation)
        total = -(-request.count // SPRITE_BATCH)
        paths = write_sprites(progress(batches, "sprites", total), out, request.count, args.transparent)
    _order.tell_seed(args, request.seed)
    for path in paths:
        echo(path)
