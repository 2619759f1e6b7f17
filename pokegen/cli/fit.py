"""fit, validate, test, predict: LightningCLI's verbs, with a folder for each run and errors of one line.

pokegen fit --config configs/cgan.yaml                      train; the run goes to runs/cgan
pokegen fit --config configs/cgan.yaml --ckpt_path last     resume runs/cgan after its last whole epoch
pokegen fit --config configs/cgan.yaml --run wide --model.init_args.generator.init_args.width 96
pokegen fit --config configs/cgan.yaml --log csv            wandb (default), csv or off
pokegen fit --config configs/cgan.yaml --init_from cgan     go on from a zoo model or another run, on your own sprites
pokegen validate --config configs/vae.yaml                  the metrics of the last checkpoint of runs/vae
"""

import ctypes
import difflib
import importlib
import inspect
import os
import re
import shutil
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from textwrap import shorten
from typing import Any, Never

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import lightning as L
import torch
import yaml
from jsonargparse import ActionConfigFile, Namespace
from jsonargparse.typing import NonNegativeInt
from lightning.fabric.utilities.rank_zero import rank_zero_info, rank_zero_only, rank_zero_warn
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from lightning.pytorch.utilities.model_helpers import is_overridden

from pokegen import files, moved, zoo
from pokegen.data import modules as _data
from pokegen.errors import UserError
from pokegen.evaluation.callback import KernelDistance
from pokegen.game.agents.base import AgentNetwork
from pokegen.models.image import ImageModel
from pokegen.quiet import quiet
from pokegen.resources import shipped
from pokegen.schema import SPRITE_SIZE
from pokegen.tracking import runs
from pokegen.trainers.base import TrainingModule
from pokegen.trust import echo, read_yaml

quiet()


# Settings of Lightning's that pokegen makes itself, and what to set instead.
_OURS = {
    "logger": "choose by --log wandb, csv or off",
    "default_root_dir": "choose the folder of all runs by --runs, a run's name by --run",
}
# Modules whose classes the command line knows by their names alone.
_KNOWN = (
    *("trainers.adversarial", "trainers.autoencoder", "trainers.likelihood", "game.video.module", "game.video.reward"),
    *("data.reader_data", "data.tables", "data.teaching", "game.video.annotate", "game.video.clips"),
    *(f"models.{name}" for name in ("autoregressive", "cvae", "dcgan", "gan", "names", "pixel_gan", "reader", "stats")),
    *(f"game.agents.{name}" for name in ("dqn", "evolution", "gail", "maddpg")),
)


class FitParser(LightningArgumentParser):
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
        config = self.config.clone()
        config["ckpt_path"] = None  # or whoever starts from the file would resume, wanted or not
        self.parser.save(config, folder / "config.yaml", skip_none=False, overwrite=True, multifile=False)
        for logger in trainer.loggers:
            logger.log_hyperparams(self.config.as_dict())
        echo(f"run {folder}", file=sys.stderr)


