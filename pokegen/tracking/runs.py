"""The folder of a run, and the callbacks and loggers that write into it.

runs/NAME/
  config.yaml                 all settings, defaults included
  run.json                    status, code, data and machine: see record.py
  checkpoints/last.ckpt       after each epoch; resume with --ckpt_path last
  checkpoints/best.ckpt       by `val/kernel_distance` for sprite models, else by the module's `monitor`
  samples/0000020000.png      samples of the averaged weights, named by images seen (.txt for names, .csv for rows)
  csv/version_0/metrics.csv   metrics; a resumed run adds version_1
  wandb/                      the offline (or online) W&B run: also sample grids, a table of samples, checkpoints

Failures here are reported as warnings, and training continues. In addition to `stage/quantity`, each row of metrics has
`epoch`, `step` and `images`, the number of images seen.
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
HEARTBEAT = 10.0  # seconds between two heartbeats in run.json
_WORDS = {key: CONDITIONS[key] for key in ("type1", "type2", "color")} | {"legendary": ("no", "yes")}


@contextmanager
def never_fatal(what: str) -> Iterator[None]:
    """Turn exceptions into warnings: a failing log must not end the training."""
    try:
        yield
    except Exception as error:
        rank_zero_warn(f"{what} failed, training continues without it: {type(error).__name__}: {error}")


class _FailSafeLogger:
    """A logger mixin: failures do not end the training, and each row gets the number of images seen."""

    images: Callable[[], int] | None = None
    _dead = False  # it could not start; retrying at each step might take a time-out each

    @property
    def experiment(self) -> Any:
        if not self._dead:
            try:
                return super().experiment  # type: ignore[misc]  # of the logger class
            except Exception as error:
                self._dead = True
                rank_zero_warn(
                    f"{type(self).__name__} does not start, training continues without it: "
                    f"{type(error).__name__}: {error}"
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
        self._wandb_init.pop("anonymous", None)  # W&B would warn about it at each start


# The file in which a process that Lightning has forked or spawned returns its weights, nothing else.
_FROM_PROCESS = ".temp.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically, and refuses weights that are not finite, so that the previous checkpoint stays.

    Lightning's own writes to a temporary folder, which may be on another disk, where a rename is a copy.
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
                f"{path} is not a checkpoint of a run: torch cannot read it. Give another .ckpt file."
            ) from error
        if Path(path).name == _FROM_PROCESS:
            return checkpoint
        if not isinstance(checkpoint, dict) or not {"state_dict", "pytorch-lightning_version"} <= checkpoint.keys():
            raise UserError(
                f"{path} is not a checkpoint of a run: another tool wrote it. Give a .ckpt file of `pokegen fit`."
            )
        return checkpoint


class Samples(L.Callback):
    """Writes samples of the averaged weights: after each epoch, a grid of images, names or rows from one fixed seed; at
    the end a table to W&B, with one sample of each type if the model supports types.

    Args:
        folder: of the files.
        n: number of samples.
        seed: of their noise, the same each time, so that one can watch the same creatures form.
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
    """Maintains run.json, and uploads the checkpoints to W&B when the run ends for any reason.

    Args:
        folder: of the run.
        seed: the global seed, to be recorded.
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
        """The record, updated with the work of this start."""
        seconds = self.now["seconds"] + (time.monotonic() - self.clock if self.trained else 0.0)
        return {**self.now, "images_seen": int(module.images_seen), "seconds": round(seconds, 1)}

    def _end(self, trainer: L.Trainer, module: Any, status: str, error: BaseException | None = None) -> None:
        if not self.now:
            return
        with never_fatal("run.json"):
            # A resumed run that never trained, for example with invalid settings, leaves the record unchanged.
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
        """Log the last and the best checkpoint as versions of one artifact. They are hard-linked, because `pokegen fit`
        replaces its checkpoints while an offline run waits for its upload; W&B would copy them to the home folder."""
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
    """W&B's logger, on the process that logs, if it is enabled and works."""
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
    """The name of a tensor with NaN or infinity inside dicts and lists; "" if there is none."""
    if isinstance(value, torch.Tensor):
        return name if value.is_floating_point() and not bool(value.isfinite().all()) else ""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return next((found for key, inner in pairs if (found := _not_finite(inner, str(key)))), "")


def new_run(root: Path, name: str) -> Path:
    """Create the folder of a new run: `root/name`, or the first of name-2, name-3 … that does not exist.

    Creation is atomic, so that two runs that start together never share a folder.
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
    """The checkpoint of `--ckpt_path last`. UserError if there is none."""
    path = run / "checkpoints" / "last.ckpt"
    if not path.is_file():
        runs = sorted(p.parent.parent.name for p in run.parent.glob("*/checkpoints/last.ckpt"))
        raise UserError(
            f"No checkpoint to resume at {path}. Runs with one: {', '.join(runs) or 'none'}; choose it with --run."
        )
    return path


def loggers(run: Path, log: str) -> list[Logger]:
    """CSV, unless `log` is off; also W&B if `log` is wandb: online after a login, else offline."""
    if log not in LOGS:
        raise UserError(f"Unknown log {log!r}. Known: {', '.join(LOGS)}.")
    if log == "off":
        return []
    chosen: list[Logger] = [CSVLog(run, name="csv", flush_logs_every_n_steps=1)]  # so that a kill loses no row
    if log == "wandb":
        if not find_spec("wandb"):
            raise UserError("wandb is not installed. Install it, or use --log csv.")
        mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
        os.environ.setdefault("WANDB_SILENT", "true")
        # Also `mode`: once wandb is set up, the environment variable that `offline` sets comes too late.
        options: dict[str, Any] = {"offline": mode == "offline", "mode": mode}
        chosen.append(WandbLog(project="pokegen", name=run.name, save_dir=run, **options))
    return chosen


def checkpoints(run: Path, monitor: str | None) -> list[L.Callback]:
    """The last after each epoch, and the best by `monitor`, if given: the highest return, else the lowest value."""
    options: dict[str, Any] = {"dirpath": run / "checkpoints", "enable_version_counter": False}
    last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, **options)
    if not monitor:
        return [last]
    mode = "max" if monitor.endswith("return") else "min"
    return [last, ModelCheckpoint(filename="best", monitor=monitor, mode=mode, **options)]
