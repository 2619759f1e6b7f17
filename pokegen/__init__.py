"""pokegen creates Pokémon: sprite, name, types, stats, moves, and the card that shows them.

pokegen.Generator.from_zoo().card(type1="Fire")     a card, see cards/generator.py
pokegen.list_models()                                the shipped models
pokegen.load_model("cvae").sample(4)                 a trained network, see zoo/loading.py
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pokegen.cards.generator import Generator

__version__ = "0.1.0"
__all__ = ["Generator", "__version__", "list_models", "load_model"]


def list_models() -> list[str]:
    """The names of the shipped models, for `load_model`."""
    from pokegen.zoo.download import available  # here and below, so that `import pokegen` does not import torch

    return available()


def load_model(name: str) -> Any:
    """A trained network, on the CPU, in evaluation mode. Generative models have `.sample(n, …)`.

    Args:
        name: of a shipped model, see `list_models`; or a checkpoint folder; or `hf:OWNER/NAME`.

    Raises CheckpointError for an unknown name, and for a checkpoint that is incomplete, altered or unsafe.
    """
    from pokegen.zoo.loading import load

    return load(name).model


def __getattr__(name: str) -> Any:
    if name == "Generator":
        from pokegen.cards.generator import Generator

        return Generator
    raise AttributeError(f"module 'pokegen' has no attribute {name!r}")
