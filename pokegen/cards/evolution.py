"""Evolution lines: what the later forms of a creature are like, given the first.

A line grows as a real one of the training families did whose first form is much like it: each stat by as many points,
height and weight by the same factors, a second type where that one gained its own. A thousand species hold 190 whole
lines, too few to learn growth from scratch and enough to borrow it (a nearest-neighbour bootstrap: Lall and Sharma,
Water Resources Research 1996). Types stay or gain one; the colour stays, so that the forms are seen to be one creature.

Left out: branches (each form has one next), forms that lose or change a type.
"""

import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import split_of
from pokegen.schema import NO_TYPE, STAT_MAX, STAT_MIN, STATS, Species
from pokegen.text import plain

LIKE = 12  # the likest lines, of which one is drawn
ROOT = 3  # letters that the names of a line share, at least

_NO_DIGITS = str.maketrans("", "", "0123456789")

Form = dict[str, Any]  # a row of the stats model, without tensors


@cache
def lines(length: int, splits: tuple[str, ...] = ("train",)) -> tuple[tuple[Species, ...], ...]:
    """The real lines of `length` forms, legendary ones left out, in which types stay or gain one."""
    table = load_pokedex()
    of = {species.name: species for species in table}
    parents = {species.evolves_from for species in table}
    found = []
    for last in table:
        line = [last]
        while line[0].evolves_from:
            line.insert(0, of[line[0].evolves_from])
        fitting = len(line) == length and last.name not in parents and split_of(last.family) in splits
        if fitting and not last.legendary and all(map(_keeps_types, line, line[1:])):
            found.append(tuple(line))
    return tuple(found)


def _keeps_types(before: Species, after: Species) -> bool:
    return before.type1 == after.type1 and before.type2 in (None, after.type2)


@cache
def strongest(length: int) -> int:
    """The largest total of a first form of such a line."""
    return max(line[0].total for line in lines(length))


def grow(first: Form, length: int, second_type: Callable[[], int], rng: random.Random) -> list[Form]:
    """The forms of a line of 2 or 3, `first` among them: rows with `type1`, `type2`, the six stats, `height_m`,
    `weight_kg`. None is weaker in total than the one before. `second_type` draws one where the line gains it; NO_TYPE
    gains none."""

    def apart(line: Sequence[Species]) -> float:
        pairs = zip((first[stat] for stat in STATS), line[0].stats, strict=True)
        types = (first["type2"] != NO_TYPE) != (line[0].type2 is not None)
        return sum(abs(math.log(a / b)) for a, b in pairs) + types

    model = rng.choice(sorted(lines(length), key=apart)[:LIKE])
    forms = [first]
    for before, after in pairwise(model):
        last, form = forms[-1], dict(forms[-1])
        form["stage"] = last["stage"] + 1
        for stat, a, b in zip(STATS, before.stats, after.stats, strict=True):
            form[stat] = min(max(last[stat] + b - a, STAT_MIN), STAT_MAX)
        if sum(form[stat] for stat in STATS) < sum(last[stat] for stat in STATS):  # the bounds took too much
            form |= {stat: last[stat] for stat in STATS}
        form["height_m"] = max(0.1, round(last["height_m"] * after.height_m / before.height_m, 1))
        form["weight_kg"] = max(0.1, round(last["weight_kg"] * after.weight_kg / before.weight_kg, 1))
        if after.type2 != before.type2 and last["type2"] == NO_TYPE:
            form["type2"] = second_type()
        forms.append(form)
    return forms


@cache
def _shared_letters() -> tuple[int, ...]:
    """Letters that the names of neighbours in real lines share at the beginning, where they share a root."""
    pairs = (pair for length in (2, 3) for line in lines(length) for pair in pairwise(line))
    return tuple(letters for a, b in pairs if (letters := shared(plain(a.name), plain(b.name))) >= ROOT)


def shared(a: str, b: str) -> int:
    """Letters that both names begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def root(name: str, rng: random.Random) -> str:
    """The beginning of a name that the others of its line take up: as long as in real lines, two letters short of the
    name."""
    letters = plain(name).translate(_NO_DIGITS)
    return letters[: max(min(ROOT, len(letters)), min(rng.choice(_shared_letters()), len(letters) - 2))].capitalize()
