"""A run's folder, and what writes into it.

runs/NAME/
  config.yaml                 everything that was set, defaults included
  run.json                    status, code, data and machine: see record.py
  checkpoints/last.ckpt       after each epoch; resume with --ckpt_path last
  checkpoints/best.ckpt       by `val/kernel_distance` of sprite models, else by the module's `monitor`
  samples/0000020000.png      drawn by the averaged weights, named by images seen (.txt for names, .csv for rows)
  csv/version_0/metrics.csv   metrics; a resumed run adds version_1
  wandb/                      the offline (or online) W&B run: also sample grids, a table of samples, checkpoints

Whatever fails here is told and left out; training goes on. Beside `stage/quantity`, each row of metrics has `epoch`,
`step` and `images`, the images that the model had seen.
"""

import io
import os
import pickle
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from pokegen import files
from pokegen.errors import UserError
from pokegen.schema import CONDITIONS, TYPES
from pokegen.tracking import record
from pokegen.tracking.read import logged_in
from pokegen.trainers.base import diverged

LOGS = ("wandb", "csv", "off")
HEARTBEAT = 10.0  # seconds between two signs of life in run.json
_WORDS = {key: CONDITIONS[key] for key in ("type1", "type2", "color")} | {"legendary": ("no", "yes")}


@contextmanager
def never_fatal(what: str) -> Iterator[None]:
    """What fails inside is told and left out: a lost log must not be a lost training."""
    try:
        yield
    except Exception as error:
        rank_zero_warn(f"{what} failed, training goes on without: {type(error).__name__}: {error}")


class _FailSafeLogger:
    """What keeps a logger's failure away from the training, and writes the images seen into each row."""

    images: Callable[[], int] | None = None
    _dead = False  # it could not even start; to try again at each step might take a time-out each

    @property
    def experiment(self) -> Any:
        if not self._dead:
            try:
                return super().experiment  # type: ignore[misc]  # of the logger that it is mixed into
            except Exception as error:
                self._dead = True
                rank_zero_warn(
                    f"{type(self).__name__} does not start, training goes on without: {type(error).__name__}: {error}"
                )
        return None

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        row = {**metrics, "images": self.images()} if self.images else metrics
        self._try("log_metrics", row, step)

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self._try("log_hyperparams", params)

    def save(self) -> None:
        self._try("save")

    def finalize(self, status: str) -> None:
        self._try("finalize", status)

    def _try(self, method: str, *arguments: Any) -> None:
        if self.experiment is not None:
            with never_fatal(f"{type(self).__name__}.{method}"):
                getattr(super(), method)(*arguments)


class CSVLog(_FailSafeLogger, CSVLogger):  # type: ignore[misc]  # its log_hyperparams takes fewer arguments
    """runs/NAME/csv."""


