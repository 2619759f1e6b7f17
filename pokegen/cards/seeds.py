"""Streams of random numbers, each derived from a card's seed and the role that uses it."""

import hashlib

import torch


def derived_seed(seed: int, role: str) -> int:
    """A seed of 63 bits for one use of `seed`, unrelated to that of any other use or of a neighbouring seed."""
    return int.from_bytes(hashlib.sha256(f"{role}:{seed}".encode()).digest()[:8], "big") >> 1


def stream(seed: int, role: str) -> torch.Generator:
    """The random numbers of one role under one seed."""
    return torch.Generator().manual_seed(derived_seed(seed, role))
