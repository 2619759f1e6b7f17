"""docs/add-a-model.md is run as a reader would run it: its files are written into an empty folder, its command trains,
its program samples."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from pokegen.cli.main import main

PAGE = Path(__file__).resolve().parents[2] / "docs/add-a-model.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture
def blocks() -> list[tuple[str, str, str]]:
    """Language, file name and text of each fenced block of the page."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def test_the_page_is_run_from_its_file_to_its_sprites(
    blocks: list[tuple[str, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # what PYTHONPATH=. does
    files = {name: text for _, name, text in blocks if name}
    assert {"mylab/linear.py", "linear.yaml", "create.py"} == files.keys()
    for name, text in {"mylab/__init__.py": "", **files}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    (console,) = [text for language, _, text in blocks if language == "console"]
    (command,) = [line.removeprefix("$ ") for line in console.splitlines() if line.startswith("$ pokegen ")]
    assert main(shlex.split(command)[1:]) == 0
    run = tmp_path / "runs/linear"
    saved = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert int(saved["images_seen"]) == 320
    assert list((run / "samples").glob("*.png"))

    capsys.readouterr()
    scope: dict[str, object] = {}
    exec(compile(files["create.py"], "create.py", "exec"), scope)
    (printed,) = [text for language, _, text in blocks if language == "text"]
    assert capsys.readouterr().out == printed
    sprites = scope["sprites"]
    assert isinstance(sprites, np.ndarray)
    assert sprites.std(axis=0).max() > 0  # four different ones
    assert (tmp_path / "linear/model.safetensors").is_file()
