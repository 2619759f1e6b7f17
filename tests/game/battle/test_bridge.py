"""Battles in process: the simulator's own, seeded, many at once; and what happens when a process dies."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from battles import alive, play, wait_for

from pokegen.errors import UserError
from pokegen.game.battle.bridge import TIE, Bridge, BridgeError, Update, legal, team_seed
from pokegen.game.battle.showdown import node

FORMAT = "gen9randombattle"


@pytest.fixture(scope="module")
def bridge(package):
    with Bridge(processes=2) as bridge:
        yield bridge
        assert not bridge.open


def start(bridge, *battles, **options):
    for battle in battles:
        bridge.start(battle, FORMAT, (1, 2, 3, battle), **options)


def begin(bridge, *battles, **options):
    """Start battles, and wait for their first updates. Returns them by battle and side."""
    start(bridge, *battles, **options)
    found = {}
    while len(found) < 2 * len(battles):
        found |= {(update.battle, update.side): update for update in bridge.receive()}
    return found


def lines_of(updates):
    return [line for update in updates for line in update.lines]


def test_equal_seeds_and_choices_give_an_equal_battle_in_any_number_of_processes(bridge, package):
    start(bridge, 0, 1)
    first = play(bridge)
    start(bridge, 0, 1)
    assert play(bridge) == first
    with Bridge(processes=1) as other:
        start(other, 0, 1)
        assert play(other) == first
    assert lines_of(first[0, 0]) != lines_of(first[1, 0])


def test_every_battle_ends_once_for_each_side_with_the_winner_of_its_log(bridge):
    finished = bridge.finished
    start(bridge, *range(8), names=("Ann", "Bob"))
    found = play(bridge)
    assert bridge.finished == finished + 8
    assert len({found[battle, 0][-1].winner for battle in range(8)}) > 1
    for (battle, side), updates in found.items():
        assert all(isinstance(update, Update) for update in updates)
        *others, last = updates
        assert last.request is None and last.winner == found[battle, 1 - side][-1].winner
        assert {update.winner for update in others} == {None}
        assert last.lines[-1] == f"|win|{('Ann', 'Bob')[last.winner]}"
        assert all(update.request for update in others)


def test_a_side_sees_its_own_hit_points_and_of_the_other_the_share(bridge):
    start(bridge, 0)
    found = play(bridge)
    for side in (0, 1):
        shown = [line.split("|") for line in lines_of(found[0, side]) if line.startswith("|switch|")]
        own = {parts[4].split()[0].partition("/")[2] for parts in shown if parts[2].startswith(f"p{side + 1}")}
        others = {parts[4].split()[0].partition("/")[2] for parts in shown if not parts[2].startswith(f"p{side + 1}")}
        assert others == {"100"} and own != {"100"}
        assert not any(line.startswith(("|split|", "|t:|", "|request|")) for line in lines_of(found[0, side]))


def simulate_battle(package, seed, names, choices):
    """What the package's own command line says of a battle: each side's lines, and those of its requests that it shows,
    since it reads several choices at once."""
    start = {"formatid": FORMAT, "seed": ",".join(map(str, seed))}
    players = [{"name": name, "seed": team_seed(seed, side)} for side, name in enumerate(names)]
    commands = [f">start {json.dumps(start)}", *(f">player p{i + 1} {json.dumps(p)}" for i, p in enumerate(players))]
    commands += [f">p{side + 1} {choice}" for side, choice in choices]
    command = [node(), str(package / "pokemon-showdown"), "simulate-battle", "--skip-build"]
    done = subprocess.run(
        command, input="\n".join(commands) + "\n", capture_output=True, text=True, cwd=package, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines, requests = ([], []), ([], [])
    for block in done.stdout.split("\n\n"):
        kind, *rest = block.strip().split("\n")
        if kind == "sideupdate":
            side, line = int(rest[0][1]) - 1, rest[1]
            if line.startswith("|request|"):
                requests[side].append(json.loads(line.removeprefix("|request|")))
            else:
                lines[side].append(line)
        elif kind == "update":
            rest = iter([*rest, ""])
            for line in rest:
                if line.startswith("|split|"):
                    owner, secret, shared = int(line[-1]) - 1, next(rest), next(rest)
                    views = (secret, shared) if owner == 0 else (shared, secret)
                else:
                    views = (line, line)
                for side in (0, 1):
                    if views[side] and not views[side].startswith("|t:|"):
                        lines[side].append(views[side])
    return lines, requests


def test_a_battle_is_the_one_that_the_packages_own_command_line_plays(package, bridge):
    seed, names = (11, 22, 33, 44), ("Ann", "Bob")
    bridge.start(7, FORMAT, seed, names=names)
    chosen = []

    def choose(update):
        options = legal(update.request)
        chosen.append((update.side, options[len(chosen) % len(options)]))
        return chosen[-1][1]

    found = play(bridge, choose=choose)
    lines, requests = simulate_battle(package, seed, names, chosen)
    assert len(chosen) > 30
    for side in (0, 1):
        assert lines_of(found[7, side]) == lines[side]
        asked = [update.request for update in found[7, side]]
        assert requests[side] and all(request in asked for request in requests[side])


def test_an_invalid_choice_gives_the_error_and_the_request_again(bridge):
    asked = begin(bridge, 0)
    bridge.choose(0, 1, "move 9")
    [update] = bridge.receive()
    assert (update.battle, update.side) == (0, 1) and update.must_choose
    assert update.lines[0].startswith("|error|[Invalid choice]") and len(update.lines) == 1
    assert update.request == asked[0, 1].request
    bridge.choose(0, 1, "move 1")
    bridge.choose(0, 0, "move 1")
    assert {update.side for update in bridge.receive()} == {0, 1}
    bridge.stop(0)


def test_a_battle_can_be_given_up_dropped_and_limited(bridge, package):
    begin(bridge, 0, 1)
    bridge.forfeit(0, 0)
    bridge.stop(1)
    ends = bridge.receive()
    assert [(update.battle, update.winner) for update in ends] == [(0, 1), (0, 1)]
    assert not bridge.open
    with pytest.raises(ValueError, match="nothing to wait for"):
        bridge.receive()
    with Bridge(max_turns=3) as short:
        start(short, 5)
        found = play(short)
        last = found[5, 0][-1]
        assert last.winner == TIE and last.lines[-1] == "|tie"
        assert "|message|The limit of 3 turns was reached." in last.lines
        assert "|turn|4" in last.lines and "|turn|3" not in last.lines


def test_teams_are_made_validated_and_used(bridge):
    team, other = bridge.team(FORMAT, (1, 2, 3, 4)), bridge.team(FORMAT, (4, 3, 2, 1))
    assert bridge.team(FORMAT, (1, 2, 3, 4)) == team != other
    assert bridge.validate("gen9anythinggoes", team) == []
    assert any("Dragapult" in problem for problem in bridge.validate("gen9uu", team))
    names = ("Pikachu", "Eevee", "Snorlax", "Gengar", "Ditto")
    wrong = "]".join(f"{name}|||hugepower|{'transform' if name == 'Ditto' else 'protect'}||1|||||" for name in names)
    problems = bridge.validate("gen9anythinggoes", wrong)
    assert [problem[: len(name)] for name, problem in zip(names, problems, strict=True)] == [*names]
    with pytest.raises(BridgeError, match="There is no format 'gen9nosuch'"):
        bridge.validate("gen9nosuch", team)
    bridge.start(0, FORMAT, (1, 2, 3, 4), (team, other))
    own = {update.side: update.request["side"]["pokemon"] for update in bridge.receive()}
    assert {pokemon["ident"][4:] for pokemon in own[0]} == {each.partition("|")[0] for each in team.split("]")}
    bridge.stop(0)


@pytest.mark.parametrize(
    ("format", "teams", "message"),
    [
        ("gen9nosuch", (None, None), "There is no format 'gen9nosuch'"),
        ("gen9ou", (None, None), "needs a team"),
        ("gen9ou", ("nonsense", "nonsense"), "is not a packed team"),
        ("gen9freeforallrandombattle", (None, None), "is for 4 players|There is no format"),
    ],
)
def test_a_battle_that_cannot_begin_says_why_and_leaves_the_others(bridge, format, teams, message):
    start(bridge, 2)
    bridge.start(4, format, (0, 0, 0, 0), teams)
    with pytest.raises(BridgeError, match=message) as raised:
        bridge.receive()
    assert raised.value.battles == [4] and bridge.open == {2}
    assert {update.battle for update in bridge.receive()} == {2}  # of the same process, in the same answer
    bridge.stop(2)


def test_a_number_can_be_used_again_at_once(bridge):
    for battle, side in begin(bridge, 0):
        bridge.choose(battle, side, "move 1")
    bridge.flush()
    bridge.stop(0)
    start(bridge, 0)
    again = play(bridge)
    assert all(updates[0].lines[0] == "|gametype|singles" for updates in again.values())
    start(bridge, 0)
    assert play(bridge) == again


def test_a_failure_of_the_simulator_ends_that_battle_alone(bridge):
    begin(bridge, 0, 2)
    bridge.choose(0, 0, None)  # no text, which the simulator does not expect
    ends = bridge.receive()
    assert [(update.battle, update.side, update.winner) for update in ends] == [(0, 0, TIE), (0, 1, TIE)]
    assert ends[0].lines[-2].startswith("|bigerror|The simulator failed: TypeError") and ends[0].lines[-1] == "|tie"
    assert bridge.open == {2}
    bridge.stop(2)


@pytest.mark.parametrize("names", [("Ann", "Ann"), ("Ann|x", "Bob"), ("Ann", "B\nob"), ("", "Bob")])
def test_names_that_would_break_a_line_are_refused(bridge, names):
    with pytest.raises(ValueError, match="two different names"):
        bridge.start(0, FORMAT, (0, 0, 0, 0), names=names)


def test_seeds_and_numbers_are_checked(bridge):
    with pytest.raises(ValueError, match="four integers"):
        bridge.start(0, FORMAT, (0, 0, 0, 65536))
    start(bridge, 0)
    with pytest.raises(ValueError, match="not over"):
        start(bridge, 0)
    bridge.stop(0)


def test_a_killed_process_loses_its_battles_alone_and_can_be_restarted(package):
    with Bridge(processes=2) as bridge:
        start(bridge, 0, 1, 3)
        bridge.forfeit(3, 0)
        while 3 in bridge.open:
            bridge.receive()
        os.kill(bridge.pids[1], signal.SIGKILL)
        bridge.choose(1, 0, "move 1")
        with pytest.raises(
            BridgeError, match=r"killed by signal 9.*1 battle was lost, 1 were finished.*restart"
        ) as raised:
            for _ in range(3):
                bridge.receive()
        assert isinstance(raised.value, UserError) and raised.value.battles == [1]
        assert bridge.open == {0} and bridge.finished == 1
        with pytest.raises(BridgeError, match="restart"):
            start(bridge, 1)
        bridge.restart()
        start(bridge, 1)
        bridge.forfeit(0, 0)
        bridge.forfeit(1, 0)
        while bridge.open:
            bridge.receive()
        assert bridge.finished == 3


def test_a_process_that_does_not_answer_is_ended(package):
    with Bridge(timeout=1) as bridge:
        [pid] = bridge.pids
        os.kill(pid, signal.SIGSTOP)
        start(bridge, 0)
        with pytest.raises(BridgeError, match="did not answer within 1 s: 1 battle was lost"):
            bridge.receive()
        assert not alive(pid)


def test_node_ends_with_the_bridge_and_with_a_killed_parent(package):
    with Bridge() as bridge:
        [pid] = bridge.pids
        assert alive(pid)
    assert not alive(pid)
    code = "from pokegen.game.battle.bridge import Bridge\nb = Bridge()\nprint(*b.pids, flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert wait_for(lambda: not alive(pid))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory of a process is read from /proc")
def test_memory_stays_flat(package):
    def battles(numbers):
        for number in numbers:
            start(bridge, number)
            bridge.receive()
            bridge.forfeit(number, 0)
            bridge.receive()
        return int(Path(f"/proc/{bridge.pids[0]}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    with Bridge() as bridge:
        before = battles(range(60))
        assert battles(range(60, 260)) < before + 60  # MB; a battle that is kept takes about one
