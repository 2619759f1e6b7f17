"""The five phases of an agent that learns from a teacher first: teacher, study, exploration, consolidation, play.

A plan is a YAML file with the commands of each phase, as one would type them after `pokegen`, and the player that each
leaves:

    episodes: 100                     of each phase's player, for the table
    env: pokegen/Fighter-v0           for players that have none of their own
    phases:
      teacher:
        run: game record --env pokegen/Fighter-v0 --player expert --frames 3000 --out {out}/teacher/play
        plays: expert
      study:
        run:
          - fit --config configs/game/bc.yaml --runs {out} --run study --seed_everything {seed}
          - zoo export {out}/study {out}/study/zoo
        plays: "{out}/study/zoo"
      …

`{out}` is a folder for each seed, `{seed}` its number. A phase that is done is not done again, so a plan that was
stopped goes on. Its player's returns are kept in OUT/PHASE.json, and all of them in OUT/phases.csv.
"""

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pokegen import files, workers
from pokegen.errors import UserError
from pokegen.resources import shipped
from pokegen.trust import python, read_yaml

PHASES = ("teacher", "study", "exploration", "consolidation", "play")


@dataclass(frozen=True)
class Phase:
    """One of a plan: its name, its commands as words, and who plays then."""

    name: str
    commands: list[list[str]]
    player: str


@dataclass(frozen=True)
class Score:
    """Returns of a phase's player; `gain` over the phase before, NaN for the first."""

    phase: str
    seed: int
    returns: list[float]
    gain: float


def read_plan(path: Path, out: Path, seed: int) -> tuple[list[Phase], dict[str, Any]]:
    """The phases of a plan file, for a folder and a seed, and its `episodes`, `env` and `options`.

    A path that does not exist is looked for among the shipped configs. Raises UserError for a plan that is none.
    """
    found = path if path.is_file() else shipped() / path
    if found.exists() and not found.is_file():  # a named pipe would wait for its writer
        raise UserError(f"{path} is no plan of phases: not a file.")
    try:
        plan = read_yaml(found.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no plan of phases: {str(error).splitlines()[0]}.") from error
    known = plan.get("phases") if isinstance(plan, dict) else None
    if not isinstance(known, dict) or tuple(known) != PHASES:
        raise UserError(f"{path}: expected `phases` with {', '.join(PHASES)}, in this order.")
    phases = []
    for name, content in known.items():
        try:
            lines = content["run"]
            words = [
                [word.format(out=out, seed=seed) for word in shlex.split(line)]
                for line in ([lines] if isinstance(lines, str) else lines)
            ]
            phases.append(Phase(name, words, content["plays"].format(out=out, seed=seed)))
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, MemoryError) as error:
            raise UserError(
                f"{path}, phase {name}: expected `run`, commands, and `plays`, a player: {error}."
            ) from error
    return phases, {key: plan.get(key, usual) for key, usual in (("episodes", 100), ("env", None), ("options", {}))}


def run_plan(plan: Path, out: Path, seed: int = 0, only: str | None = None) -> Iterator[Score]:
    """Run the phases that are not done yet, and yield each one's score. `only` one of them; those before must be done.

    Raises UserError where a command fails.
    """
    folder = out / f"seed{seed}"
    phases, facts = read_plan(plan, folder, seed)
    with files.claim(out):  # not the seed's folder, into which its commands write
        yield from _run_phases(phases, facts, folder, seed, only)


def _run_phases(
    phases: list[Phase], facts: dict[str, Any], folder: Path, seed: int, only: str | None
) -> Iterator[Score]:
    before: float | None = None
    for phase in phases:
        kept = folder / f"{phase.name}.json"
        if not kept.is_file():
            if only not in (None, phase.name):
                if PHASES.index(phase.name) < PHASES.index(only or ""):
                    raise UserError(f"Phase {phase.name} comes before {only}: run it first.")
                return
            shutil.rmtree(folder / phase.name, ignore_errors=True)  # what an interrupted one left
            folder.mkdir(parents=True, exist_ok=True)
            for words in phase.commands:
                _run(phase.name, words)
            files.write(kept, json.dumps(_returns(phase.player, facts)))
        returns = json.loads(kept.read_text(encoding="utf-8"))
        mean = float(np.mean(returns))
        yield Score(phase.name, seed, returns, float("nan") if before is None else mean - before)
        before = mean


def table(scores: list[Score]) -> list[list[str]]:
    """A row a phase: the mean return over the seeds and its deviation between them, and the gain over the phase
    before."""
    rows = [["phase", "return", "gain"]]
    for name in dict.fromkeys(score.phase for score in scores):
        own = [score for score in scores if score.phase == name]
        cells = []
        for values in ([float(np.mean(score.returns)) for score in own], [score.gain for score in own]):
            spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
            cells.append("" if np.isnan(values).any() else f"{np.mean(values):+.2f}{spread}".removeprefix("+"))
        rows.append([name, *cells])
    return rows


def write(scores: list[Score], path: Path) -> None:
    """A CSV with a row for each phase and seed."""
    rows: list[list[object]] = [["seed", "phase", "return", "deviation", "episodes", "gain"]]
    for score in scores:
        mean, deviation = np.mean(score.returns), np.std(score.returns)
        rows.append([score.seed, score.phase, f"{mean:.4f}", f"{deviation:.4f}", len(score.returns), score.gain])
    files.write_csv(path, rows)


def _run(phase: str, words: list[str]) -> None:
    status, output = workers.run(python("-m", "pokegen.cli.main", *words))
    if status:
        last_line = next(iter(reversed(output.strip().splitlines())), "no reason given")
        raise UserError(f"Phase {phase} failed at `pokegen {shlex.join(words)}`: {last_line.removeprefix('pokegen: ')}")


def _returns(player: str, facts: dict[str, Any]) -> list[float]:
    from pokegen.game.agents.seat import seat
    from pokegen.game.evaluate import episodes_of
    from pokegen.game.players import SCRIPTS

    own = (facts["env"], facts["options"])
    env, seated = seat(player, *own) if player in SCRIPTS else seat(player, facts["env"], {}, own=own)
    try:
        return [total for total, _ in episodes_of(env, seated, facts["episodes"])]
    finally:
        env.close()
