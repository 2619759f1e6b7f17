"""Zoo checkpoints: a folder NAME/{model.safetensors, config.yaml, README.md}. Loads without Lightning, without pickle.

config.yaml holds the class of the network, the arguments that rebuild it, a version, and the hash of the weights:

    class_path: pokegen.models.cgan.Generator
    init_args: {latent_dim: 128, width: 48, embedding_dim: 64}
    version: "1"
    sha256: 5c1f…
    training: {…}    how it came about: examples seen, seed, data, software

`load` reads such a folder; `export` makes one of a run of `pokegen fit`. `hf:owner/name`, or `hf:owner/name@revision`
with a branch, tag or commit, is one on the Hugging Face hub: `push` takes it there, and `load` fetches it, into the
hub's own cache.
"""

import hashlib
import importlib
import json
import math
import os
import pickle
import platform
import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from pokegen import __version__, files, trust
from pokegen.errors import CheckpointError, UserError
from pokegen.resources import shipped

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.yaml", "README.md"
DISCRIMINATOR = "discriminator.safetensors"  # beside a GAN's generator, where it was exported too
FORMAT = 1
HUB = "hf:"  # begins the name of a model on the Hugging Face hub
# What `load` builds: nothing else is imported or called. Agents come with their environment's id.
AGENTS = {
    "pokegen.game.demonstrations": ("Clone",),
    "pokegen.game.dqn": ("QNetwork",),
    "pokegen.game.maddpg": ("Team",),
    "pokegen.game.ppo": ("ActorCritic",),
}
CLASSES = AGENTS | {
    "pokegen.game.cloning": ("Policy",),
    "pokegen.game.idm": ("FirstInverseDynamics", "InverseDynamics"),
    "pokegen.game.reward": ("RewardModel",),
    "pokegen.models.autoregressive": ("Autoregressive",),
    "pokegen.models.cgan": ("Generator",),
    "pokegen.models.classifier": ("Classifier",),
    "pokegen.models.cvae": ("CVAE",),
    "pokegen.models.dcgan": ("Generator",),
    "pokegen.models.gan": ("Generator",),
    "pokegen.models.names": ("NameModel", "NameTrainer"),
    "pokegen.models.pixel_gan": ("PixelGANGenerator",),
    "pokegen.models.projected_gan": ("Generator",),
    "pokegen.models.reader": ("Reader",),
    "pokegen.models.stats": ("StatsModel",),
    "pokegen.models.tokenizer": ("Tokenizer",),
    "pokegen.models.vae": ("VAE",),
}
_FACTS = ("<!-- facts: written by `pokegen zoo export` -->", "<!-- /facts -->")
_NUMBERS = ("<!-- numbers: written by `pokegen evaluate all` -->", "<!-- /numbers -->")


@dataclass(frozen=True)
class Loaded:
    """A network from the zoo, in evaluation mode and float32, and what its config says."""

    model: Any  # an nn.Module with `.sample`
    name: str
    version: str
    config: dict[str, Any]

    @property
    def label(self) -> str:
        return trust.visible(f"{self.name} {self.version}")


def available() -> list[str]:
    """Names of the shipped checkpoints."""
    return sorted(path.parent.name for path in shipped("checkpoints").glob(f"*/{CONFIG}"))


