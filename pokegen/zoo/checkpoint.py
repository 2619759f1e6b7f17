"""Zoo checkpoints: folders NAME/{model.safetensors, config.yaml, README.md}, loaded without Lightning or pickle.

config.yaml contains the class of the network, its constructor arguments, a version, and the hash of the weights:

    class_path: pokegen.models.cgan.CGANGenerator
    init_args: {latent_dim: 128, width: 48, embedding_dim: 64}
    version: "1"
    sha256: 5c1f…
    training: {…}    examples seen, seed, data, software

`load` reads such a folder; `export` makes one from a run of `pokegen fit`. `hf:owner/name`, or `hf:owner/name@revision`
with a branch, tag or commit, is one on the Hugging Face hub: `push` uploads it, and `load` downloads it into the hub's
own cache.
"""

import hashlib
import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save as serialize
from torch import Tensor, nn

from pokegen import __version__, files, moved, trust
from pokegen.errors import CheckpointError, UserError
from pokegen.models.network import Network

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.yaml", "README.md"
DISCRIMINATOR = "discriminator.safetensors"  # next to a GAN's generator, if it was exported too
FORMAT = 1

# The classes of pokegen that `load` builds. The config of an agent also names an environment.
AGENTS = {
    "pokegen.game.agents.demonstrations": ("BCActorCritic",),
    "pokegen.game.agents.dqn": ("QNetwork",),
    "pokegen.game.agents.maddpg": ("MADDPGActors",),
    "pokegen.game.agents.ppo": ("ActorCritic",),
    "pokegen.game.battle.agent": ("BattleNetwork",),
}
CLASSES = AGENTS | {
    "pokegen.game.video.cloning": ("Policy",),
    "pokegen.game.video.idm": ("FirstInverseDynamics", "InverseDynamics"),
    "pokegen.game.video.reward": ("RewardModel",),
    "pokegen.models.autoregressive": ("Autoregressive",),
    "pokegen.models.cgan": ("CGANGenerator",),
    "pokegen.models.classifier": ("Classifier",),
    "pokegen.models.cvae": ("CVAE",),
    "pokegen.models.dcgan": ("DCGANGenerator",),
    "pokegen.models.gan": ("GANGenerator",),
    "pokegen.models.names": ("NameModel", "NameTrainer"),
    "pokegen.models.pixel_gan": ("PixelGANGenerator",),
    "pokegen.models.projected_gan": ("ProjectedGANGenerator",),
    "pokegen.models.reader": ("Reader",),
    "pokegen.models.stats": ("StatsModel",),
    "pokegen.models.tokenizer": ("Tokenizer",),
    "pokegen.models.vae": ("VAE",),
}

_KEYS = {"class_path": str, "init_args": dict, "version": object, "sha256": str}


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a checkpoint folder. CheckpointError if it is missing or incomplete."""
    try:
        config = dict(moved.renewed(trust.read_yaml(read_file(folder, CONFIG, trust.CONFIG_BYTES))))
        missing = _KEYS.keys() - config.keys()
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is not a checkpoint: {CONFIG} is missing.") from error
    except OSError as error:
        raise CheckpointError(f"{folder / CONFIG} cannot be read: {error.strerror}.") from error
    except UserError:
        raise
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG} is not a checkpoint's config.") from error
    if missing:
        raise CheckpointError(f"{folder / CONFIG} has no {', '.join(sorted(missing))}.")
    if config.get("format", FORMAT) != FORMAT:
        shown = str(config["format"])[:20]
        raise CheckpointError(f"{folder} has format {shown}; pokegen {__version__} reads {FORMAT}.")
    for key, kind in (_KEYS | {"training": dict}).items():
        if not isinstance(config.get(key, {}), kind):
            raise CheckpointError(f"{folder / CONFIG} is not a checkpoint's config: {key} is not a {kind.__name__}.")
    return config


def read_file(folder: Path, name: str, limit: int) -> bytes:
    """A file of a checkpoint folder, see trust.read_inside."""
    return trust.read_inside(folder, name, limit, root(folder))


def root(folder: Path) -> Path:
    """The folder that must contain a checkpoint's files: its own; in the hub's cache of links, the repository's."""
    folder = folder.resolve()
    cached = folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--")
    return folder.parent.parent if cached else folder


