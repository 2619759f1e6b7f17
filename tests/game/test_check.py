"""The capability matrix: what it measures, in its own process and in this one, and how it is written."""

import json
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest

from pokegen.errors import UserError
from pokegen.game import check
from pokegen.game.check import HEADS, CheckRow, known, line, table

CELLS = {"yes", "no"}


class Counter(gymnasium.Env):
    """Shows a growing square; what it can is told by its arguments."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 255, (2,), np.float32)

    def __init__(self, render_mode=None, frame_skip=1, seeded=True, waits=True, exact=True, ends=True, named=True):
        self.render_mode, self.frame_skip = render_mode, frame_skip
        self.seeded, self.waits, self.exact, self.ends = seeded, waits, exact, ends
        self.action_space = gymnasium.spaces.Discrete(3)
        self.begun = 0
        if named:
            self.action_names = ("none", "up", "up+right")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.begun += 1
        self.count, self.time = 0, check.time.monotonic()
        self.shade = 200 if self.seeded else self.begun
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += (action + 1) * self.frame_skip
        over = self.ends and self.count > 150
        return np.zeros(2, np.float32), 1.0 if over else 0.0, over, False, {}

    def render(self):
        late = 0 if self.waits else int((check.time.monotonic() - self.time) / 0.09)
        frame = np.zeros((160, 160, 3), np.uint8)
        frame[: min(self.count + 1, 160)] = self.shade + late
        return frame

    def save_state(self):
        return self.count

    def restore_state(self, state):
        self.count = state if self.exact else 0


gymnasium.register("test/Counter-v0", Counter)
AGAINST = {"seeded": "seed", "waits": "sync", "exact": "save", "ends": "reward", "named": "log"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(check, "PATIENCE", 0.3)


def measured(monkeypatch, **options: bool) -> CheckRow:
    monkeypatch.setattr(check, "_options", lambda id, stack: options)
    return check.measure("test/Counter-v0", seconds=0.05)


def test_a_capable_environment_is_green(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    row = measured(monkeypatch)
    assert {name: getattr(row, name) for name in HEADS} == dict.fromkeys(HEADS, "yes") | {"mini_game": "no"}
    assert row.rate > 100 and not row.note


def test_actions_of_several_parts_are_recorded_by_name():
    row = check.measure("pokegen/Fighter-v0", seconds=0.05)
    assert row.log == row.video == row.compound == row.save == "yes" and not row.note


@pytest.mark.parametrize("lacks", AGAINST)
def test_what_an_environment_lacks_is_measured(monkeypatch, lacks):
    row = measured(monkeypatch, **{lacks: False})
    wrong = {name for name in HEADS if getattr(row, name) == "no"} - {"mini_game", "headless"}
    also = {"seeded": {"sync"}, "named": {"compound"}, "waits": {"seed", "save", "skip"}}  # what depends on it
    assert AGAINST[lacks] in wrong and wrong - {AGAINST[lacks]} <= also.get(lacks, set())


def test_a_skip_that_is_no_skip_is_found(monkeypatch):
    class Odd(Counter):
        def step(self, action):
            self.frame_skip = min(self.frame_skip, 1) if self.frame_skip < 2 else 3
            return super().step(action)

    monkeypatch.setitem(gymnasium.registry, "test/Odd-v0", gymnasium.envs.registration.EnvSpec("test/Odd-v0", Odd))
    assert check.measure("test/Odd-v0", 0.05).skip == "no"


def test_atari_in_a_process_of_its_own():
    (row,) = check.check(["ALE/SpaceInvaders-v5"], seconds=0.3)
    assert row.as_dict() | {"rate": 0, "package": ""} == (
        CheckRow(
            "ALE/SpaceInvaders-v5", "", *["yes"] * 8, "no", *["yes"] * 2, rate=0, note="108 ROMs in the wheel"
        ).as_dict()
    )
    assert row.rate > 50 and row.package == "ale-py " + check.importlib.metadata.version("ale-py")
    assert CheckRow(**json.loads(json.dumps(row.as_dict()))) == row


def test_rows_come_one_after_the_other_and_a_missing_program_is_a_line():
    rows = check.check(["mpe/simple_adversary_v3", "unity/PATH"], seconds=0.1)
    first = next(rows)
    assert first.save == first.seed == first.state == first.compound == "yes" and first.log == "no" and not first.note
    (second,) = rows
    assert "mlagents_envs is not installed" in second.note or "did not start" in second.note
    assert second.rate == 0 and all(getattr(second, name) == "–" for name in HEADS)


def test_an_unknown_id_is_refused_before_any_is_run():
    with pytest.raises(UserError, match=r"^Unknown environment 'pokegen/Fihter-v0'\. Near: pokegen/Fighter-v0"):
        next(check.check(["ALE/SpaceInvaders-v5", "pokegen/Fihter-v0"]))


@pytest.mark.parametrize(
    "program, note",
    [
        ("import os; os.abort()", "ended with status -6: "),
        ("import sys; sys.exit('no core')", "ended with status 1: no core"),
        ("import time; time.sleep(60)", "did not finish in 1 s"),
    ],
)
def test_a_crash_or_a_hang_spoils_one_row(monkeypatch, tmp_path, program, note):
    start = check.subprocess.Popen
    monkeypatch.setattr(check, "TIMEOUT", 1.0)
    monkeypatch.setattr(check.subprocess, "Popen", lambda _, **rest: start([sys.executable, "-c", program], **rest))
    (row,) = check.check(["ALE/SpaceInvaders-v5"])
    assert row.note.startswith(note) and row.rate == 0


def test_known_tells_what_is_installed_without_importing_it(monkeypatch):
    entries = {entry.id: entry for entry in known()}
    assert entries["ALE/SpaceInvaders-v5"].installed and entries["ALE/SpaceInvaders-v5"].version
    assert not entries["dmlab/seekavoid_arena_01"].installed and not entries["dmlab/seekavoid_arena_01"].version
    assert [entry.id for entry in known() if entry.mini_game] == ["pokegen/Overworld-v0", "pokegen/Fighter-v0"]
    assert all(entry.about and "\n" not in str(entry) for entry in known())
    lines = {entry.id: str(entry) for entry in known(["ALE/Pong-v5", "dmlab/seekavoid_arena_01", "CartPole-v1"])}
    assert lines["ALE/Pong-v5"].endswith(f"Atari [ale-py {entries['ALE/SpaceInvaders-v5'].version}]")
    assert lines["dmlab/seekavoid_arena_01"].endswith("[deepmind_lab is not installed]")


def test_other_ids_belong_to_their_package():
    packages = {
        "ALE/Pong-v5": "ale-py",
        "VizdoomTakeCover-v1": "vizdoom",
        "mpe/simple_tag_v3": "mpe2",
        "CartPole-v1": "gymnasium",
        "retro/Sonic-Genesis-v0": "stable-retro",
        "pokegen/Desktop-v0": "python-xlib",
        "sc2/Simple64": "pysc2",
    }
    assert {id: check._entry(id).package for id in packages} == packages


def test_the_table_has_fixed_columns_and_a_markdown_form():
    rows = [
        CheckRow("ALE/SpaceInvaders-v5", "ale-py 0.12.1", *["yes"] * 8, "no", "yes", "yes", 1234.5, "108 ROMs"),
        CheckRow("unity/PATH", "mlagents_envs", note="mlagents_envs is not installed."),
    ]
    head, first, second = table(rows).splitlines()
    for name in HEADS.values():
        assert first[head.index(f"  {name}  ") + 2 :].startswith(("yes", "no"))
    assert first[: head.index("steps/s") + len("steps/s")].endswith("1234") and first.endswith(
        "ale-py 0.12.1 (108 ROMs)"
    )
    assert second.split(maxsplit=1) == ["unity/PATH", "mlagents_envs is not installed."]
    lines = table(rows, markdown=True).splitlines()
    assert {text.count("|") for text in lines} == {len(HEADS) + 4} and lines[2] == line(rows[0], markdown=True)
