"""A run's folder, and what writes into it.

runs/NAME/
  config.yaml                 everything that was set, defaults included
  checkpoints/last.ckpt       after each epoch; resume with --ckpt_path last
  checkpoints/best.ckpt       by the module's `monitor`, where it has one
  samples/0000020000.png      drawn by the averaged weights, named by images seen (or .txt)
  csv/version_0/metrics.csv   metrics; a resumed run adds version_1
  wandb/                      the offline (or online) W&B run
"""

import os
import pickle
import struct
from importlib.util import find_spec
from itertools import count
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import lightning as L
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from pokegen.errors import UserError

LOGS = ("wandb", "csv", "off")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its final name and renames it, so that a kill never leaves half of one.

    Lightning's own writes through a temporary folder, which may lie on another disk, where a rename is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.part")
        with open(beside, "wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return super().load_checkpoint(path, *args, **kwargs)
        except (EOFError, OSError, RuntimeError, ValueError, KeyError, struct.error, pickle.UnpicklingError) as error:
            raise UserError(
                f"{path} is no checkpoint of a run: torch cannot read it. Give another .ckpt file."
            ) from error


class Samples(L.Callback):
    """After each epoch, what the averaged weights create from one fixed seed: a grid of images, or lines of text.

    Args:
        folder: where the files go.
        n: how many samples.
        seed: of their noise, the same each time, so that one creature can be watched as it forms.
    """

    def __init__(self, folder: Path, n: int = 32, seed: int = 0):
        self.folder, self.n, self.seed = folder, n, seed

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        if not trainer.is_global_zero or trainer.sanity_checking:
            return
        samples = module.sample(self.n, generator=torch.Generator().manual_seed(self.seed))
        path = self.folder / f"{int(module.images_seen):010d}"
        self.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(samples, torch.Tensor):
            from torchvision.utils import save_image

            picture = path.with_suffix(".png")
            save_image(samples, picture, nrow=8, normalize=True, value_range=(-1, 1), pad_value=1)
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.log_image("samples", [str(picture)])
        elif isinstance(samples, list):
            path.with_suffix(".txt").write_text("\n".join(samples) + "\n", encoding="utf-8")


def new_run(root: Path, name: str) -> Path:
    """Make the folder of a new run: `root/name`, or the first of name-2, name-3 … that is free.

    Made at once, so that two runs that start together never share one.
    """
    for number in count(1):
        folder = root / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not folder.exists():  # `root` itself is in the way
                raise
    raise AssertionError("unreachable")


def last_checkpoint(run: Path) -> Path:
    """Where `--ckpt_path last` resumes. Raises UserError where there is none."""
    path = run / "checkpoints" / "last.ckpt"
    if not path.is_file():
        runs = sorted(p.parent.parent.name for p in run.parent.glob("*/checkpoints/last.ckpt"))
        raise UserError(
            f"No checkpoint to resume at {path}. Runs with one: {', '.join(runs) or 'none'}; name it by --run."
        )
    return path


def loggers(run: Path, log: str) -> list[Logger]:
    """CSV always, unless `log` is off; W&B where it is wandb: online after a login, else offline."""
    if log not in LOGS:
        raise UserError(f"Unknown log {log!r}. Known: {', '.join(LOGS)}.")
    if log == "off":
        return []
    chosen: list[Logger] = [CSVLogger(run, name="csv")]
    if log == "wandb":
        if not find_spec("wandb"):
            raise UserError("wandb is not installed. Install it, or log with --log csv.")
        mode = os.environ.get("WANDB_MODE") or ("online" if _logged_in() else "offline")
        os.environ.setdefault("WANDB_SILENT", "true")
        # `mode` too: what `offline` alone does to the environment comes too late once wandb is set up
        options: dict[str, Any] = {"offline": mode == "offline", "mode": mode}
        chosen.append(WandbLogger(project="pokegen", name=run.name, save_dir=run, **options))
    return chosen


def _logged_in() -> bool:
    """Whether `wandb login` left a key, or the environment holds one. Asks no server, and does not set wandb up."""
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return bool(os.environ.get("WANDB_API_KEY") or netrc().authenticators(host))
    except (OSError, NetrcParseError):
        return False


def checkpoints(run: Path, monitor: str | None) -> list[L.Callback]:
    """The last after each epoch, and the best by `monitor` (lower is better) where there is one."""
    options: dict[str, Any] = {"dirpath": run / "checkpoints", "enable_version_counter": False}
    last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **options)
    return [last, *([ModelCheckpoint(filename="best", monitor=monitor, **options)] if monitor else [])]
