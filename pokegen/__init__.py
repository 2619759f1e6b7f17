"""pokegen creates Pokémon: sprite, name, types, stats, moves, and the card that shows them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pokegen.cards.generator import Generator

__version__ = "0.1.0"
__all__ = ["Generator", "__version__"]


def __getattr__(name: str):
    if name == "Generator":  # here, and not above, so that `import pokegen` stays free of torch
        from pokegen.cards.generator import Generator

        return Generator
    raise AttributeError(f"module 'pokegen' has no attribute {name!r}")
