"""What the fuzzer found stays found, and the fuzzer itself still runs: benchmarks/fuzz.py."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pokegen.errors import UserError

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
LONG = "A" * 140_000  # more than a field of Python's csv may have


@pytest.fixture(scope="module")
def fuzzer():
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz"]


@pytest.mark.parametrize(
    "kind", ["pictures", "tables", "recordings", "keys", "checkpoints", "configs", "cards", "runs"]
)
def test_a_short_run_finds_nothing(fuzzer, kind, tmp_path):
    (_, cases, refused, accepted, _, crashes), crash = fuzzer.fuzz(kind, 100, 1, tmp_path)
    assert (crashes, crash) == (0, "")
    assert cases == refused + accepted >= 100 and refused


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), MemoryError(), SystemExit(1)])
def test_the_fuzzer_sees_what_is_no_user_error(fuzzer, error, tmp_path):
    def read(_):
        raise error

    with pytest.raises(fuzzer.Crash):
        fuzzer.attempt(read, tmp_path)


def test_the_fuzzer_sees_control_characters_and_waiting(fuzzer, tmp_path, monkeypatch):
    with pytest.raises(fuzzer.Crash, match="control character"):
        fuzzer.attempt(lambda _: print("\x1b[2J"), tmp_path)
    monkeypatch.setattr(fuzzer, "WAIT", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(fuzzer.Crash, match="more than"):
        fuzzer.attempt(lambda folder: (folder / "pipe").read_bytes(), tmp_path)


@pytest.mark.parametrize("rows", [f"0,0,{LONG}\n", "0,0,a,1e300\n"], ids=["field", "episode"])
def test_tables_of_keys(rows, tmp_path):
    from pokegen.game.video.recording import HEADER, _read_rows

    header = "frame,time,key" + ",episode" * rows.count(",1e")
    (tmp_path / "keys.csv").write_text(f"{header}\n{rows}")
    with pytest.raises(UserError):
        _read_rows(tmp_path / "keys.csv", HEADER[:3], HEADER[3:])


def test_a_pipe_in_place_of_a_table_of_keys(fuzzer, tmp_path):
    from pokegen.game.video.recording import HEADER, _read_rows

    os.mkfifo(tmp_path / "keys.csv")
    assert not fuzzer.attempt(lambda folder: _read_rows(folder / "keys.csv", HEADER[:3]), tmp_path)


def test_a_pipe_in_place_of_a_plan(fuzzer, tmp_path):
    from pokegen.game.phases import read_plan

    os.mkfifo(tmp_path / "plan.yaml")
    assert not fuzzer.attempt(lambda folder: read_plan(folder / "plan.yaml", folder, 0), tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "a: " + "[" * 700 + "]" * 700, "a: 2020-99-99"], ids=["open", "deep", "date"]
)
def test_configs_and_plans(text, tmp_path):
    from pokegen.cli.fit import _find_configs
    from pokegen.game.phases import read_plan

    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError):
        _find_configs(["--config", str(tmp_path / "x.yaml")])
    with pytest.raises(UserError):
        read_plan(tmp_path / "x.yaml", tmp_path, 0)


def test_runs(tmp_path):
    from pokegen.tracking.read import load
    from pokegen.zoo.exporting import run_facts

    (tmp_path / "config.yaml").write_text("model: A")
    table = tmp_path / "csv" / "version_0" / "metrics.csv"
    table.parent.mkdir(parents=True)
    table.write_text("step,images\n1,inf\n2,nan\n3,7\n")
    assert load(str(tmp_path), tmp_path).images_seen == 7
    for text in (f"step\n{LONG}\n", f"step,{LONG}\n1,1\n"):
        table.write_text(text)
        with pytest.raises(UserError):
            load(str(tmp_path), tmp_path)
    record = {"seconds": 10**400, "images_seen": 1, "gpu": "x", "data_hash": "x"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert run_facts(tmp_path, 1) == {}


def test_a_card_with_a_long_name_of_a_picture(tmp_path):
    from pokegen.evaluation.samples import read_samples

    cards = [{"types": ["Fire"], "sprite": f"{i}{'x' * 300}.png"} for i in range(200)]
    (tmp_path / "cards.json").write_text(json.dumps(cards))
    with pytest.raises(UserError):
        read_samples(tmp_path, 0)


def test_imported_sprites(fuzzer, tmp_path):
    from pokegen.data import sprites

    for name, content in fuzzer.tables().files.items():
        (tmp_path / name).write_bytes(content)
    sprites.load_sprites(tmp_path)
    np.save(tmp_path / sprites.PIXELS, np.uint8(1))
    with pytest.raises(UserError):
        sprites.load_sprites(tmp_path)
    meta = (tmp_path / sprites.META).read_text()
    for text in ("[" * 200_000, "1"):
        (tmp_path / sprites.META).write_text(text)
        with pytest.raises(UserError):
            sprites.load_sprites(tmp_path)
    (tmp_path / sprites.META).write_text(meta)
    (tmp_path / sprites.INDEX).write_text(LONG)
    with pytest.raises(UserError):
        sprites.load_sprites(tmp_path)
