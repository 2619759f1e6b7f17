"""How fast battles run: random choices on the bridge; poke-env's max-power player against its random one, on the bridge
and through the server.

    python benchmarks/battle.py                    # gen9randombattle, 200 battles each, 32 at once
    python benchmarks/battle.py --battles 1000

One row each: battles and decisions per second of wall time, and decisions per second of Node's processor time, which a
busy machine changes less. Status 1 where the bridge with one process makes fewer than 1,000 decisions a second.
"""

import argparse
import asyncio
import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

from pokegen.game.battle.bridge import Bridge, Update, legal
from pokegen.game.battle.poke_env_players import KINDS, PokeEnvPlayer
from pokegen.game.battle.server import server

FORMAT = "gen9randombattle"
LIMIT = 1000  # decisions a second, one process


@contextmanager
def row(name: str, counts: dict[str, int]):
    """Time the block, and print a row of what it counted."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    node = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    counts["rate"] = counts["decisions"] / seconds
    rates = [counts["battles"] / seconds, counts["rate"], counts["decisions"] / node]
    print(f"| {name} | {rates[0]:,.1f} | {rates[1]:,.0f} | {rates[2]:,.0f} |", flush=True)


def play(bridge: Bridge, battles: int, at_once: int, choose: Callable[[Update], str]) -> dict[str, int]:
    """Play battles on the bridge, `at_once` at any time. Returns how many, and how many decisions they took."""
    started = decisions = 0
    while bridge.finished < battles:
        while started < battles and len(bridge.open) < at_once:
            bridge.start(started, FORMAT, (1, 2, 3, started))
            started += 1
        for update in bridge.receive():
            choice = choose(update)
            if update.must_choose:
                decisions += 1
                bridge.choose(update.battle, update.side, choice)
    return {"battles": battles, "decisions": decisions}


def on_the_bridge(name: str, processes: int, battles: int, at_once: int, choose: Callable[[Update], str]) -> float:
    counts: dict[str, int] = {}
    with row(name, counts), Bridge(processes) as bridge:
        counts |= play(bridge, battles, at_once, choose)
    return counts["rate"]


def through_the_server(battles: int, at_once: int) -> None:
    """poke-env as its documentation shows it: two players, one server, one challenge after the other."""
    from poke_env import AccountConfiguration, ServerConfiguration, player

    counts = {"battles": battles, "decisions": 0}
    with row("max-power against random, through the server", counts), server() as running:

        def counted(kind: type) -> type:
            class Counted(kind):
                def choose_move(self, battle):
                    counts["decisions"] += 1
                    return super().choose_move(battle)

            return Counted

        one, other = (
            counted(getattr(player, KINDS[kind]))(
                AccountConfiguration(f"{kind} bot", None),
                battle_format=FORMAT,
                server_configuration=ServerConfiguration(running.websocket, ""),
                max_concurrent_battles=at_once,
                open_timeout=120,
            )
            for kind in ("power", "random")
        )
        asyncio.run(asyncio.wait_for(one.battle_against(other, n_battles=battles), 1800))
        for each in (one, other):
            asyncio.run_coroutine_threadsafe(each.ps_client.stop_listening(), each.ps_client.loop).result(10)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=200, help="of each row; default: 200")
    parser.add_argument("--at-once", type=int, default=32, help="how many run at any time; default: 32")
    options = parser.parse_args()
    shape = options.battles, options.at_once
    print("| what | battles/s | decisions/s | decisions per second of Node's processor time |\n|---|---:|---:|---:|")
    rng = random.Random(0)

    def at_random(update: Update) -> str:
        return rng.choice(legal(update.request)) if update.must_choose else ""

    rate = on_the_bridge("random choices, 1 process", 1, *shape, at_random)
    on_the_bridge("random choices, 2 processes", 2, *shape, at_random)
    players = [PokeEnvPlayer("power"), PokeEnvPlayer("random")]
    name = "max-power against random, on the bridge"
    on_the_bridge(f"{name}, 1 process", 1, *shape, lambda update: players[update.side].choose(update) or "")
    through_the_server(*shape)
    return int(rate < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
