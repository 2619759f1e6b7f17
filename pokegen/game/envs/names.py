"""Names of keys, and of environments that are spelt alike."""

import difflib
from collections.abc import Iterable

NONE = "none"  # the idle action
KEYS = (NONE, "up", "down", "left", "right", "a", "b", "start", "select")  # a Game Boy's, in the order of its actions


def near(id: str, known: Iterable[str]) -> str:
    """A sentence that names the ids of `known` which are spelt like `id`, or says where they are listed."""
    names = difflib.get_close_matches(id, known, 4, cutoff=0.6)
    return f"Near: {', '.join(names)}." if names else "`pokegen game envs` lists what there is."
