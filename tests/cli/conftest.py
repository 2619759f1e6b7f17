"""The creating verbs run in-process, with quick stand-ins in place of the shipped zoo."""

from types import SimpleNamespace

import fake_zoo
import pytest

import pokegen
from pokegen.errors import CheckpointError


@pytest.fixture
def zoo(monkeypatch):
    """The names that were loaded. Any name is a sprite model, except `missing`, which is none."""
    loaded = []

    def load(name):
        loaded.append(name)
        if name == "missing":
            raise CheckpointError("No checkpoint 'missing'.")
        return fake_zoo.load(name)

    monkeypatch.setattr(pokegen, "zoo", SimpleNamespace(load=load), raising=False)
    return loaded
