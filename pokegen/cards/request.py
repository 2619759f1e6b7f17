"""A user's request, checked before any model is loaded: every mistake is one UserError of one line.

Anything that is None is sampled. Types are accepted in any case and kept as the schema writes them.
"""

import re
import unicodedata
from dataclasses import dataclass

from pokegen.errors import UserError
from pokegen.schema import COLORS, STAGES, STYLES, TIERS, TYPES

DEFAULT_MODEL = "projected_gan"  # of sprites
MAX_COUNT = 100_000
MAX_SEED = 2**48 - 1  # with MAX_COUNT added it still is an exact number in every reader of JSON
MAX_NAME = 24  # characters; the longest of the games has 12
NONE = "None"  # what `type2` is called when there must be no second type
_NAME_SIGNS = "0123456789 .'’:-ßÆæŒœ"  # Porygon2, Mr. Mime, Farfetch’d, Type: Null, Porygon-Z

LINES = {"starter": (3,), "pseudo": (3,), "legendary": (1, 2)}  # tier → forms of its lines; others have any

_LETTER = re.compile("LATIN (SMALL|CAPITAL) LETTER [A-Z]( WITH |$)")  # as Unicode names é, ł or a


@dataclass
class Request:
    """One request: the conditions of each creature, how many creatures, and the first seed.

    Attributes:
        type1: first type.
        type2: second type; "none" for no second type.
        name: the creature's name, 1 to 24 characters.
        legendary: whether it is legendary.
        tier: power, one of schema.TIERS; "legendary" and `legendary` say the same.
        stage: place in the evolution line, 1 to 3.
        line: forms of its evolution line, 1 to 3.
        evolutions: 2 or 3 for `count` whole lines of that many forms.
        color: the species' colour, one of schema.COLORS.
        shiny: whether it has the rare other colouring.
        style: how the sprite was made, one of schema.STYLES.
        count: how many creatures or lines, 1 to 100,000.
        seed: 0 or above. Card i of the request (from 0) is the card of seed + i.
    """

    type1: str | None = None
    type2: str | None = None
    name: str | None = None
    legendary: bool | None = None
    stage: int | None = None
    color: str | None = None
    shiny: bool | None = None
    style: str | None = None
    tier: str | None = None
    line: int | None = None
    evolutions: int | None = None
    count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.type1 is not None:
            self.type1 = known_type(self.type1)
        if self.type2 is not None:
            self.type2 = NONE if self.type2.strip().lower() == "none" else known_type(self.type2)
        if self.type1 is not None and self.type1 == self.type2:
            raise UserError(
                f"The two types must differ, got {self.type1!r} twice. For one type only, give 'none' as the second."
            )
        if self.name is not None:
            self.name = known_name(self.name)
        if self.stage is not None and self.stage not in STAGES:
            raise UserError(f"stage must be from {STAGES[0]} to {STAGES[-1]}, got {self.stage}.")
        self._check_line()
        if self.color is not None:
            self.color = _known("color", self.color, COLORS)
        if self.style is not None:
            self.style = _known("style", self.style, STYLES)
        if not 1 <= self.count <= MAX_COUNT:
            raise UserError(f"count must be from 1 to {MAX_COUNT}, got {self.count}.")
        if not 0 <= self.seed <= MAX_SEED:
            raise UserError(f"seed must be from 0 to {MAX_SEED}, got {self.seed}.")

    def _check_line(self) -> None:
        """Tier, rarity and place in the line must go together."""
        if self.tier is not None:
            self.tier = _known("tier", self.tier, TIERS)
        if self.line is not None and self.line not in STAGES:
            raise UserError(f"line must be from {STAGES[0]} to {STAGES[-1]}, got {self.line}.")
        if self.evolutions is not None:
            if self.evolutions not in STAGES[1:]:
                raise UserError(f"evolutions must be 2 or 3, got {self.evolutions}.")
            if self.stage is not None or self.line is not None:
                raise UserError("evolutions ask for whole lines, from the first stage on: leave stage and line out.")
            self.line = self.evolutions
        if self.stage is not None and self.line is not None and self.stage > self.line:
            raise UserError(f"A line of {self.line} has no stage {self.stage}.")
        if self.tier is not None and self.legendary is not None and self.legendary != (self.tier == "legendary"):
            kind = "legendary" if self.legendary else "not legendary"
            raise UserError(f"A creature of the tier {self.tier!r} cannot be {kind}: leave one of the two out.")
        tier = "legendary" if self.legendary else self.tier or ""
        lengths = LINES.get(tier, STAGES)
        if self.line is not None and self.line not in lengths:
            known = " or ".join(map(str, lengths))
            raise UserError(f"Lines of the tier {tier!r} have {known} forms, not {self.line}: leave one of them out.")

    @property
    def creatures(self) -> int:
        """How many creatures, counting each form of a line."""
        return self.count * (self.evolutions or 1)


def known_type(text: str) -> str:
    """The schema's spelling of a type, or UserError with the list."""
    return _known("type", text, TYPES)


def _known(kind: str, text: str, words: tuple[str, ...]) -> str:
    for word in words:
        if word.lower() == text.strip().lower():
            return word
    raise UserError(f"Unknown {kind} {text!r}. Known {kind}s: {', '.join(words)} ({len(words)}).")


def known_name(text: str) -> str:
    """The name without needless spaces. UserError if it is too long, or has signs that the card's font cannot write."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))

    def usable(sign: str) -> bool:
        return sign in _NAME_SIGNS or bool(_LETTER.match(unicodedata.name(sign, "")))

    if not 1 <= len(name) <= MAX_NAME or not all(map(usable, name)) or not any(map(str.isalpha, name)):
        raise UserError(
            f"Unusable name {text!r}: expected 1 to {MAX_NAME} Latin letters, digits, spaces, or signs of .'’:-"
        )
    return name