class WandbLog(_FailSafeLogger, WandbLogger):
    """runs/NAME/wandb."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._wandb_init.pop("anonymous", None)  # W&B warns of it at each start, though nobody set it


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, and none that is not finite, so that the one before it stays.

    Lightning's own writes through a temporary folder, which may lie on another disk, where a rename is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        if name := _not_finite([checkpoint.get(key) for key in ("state_dict", "optimizer_states")]):
            raise diverged(f"the weights ({name}) are not finite", checkpoint.get("global_step"), target.parent)
        with files.atomic_file(target) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            checkpoint = super().load_checkpoint(path, *args, **kwargs)
        except (EOFError, OSError, RuntimeError, ValueError, KeyError, struct.error, pickle.UnpicklingError) as error:
            raise UserError(
                f"{path} is no checkpoint of a run: torch cannot read it. Give another .ckpt file."
            ) from error
        if not isinstance(checkpoint, dict) or not {"state_dict", "pytorch-lightning_version"} <= checkpoint.keys():
            raise UserError(
                f"{path} is no checkpoint of a run: another tool wrote it. Give a .ckpt file of `pokegen fit`."
            )
        return checkpoint


class Samples(L.Callback):
    """What the averaged weights create: after each epoch, from one fixed seed, a grid of images, names or rows; at the
    end a table of samples to W&B, one of each type where the model supports types.

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
        with never_fatal("Drawing samples"):
            samples = module.sample(self.n, generator=torch.Generator().manual_seed(self.seed))
            path = self.folder / f"{int(module.images_seen):010d}"
            self.folder.mkdir(parents=True, exist_ok=True)
            if isinstance(samples, torch.Tensor):
                from torchvision.utils import save_image

                picture, content = path.with_suffix(".png"), io.BytesIO()
                save_image(samples, content, "png", nrow=8, normalize=True, value_range=(-1, 1), pad_value=1)
                files.write(picture, content.getvalue())
                for logger in _wandb(trainer):
                    logger.log_image("samples/grid", [str(picture)])
            elif isinstance(samples, list):
                files.write(path.with_suffix(".txt"), "\n".join(samples) + "\n")
            elif samples is not None:
                columns, rows = _rows(samples)
                files.write_csv(path.with_suffix(".csv"), [columns, *rows])

    def on_fit_end(self, trainer: L.Trainer, module: Any) -> None:
        if not (loggers := _wandb(trainer)):
            return
        with never_fatal("The table of samples"):
            supports = "type1" in getattr(module.network, "conditions", ("type1",))
            condition = {"type1": torch.arange(len(TYPES))} if supports else None
            generator = torch.Generator().manual_seed(self.seed)
            samples = module.sample(len(TYPES), condition=condition, generator=generator)
            if samples is None:
                return
            columns, rows = _rows(samples)
            if supports and "type1" not in columns:
                columns, rows = ["type1", *columns], [[t, *row] for t, row in zip(TYPES, rows, strict=True)]
            for logger in loggers:
                logger.log_table("samples/table", columns, rows)

    def on_exception(self, trainer: L.Trainer, module: Any, exception: BaseException) -> None:
        self.on_fit_end(trainer, module)


class Record(L.Callback):
    """Keeps run.json, and gives W&B the checkpoints when the run ends, whichever way.

    Args:
        folder: of the run.
        seed: that everything was seeded with, to be written down.
    """

    def __init__(self, folder: Path, seed: Any = None):
        self.folder, self.seed = folder, seed
        self.now: dict[str, Any] = {}
        self.trained = False

    def setup(self, trainer: L.Trainer, module: Any, stage: str) -> None:
        if stage != "fit" or not trainer.is_global_zero:
            return
        data: Any = getattr(trainer, "datamodule", None)
        device = trainer.strategy.root_device
        self.before = record.read(self.folder)
        with never_fatal("run.json"):
            self.now = record.begin(
                self.folder,
                data_hash=getattr(data, "data_hash", None) or None,
                seeds={"everything": self.seed, "data": getattr(data, "seed", None), "samples": 0},
                torch=str(torch.__version__),
                threads=torch.get_num_threads(),
                gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            )
        for logger in trainer.loggers:
            if isinstance(logger, _FailSafeLogger):
                logger.images = lambda: int(module.images_seen)
            logger.log_hyperparams({"record": self.now})

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.clock = self.heard = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        self.trained = True
        if self.now and time.monotonic() - self.heard > HEARTBEAT:
            self.heard = time.monotonic()
            with never_fatal("run.json"):
                record.write(self.folder, record.heartbeat(self._progress(module)))

    def on_fit_end(self, trainer: L.Trainer, module: Any) -> None:
        self._end(trainer, module, "finished")

    def on_exception(self, trainer: L.Trainer, module: Any, exception: BaseException) -> None:
        interrupted = isinstance(exception, KeyboardInterrupt | SIGTERMException)
        self._end(trainer, module, "interrupted" if interrupted else "failed", None if interrupted else exception)

    def _progress(self, module: Any) -> dict[str, Any]:
        """The record with the work of this start."""
        seconds = self.now["seconds"] + (time.monotonic() - self.clock if self.trained else 0.0)
        return {**self.now, "images_seen": int(module.images_seen), "seconds": round(seconds, 1)}

    def _end(self, trainer: L.Trainer, module: Any, status: str, error: BaseException | None = None) -> None:
        if not self.now:
            return
        with never_fatal("run.json"):
            # A resumption that never trained, such as with settings that do not fit, leaves the record as it was.
            undone = bool(self.before) and not self.trained and status != "finished"
            final = self.before if undone else record.end(self._progress(module), status, error)
            record.write(self.folder, final)
        for logger in _wandb(trainer):
            with never_fatal("W&B's record of the end"):
                logger.experiment.summary.update({key: final.get(key) for key in record.OUTCOME})
            with never_fatal("W&B's copy of the checkpoints"):
                self._keep_checkpoints(logger.experiment)
        self.now = {}

    def _keep_checkpoints(self, run: Any) -> None:
        """The last and the best, as versions of one artifact. They are linked, because `pokegen fit` replaces its
        checkpoints while an offline run may wait for its upload; W&B's own copy would go to the home directory."""
        import wandb

        for name in ("best", "last"):  # the last is the latest
            path = self.folder / "checkpoints" / f"{name}.ckpt"
            if not path.is_file():
                continue
            kept = Path(run.dir).parent / "checkpoints" / path.name
            kept.parent.mkdir(exist_ok=True)
            try:
                os.link(path, kept)
            except OSError:
                shutil.copyfile(path, kept)
            artifact = wandb.Artifact(f"{self.folder.name}-checkpoint", type="model")
            artifact.add_file(str(kept), name=path.name, skip_cache=True, policy="immutable")
            run.log_artifact(artifact, aliases=[name])


