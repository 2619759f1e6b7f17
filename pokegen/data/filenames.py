"""Parses the file and folder names of sprites: the species, its form, and words such as shiny or back.

A name is split into words: runs of letters or of digits, also split where a capital follows a small letter. The species
is the longest run of words that is a species' name, wherever it occurs; otherwise a number at the beginning. Of the
rest, words of `_WORDS` describe the picture, numbers count variants of the same species, and other words name a form.

    001-bulbasaur  bulbasaur_2  Bulbasaur (1)  025Pikachu  Nidoran Female  Mega Charizard X  train/Abra/1
    Front shiny/ABRA_1  025fs  graphics/pokemon/unown/b/front  shiny_back/025

Left out: languages other than English, and names in other scripts.
"""

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePath

from pokegen.resources import shipped
from pokegen.schema import Species
from pokegen.text import plain

# Pictures that show something other than a species' front: word → the reason for leaving them out.
LEFT_OUT = {
    "back": "back sprite",
    "icon": "icon",
    "animation": "animation",
    "model": "model",
    "egg": "egg",
    "footprint": "footprint",
    "overworld": "overworld sprite",
    "trainer": "trainer",
    "shadow": "shadow",
}
_WORDS = {
    "shiny": ("shiny", "shinies"),
    "female": ("female", "females"),
    "back": ("back", "backs"),
    "icon": ("icon", "icons", "minisprite", "minisprites"),
    "animation": ("animated", "animation", "animations", "anim", "anims"),
    "model": ("model", "models"),
    "egg": ("egg", "eggs"),
    "footprint": ("footprint", "footprints"),
    "overworld": ("overworld", "overworlds", "follower", "followers"),
    "": ("front", "fronts", "normal", "regular", "default", "male", "males", "sprite", "sprites", "copy"),  # no form
}
_WORD_OF = {spelling: word for word, spellings in _WORDS.items() for spelling in spellings}
_SPELLING = "|".join(sorted(_WORD_OF, key=len, reverse=True))
_FOLDERS = {  # words with this meaning only as a folder's whole name
    "object_events": "overworld",
    "shadow": "shadow",
    "shadows": "shadow",
    "trainer": "trainer",
    "trainers": "trainer",
}
_SUFFIXES = {"f": "female", "s": "shiny", "b": "back"}  # of Essentials: 025fs, ABRAb
# Words after a name that do not name a form: v2, final, 3rd try of a scraper.
_NO_FORM = {"v", "ver", "version", "final", "alt", "variant", "frame", "img", "image", "pokemon", "the", "rgb", "rgba"}
_NO_FORM |= {"no", "nr", "num", "number", "dex", "pokedex", "national"}
_REGIONS = {"alolan": "alola", "galarian": "galar", "hisuian": "hisui", "paldean": "paldea", "gigantamax": "gmax"}
_ANY_SPECIES = {"mega", "primal", *_REGIONS.values()}  # forms that may precede the name, or be a folder's name
_BEFORE_A_NUMBER = r"(?:[^a-z0-9]|national|no|num|number|dex|pokedex|pokemon|poke|pkmn|pkm|mon|pm|spr|sprite)*"
_ESSENTIALS = r"(?:[A-Z][A-Z0-9]*(?:fE|mA)?|\d{3,4})"  # a species in Essentials: ABRA, NIDORANfE, or 063
UNOWN = 201  # its forms are letters
_Found = tuple[Species, list[str], list[str], str]  # species, words before it, words after it, letters of _SUFFIXES


@dataclass(frozen=True)
class Label:
    """What a name means. `words` are keys of _WORDS. `named`: the species is given by name, not only by number. `sure`:
    every part of the name was understood. `padded`: the number starts with a 0."""

    species: Species | None
    form: str
    words: frozenset[str]
    named: bool = False
    sure: bool = False
    padded: bool = False


