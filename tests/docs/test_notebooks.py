"""The notebooks in examples/ run from the first cell to the last, and show no path of the machine that ran them."""

import json
import re

import nbformat
import pytest
from nbclient import NotebookClient
from pages import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
BYTES = 600_000  # of a committed notebook, pictures included


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["compare-runs", "quickstart", "train-your-own"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    committed = [outputs(cell) for cell in notebook.cells]
    options = {"kernel_name": "python3", "resources": {"metadata": {"path": str(tmp_path)}}}
    NotebookClient(notebook, timeout=300, **options).execute()
    assert [outputs(cell) for cell in notebook.cells] == committed  # each cell gives again what the page shows


def outputs(cell):
    """The kinds of what a cell shows, pictures or text, without messages on stderr."""
    found = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    pictures = {"image/png", "image/jpeg"}
    return {"picture" if pictures & {*o.get("data", {})} else "text" for o in found}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_is_small_and_of_no_machine(path):
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < BYTES
    told = json.dumps([cell.get("outputs", []) for cell in json.loads(text)["cells"]])
    assert not re.search(r"/tmp/|/home/|/root/|/work/|site-packages", told)
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    assert not [
        o for cell in cells for o in cell["outputs"] if o.get("name") == "stderr" or o["output_type"] == "error"
    ]
