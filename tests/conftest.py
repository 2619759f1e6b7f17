"""What tests share: nothing reaches the network, and a small import of procedural sprites."""

import os
import shutil

os.environ["WANDB_MODE"] = "offline"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import pytest
import torch

from pokegen.data.pokedex import load_pokedex
from pokegen.data.sample import write_sample
from pokegen.data.sprites import import_sprites

torch.set_num_threads(1)  # the nets of these tests are too small for more


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Folders by species: 60 species, two pictures each."""
    folder = tmp_path_factory.mktemp("sprites") / "drawn"
    write_sample(folder, load_pokedex()[::17][:60], 2)
    return folder


@pytest.fixture(scope="session")
def imported(drawn):
    """The cache that `pokegen data import` makes of `drawn`."""
    return import_sprites(drawn, drawn.parent / "imported", workers=1).folder


@pytest.fixture(scope="session")
def package():
    """The folder of Pokémon Showdown's package, which is installed once."""
    from pokegen.game.battle import showdown

    if not shutil.which("npm"):
        if os.environ.get("CI"):
            pytest.fail("Node.js is missing: apt install nodejs npm")
        pytest.skip("Node.js is missing: https://nodejs.org")
    return showdown.package()
