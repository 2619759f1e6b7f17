"""Cards become species of the simulator, and nothing else of it."""

import json
import subprocess

import pytest
from battles import card, play

from pokegen.errors import UserError
from pokegen.game.battle.bridge import Bridge
from pokegen.game.battle.mod import CREATED, MIXED, export, pack, read_cards, with_mod
from pokegen.game.battle.showdown import node

NAMES = ("Katton", "Swormawquet", "Delutte", "Volbasse", "Thurem", "Gopithe")


@pytest.fixture(scope="module")
def creatures(package):
    types = (["Grass"], ["Water", "Ghost"], ["Bug"], ["Fairy"], ["Grass", "Psychic"], ["Poison", "Water"])
    cards = [card(name, types=each) for name, each in zip(NAMES, types, strict=True)]
    return read_cards([*cards[:-1], cards[-1] | {"ability": "Levitate", "color": "Pink"}])


@pytest.fixture(scope="module")
def modded(creatures):
    with Bridge(folder=with_mod(creatures)) as bridge:
        yield bridge


def test_the_simulator_knows_the_creatures_and_their_battle_ends(creatures, modded):
    modded.start(0, CREATED, (1, 2, 3, 4), (pack(creatures[:3]), pack(creatures[3:])), ("Ann", "Bob"))
    found = play(modded)
    lines = [line for update in found[0, 0] for line in update.lines]
    assert [line for line in lines if line.startswith("|poke|p1")] == [f"|poke|p1|{name}, L50|" for name in NAMES[:3]]
    first = found[0, 0][0].request["side"]["pokemon"][0]
    assert first["condition"] == f"{(2 * 85 + 31 + 21) * 50 // 100 + 60}/{(2 * 85 + 31 + 21) * 50 // 100 + 60}"
    assert first["moves"] == ["seedbomb", "rockslide", "powerwhip", "tackle"]
    assert found[0, 1][0].request["side"]["pokemon"][2]["baseAbility"] == "levitate"
    assert found[0, 0][-1].winner in (0, 1)


def test_teams_are_legal_in_the_formats_that_they_are_for(creatures, modded):
    team = pack(creatures)
    real = "Pikachu|||static|thunderbolt,surf,irontail,quickattack|Serious|84,84,84,84,84,84||||50|"
    assert modded.validate(CREATED, team) == [] == modded.validate(MIXED, team)
    assert modded.validate(MIXED, f"{pack(creatures[:5])}]{real}") == []
    assert any("Pikachu" in problem for problem in modded.validate(CREATED, f"{pack(creatures[:5])}]{real}"))
    for wrong in (("seedbomb", "spore"), ("runaway", "hugepower"), ("Katton|", "Pex|")):
        assert modded.validate(CREATED, team.replace(*wrong, 1))
    assert modded.validate(CREATED, f"{team}]{real}")  # seven


def test_the_exported_team_is_the_packed_one(creatures, package):
    command = [node(), str(package / "pokemon-showdown"), "pack-team", "--skip-build"]
    done = subprocess.run(command, input=export(creatures), capture_output=True, text=True, cwd=package, timeout=60)
    packed = [each.split("|") for each in done.stdout.strip().split("]")]
    for theirs, ours in zip(packed, (each.split("|") for each in pack(creatures).split("]")), strict=True):
        for field in (0, 3, 4, 5, 6, 10):  # name, ability, moves, nature, evs, level
            assert theirs[field].replace(" ", "").lower() == ours[field].lower()


def test_weight_counts(package):
    """Low Kick has 120 power against 200 kg and more, 20 against less than 10 kg."""
    kick = card("Kicker", types=["Normal"], moves=[{"name": "Low Kick"}])
    heavy, light = card("Heavy", types=["Normal"], weight_kg=400), card("Lighty", types=["Normal"], weight_kg=1)
    creatures = read_cards([kick, heavy, light])
    left = {}
    with Bridge(folder=with_mod(creatures)) as bridge:
        for target in creatures[1:]:
            bridge.start(0, CREATED, (1, 2, 3, 4), (pack([creatures[0]]), pack([target])))
            found = play(bridge, choose=lambda update: "default")
            lines = [line for update in found[0, 0] for line in update.lines]
            hit = next(line for line in lines if line.startswith("|-damage|p2a"))
            left[target.name] = 0 if "fnt" in hit else int(hit.split("|")[3].partition("/")[0])
    assert left["Heavy"] < left["Lighty"] - 30


