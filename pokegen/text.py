"""Normal forms of names: for comparing, for the name model, and for file names."""

import re
import unicodedata


def plain(name: str) -> str:
    """Only letters and digits, in lower case, without accents: `Mr. Mime` → `mrmime`. Used to compare names."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return "".join(c for c in decomposed if c.isalnum() and c.isascii())


def normalise(name: str) -> str:
    """Lower case, composed accents, typographic apostrophes: the form that the name model encodes."""
    return unicodedata.normalize("NFC", name).lower().replace("'", "’")


def slug(name: str) -> str:
    """The name in a form for file names: `Flabébé` → `flabebe`, `Mr. Mime` → `mr-mime`."""
    ascii = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii).strip("-") or "creature"
