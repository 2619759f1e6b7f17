"""Every option of every verb, each with a dozen wrong values: one line, exit status 2, at most 300 characters."""

import argparse
import importlib

import pytest
from PIL import Image

from pokegen.cli.main import VERBS, VerbParser, main

WORDS = ["", " ", "Plasma", "fire,", "fïre", "\x1b[31mfire", "x" * 5000, "../..", "[]", "null\n", "-", "🔥"]
WHOLE = ["", " ", "x", "1.5", "1e3", "nan", "inf", "-1", "0x10", "9" * 30, "-" + "9" * 30, "1" * 5000]
REAL = ["", " ", "x", "nan", "inf", "-inf", "-1", "1e999", "1,5", "0x1", "9" * 400, "\x1b[31m1"]
PLACES = ["x" * 5000, "file/below", "/proc/nowhere/x"]
FREE = {"name", "prefix", "version", "metric"}  # text in which nearly all is right
KINDS = {"int": WHOLE, "_positive": WHOLE, "float": REAL, "Path": PLACES, "_json": ["{", "1", '"x"', "[1]", "nan"]}
POSITIONAL = {  # what a verb needs beside the option that is tried
    "reimagine": ["picture.png"],
    "data import": ["drawn"],
    "zoo info": [],
    "zoo export": ["runs/none", "exported"],
    "zoo push": ["nowhere", "ada/x"],
    "compare": ["nowhere"],
    "game import": ["no.mp4", "no.csv"],
    "game annotate": ["no.mp4"],
    "game phases": ["no.yaml"],
}


def options(parser, path):
    """Verb, option and its kind, of a parser and those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from options(below, f"{path} {name}")
        elif action.option_strings and action.nargs != 0 and not isinstance(action, argparse.BooleanOptionalAction):
            yield path, action


def every():
    for verb in VERBS:
        parser = VerbParser(prog=verb)
        importlib.import_module(f"pokegen.cli.{verb}").add_arguments(parser)
        yield from options(parser, verb)


TRIED = [(path, action) for path, action in every() if action.dest not in FREE]


@pytest.mark.parametrize(("path", "action"), TRIED, ids=[f"{p} {a.option_strings[0]}" for p, a in TRIED])
def test_a_wrong_value_is_one_line(path, action, tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("precious")
    (tmp_path / "drawn").symlink_to(drawn)
    Image.new("RGB", (64, 64), "red").save("picture.png")
    for value in KINDS.get(getattr(action.type, "__name__", ""), WORDS):
        words = [*path.split(), *POSITIONAL.get(path, []), f"{action.option_strings[0]}={value}"]
        status, error = main(words), capsys.readouterr().err
        lines = error.strip("\n").split("\n")
        assert status == 2, (words, error)
        assert len(lines) == 1 and lines[0].startswith("pokegen: "), (words, error)
        assert len(lines[0]) <= 300, (words, len(lines[0]))
        assert lines[0].isprintable(), words
    assert (tmp_path / "file").read_text() == "precious"
