"""Silences messages of Lightning that users cannot act on. Warnings that require action stay."""

import logging
import re
import warnings

WARNINGS = (
    "does not have many workers",  # one process is fast enough for these small models
    "Found .* module.* in eval mode",  # intended for the averaged copy
    "but have no `validation_step`",  # a GAN is scored by the panel
    "is not supported by the model summary",
    "LeafSpec",
    "LightningCLI's args parameter is intended",
    "exists and is not empty",  # the checkpoints of a resumed run
)
_ABSENT = re.compile(r"(GPU|TPU|HPU) available: False|litlogger|`Trainer\(limit_\w+=.*was configured")


def _is_relevant(record: logging.LogRecord) -> bool:
    return not _ABSENT.search(record.getMessage())


def quiet() -> None:
    """Install the filters. Further calls change nothing."""
    for message in WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{message}.*")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_relevant)
