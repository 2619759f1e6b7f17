"""`pokegen game battle`: matches of two players, trials of cards. Needs Node.js, but for the mistakes."""

import json
import os
import signal

import pytest
from battles import card
from mistakes import one_line
from PIL import Image

from pokegen import zoo
from pokegen.cli.main import main
from pokegen.game.battle import bridge as bridges
from pokegen.game.battle.agent import BattleNetwork
from pokegen.game.battle.match import match, wilson


def said(capsys, *argv):
    capsys.readouterr()
    assert main([str(word) for word in ("game", "battle", *argv)]) == 0
    return capsys.readouterr().out


@pytest.fixture
def cards(tmp_path):
    """A folder as `pokegen card` writes it: a strong and a weak creature."""
    folder = tmp_path / "cards"
    folder.mkdir()
    stats = {"hp": 40, "attack": 30, "defense": 30, "sp_atk": 30, "sp_def": 30, "speed": 30}
    Image.new("RGB", (4, 4), "red").save(folder / "001-katton-sprite.png")
    made = [
        card("Katton", sprite="001-katton-sprite.png"),
        card("Péwit", stats=stats, types=["Bug"], moves=[{"name": "Tackle"}]),
    ]
    (folder / "cards.json").write_text(json.dumps(made))
    (folder / "001-katton.json").write_text(json.dumps(made[0]))
    return folder


# ------------------------------------------------------------------------------------------------------------- matches


def test_a_match(package, capsys, tmp_path):
    file = tmp_path / "result.json"
    out = said(capsys, "--players", "max_power", "random", "--battles", 8, "--seed", 2, "--json", file)
    result = json.loads(file.read_text())
    assert result["players"] == ["max_power", "random"] and result["battles"] == 8
    lost = 8 - result["won"] - result["ties"]
    assert f"8 battles, {result['won']} won, {result['ties']} ties, {lost} lost\n" in out
    assert result["win_rate"] == (result["won"] + result["ties"] / 2) / 8 > 0.5
    assert result["interval"] == list(wilson(result["win_rate"], 8))
    assert f"win rate of max_power: {result['win_rate']:.1%}, 95 % interval " in out
    assert " battles a second\n" in out
    said(capsys, "--players", "max_power", "random", "--battles", 8, "--seed", 2, "--json", tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == result


def test_an_agent_of_a_folder_against_a_player_of_poke_env(package, capsys, tmp_path):
    init = {"env": "pokegen/Battle-v0", "options": {"opponents": {"max_power": 1.0}}, "width": 8, "hidden": 16}
    network = BattleNetwork(**init)
    init |= {"plain_spaces": network.plain_spaces()}
    zoo.save(network, tmp_path / "agent", "pokegen.game.battle.agent.BattleNetwork", init, version="1")
    out = said(capsys, "--players", tmp_path / "agent", "heuristics", "--battles", 2)
    assert f"{tmp_path / 'agent'} against heuristics, gen9randombattle: 2 battles, " in out


def test_each_pair_of_teams_is_played_from_both_sides(package):
    """So equal players without chance win half."""
    assert sum(match(("expert", "expert"), 4, seed=5)) == 2


def test_intervals_of_wilson():
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


# -------------------------------------------------------------------------------------------------------------- trials


def test_a_trial_goes_on_after_its_simulator_was_killed(package, cards, capsys, tmp_path, monkeypatch):
    out = tmp_path / "trial"
    argv = (cards, "--couples", 8, "--team_size", 1, "--player", "max_power", "--out", out)
    receive, process = bridges.Bridge.receive, []

    def kill(self):
        if self.finished >= 4 and not process:
            process.extend(self.pids)
            os.kill(self.pids[0], signal.SIGKILL)
        return receive(self)

    monkeypatch.setattr(bridges.Bridge, "receive", kill)
    message = one_line(capsys, "game", "battle", *argv)
    assert "A simulator process was killed by signal 9." in message and "run the command again to go on" in message
    kept = (out / "results.jsonl").read_text().splitlines()
    assert 2 <= len(kept) < 9
    shown = said(capsys, *argv)
    lines = (out / "results.jsonl").read_text().splitlines()
    assert lines[: len(kept)] == kept and len(lines) == 9
    ratings = json.loads((out / "ratings.json").read_text())
    assert [each["name"] for each in ratings["creatures"]] == ["Katton", "Pewit"]  # the strongest first
    assert [each["total"] for each in ratings["creatures"]] == [512, 190]
    heading, first, second, total, last = shown.splitlines()
    assert heading.split()[:2] == ["total", "rating"] and first.startswith("Katton") and second.startswith("Pewit")
    assert total.startswith("16 battles, 12 real Pokémon") and last == str(out / "ratings.json")
    pages = [(out / f"replay-{name}.html").read_text() for name in ("katton", "pewit")]
    assert "Katton" in pages[0] and "Pewit" in pages[1] and "data:image/png" in pages[0]
    assert "holds another tournament" in one_line(capsys, "game", "battle", *argv, "--seed", 1)


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Expected either cards or --players A B"),
        (("cards", "--players", "random", "random"), "Expected either cards or --players A B"),
        (("nowhere",), "There is no nowhere. Expected cards"),
        ((".",), "There is no cards.json. Expected cards"),
        (("bad.json",), "Cannot read bad.json: "),
        (("deep.json",), "Cannot read deep.json: "),
        (("empty.json",), "empty.json holds no cards"),
        (("words.json",), "words.json holds no cards"),
        (("bad.json", "--battles", "4"), "--battles goes with --players: leave it out"),
        (("--players", "random", "random", "--couples", "4"), "--couples goes with cards: leave it out"),
        (("--players", "random", "nobody"), "Unknown player 'nobody'. Known players: random, max_power, heuristics, "),
        (("--players", "random", "cvae"), "cvae does not battle: it is a CVAE"),
        (("--players", "random", "random", "--battles", "7"), "Expected an even number of battles, 2 to"),
        (("--players", "random", "random", "--battles", "0"), "Expected an even number of battles, 2 to"),
        (("--players", "random", "random", "--format", "gen9randomdoublesbattle"), "one against one"),
        (("--players", "random", "random", "--format", "gen4randombattle"), "Expected a format of generation 9"),
        (("--players", "random", "random", "--seed", "-1"), "Expected a --seed from 0 on, got -1"),
    ],
)
def test_mistakes(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"bad": "{", "deep": "[" * 100_000, "empty": "[]", "words": '["Katton"]'}.items():
        (tmp_path / f"{name}.json").write_text(content)
    assert message in one_line(capsys, "game", "battle", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--team_size", "7"), "Expected a team of 1 to 6 creatures, got 7"),
        (("--couples", "1"), "Expected at least 3 couples, so that each of 14 entrants plays"),
        (("--player", "nobody"), "Unknown player 'nobody'"),
    ],
)
def test_mistakes_of_a_trial(package, words, message, cards, tmp_path, capsys):
    assert message in one_line(capsys, "game", "battle", cards, *words, "--out", tmp_path / "out")


def test_without_node(cards, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "Battles need Node.js" in one_line(capsys, "game", "battle", "--players", "random", "random")
