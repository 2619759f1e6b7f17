"""create names

Writes names, one per line, to the file --out or to stdout. All are different, and none is an existing Pokémon's.

examples:
  pokegen names --count 5 --seed 1
  pokegen names --type ghost --type2 poison --temperature 0.7
  pokegen names --type dragon --stage 3 --legendary
  pokegen names --prefix Bra --count 20 --out names.txt
"""

import argparse
import sys
from pathlib import Path

from pokegen.cards.request import Request
from pokegen.cli import _order
from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _order.add_types(parser)
    _order.add_legendary(parser)
    _order.add_stage(parser)
    parser.add_argument("--prefix", default="", metavar="TEXT", help="letters that each name begins with; default: any")
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="0.01 to 100; lower gives more typical names, higher wilder ones; default: %(default)s",
    )
    _order.add_count_and_seed(parser, count=10)
    parser.add_argument("--out", type=Path, metavar="FILE", help="text file; default: stdout")


def run(args: argparse.Namespace) -> None:
    seed = _order.chosen_seed(args)
    # Reports a user's mistakes before anything slow.
    request = Request(args.type, args.type2, legendary=args.legendary, stage=args.stage, count=args.count, seed=seed)

    from pokegen.cards.generator import NAME_BATCH, Generator
    from pokegen.files import writable_file, write
    from pokegen.progress import progress

    out = args.out and writable_file(args.out)
    generator = Generator.from_zoo(roles=("names", "reader"))
    batches = generator.name_batches(request, prefix=args.prefix, temperature=args.temperature)
    if out is None:
        for names in batches:
            sys.stdout.write("".join(f"{name}\n" for name in names))
    else:
        batches = progress(batches, "thousands of names", -(-args.count // NAME_BATCH))
        echo(write(out, "".join(f"{name}\n" for names in batches for name in names).encode()))
    _order.tell_seed(args, seed)
