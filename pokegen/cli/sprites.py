"""create sprites only, and a grid of them

Writes NNN.png (on white, 128×128 pixels with the shipped models) into the folder --out, and grid.png, which shows the
first 400. What is not asked for is drawn as the training data has it, --shiny too. With --by, --count creatures stand
side by side, and each line shows the same ones under another value.

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
    parser.add_argument("--by", choices=BY, help="one line of sprites for each value")
    parser.add_argument(
        "--truncation", type=float, metavar="T", help="below 1: safer and less varied sprites; default: the model's own"
    )
    parser.add_argument("--transparent", action="store_true", help="files with a clear background")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    request = _order.looks(args, count=args.count)

    # From here on it costs time: torch, the model, the pictures.
    from pokegen.cards.files import write_rows, write_sprites
    from pokegen.cards.generator import SPRITE_BATCH, Generator
    from pokegen.cli.main import progress
    from pokegen.files import writable_folder

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
