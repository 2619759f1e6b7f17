"""play and record games, label video with its keys, evaluate players and agents, battle

examples:
  pokegen game envs                                    list the environments; --check runs and measures each
  pokegen game record --env pokegen/Overworld-v0 --player uneven --frames 9000 --out data/recordings/overworld/one
  pokegen game record --env ALE/SpaceInvaders-v5 --player human --out data/recordings/invaders/mine
  pokegen game import VIDEO.mp4 KEYS.csv --out data/recordings/emerald/first
  pokegen game annotate VIDEO… --model idm_gameboy --out data/recordings/labelled
  pokegen game play --agent dqn_invaders --out game.mp4
  pokegen game evaluate --player dqn_invaders --episodes 100
  pokegen game phases configs/phases/fighter.yaml --seeds 3
  pokegen game battle --players expert heuristics --battles 200
  pokegen game battle out/cards                        how strong your creatures are next to real Pokémon

A recording is a video and a CSV with one row per frame: the key that was pressed, or none. `pokegen fit` trains on
recordings: --config configs/game/idm.yaml learns to read keys from video, configs/game/cloning.yaml to play.
"""

import argparse
import json
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pokegen.cli import _battle
from pokegen.errors import UserError
from pokegen.files import write
from pokegen.trust import echo

PLAYERS = (
    "random; expert (a script); uneven (the script with a person's pauses and curiosity); or an agent or a cloned "
    "policy: zoo name, checkpoint folder, or hf:OWNER/NAME"
)
PLAYS = {"random": "random play", "expert": "the script"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="action", required=True, metavar="{envs,record,import,annotate,play,evaluate,phases,battle}"
    )

    action = _parser(verbs, "envs", "list the environments, one per line")
    action.add_argument("ids", nargs="*", metavar="ID", help="only these; default: all")
    action.add_argument("--check", action="store_true", help="run each, and measure its capabilities and speed")
    action.add_argument("--json", type=Path, metavar="FILE", help="with --check: also write the results to this file")

    action = _parser(verbs, "record", "play, and record the video and the keys")
    _add_env(action)
    action.add_argument("--player", default="human", help=f"human (a window), {PLAYERS}; default: %(default)s")
    action.add_argument("--frames", type=_positive, default=9000, help="at most, 15 per second; default: %(default)s")
    action.add_argument("--seed", type=int, default=0, metavar="S", help="of the first episode; default: %(default)s")
    action.add_argument("--out", type=Path, required=True, help="writes OUT.mkv and OUT.csv")

    action = _parser(verbs, "import", "make a recording from your own video and a CSV of its keys")
    action.add_argument("video", type=Path, help="video of any size, frame rate and codec")
    action.add_argument("keys", type=Path, help="CSV with frame, time (seconds) and key; reward and episode if known")
    action.add_argument("--out", type=Path, required=True, help="writes OUT.mkv and OUT.csv")

    action = _parser(verbs, "annotate", "predict the keys that were pressed in a video, and write them as CSV")
    action.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="any size, frame rate and codec")
    action.add_argument("--model", required=True, help="inverse dynamics model: zoo name, folder, or hf:OWNER/NAME")
    action.add_argument("--out", type=Path, help="folder of the labels; default: next to each video")
    action.add_argument(
        "--shard_frames", type=_positive, default=4500, help="frames per shard, 15 per second; default: %(default)s"
    )
    action.add_argument("--devices", type=_positive, default=1, help="processes or GPUs; default: %(default)s")
    action.add_argument("--num_nodes", type=_positive, default=1, help="machines, under torchrun; default: %(default)s")
    action.add_argument(
        "--precision",
        default="32-true",
        help="as in Lightning; bf16-mixed is faster on hardware with bf16 arithmetic; default: %(default)s",
    )

    action = _parser(verbs, "play", "play whole episodes, and write a video of the screen")
    _add_env(action, required=False)
    action.add_argument("--agent", required=True, help=PLAYERS)
    action.add_argument("--episodes", type=_positive, default=1, help="number of episodes; default: %(default)s")
    action.add_argument("--seed", type=int, default=0, metavar="S", help="of the first episode; default: %(default)s")
    action.add_argument("--out", type=Path, required=True, metavar="FILE", help="the video: .mp4, .mkv or .gif")

    action = _parser(verbs, "evaluate", "measure returns, compared with random play and published scores")
    _add_env(action, required=False)
    action.add_argument(
        "--player",
        nargs="+",
        default=["random"],
        help=f"{PLAYERS}; several count as runs of one agent; default: random",
    )
    action.add_argument("--episodes", type=_positive, default=20, help="episodes per player; default: %(default)s")
    action.add_argument("--seed", type=int, default=0, metavar="S", help="of the first episode; default: %(default)s")
    action.add_argument("--json", type=Path, metavar="FILE", help="also write returns and lengths to this file")
    action.add_argument("--card", action="store_true", help="write the results into the checkpoint's model card")

    action = _parser(verbs, "phases", "train an agent in phases by a plan, and print a table of its scores")
    action.add_argument("plan", type=Path, help="YAML, such as configs/phases/fighter.yaml")
    action.add_argument(
        "--only", choices=("teacher", "study", "exploration", "consolidation", "play"), help="only this phase"
    )
    action.add_argument("--seeds", type=_positive, default=1, help="repetitions with other seeds; default: %(default)s")
    action.add_argument("--out", type=Path, help="folder; default: runs/phases-PLAN")

    _battle.add_arguments(
        _parser(verbs, "battle", "battle: players against each other, or your cards against real Pokémon")
    )


