"""create names

Writes names, one a line, to the file --out, or to stdout. All are new: none is that of an existing species.

examples:
  pokegen names --count 5 --seed 1
  pokegen names --type ghost --type2 poison --temperature 0.7
  pokegen names --prefix Bra --count 20 --out names.txt
"""

import argparse
import sys
from pathlib import Path

from pokegen.cards.request import Request
from pokegen.cli import _order


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _order.add_types(parser)
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what each name begins with")
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="above 0; lower is nearer to the usual, higher is wilder; default: %(default)s",
    )
    _order.add_count_and_seed(parser, count=10)
    parser.add_argument("--out", type=Path, metavar="FILE", help="text file; default: stdout")


def run(args: argparse.Namespace) -> None:
    seed = _order.chosen_seed(args)
    Request(args.type, args.type2, count=args.count, seed=seed)  # before anything slow: what a user got wrong

    from pokegen.cards.files import writable_file, write
    from pokegen.cards.generator import Generator

    out = args.out and writable_file(args.out)
    names = Generator.from_zoo(roles=("names", "reader")).names(
        args.count, args.type, args.type2, prefix=args.prefix, temperature=args.temperature, seed=seed
    )
    text = "".join(f"{name}\n" for name in names)
    _order.tell_seed(args, seed)
    if out is None:
        sys.stdout.write(text)
    else:
        print(write(out, text.encode()))
