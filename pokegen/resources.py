"""Finds configs, tables and checkpoints in the top folder of a checkout, or inside an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(path: str = "") -> Path:
    """The shipped file or folder `path`, for example `data/pokedex.csv` or `checkpoints`."""
    inside = _PACKAGE / "shipped"
    return (inside if inside.is_dir() else _PACKAGE.parent) / path
