"""create whole Pokémon: a card to look at, to print or to play with

Writes into the folder --out, for creature NNN:
  NNN-name.png          the card
  NNN-name-sprite.png   the creature alone, 128×128 pixels on white
  NNN-name.json         all facts on it
then cards.json (all of them) and contact-sheet.png (the first 100). With --evolutions each creature is a whole
evolution line, and lines.png shows how it grows up.

Anything you leave out is random, except that only --shiny makes a creature shiny. A --name suggests the rest: Glaciorb
becomes an ice type. The same --seed gives the same creatures; the second of --seed 7 is the first of --seed 8.

examples:
  pokegen card --type fire
  pokegen card --type water --type2 none --count 9 --seed 7 --sheet     nine cards to print on one page
  pokegen card --name Pyrodrake --lang fr --deck --out mine             a French card, and a web page that shows it
  pokegen card --type grass --evolutions 3 --export game                an evolution line for a game
  pokegen card --tier pseudo --stage 3 --type ghost --style artwork --shiny
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegen.cli import _order
from pokegen.errors import UserError
from pokegen.schema import LANGUAGES
from pokegen.trust import echo

if TYPE_CHECKING:
    from pokegen.schema import Card

MOST = 1000  # creatures in one PDF, page, GIFs or export
GIF_MS = 100  # of a picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    creature = parser.add_argument_group("the creature")
    _order.add_types(creature)
    creature.add_argument("--name", help="at most 24 characters; default: random")
    _order.add_tier(creature)
    _order.add_legendary(creature)
    _order.add_stage(creature)
    creature.add_argument(
        "--evolutions",
        type=int,
        metavar="N",
        help="whole evolution lines of N forms, 2 or 3; --count counts lines; --name names the last form",
    )
    _order.add_count_and_seed(creature, count=1)

    picture = parser.add_argument_group("its picture")
    _order.add_color(picture)
    _order.add_shiny_and_style(picture)
    _order.add_model(picture)

    files = parser.add_argument_group("files")
    files.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")
    files.add_argument(
        "--lang", metavar="LANG", default="en", help=f"language of the cards: {', '.join(LANGUAGES)}; default: en"
    )
    files.add_argument("--transparent", action="store_true", help="sprite files with a transparent background")
    files.add_argument("--deck", action="store_true", help="also index.html, a web page with all cards")
    files.add_argument("--gif", action="store_true", help="also NNN-name.gif, an animation through similar creatures")
    files.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="also this folder for games: sprites, icons, palettes, cries, Showdown teams",
    )

    paper = parser.add_argument_group("print (lengths in millimetres)")
    paper.add_argument(
        "--sheet", action="store_true", help="also sheet.pdf: as many cards as fit on a page, with cut marks"
    )
    paper.add_argument("--pdf", action="store_true", help="also cards.pdf: one card a page with bleed, for print shops")
    paper.add_argument("--page", metavar="SIZE", help="paper of --sheet: A4 or Letter; default: A4")
    paper.add_argument("--margin", type=float, metavar="MM", help="white on each side of --sheet, 4 to 50; default: 5")
    paper.add_argument("--card-size", metavar="WxH", help="width and height of a card; default: 63x88")
    paper.add_argument(
        "--bleed", type=float, metavar="MM", help="frame beyond the cut, 0 to 10; default: 0 on --sheet, 3 in --pdf"
    )


def run(args: argparse.Namespace) -> None:
    request = _order.looks(args, name=args.name, tier=args.tier, evolutions=args.evolutions, count=args.count)
    if args.lang not in LANGUAGES:
        raise UserError(f"Unknown language {args.lang!r}. Known languages: {', '.join(LANGUAGES)} ({len(LANGUAGES)}).")
    extras = [f"--{word}" for word in ("deck", "gif", "export", "sheet", "pdf") if getattr(args, word)]
    if extras and request.creatures > MOST:
        raise UserError(
            f"{', '.join(extras)}: at most {MOST} creatures, got {request.creatures}. "
            "Create them in several runs, each with its own --seed."
        )
    on_sheet, on_pages = _print_options(args)

    # From here on it costs time: torch, the models, the pictures.
    from pokegen.cards.files import write_cards
    from pokegen.cards.generator import Generator
    from pokegen.files import writable_folder
    from pokegen.progress import progress

    out = writable_folder(args.out)
    if args.export:
        writable_folder(args.export, "--export")
    generator = Generator.from_zoo(args.model)
    generator.check(request)
    if args.gif:
        generator.check_latents()
    _order.tell_seed(args, request.seed)
    if ignored := generator.ignored(request):
        echo(f"{generator.labels['sprites']}: its sprites do not follow {', '.join(ignored)}", file=sys.stderr)
    made: list[Card] = []

    def keep(card: "Card") -> "Card":
        if extras:
            made.append(card)
        return card

    cards = progress(map(keep, generator.cards(request)), "cards", request.creatures)
    for path in write_cards(cards, out, request.creatures, args.transparent, request.evolutions, args.lang):
        echo(path)
    title = out.resolve().name
    if args.deck:
        from pokegen.cards.deck import write_deck

        echo(write_deck(made, out, title, args.lang))
    if args.gif:
        from pokegen.cards.files import write_gifs

        for path in progress(write_gifs(made, out, generator.neighbours(made, request), GIF_MS), "GIFs", len(made)):
            echo(path)
    if args.sheet or args.pdf:
        from pokegen.cards.print_sheet import write_pages, write_sheet

        if args.sheet:
            echo(write_sheet(made, out / "sheet.pdf", lang=args.lang, title=title, **on_sheet))
        if args.pdf:
            echo(write_pages(made, out / "cards.pdf", lang=args.lang, title=title, **on_pages))
    if args.export:
        from pokegen.cards.export import export_cards

        for path in export_cards(made, args.export, request.evolutions):
            echo(path)


def _print_options(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was set of `write_sheet` and of `write_pages`, checked."""
    for word, needs in (
        ("page", "sheet"),
        ("margin", "sheet"),
        ("card_size", "sheet or --pdf"),
        ("bleed", "sheet or --pdf"),
    ):
        if getattr(args, word) is not None and not (args.sheet or (args.pdf and "pdf" in needs)):
            option = word.replace("_", "-")
            raise UserError(f"--{option} is for printing. Add --{needs}, or leave --{option} away.")
    if not args.sheet and not args.pdf:
        return {}, {}
    from pokegen.cards.print_sheet import page_layout, parse_size, sheet_layout

    given = {"page": args.page, "margin": args.margin, "bleed": args.bleed}
    if args.card_size is not None:
        given["card_size"] = parse_size(args.card_size)
    given = {key: value for key, value in given.items() if value is not None}
    on_pages = {key: value for key, value in given.items() if key in ("card_size", "bleed")}
    if args.sheet:
        sheet_layout(**given)
    if args.pdf:
        page_layout(**on_pages)
    return given, on_pages