class CLI(LightningCLI):
    """One run, one folder: chooses it, and places loggers, checkpoints and samples there."""

    claimed: Path | None = None  # the folder that this start made

    def __init__(self, *args: Any, **kwargs: Any):
        with ExitStack() as self.held:
            try:
                super().__init__(*args, **kwargs)
            finally:  # nothing stays of a start that never trained, or that only tried: fast_dev_run has no config
                if self.claimed and not (self._began() and (self.claimed / "config.yaml").is_file()):
                    shutil.rmtree(self.claimed, ignore_errors=True)

    def _began(self) -> bool:
        """Whether a training step was begun."""
        trainer = getattr(self, "trainer", None)
        return trainer is not None and trainer.fit_loop.epoch_loop.batch_progress.total.started > 0

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        kwargs.setdefault("dump_header", [f"lightning.pytorch=={L.__version__}"])
        parser = FitParser(allow_abbrev=False, **kwargs)  # or --trainer.max_epoch would pass for max_epochs
        parser.add_argument("-c", "--config", action=ActionConfigFile, help="A YAML file; may be given several times.")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run", type=str, default="", help="Name of the run; default: the name of its config.")
        parser.add_argument("--runs", type=str, default="runs", help="Folder of all runs.")
        parser.add_argument(
            "--score_images",
            type=NonNegativeInt,
            default=20_000,
            help="Score a sprite model after so many images, and keep the best; 0 for never.",
        )
        parser.add_argument(
            "--init_from",
            type=str,
            default="",
            help="Begin with the weights of a zoo model or another run's .ckpt file, as far as name and shape match; "
            "counters start at 0, so of a GAN set condition_start and condition_full to 0 too.",
        )
        parser.add_argument("--log", type=str, default="wandb", help="wandb (offline without a login), csv, or off.")

    def _parse_ckpt_path(self) -> None:
        """Not what Lightning does here: a checkpoint's hyper-parameters must not override the command line's."""

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        for key, instead in _OURS.items():
            if config.trainer.get(key) not in (None, [], {}):
                raise UserError(f"trainer.{key} is pokegen's own: {instead}.")
        _share_size(config)
        configs = [Path(str(path)) for path in config.get("config") or []]
        name = config.run or (configs[0].stem if configs else "run")
        if name != Path(name).name or name == "..":
            raise UserError(f"--run must be a plain name, got {name!r}. The folder of all runs is --runs.")
        root = Path(config.runs)
        self.folder = root / name
        path = config.get("ckpt_path")
        if path == "last" or (self.subcommand != "fit" and not path):  # to score untrained weights is nobody's wish
            config.ckpt_path = str(runs.last_checkpoint(self.folder))
        elif path and not Path(path).is_file():
            raise UserError(f"No checkpoint at {path}. Give a .ckpt file, or last.")
        # Of several processes the first makes the folder; the others write nothing.
        if self.subcommand == "fit" and path != "last" and getattr(rank_zero_only, "rank", 0) == 0:
            try:
                self.folder = self.claimed = runs.new_run(root, name)
            except OSError as error:
                raise UserError(f"Cannot write to {self.folder}: {error.strerror}. Choose another --runs.") from error
        if self.subcommand == "fit" and getattr(rank_zero_only, "rank", 0) == 0:
            self.held.enter_context(files.claim(self.folder / "checkpoints"))  # two resumptions would mix
        config.run = self.folder.name  # so that the run's own config.yaml resumes it

    def before_validate(self) -> None:
        self._require("validation_step", "pokegen evaluate sprites")

    def before_test(self) -> None:
        self._require("test_step", "pokegen evaluate sprites")

    def before_predict(self) -> None:
        self._require("predict_step", "a creating verb such as pokegen sprites; `predict` reads keys in video")

    def _require(self, step: str, instead: str) -> None:
        if not is_overridden(step, self.model):
            raise UserError(f"{type(self.model).__name__}: nothing to {self.subcommand}. Use {instead}.")

    def before_fit(self) -> None:
        """Hand a new model what it is to begin with; a resumed one has it."""
        config = self.config_init[self.subcommand]
        if config.get("ckpt_path"):
            return
        network = self.model.network
        if network.pretrained:
            network.load_pretrained(zoo.load(network.pretrained).model)
        if config.init_from:
            rank_zero_info(f"begins with {self.model.load_matching(self._weights(config.init_from))}")

    def _weights(self, name: str) -> dict[str, Any]:
        """Those of a run's .ckpt file, or of a zoo model: the network's, and a discriminator's if it is there."""
        if name.endswith(".ckpt"):
            saved = runs.AtomicCheckpointIO().load_checkpoint(name, map_location="cpu", weights_only=True)
            return saved["state_dict"]
        network = next(key for key, module in self.model.named_children() if module is self.model.network)
        played: Any = self.model.network  # an agent's environment is the one that this config names
        own = (played.env, played.options) if isinstance(played, AgentNetwork) else None
        weights = {f"{network}.{key}": value for key, value in zoo.load(name, own=own).model.state_dict().items()}
        return weights | {f"discriminator.{key}": value for key, value in zoo.load_discriminator(name).items()}

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        config = self.config_init[self.subcommand]
        given = _several(config.trainer.callbacks)
        # A sprite model is chosen by the panel's distance.
        draws = isinstance(self.model.network, ImageModel) and isinstance(self.datamodule, _data.SpriteDataModule)
        mine = [
            *runs.checkpoints(self.folder, None if draws and config.score_images else self.model.monitor),
            *([KernelDistance(self.folder / "checkpoints" / "best.ckpt", config.score_images)] if draws else []),
            runs.Samples(self.folder / "samples"),
            runs.Record(self.folder, seed=config.seed_everything),
        ]
        if config.trainer.precision == "bf16-mixed" and _emulates_bf16(config.trainer.accelerator):
            rank_zero_warn("This CPU would emulate bfloat16, ten times slower than float32: training in 32-true.")
            config.trainer.precision = "32-true"
        log = config.log if self.subcommand == "fit" else "off"
        options: dict[str, Any] = {
            "default_root_dir": self.folder,
            "logger": runs.loggers(self.folder, log),
            "callbacks": [*given, *mine],
            "plugins": [*_several(config.trainer.plugins), runs.AtomicCheckpointIO()],
        }
        try:
            return super().instantiate_trainer(**options, **kwargs)
        except (ValueError, MisconfigurationException) as error:  # such as an accelerator that is not there
            raise UserError(f"trainer: {error}") from error


