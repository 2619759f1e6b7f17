"""Every `pokegen …` command on a page is one that the real parsers accept. They are parsed, not run."""

import argparse
import importlib
import re
from itertools import pairwise

import lightning as L
import pytest
from pages import ROOT, commands, pages

from pokegen.cli import fit
from pokegen.cli.main import TRAINING, VERBS, VerbParser
from pokegen.errors import UserError
from pokegen.trainers.base import TrainingModule

OWN = {"linear.yaml"}  # configs that a page itself writes, see test_add_a_model.py
SHOWN = sorted({(page, tuple(words)) for page in pages() for words in commands(page.read_text(encoding="utf-8"))})


class _Found(Exception):
    pass


@pytest.fixture(scope="module")
def training() -> L.pytorch.cli.LightningArgumentParser:
    """The parser of fit, validate and test."""
    found = []

    class Parser(fit.CLI):
        def parse_arguments(self, parser, args):
            found.append(parser)
            raise _Found

    with pytest.raises(_Found):
        Parser(
            TrainingModule,
            L.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=["fit"],
            parser_kwargs={"prog": "pokegen"},
        )
    return found[0]


def verb_parser(verb: str) -> VerbParser:
    parser = VerbParser(prog=f"pokegen {verb}")
    importlib.import_module(f"pokegen.cli.{verb}").add_arguments(parser)
    return parser


def filled(word: str) -> str:
    """A word of a command with something in place of a placeholder."""
    word = word.replace("configs/NAME", "configs/cgan")
    if run := re.fullmatch(r"runs/([a-z_]+)/config\.yaml", word):  # the config that the run was started with
        word = next(
            (
                f"{folder}/{run[1]}.yaml"
                for folder in ("configs", "configs/game")
                if (ROOT / folder / f"{run[1]}.yaml").is_file()
            ),
            word,
        )
    return {"JSON": "{}"}.get(word, "1" if re.fullmatch("[A-Z]", word) else word)


def mention(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    """Whether the words only name a verb, an action of it, and options, without values."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            return mention(action.choices[words[0]], words[1:])
    return all(word in parser._option_string_actions for word in words)


def check(words: list[str], training) -> None:
    """UserError for a command that pokegen refuses."""
    verb, *rest = [filled(word) for word in words[1:]]
    if verb in ("--help", "--version", "VERB") or rest == ["--help"]:
        return
    if verb in TRAINING:
        configs = {value for flag, value in pairwise(rest) if flag == "--config"} - OWN
        if missing := [config for config in configs if not (ROOT / config).is_file()]:
            raise UserError(f"No config {missing[0]}")
        if len(rest) > 2 * len(configs) and not OWN & set(rest):  # test_configs.py parses what only names configs
            training.parse_args([verb, *([] if configs else ["--config", "configs/cgan.yaml"]), *rest])
        return
    if verb not in VERBS:
        raise UserError(f"Unknown verb {verb!r}")
    parser = verb_parser(verb)
    if not mention(parser, rest):
        parser.parse_args(rest)


def test_the_commands_of_all_pages_are_found() -> None:
    assert len(SHOWN) > 100
    found = {page.relative_to(ROOT).as_posix() for page, _ in SHOWN}
    assert {"README.md", "docs/train.md", "docs/game.md", "benchmarks/agents.md", "checkpoints/cgan/README.md"} <= found
    assert {words[1] for _, words in SHOWN} >= {*VERBS, "fit"}


def test_every_command_is_accepted(training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    refused = []
    for words in {words for _, words in SHOWN}:
        try:
            check(list(words), training)
        except UserError as error:
            where = [page.relative_to(ROOT).as_posix() for page, other in SHOWN if other == words]
            refused.append(f"{', '.join(where)}: {' '.join(words)}: {error}")
    assert refused == []


@pytest.mark.parametrize(
    "command",
    [
        "pokegen cards --type fire",
        "pokegen card --kind fire",
        "pokegen card --type fire --count many",
        "pokegen zoo export runs/cgan",
        "pokegen zoo exports",
        "pokegen names --colour",
        "pokegen fit --config configs/no.yaml",
        "pokegen fit --config configs/cgan.yaml --data.batchsize 3",
        "pokegen validate --config configs/cgan.yaml --trainer.device 2",
    ],
)
def test_a_command_that_pokegen_refuses_is_found(command: str, training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError):
        check(command.split(), training)


def test_commands_are_read_from_blocks_indented_lines_and_wrapped_inline_code() -> None:
    page = "Try `pokegen card\n--type fire`.\n\n    pokegen names --count 2   # two; or more\n\n"
    page += "```console\n$ pokegen zoo list\nout\n```\n\n```python\npokegen card\n```\n"
    assert sorted(commands(page)) == [
        ["pokegen", "card", "--type", "fire"],
        ["pokegen", "names", "--count", "2"],
        ["pokegen", "zoo", "list"],
    ]
