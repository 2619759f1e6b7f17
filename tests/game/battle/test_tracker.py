"""What a player knows of a battle, from lines of the protocol."""

import pytest
from protocol import read

from pokegen.game.battle import dex
from pokegen.game.battle.tracker import View


def test_the_start(view):
    own, foe = view.active
    assert (own.name, own.data.id, own.level, own.max_hp, own.item) == ("Pikachu", "pikachu", 84, 200, "lightball")
    assert own.boosts[0] == -1 and own.stats == (200, 120, 100, 110, 105, 180)
    assert own.moves == {"thunderbolt": 20 / 24, "surf": 1.0}
    assert (foe.name, foe.level, foe.hp, foe.ability) == ("Gyarados", 77, 1.0, "intimidate")
    assert foe.moves == {} and foe.item == "" and foe.stats is None
    assert view.sizes == [2, 3] and view.turn == 1 and view.decides
    assert view.teams[0]["Snorlax"].status == "par" and view.teams[0]["Snorlax"].hp == 0.75


def test_moves_damage_and_what_the_tags_give_away(view):
    own, foe = read(
        view,
        """
|move|p2a: Gyarados|Waterfall|p1a: Pikachu
|-damage|p1a: Pikachu|120/200
|-damage|p2a: Gyarados|90/100|[from] item: Life Orb
|move|p1a: Pikachu|Thunderbolt|p2a: Gyarados
|-damage|p2a: Gyarados|0 fnt
|faint|p2a: Gyarados""",
    )
    assert own.hp == 0.6 and foe.item == "lifeorb" and foe.fainted
    assert foe.moves == {"waterfall": pytest.approx(1 - 1 / 24)}


def test_a_move_that_another_calls_is_not_learnt(view):
    _, foe = read(view, "|move|p2a: Gyarados|Hydro Pump|p1a: Pikachu|[from] move: Copycat")
    assert foe.moves == {}


def test_leaving_forgets_boosts_and_passing_keeps_them(view):
    read(view, "|-boost|p2a: Gyarados|atk|2\n|switch|p2a: Snorlax|Snorlax, L80, M|100/100")
    assert view.teams[1]["Gyarados"].boosts[0] == 0 and not view.teams[1]["Gyarados"].active
    read(view, "|-boost|p2a: Snorlax|spe|2\n|switch|p2a: Gyarados|Gyarados, L77, F|100/100|[from] Baton Pass")
    assert view.active[1].name == "Gyarados" and view.active[1].boosts[4] == 2


def test_boosts_keep_within_six(view):
    own, _ = read(view, "|-boost|p1a: Pikachu|spa|6\n|-boost|p1a: Pikachu|spa|2")
    assert own.boosts[2] == 6
    read(view, "|-clearallboost")
    assert own.boosts == [0] * len(dex.BOOSTS)


def test_a_status_and_its_turns(view):
    own, foe = read(view, "|-status|p2a: Gyarados|tox|[from] item: Toxic Orb\n|turn|2\n|turn|3")
    assert (foe.status, foe.toxic, foe.item) == ("tox", 2, "toxicorb")
    read(view, "|cant|p1a: Pikachu|slp")
    assert own.sleep == 1
    read(view, "|-curestatus|p2a: Gyarados|tox|[msg]")
    assert (foe.status, foe.toxic) == ("", 0)


def test_the_field(view):
    read(
        view,
        """
|-weather|RainDance|[from] ability: Drizzle|[of] p2a: Gyarados
|-fieldstart|move: Trick Room|[of] p1a: Pikachu
|-fieldstart|move: Grassy Terrain
|-sidestart|p1: Red|Spikes
|-sidestart|p1: Red|Spikes
|-sidestart|p2: Blue|move: Light Screen
|turn|2
|-weather|RainDance|[upkeep]""",
    )
    assert dex.WEATHERS[view.weather] == "raindance" and view.weather_turns == 1
    assert view.active[1].ability == "drizzle" and dex.TERRAINS[view.terrain] == "grassyterrain"
    assert view.rooms == {"trickroom": 1} and view.conditions == ({"spikes": 2}, {"lightscreen": 1})
    read(
        view, "|-swapsideconditions\n|-weather|none\n|-fieldend|move: Trick Room\n|-sideend|p1: Red|move: Light Screen"
    )
    assert view.weather == 0 and view.rooms == {} and view.conditions == ({}, {"spikes": 2})


def test_a_disguise_breaks(view):
    read(view, "|switch|p2a: Snorlax|Snorlax, L80, M|100/100\n|-damage|p2a: Snorlax|40/100")
    _, foe = read(view, "|replace|p2a: Zoroark|Zoroark-Hisui, L80, F")
    assert (foe.name, foe.data.id, foe.hp) == ("Zoroark", "zoroarkhisui", 0.4)
    assert view.teams[1]["Snorlax"].hp == 1.0 and not view.teams[1]["Snorlax"].active


def test_terastallizing_changes_the_types_for_good(view):
    _, foe = read(view, "|-terastallize|p2a: Gyarados|Ghost")
    assert foe.types == (dex.TYPE_INDEX["ghost"], dex.NO_TYPE) and view.tera_used == [False, True]
    read(
        view, "|switch|p2a: Snorlax|Snorlax, L80, M|100/100\n|switch|p2a: Gyarados|Gyarados, L77, F, tera:Ghost|100/100"
    )
    assert view.active[1].types == (dex.TYPE_INDEX["ghost"], dex.NO_TYPE)


def test_volatile_statuses_come_and_go(view):
    own, _ = read(view, "|-start|p1a: Pikachu|confusion\n|-start|p1a: Pikachu|move: Taunt\n|turn|2")
    assert own.volatiles == {"confusion": 1, "taunt": 1}
    read(view, "|-end|p1a: Pikachu|move: Taunt")
    assert own.volatiles == {"confusion": 1}


def test_the_team_preview_names_species_that_are_met_under_their_own_names():
    view = View(0)
    read(view, "|poke|p1|Pikachu, M|\n|poke|p2|Gyarados, F|\n|poke|p2|Snorlax, M|\n|teampreview")
    assert len(view.teams[1]) == 2 and view.teams[0] == {}
    read(view, "|switch|p2a: Bibi|Snorlax, M|100/100")
    assert list(view.teams[1]) == ["preview 0", "Bibi"] and view.active[1].name == "Bibi"


@pytest.mark.parametrize(("name", "winner"), [("Red", 0), ("Blue", 1), ("Green", -1)])
def test_the_end(view, name, winner):
    read(view, f"|win|{name}")
    assert view.winner == winner and not view.decides


def test_lines_that_are_unknown_or_damaged_do_not_stop_it(view):
    read(view, "hello\n|\n|-anim|p1a: Pikachu|Surf|p2a: Gyarados\n|debug|x")
    assert view.turn == 1
