"""The five phases, on a small plan, and how plans are read."""

import csv
import itertools
import json
from pathlib import Path

import lamps  # noqa: F401  # registers tests/Lamps-v0
import numpy as np
import pytest

from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game import phases

PLAN = """
episodes: 3
env: tests/Lamps-v0
phases:
  teacher: {run: "teach {out} {seed}", plays: expert}
  study: {run: ["study 'two words'", export], plays: random}
  exploration: {run: explore, plays: random}
  consolidation: {run: consolidate, plays: uneven}
  play: {run: play, plays: expert}
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "plan.yaml"


@pytest.fixture
def ran(monkeypatch):
    """The commands that were run."""
    found = []
    monkeypatch.setattr(phases, "_run", lambda phase, words: found.append((phase, words)))
    return found


def test_all_phases_in_order_each_once(plan, tmp_path, ran):
    out = tmp_path / "out"
    scores = list(phases.run_plan(plan, out, seed=4))
    assert [words for _, words in ran] == [
        ["teach", str(out / "seed4"), "4"], ["study", "two words"], ["export"], ["explore"], ["consolidate"], ["play"],
    ]  # fmt: skip
    assert [score.phase for score in scores] == list(phases.PHASES)
    assert scores[0].returns == scores[4].returns == [20.0] * 3  # the expert's
    assert np.isnan(scores[0].gain)
    for before, after in itertools.pairwise(scores):
        assert after.gain == pytest.approx(np.mean(after.returns) - np.mean(before.returns))
    ran.clear()
    assert [score.returns for score in phases.run_plan(plan, out, seed=4)] == [score.returns for score in scores]
    assert ran == []  # what is done is not done again


def test_what_an_interrupted_phase_left_is_not_taken_for_it(plan, tmp_path, ran):
    left = tmp_path / "my out" / "seed0" / "study"
    left.mkdir(parents=True)
    assert [score.phase for score in phases.run_plan(plan, tmp_path / "my out")] == list(phases.PHASES)
    assert not left.exists()
    assert ran[0][1] == ["teach", str(left.parent), "0"]  # a space in its name is none between words


def test_one_phase_needs_those_before(plan, tmp_path, ran):
    with pytest.raises(UserError, match="Phase teacher comes before study: run it first"):
        list(phases.run_plan(plan, tmp_path / "out", only="study"))
    assert ran == []
    for name in phases.PHASES:
        ran.clear()
        list(phases.run_plan(plan, tmp_path / "out", only=name))
        assert {phase for phase, _ in ran} == {name}


def test_the_verb_writes_the_table(plan, tmp_path, ran, capsys):
    assert main(["game", "phases", str(plan), "--seeds", "2", "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.startswith("teacher ") or line.startswith("play ")]
    assert rows[0] == ["teacher", "20.00", "±", "0.00"]
    assert rows[1][:4] == ["play", "20.00", "±", "0.00"]
    with open(tmp_path / "out" / "phases.csv", newline="") as file:
        kept = list(csv.DictReader(file))
    assert [(row["seed"], row["phase"]) for row in kept] == [(str(s), p) for s in (0, 1) for p in phases.PHASES]
    assert json.loads((tmp_path / "out" / "seed1" / "play.json").read_text()) == [20.0] * 3


def test_a_command_that_fails_is_told(plan, tmp_path):
    with pytest.raises(UserError, match=r"Phase teacher failed at `pokegen teach .*Unknown|Phase teacher failed"):
        list(phases.run_plan(plan, tmp_path / "out"))
    assert not (tmp_path / "out" / "seed0" / "teacher.json").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("phases: {teacher: {run: x, plays: y}}", "expected `phases` with teacher, study, exploration"),
        ("[1, 2", "is no plan of phases"),
        (PLAN.replace("plays: uneven", "player: uneven"), "phase consolidation: expected `run`"),
        (PLAN.replace("{seed}", "{sead}"), "phase teacher: expected `run`"),
    ],
)
def test_a_plan_that_is_none(tmp_path, text, told):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        phases.read_plan(tmp_path / "plan.yaml", tmp_path, 0)
    with pytest.raises(UserError, match="is no plan of phases"):
        phases.read_plan(tmp_path / "none.yaml", tmp_path, 0)


@pytest.mark.parametrize("name", ["fighter", "invaders"])
def test_shipped_plans(name, tmp_path):
    found, _ = phases.read_plan(Path(f"configs/phases/{name}.yaml"), tmp_path, 0)
    for phase in found:
        for words in phase.commands:
            assert not any("{" in word for word in words)
            configs = [b for a, b in itertools.pairwise(words) if a == "--config"]
            assert all((phases.shipped() / config).is_file() for config in configs)
            if words[0] == "fit":  # the command line takes it
                assert (
                    main([w for w in words if not w.endswith(".ckpt") and w != "--init_from"] + ["--print_config"]) == 0
                )
