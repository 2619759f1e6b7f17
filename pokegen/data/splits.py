"""Train, validation and test, by evolution family: no relative of a test species is ever seen in training.

The split is a hash of the family's name, so it holds for every table, source and machine, and a species added later
moves no other.
"""

import hashlib

SPLITS = ("train", "val", "test")
_SHARES = (0.8, 0.1)  # of families; what remains is test


def split_of(family: str) -> str:
    """`train`, `val` or `test` for the family that begins with the species named `family`."""
    digest = hashlib.sha256(f"pokegen:{family}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < _SHARES[0]:
        return "train"
    return "val" if place < sum(_SHARES) else "test"
