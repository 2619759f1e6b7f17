"""The zoo's models in plain torch. Each file NAME.py holds one whole model: nets, loss, sampler. The LightningModules
that train them are in `pokegen.trainers`, because importing Lightning takes longer than drawing a card.

Classes are imported lazily: `from pokegen.models import VAE` loads only its file.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "autoregressive": ("Autoregressive",),
    "cgan": ("CGANDiscriminator", "CGANGenerator"),
    "classifier": ("Classifier",),
    "cvae": ("CVAE",),
    "dcgan": ("DCGANDiscriminator", "DCGANGenerator"),
    "gan": ("GANDiscriminator", "GANGenerator"),
    "image": ("ImageModel",),
    "names": ("NameModel", "NameTrainer"),
    "pixel_gan": ("PixelGANDiscriminator", "PixelGANGenerator"),
    "projected_gan": ("ProjectedGANDiscriminator", "ProjectedGANGenerator"),
    "reader": ("Reader",),
    "stats": ("StatsModel",),
    "tokenizer": ("Tokenizer",),
    "vae": ("VAE",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"pokegen.models.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'pokegen.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