class SpeciesNames:
    """Parses file and folder names such as `025`, `10-mega` and `Mr. Mime` into species, form and words."""

    def __init__(self, species: Iterable[Species]):
        self.by_number = {s.number: s for s in species}
        self.by_name = {plain(s.name): s for s in self.by_number.values()}
        for sign, letter, others in (("♀", "-F", ("female", "fe")), ("♂", "-M", ("male", "ma"))):
            for s in self.by_number.values():
                if s.name.endswith((sign, letter)):
                    name = plain(s.name.removesuffix(sign).removesuffix(letter))
                    self.by_name |= {name + other: s for other in (letter[1].lower(), *others)}
        self.longest = 1 + max(len(_tokens(s.name)) for s in self.by_number.values())
        self.read = cache(self._read)

    def find(self, stem: str) -> tuple[Species, str] | None:
        """The species and the form (possibly "") that `stem` names, or None."""
        label = self.read(stem)
        return (label.species, label.form) if label.species else None

    def in_folder(self, parts: Sequence[str]) -> bool:
        """Whether a folder's name gives the species of the file at `parts`."""
        return self._folder(parts) is not None

    def place(self, parts: Sequence[str], layout: str) -> Label | str:
        """The label of the file at `parts` below its source, or the reason why it is left out.

        `layout` is `pokeapi`, with a number and a form as file name; `folders`, where a folder that names a species
        takes precedence; or `flat`, where the file's own name does.
        """
        *folders, name = parts
        stem = PurePath(name).stem
        essentials = any(re.match(r"(?i)(front|battlers)\b", folder) for folder in folders)
        file = self._pokeapi(stem) if layout == "pokeapi" else self.read(stem, essentials)
        words = file.words.union(*(self.read(f).words for f in folders))
        words |= {_FOLDERS[f] for f in map(str.lower, folders) if f in _FOLDERS}
        if layout == "pokeapi" and "showdown" in folders:
            words |= {"animation"}
        if reason := next((reason for word, reason in LEFT_OUT.items() if word in words), None):
            return reason
        label = file
        if layout == "folders" and (at := self._folder(parts)) is not None:
            label = self.read(folders[at])
            below = [t for part in (*folders[at + 1 :], stem) for t in _tokens(part)]
            label = replace(label, form=label.form or self._known_form(label.species, below))
        elif layout != "pokeapi" and not file.form:
            above = self._known_form(None, [t for f in folders for t in _tokens(f)])
            label = replace(file, form=above) if above else file
        # among folders by species, 25.png in another folder is its 25th picture
        counted = layout == "folders" and label is file and folders and not (file.named or file.padded)
        return "no known species" if label.species is None or counted else replace(label, words=words)

    def _folder(self, parts: Sequence[str]) -> int | None:
        """The folder that names the species of the file at `parts`: the innermost with a name, else with a number.

        A folder with only a number yields to a file's name, and to a file's padded number (1/025.png).
        """
        *folders, name = parts
        labels = [self.read(f) for f in folders]
        known = [i for i, label in enumerate(labels) if label.species and label.sure]
        if named := [i for i in known if labels[i].named]:
            return named[-1]
        file = self.read(PurePath(name).stem)
        if not known or file.named or (file.padded and not labels[known[-1]].padded):
            return None
        return known[-1]

    def _read(self, name: str, essentials: bool = False) -> Label:
        name = _repaired(name)
        named = self._by_name(name)
        found = named or self._by_number(name)
        if not found:
            return Label(None, "", frozenset(_described(_tokens(name))[0]))
        species, before, after, suffixes = found
        words, rest = _described(after)
        earlier, unknown = _described(before)
        if species.number != UNOWN:
            words |= {"female"} if "f" in rest else set()
            rest = [t for t in rest if t not in ("f", "m")]
        form = [t for t in unknown if t in _ANY_SPECIES]
        form += [t for t in rest if not t.isdigit() and t not in _NO_FORM and t not in form]
        if essentials and (numbered := re.match(_ESSENTIALS + r"[fsb]*_0*([1-9]\d*)", name)):
            form = [numbered[1], *form]  # there a number after the name denotes a form
        known = self._forms_of(species) | _NO_FORM
        return Label(
            species,
            "-".join(form),
            frozenset(words | earlier | {_SUFFIXES[s] for s in suffixes}),
            named=bool(named),
            sure=all(t.isdigit() or t in known for t in (*unknown, *rest)),
            padded=bool(re.match(r"\D*0", name)),
        )

    def _by_name(self, name: str) -> _Found | None:
        marked = re.fullmatch(f"({_ESSENTIALS})([fsb]{{1,3}})((?:_.*)?)", name)
        if marked and (species := self.by_name.get(plain(marked[1]))):
            return species, [], _tokens(marked[3]), marked[2]
        tokens = _tokens(name)
        lower = [t.lower() for t in tokens]
        for length in range(min(self.longest, len(tokens)), 0, -1):
            for start in range(len(tokens) - length + 1):
                if species := self.by_name.get("".join(lower[start : start + length])):
                    return species, tokens[:start], tokens[start + length :], ""
        return None

    def _by_number(self, name: str) -> _Found | None:
        number = re.match(_BEFORE_A_NUMBER + r"(\d{1,9})([fsb]{0,3})(?![a-z0-9])", name.lower())
        species, form = self._numbered(int(number[1])) if number else (None, "")
        if not number or not species:
            return None
        return species, [], [*_tokens(form), *_tokens(name[number.end() :])], number[2]

    def _known_form(self, species: Species | None, tokens: Sequence[str]) -> str:
        """The words among `tokens` that are forms, of `species` or of any species."""
        _, rest = _described(tokens)
        known = self._forms_of(species) if species else _ANY_SPECIES
        return "-".join(dict.fromkeys(t for t in rest if t in known))

    def _forms_of(self, species: Species) -> set[str]:
        return _ANY_SPECIES | _form_words().get(species.number, set())

    def _pokeapi(self, stem: str) -> Label:
        """Parses a PokeAPI file name: number, hyphen, form."""
        if numbered := re.fullmatch(r"0*(\d+)(?:[-_ ](.+))?", stem):
            species, form = self._numbered(int(numbered[1]))
            words = frozenset({"shiny", "female"}.intersection((numbered[2] or "").lower().split("-")))
            form = "-".join(p for p in (numbered[2] or form).lower().split("-") if p not in ("", "shiny", "female"))
            return Label(species, form, words)
        return self.read(stem)

    def _numbered(self, number: int) -> tuple[Species | None, str]:
        if number in self.by_number:
            return self.by_number[number], ""
        species_number, form = _pokeapi_forms().get(number, (0, ""))
        return self.by_number.get(species_number), form


