"""What travels in the wheel, and that it is enough: installed alone in an empty folder, it creates a card."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


def shipped(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_code_configs_checkpoints_tables_and_fonts_travel_in_the_wheel(wheel):
    names = shipped(wheel)
    wanted = {f"pokegen/shipped/data/{t}.csv" for t in ("pokedex", "moves", "abilities")}
    wanted |= {f"pokegen/shipped/data/{t}.csv" for t in ("french", "type_chart", "pokeapi_forms")}
    wanted |= {"pokegen/cards/card.schema.json", "pokegen/cards/entries.csv"}
    wanted |= {str(f.relative_to(ROOT)) for f in (ROOT / "pokegen").rglob("*.py")}
    for folder in ("configs", "checkpoints"):
        wanted |= {f"pokegen/shipped/{f.relative_to(ROOT)}" for f in (ROOT / folder).rglob("*") if f.is_file()}
    assert wanted - names == set()
    for model in ("projected_gan", "stats", "names"):
        assert {f"pokegen/shipped/checkpoints/{model}/{f}" for f in ("model.safetensors", "config.yaml")} <= names
    assert "pokegen/shipped/configs/dcgan.yaml" in names
    assert [n for n in names if n.endswith((".ttf", ".otf"))]


def test_no_imported_data_and_no_runs_travel_in_the_wheel(wheel):
    names = shipped(wheel)
    tables = [n for n in names if n.startswith("pokegen/shipped/data/")]
    assert all(n.endswith(".csv") and n.count("/") == 3 for n in tables)
    assert not [n for n in names if n.endswith((".npy", ".npz", ".ckpt", ".pyc"))]
    assert not [n for n in names if not n.startswith("pokegen/") and ".dist-info/" not in n]


def test_an_installed_wheel_creates_a_card_elsewhere(wheel, tmp_path):
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel)
    run(*pip, cwd=elsewhere)
    code = "import pokegen; print(pokegen.__file__)"
    assert str(target) in run(sys.executable, "-c", code, cwd=elsewhere, PYTHONPATH=str(target))
    code = "import sys; from pokegen.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = (sys.executable, "-c", code, "card", "--type", "water", "--seed", "3", "--out", "cards")
    run(*command, cwd=elsewhere, PYTHONPATH=str(target))
    (card,) = json.loads((elsewhere / "cards" / "cards.json").read_text(encoding="utf-8"))
    assert "Water" in card["types"]
    assert (elsewhere / "cards" / card["sprite"]).is_file()
