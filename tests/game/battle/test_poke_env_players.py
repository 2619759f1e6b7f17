"""poke-env's own players on the bridge. Against the server: see test_server.py."""

from collections import Counter

import pytest
from battles import card

from pokegen.errors import UserError
from pokegen.game.battle.bridge import Bridge, Update
from pokegen.game.battle.mod import CREATED, pack, read_cards, with_mod
from pokegen.game.battle.poke_env_players import PokeEnvPlayer


def contest(kinds, battles, seed=0):
    """Winners of battles between two kinds, the choices of both, and the players."""
    players = [PokeEnvPlayer(kind, seed=seed + side) for side, kind in enumerate(kinds)]
    choices, wins = [], Counter()
    with Bridge() as bridge:
        for battle in range(battles):
            bridge.start(battle, "gen9randombattle", (1, 2, 3, battle))
        while bridge.open:
            for update in bridge.receive():
                if choice := players[update.side].choose(update):
                    choices.append((update.battle, update.side, choice))
                    bridge.choose(update.battle, update.side, choice)
                if update.winner is not None and update.side == 0:
                    wins[update.winner] += 1
    return wins, choices, players


def test_heuristics_beat_random_play_without_a_failure(package):
    wins, choices, players = contest(("heuristics", "random"), 6)
    assert wins.total() == 6 and wins[0] >= 5
    assert [player.failures for player in players] == [0, 0]
    assert not players[0]._battles  # those that are over are dropped
    words = {choice.split()[0] for *_, choice in choices}
    assert words <= {"move", "switch", "default"} and {"move", "switch"} <= words


def test_equal_seeds_choose_alike_and_others_do_not(package):
    first, again, other = (contest(("random", "power"), 1, seed)[1] for seed in (0, 0, 7))
    assert first == again != other


def test_a_refused_choice_is_not_tried_again(package):
    player = PokeEnvPlayer("power")
    with Bridge() as bridge:
        bridge.start(0, "gen9randombattle", (1, 2, 3, 4))
        mine = next(update for update in bridge.receive() if update.side == 0)
        assert player.choose(mine).startswith("move ")
        bridge.choose(0, 0, "move 9")
        [refused] = bridge.receive()
        assert player.choose(refused) == "default"
        bridge.stop(0)


def test_what_poke_env_does_not_understand_does_not_end_the_battle(package):
    player = PokeEnvPlayer("power")
    with Bridge() as bridge:
        bridge.start(0, "gen9randombattle", (1, 2, 3, 4))
        mine = next(update for update in bridge.receive() if update.side == 0)
        bridge.stop(0)
    assert player.choose(Update(0, 0, [*mine.lines, "|-nonsense|p1a: Nobody"], mine.request, None)) == "default"
    assert player.failures == 1
    assert player.choose(Update(0, 0, [], mine.request, None)).startswith("move ")


def test_created_creatures_are_played_from_the_preview_of_the_team_on(package, teach):
    creatures = read_cards([card("Katton"), card("Delutte", types=["Bug"])])
    teach(creatures)
    players = [PokeEnvPlayer(kind, CREATED) for kind in ("heuristics", "power")]
    chosen = []
    with Bridge(folder=with_mod(creatures)) as bridge:
        bridge.start(0, CREATED, (1, 2, 3, 4), (pack(creatures), pack(creatures[::-1])))
        while bridge.open:
            for update in bridge.receive():
                if choice := players[update.side].choose(update):
                    chosen.append(choice)
                    bridge.choose(0, update.side, choice)
    assert sorted(chosen[:2])[0].startswith("team ")
    assert [player.failures for player in players] == [0, 0]


def test_an_unknown_player_is_one_line():
    with pytest.raises(UserError, match=r"Unknown player 'ash'\. Known players: random, power, heuristics"):
        PokeEnvPlayer("ash")
