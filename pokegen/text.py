"""Names as they are compared, encoded, and written into file names."""

import re
import unicodedata


def plain(name: str) -> str:
    """Letters and digits alone, in lower case, without accents: `Mr. Mime` → `mrmime`. Names are compared by it."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return "".join(c for c in decomposed if c.isalnum() and c.isascii())


def normalise(name: str) -> str:
    """Lower case, composed accents, a typographic apostrophe: as the name model encodes names."""
    return unicodedata.normalize("NFC", name).lower().replace("'", "’")


def slug(name: str) -> str:
    """The name as part of a file name: `Flabébé` → `flabebe`, `Mr. Mime` → `mr-mime`."""
    ascii = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii).strip("-") or "creature"