def test_other_cards_have_another_folder_and_equal_cards_the_same(creatures, package):
    folder = with_mod(creatures)
    assert with_mod(list(creatures)) == folder
    other = with_mod(creatures[:2])
    assert other != folder
    assert set(json.loads((other / "dist/data/mods/pokegen/pokedex.json").read_text())["Pokedex"]) == {
        "katton",
        "swormawquet",
    }
    assert not (package / "dist/data/mods/pokegen").exists()
    assert not (package / "dist/config/custom-formats.json").exists()


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("Kâttôn", "Katton"),
        ("  Kat   ton ", "Kat ton"),
        ("Kat’s Own", "Kat's Own"),
        ("Swormawquetissimissimo", "Swormawquetissimis"),
        ("Ho-Kat 2.0", "Ho-Kat 2.0"),
    ],
)
def test_names_that_can_be_written_otherwise_are(package, name, becomes):
    [creature] = read_cards([card(name)])
    assert (creature.name, creature.card_name) == (becomes, name)


def test_names_that_mean_something_elsewhere_are_names(package):
    """Words of formats, items, moves, JSON and poke-env."""
    names = [
        "All Pokemon",
        "Obtainable",
        "Team Preview",
        "OU",
        "None",
        "null",
        "Tackle",
        "Egg",
        "p1",
        "Katton-Mega",
        "12",
    ]
    creatures = read_cards([card(name) for name in names])
    assert [creature.name for creature in creatures] == names
    with Bridge(folder=with_mod(creatures)) as bridge:
        for team in (creatures[:6], creatures[6:]):
            assert bridge.validate(CREATED, pack(team)) == []
        pikachu = "Pikachu|||static|thunderbolt|Serious|84,84,84,84,84,84||||50|"
        assert bridge.validate(CREATED, pikachu) == ["Pikachu is not in the list of allowed pokemon."]


def test_equal_names_are_numbered(package):
    found = read_cards([card("Katton"), card("KATTON"), card("Swormawquetissimis"), card("Swormawquetissimissimo")])
    assert [creature.name for creature in found] == ["Katton", "KATTON 2", "Swormawquetissimis", "Swormawquetissim 2"]
    assert len({creature.entry["num"] for creature in found}) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("<script>alert(1)</script>", "cannot be used in battles"),
        ('"]};process.exit(1)//', "cannot be used in battles"),
        ("Kat|ton", "cannot be used in battles"),
        ("Kat,ton", "cannot be used in battles"),
        ("Kat]ton", "cannot be used in battles"),
        ("Kat\nton", "cannot be used in battles"),
        ("../../Katton", "cannot be used in battles"),
        ("__proto__", "cannot be used in battles"),
        ("カットン", "cannot be used in battles"),
        ("... - '", "cannot be used in battles"),
        ("", "cannot be used in battles"),
        (None, "Expected a card's name"),
        ("Katton-GMAX", "-Gmax is the ending of giant forms"),
        ("Pikachu", "'Pikachu' is taken: it is Pikachu"),
        ("P.i.k a-chu", "is taken: it is Pikachu"),
        ("Pex", "'Pex' is taken: it is Toxapex"),
        ("Alolan Raichu", "is taken: it is Raichu-Alola"),
        ("constructor", "is taken: it is a word of the simulator"),
        ("Confusion", "is taken: it is a word of the simulator"),
        ("brn", "is taken: it is a word of the simulator"),
    ],
)
def test_names_that_would_break_something_are_refused(package, name, message):
    with pytest.raises(UserError, match=message) as raised:
        read_cards([card("Delutte"), card(name)])
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moves": [{"name": "Seed Bomb"}, {"name": "Nuke"}]}, "Katton: unknown move 'Nuke'"),
        ({"moves": [{"name": "constructor"}]}, "unknown move 'constructor'"),
        ({"moves": [{"name": "Hidden Power"}]}, "unknown move 'Hidden Power'"),
        ({"moves": [{"name": "tackle');process.exit()//"}]}, "unknown move"),
        ({"moves": []}, "one to four moves"),
        ({"moves": ["Tackle"]}, "a name in each move"),
        ({"ability": "Super Luckiest"}, "unknown ability 'Super Luckiest'"),
        ({"ability": 3}, "an ability's name, got 3"),
        ({"types": ["Plasma"]}, "types of the games"),
        ({"types": ["Fire", "Fire"]}, "got Fire twice"),
        ({"types": ["Fire", "Water", "Ice"]}, "types of the games"),
        ({"stats": {"hp": 1000}}, "hp of 1 to 255, got 1000"),
        ({"stats": {"hp": 50, "attack": True}}, "attack of 1 to 255, got True"),
        ({"stats": None}, "hp of 1 to 255, got None"),
        ({"weight_kg": float("nan")}, "weight_kg above 0"),
        ({"height_m": "1; DROP"}, "height_m above 0"),
        ({"color": "Plaid"}, "a colour of Black"),
    ],
)
def test_cards_that_no_creature_can_have_are_refused_in_one_line(package, changes, message):
    with pytest.raises(UserError, match=message) as raised:
        read_cards([card(**changes)])
    assert "\n" not in str(raised.value)


def test_no_card_and_too_many_of_a_team_are_refused(creatures):
    with pytest.raises(UserError, match="at least one card"):
        read_cards([])
    with pytest.raises(UserError, match="a team of 1 to 6"):
        pack([*creatures, creatures[0]])
