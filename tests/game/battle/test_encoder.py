"""Battles as numbers, and actions as words."""

import numpy as np
import pytest
import torch
from protocol import entry, read, request

from pokegen.game.battle import dex, encoder
from pokegen.game.battle.agent import BattleNetwork
from pokegen.game.battle.damage import Matchups
from pokegen.game.battle.encoder import MON, PASS, SWITCH, choice, legal, observe


def part(observation, name):
    return observation[encoder.LAYOUT[name]]


def mon(observation, side, place):
    return dict(zip(MON, part(observation, side).reshape(6, -1)[place], strict=True))


def test_an_observation_holds_what_the_view_knows(view):
    seen = observe(view)
    assert seen.shape == (encoder.SIZE,) and seen.dtype == np.float32 and np.isfinite(seen).all()
    own = part(seen, "own").reshape(6, -1)
    assert own[:, MON.index("seen")].tolist() == [1, 1, 0, 0, 0, 0]
    assert (
        own[0, MON.index("type1")] == dex.TYPE_INDEX["electric"]
        and own[1, MON.index("type1")] == dex.TYPE_INDEX["normal"]
    )
    assert own[0, MON.index("move0")] == dex.moves()["thunderbolt"] and own[0, MON.index("pp0")] == pytest.approx(
        20 / 24
    )
    assert part(seen, "own_fighter")[0] == -1
    foe = part(seen, "foe").reshape(6, -1)
    assert foe[0, MON.index("move0")] == 0 and foe[0, MON.index("ability")] == dex.abilities()["intimidate"]
    assert foe[1:, MON.index("seen")].sum() == 0 and (foe[1:, MON.index("type1")] == dex.NO_TYPE).all()


def test_what_was_not_shown_does_not_change_an_observation(view):
    before = observe(view)
    view.teams[1]["Gyarados"].tera = ""
    view.teams[1]["Gyarados"].item = ""
    assert np.array_equal(before, observe(view))


def test_legal_actions(view):
    assert np.flatnonzero(legal(view)).tolist() == [0, 4, SWITCH + 1]  # Surf is disabled
    view.read_request(request(active=[{"moves": [{"id": "surf", "pp": 1, "maxpp": 24}], "trapped": True}]))
    assert np.flatnonzero(legal(view)).tolist() == [0]
    view.read_request(request(active=[{"moves": [{"id": "surf", "pp": 0, "maxpp": 24}], "trapped": True}]))
    assert np.flatnonzero(legal(view)).tolist() == [0]  # whatever the simulator makes of it
    view.read_request({"forceSwitch": [True], "side": request()["side"]})
    assert np.flatnonzero(legal(view)).tolist() == [SWITCH + 1]
    view.read_request({"wait": True, "side": request()["side"]})
    assert np.flatnonzero(legal(view)).tolist() == [PASS]


def test_a_fainted_pokemon_comes_in_only_to_be_revived(view):
    team = [entry("Pikachu", "200/200", True), entry("Snorlax", "0 fnt", False), entry("Eevee", "90/90", False)]
    view.read_request({"forceSwitch": [True], "side": {"pokemon": team}})
    assert np.flatnonzero(legal(view)).tolist() == [SWITCH + 2]
    team[0]["reviving"] = True
    view.read_request({"forceSwitch": [True], "side": {"pokemon": team}})
    assert np.flatnonzero(legal(view)).tolist() == [SWITCH + 1]


def test_actions_and_words_are_each_others_inverse(view):
    for action in np.flatnonzero(legal(view)):
        assert encoder.action_of(view, choice(view, int(action))) == action
    assert choice(view, 4) == "move 1 terastallize" and choice(view, SWITCH + 1) == "switch 2"
    assert encoder.action_of(view, "/choose move thunderbolt terastal") == 4
    assert encoder.action_of(view, "/choose switch snorlax") == SWITCH + 1


