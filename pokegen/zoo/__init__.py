"""The zoo: checkpoints, their model cards, and transfer to and from the Hugging Face hub."""

from pokegen.zoo.checkpoint import CARD, CONFIG, DISCRIMINATOR, WEIGHTS, read_config, read_file, save
from pokegen.zoo.download import HUB, available, folder_of
from pokegen.zoo.exporting import export, export_discriminator
from pokegen.zoo.loading import Loaded, check, load, load_discriminator
from pokegen.zoo.model_card import numbers_of, write_card, write_numbers
from pokegen.zoo.publish import push

__all__ = [
    "CARD",
    "CONFIG",
    "DISCRIMINATOR",
    "HUB",
    "WEIGHTS",
    "Loaded",
    "available",
    "check",
    "export",
    "export_discriminator",
    "folder_of",
    "load",
    "load_discriminator",
    "numbers_of",
    "push",
    "read_config",
    "read_file",
    "save",
    "write_card",
    "write_numbers",
]