def _wandb(trainer: L.Trainer) -> list[WandbLog]:
    """W&B's logger, on the process that logs, if it is on and works."""
    mine = [logger for logger in trainer.loggers if isinstance(logger, WandbLog)] if trainer.is_global_zero else []
    return [logger for logger in mine if logger.experiment is not None and not logger.experiment.disabled]


def _rows(samples: Any) -> tuple[list[str], list[list[Any]]]:
    """Samples as columns and rows: images (N, 3, H, W) in [-1, 1], a list of names, or columns of (N,)."""
    if isinstance(samples, torch.Tensor):
        import wandb

        pixels = samples.float().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        return ["image"], [[wandb.Image(image)] for image in pixels]
    if isinstance(samples, list):
        return ["name"], [[name] for name in samples]
    columns = [
        [_WORDS[key][value] for value in values.tolist()] if key in _WORDS else values.tolist()
        for key, values in samples.items()
    ]
    return list(samples), [list(row) for row in zip(*columns, strict=True)]


def _not_finite(value: Any, name: str = "") -> str:
    """The name of a tensor inside dicts and lists that holds NaN or infinity, "" where there is none."""
    if isinstance(value, torch.Tensor):
        return name if value.is_floating_point() and not bool(value.isfinite().all()) else ""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return next((found for key, inner in pairs if (found := _not_finite(inner, str(key)))), "")


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
    chosen: list[Logger] = [CSVLog(run, name="csv", flush_logs_every_n_steps=1)]  # a kill loses no row
    if log == "wandb":
        if not find_spec("wandb"):
            raise UserError("wandb is not installed. Install it, or log with --log csv.")
        mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
        os.environ.setdefault("WANDB_SILENT", "true")
        # `mode` too: what `offline` alone does to the environment comes too late once wandb is set up
        options: dict[str, Any] = {"offline": mode == "offline", "mode": mode}
        chosen.append(WandbLog(project="pokegen", name=run.name, save_dir=run, **options))
    return chosen


def checkpoints(run: Path, monitor: str | None) -> list[L.Callback]:
    """The last after each epoch, and the best by `monitor` where there is one: the highest return, else the lowest."""
    options: dict[str, Any] = {"dirpath": run / "checkpoints", "enable_version_counter": False}
    last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **options)
    if not monitor:
        return [last]
    mode = "max" if monitor.endswith("return") else "min"
    return [last, ModelCheckpoint(filename="best", monitor=monitor, mode=mode, **options)]