def _share_size(config: Any) -> None:
    """Give the nets the side of the data's images, where they have the default."""
    size = (config.data.get("init_args") or {}).get("size")
    specs = vars(config.model.get("init_args") or Namespace()).values()
    nets = [spec for spec in specs if isinstance(spec, Namespace) and "class_path" in spec]
    for net in nets if size else []:
        if "size" in _keys_of(net.class_path) and net.get("init_args.size", SPRITE_SIZE) == SPRITE_SIZE:
            net["init_args.size"] = size


def _several(given: Any) -> list[Any]:
    """A list of callbacks or plugins, of which the parser accepts a single one too."""
    return list(given) if isinstance(given, list | tuple) else [given] if given else []


def _emulates_bf16(accelerator: str) -> bool:
    """Whether training will run on an x86 processor that has no bfloat16 arithmetic."""
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    return on_cpu and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")


def keep_memory() -> None:
    """Tell glibc to keep what tensors on the CPU leave free. It gives large blocks back to the system, and to fetch
    them anew takes more time than the arithmetic on them: see benchmarks/README.md."""
    with suppress(OSError, TypeError, AttributeError):  # another C library has no such call
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: never


def run_training(argv: list[str]) -> None:
    """Run one of LightningCLI's verbs, such as `fit --config configs/cgan.yaml`."""
    for word in argv:
        if word.startswith(("--optimizer", "--lr_scheduler")):
            raise UserError(
                f"{word.partition('=')[0]}: each model brings its own optimizers. Their step sizes are settings of its "
                "own, such as --model.lr or --model.generator_lr."
            )
    for name in _KNOWN:
        importlib.import_module(f"pokegen.{name}")
    keep_memory()
    torch.set_float32_matmul_precision("high")  # TF32 where a GPU has it
    done = False
    if {"-h", "--help"} & set(argv):
        print(__doc__)
    try:
        CLI(
            TrainingModule,
            L.LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=RecordRun,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            args=_find_configs(argv),
            parser_kwargs={"prog": "pokegen"},
        )
        done = True
    except SIGTERMException as stop:  # Lightning's own, where it watches the signal
        raise SystemExit(128 + signal.SIGTERM) from stop
    except SystemExit as stop:  # --help and --print_config end with 0, Lightning at an interrupt with 1
        if stop.code:
            raise
    except MisconfigurationException as error:
        raise UserError(str(error)) from error
    except (ValueError, RuntimeError) as error:
        if cause := _user_error(error):
            raise cause from error
        if "loading state_dict" in str(error):
            *_, detail = str(error).splitlines()[:2]
            raise UserError(
                f"The checkpoint is of another model: {shorten(detail, 120)} Give the settings that it was "
                "trained with; its run's config.yaml holds them."
            ) from error
        if "conditioned on metric" in str(error):  # early stopping by a metric that nobody logs
            raise UserError(str(error)) from error
        raise
    finally:
        if wandb := sys.modules.get("wandb"):
            with suppress(Exception):  # a W&B that has died is no reason to fail now
                wandb.finish(exit_code=int(not done))  # or the next run of this process would go on with this one's
                wandb.teardown()  # waits until an offline run's file is written to its end, which `finish` does not


def _user_error(error: BaseException | None) -> UserError | None:
    """The mistake that a model or DataModule told, inside what jsonargparse made of it."""
    while error:
        if isinstance(error, UserError):
            *traceback, last = str(error).rstrip().splitlines()
            # A worker's mistake comes with its traceback, the mistake itself in the last line.
            return UserError(last.partition(": ")[2]) if traceback and traceback[0].startswith("Caught ") else error
        error = error.__cause__ or error.__context__
    return None


