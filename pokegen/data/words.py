"""English and French words as training data for the names model. Real names are blends of words, and a thousand names
are too few to learn how words are spelt.

The words are wordfreq's (Speer 2022; Apache License 2.0, its lists CC BY-SA 4.0), the most common first. Words that
contain a real name are left out, because people write about Pokémon too. Only training needs the package: `pip install
'pokegen[words]'`.
"""

import hashlib
import re
from collections.abc import Sequence

from pokegen.data.pokedex import load_pokedex
from pokegen.data.splits import SPLITS, split_of
from pokegen.data.tables import NamesDataModule
from pokegen.errors import UserError
from pokegen.text import plain

LANGUAGES = ("en", "fr")
_WORD = re.compile("[a-z]{3,12}")
_SHORTEST = 4  # letters of a name that excludes words: shorter ones such as "muk" and "mew" occur in other words


def words(count: int, languages: Sequence[str] = LANGUAGES) -> list[str]:
    """The `count` most common words of 3 to 12 letters a to z of each language, without repeats or real names.

    UserError if wordfreq is not installed or does not have a language.
    """
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise UserError("Learning words needs pip install 'pokegen[words]'.") from error
    names = {plain(species.name) for species in load_pokedex()}
    inside = re.compile("|".join(sorted(name for name in names if len(name) >= _SHORTEST)))
    found: dict[str, None] = {}
    for language in languages:
        try:
            listed = top_n_list(language, 3 * count)
        except LookupError as error:
            raise UserError(f"wordfreq has no language {language!r}.") from error
        kept = (word for word in map(plain, filter(str.isalpha, listed)) if _WORD.fullmatch(word))
        fitting = (word for word in kept if word not in names and not inside.search(word))
        found |= dict.fromkeys(word for word, _ in zip(fitting, range(count), strict=False))
    return list(found)


class WordsDataModule(NamesDataModule):
    """Words instead of names, split by the same hash; all conditions are unknown, -1.

    Args:
        count: words per language.
        languages: codes of two letters.
        batch_size, seed: see TableDataModule.
    """

    def __init__(
        self, count: int = 100_000, languages: Sequence[str] = LANGUAGES, batch_size: int = 256, seed: int = 0
    ):
        if count < 1000:
            raise UserError(f"Expected 1000 words or more, got {count}.")
        super().__init__(batch_size=batch_size, seed=seed)
        everything = words(count, languages)
        self.data_hash = hashlib.sha256("\n".join(everything).encode()).hexdigest()
        conditions = [key for key in self.columns["train"] if key != "name"]
        for split in SPLITS:
            members = [word for word in everything if split_of(word) == split]
            self.columns[split] = {"name": members} | dict.fromkeys(conditions, [-1] * len(members))
