"""The package's own server: on this machine alone, gone with whoever started it; battles and players through it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from battles import alive, card, wait_for

from pokegen.errors import UserError
from pokegen.files import sweep
from pokegen.game.battle.bridge import Update
from pokegen.game.battle.mod import CREATED, pack, read_cards, with_mod
from pokegen.game.battle.poke_env_players import PokeEnvPlayer
from pokegen.game.battle.server import HOST, server

START = (
    "from pokegen.game.battle.server import server\nwith server() as s:\n print(s.pid, s.port, flush=True)\n input()"
)


@pytest.fixture(scope="module")
def creatures(package):
    names = ("Katton", "Swormawquet", "Delutte", "Volbasse")
    return read_cards(
        [card(name, types=[kind]) for name, kind in zip(names, ("Grass", "Water", "Bug", "Rock"), strict=True)]
    )


@pytest.fixture(scope="module")
def running(creatures):
    with server(folder=with_mod(creatures)) as running:
        yield running


def other_address():
    """An address of this machine that is not 127.0.0.1, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return probe.getsockname()[0]
        except OSError:
            return None


def test_it_answers_on_127_0_0_1_alone(running):
    with urllib.request.urlopen(f"{running.url}/showdown/info", timeout=10) as answer:
        assert b'"websocket":true' in answer.read()
    for address in {other_address() or "127.0.0.2", "127.0.0.2"}:
        with socket.socket() as probe, pytest.raises(OSError):
            probe.settimeout(5)
            probe.connect((address, running.port))
    assert f"{HOST}:{running.port}" in running.log.read_text()


def test_a_port_in_use_is_one_line(running):
    with pytest.raises(UserError, match=rf"^Port {running.port} of 127\.0\.0\.1 is in use\. Choose another") as raised:
        server(running.port).__enter__()
    assert "\n" not in str(raised.value)


def test_it_ends_with_the_block_and_its_copy_goes(package):
    servers = package.parents[1] / "servers"
    before = set(servers.iterdir())
    with pytest.raises(ZeroDivisionError), server() as running:
        assert len(set(servers.iterdir()) - before) == 1
        _ = 1 / 0
    assert not alive(running.pid)
    assert set(servers.iterdir()) <= before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_its_parent(package, number):
    servers = package.parents[1] / "servers"
    with subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        pid, port = map(int, parent.stdout.readline().split())
        assert alive(pid)
        made = {Path(os.readlink(f"/proc/{pid}/cwd"))} if os.path.exists(f"/proc/{pid}/cwd") else set()
        assert made <= set(servers.iterdir())
        os.kill(parent.pid, number)
        parent.wait(30)
    assert wait_for(lambda: not alive(pid))
    sweep(servers)  # as the next server does first
    assert not made & set(servers.iterdir())
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, port)) != 0


def recorder(kind, seen):
    """A player of poke-env, of class `kind`, that notes what it saw before each choice, and its choice."""

    class Recorder(kind):
        lines = []  # noqa: RUF012  of its only battle

        async def _handle_battle_message(self, split_messages):
            for message in split_messages[1:]:
                if len(message) > 1 and message[1] == "request":
                    self.request = message[2]
                else:
                    self.lines.append("|".join(message))
            await super()._handle_battle_message(split_messages)

        def choose_move(self, battle):
            order = super().choose_move(battle)
            seen.append((list(self.lines), battle.last_request, order.message.removeprefix("/choose ")))
            self.lines.clear()
            return order

    return Recorder


def fight(running, format, kinds, teams=(None, None), seen=None):
    from poke_env import AccountConfiguration, ServerConfiguration

    where = ServerConfiguration(running.websocket, "")
    kinds = (recorder(kinds[0], seen if seen is not None else []), kinds[1])
    # A name's second use within a minute is refused, as long as the first one's connection is there.
    names = [f"{side} {os.urandom(4).hex()}" for side in ("Ann", "Bob")]
    one, other = (
        kind(
            AccountConfiguration(name, None),
            battle_format=format,
            server_configuration=where,
            team=team,
            open_timeout=60,
        )
        for kind, name, team in zip(kinds, names, teams, strict=True)
    )

    async def battle():
        await asyncio.wait_for(one.battle_against(other, n_battles=1), 60)

    try:
        asyncio.run(battle())
    finally:
        for player in (one, other):
            asyncio.run_coroutine_threadsafe(player.ps_client.stop_listening(), player.ps_client.loop).result(10)
    return one


def test_created_creatures_fight_through_the_server_and_its_validator(running, creatures, teach):
    from poke_env.player import MaxBasePowerPlayer, RandomPlayer

    teach(creatures)
    teams = (pack(creatures[:2]), pack(creatures[2:]))
    one = fight(running, CREATED, (MaxBasePowerPlayer, RandomPlayer), teams)
    assert one.n_finished_battles == 1
    [battle] = one.battles.values()
    assert {pokemon.species for pokemon in battle.opponent_team.values()} <= {"delutte", "volbasse"}


def test_on_the_bridge_poke_envs_players_choose_as_through_the_server(running):
    from poke_env.player import SimpleHeuristicsPlayer

    seen = []
    one = fight(running, "gen9randombattle", (SimpleHeuristicsPlayer, SimpleHeuristicsPlayer), seen=seen)
    assert one.n_finished_battles == 1 and len(seen) > 5
    assert seen[0][0][-1] == "|turn|1"  # lines come before the request that they lead to, as on the bridge
    [battle] = one.battles.values()
    side = int(battle.player_role[1]) - 1
    again = PokeEnvPlayer("heuristics")
    ours = [again.choose(Update(0, side, lines, request, None)) for lines, request, _ in seen]
    assert ours == [choice for _, _, choice in seen]
    assert again.failures == 0
