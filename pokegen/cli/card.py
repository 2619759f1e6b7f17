"""create whole Pokémon: card, sprite and JSON of each

Writes into the folder --out, for creature NNN: NNN-name.png (the card), NNN-name-sprite.png (128×128 pixels on white)
and NNN-name.json; then cards.json (all of them) and contact-sheet.png (the first 100).

What is not asked for is drawn by the models, but for --shiny, which must be asked for. Creature i of an order (from
0) is the one of seed S + i alone. Of a --name types, colour, stage and stats are read, as far as they are not asked
for: Glaciorb is of ice. With --evolutions each creature is a whole line, and lines.png shows them growing up.

examples:
  pokegen card --type fire
  pokegen card --type fire --type2 flying --count 4 --seed 7
  pokegen card --type water --type2 none --no-legendary --out pond
  pokegen card --name Pyrodrake --seed 3
  pokegen card --type grass --evolutions 3 --count 4
  pokegen card --tier pseudo --stage 3
  pokegen card --type ghost --style artwork --shiny
"""

import argparse
import sys
from pathlib import Path

from pokegen.cli import _order
from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _order.add_looks(parser)
    _order.add_tier(parser)
    parser.add_argument(
        "--evolutions", type=int, metavar="N", help="whole lines of 2 or 3 forms, --count of them; a --name is the last"
    )
    parser.add_argument("--name", help="the name that each bears, at most 24 characters; default: drawn")
    _order.add_count_and_seed(parser, count=1)
    _order.add_model(parser)
    parser.add_argument("--transparent", action="store_true", help="sprite files with a clear background")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    request = _order.looks(args, name=args.name, tier=args.tier, evolutions=args.evolutions, count=args.count)

    # From here on it costs time: torch, the models, the pictures.
    from pokegen.cards.files import write_cards
    from pokegen.cards.generator import Generator
    from pokegen.cli.main import progress
    from pokegen.files import writable_folder

    out = writable_folder(args.out)
    generator = Generator.from_zoo(args.model)
    generator.check(request)
    _order.tell_seed(args, request.seed)
    if ignored := generator.ignored(request):
        echo(f"{generator.labels['sprites']}: its sprites do not follow {', '.join(ignored)}", file=sys.stderr)
    cards = progress(generator.cards(request), "cards", request.creatures)
    for path in write_cards(cards, out, request.creatures, args.transparent, request.evolutions):
        echo(path)
