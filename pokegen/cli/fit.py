"""fit, validate, test, predict: LightningCLI's verbs, with a folder for each run and one-line errors."""

import ctypes
import difflib
import importlib
import json
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
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace
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
from pokegen.tracking import runs
from pokegen.trainers.base import TrainingModule
from pokegen.trust import echo, read_yaml

quiet()

# The beginning of each verb's help.
HELP = {
    "fit": """train the model of a config

Writes into a new folder runs/NAME, NAME being that of the config or of --run:
  config.yaml     every setting, defaults included
  checkpoints/    last.ckpt after each epoch, and best.ckpt
  samples/        what the model creates, after each epoch
  csv/, wandb/    metrics; compare runs with `pokegen compare`
Sprite models need imported sprites, see `pokegen data import`. `pokegen zoo export` makes a model from the run.

examples:
  pokegen fit --config configs/cgan.yaml                      train; the run goes to runs/cgan
  pokegen fit --config configs/cgan.yaml --ckpt_path last     resume runs/cgan after its last complete epoch
  pokegen fit --config configs/cgan.yaml --run wide --model.init_args.generator.init_args.width 96
  pokegen fit --config configs/cgan.yaml --init_from cgan     start from the weights of a zoo model or another run
  pokegen fit --config configs/cgan.yaml --trainer.max_epochs 5 --data.batch_size 16 --log csv
  pokegen fit --config configs/cgan.yaml --print_config       show every setting, train nothing
  pokegen fit --model.help LikelihoodModule                   describe the settings of a class
""",
    "validate": """compute a trained model's metrics on the validation data

Uses the last checkpoint of runs/NAME, NAME being that of the config or of --run, and prints a table. Writes nothing.

examples:
  pokegen validate --config configs/vae.yaml
  pokegen validate --config configs/vae.yaml --run vae-2 --ckpt_path runs/vae-2/checkpoints/best.ckpt
""",
    "test": """compute a trained model's metrics on the test data

Uses the last checkpoint of runs/NAME, NAME being that of the config or of --run, and prints a table. Writes nothing.

examples:
  pokegen test --config configs/stats.yaml
  pokegen test --config configs/stats.yaml --ckpt_path runs/stats/checkpoints/best.ckpt
""",
    "predict": """label video with the keys that were pressed, by a trained inverse dynamics model

Uses the last checkpoint of runs/NAME, NAME being that of the config or of --run. Writes VIDEO.csv and VIDEO.parquet
next to each video. `pokegen game annotate` does the same with a checkpoint folder.

example:
  pokegen predict --config runs/idm/config.yaml --run idm --data AnnotationDataModule --data.videos '[game.mp4]'
""",
}

# Settings of Lightning that pokegen makes itself, and the option to use instead.
_OURS = {
    "logger": "choose it with --log wandb, csv or off",
    "default_root_dir": "choose the folder of all runs with --runs, and a run's name with --run",
}
# Settings that data and networks share, and whose default holds where neither is given one.
_SHARED = {"size": "data", "groups": "model", "window": "model"}
# Modules whose classes the command line accepts by class name alone.
_KNOWN = (
    *("trainers.adversarial", "trainers.autoencoder", "trainers.likelihood", "game.video.module", "game.video.reward"),
    *("data.reader_data", "data.tables", "data.teaching"),
    *("game.video.annotate", "game.video.clips", "game.video.cloning"),
    *(f"models.{name}" for name in ("autoregressive", "cvae", "dcgan", "gan", "names", "pixel_gan", "reader", "stats")),
    *(f"game.agents.{name}" for name in ("dqn", "evolution", "gail", "maddpg")),
)


class FitParser(LightningArgumentParser):
    """Raises a UserError of one line instead of printing jsonargparse's usage and exiting."""

    def error(self, message: str, ex: Exception | None = None) -> Never:
        if not self.exit_on_error:  # a nested parser, whose errors jsonargparse collects
            super().error(message, ex)
        raise UserError(_short(message)) from ex


