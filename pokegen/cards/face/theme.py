"""The colours of a card: one theme for each of the 18 types, and the blend of two.

Each type has its colour of the schema and a companion, a neighbouring hue, that gives its frame depth. All other
colours follow from these two. Text colours are not chosen but computed: `readable` moves a colour until its contrast
reaches the ratio of WCAG 2.2, 4.5 : 1 for small text.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from pokegen.schema import TYPE_COLORS

INK, PAPER, WHITE = "#1F2029", "#FCFAF4", "#FFFFFF"
SMALL_TEXT = 4.5  # contrast ratio of WCAG 2.2, level AA
COMPANIONS = {
    "Bug": "#D2CF3A", "Dark": "#1E1B33", "Dragon": "#8F3BD9", "Electric": "#FF8A1F", "Fairy": "#FFB3C7",
    "Fighting": "#B3291E", "Fire": "#FF9A1F", "Flying": "#B9E1F5", "Ghost": "#3C2F7A", "Grass": "#9BD13C",
    "Ground": "#DDA75A", "Ice": "#B5F0EE", "Normal": "#C9BFA8", "Poison": "#4C2A8C", "Psychic": "#8A3FC4",
    "Rock": "#6D5B4A", "Steel": "#A9BFCC", "Water": "#22C3D6",
}  # fmt: skip


def rgb(color: str) -> np.ndarray:
    """`#RRGGBB` → float (3,), 0 to 255."""
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


@cache
def mix(color: str, other: str, share: float) -> str:
    """`color` with `share` (0 to 1) of `other` in it."""
    return "#" + "".join(f"{round(v):02X}" for v in rgb(color) * (1 - share) + rgb(other) * share)


def luminance(color: str) -> float:
    """Relative luminance, 0 to 1, as WCAG 2.2 defines it."""
    value = rgb(color) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(color: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    light, dark = sorted((luminance(color), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@cache
def readable(color: str, on: str, ratio: float = SMALL_TEXT) -> str:
    """`color`, or the nearest to it on the way to black (on a light ground) or white that reaches `ratio` on `on`."""
    end = "#000000" if luminance(on) > 0.18 else WHITE
    return next(c for share in range(21) if contrast(c := mix(color, end, share / 20), on) >= ratio or share == 20)


@dataclass(frozen=True)
class Theme:
    """The colours of one card.

    Attributes:
        first, second: of the types; of a single type both are its colour.
        end: where the frame's gradient from `first` ends: the companion, or the second type.
        deep: the dark plate on which the name is written in white.
        deep_end: the other end of that plate.
        paper: the ground of the texts, tinted a little.
        line: hairlines and empty bars on paper.
        accent: headings on paper.
        soft: labels on paper, less than ink and still readable.
    """

    first: str
    second: str
    end: str
    deep: str
    deep_end: str
    paper: str
    line: str
    accent: str
    soft: str


@cache
def theme_of(types: tuple[str, ...]) -> Theme:
    """The theme of one or two types."""
    first, second = TYPE_COLORS[types[0]], TYPE_COLORS[types[-1]]
    end = second if len(types) == 2 else COMPANIONS[types[0]]
    paper = mix(PAPER, mix(first, second, 0.5), 0.06)
    return Theme(
        first=first,
        second=second,
        end=end,
        deep=_deep(first),
        deep_end=_deep(second) if len(types) == 2 else mix(_deep(first), "#05060F", 0.45),
        paper=paper,
        line=mix(paper, mix(first, INK, 0.4), 0.2),
        accent=readable(first, paper),
        soft=readable(mix(INK, mix(first, paper, 0.4), 0.4), paper, 5.0),
    )


def _deep(color: str) -> str:
    """A dark tone of a colour's hue, on which white has a contrast of 9 : 1 or more."""
    return next(c for share in range(8, 21) if contrast(c := mix(color, "#0B0D1C", share / 20), WHITE) >= 9)
