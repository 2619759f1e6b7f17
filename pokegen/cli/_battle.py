"""battle with Pokémon Showdown's simulator, in process: players against each other, or your cards against real Pokémon

With --players, two players battle with random teams; each pair of teams is played twice, with the sides swapped. With
cards, your creatures and real Pokémon of like totals play a tournament in mixed teams. It prints how strong each card
is, on Elo's scale with real Pokémon at 1500 on average, and writes ratings.json and replays. Results are kept in
OUT/results.jsonl: the same command goes on after a stop, and a larger --couples adds to them.

examples:
  pokegen game battle --players expert max_power --battles 200
  pokegen game battle --players runs/battle/export heuristics --battles 1000 --json result.json
  pokegen card --count 20 --out out/cards && pokegen game battle out/cards
  pokegen game battle out/cards/001-katton.json --team_size 1 --couples 300

Needs Node.js 18 or newer. The simulator (55 MB) is installed on first use, with npm.
"""

import argparse
import time
from pathlib import Path

from pokegen.errors import UserError
from pokegen.files import to_json, write
from pokegen.trust import echo

PLAYERS = (
    "random, max_power (the strongest move), heuristics (poke-env's), expert (a script), or an agent: zoo name, "
    "checkpoint folder, or hf:OWNER/NAME"
)
OF_PLAYERS = {"battles": 100, "format": "gen9randombattle", "json": None}  # options and their defaults
OF_CARDS = {"couples": None, "team_size": 3, "player": "expert", "out": Path("out/battle")}
PEERS = 12  # real species at least, and two for each card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument(
        "cards", nargs="*", type=Path, metavar="CARDS", help="JSON of cards, or folders with cards.json"
    )
    parser.add_argument("--players", nargs=2, metavar=("A", "B"), help=PLAYERS)
    parser.add_argument("--battles", type=int, metavar="N", help="with --players: an even number; default: 100")
    parser.add_argument(
        "--format",
        help="with --players: one of Showdown's with random teams, one against one; default: gen9randombattle",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="with --players: also write the result to this file")
    parser.add_argument(
        "--couples",
        type=int,
        metavar="N",
        help="with cards: pairs of battles with the same teams; default: 5 for each card and each real Pokémon",
    )
    parser.add_argument("--team_size", type=int, metavar="N", help="with cards: 1 to 6; default: 3")
    parser.add_argument("--player", help=f"with cards: who plays both sides: {PLAYERS}; default: expert")
    parser.add_argument("--out", type=Path, metavar="DIR", help="with cards: folder; default: out/battle")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of teams and battles; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    if bool(args.players) == bool(args.cards):
        raise UserError("Expected either cards or --players A B. See: pokegen game battle --help")
    if args.seed < 0:
        raise UserError(f"Expected a --seed from 0 on, got {args.seed}.")
    own, other, word = (OF_PLAYERS, OF_CARDS, "cards") if args.players else (OF_CARDS, OF_PLAYERS, "--players")
    if wrong := [name for name in other if getattr(args, name) is not None]:
        raise UserError(f"--{wrong[0]} goes with {word}: leave it out.")
    for name, value in own.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    (_match if args.players else _cards)(args)


def _match(args: argparse.Namespace) -> None:
    from pokegen.game.battle.bridge import BridgeError
    from pokegen.game.battle.match import match, wilson
    from pokegen.progress import progress

    results: list[float] = []
    start, lost = time.monotonic(), None
    try:
        for result in progress(match(args.players, args.battles, args.format, args.seed), "battles", args.battles):
            results.append(result)
    except BridgeError as error:
        if not results:
            raise
        lost = error
    seconds = time.monotonic() - start
    count, wins, ties = len(results), results.count(1.0), results.count(0.5)
    rate = sum(results) / count
    low, high = wilson(rate, count)
    first, second = args.players
    echo(
        f"{first} against {second}, {args.format}: {count} battles, {wins} won, {ties} ties, {count - wins - ties} lost"
    )
    echo(f"win rate of {first}: {rate:.1%}, 95 % interval {low:.1%} to {high:.1%} (a tie is half a win)")
    echo(f"{count / seconds:.1f} battles a second")
    if lost:
        raise UserError(f"{str(lost).partition(':')[0]}: the result has fewer battles. Run the command again for all.")
    if args.json:
        facts = {"players": args.players, "format": args.format, "seed": args.seed, "battles": count, "won": wins}
        echo(write(args.json, to_json(facts | {"ties": ties, "win_rate": rate, "interval": [low, high]})))


def _cards(args: argparse.Namespace) -> None:
    from pokegen.cards.reference import as_card, peers
    from pokegen.game.battle.balance import verdicts
    from pokegen.game.battle.bridge import BridgeError
    from pokegen.game.battle.trial import RESULTS, Trial, read_candidates
    from pokegen.progress import progress

    candidates = read_candidates(args.cards)
    totals = [each.card["stats"]["total"] for each in candidates]
    real = [as_card(species) for species in peers(totals, max(2, -(-PEERS // len(totals))))]
    trial = Trial(candidates, real, args.out, args.team_size, args.player, args.seed)
    count = trial.default() if args.couples is None else args.couples
    try:
        couples = list(progress(trial.play(count), "couples of battles", count))
    except BridgeError as error:
        raise UserError(
            f"{str(error).partition(':')[0]}. {args.out / RESULTS} keeps the results so far: "
            "run the command again to go on."
        ) from error
    found = sorted(verdicts(trial.cards, trial.real, couples), key=lambda verdict: -verdict.rating.points)
    rows = [["", "total", "rating", "95 % interval", "like total", "advice"]]
    for verdict in found:
        rating = verdict.rating
        interval = f"{rating.low:.0f} to {rating.high:.0f}"
        numbers = [str(verdict.total), f"{rating.points:.0f}", interval, f"{verdict.peers:.0f}"]
        rows.append([verdict.name, *numbers, verdict.advice])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    note = "like total: the mean rating of the three nearest in total"
    echo(f"{2 * len(couples)} battles, {len(real)} real Pokémon with a mean of 1500; {note}")
    facts = {"player": args.player, "team_size": args.team_size, "seed": args.seed, "couples": len(couples)}
    content = facts | {"creatures": [verdict.to_dict() for verdict in found]}
    echo(write(args.out / "ratings.json", to_json(content)))
