"""What Lightning says on each start and no user can act on is not said. Warnings that ask for something stay."""

import logging
import re
import warnings

WARNINGS = (
    "does not have many workers",  # one process feeds these small models fast enough
    "Found .* module.* in eval mode",  # the averaged copy is meant to be
    "but have no `validation_step`",  # a GAN is scored by the panel
    "is not supported by the model summary",
    "LeafSpec",
    "LightningCLI's args parameter is intended",
    "exists and is not empty",  # a resumed run's own checkpoints
)
_ABSENT = re.compile(r"(GPU|TPU|HPU) available: False|litlogger|`Trainer\(limit_\w+=.*was configured")


def _worth_saying(record: logging.LogRecord) -> bool:
    return not _ABSENT.search(record.getMessage())


def quiet() -> None:
    """Silence it, from here on. Further calls change nothing."""
    for message in WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{message}.*")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_worth_saying)
