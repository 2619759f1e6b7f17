"""A card's labels, in the languages of `strings/LANG.json`."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from pokegen.errors import UserError
from pokegen.schema import LANGUAGES

_STRINGS = Path(__file__).with_name("strings")


@cache
def labels(lang: str) -> dict[str, Any]:
    """The labels in a language of schema.LANGUAGES. Raises UserError for another."""
    if lang not in LANGUAGES:
        raise UserError(f"Unknown language {lang!r}. Known languages: {', '.join(LANGUAGES)}.")
    strings: dict[str, Any] = json.loads((_STRINGS / f"{lang}.json").read_text(encoding="utf-8"))
    return strings