class RecordRun(SaveConfigCallback):
    """Writes the whole configuration into the run's folder and logs it with every logger."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "fit" or not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config.clone()
        config["ckpt_path"] = None  # otherwise every start from the file would resume
        self.parser.save(config, folder / "config.yaml", skip_none=False, overwrite=True, multifile=False)
        for logger in trainer.loggers:
            logger.log_hyperparams(self.config.as_dict())
        echo(f"run {folder}", file=sys.stderr)


class CLI(LightningCLI):
    """Chooses the folder of the run, and puts logs, checkpoints and samples there."""

    claimed: Path | None = None  # the folder created by this start

    def __init__(self, *args: Any, **kwargs: Any):
        with ExitStack() as self.held:
            try:
                super().__init__(*args, **kwargs)
            finally:  # remove the folder if nothing was trained, or only by fast_dev_run, which writes no config
                if self.claimed and not (self._began() and (self.claimed / "config.yaml").is_file()):
                    shutil.rmtree(self.claimed, ignore_errors=True)

    def _began(self) -> bool:
        """Whether a training step has begun, here or in processes that Lightning has forked or spawned."""
        trainer = getattr(self, "trainer", None)
        here = trainer is not None and trainer.fit_loop.epoch_loop.batch_progress.total.started > 0
        return here or (self.claimed is not None and any((self.claimed / "checkpoints").glob("*.ckpt")))

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        kwargs.setdefault("dump_header", [f"lightning.pytorch=={L.__version__}"])
        parser = FitParser(allow_abbrev=False, **kwargs)  # --trainer.max_epoch must not pass for max_epochs
        parser.add_argument(
            *("-c", "--config"),
            action=ActionConfigFile,
            help="YAML file, such as configs/cgan.yaml. May be repeated: later files override earlier ones.",
        )
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run", type=str, default="", help="Name of the run; default: the name of the config.")
        parser.add_argument("--runs", type=str, default="runs", help="Folder of all runs.")
        parser.add_argument(
            "--score_images",
            type=NonNegativeInt,
            default=20_000,
            help="Images between scores of a sprite model; the best checkpoint is kept. 0: no scores.",
        )
        parser.add_argument(
            "--init_from",
            type=str,
            default="",
            help="Initialise from a zoo model or another run's .ckpt file: parameters whose name and shape match are "
            "loaded. Counters restart at 0; for a GAN also set condition_start and condition_full to 0.",
        )
        parser.add_argument(
            "--log", type=str, default="wandb", help="wandb (with csv; offline without a login), csv, or off."
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Also what data and networks share."""
        words = [word for word in args if not word.startswith("--print_config")]
        given = parser.parse_args(words, defaults=False)
        super().parse_arguments(parser, [*args, *_shared(given[given.subcommand])])

    def _parse_ckpt_path(self) -> None:
        """Override Lightning's, which lets a checkpoint's hyper-parameters override the command line's."""

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        for key, instead in _OURS.items():
            if config.trainer.get(key) not in (None, [], {}):
                raise UserError(f"trainer.{key} is set by pokegen: {instead}.")
        configs = [Path(str(path)) for path in config.get("config") or []]
        name = config.run or (configs[0].stem if configs else "run")
        if name != Path(name).name or name == "..":
            raise UserError(f"--run must be a name without a folder, got {name!r}. The folder of all runs is --runs.")
        root = Path(config.runs)
        self.folder = root / name
        path = config.get("ckpt_path")
        if path == "last" or (self.subcommand != "fit" and not path):  # nobody wants to score untrained weights
            config.ckpt_path = str(runs.last_checkpoint(self.folder))
        elif path and not Path(path).is_file():
            raise UserError(f"No checkpoint at {path}. Give a .ckpt file, or last.")
        # With several processes, the first makes the folder and the others write nothing.
        if self.subcommand == "fit" and path != "last" and getattr(rank_zero_only, "rank", 0) == 0:
            try:
                self.folder = self.claimed = runs.new_run(root, name)
            except OSError as error:
                raise UserError(f"Cannot write to {self.folder}: {error.strerror}. Choose another --runs.") from error
        if self.subcommand == "fit" and getattr(rank_zero_only, "rank", 0) == 0:
            self.held.enter_context(
                files.claim(self.folder / "checkpoints")
            )  # two processes resuming one run would mix
        config.run = self.folder.name  # so that the run's config.yaml resumes it

    def before_validate(self) -> None:
        self._require("validation_step", "pokegen evaluate sprites")

    def before_test(self) -> None:
        self._require("test_step", "pokegen evaluate sprites")

    def before_predict(self) -> None:
        self._require("predict_step", "a verb that creates, such as pokegen sprites; `predict` reads keys from video")

    def _require(self, step: str, instead: str) -> None:
        if not is_overridden(step, self.model):
            raise UserError(f"{type(self.model).__name__}: nothing to {self.subcommand}. Use {instead}.")

    def before_fit(self) -> None:
        """Load the initial weights of a new model; a resumed one has its own."""
        config = self.config_init[self.subcommand]
        if config.get("ckpt_path"):
            return
        network = self.model.network
        if network.pretrained:
            network.load_pretrained(zoo.load(network.pretrained).model)
        if config.init_from:
            rank_zero_info(f"initialised {self.model.load_matching(self._weights(config.init_from))}")

    def _weights(self, name: str) -> dict[str, Any]:
        """The weights in a run's .ckpt file, or of a zoo model: the network's and, if exported, the discriminator's."""
        if name.endswith(".ckpt"):
            saved = runs.AtomicCheckpointIO().load_checkpoint(name, map_location="cpu", weights_only=True)
            return saved["state_dict"]
        network = next(key for key, module in self.model.named_children() if module is self.model.network)
        played: Any = self.model.network  # an agent may only use the environment that this config names
        own = (played.env, played.options) if isinstance(played, AgentNetwork) else None
        weights = {f"{network}.{key}": value for key, value in zoo.load(name, own=own).model.state_dict().items()}
        return weights | {f"discriminator.{key}": value for key, value in zoo.load_discriminator(name).items()}

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        config = self.config_init[self.subcommand]
        given = _several(config.trainer.callbacks)
        # The best checkpoint of a sprite model is chosen by the panel's distance.
        draws = isinstance(self.model.network, ImageModel) and isinstance(self.datamodule, _data.SpriteDataModule)
        mine = [
            *runs.checkpoints(self.folder, None if draws and config.score_images else self.model.monitor),
            *([KernelDistance(self.folder / "checkpoints" / "best.ckpt", config.score_images)] if draws else []),
            runs.Samples(self.folder / "samples"),
            runs.Record(self.folder, seed=config.seed_everything),
        ]
        if config.trainer.precision == "bf16-mixed" and _emulates_bf16(config.trainer.accelerator):
            rank_zero_warn("This CPU emulates bfloat16, ten times slower than float32: training with 32-true instead.")
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
        except (ValueError, MisconfigurationException) as error:  # such as an accelerator that does not exist
            raise UserError(f"trainer: {error}") from error


