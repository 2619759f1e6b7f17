"""A battle to read again: one HTML file with every turn, the creatures' sprites, and nothing from elsewhere.

    lines = [line for update in updates if update.side == 0 for line in update.lines]
    write_replay(Path("battle.html"), lines, sprites={"Katton": Path("001-katton-sprite.png")})

The page is ours, and has no script: all text of the log is escaped, pictures are part of the file, and its own policy
forbids scripts and requests. poke-env's replays load a script, and put names into the page as they are.
"""

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pokegen.errors import UserError
from pokegen.files import write

_PNG = b"\x89PNG\r\n\x1a\n"
_STATS = {
    "atk": "Attack",
    "def": "Defense",
    "spa": "Sp. Atk",
    "spd": "Sp. Def",
    "spe": "Speed",
    "accuracy": "accuracy",
    "evasion": "evasiveness",
}
_STATUS = {
    "brn": "burned",
    "par": "paralyzed",
    "slp": "asleep",
    "frz": "frozen",
    "psn": "poisoned",
    "tox": "badly poisoned",
}
_IDENT = re.compile(r"p[12][abc]?: ")  # "p1a: Katton", the place and the name of a creature, or a player's


class Event(NamedTuple):
    """One line of a turn.

    Attributes:
        text: plain English.
        side: 0 or 1, whose creature it is about; None if nobody's.
        kind: "move", "switch", "faint", "end" or "" for what follows from those.
    """

    text: str
    side: int | None
    kind: str


@dataclass
class _Creature:
    name: str
    species: str
    hp: float = 1.0  # share of its hit points, 0 to 1
    status: str = ""


@dataclass
class _Turn:
    number: int  # 0: before the first
    events: list[Event] = field(default_factory=list)
    active: list[_Creature | None] = field(default_factory=lambda: [None, None])  # copies, as they are at its end


