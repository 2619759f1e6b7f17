"""Node.js and Pokémon Showdown, installed once into the user's cache, for all workers."""

import os
import shutil

import pytest

from pokegen.game.battle import showdown


@pytest.fixture(scope="session")
def package():
    if not shutil.which("npm"):
        if os.environ.get("CI"):
            pytest.fail("Node.js is missing: apt install nodejs npm")
        pytest.skip("Node.js is missing: https://nodejs.org")
    return showdown.package()