def folder_of(name: str | Path) -> Path:
    """The folder of a zoo name, of a path to a checkpoint folder, or of `hf:owner/name`, which is downloaded. Raises
    CheckpointError where there is none."""
    if str(name).startswith(HUB):
        return _download(str(name))
    known = available()
    if str(name) in known:
        return shipped("checkpoints") / name
    if os.path.isdir(name):
        return Path(name)
    raise CheckpointError(
        f"Unknown model {str(name)!r}. Known models: {', '.join(known) or 'none'}; or a folder, or {HUB}owner/name."
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a checkpoint folder. Raises CheckpointError where it is missing or incomplete."""
    try:
        config = dict(trust.read_yaml(read_file(folder, CONFIG, trust.CONFIG_BYTES)))
        missing = _KEYS.keys() - config.keys()
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is no checkpoint: {CONFIG} is missing.") from error
    except OSError as error:
        raise CheckpointError(f"{folder / CONFIG} cannot be read: {error.strerror}.") from error
    except UserError:
        raise
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG} is not a checkpoint's config.") from error
    if missing:
        raise CheckpointError(f"{folder / CONFIG} lacks {', '.join(sorted(missing))}.")
    if config.get("format", FORMAT) != FORMAT:
        shown = str(config["format"])[:20]
        raise CheckpointError(f"{folder} has format {shown}; pokegen {__version__} reads {FORMAT}.")
    for key, kind in (_KEYS | {"training": dict}).items():
        if not isinstance(config.get(key, {}), kind):
            raise CheckpointError(f"{folder / CONFIG} is not a checkpoint's config: {key} is no {kind.__name__}.")
    return config


_KEYS = {"class_path": str, "init_args": dict, "version": object, "sha256": str}


def read_file(folder: Path, name: str, limit: int) -> bytes:
    """A file of a checkpoint folder, see trust.read_inside."""
    return trust.read_inside(folder, name, limit, _root(folder))


def _root(folder: Path) -> Path:
    """What a checkpoint's files must lie in: its folder; in the hub's cache, which holds links, the repository's."""
    folder = folder.resolve()
    cached = folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--")
    return folder.parent.parent if cached else folder


def check(config: dict[str, Any], source: str, own: tuple[str, Mapping[str, Any]] | bool | None = None) -> None:
    """Raise CheckpointError for the config of a class that no checkpoint holds, and of an agent whose environment could
    run a program, see trust.check_environment; `own` as in `load`."""
    arguments = config["init_args"]
    if _place(config["class_path"])[0] not in AGENTS:
        return
    if not isinstance(arguments.get("plain_spaces"), dict):
        raise CheckpointError(f"{source} lacks plain_spaces, without which an agent does not load. Export it again.")
    if own is not True:
        try:
            trust.check_environment(source, arguments.get("env"), arguments.get("options"), own or None)
        except UserError as error:
            raise CheckpointError(str(error)) from error


def load(name: str | Path, own: tuple[str, Mapping[str, Any]] | bool | None = None) -> Loaded:
    """Load a checkpoint by zoo name, folder or `hf:owner/name`, and check that its weights are the ones that its config
    was written for. Loading makes no environment, and builds nothing that is larger than the weights.

    Args:
        name: of the checkpoint.
        own: the environment's id and options that the user asked for, which an agent may then have; True for a
            checkpoint that the user has just made. See `check`.

    Raises CheckpointError for a checkpoint that is missing, incomplete, altered, made by another version, or whose
    agent names an environment that could run a program.
    """
    folder = folder_of(name)
    config = read_config(folder)
    check(config, str(name), own)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder} is incomplete: {WEIGHTS} is missing. Copy or export the checkpoint again.")
    try:
        weights = trust.inside(folder, WEIGHTS, _root(folder))
        with open(weights, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != config["sha256"]:
            raise CheckpointError(
                f"{folder / WEIGHTS} was altered: its hash is not that in {CONFIG}. Copy or export it again."
            )
        kind, arguments = _class(config["class_path"]), config["init_args"]
        if str(name) not in available():  # ours fit, and a card is to be quick
            _measure(kind, arguments, weights)
        model = kind(**arguments)
        model.load_state_dict(load_file(weights))  # float16 becomes the parameter's own float32
    except UserError as error:
        raise error if isinstance(error, CheckpointError) else CheckpointError(str(error)) from error
    except (
        *(OSError, AttributeError, ImportError, TypeError, ValueError, RuntimeError, SafetensorError),
        *(ArithmeticError, AssertionError, LookupError, MemoryError),  # of arguments that no class expects
    ) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{folder} does not fit pokegen {__version__}: {detail}") from error
    shown = _repository(str(name))[0].rpartition("/")[2] if str(name).startswith(HUB) else folder.resolve().name
    return Loaded(model.eval().requires_grad_(False), shown, str(config["version"]), config)


def _measure(kind: type[nn.Module], arguments: dict[str, Any], weights: Path) -> None:
    """Build the model without memory, on the meta device, and load the shapes of the weights into it: arguments that do
    not fit raise RuntimeError before anything is allocated. What is built on the way is limited too."""
    with safe_open(weights, "pt") as file:
        names = file.keys()
        shapes = {name: file.get_slice(name).get_shape() for name in names}
    left = {"numbers": 4 * sum(map(math.prod, shapes.values())) + 2**24, "modules": 10_000}

    def spend(what: str, amount: int) -> None:
        left[what] -= amount
        if left[what] < 0:
            raise ValueError(f"its arguments describe a far larger model than {WEIGHTS} holds")

    def tensor(module: nn.Module, name: str, value: Tensor | None) -> None:
        spend("numbers", 0 if value is None else value.numel())

    def part(module: nn.Module, name: str, value: nn.Module | None) -> None:
        spend("modules", 1)

    hooks = [
        register_module_parameter_registration_hook(tensor),
        register_module_buffer_registration_hook(tensor),
        register_module_module_registration_hook(part),
    ]
    try:
        with torch.device("meta"), _Unset():
            kind(**arguments).load_state_dict({key: torch.empty(shape) for key, shape in shapes.items()})
    finally:
        for hook in hooks:
            hook.remove()


def _class(path: str) -> type[nn.Module]:
    module, name = _place(path)
    return getattr(importlib.import_module(module), name)


class _Unset(TorchFunctionMode):
    """Leaves parameters as they were allocated: on the meta device random numbers mean nothing, and import
    torch._dynamo, which takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in ("uniform_", "normal_", "kaiming_uniform_", "orthogonal_"):
            return args[0] if args else given["tensor"]
        if func is torch.randn:
            return torch.empty(*args, **given)
        return func(*args, **given)


def _place(path: str) -> tuple[str, str]:
    """Module and name of a class of CLASSES. Raises CheckpointError for any other."""
    module, _, name = path.rpartition(".")
    if name not in CLASSES.get(module, ()):
        raise CheckpointError(f"Checkpoints hold models of pokegen.models and pokegen.game, not {path[:80]!r}.")
    return module, name


def save(
    network: nn.Module, folder: Path, class_path: str, init_args: dict[str, Any], half: bool = False, **facts: Any
) -> None:
    """Write a checkpoint folder, complete or not at all; a folder that is there is replaced, its model card kept.

    Args:
        network: whose state is written.
        folder: checkpoints/NAME.
        class_path, init_args: what rebuilds the network.
        half: write float32 weights as float16.
        facts: `version`, `training` and what else config.yaml is to hold.

    Raises CheckpointError for weights that are not finite, and where the folder holds something else.
    """
    with _replacing(folder) as work:
        _fill(work, network, class_path, init_args, half, facts)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A folder to write a checkpoint into, which takes the place of `folder` at the end. What people added to the
    checkpoint that is there, such as the model card and its pictures, is in it already."""

    def copy(source: str, target: str) -> None:
        try:
            shutil.copy2(source, target)
        except OSError as error:  # which copytree would put into one of its own, without its number
            raise files.cannot_write(folder, error) from error

    with files.atomic_folder(folder) as work:
        if folder.exists() and any(folder.iterdir()):
            try:
                read_config(folder)
            except CheckpointError as error:
                raise CheckpointError(
                    f"{folder} holds something else than a checkpoint. Choose another name."
                ) from error
            kept = shutil.ignore_patterns(WEIGHTS, CONFIG, DISCRIMINATOR)
            shutil.copytree(folder, work, symlinks=True, ignore=kept, copy_function=copy, dirs_exist_ok=True)
        yield work


def _fill(
    work: Path, network: nn.Module, class_path: str, init_args: dict[str, Any], half: bool, facts: dict[str, Any]
) -> None:
    """Write the weights and the config."""
    if spaces := getattr(network, "plain_spaces", None):  # an agent's, so that loading it makes no environment
        init_args = init_args | {"plain_spaces": spaces()}
    state = {
        key: (value.half() if half and _halves(value) else value).contiguous().clone()
        for key, value in network.state_dict().items()
    }
    for key, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise CheckpointError(f"{key} holds NaN or infinity: the training failed. Export an earlier checkpoint.")
    weights = serialize(state)
    digest = hashlib.sha256(weights).hexdigest()
    config = {"format": FORMAT, "class_path": class_path, "init_args": init_args, **facts, "sha256": digest}
    (work / WEIGHTS).write_bytes(weights)
    (work / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _halves(value: Tensor) -> bool:
    """Whether float32 values stay finite as float16, which ends at 65,504."""
    return value.dtype == torch.float32 and bool(value.half().isfinite().all())


def export(
    run: Path,
    folder: Path,
    version: str = "1",
    half: bool = True,
    also: Callable[[Path], None] = lambda folder: None,
) -> dict[str, Any]:
    """Make a zoo checkpoint of the averaged weights of a run of `pokegen fit`. Returns its config.

    Args:
        run: a run's folder (its best or last checkpoint is taken), or one of its .ckpt files.
        folder: where to write, for example checkpoints/cgan.
        version: what cards name beside the model.
        half: write float16, which halves the file; sampling runs in float32 all the same.
        also: called with the new folder, to add pictures before it takes the old one's place.
    """
    checkpoint = run if run.is_file() else _checkpoint_of(run)
    run = checkpoint.parent.parent
    try:
        settings = trust.read_yaml(trust.read_inside(run, CONFIG, trust.CONFIG_BYTES))
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        arguments = settings["model"]["init_args"]
        spec = arguments.get("generator") or arguments["network"]
        state = {k.removeprefix("ema."): v for k, v in saved["state_dict"].items() if k.startswith("ema.")}
        class_path, init_args = spec["class_path"], dict(spec.get("init_args", {}))
        if _place(class_path)[0] in AGENTS:  # a run may be somebody else's too: its environment is not made
            if "plain_spaces" in saved:
                init_args["plain_spaces"] = saved["plain_spaces"]
            else:  # of a version that did not save them
                trust.check_environment(str(run), init_args["env"], init_args.get("options"))
        network: Any = _class(class_path)(**init_args)
        network.load_state_dict(state)
    except (
        *(OSError, EOFError, KeyError, AttributeError, TypeError, RuntimeError, yaml.YAMLError),
        *(pickle.UnpicklingError, struct.error),  # torch's, for a file that is none of its own
    ) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{run} is no run that can be exported: {detail}") from error
    if hasattr(network, "calibrate"):
        network.eval().calibrate()
    if hasattr(network, "export"):  # what samples is not always what was trained
        class_path, init_args = network.export()
    data = settings["data"].get("init_args", {})
    training = {
        "examples": int(saved["state_dict"]["images_seen"]),
        "epochs": int(saved["epoch"]) + 1,
        **({"began with": _beginning(Path(start))} if (start := settings.get("init_from")) else {}),
        "seed": settings.get("seed_everything"),
        "data": settings["data"]
        | {"init_args": {k: v for k, v in data.items() if k not in ("root", "recordings")}},  # whose own paths
        "software": {"pokegen": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    } | _told(run, int(saved["state_dict"]["images_seen"]))
    with _replacing(folder) as work:
        _fill(work, network, class_path, init_args, half, {"version": version, "training": training})
        write_card(work)
        config = load(work, own=True).config
        also(work)
    return config


def export_discriminator(run: Path, folder: Path) -> Path:
    """Write the discriminator of a run beside its exported generator, in float16, so that `fit --init_from` goes on
    with both; without the frozen feature network `net`, which comes with its package. Returns the file."""
    checkpoint = run if run.is_file() else _checkpoint_of(run)
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    mine = {key.removeprefix("discriminator."): v for key, v in saved.items() if key.startswith("discriminator.")}
    if not mine:
        raise CheckpointError(f"{run} has no discriminator.")
    state = {key: value.half() if _halves(value) else value for key, value in mine.items() if key[:4] != "net."}
    weights = serialize({key: value.contiguous() for key, value in state.items()})
    return files.write(folder / DISCRIMINATOR, weights)


def load_discriminator(name: str | Path) -> dict[str, Tensor]:
    """The weights that `export_discriminator` wrote into a checkpoint, or {}. Raises CheckpointError for a file that is
    no safetensors, and for a link out of the checkpoint's folder."""
    folder = folder_of(name)
    try:
        path = trust.inside(folder, DISCRIMINATOR, _root(folder))
        return load_file(path) if path.is_file() else {}
    except UserError as error:
        raise CheckpointError(str(error)) from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / DISCRIMINATOR} is damaged ({error}). Copy or export it again.") from error


def _beginning(source: Path) -> str:
    """What a run began with, without the machine's folders."""
    return f"run {source.absolute().parent.parent.name}" if source.suffix == ".ckpt" else source.name


def _told(run: Path, examples: int) -> dict[str, Any]:
    """What the run's record tells of its data and budget: hash, share of the run's hours, machine. {} without one."""
    try:
        record = json.loads(trust.read_inside(run, "run.json", trust.CONFIG_BYTES))
        hours = record["seconds"] / 3600 * min(1.0, examples / max(1, record["images_seen"]))
        hardware = record["gpu"] or f"{record['threads']} CPU thread{'s' * (record['threads'] > 1)}"
        return {"data_hash": record["data_hash"], "hours": round(hours, 2), "hardware": hardware}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return {}


def write_card(folder: Path) -> Path:
    """Write the facts of a checkpoint into its model card, README.md, between two markers; what people wrote around
    them stays. Returns the card's path."""
    config = read_config(folder)
    training = config.get("training", {})
    software = ", ".join(f"{key} {value}" for key, value in training.get("software", {}).items())
    plays = "steps" in (training.get("data") or {}).get("init_args", {})  # an agent's budget, see game/agents.py
    facts = {
        "class": f"`{config['class_path']}`",
        "arguments": ", ".join(f"{key} {value}" for key, value in config["init_args"].items() if key != "plain_spaces")
        or "defaults",
        "version": config["version"],
        "weights": f"{(folder / WEIGHTS).stat().st_size / 2**20:.1f} MiB, sha256 `{config['sha256'][:12]}…`",
        "began with": f"{training['began with']}, whose examples come on top" if "began with" in training else None,
        "trained on": f"{training.get('examples', 0):,} {'environment steps' if plays else 'examples'}, "
        f"seed {training.get('seed')}",
        "took": f"{training.get('hours')} hours on {training.get('hardware')}" if "hours" in training else None,
        "data": f"sha256 `{training['data_hash'][:12]}…`" if training.get("data_hash") else None,
        "software": software,
    }
    rows = "\n".join(f"| {key} | {value} |" for key, value in facts.items() if value is not None)
    return _write_block(folder / CARD, _FACTS, f"| | |\n|---|---|\n{rows}")


def write_numbers(folder: Path, table: str, command: str, beside: Sequence[str] = ()) -> Path:
    """Write what the evaluation panel found, a Markdown table, into the model card, with the command that measured it
    and the hashes of the weights that it depends on: the model's, and those of the zoo's models `beside`, such as the
    judge. Returns the card's path."""
    folders = [folder, *(folder_of(name) for name in beside)]
    hashes = ", ".join(f"{f.resolve().name} `{read_config(f)['sha256'][:12]}…`" for f in folders)
    return _write_block(folder / CARD, _NUMBERS, f"{table}\n\nBy `{command}`. Weights: {hashes}.")


def numbers_of(folder: Path) -> dict[str, str]:
    """Name → hash, 12 digits, of the weights that a model card's numbers were measured with; {} without numbers."""
    text = (folder / CARD).read_text(encoding="utf-8")
    block = text.partition(_NUMBERS[0])[2].partition(_NUMBERS[1])[0]
    return dict(re.findall(r"(\S+) `([0-9a-f]{12})…`", block.rpartition("Weights: ")[2]))


def _write_block(card: Path, marks: tuple[str, str], content: str) -> Path:
    """Replace what stands between two marks of a model card, or append it. UserError for a link out of its folder."""
    trust.inside(card.parent, card.name)
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {card.parent.resolve().name}\n"
    if marks[0] not in text or marks[1] not in text:
        text += f"\n{marks[0]}{marks[1]}\n"
    before, _, rest = text.partition(marks[0])
    after = rest.partition(marks[1])[2]
    return files.write(card, f"{before}{marks[0]}\n{content}\n{marks[1]}{after}")


def _checkpoint_of(run: Path) -> Path:
    found = [path for name in ("best", "last") if (path := run / "checkpoints" / f"{name}.ckpt").is_file()]
    if not found:
        raise UserError(
            f"No checkpoint in {run / 'checkpoints'}. Give a run's folder, such as runs/cgan, or a .ckpt file."
        )
    return found[0]


def push(name: str | Path, repo: str, private: bool = False) -> str:
    """Upload a checkpoint to the Hugging Face hub, where `hf:owner/name` then loads it. Returns the page's URL.

    Taken there are weights, config, samples.png, the model card and the pictures that it shows; the card gets what the
    hub reads, see `_hub_card`. The local folder stays as it is.

    Args:
        name: a zoo name or a checkpoint folder.
        repo: `owner/name`; made when missing, and refused where it holds something else.
        private: make it private. A repository that is there and public is refused.

    Raises CheckpointError, before anything is uploaded, for a checkpoint that `load` refuses, that has no model card,
    or whose card shows a picture that is missing; and for what the hub refuses.
    """
    if not re.fullmatch(_REPOSITORY, repo):
        raise CheckpointError(f"{repo!r} names no repository: expected owner/name, such as ada/my-cgan.")
    folder, label = folder_of(name), load(name, own=True).label
    card, pictures = _hub_card(folder, repo)

    import huggingface_hub  # here, since few need it
    from huggingface_hub.errors import HTTPError  # that of the HTTP client, whichever it is

    try:
        if huggingface_hub.get_token() is None:
            raise CheckpointError("No token for the hub. Run `hf auth login`, or set HF_TOKEN to one that may write.")
        api = huggingface_hub.HfApi(library_name="pokegen", library_version=__version__)
        url = api.create_repo(repo, private=private or None, exist_ok=True)
        there = api.model_info(repo)
        files = {file.rfilename for file in there.siblings or ()} - {".gitattributes"}
        if files and CONFIG not in files:
            raise CheckpointError(f"{repo} holds something else than a pokegen checkpoint. Choose another name.")
        if private and not there.private:
            raise CheckpointError(f"{repo} is public already. Make it private in its settings, or choose another name.")
        with tempfile.TemporaryDirectory() as work:
            for file in (CONFIG, WEIGHTS, *pictures):
                (Path(work) / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(trust.inside(folder, file, _root(folder)), Path(work) / file)
            (Path(work) / CARD).write_text(card, encoding="utf-8")
            api.upload_folder(repo_id=repo, folder_path=work, commit_message=f"{label}, by `pokegen zoo push`")
    except CheckpointError:
        raise
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise CheckpointError(_refusal(error, repo, "write")) from error
    return str(url)


_REPOSITORY = "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"
_TASKS = {  # class → what the hub calls its task; an ImageModel has one too, `stats` none
    "pokegen.models.names.NameModel": "text-generation",
    "pokegen.models.classifier.Classifier": "image-classification",
}
_RIGHTS = """
**Use and rights.** pokegen's code is under the MIT licence. These weights were learned from data that others may own:
see `training` in config.yaml. Pokémon and its names are trademarks of Nintendo, Creatures and GAME FREAK.
"""


def _repository(name: str) -> tuple[str, str | None]:
    """`hf:owner/name@revision` → repository and revision, None for the newest."""
    found = re.fullmatch(rf"{HUB}({_REPOSITORY})(?:@(\S+))?", name)
    if not found:
        raise CheckpointError(f"{name!r} names no model of the hub: expected hf:owner/name or hf:owner/name@revision.")
    return found[1], found[2]


def _download(name: str) -> Path:
    """The folder of `hf:owner/name` in the hub's own cache; where the hub cannot be reached, what is cached already."""
    repo, revision = _repository(name)

    import huggingface_hub  # here, since few need it
    from huggingface_hub.errors import HTTPError  # that of the HTTP client, whichever it is
    from huggingface_hub.utils import tqdm

    class Late(tqdm):
        """The hub's progress bar, after two seconds and on a terminal only."""

        def __init__(self, *args: Any, **options: Any):
            super().__init__(*args, **(options | {"delay": 2, "disable": options.get("disable") or None}))

    def fetch(revision: str | None, *files: str) -> Path:
        ours: dict[str, Any] = {"library_name": "pokegen", "library_version": __version__, "tqdm_class": Late}
        try:
            path = huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=list(files), **ours)
        except (OSError, ValueError, RuntimeError, HTTPError) as error:
            raise CheckpointError(_refusal(error, repo, "read", revision)) from error
        for file in files:
            if file != CARD and not (Path(path) / file).is_file():
                raise CheckpointError(f"{name} is no pokegen checkpoint: {file} is missing, or was not cached.")
        return Path(path)

    folder = fetch(revision, CONFIG)  # alone, so that the weights of another library's model are not downloaded
    read_config(folder)
    return fetch(folder.name, CONFIG, WEIGHTS, CARD)  # of that very commit, after which the folder is named


def _refusal(error: Exception, repo: str, access: str, revision: str | None = None) -> str:
    """What went wrong between us and the hub, and what to do, in one line. `access`: read or write."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, errors.HfHubHTTPError):
        error = error.__cause__  # not cached is the lesser reason
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    detail = next(iter(str(error).splitlines()), type(error).__name__)
    if isinstance(error, errors.HFValidationError):
        return f"{repo!r} names no repository: {detail}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no revision {revision!r}. Leave @{revision} away, or give a branch, tag or commit of it."
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated. Ask for access on https://huggingface.co/{repo}, then run `hf auth login`."
    if isinstance(error, errors.RepositoryNotFoundError) or (status == 401 and access == "read"):
        return f"No model {repo} on the hub, or a private one. Check the name, or run `hf auth login` if it is yours."
    if status in (401, 403) or isinstance(error, errors.LocalTokenNotFoundError):
        owner = " The owner must be you or an organisation of yours." if access == "write" else ""
        return f"The hub does not let you {access} {repo}. Run `hf auth login`, or set HF_TOKEN to one that may.{owner}"
    if status:
        return f"The hub answered {status} for {repo}: {detail}. Try again later."
    if isinstance(error, errors.HTTPError | ConnectionError | errors.LocalEntryNotFoundError):
        cached = f", and {repo} is not in its cache" if access == "read" else "; nothing was uploaded"
        return f"The hub cannot be reached{cached}. Go online and try again."
    return f"{repo} cannot be {'downloaded' if access == 'read' else 'uploaded'}: {detail}"


def _hub_card(folder: Path, repo: str) -> tuple[str, list[str]]:
    """The model card as the hub wants it, and the pictures to take along, as paths below `folder`.

    Before the text comes YAML: licence, library, tags, and the task where the hub has a word for it. The licence is
    "other", by the card's own "Use and rights": pokegen's MIT licence cannot cover what was learned from others'
    sprites. What the card says in YAML of its own stays. Links that lead nowhere on the hub keep their words alone.
    """
    from pokegen.models.image import ImageModel

    try:
        text = (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder} has no {CARD} that can be read. `pokegen zoo export` writes one.") from error
    own = {}
    if found := re.match(r"---\n(.*?)\n---\n", text, re.DOTALL):
        text = text[found.end() :].lstrip("\n")
        try:
            own = dict(trust.read_yaml(found[1]) or {})
        except (yaml.YAMLError, TypeError, ValueError) as error:
            raise CheckpointError(f"What stands between --- and --- in {folder / CARD} is no YAML mapping.") from error

    pictures = {"samples.png"} if trust.inside(folder, "samples.png").is_file() else set()
    for picture in re.findall(r"!\[[^\]]*\]\(([^)\s]+)[^)]*\)", text):
        if "://" in picture:
            continue
        path = (folder / picture).resolve()
        if not path.is_file() or not path.is_relative_to(folder.resolve()):
            raise CheckpointError(f"{folder / CARD} shows {picture}, which is no file in its folder. Add or remove it.")
        pictures.add(path.relative_to(folder.resolve()).as_posix())
    text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?://|#)[^)]*\)", r"\1", text)
    if "use and rights" not in text.lower():
        text += _RIGHTS

    class_path = read_config(folder)["class_path"]
    draws = issubclass(_class(class_path), ImageModel)
    task = "unconditional-image-generation" if draws else _TASKS.get(class_path)  # no condition need be given
    facts = {
        "license": "other",
        "license_name": "see-use-and-rights",
        "license_link": f"https://huggingface.co/{repo}/blob/main/{CARD}",
        "library_name": "pokegen",
        "tags": ["pokemon", class_path.split(".")[-2]],
    } | ({"pipeline_tag": task} if task else {})
    use = f"pokegen sprites --model {HUB}{repo}" if draws else f'pokegen.hub.load("{HUB}{repo}")'
    front = yaml.safe_dump(facts | own, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n{text}\n**From the hub.** `{use}`\n", sorted(pictures)
