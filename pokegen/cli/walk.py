"""morph between creatures, as a GIF that repeats

Writes one GIF to --out. It walks through a sprite model's latent space from one creature to the next and back to the
first: the creatures of seeds S, S + 1, … (--count of them, each as `pokegen sprites --count 1 --seed S` draws it). With
--types, one creature changes through all 18 types.

examples:
  pokegen walk --seed 7
  pokegen walk --seed 7 --count 2 --steps 30        from one creature to another and back
  pokegen walk --types --seed 3 --out types.gif
  pokegen walk --type fire --style artwork --count 6
"""

import argparse
from pathlib import Path

from pokegen.cli import _order
from pokegen.errors import UserError
from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _order.add_model(parser)
    _order.add_looks(parser)
    parser.add_argument("--types", action="store_true", help="one creature through all 18 types; --count is ignored")
    _order.add_count_and_seed(parser, count=4)
    parser.add_argument(
        "--steps", type=int, default=12, metavar="N", help="pictures between creatures; default: %(default)s"
    )
    parser.add_argument(
        "--duration", type=int, default=80, metavar="MS", help="time per picture, 20 to 10000 ms; default: %(default)s"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/walk.gif"), metavar="FILE", help="GIF file; default: %(default)s"
    )


def run(args: argparse.Namespace) -> None:
    request = _order.looks(args, count=args.count)
    if args.out.suffix.lower() != ".gif":
        raise UserError(f"A walk is written as a GIF, got --out {args.out}. Name a file such as walk.gif.")
    if not 20 <= args.duration <= 10_000:
        raise UserError(f"duration must be from 20 to 10000 ms, got {args.duration}.")

    # Slow from here on: torch, the model, the pictures.
    from pokegen.cards.files import gif
    from pokegen.cards.generator import Generator
    from pokegen.files import writable_file, write
    from pokegen.progress import progress
    from pokegen.schema import TYPES

    out = writable_file(args.out)
    generator = Generator.from_zoo(args.model, roles=("sprites",))
    frames = generator.walk(request, args.steps, args.types)
    _order.tell_seed(args, request.seed)
    total = args.steps * (len(TYPES) if args.types else request.count)
    echo(write(out, gif(progress(frames, "pictures", total), args.duration)))