class _Log:
    """Reads the lines of a battle of one against one, in order."""

    def __init__(self, lines: Iterable[str]):
        self.names = ["Player 1", "Player 2"]
        self.format = ""
        self.teams: list[dict[str, _Creature]] = [{}, {}]  # by the name that lines use
        self.winner = ""
        self.turns = [_Turn(0)]
        self._active: list[_Creature | None] = [None, None]
        for line in lines:
            kind, *parts = line.split("|")[1:] or [""]
            with suppress(IndexError, ValueError):  # a line that is cut short says nothing
                if kind == "turn":
                    self._end_turn()
                    self.turns.append(_Turn(int(parts[0])))
                elif event := self._read(kind, parts):
                    self.turns[-1].events.append(event)
        self._end_turn()

    def _end_turn(self) -> None:
        copies = [_Creature(**vars(each)) if each else None for each in self._active]
        self.turns[-1].active = copies

    def _creature(self, ident: str) -> _Creature:
        side, name = _who(ident)
        return self.teams[side].setdefault(name, _Creature(name, name))

    def _hp(self, ident: str, condition: str) -> None:
        creature = self._creature(ident)
        health, _, status = condition.partition(" ")
        if status == "fnt" or health == "0":
            creature.hp, creature.status = 0.0, ""
            return
        now, _, most = health.partition("/")
        creature.hp = min(1.0, float(now) / float(most or 100))
        creature.status = status

    def _read(self, kind: str, parts: list[str]) -> Event | None:
        """What a line says; None if nothing that a reader needs."""
        if kind in ("player", "tier", "win", "tie", "message"):
            return self._read_frame(kind, parts)
        if not parts or not _IDENT.match(parts[0]):
            return self._read_field(kind, parts)
        side, name = _who(parts[0])
        source = next((part[6:].strip() for part in parts if part.startswith("[from]")), "")
        by = f" ({_STATUS.get(source, _plain(source))})" if source else ""
        parts = [part for part in parts if not part.startswith("[")]
        two = _plain(parts[1]).partition(",")[0] if len(parts) > 1 else ""
        two = _STATUS.get(two, two)
        if kind in ("switch", "drag", "replace"):
            creature = self._creature(parts[0])
            creature.species = parts[1].split(",")[0]
            if creature.species != name:  # the team's preview has the species, all other lines this name
                self.teams[side].pop(creature.species, None)
            self._active[side] = creature
            if len(parts) > 2:
                self._hp(parts[0], parts[2])
            verb = {"switch": "sends out", "drag": "has to send out", "replace": "really has"}[kind]
            return Event(f"{self.names[side]} {verb} {name}.", side, "switch")
        if kind in ("-damage", "-heal", "-sethp"):
            before = self._creature(parts[0]).hp
            self._hp(parts[0], parts[1])
            change = round(100 * abs(self._creature(parts[0]).hp - before))
            verb = "loses" if kind == "-damage" else "regains" if kind == "-heal" else "now differs by"
            return Event(f"{name} {verb} {change}% of its HP{by}.", side, "")
        if kind == "move":
            target = _who(parts[2])[1] if len(parts) > 2 and parts[2] else ""
            on = f" on {target}" if target and target != name else ""
            return Event(f"{name} uses {two}{on}.", side, "move")
        if kind == "faint":
            self._hp(parts[0], "0 fnt")
            return Event(f"{name} faints.", side, "faint")
        if kind in ("-status", "-curestatus"):
            self._creature(parts[0]).status = parts[1] if kind == "-status" else ""
            word = _STATUS.get(parts[1], parts[1])
            return Event(f"{name} is {word}{by}." if kind == "-status" else f"{name} is no longer {word}.", side, "")
        if kind in ("-boost", "-unboost"):
            count = int(parts[2])
            if count == 0:
                return Event(f"{name}'s {_STATS.get(parts[1], parts[1])} does not change.", side, "")
            verb = ("rises", "falls")[kind == "-unboost"]
            return Event(f"{name}'s {_STATS.get(parts[1], parts[1])} {verb} by {count}{by}.", side, "")
        if text := _SIMPLE.get(kind):
            return Event(text.format(name=name, two=two, by=by), side, "")
        return None

    def _read_frame(self, kind: str, parts: list[str]) -> Event | None:
        if kind == "player" and len(parts) > 1 and parts[0] in ("p1", "p2") and parts[1]:
            self.names[int(parts[0][1]) - 1] = parts[1]
        elif kind == "tier":
            self.format = parts[0]
        elif kind == "win":
            self.winner = parts[0]
            return Event(f"{parts[0]} wins.", self.names.index(parts[0]) if parts[0] in self.names else None, "end")
        elif kind == "tie":
            return Event("The battle is a tie.", None, "end")
        elif kind == "message" and parts:
            return Event(parts[0], None, "")
        return None

    def _read_field(self, kind: str, parts: list[str]) -> Event | None:
        if not parts:
            return None
        what = _plain(parts[0])
        if kind == "poke" and parts[0] in ("p1", "p2"):
            name = parts[1].split(",")[0]
            self.teams[int(parts[0][1]) - 1].setdefault(name, _Creature(name, name))
        elif kind == "-weather":
            if "[upkeep]" in parts:
                return None
            return Event("The weather clears." if what == "none" else f"Weather: {what}.", None, "")
        elif kind == "-fieldstart":
            return Event(f"{what} begins.", None, "")
        elif kind == "-fieldend":
            return Event(f"{what} ends.", None, "")
        return None


_SIMPLE = {
    "cant": "{name} cannot move: {two}.",
    "-supereffective": "It is super effective.",
    "-resisted": "It is not very effective.",
    "-crit": "A critical hit.",
    "-immune": "{name} is immune{by}.",
    "-miss": "{name} misses.",
    "-fail": "It fails.",
    "-block": "{name} is protected: {two}.",
    "-ability": "{name}'s ability: {two}.",
    "-item": "{name} has {two}.",
    "-enditem": "{name} uses up or loses {two}.",
    "-start": "{name}: {two} begins.",
    "-end": "{name}: {two} ends.",
    "-activate": "{name}: {two}.",
    "-singleturn": "{name}: {two}.",
    "-singlemove": "{name}: {two}.",
    "-prepare": "{name} prepares {two}.",
    "-mustrecharge": "{name} must rest.",
    "-terastallize": "{name} terastallizes: {two}.",
    "-hitcount": "Hits: {two}.",
    "-clearboost": "{name}'s changes of stats are gone.",
    "-sidestart": "{name}'s side: {two} begins.",
    "-sideend": "{name}'s side: {two} ends.",
    "-transform": "{name} transforms.",
    "-formechange": "{name} becomes {two}.",
    "detailschange": "{name} becomes {two}.",
}


