"""What the tests of battles share: cards, random choices, and programs that end with others."""

import os
import random
import time

from pokegen.game.battle.bridge import legal


def card(name="Katton", **changes):
    """A card as `pokegen card` writes it, as far as battles read it."""
    stats = {"hp": 85, "attack": 110, "defense": 72, "sp_atk": 80, "sp_def": 90, "speed": 75, "total": 512}
    moves = [{"name": move} for move in ("Seed Bomb", "Rock Slide", "Power Whip", "Tackle")]
    facts = {"types": ["Grass"], "stats": stats, "height_m": 2.7, "weight_kg": 28.5, "color": "Red", "moves": moves}
    return {"name": name, **facts, **changes}


def play(bridge, seed=0, choose=None):
    """Play all open battles to their ends, at random. Returns the updates by battle and side, in order."""
    rngs = {}
    found = {}
    while bridge.open:
        for update in bridge.receive():
            found.setdefault((update.battle, update.side), []).append(update)
            if update.must_choose:
                rng = rngs.setdefault(
                    (update.battle, update.side), random.Random(f"{seed} {update.battle} {update.side}")
                )
                choice = choose(update) if choose else rng.choice(legal(update.request))
                bridge.choose(update.battle, update.side, choice)
    return found


def alive(pid):
    """Whether a process runs: one that has ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, seconds=30):
    """Whether the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