def _parser(verbs: Any, name: str, summary: str) -> argparse.ArgumentParser:
    return verbs.add_parser(name, help=summary, description=summary)


def _add_env(parser: argparse.ArgumentParser, required: bool = True) -> None:
    more = "" if required else "; default: the agent's own"
    parser.add_argument("--env", required=required, metavar="ID", help=f"see: pokegen game envs{more}")
    parser.add_argument(
        "--options",
        type=_json,
        default={},
        metavar="JSON",
        help='options of the environment, such as \'{"rom": "my.gb"}\'',
    )


def _json(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"expected JSON, got {text!r}: {error}") from error
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError(f"expected JSON such as '{{\"frameskip\": 4}}', got {text!r}")
    return options


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> None:
    verbs = {"envs": _envs, "record": _record, "import": _import, "annotate": _annotate, "play": _play}
    (verbs | {"evaluate": _evaluate, "phases": _phases, "battle": _battle.run})[args.action](args)


def _envs(args: argparse.Namespace) -> None:
    from pokegen.game import check

    if args.json and not args.check:
        raise UserError("--json writes the results of --check: give both.")
    if not args.check:
        for line in check.known(args.ids):
            echo(line)
        return
    echo(check.heading())
    rows = []
    for row in check.check(args.ids or None):
        echo(check.line(row), flush=True)
        rows.append(row)
    if args.json:
        _write(args.json, [row.as_dict() for row in rows])


def _record(args: argparse.Namespace) -> None:
    from pokegen.game.agents.seat import seat
    from pokegen.game.envs import make
    from pokegen.game.video.recording import record
    from pokegen.game.window import Window

    if args.player == "human":
        env = make(args.env, **args.options)
        player: Any = Window(env)
    else:
        env, scripted = seat(args.player, args.env, args.options)
        player = nullcontext(scripted)
    try:
        with player as playing:
            echo(record(env, playing, args.out, args.frames, args.seed))
    finally:
        env.close()


def _import(args: argparse.Namespace) -> None:
    from pokegen.game.video.recording import import_video

    echo(import_video(args.video, args.keys, args.out))


def _annotate(args: argparse.Namespace) -> None:
    from pokegen import zoo
    from pokegen.game.video.annotate import annotate
    from pokegen.game.video.idm import VideoReader

    loaded = zoo.load(args.model)
    if not isinstance(loaded.model, VideoReader):
        raise UserError(f"{args.model} is not an inverse dynamics model, which reads keys from video.")
    strategy = "ddp" if args.devices * args.num_nodes > 1 else "auto"
    labels = annotate(
        args.videos,
        loaded.model,
        mark=loaded.config["sha256"][:12],
        out=args.out,
        shard_frames=args.shard_frames,
        devices=args.devices,
        num_nodes=args.num_nodes,
        precision=args.precision,
        strategy=strategy,
    )
    for path in labels:
        echo(path)


def _play(args: argparse.Namespace) -> None:
    from pokegen.game.agents.seat import seat
    from pokegen.game.video.film import film

    env, player = seat(args.agent, args.env, args.options)
    try:
        for episode, (total, steps) in enumerate(film(env, player, args.out, args.episodes, args.seed)):
            echo(f"episode {episode}: {total:.2f} in {steps} steps")
    finally:
        env.close()
    echo(args.out)