def _shared(given: Namespace) -> list[str]:
    """Options that give data and networks the same size, keys and window, where only one of them was given a value.

    Args:
        given: what the user has set, without defaults.

    UserError where two were given different values.
    """
    inner = given.get("model.init_args")
    places = {"data": given.get("data"), **{f"model.init_args.{k}": v for k, v in vars(inner or Namespace()).items()}}
    parts = {place: part for place, part in places.items() if isinstance(part, Namespace) and "class_path" in part}
    defaults = {place: _defaults_of(part.class_path) for place, part in parts.items()}
    options = []
    for key, first in _SHARED.items():
        having = [place for place in parts if key in defaults[place]]
        chosen = {place: value for place in having if (value := parts[place].get(f"init_args.{key}")) is not None}
        leader = next((place for place in (*chosen, *having) if place in chosen or place.startswith(first)), None)
        if leader is None:
            continue
        value = chosen.get(leader, defaults[leader][key])
        for place in having:
            own = chosen.get(place, defaults[place][key])
            if place in chosen and own != value:
                one, other = (name.replace("init_args.", "") for name in (leader, place))
                raise UserError(f"{one}.{key} is {value}, but {other}.{key} is {own}. Set one of them alone.")
            if own != value:
                options.append(f"--{place}.init_args.{key}={json.dumps(value)}")
    return options


def _several(given: Any) -> list[Any]:
    """Callbacks or plugins as a list; the parser also accepts a single one."""
    return list(given) if isinstance(given, list | tuple) else [given] if given else []


