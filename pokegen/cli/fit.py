"""fit, validate, test, predict: LightningCLI's verbs, with a folder for each run and errors of one line.

pokegen fit --config configs/cgan.yaml                      train; the run goes to runs/cgan
pokegen fit --config configs/cgan.yaml --ckpt_path last     resume runs/cgan after its last whole epoch
pokegen fit --config configs/cgan.yaml --run wide --model.init_args.generator.init_args.width 96
pokegen fit --config configs/cgan.yaml --log csv            wandb (default), csv or off
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Any, Never

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import lightning as L
import torch
from jsonargparse import ActionConfigFile
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback

from pokegen.data import modules as _data  # noqa: F401  so that short class names resolve
from pokegen.data.tables import NamesDataModule, StatsDataModule  # noqa: F401
from pokegen.errors import UserError
from pokegen.models.training import TrainingModule
from pokegen.resources import shipped
from pokegen.tracking import runs

# What Lightning says on each start and no user can act on
warnings.filterwarnings("ignore", message=".*does not have many workers.*")
warnings.filterwarnings("ignore", message=".*Found .* module.* in eval mode.*")  # the averaged copy is meant to be
warnings.filterwarnings("ignore", message=".*but have no `validation_step`.*")
warnings.filterwarnings("ignore", message=".*is not supported by the model summary.*")
warnings.filterwarnings("ignore", message=".*LeafSpec.*")
warnings.filterwarnings("ignore", message=".*LightningCLI's args parameter is intended.*")


class Parser(LightningArgumentParser):
    """Raises a UserError of one line where jsonargparse would print its usage and exit."""

    def error(self, message: str, ex: Exception | None = None) -> Never:
        if not self.exit_on_error:  # a parser inside the parser, whose errors jsonargparse collects
            super().error(message, ex)
        raise UserError(_short(message)) from ex


class RecordRun(SaveConfigCallback):
    """Writes the whole configuration into the run's folder and tells it to every logger."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "fit" or not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.parser.save(self.config, folder / "config.yaml", skip_none=False, overwrite=True, multifile=False)
        for logger in trainer.loggers:
            logger.log_hyperparams(self.config.as_dict())
        print(f"run {folder}", file=sys.stderr)


class CLI(LightningCLI):
    """One run, one folder: chooses it, and places loggers, checkpoints and samples there."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        kwargs.setdefault("dump_header", [f"lightning.pytorch=={L.__version__}"])
        parser = Parser(**kwargs)
        parser.add_argument("-c", "--config", action=ActionConfigFile, help="A YAML file; may be given several times.")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run", type=str, default="", help="Name of the run; default: the name of its config.")
        parser.add_argument("--runs", type=str, default="runs", help="Folder of all runs.")
        parser.add_argument("--log", type=str, default="wandb", help="wandb (offline without a login), csv, or off.")

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        configs = [Path(str(path)) for path in config.get("config") or []]
        name = config.run or (configs[0].stem if configs else "run")
        root = Path(config.runs)
        resumed = config.get("ckpt_path") == "last"
        self.folder = root / name if resumed or self.subcommand != "fit" else runs.new_run(root, name)
        if resumed:
            config.ckpt_path = str(runs.last_checkpoint(self.folder))
        elif (path := config.get("ckpt_path")) and not Path(path).is_file():
            raise UserError(f"No checkpoint at {path}. Give a .ckpt file, or last.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"Cannot write to {self.folder}: {error.strerror}. Choose another --runs.") from error

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        config = self.config_init[self.subcommand]
        given = config.trainer.callbacks or []
        mine = [*runs.checkpoints(self.folder, self.model.monitor), runs.Samples(self.folder / "samples")]
        log = config.log if self.subcommand == "fit" else "off"
        return super().instantiate_trainer(
            default_root_dir=self.folder,
            logger=runs.loggers(self.folder, log),
            callbacks=[*given, *mine],
            plugins=[*(config.trainer.plugins or []), runs.AtomicCheckpointIO()],
            **kwargs,
        )


def run_training(argv: list[str]) -> None:
    """Run one of LightningCLI's verbs, such as `fit --config configs/cgan.yaml`."""
    torch.set_float32_matmul_precision("high")  # TF32 where a GPU has it
    try:
        CLI(
            TrainingModule,
            L.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=RecordRun,
            seed_everything_default=0,
            args=_find_configs(argv),
            parser_kwargs={"prog": "pokegen"},
        )
    except SystemExit as stop:  # --help and --print_config
        if stop.code:
            raise UserError(f"See: pokegen {argv[0]} --help") from stop


def _find_configs(argv: list[str]) -> list[str]:
    """Where a config is not found from here, take the shipped one of that name."""
    found = list(argv)
    for i, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if flag not in ("--config", "-c"):
            continue
        place = i if equals else i + 1
        path = Path(value if equals else argv[i + 1] if i + 1 < len(argv) else "")
        if not path.is_file():
            if not (shipped() / path).is_file():
                known = sorted(p.relative_to(shipped()).as_posix() for p in shipped("configs").rglob("*.yaml"))
                raise UserError(f"No config {str(path)!r}. Shipped configs: {', '.join(known)}.")
            path = shipped() / path
        found[place] = f"{flag}={path}" if equals else str(path)
    return found


def _short(message: str) -> str:
    """The cause, without the tree of causes that jsonargparse draws around it."""
    lines = [line.strip(" -|*\t") for line in message.splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if "not expected" in line or "not accepted" in line or "Unknown" in line]
    return (telling or lines or [message])[-1 if telling else 0]