def _evaluate(args: argparse.Namespace) -> None:
    import numpy as np

    from pokegen import zoo
    from pokegen.game.agents.seat import seat
    from pokegen.game.evaluate import REFERENCES, episodes_of, interquartile_mean, interval
    from pokegen.game.players import SCRIPTS, script
    from pokegen.progress import progress

    if args.card and (len(args.player) > 1 or args.player[0] in SCRIPTS):
        raise UserError("--card writes into the model card of one checkpoint: give only that one to --player.")
    runs, facts = [], []
    for name in args.player:
        env, player = seat(name, args.env, args.options)
        try:
            found = episodes_of(env, player, args.episodes, args.seed)
            runs.append(np.array(list(progress(found, f"{name}'s episodes", args.episodes))))
            title = env.spec.id if env.spec else args.env
        finally:
            env.close()
        score, steps = runs[-1].T
        spread = f"standard deviation {score.std():.2f}, from {score.min():g} to {score.max():g}, {len(score)} games"
        echo(f"{name} plays {title}: {score.mean():.2f} a game, {spread} of {steps.mean():.0f} steps")
        facts.append({"player": name, "returns": score.tolist(), "steps": steps.astype(int).tolist()})
    scores = [run[:, 0] for run in runs]
    rows = [["", "mean", "95 % interval", "standard deviation"]]
    middle = float(np.concatenate(scores).mean())
    low, high = interval(scores, lambda x: x.mean(axis=-1))
    rows.append(["return", f"{middle:.2f}", f"{low:.2f} to {high:.2f}", f"{np.concatenate(scores).std():.2f}"])
    echo(f"mean {middle:.2f}, 95 % interval {low:.2f} to {high:.2f}")
    low, high = interval(scores)
    inner = float(interquartile_mean(np.concatenate(scores)))
    rows.append(["its middle half", f"{inner:.2f}", f"{low:.2f} to {high:.2f}", ""])
    echo(f"interquartile mean {inner:.2f}, 95 % interval {low:.2f} to {high:.2f}")
    if len(runs) > 1:
        means = [run.mean() for run in scores]
        echo(f"of {len(runs)} runs: {np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}")
    for name in ("random", "expert"):  # every report compares with these
        if args.player == [name]:
            continue
        env, _ = seat(args.player[0], args.env, args.options)
        try:
            played = episodes_of(env, script(name, env), args.episodes, args.seed)
            reference = np.array(list(progress(played, f"{name} play", args.episodes)))[:, 0]
        except UserError:  # there is no script for this environment
            continue
        finally:
            env.close()
        rows.append([PLAYS[name], f"{reference.mean():.2f}", "", f"{reference.std():.2f}"])
        echo(f"{PLAYS[name]}: {reference.mean():.2f} ± {reference.std():.2f}")
    if title in REFERENCES:
        idle, person = REFERENCES[title]
        rows += [["random play, published", f"{idle:g}", "", ""], ["a person, published", f"{person:g}", "", ""]]
        share = (middle - idle) / (person - idle)
        echo(f"published: random {idle:g}, a person {person:g}; this is {share:.0%} of the way")
    if args.json:
        one = facts[0] if len(facts) == 1 else {"runs": facts}
        _write(args.json, {"env": title, "seed": args.seed} | one)
    if args.card:
        table = "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * 4, *rows[1:]])
        where = ["--env", args.env] if args.env else []
        where += ["--options", json.dumps(args.options)] if args.options else []
        words = ["--player", args.player[0], *where, "--episodes", str(args.episodes), "--seed", str(args.seed)]
        command = f"pokegen game evaluate {shlex.join(words)}"
        echo(zoo.write_numbers(zoo.folder_of(args.player[0]), table, command))


def _phases(args: argparse.Namespace) -> None:
    from pokegen.game import phases

    out = args.out or Path("runs") / f"phases-{args.plan.stem}"
    scores = []
    for seed in range(args.seeds):
        for score in phases.run_plan(args.plan, out, seed, args.only):
            scores.append(score)
            mean = sum(score.returns) / len(score.returns)
            echo(f"seed {seed}, {score.phase}: {mean:.2f} a game, {len(score.returns)} games", flush=True)
    rows = phases.table(scores)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    phases.write(scores, out / "phases.csv")
    echo(out / "phases.csv")


def _write(path: Path, content: Any) -> None:
    echo(write(path, json.dumps(content, indent=1)))
