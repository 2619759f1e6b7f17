"""create sprites only, and a grid of them

Writes NNN.png (128×128 pixels on white) into the folder --out, and grid.png, which shows the first 400.

examples:
  pokegen sprites --count 64 --seed 1
  pokegen sprites --type ghost --type2 none --count 16 --truncation 0.7
  pokegen sprites --model vae --out vae-sprites
"""

import argparse
from pathlib import Path

from pokegen.cards.request import DEFAULT_MODEL, Request
from pokegen.cli import _order


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="a zoo name or a checkpoint folder; default: %(default)s"
    )
    _order.add_types(parser)
    _order.add_count_and_seed(parser, count=16)
    parser.add_argument(
        "--truncation", type=float, metavar="T", help="below 1: safer and less varied sprites; default: the model's own"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    request = Request(args.type, args.type2, count=args.count, seed=_order.chosen_seed(args))

    # From here on it costs time: torch, the model, the pictures.
    from pokegen.cards.files import writable_folder, write_sprites
    from pokegen.cards.generator import SPRITE_BATCH, Generator
    from pokegen.cli.main import progress

    out = writable_folder(args.out)
    generator = Generator.from_zoo(args.model, roles=("sprites",))
    batches = generator.sprite_batches(request, args.truncation)
    total = -(-request.count // SPRITE_BATCH)
    _order.tell_seed(args, request.seed)
    for path in write_sprites(progress(batches, "sprites", total), out, request.count):
        print(path)