def _who(ident: str) -> tuple[int, str]:
    """The side and the name of "p1a: Katton"."""
    place, _, name = ident.partition(": ")
    return int(place[1]) - 1, name


def _plain(effect: str) -> str:
    """An effect without its kind: "move: Rest" is Rest."""
    return re.sub(r"^(move|ability|item): ?", "", effect)


def replay_page(lines: Sequence[str], sprites: Mapping[str, Path | bytes] | None = None, title: str = "") -> str:
    """The page of a battle, as HTML.

    Args:
        lines: of the protocol, of either side or a spectator's, from the first on.
        sprites: a creature's name → its PNG, a file or its bytes.
        title: of the page; default: who against whom.

    Raises UserError where a sprite is no PNG.
    """
    log = _Log(lines)
    pictures = {name: _picture(name, source) for name, source in (sprites or {}).items()}
    title = title or " against ".join(log.names)
    style = _STYLE + "".join(
        f".picture-{i} {{ background: #fff url({uri}) center / contain no-repeat }}\n"
        for i, uri in enumerate(pictures.values())
    )
    turns = "\n".join(_turn(turn, pictures) for turn in log.turns if turn.events)
    links = " ".join(f'<a href="#turn-{turn.number}">{turn.number}</a>' for turn in log.turns if turn.number)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{html.escape(title)}</title>'
        f"<style>{style}</style></head>\n<body><header><h1>{html.escape(title)}</h1>"
        f'<p class="format">{html.escape(log.format)}</p>'
        f'<div class="teams">{_team(log, 0, pictures)}{_team(log, 1, pictures)}</div>'
        f"<nav>Turns {links}</nav></header>\n<main>\n{turns}\n</main></body></html>\n"
    )


def write_replay(
    path: Path, lines: Sequence[str], sprites: Mapping[str, Path | bytes] | None = None, title: str = ""
) -> Path:
    """Write `replay_page` to a file. Returns `path`."""
    return write(path, replay_page(lines, sprites, title))


def _picture(name: str, source: Path | bytes) -> str:
    """A PNG as a data URI."""
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the sprite of {name}: {error.strerror}: {error.filename}") from error
    if not content.startswith(_PNG):
        raise UserError(f"Expected a PNG as the sprite of {name}, got {content[:8]!r}.")
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _sprite(creature: _Creature, pictures: Mapping[str, str]) -> str:
    """A creature's picture, or its first letter. Each picture is in the file once, as a style."""
    names = list(pictures)
    for name in (creature.species, creature.name):
        if name in pictures:
            label = html.escape(creature.name, quote=True)
            return f'<span class="sprite picture-{names.index(name)}" role="img" aria-label="{label}"></span>'
    return f'<span class="sprite blank" aria-hidden="true">{html.escape(creature.name[:1])}</span>'


def _team(log: _Log, side: int, pictures: Mapping[str, str]) -> str:
    won = log.names[side] == log.winner
    members = "".join(
        f'<li class="{"out" if creature.hp == 0 else ""}">{_sprite(creature, pictures)}'
        f"<span>{html.escape(creature.name)}</span></li>"
        for creature in log.teams[side].values()
    )
    mark = ' <span class="won">won</span>' if won else ""
    return f'<section class="side{side}"><h2>{html.escape(log.names[side])}{mark}</h2><ul>{members}</ul></section>'


def _turn(turn: _Turn, pictures: Mapping[str, str]) -> str:
    events = "".join(
        f'<li class="{event.kind} {"" if event.side is None else f"side{event.side}"}">{html.escape(event.text)}</li>'
        for event in turn.events
    )
    bars = "".join(_bar(creature, side, pictures) for side, creature in enumerate(turn.active))
    name = f"Turn {turn.number}" if turn.number else "Before the first turn"
    return (
        f'<article id="turn-{turn.number}"><h3>{name}</h3><div class="field">{bars}</div>'
        f'<ol class="events">{events}</ol></article>'
    )