def _emulates_bf16(accelerator: str) -> bool:
    """Whether training will run on an x86 processor that has no bfloat16 arithmetic."""
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    return on_cpu and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")


def keep_memory() -> None:
    """Make glibc keep memory that CPU tensors free. By default it returns large blocks to the system, and getting them
    again takes longer than the arithmetic on them: see benchmarks/README.md."""
    with suppress(OSError, TypeError, AttributeError):  # other C libraries have no such call
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: never


def run_training(argv: list[str]) -> None:
    """Run one of LightningCLI's verbs, such as `fit --config configs/cgan.yaml`."""
    for word in argv:
        if word.startswith(("--optimizer", "--lr_scheduler")):
            raise UserError(
                f"{word.partition('=')[0]}: each model has its own optimizers. Set their learning rates by the model's "
                "options, such as --model.lr or --model.generator_lr."
            )
    for name in _KNOWN:
        importlib.import_module(f"pokegen.{name}")
    keep_memory()
    torch.set_float32_matmul_precision("high")  # TF32 where a GPU has it
    done = False
    if {"-h", "--help"} & set(argv):
        print(HELP.get(argv[0], ""))
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
            parser_kwargs={"prog": "pokegen"}
            | {verb: {"usage": f"pokegen {verb} --config FILE [options]", "description": ""} for verb in HELP},
        )
        done = True
    except SIGTERMException as stop:  # Lightning's, if it handles the signal
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
                f"The checkpoint belongs to another model: {shorten(detail, 120)} Give the settings that it was "
                "trained with, from its run's config.yaml."
            ) from error
        if "conditioned on metric" in str(error):  # early stopping on a metric that is not logged
            raise UserError(str(error)) from error
        raise
    finally:
        if wandb := sys.modules.get("wandb"):
            with suppress(Exception):  # a failure of W&B must not fail the run
                wandb.finish(exit_code=int(not done))  # otherwise the next run of this process would continue it
                wandb.teardown()  # unlike `finish`, waits until an offline run's file is complete


def _user_error(error: BaseException | None) -> UserError | None:
    """The UserError of a model or DataModule inside an error of jsonargparse."""
    while error:
        if isinstance(error, UserError):
            *traceback, last = str(error).rstrip().splitlines()
            # A worker's error comes with its traceback; the message is the last line.
            return UserError(last.partition(": ")[2]) if traceback and traceback[0].startswith("Caught ") else error
        error = error.__cause__ or error.__context__
    return None


def _find_configs(argv: list[str]) -> list[str]:
    """Replace the path of a config that does not exist here by the shipped config of that name, and check each."""
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
                skipped = "sweep", "phases"  # for W&B, and for `pokegen game phases`
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
            rank_zero_warn(f"{path} uses names of an earlier version: {names}.")
            old = True
        named = named or bool(content.get("run"))
        stems.append(path.stem)
        shown = yaml.safe_dump(renewed, sort_keys=False) if changes else str(path)  # --config takes YAML too
        found[place] = f"{flag}={shown}" if equals else shown
    return found if named or not old else [*found, "--run", stems[0]]  # YAML text has no file name


def _short(message: str) -> str:
    """One line from jsonargparse's tree of causes: the key, the expected value, the given value."""
    where = ".".join(re.findall(r'Parser key "([^"]+)"', message))
    classes = re.findall(r"given class_path '([^']+)'", message)
    if found := re.search(r"Option '([^']+)' is not accepted", message):
        if new := moved.KEYS.get(classes[-1], {}).get(found[1]):
            return f"{where}: unknown key {found[1]!r}; it is now {new!r}."
        known = ", ".join(_defaults_of(classes[-1])) or "none"
        return f"{where}: unknown key {found[1]!r}. Keys of {classes[-1]}: {known}."
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
        return f"{message.replace('fit.', '')}. Usually a config provides it: --config configs/cgan.yaml"
    return message


def _defaults_of(class_path: str) -> dict[str, Any]:
    """The arguments of a class and their defaults, including those it passes to its parents by **kwargs."""
    module, _, name = class_path.rpartition(".")
    parser = ArgumentParser()
    parser.add_class_arguments(getattr(importlib.import_module(module), name), fail_untyped=False)
    return vars(parser.get_defaults())
