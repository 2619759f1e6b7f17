"""The vocabulary of the package: types, stats, ranges, colours, and two records. Imports nothing of pokegen.

Types and colours are spelt as in the games ("Fire", "Blue"). Models use indices: into `TYPES` for a type, `NO_TYPE` for
no second type, and into `COLORS` for a colour.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

TYPES = (
    "Bug", "Dark", "Dragon", "Electric", "Fairy", "Fighting", "Fire", "Flying", "Ghost",
    "Grass", "Ground", "Ice", "Normal", "Poison", "Psychic", "Rock", "Steel", "Water",
)  # fmt: skip
NO_TYPE = len(TYPES)  # the index for "no second type"
TYPE_COLORS = {
    "Bug": "#91A119", "Dark": "#50413F", "Dragon": "#5060E1", "Electric": "#F2B400", "Fairy": "#E670E6",
    "Fighting": "#E07A00", "Fire": "#E62829", "Flying": "#6FA5E0", "Ghost": "#704170", "Grass": "#3FA129",
    "Ground": "#915121", "Ice": "#35B5DB", "Normal": "#8F918F", "Poison": "#9141CB", "Psychic": "#EF4179",
    "Rock": "#A69F6E", "Steel": "#4F93AC", "Water": "#2980EF",
}  # fmt: skip

COLORS = ("Black", "Blue", "Brown", "Gray", "Green", "Pink", "Purple", "Red", "White", "Yellow")

STATS = ("hp", "attack", "defense", "sp_atk", "sp_def", "speed")
STAT_LABELS = ("HP", "Attack", "Defense", "Sp. Atk", "Sp. Def", "Speed")  # also the table's column names
STAT_MIN, STAT_MAX = 1, 255  # base stats of the games
STAGES = (1, 2, 3)  # position in the evolution line
# Power tier: a starter line, a line whose last form has a stat total of 600 ("pseudo-legendary"), a legendary, or none.
TIERS = ("regular", "starter", "pseudo", "legendary")
RARITIES = ("common", "uncommon", "rare", "ultra rare", "legendary")  # of a card, from its tier and its stats
LANGUAGES = ("en", "fr")  # of a card's labels and texts

SPRITE_SIZE = 128  # side in pixels
# Style of a sprite: official artwork, a 3-D render, pixel art by the generation of its game, or unknown.
STYLES = ("artwork", "render", "pixel-1", "pixel-2", "pixel-3", "pixel-4", "pixel-5", "other")
GENERATIONS = (151, 251, 386, 493, 649, 721, 809, 905, 1025)  # the last national number of each generation

# Condition of a sprite → names of its values; models use their indices.
CONDITIONS: dict[str, tuple[str, ...]] = {
    "type1": TYPES,
    "type2": (*TYPES, "None"),
    "color": COLORS,
    "legendary": ("usual", "legendary"),
    "stage": ("no stage", "stage 1", "stage 2", "stage 3"),
    "shiny": ("usual", "shiny"),
    "style": STYLES,
}
# The columns of a species' row: categories with the values that models and tables use, and numbers.
CATEGORIES: dict[str, range] = {
    "type1": range(len(TYPES)),
    "type2": range(NO_TYPE + 1),
    "tier": range(len(TIERS)),
    "legendary": range(2),
    "line": range(1, len(STAGES) + 1),  # forms of its evolution line, itself included
    "stage": range(1, len(STAGES) + 1),
    "color": range(len(COLORS)),
    "generation": range(1, len(GENERATIONS) + 1),
}
NUMBERS = (*STATS, "height_m", "weight_kg")
READ = ("type1", "color", "stage")  # the categories that the reader predicts from a name

# A user's own table needs these sixteen; the shipped table also has the others.
REQUIRED_COLUMNS = (
    "No", "Name", "Type1", "Type2", "Total", *STAT_LABELS, "Generation", "Legendary", "Color",
    "Height (m)", "Weight (kg)",
)  # fmt: skip
EXTRA_COLUMNS = ("EvolvesFrom", "EvolutionLevel", "Stage", "Family", "Abilities", "Egg Groups")
COLUMNS = REQUIRED_COLUMNS + EXTRA_COLUMNS


def generation_of(number: int) -> int:
    """The generation (1 to 9) in which national number `number` appeared."""
    return next(g for g, last in enumerate(GENERATIONS, start=1) if number <= last)


@dataclass(frozen=True)
class Species:
    """One row of the table. Heights in metres, weights in kilograms, stats in `STATS` order."""

    number: int
    name: str
    type1: str
    type2: str | None
    stats: tuple[int, ...]
    generation: int
    legendary: bool
    color: str
    height_m: float
    weight_kg: float
    evolves_from: str | None = None
    evolution_level: int | None = None
    stage: int = 1
    family: str = ""  # name of the first species of the line
    abilities: tuple[str, ...] = ()
    egg_groups: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.stats)


@dataclass
class Card:
    """A created Pokémon, as written to JSON, and its sprite. `card.schema.json` describes the JSON."""

    name: str
    types: list[str]
    stats: dict[str, int]  # the six of STATS, and "total", their sum
    height_m: float
    weight_kg: float
    color: str
    legendary: bool
    stage: int
    evolves_from: str | None
    evolves_to: list[str]
    moves: list[dict[str, Any]]
    weaknesses: dict[str, float]  # type → damage factor above 1
    resistances: dict[str, float]  # type → damage factor below 1, 0 for immunity
    seed: int
    models: dict[str, str]  # role → "name version"
    tier: str = "regular"  # one of TIERS
    rarity: str = "common"  # one of RARITIES
    number: str = ""  # "0042", or "0042-2" for the second form of a line: seed and form
    ability: str = ""  # the games' English name
    # Two of the moves, as a trading card shows them: "name" and "type" as in `moves`, "cost" (1 to 4 of TYPES, its own
    # type first, "Normal" for any) and "damage" (a multiple of 10 from 10 to 200; None where a move's power varies).
    attacks: list[dict[str, Any]] = field(default_factory=list)
    retreat: int = 1  # what leaving the field costs, 0 to 4
    entry: dict[str, str] = field(default_factory=dict)  # the Pokédex line by language: one or two sentences
    sprite: str = ""  # file name, in the folder of the JSON
    image: Any = field(default=None, repr=False, compare=False)  # uint8 (128, 128, 3), white background
    earlier: Any = field(default=None, repr=False, compare=False)  # the picture of the form it evolves from, alike

    def to_dict(self) -> dict[str, Any]:
        record = asdict(self)
        del record["image"], record["earlier"]
        return record