def _bar(creature: _Creature | None, side: int, pictures: Mapping[str, str]) -> str:
    if creature is None:
        return f'<div class="active side{side}"></div>'
    percent = 0 if creature.hp == 0 else max(1, round(100 * creature.hp))
    level = "high" if percent > 50 else "middle" if percent > 20 else "low"
    status = (
        f' <b class="status">{html.escape(_STATUS.get(creature.status, creature.status))}</b>'
        if creature.status
        else ""
    )
    return (
        f'<div class="active side{side}">{_sprite(creature, pictures)}<div class="facts">'
        f"<div>{html.escape(creature.name)}{status}</div>"
        f'<div class="bar"><i class="{level}" style="width:{percent}%"></i></div>'
        f"<small>{percent}% HP</small></div></div>"
    )


_STYLE = """
:root { --ink: #1d2430; --dim: #667085; --page: #eef1f6; --paper: #fff; --line: #dde2ea; --one: #2f6fde;
  --two: #d1495b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf1; --dim: #98a2b3; --page: #12161d; --paper: #1b212b; --line: #2c3442; --one: #7aa7ff;
    --two: #ff8a98 }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 56rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere }
h2 { margin: 0 0 .5rem; font-size: 1.1rem; overflow-wrap: anywhere }
h3 { margin: 0 0 .75rem; font-size: 1rem; color: var(--dim); font-weight: 600 }
.format { margin: 0 0 1rem; color: var(--dim) }
.teams, .field { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem }
.teams section, article { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1rem }
.teams section.side0 { border-top: 4px solid var(--one) }
.teams section.side1 { border-top: 4px solid var(--two) }
.teams ul { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem }
.teams li { text-align: center; font-size: .8rem; overflow-wrap: anywhere }
.teams li.out { opacity: .4; filter: grayscale(1) }
.won { font-size: .75rem; background: #2e9e5b; color: #fff; border-radius: 99px; padding: .1rem .55rem;
  vertical-align: 2px }
.sprite { width: 64px; height: 64px; image-rendering: pixelated; display: block; margin: 0 auto; border-radius: 10px }
.blank { background: var(--line); color: var(--dim); font: 700 28px/64px system-ui, sans-serif; text-align: center }
nav { margin: 1rem 0; color: var(--dim); font-size: .85rem; line-height: 2 }
nav a { display: inline-block; min-width: 1.9em; text-align: center; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; text-decoration: none }
article { margin-bottom: .75rem; scroll-margin-top: 1rem }
.active { display: flex; gap: .75rem; align-items: center; min-width: 0 }
.active.side1 { flex-direction: row-reverse; text-align: right }
.active .sprite { margin: 0; flex: none }
.facts { flex: 1; min-width: 0; overflow-wrap: anywhere; font-weight: 600 }
.facts small { color: var(--dim); font-weight: 400 }
.status { font-size: .7rem; background: var(--line); border-radius: 4px; padding: .1rem .35rem; font-weight: 600 }
.bar { height: 8px; border-radius: 99px; background: var(--line); overflow: hidden; margin-top: .25rem }
.bar i { display: block; height: 100%; border-radius: 99px }
.side1 .bar i { margin-left: auto }
.high { background: #2e9e5b } .middle { background: #e0a100 } .low { background: #d1495b }
.events { list-style: none; margin: .9rem 0 0; padding: .75rem 0 0; border-top: 1px solid var(--line) }
.events li { padding-left: 1.4rem; color: var(--dim); overflow-wrap: anywhere }
.events li.move, .events li.switch, .events li.faint, .events li.end { padding-left: .6rem; color: var(--ink);
  border-left: 3px solid var(--line); font-weight: 600; margin-top: .3rem }
.events li.side0.move, .events li.side0.switch, .events li.side0.faint { border-color: var(--one) }
.events li.side1.move, .events li.side1.switch, .events li.side1.faint { border-color: var(--two) }
.events li.end { border-color: #2e9e5b }
@media (max-width: 34rem) {
  .teams { grid-template-columns: 1fr }
  .sprite { width: 48px; height: 48px }
  .blank { line-height: 48px }
}
"""