def _repaired(name: str) -> str:
    """A name whose bytes are not UTF-8, decoded as in old archives, and converted to ASCII as far as possible."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(name).decode("cp437" if re.search(r"[\udc80-\udca5]", name) else "latin-1")
    name = name.replace("♀", " f ").replace("♂", " m ")
    name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c) and c not in "'’`")
    name = re.sub(r"(?<!\d)\d{2,4}x\d{2,4}(?!\d)", " ", name)  # a size in pixels
    name = re.sub(r"(?i)\b(?:non?|not)[-_ ]?shiny", " ", name)
    return re.sub(r"\(\d+\)", " ", name)  # of a repeated download; Porygon (2) is not Porygon2


def _tokens(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


def _described(tokens: Iterable[str]) -> tuple[set[str], list[str]]:
    """The keys of _WORDS that the tokens spell, separately or joined (`shinyback`, `frontf`), and the remaining tokens,
    lower case, as PokeAPI spells forms."""
    words: set[str] = set()
    rest: list[str] = []
    for token in map(str.lower, tokens):
        if sided := re.fullmatch(r"(front|back|icon)f", token):
            token, words = sided[1], words | {"female"}
        if re.fullmatch(f"(?:{_SPELLING})+", token):
            words |= {_WORD_OF[spelling] for spelling in re.findall(_SPELLING, token)}
        elif lettered := re.fullmatch(r"mega([xyz])", token):
            rest += ["mega", lettered[1]]
        else:
            rest.append(_REGIONS.get(token, token))
    if any(t.lower().startswith("front") for t in tokens):
        words.discard("animation")  # anim_front: a strip whose first frame is the front
    return words - {""}, rest


@cache
def _pokeapi_forms() -> dict[int, tuple[int, str]]:
    """PokeAPI's form numbers (10001 and up) to national number and form."""
    with open(shipped("data/pokeapi_forms.csv"), newline="", encoding="utf-8") as file:
        return {int(r["number"]): (int(r["species"]), r["form"]) for r in csv.DictReader(file)}


@cache
def _form_words() -> dict[int, set[str]]:
    """National number → the words in its forms' names."""
    words: dict[int, set[str]] = {UNOWN: set("abcdefghijklmnopqrstuvwxyz") | {"question", "exclamation"}}
    for number, form in _pokeapi_forms().values():
        words.setdefault(number, set()).update(form.split("-"))
    return words
