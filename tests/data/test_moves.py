"""The two tables of moves and factors: built the same each time, and right where the games are well known."""

import pytest

from pokegen.data.moves import load_moves, load_type_chart, write_moves, write_type_chart
from pokegen.resources import shipped
from pokegen.schema import TYPES


@pytest.mark.parametrize(("write", "name"), [(write_moves, "moves.csv"), (write_type_chart, "type_chart.csv")])
def test_committed_file_is_what_the_builder_writes(write, name, tmp_path):
    rows = write(tmp_path / name)
    built = (tmp_path / name).read_bytes()
    assert built == shipped(f"data/{name}").read_bytes()
    assert built.count(b"\n") == rows + 1


def test_type_chart_is_square_with_the_known_factors():
    chart = load_type_chart()
    assert tuple(chart) == TYPES
    assert all(tuple(row) == TYPES for row in chart.values())
    assert {factor for row in chart.values() for factor in row.values()} == {0, 0.5, 1, 2}
    known = {("Fire", "Grass"): 2, ("Grass", "Fire"): 0.5, ("Normal", "Ghost"): 0, ("Ground", "Flying"): 0}
    known |= {("Dragon", "Fairy"): 0, ("Fairy", "Dragon"): 2, ("Ghost", "Dark"): 0.5, ("Water", "Normal"): 1}
    assert {pair: chart[pair[0]][pair[1]] for pair in known} == known
    assert sum(factor == 0 for row in chart.values() for factor in row.values()) == 8  # the games' eight immunities


def test_moves_have_the_known_values():
    moves = {move.name: move for move in load_moves()}
    flamethrower = moves["Flamethrower"]
    assert (flamethrower.type, flamethrower.category) == ("Fire", "Special")
    assert (flamethrower.power, flamethrower.accuracy, flamethrower.pp) == (90, 100, 15)
    assert moves["Swift"].accuracy is None  # cannot miss
    assert moves["Growl"].power is None
    assert moves["Tackle"].level <= 5 < moves["Hyper Beam"].level
    assert moves["Tackle"].learners > 100


def test_moves_are_of_the_games_types_and_each_type_has_attacks():
    moves = load_moves()
    assert len({move.name for move in moves}) == len(moves) > 500
    for kind in TYPES:
        assert sum(move.type == kind and (move.power or 0) > 0 for move in moves) >= 6
    assert {move.category for move in moves} == {"Physical", "Special", "Status"}
    assert all(0 <= move.level <= 100 and move.learners >= 1 for move in moves)