def test_places_of_the_team_stay_when_the_simulator_reorders_it(view):
    read(view, "|switch|p1a: Snorlax|Snorlax, L84|300/400 par")
    team = [entry("Snorlax", "300/400 par", True), entry("Pikachu", "200/200", False)]
    view.read_request(request(side={"pokemon": team}))
    assert np.flatnonzero(legal(view))[-1] == SWITCH and choice(view, SWITCH) == "switch 2"


@pytest.fixture(scope="module")
def network():
    observation, action = encoder.battle_spaces()
    from pokegen.game.agents.base import plain_space

    torch.manual_seed(0)
    spaces = {"observation": plain_space(observation), "action": plain_space(action), "agents": []}
    return BattleNetwork(plain_spaces=spaces).eval()


def test_damage_is_that_of_the_games_formula(view):
    reading = Matchups()(torch.from_numpy(observe(view))[None])
    # Thunderbolt of level 84 with Light Ball, its type, on water and flying: 90 power, 110 against Special Defense.
    foe = encoder.estimated_stats(view.active[1])
    base = 2 * ((2 * 84 / 5 + 2) * 90 * 110 / foe[4] / 50 + 2)
    assert float(reading.here[0, 0, 0, 0]) == pytest.approx(min(2, base * 1.5 * 4 * 0.925 / foe[0]), rel=0.01)
    assert float(reading.effect[0, 0]) == 4.0


def test_damage_knows_immunity_burns_and_screens(view):
    matchups = Matchups()

    def thunderbolt(text=""):
        read(view, text) if text else None
        return float(matchups(torch.from_numpy(observe(view))[None]).here[0, 0, 0, 0])

    read(view, "|switch|p2a: Blissey|Blissey, L100, F|100/100")
    usual = thunderbolt()
    assert 0 < usual < 2
    assert thunderbolt("|-sidestart|p2: Blue|move: Light Screen") == pytest.approx(usual / 2, rel=0.01)
    assert thunderbolt("|-sideend|p2: Blue|move: Light Screen") == pytest.approx(usual)
    assert thunderbolt("|-boost|p1a: Pikachu|spa|2") == pytest.approx(2 * usual, rel=0.05)
    read(view, "|switch|p2a: Quagsire|Quagsire, L80, M|100/100")
    assert thunderbolt() == 0


def test_illegal_actions_are_never_drawn(network, view):
    seen = torch.from_numpy(observe(view))[None].repeat(500, 1)
    generator = torch.Generator().manual_seed(0)
    network.temperature = 1.0
    drawn = set(network.act(seen, generator).tolist())
    network.temperature = 0.0
    assert drawn == {0, 4, SWITCH + 1} and network.act(seen[:1]).item() in drawn


def test_the_order_of_the_team_does_not_matter(network, view):
    seen = observe(view)
    swapped = seen.copy()
    own = part(swapped, "own").reshape(6, -1)
    own[[1, 2]] = own[[2, 1]]
    mask = part(swapped, "legal")
    mask[[SWITCH + 1, SWITCH + 2]] = mask[[SWITCH + 2, SWITCH + 1]]
    with torch.no_grad():
        (a, value), (b, other) = (network(torch.from_numpy(x)[None]) for x in (seen, swapped))
    assert torch.allclose(value, other, atol=1e-5) and torch.allclose(a[:, SWITCH + 1], b[:, SWITCH + 2], atol=1e-5)


def test_a_created_species_is_read_by_its_attributes():
    stats = dict(zip(dex.STATS, range(50, 110, 10), strict=True))
    entry = {"types": ["Fire", "Fairy"], "baseStats": stats, "weightkg": 12.5, "abilities": {"0": "Blaze"}}
    dex.add_species({"flarix": entry})
    found = dex.species("Flarix")
    assert found.types == (dex.TYPE_INDEX["fire"], dex.TYPE_INDEX["fairy"]) and found.stats == (50, 60, 70, 80, 90, 100)
    assert found.weight == 12.5 and found.abilities == ("blaze",)
