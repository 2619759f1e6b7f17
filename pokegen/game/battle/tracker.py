"""What one player knows of a battle: built from the simulator's protocol, as a client builds it.

The own team is known from the requests; of the opponent only what the protocol has shown, in order of appearance. The
same class serves the simulator in process, a server and a replay, so an agent sees the same everywhere, and nothing
that a person would not see. Protocol: SIM-PROTOCOL.md of Pokémon Showdown.

Left out: doubles; what could be inferred but was not shown (an opponent's item by its speed, its sets); a disguise is
believed until it breaks.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pokegen.game.battle import dex

TEAM = 6
NO_BOOSTS = (0,) * len(dex.BOOSTS)
# Volatile statuses that an agent sees, by the words of the protocol without "move: " and "ability: ".
VOLATILES = (
    "confusion", "leechseed", "substitute", "taunt", "encore", "yawn", "partiallytrapped", "flashfire", "boosted",
    "focusenergy", "mustrecharge", "charging", "disable", "torment", "saltcure", "curse", "magnetrise", "aquaring",
    "attract", "perish", "protected", "healblock", "trapped", "destinybond",
)  # fmt: skip
_VOLATILE = {name: name for name in VOLATILES} | {
    "perish3": "perish", "perish2": "perish", "perish1": "perish", "ingrain": "aquaring",
    "octolock": "partiallytrapped", "dragoncheer": "focusenergy", "noretreat": "trapped", "typechange": "",
    "typeadd": "",
}  # fmt: skip
_TRAPS = {
    "bind", "wrap", "firespin", "clamp", "whirlpool", "sandtomb", "magmastorm", "infestation", "snaptrap",
    "thundercage",
}  # fmt: skip
SIDE_CONDITIONS = (*dex.HAZARDS, *dex.SCREENS, "tailwind", "safeguard", "mist")
_LAYERS = {"spikes": 3, "toxicspikes": 2}


class Mon:
    """One Pokémon as a player sees it."""

    __slots__ = (
        "ability", "active", "active_turns", "boosts", "data", "fainted", "hp", "item", "last_move", "level", "max_hp",
        "moves", "name", "seen", "sleep", "stall", "stats", "status", "tera", "terastallized", "toxic", "types",
        "volatiles",
    )  # fmt: skip

    def __init__(self, name: str):
        self.name = name
        self.data = dex.species("")
        self.types: tuple[int, int] | None = None  # where they are not the species'
        self.level, self.hp, self.max_hp = 100, 1.0, 0  # hp as a share of max_hp
        self.status, self.sleep, self.toxic = "", 0, 0  # turns
        self.fainted = self.active = self.seen = self.terastallized = False
        self.moves: dict[str, float] = {}  # id → share of its power points left
        self.ability, self.item, self.tera = "", "", ""
        self.stats: tuple[int, ...] | None = None  # without boosts, in the order of dex.STATS; the own team's
        self.leave()

    def leave(self) -> None:
        """Forget what a Pokémon loses when it leaves the field."""
        self.boosts = list(NO_BOOSTS)
        self.volatiles: dict[str, int] = {}  # → turns since
        self.last_move, self.stall, self.active_turns, self.toxic = "", 0, 0, 0
        self.active = False
        if not self.terastallized:
            self.types = None

    def details(self, text: str) -> None:
        """Read "Zoroark-Hisui, L80, F"."""
        name, *rest = text.split(", ")
        self.data = dex.species(name)
        self.level = next((int(part[1:]) for part in rest if part[0] == "L" and part[1:].isdigit()), 100)
        if len(self.data.abilities) == 1 and not self.ability:
            self.ability = self.data.abilities[0]

    def condition(self, text: str) -> None:
        """Read "239/265 brn" or "0 fnt"."""
        health, _, status = text.partition(" ")
        if status == "fnt":
            self.hp, self.fainted, self.status = 0.0, True, ""
            return
        current, _, largest = health.partition("/")
        self.max_hp = int(largest)
        self.hp = int(current) / self.max_hp
        self.fainted = False
        self._set_status(status)

    def _set_status(self, status: str) -> None:
        if status != self.status:
            self.status, self.sleep, self.toxic = status, 0, 0

    def learn(self, move: str) -> None:
        """A move of its own has been seen."""
        if move not in self.moves and len(self.moves) < 4 and move in dex.moves():
            self.moves[move] = 1.0


class View:
    """One player's view of a battle.

    Args:
        side: the player's, 0 or 1.
    """

    def __init__(self, side: int):
        self.side = side
        self.teams: tuple[dict[str, Mon], dict[str, Mon]] = ({}, {})  # the own, the opponent's: name → Pokémon
        self.sizes = [TEAM, TEAM]
        self.active: list[Mon | None] = [None, None]
        self.turn = 0
        self.weather, self.weather_turns = 0, 0  # index in dex.WEATHERS
        self.terrain, self.terrain_turns = 0, 0
        self.rooms: dict[str, int] = {}  # trickroom, gravity → turns since
        self.conditions: tuple[dict[str, int], dict[str, int]] = ({}, {})  # of the sides: layers, or turns since
        self.tera_used = [False, False]
        self.request: Mapping[str, Any] = {}
        self.winner: int | None = None  # 0: the player, 1: the opponent, -1: a tie
        self.names = ["", ""]

    # What the own player may do

    def read_request(self, request: Mapping[str, Any]) -> None:
        """Read what the player knows of the own team and may decide."""
        self.request = request
        team = self.teams[0]
        for entry in request.get("side", {}).get("pokemon", ()):
            name = entry["ident"].partition(": ")[2]
            mon = team.get(name)
            if mon is None:
                mon = team[name] = Mon(name)
                mon.seen = True
            mon.details(entry["details"])
            mon.condition(entry["condition"])
            if mon.max_hp:
                mon.stats = (mon.max_hp, *(entry["stats"][stat] for stat in dex.STATS[1:]))
            mon.ability, mon.item = entry.get("ability") or entry["baseAbility"], entry["item"] or "none"
            mon.tera = entry.get("teraType", "")
            known = dex.moves()
            mon.moves = {key: mon.moves.get(key, 1.0) for key in entry["moves"] if key in known}
        active = self.active[0]
        if request.get("active") and active:
            for move in request["active"][0]["moves"]:
                if move["id"] in active.moves and move.get("maxpp"):
                    active.moves[move["id"]] = move["pp"] / move["maxpp"]

    @property
    def decides(self) -> bool:
        """Whether the player has to choose."""
        return bool(self.request) and not self.request.get("wait") and self.winner is None

    # What the protocol shows

    def read(self, lines: Iterable[str]) -> None:
        """Read lines of the protocol; unknown ones are passed over."""
        for line in lines:
            if line.startswith("|") and len(line) > 1:
                parts = line.split("|")
                if (handle := _HANDLERS.get(parts[1])) is not None:
                    handle(self, parts[2:])

    def whose(self, ident: str) -> int:
        """0 for the own side, 1 for the opponent's, of "p2a: Name" or "p2: Name"."""
        return 0 if int(ident[1]) - 1 == self.side else 1

    def mon(self, ident: str) -> Mon:
        """The Pokémon of "p2a: Name"; one never seen enters its team."""
        team = self.teams[self.whose(ident)]
        name = ident.partition(": ")[2]
        if (found := team.get(name)) is None:
            found = team[name] = Mon(name)
        return found

    def _switch(self, p: list[str]) -> None:
        side, name = self.whose(p[0]), p[0].partition(": ")[2]
        team, before = self.teams[side], self.active[side]
        if name not in team:
            self._take_preview(team, name, p[1])
        mon = self.mon(p[0])
        kept: tuple[list[int], dict[str, int]] | None = None
        if before is not None:
            if any(tag in ("[from] Baton Pass", "[from] Shed Tail") for tag in p[3:]):
                passed = {key: turns for key, turns in before.volatiles.items() if key in ("substitute", "leechseed")}
                kept = (before.boosts, passed) if "[from] Baton Pass" in p[3:] else (list(NO_BOOSTS), passed)
            if before.ability == "regenerator" and not before.fainted and side == 1:
                before.hp = min(1.0, before.hp + 1 / 3)
            if before.ability == "naturalcure" and side == 1:
                before.status = ""
            before.leave()
        mon.leave()
        mon.active = mon.seen = True
        if kept:
            mon.boosts, mon.volatiles = kept
        mon.details(p[1])
        mon.condition(p[2])
        self.active[side] = mon

    def _take_preview(self, team: dict[str, Mon], name: str, details: str) -> None:
        """A Pokémon that the team preview showed by its species bears its own name from now on."""
        wanted = dex.species(details.split(", ")[0])
        for key, mon in team.items():
            if key.startswith("preview ") and (mon.data.id == wanted.id or wanted.id.startswith(mon.data.id)):
                renamed = {(name if k == key else k): m for k, m in team.items()}
                team.clear()
                team.update(renamed)
                mon.name = name
                return

    def _poke(self, p: list[str]) -> None:
        if (side := self.whose(p[0] + "a: ")) == 1:
            key = f"preview {len(self.teams[side])}"
            mon = self.teams[side][key] = Mon(key)
            mon.details(p[1].replace("-*", ""))
            mon.seen = True

    def _replace(self, p: list[str]) -> None:
        """A disguise breaks: the Pokémon in play is another one."""
        side = self.whose(p[0])
        disguise, mon = self.active[side], self.mon(p[0])
        if disguise is not None and disguise is not mon:
            mon.boosts, mon.volatiles, mon.hp = disguise.boosts, disguise.volatiles, disguise.hp
            mon.max_hp, mon.status, mon.active_turns = disguise.max_hp, disguise.status, disguise.active_turns
            disguise.leave()
            disguise.hp, disguise.fainted, disguise.status = 1.0, False, ""
        mon.active = mon.seen = True
        mon.details(p[1])
        self.active[side] = mon

    def _forme(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        level = mon.level
        mon.details(p[1])
        mon.level = level

    def _move(self, p: list[str]) -> None:
        mon, move = self.mon(p[0]), dex.to_id(p[1])
        mon.last_move = move
        mon.volatiles.pop("charging", None)
        mon.volatiles.pop("destinybond", None)
        called = any(tag.startswith("[from]") and "lockedmove" not in tag for tag in p[2:])
        if not called and move != "struggle":
            mon.learn(move)
            if self.whose(p[0]) == 1 and move in mon.moves:
                used = 1 / float(dex.move_pp()[dex.moves()[move]])
                mon.moves[move] = max(0.0, mon.moves[move] - used)

    def _reveal(self, p: list[str], after: int) -> None:
        """Abilities and items that the tags of a line give away."""
        source = next((tag for tag in p[after:] if tag.startswith("[from] ")), "")
        if not source:
            return
        of = next((tag[5:] for tag in p[after:] if tag.startswith("[of] ")), "")
        kind, _, name = source[7:].partition(": ")
        owner = of if of and len(of) > 2 else p[0]
        if not name or len(owner) < 2 or owner[0] != "p" or ": " not in owner:
            return
        if kind == "ability":
            self.mon(owner).ability = dex.to_id(name)
        elif kind == "item":
            self.mon(owner).item = dex.to_id(name)

    def _damage(self, p: list[str]) -> None:
        self.mon(p[0]).condition(p[1])
        self._reveal(p, 2)

    def _heal(self, p: list[str]) -> None:
        self.mon(p[0]).condition(p[1])
        self._reveal([p[0], *(tag for tag in p[2:] if not tag.startswith("[of]"))], 1)

    def _faint(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        mon.hp, mon.fainted, mon.status = 0.0, True, ""

    def _status(self, p: list[str]) -> None:
        self.mon(p[0])._set_status(p[1])
        self._reveal(p, 2)

    def _cure(self, p: list[str]) -> None:
        self.mon(p[0])._set_status("")

    def _cure_team(self, p: list[str]) -> None:
        for mon in self.teams[self.whose(p[0])].values():
            mon._set_status("")

    def _boost(self, p: list[str], sign: int = 1) -> None:
        place = dex.BOOSTS.index(p[1])
        boosts = self.mon(p[0]).boosts
        boosts[place] = max(-6, min(6, boosts[place] + sign * int(p[2])))

    def _unboost(self, p: list[str]) -> None:
        self._boost(p, -1)

    def _set_boost(self, p: list[str]) -> None:
        self.mon(p[0]).boosts[dex.BOOSTS.index(p[1])] = int(p[2])

    def _clear_boosts(self, p: list[str]) -> None:
        self.mon(p[0]).boosts = list(NO_BOOSTS)

    def _clear_all(self, p: list[str]) -> None:
        for mon in self.active:
            if mon is not None:
                mon.boosts = list(NO_BOOSTS)

    def _clear_positive(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        mon.boosts = [min(0, boost) for boost in mon.boosts]

    def _clear_negative(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        mon.boosts = [max(0, boost) for boost in mon.boosts]

    def _invert(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        mon.boosts = [-boost for boost in mon.boosts]

    def _swap_boosts(self, p: list[str]) -> None:
        a, b = self.mon(p[0]), self.mon(p[1])
        words = p[2].split(", ") if len(p) > 2 and p[2] and p[2][0] != "[" else dex.BOOSTS
        for word in words:
            place = dex.BOOSTS.index(word)
            a.boosts[place], b.boosts[place] = b.boosts[place], a.boosts[place]

    def _copy_boosts(self, p: list[str]) -> None:
        self.mon(p[0]).boosts = list(self.mon(p[1]).boosts)

    def _start(self, p: list[str]) -> None:
        mon, key = self.mon(p[0]), _effect(p[1])
        self._reveal(p, 2)
        if key == "typechange" and len(p) > 2 and not p[2].startswith("["):
            kinds = [dex.TYPE_INDEX.get(kind.lower(), dex.NO_TYPE) for kind in p[2].split("/")]
            mon.types = kinds[0], kinds[1] if len(kinds) > 1 else dex.NO_TYPE
        elif key.startswith(("protosynthesis", "quarkdrive")):
            mon.volatiles["boosted"] = 0
        elif word := _VOLATILE.get(key):
            mon.volatiles[word] = 0

    def _end(self, p: list[str]) -> None:
        mon, key = self.mon(p[0]), _effect(p[1])
        if key.startswith(("protosynthesis", "quarkdrive")):
            key = "boosted"
        elif key in _TRAPS:
            key = "partiallytrapped"
        mon.volatiles.pop(_VOLATILE.get(key, key), None)

    def _single(self, p: list[str]) -> None:
        mon, key = self.mon(p[0]), _effect(p[1])
        if key in ("protect", "endure", "maxguard") or key.endswith(
            ("shield", "bunker", "bulwark", "trap", "obstruct")
        ):
            mon.volatiles["protected"] = 0
            mon.stall += 1
        elif word := _VOLATILE.get(key):
            mon.volatiles[word] = 0

    def _activate(self, p: list[str]) -> None:
        if len(p) < 2 or ": " not in p[0]:
            return
        mon = self.mon(p[0])
        kind, _, name = p[1].partition(": ")
        key = dex.to_id(name)
        if kind == "ability" and name:
            mon.ability = key
        elif kind == "item" and name:
            mon.item = key
        elif key in _TRAPS:
            mon.volatiles["partiallytrapped"] = 0
        elif key == "trapped" or p[1] == "trapped":
            mon.volatiles["trapped"] = 0

    def _ability(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        mon.ability = dex.to_id(p[1])
        of = next((tag[5:] for tag in p[2:] if tag.startswith("[of] ")), "")
        if of and any(tag.startswith("[from] ability: Trace") for tag in p[2:]):
            self.mon(of).ability = mon.ability

    def _end_ability(self, p: list[str]) -> None:
        if len(p) > 1 and not p[1].startswith("["):
            self.mon(p[0]).ability = dex.to_id(p[1])

    def _item(self, p: list[str]) -> None:
        self._reveal(p, 2)
        self.mon(p[0]).item = dex.to_id(p[1])

    def _end_item(self, p: list[str]) -> None:
        self.mon(p[0]).item = "none"

    def _recharge(self, p: list[str]) -> None:
        self.mon(p[0]).volatiles["mustrecharge"] = 0

    def _prepare(self, p: list[str]) -> None:
        self.mon(p[0]).volatiles["charging"] = 0

    def _cant(self, p: list[str]) -> None:
        mon = self.mon(p[0])
        mon.volatiles.pop("mustrecharge", None)
        if p[1] == "slp":
            mon.sleep += 1

    def _transform(self, p: list[str]) -> None:
        mon, model = self.mon(p[0]), self.mon(p[1])
        mon.types = model.types or model.data.types
        mon.boosts = list(model.boosts)

    def _terastallize(self, p: list[str]) -> None:
        mon, side = self.mon(p[0]), self.whose(p[0])
        mon.tera, mon.terastallized = p[1], True
        mon.types = (dex.TYPE_INDEX[p[1].lower()], dex.NO_TYPE) if p[1] != "Stellar" else None
        self.tera_used[side] = True

    def _weather(self, p: list[str]) -> None:
        found = dex.weather_index(p[0])
        if "[upkeep]" not in p:
            self.weather_turns = 0
        self.weather = found
        for tag in p[1:]:
            if tag.startswith("[from] ability: "):
                of = next((t[5:] for t in p if t.startswith("[of] ")), "")
                if of:
                    self.mon(of).ability = dex.to_id(tag[16:])

    def _field_start(self, p: list[str]) -> None:
        key = _effect(p[0])
        if key in dex.TERRAINS:
            self.terrain, self.terrain_turns = dex.TERRAINS.index(key), 0
        else:
            self.rooms[key] = 0

    def _field_end(self, p: list[str]) -> None:
        key = _effect(p[0])
        if key in dex.TERRAINS:
            self.terrain, self.terrain_turns = 0, 0
        else:
            self.rooms.pop(key, None)

    def _side_start(self, p: list[str]) -> None:
        key, own = _effect(p[1]), self.conditions[self.whose(p[0])]
        if key in dex.HAZARDS:
            own[key] = min(_LAYERS.get(key, 1), own.get(key, 0) + 1)
        else:
            own[key] = 0

    def _side_end(self, p: list[str]) -> None:
        self.conditions[self.whose(p[0])].pop(_effect(p[1]), None)

    def _swap_sides(self, p: list[str]) -> None:
        self.conditions = self.conditions[::-1]

    def _turn(self, p: list[str]) -> None:
        self.turn = int(p[0])
        self.weather_turns += 1
        self.terrain_turns += 1
        for key in self.rooms:
            self.rooms[key] += 1
        for own in self.conditions:
            for key in own:
                if key not in dex.HAZARDS:
                    own[key] += 1
        for mon in self.active:
            if mon is None:
                continue
            mon.active_turns += 1
            if mon.volatiles.pop("protected", None) is None:
                mon.stall = 0
            if mon.status == "tox":
                mon.toxic += 1
            for key in mon.volatiles:
                mon.volatiles[key] += 1

    def _player(self, p: list[str]) -> None:
        if len(p) > 1 and p[1]:
            self.names[self.whose(p[0] + "a")] = p[1]

    def _team_size(self, p: list[str]) -> None:
        self.sizes[self.whose(p[0] + "a")] = int(p[1])

    def _win(self, p: list[str]) -> None:
        self.winner = self.names.index(p[0]) if p[0] in self.names else -1

    def _tie(self, p: list[str]) -> None:
        self.winner = -1


def _effect(text: str) -> str:
    """The id of "move: Stealth Rock" or "Taunt"."""
    return dex.to_id(text.rpartition(": ")[2])


_HANDLERS: dict[str, Callable[[View, list[str]], None]] = {
    "switch": View._switch, "drag": View._switch, "replace": View._replace, "detailschange": View._forme,
    "-formechange": View._forme, "move": View._move, "-damage": View._damage, "-heal": View._heal,
    "-sethp": View._damage, "faint": View._faint, "-status": View._status, "-curestatus": View._cure,
    "-cureteam": View._cure_team, "-boost": View._boost, "-unboost": View._unboost, "-setboost": View._set_boost,
    "-clearboost": View._clear_boosts, "-clearallboost": View._clear_all,
    "-clearpositiveboost": View._clear_positive, "-clearnegativeboost": View._clear_negative,
    "-invertboost": View._invert, "-swapboost": View._swap_boosts, "-copyboost": View._copy_boosts,
    "-start": View._start, "-end": View._end, "-singleturn": View._single, "-singlemove": View._single,
    "-activate": View._activate, "-ability": View._ability, "-endability": View._end_ability, "-item": View._item,
    "-enditem": View._end_item, "-mustrecharge": View._recharge, "-prepare": View._prepare, "cant": View._cant,
    "-transform": View._transform, "-terastallize": View._terastallize, "-weather": View._weather,
    "-fieldstart": View._field_start, "-fieldend": View._field_end, "-sidestart": View._side_start,
    "-sideend": View._side_end, "-swapsideconditions": View._swap_sides, "turn": View._turn,
    "player": View._player, "teamsize": View._team_size, "win": View._win, "tie": View._tie, "poke": View._poke,
}  # fmt: skip
