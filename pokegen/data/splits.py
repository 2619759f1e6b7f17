"""Train, validation and test split by evolution family: no relative of a test species occurs in training.

The split is a hash of the family's name, so it is the same for every table, source and machine, and adding a species
moves no other.
"""

import hashlib

SPLITS = ("train", "val", "test")
_SHARES = (0.8, 0.1)  # of families; what remains is test


def split_of(family: str) -> str:
    """`train`, `val` or `test`, for the family whose first species is named `family`."""
    digest = hashlib.sha256(f"pokegen:{family}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < _SHARES[0]:
        return "train"
    return "val" if place < sum(_SHARES) else "test"
