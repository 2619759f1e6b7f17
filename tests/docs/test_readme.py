"""What the README and the page of the zoo show is what pokegen prints, and what the model cards say."""

import contextlib
import io
import re
import shlex

import pytest
from pages import ROOT, blocks

import pokegen
from pokegen.cli.main import main

README = (ROOT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[?`(\w+)`.*$", re.MULTILINE)


def rows(text: str) -> dict[str, str]:
    """The rows of the zoo's tables, by model."""
    return {match[1]: match[0] for match in ROW.finditer(text) if match[1] in pokegen.list_models()}


def test_the_commands_print_what_the_readme_shows(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (console,) = [body for language, body in blocks(README) if language == "console"]
    printed = ""
    for line in console.splitlines():
        if line.startswith("$ pokegen "):
            assert main(shlex.split(line)[2:]) == 0
            printed += f"{line}\n{capsys.readouterr().out}"
    assert printed == console


def test_the_python_lines_print_what_the_readme_shows() -> None:
    (code,) = [body for language, body in blocks(README) if language == "python"]
    (output,) = [body for language, body in blocks(README) if language == "text"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == output


def test_the_example_of_the_guide_runs() -> None:
    (code,) = [
        body for language, body in blocks((ROOT / "docs/create.md").read_text(encoding="utf-8")) if language == "python"
    ]
    scope: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "create.md", "exec"), scope)
    assert "['Fire', 'Flying']" in printed.getvalue()
    assert len(scope["names"]) == 5


@pytest.mark.parametrize("page", ["README.md", "docs/zoo.md"])
def test_the_figures_of_the_zoo_are_those_of_models_and_cards(page: str) -> None:
    shown = rows((ROOT / page).read_text(encoding="utf-8"))
    assert {"projected_gan", "cgan", "stats", "names"} <= shown.keys()
    for name, row in shown.items():
        count = sum(p.numel() for p in pokegen.load_model(name).parameters())
        assert f"| {count:,}" in row, name
        card = (ROOT / f"checkpoints/{name}/README.md").read_text(encoding="utf-8")
        for figure in re.findall(r"-?\d+\.\d+(?: ± \d\.\d+)?", row):
            assert figure in card, f"{name}: {figure} is not in its model card"


def test_the_page_of_the_zoo_has_every_shipped_model() -> None:
    assert rows((ROOT / "docs/zoo.md").read_text(encoding="utf-8")).keys() == set(pokegen.list_models())
