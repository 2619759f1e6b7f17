"""The creating verbs run in-process, with quick stand-ins in place of the shipped zoo."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

import pokegen
from pokegen.errors import CheckpointError


@pytest.fixture
def zoo(monkeypatch):
    """The names that were loaded. Any name is a sprite model, except `missing`, which is none."""
    path = Path(__file__).parents[1] / "cards" / "fake_zoo.py"
    spec = importlib.util.spec_from_file_location("fake_zoo", path)
    fake_zoo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake_zoo)
    loaded = []

    def load(name):
        loaded.append(name)
        if name == "missing":
            raise CheckpointError("No checkpoint 'missing'.")
        return fake_zoo.load(name)

    monkeypatch.setattr(pokegen, "hub", SimpleNamespace(load=load), raising=False)
    return loaded
