"""What the verbs that create have in common: the options that make up an order, and the seed."""

import argparse
import secrets
import sys
from typing import Any

from pokegen.cards.request import DEFAULT_MODEL, Request
from pokegen.schema import COLORS, STAGES, STYLES, TIERS, TYPES

Options = argparse._ActionsContainer  # a parser, or a group of its options


def add_types(parser: Options) -> None:
    parser.add_argument("--type", metavar="TYPE", help=f"first type, in any case: {', '.join(TYPES)}; default: random")
    parser.add_argument("--type2", metavar="TYPE", help="second type, or none for a single type; default: random")


def add_legendary(parser: Options) -> None:
    parser.add_argument(
        "--legendary", action=argparse.BooleanOptionalAction, help="legendary ones, or none; default: random"
    )


def add_tier(parser: Options) -> None:
    parser.add_argument("--tier", metavar="TIER", help=f"power: {', '.join(TIERS)}; default: random")


def add_stage(parser: Options) -> None:
    parser.add_argument(
        "--stage",
        type=int,
        metavar="N",
        help=f"place in the evolution line, {STAGES[0]} to {STAGES[-1]}; default: random",
    )


def add_color(parser: Options) -> None:
    parser.add_argument("--color", metavar="COLOR", help=f"{', '.join(COLORS)}; default: random")


def add_shiny_and_style(parser: Options) -> None:
    parser.add_argument(
        "--shiny",
        action=argparse.BooleanOptionalAction,
        help="in the rare other colouring, or the usual; default: random, usual on cards",
    )
    parser.add_argument(
        "--style", metavar="STYLE", help=f"{', '.join(STYLES)}; pixel art by generation; default: random"
    )


def add_looks(parser: Options) -> None:
    """All that a sprite model may support."""
    add_types(parser)
    add_color(parser)
    add_legendary(parser)
    add_stage(parser)
    add_shiny_and_style(parser)


def add_model(parser: Options, default: str = DEFAULT_MODEL) -> None:
    parser.add_argument(
        "--model",
        default=default,
        help="sprite model: a zoo name, a checkpoint folder, or hf:OWNER/NAME of the Hugging Face hub; "
        "default: %(default)s",
    )


def looks(args: argparse.Namespace, **more: Any) -> Request:
    """The order of `add_looks` and a count."""
    return Request(
        type1=args.type,
        type2=args.type2,
        color=args.color,
        legendary=args.legendary,
        stage=args.stage,
        shiny=args.shiny,
        style=args.style,
        seed=chosen_seed(args),
        **more,
    )


def add_count_and_seed(parser: Options, count: int) -> None:
    parser.add_argument(
        "--count", type=int, default=count, metavar="N", help="how many, 1 to 100000; default: %(default)s"
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="same seed, same bytes; default: a random one, named on stderr"
    )


def chosen_seed(args: argparse.Namespace) -> int:
    """The seed that was given, or a random one of six digits."""
    return secrets.randbelow(1_000_000) if args.seed is None else args.seed


def tell_seed(args: argparse.Namespace, seed: int) -> None:
    """Name a random seed, so that the result can be had again. Called once nothing of the user's can be wrong."""
    if args.seed is None:
        print(f"seed {seed}", file=sys.stderr)
