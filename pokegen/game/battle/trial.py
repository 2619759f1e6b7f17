"""Created creatures put to the test: files of cards → a tournament among real species → its results and replays.

    trial = Trial(read_candidates([Path("out/cards")]), real, folder=Path("out/battle"))
    couples = list(trial.play(200))
    for verdict in verdicts(trial.cards, trial.real, couples):
        print(verdict.name, verdict.rating.points)

The results are kept in OUT/results.jsonl as they come, so that a trial which was stopped goes on from there.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pokegen.errors import UserError
from pokegen.files import claim
from pokegen.game.battle import dex, mod
from pokegen.game.battle.bridge import Bridge
from pokegen.game.battle.match import MAX_TURNS
from pokegen.game.battle.opponents import opponent
from pokegen.game.battle.rating import Couple
from pokegen.game.battle.replay import write_replay
from pokegen.game.battle.tournament import Fixture, play, resumed, schedule
from pokegen.schema import STATS
from pokegen.text import slug
from pokegen.trust import read_inside

RESULTS = "results.jsonl"
COUPLES_EACH = 5  # couples for each entrant, where their number is not given
_SPRITE_BYTES = 2**22  # the largest that is read
_MOST = 1_000_000  # couples
_EXPECTED = "Expected cards as `pokegen card --out` writes them."


class Candidate(NamedTuple):
    """A created creature that is to be tested.

    Attributes:
        creature: as the simulator knows it.
        card: its JSON, with the name that it has in battle and the total of its stats.
        sprite: its PNG, if there is one.
    """

    creature: mod.Creature
    card: dict[str, Any]
    sprite: bytes | None


def read_candidates(paths: Sequence[Path]) -> list[Candidate]:
    """The cards of JSON files, or of folders that hold cards.json.

    Raises UserError where there is none, where a file is unreadable, and where a card cannot battle.
    """
    found: list[tuple[dict[str, Any], Path]] = []
    for path in paths:
        file = path / "cards.json" if path.is_dir() else path
        try:
            content = json.loads(file.read_bytes())
        except FileNotFoundError as error:
            raise UserError(f"There is no {file}. {_EXPECTED}") from error
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"Cannot read {file}: {error}. {_EXPECTED}") from error
        cards = content if isinstance(content, list) else [content]
        if not cards or not all(isinstance(card, dict) for card in cards):
            raise UserError(f"{file} holds no cards. {_EXPECTED}")
        found += [(card, file.parent) for card in cards]
    creatures = mod.read_cards([card for card, _ in found])
    return [
        Candidate(creature, _with_total(card, creature.name), _sprite(card, folder))
        for creature, (card, folder) in zip(creatures, found, strict=True)
    ]


class Trial:
    """A tournament of created creatures and real species, in teams of both.

    Args:
        candidates: the created ones.
        real: cards of real species, see cards.reference.
        folder: for results and replays; created if it is missing.
        size: creatures of a team.
        player: of both sides, see opponents.opponent.
        seed: of the teams and battles.

    Attributes:
        cards, real: cards of the entrants, in their order.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        real: Sequence[Mapping[str, Any]],
        folder: Path,
        size: int = 3,
        player: str = "expert",
        seed: int = 0,
    ):
        if not 1 <= size <= mod.TEAM_SIZE:
            raise UserError(f"Expected a team of 1 to {mod.TEAM_SIZE} creatures, got {size}.")
        self._creatures = [each.creature for each in candidates]
        self.cards = [each.card for each in candidates]
        self.real = list(real)
        self._entrants = [*self._creatures, *map(_real, real)]
        self._sprites = {each.creature.name: each.sprite for each in candidates if each.sprite}
        self._folder, self._size, self._seed, self._name = folder, size, seed, player
        if player == "heuristics":
            mod.teach_poke_env(self._creatures)
        dex.add_species({creature.id: creature.entry for creature in self._creatures})
        self._player = opponent(player)

    def least(self) -> int:
        """Couples in which everyone plays at least once."""
        return -(-len(self._entrants) // (2 * self._size))

    def default(self) -> int:
        """Couples after which ratings are worth reading."""
        return max(self.least(), COUPLES_EACH * len(self._entrants))

    def play(self, couples: int) -> Iterator[Couple]:
        """Play `couples` couples of battles, except those whose results the folder has. Yields the results of all.

        Raises UserError for too few couples or entrants, and BridgeError where the simulator ends.
        """
        if not self.least() <= couples <= _MOST:
            raise UserError(
                f"Expected at least {self.least()} couples, so that each of {len(self._entrants)} entrants plays, and "
                f"at most {_MOST:,}; got {couples}."
            )
        fixtures = schedule(len(self._entrants), couples, self._size, self._seed)
        facts = {"entrants": self._digest(), "size": self._size, "seed": self._seed, "player": self._name}
        with claim(self._folder):
            yield from resumed(fixtures, self._folder / RESULTS, facts, lambda rest: self._run(rest, fixtures))

    def _run(self, rest: Sequence[Fixture], fixtures: Sequence[Fixture]) -> Iterator[tuple[int, Couple]]:
        first: dict[int, Fixture] = {}  # of each created creature
        for fixture in fixtures:
            for member in (*fixture.first, *fixture.second):
                if member < len(self.cards):
                    first.setdefault(member, fixture)

        def watch(fixture: Fixture, lines: list[str]) -> None:
            for member, played in first.items():
                if played == fixture:
                    write_replay(self.replay(member), lines, self._sprites)

        with Bridge(folder=mod.with_mod(self._creatures), max_turns=MAX_TURNS) as bridge:
            yield from play(rest, self._pack, self._player, bridge, mod.MIXED, watch=watch)

    def replay(self, card: int) -> Path:
        """The file of the first battle of a card."""
        return self._folder / f"replay-{slug(self.cards[card]['name'])}.html"

    def _pack(self, members: Sequence[int]) -> str:
        return mod.pack([self._entrants[member] for member in members])

    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self._entrants, sort_keys=True).encode()).hexdigest()[:16]


def _with_total(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A card with a name, and the total of its stats."""
    stats = {stat: card["stats"][stat] for stat in STATS}
    return {**card, "name": name, "stats": stats | {"total": sum(stats.values())}}


def _real(card: Mapping[str, Any]) -> mod.Creature:
    """A real species, which the simulator knows; by a name without accents."""
    name = "".join(c for c in unicodedata.normalize("NFKD", card["name"]) if not unicodedata.combining(c))
    moves = tuple(move["name"] for move in card["moves"])
    return mod.Creature(dex.to_id(name), name, card["name"], {}, moves, card["ability"] or mod.NO_EFFECT)


def _sprite(card: Mapping[str, Any], folder: Path) -> bytes | None:
    """The picture that a card names, if the folder has it."""
    name = card.get("sprite")
    try:
        return read_inside(folder, name, _SPRITE_BYTES) if isinstance(name, str) else None
    except OSError:
        return None
