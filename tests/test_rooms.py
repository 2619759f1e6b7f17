"""Who may import whom, and what a cold start may load. Rooms are the folders and files of the package, read from disk,
so a new file is held to the rules by being there.
"""

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import pokegen

PACKAGE = Path(pokegen.__file__).resolve().parent

BASE = {"schema", "errors", "resources", "files", "workers", "trust", "moved", "optional", "quiet", "progress"}
BASE |= {"text", "images", "__version__"}  # the last is no room but a name
# room → the rooms it may import besides itself. A dotted entry allows that one module of a room.
ALLOWED = {
    "schema": set(),
    "errors": set(),
    "resources": set(),
    "files": {"schema", "errors"},
    "workers": {"schema", "errors"},
    "trust": {"schema", "errors"},
    "moved": set(),
    "optional": {"errors"},
    "text": set(),
    "quiet": set(),
    "progress": set(),
    "models": BASE,
    "trainers": BASE | {"models"},
    "images": {"schema", "errors"},
    "data": BASE,
    "zoo": BASE | {"models"},
    "hub": {"zoo"},
    "cards": BASE | {"models", "zoo", "data.abilities", "data.pokedex", "data.moves", "data.splits"},
    "evaluation": BASE | {"models", "zoo", "data.pokedex", "data.moves", "data.splits"},
    "tracking": BASE | {"models", "trainers", "zoo"},
    "game": BASE | {"models", "trainers", "zoo"},
    "app": BASE | {"models", "zoo", "cards", "evaluation", "game", "tracking", "data.pokedex", "data.moves"},
    "__init__": BASE | {"cards", "zoo"},  # `from pokegen import Generator`
}
# The rooms inside the game: each may import those before it, and itself.
GAME = ("envs", "players", "play", "video", "agents", "battle", "check", "evaluate", "phases", "window")
SEES_ALL = {"cli", "__main__"}
HEAVY = (
    "lightning",
    "pytorch_lightning",
    "transformers",
    "torchvision",
    "wandb",
    "pandas",
    "sklearn",
    "jsonargparse",
    "huggingface_hub",
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str, name: str) -> set[str]:
    """Modules of pokegen that a module named `name` imports anywhere in its source, without the leading `pokegen.`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: `from .x import y`
                parents = ["pokegen", *name.split(".")][: -node.level]
                base = ".".join([*parents, base]).rstrip(".")
            # `from pokegen.data import sprites` names a module too, where there is such a file
            found |= {f"{base}.{alias.name}" for alias in node.names} if is_package(base) else {base}
    return {m.removeprefix("pokegen.") for m in found if m.startswith("pokegen.")}


def is_package(dotted: str) -> bool:
    parts = dotted.split(".")
    return parts[0] == "pokegen" and PACKAGE.joinpath(*parts[1:]).is_dir()


def violations(name: str, source: str) -> list[str]:
    room = name.split(".")[0]
    if room in SEES_ALL:
        return []
    allowed = ALLOWED[room] | {room}
    inner = name.split(".")[1] if room == "game" and "." in name else ""
    hidden = {f"game.{later}" for later in GAME[GAME.index(inner) + 1 :]} if inner else set()
    return [
        f"pokegen.{name} imports pokegen.{target}"
        for target in sorted(imports(source, name))
        if (target.split(".")[0] not in allowed and ".".join(target.split(".")[:2]) not in allowed)
        or ".".join(target.split(".")[:2]) in hidden
    ]


def circle(sources: dict[str, str]) -> list[str]:
    """Modules that import each other in a circle, inside functions too, or [].

    Args:
        sources: of all modules, by their names without `pokegen.`.
    """

    def module_of(target: str) -> str:  # `from pokegen.game.envs import make` names a function, or a module
        return target if target in sources else target.rpartition(".")[0]

    graph = {name: {module_of(t) for t in imports(text, name)} - {name} for name, text in sources.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_no_module_is_part_of_an_import_circle():
    sources = {module_name(f): f.read_text(encoding="utf-8") for f in PACKAGE.rglob("*.py")}
    assert circle(sources) == []
    sources["game.players"] += "\ndef late():\n    from pokegen.game.agents.seat import seat\n"
    assert {"game.players", "game.agents.seat"} <= set(circle(sources))  # the check above can fail


def test_every_module_keeps_to_its_room():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 5
    rooms = {module_name(f).split(".")[0] for f in files}
    assert rooms <= ALLOWED.keys() | SEES_ALL, "a new room: write down what it may import"
    assert not [v for f in files for v in violations(module_name(f), f.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("schema", "from pokegen.errors import UserError"),
        ("models.vae", "from pokegen.data.pokedex import load_pokedex"),
        ("models.vae", "from ..data import pokedex"),
        ("models.vae", "def late():\n    import pokegen.zoo"),
        ("data.pokedex", "from pokegen.models import vae"),
        ("cards.generator", "from pokegen.data import sprites"),
        ("cards.generator", "from pokegen.data.sprites import SpriteDataModule"),
        ("zoo.model_card", "from pokegen import cards"),
        ("evaluation.sprites_panel", "import pokegen.data.sprites as sprites"),
        ("game.envs.gameboy", "from pokegen.game.players import Random"),
        ("game.video.idm", "def late():\n    from pokegen.game.agents.base import base"),
        ("game.agents.ppo", "from pokegen.game.battle.env import BattleVectorEnv"),
    ],
)
def test_a_planted_violation_is_found(name, source):
    assert len(violations(name, source)) == 1


def test_what_is_allowed_passes():
    assert not violations("cards.generator", "from pokegen.data.pokedex import load_pokedex\nfrom pokegen import zoo")
    assert not violations("cli.data", "from pokegen.data import sprites")
    assert not violations("models.vae", "import torch\nfrom .blocks import Block\nfrom pokegen.schema import TYPES")


def test_a_class_has_one_name_in_the_package():
    found = Counter(
        node.name
        for f in PACKAGE.rglob("*.py")
        for node in ast.parse(f.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in found.items() if count > 1] == []


def heavy_after(*modules: str) -> list[str]:
    """Which of HEAVY a fresh interpreter has loaded after importing these modules."""
    code = f"import sys, {', '.join(modules)}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_command_line_starts_without_torch_or_anything_heavy():
    code = "import sys, pokegen.schema, pokegen.cli.main; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
    assert heavy_after("pokegen.schema", "pokegen.cli.main") == []


def test_nets_cards_and_zoo_load_nothing_heavy():
    """All that `pokegen card` may need: every net, the zoo, the cards."""
    files = [*(PACKAGE / "models").glob("*.py"), *(PACKAGE / "cards").glob("*.py"), *(PACKAGE / "zoo").glob("*.py")]
    modules = [f"pokegen.{module_name(f)}" for f in files if f.name != "__init__.py"]
    assert "pokegen.zoo.loading" in modules
    assert heavy_after(*sorted(modules)) == []


def test_the_cold_start_check_sees_a_heavy_import():
    assert "pandas" in heavy_after("pandas")
