"""What an agent sees of a battle, as numbers, and what its actions mean.

An observation is one float32 vector, (SIZE,), of the parts that LAYOUT names; categories are in it as indices of the
tables of `dex.py`, which the network looks up. An action is one of 15: four moves, the same four while terastallizing,
a switch to one of six places of the team, and a pass, which is legal only where the other side alone has to decide.
"""

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from pokegen.game.battle import dex
from pokegen.game.battle.tracker import SIDE_CONDITIONS, TEAM, VOLATILES, Mon, View

ENV = "pokegen/Battle-v0"
MOVES, SWITCH, PASS, ACTIONS = 4, 8, 14, 15  # the number of moves; the first switch; the pass; the number of actions

MON = (
    "seen", "active", "hp", "fainted", "level", *dex.STATS, "type1", "type2", "base1", "base2", "tera", "terastallized",
    "status", "sleep", "toxic", "ability", "item", *(f"move{i}" for i in range(4)), *(f"pp{i}" for i in range(4)),
    "weight",
)  # fmt: skip
# Column of each number of a Pokémon. Its health is "hp", its stat of that name "hp_stat".
MON_COLUMN = {name: column for column, name in enumerate(MON) if name != "hp"} | {
    "hp": MON.index("hp"),
    "hp_stat": MON.index("level") + 1,
}
FIGHTER = (*dex.BOOSTS, *VOLATILES, "turns", "last_move", "stall")
FIELD = (
    "weather", "weather_turns", "terrain", "terrain_turns", "trickroom", "gravity",
    *(f"own_{key}" for key in SIDE_CONDITIONS), *(f"foe_{key}" for key in SIDE_CONDITIONS),
    "turn", "force_switch", "trapped", "own_tera_used", "foe_tera_used", "own_left", "foe_left",
)  # fmt: skip
CHOICE = ("move", "pp", "disabled")  # of each of the four moves that may be chosen

_sizes = {
    "own": TEAM * len(MON), "foe": TEAM * len(MON), "own_fighter": len(FIGHTER), "foe_fighter": len(FIGHTER),
    "field": len(FIELD), "choices": MOVES * len(CHOICE), "legal": ACTIONS,
}  # fmt: skip
LAYOUT: dict[str, slice] = {}
SIZE = 0
for _part, _length in _sizes.items():
    LAYOUT[_part] = slice(SIZE, SIZE + _length)
    SIZE += _length

_STAT_SCALE = 100.0
_EMPTY_MON = [0.0] * len(MON)
_EMPTY_MON[MON.index("type1") : MON.index("tera") + 1] = [float(dex.NO_TYPE)] * 5
_EMPTY_FIGHTER = [0.0] * len(FIGHTER)