def _find_configs(argv: list[str]) -> list[str]:
    """Where a config is not found from here, take the shipped one of that name. Each must be a YAML of keys."""
    found, stems, old = list(argv), [], False
    named = any(word.partition("=")[0] == "--run" for word in argv)
    for i, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if flag not in ("--config", "-c") or (not equals and i + 1 == len(argv)):
            continue
        place = i if equals else i + 1
        path = Path(value if equals else argv[i + 1])
        if not path.is_file():
            if not (shipped() / path).is_file():
                every = [p.relative_to(shipped()) for p in shipped("configs").rglob("*.yaml")]
                skipped = "sweep", "phases"  # W&B's, and plans of `pokegen game phases`
                known = {p.name: p.as_posix() for p in sorted(every) if p.parent.name not in skipped}
                near = [known[name] for name in difflib.get_close_matches(path.name, known, 2)]
                models = ", ".join(sorted(p.stem for p in every if p.parent.name == "configs"))
                near_by = f" Near: {', '.join(near)}." if near else ""
                raise UserError(f"No config {str(path)!r}.{near_by} Shipped: configs/NAME.yaml, NAME being {models}.")
            path = shipped() / path
        try:
            content = read_yaml(path.read_text(encoding="utf-8"))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else "?"
            raise UserError(f"{path}, line {line}: not YAML: {error.problem}.") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path} is not a YAML file: {error}.") from error
        if not isinstance(content, dict):
            raise UserError(f"{path}: expected YAML keys such as model, data and trainer, got {str(content)[:40]!r}.")
        changes: dict[str, str] = {}
        renewed = moved.renewed(content, changes)
        if changes:
            names = ", ".join(f"{old} is now {new}" for old, new in changes.items())
            rank_zero_warn(f"{path} has names of an earlier version: {names}.")
            old = True
        named = named or bool(content.get("run"))
        stems.append(path.stem)
        shown = yaml.safe_dump(renewed, sort_keys=False) if changes else str(path)  # --config takes YAML too
        found[place] = f"{flag}={shown}" if equals else shown
    return found if named or not old else [*found, "--run", stems[0]]  # which a YAML text would not tell


def _short(message: str) -> str:
    """One line of the tree of causes that jsonargparse draws: where, what was expected, what came."""
    where = ".".join(re.findall(r'Parser key "([^"]+)"', message))
    classes = re.findall(r"given class_path '([^']+)'", message)
    if found := re.search(r"Option '([^']+)' is not accepted", message):
        if new := moved.KEYS.get(classes[-1], {}).get(found[1]):
            return f"{where}: unknown key {found[1]!r}; it is now {new!r}."
        return (
            f"{where}: unknown key {found[1]!r}. Keys of {classes[-1]}: {', '.join(_keys_of(classes[-1])) or 'none'}."
        )
    if found := re.search(r"'(\w+)' does not accept option '([^']+)'", message):
        return f"Unknown key {found[2]!r}. See: pokegen {found[1]} --help"
    if found := re.search(r"module '([^']+)' has no attribute '([^']+)'", message):
        return f"{where}: no class {found[2]!r} in {found[1]}."
    if found := re.search(r"Expected a dot import path string: (.*)", message):
        return f"{where}: expected a class, such as pokegen.models.vae.VAE, got {found[1]!r}."
    if found := re.search(r"(?:Got value|Given value): (.*)", message):  # the innermost comes first
        expected = re.findall(
            r"Expected an? (?:<class ')?(?:typing\.)?([^\n]+?)(?:'>)?(?=\n|\. Got)", message[: found.end()]
        )
        expected = ["null" if kind == "NoneType" else kind for kind in expected]
        return f"{where}: expected {' or '.join(expected)}, got {found[1]!r}."
    if "required: " in message:
        return f"{message.replace('fit.', '')}. Most is in a config: --config configs/cgan.yaml"
    return message


def _keys_of(class_path: str) -> list[str]:
    """What a class takes, with what it hands on to its parents by **kwargs."""
    module, _, name = class_path.rpartition(".")
    keys: dict[str, None] = {}
    for kind in getattr(importlib.import_module(module), name).__mro__:
        parameters = inspect.signature(kind.__init__).parameters.values()
        keys |= {
            p.name: None for p in parameters if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return list(keys)