def place(path: str) -> tuple[str, str]:
    """Module and name of a class that a checkpoint may have: one of CLASSES, or one of `own_classes`. CheckpointError
    for any other; nothing is imported to find out."""
    module, _, name = path.rpartition(".")
    if module == "pokegen.models":  # recorded by `fit` for a class given by name alone
        module = next((m for m, names in CLASSES.items() if m.startswith(module) and name in names), module)
    if name not in CLASSES.get(module, ()) and path not in own_classes():
        raise CheckpointError(
            f"Checkpoints contain models of pokegen, not {path[:80]!r}. If it is your own class, import it first."
        )
    return module, name


def own_classes() -> dict[str, type[Network]]:
    """The user's own networks, by class path: subclasses of Network outside pokegen that the program has imported."""
    found: dict[str, type[Network]] = {}
    waiting: list[type[Network]] = [Network]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        waiting += subclasses
        found |= {f"{kind.__module__}.{kind.__qualname__}": kind for kind in subclasses}
    return {path: kind for path, kind in found.items() if path.partition(".")[0] != "pokegen"}


def class_of(path: str) -> type[Network]:
    """The class of a checkpoint, see `place`."""
    module, name = place(path)
    return own_classes().get(path) or getattr(importlib.import_module(module), name)


def is_agent(path: str) -> bool:
    """Whether a checkpoint's class is an agent, whose config names an environment."""
    return place(path)[0] in AGENTS or hasattr(own_classes().get(path), "plain_spaces")


def save(
    network: nn.Module, folder: Path, class_path: str, init_args: dict[str, Any], half: bool = False, **facts: Any
) -> None:
    """Write a checkpoint folder atomically. An existing checkpoint is replaced, but its model card is kept.

    Args:
        network: its state is written.
        folder: checkpoints/NAME.
        class_path, init_args: class and arguments that rebuild the network.
        half: write float32 weights as float16.
        facts: `version`, `training` and other entries of config.yaml.

    CheckpointError for weights that are not finite, and if the folder is not a checkpoint.
    """
    with replacing(folder) as work:
        fill(work, network, class_path, init_args, half, facts)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write a checkpoint into, which replaces `folder` at the end. It already contains the files that
    people added to the existing checkpoint, such as the model card and its pictures."""

    def copy(source: str, target: str) -> None:
        try:
            shutil.copy2(source, target)
        except OSError as error:  # copytree would wrap it, without its number
            raise files.cannot_write(folder, error) from error

    with files.atomic_folder(folder) as work:
        if folder.exists() and any(folder.iterdir()):
            try:
                read_config(folder)
            except CheckpointError as error:
                raise CheckpointError(f"{folder} exists and is not a checkpoint. Choose another name.") from error
            kept = shutil.ignore_patterns(WEIGHTS, CONFIG, DISCRIMINATOR)
            shutil.copytree(folder, work, symlinks=True, ignore=kept, copy_function=copy, dirs_exist_ok=True)
        yield work


def fill(
    work: Path, network: nn.Module, class_path: str, init_args: dict[str, Any], half: bool, facts: dict[str, Any]
) -> None:
    """Write the weights and the config."""
    if spaces := getattr(network, "plain_spaces", None):  # of an agent, so that loading it makes no environment
        init_args = init_args | {"plain_spaces": spaces()}
    state = {
        key: (value.half() if half and fits_half(value) else value).contiguous().clone()
        for key, value in network.state_dict().items()
    }
    for key, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise CheckpointError(f"{key} contains NaN or infinity: the training failed. Export an earlier checkpoint.")
    weights = serialize(state)
    digest = hashlib.sha256(weights).hexdigest()
    config = {"format": FORMAT, "class_path": class_path, "init_args": init_args, **facts, "sha256": digest}
    (work / WEIGHTS).write_bytes(weights)
    (work / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def fits_half(value: Tensor) -> bool:
    """Whether float32 values stay finite as float16, whose largest value is 65,504."""
    return value.dtype == torch.float32 and bool(value.half().isfinite().all())
