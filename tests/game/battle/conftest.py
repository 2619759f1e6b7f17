"""Node.js and Pokémon Showdown, installed once into the user's cache, for all workers."""

import pytest
from protocol import START, request

from pokegen.game.battle.mod import teach_poke_env
from pokegen.game.battle.tracker import View


@pytest.fixture
def teach():
    """`teach_poke_env` until the test's end: other tests rebuild the table of species from the same data."""
    from poke_env.data import GenData

    data = GenData.from_gen(9)
    before = set(data.pokedex), set(data.learnset)
    yield teach_poke_env
    for table, known in zip((data.pokedex, data.learnset), before, strict=True):
        for key in set(table) - known:
            del table[key]


@pytest.fixture
def view():
    """Red's view of the first turn of a battle: see helpers/protocol.py."""
    found = View(0)
    found.read(START.split("\n"))
    found.read_request(request())
    return found