def estimated_stats(mon: Mon) -> tuple[int, ...]:
    """The stats of a Pokémon without boosts, as random battles give them: 31 IVs, 84 EVs each, a neutral nature."""
    found = [(2 * base + 52) * mon.level // 100 + 5 for base in mon.data.stats]
    found[0] += mon.level + 5
    return tuple(found)


def observe(view: View) -> np.ndarray:
    """The observation of a player, float32 (SIZE,)."""
    numbers: list[float] = []
    for side in (0, 1):
        team = list(view.teams[side].values())[:TEAM]
        for mon in team:
            numbers += _mon(mon)
        numbers += _EMPTY_MON * (TEAM - len(team))
    for fighter in view.active:
        numbers += _EMPTY_FIGHTER if fighter is None or fighter.fainted else _fighter(fighter)
    numbers += _field(view)
    moves = [] if view.request.get("forceSwitch") else (view.request.get("active") or [{"moves": ()}])[0]["moves"]
    rows = dex.moves()
    for place in range(MOVES):
        move = moves[place] if place < len(moves) else None
        if move is None:
            numbers += (0.0, 0.0, 1.0)
        else:
            left = move["pp"] / move["maxpp"] if move.get("maxpp") else 1.0
            numbers += (rows.get(move["id"], 0), left, float(bool(move.get("disabled"))))
    return np.array([*numbers, *legal(view)], np.float32)


def _mon(mon: Mon) -> list[float]:
    rows, types, base = dex.moves(), mon.types or mon.data.types, mon.data.types
    stats = mon.stats or estimated_stats(mon)
    moves = list(mon.moves.items())[:MOVES]
    missing = MOVES - len(moves)
    return [
        1.0, mon.active, mon.hp, mon.fainted, mon.level / 100, *(stat / _STAT_SCALE for stat in stats),
        *types, *base, dex.TYPE_INDEX.get(mon.tera.lower(), dex.NO_TYPE), mon.terastallized,
        dex.STATUSES.index(mon.status) if mon.status in dex.STATUSES else 0, mon.sleep / 3, min(mon.toxic, 8) / 8,
        dex.abilities().get(mon.ability, 0), dex.ITEM_INDEX.get(mon.item, 2),
        *(rows[key] for key, _ in moves), *(0.0,) * missing, *(left for _, left in moves), *(0.0,) * missing,
        min(mon.data.weight, 200.0) / 100,
    ]  # fmt: skip


def _fighter(mon: Mon) -> list[float]:
    return [
        *mon.boosts, *(float(key in mon.volatiles) for key in VOLATILES), min(mon.active_turns, 5) / 5,
        dex.moves().get(mon.last_move, 0), min(mon.stall, 3) / 3,
    ]  # fmt: skip


def _field(view: View) -> list[float]:
    request = view.request
    left = [size - sum(mon.fainted for mon in team.values()) for team, size in zip(view.teams, view.sizes, strict=True)]
    return [
        view.weather, min(view.weather_turns, 8) / 8, view.terrain, min(view.terrain_turns, 8) / 8,
        (1 + view.rooms["trickroom"]) / 5 if "trickroom" in view.rooms else 0.0, float("gravity" in view.rooms),
        *(_strength(own, key) for own in view.conditions for key in SIDE_CONDITIONS),
        min(view.turn, 60) / 60, float(bool(request.get("forceSwitch"))), float(_trapped(view)),
        *view.tera_used, *(number / TEAM for number in left),
    ]  # fmt: skip


def _strength(conditions: dict[str, int], key: str) -> float:
    if key not in conditions:
        return 0.0
    return conditions[key] / 3 if key in dex.HAZARDS else (1 + conditions[key]) / 8


def _trapped(view: View) -> bool:
    return bool((view.request.get("active") or [{}])[0].get("trapped"))


def legal(view: View) -> list[float]:
    """1 for each action that may be chosen, else 0; at least one may."""
    found = [0.0] * ACTIONS
    request = view.request
    if not view.decides:
        found[PASS] = 1.0
        return found
    forced = bool(request.get("forceSwitch"))
    if not forced:
        active = request["active"][0]
        tera = bool(active.get("canTerastallize"))
        for place, move in enumerate(active["moves"][:MOVES]):
            if not move.get("disabled") and move.get("pp", 1) > 0:
                found[place] = 1.0
                found[MOVES + place] = float(tera)
    if forced or not _trapped(view):
        names = list(view.teams[0])
        entries = request["side"]["pokemon"]
        reviving = any(entry.get("reviving") for entry in entries)
        for entry in entries:
            if not entry["active"] and entry["condition"].endswith(" fnt") == reviving:
                place = names.index(entry["ident"].partition(": ")[2])
                if place < TEAM:
                    found[SWITCH + place] = 1.0
    if not any(found):
        found[0] = 1.0  # Struggle, or a move that must go on
    return found


def choice(view: View, action: int) -> str:
    """An action in Showdown's words, such as "move 2 terastallize" or "switch 4"."""
    if action < SWITCH:
        return f"move {action % MOVES + 1}" + (" terastallize" if action >= MOVES else "")
    if action == PASS:
        return "default"
    name = list(view.teams[0])[action - SWITCH]
    return f"switch {_position(view, name)}"


def _position(view: View, name: str) -> int:
    entries: Sequence[dict] = view.request["side"]["pokemon"]
    return next(i for i, entry in enumerate(entries, start=1) if entry["ident"].partition(": ")[2] == name)


def action_of(view: View, words: str) -> int:
    """The action of a choice in Showdown's words: "move thunderbolt", "move 2 terastallize", "switch Pikachu"."""
    kind, _, rest = words.removeprefix("/choose ").partition(" ")
    if kind == "move":
        target, _, extra = rest.partition(" ")
        moves = view.request["active"][0]["moves"]
        place = int(target) - 1 if target.isdigit() else [move["id"] for move in moves].index(dex.to_id(target))
        return place + (MOVES if "terastal" in extra else 0)
    if kind == "switch":
        entries = view.request["side"]["pokemon"]
        if rest.isdigit():
            name = entries[int(rest) - 1]["ident"].partition(": ")[2]
        else:  # a name, or a species
            names = {dex.to_id(entry["ident"].partition(": ")[2]): entry for entry in entries}
            kinds = {dex.to_id(entry["details"].split(", ")[0]): entry for entry in entries}
            name = (names.get(dex.to_id(rest)) or kinds[dex.to_id(rest)])["ident"].partition(": ")[2]
        return SWITCH + list(view.teams[0]).index(name)
    mask = legal(view)
    return mask.index(1.0)


def battle_spaces() -> tuple[spaces.Box, spaces.Discrete]:
    """Observation and action space of a battle."""
    return spaces.Box(-np.inf, np.inf, (SIZE,), np.float32), spaces.Discrete(ACTIONS)
