"""create rows of stats: types, stats, colour, height, weight

Writes a CSV with the columns of the pokédex table to the file --out or to stdout. Anything you leave out is sampled.

examples:
  pokegen stats --count 5 --seed 1
  pokegen stats --type dragon --legendary --count 100 --out dragons.csv
  pokegen stats --type bug --type2 none --stage 1
  pokegen stats --tier pseudo --stage 3 --color blue
"""

import argparse
import sys
from pathlib import Path

from pokegen.cards.request import Request
from pokegen.cli import _order
from pokegen.schema import COLORS
from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _order.add_types(parser)
    _order.add_legendary(parser)
    _order.add_tier(parser)
    _order.add_stage(parser)
    parser.add_argument("--line", type=int, metavar="N", help="forms in its evolution line, 1 to 3; default: random")
    parser.add_argument("--color", help=f"{', '.join(COLORS)}; default: random")
    _order.add_count_and_seed(parser, count=10)
    parser.add_argument("--out", type=Path, metavar="FILE", help="CSV file; default: stdout")


def run(args: argparse.Namespace) -> None:
    seed = _order.chosen_seed(args)
    # Reports a user's mistakes before anything slow.
    conditions = {key: getattr(args, key) for key in ("legendary", "stage", "color", "tier", "line")}
    Request(args.type, args.type2, count=args.count, seed=seed, **conditions)

    from pokegen.cards.generator import Generator
    from pokegen.files import writable_file, write

    out = args.out and writable_file(args.out)
    generator = Generator.from_zoo(roles=("stats",))
    table = generator.stats(args.count, args.type, args.type2, seed=seed, **conditions)
    text = table.to_csv(index=False, lineterminator="\n")
    if out is None:
        sys.stdout.write(text)
    else:
        echo(write(out, text.encode()))
    _order.tell_seed(args, seed)
