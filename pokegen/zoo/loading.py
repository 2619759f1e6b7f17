"""Loads checkpoints: nothing is unpickled, and no model is built that is larger than the weights."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from pokegen import __version__, trust
from pokegen.errors import CheckpointError, UserError
from pokegen.zoo.checkpoint import CONFIG, DISCRIMINATOR, WEIGHTS, class_of, is_agent, read_config, root
from pokegen.zoo.download import HUB, available, folder_of, repository


@dataclass(frozen=True)
class Loaded:
    """A network from the zoo, in evaluation mode and float32, and its config."""

    model: Any  # an nn.Module with `.sample`
    name: str
    version: str
    config: dict[str, Any]

    @property
    def label(self) -> str:
        return trust.visible(f"{self.name} {self.version}")


def check(config: dict[str, Any], source: str, own: tuple[str, Mapping[str, Any]] | bool | None = None) -> None:
    """CheckpointError for the config of a class that checkpoints may not have, and of an agent whose environment could
    run a program, see trust.check_environment; `own` as in `load`."""
    arguments = config["init_args"]
    if not is_agent(config["class_path"]):
        return
    if not isinstance(arguments.get("plain_spaces"), dict):
        raise CheckpointError(f"{source} has no plain_spaces, which agents need. Export it again.")
    if own is not True:
        try:
            trust.check_environment(source, arguments.get("env"), arguments.get("options"), own or None)
        except UserError as error:
            raise CheckpointError(str(error)) from error


def load(name: str | Path, own: tuple[str, Mapping[str, Any]] | bool | None = None) -> Loaded:
    """Load a checkpoint by zoo name, folder or `hf:owner/name`, and check that the weights belong to the config.

    Loading makes no environment, and builds no model that is larger than the weights. The class must be one of
    pokegen's models, or a subclass of Network that the program has imported.

    Args:
        name: of the checkpoint.
        own: id and options of the environment given by the user, which an agent may then have; True for a checkpoint
            that the user has just made. See `check`.

    CheckpointError for a checkpoint that is missing, incomplete, altered, made by an incompatible version, of another
    class, or of an agent whose environment could run a program.
    """
    folder = folder_of(name)
    config = read_config(folder)
    check(config, str(name), own)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder} is incomplete: {WEIGHTS} is missing. Copy or export the checkpoint again.")
    try:
        weights = trust.inside(folder, WEIGHTS, root(folder))
        with open(weights, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != config["sha256"]:
            raise CheckpointError(
                f"{folder / WEIGHTS} was altered: its hash differs from the one in {CONFIG}. Copy or export it again."
            )
        kind, arguments = class_of(config["class_path"]), config["init_args"]
        if str(name) not in available():  # shipped ones fit, and cards must be fast
            _measure(kind, arguments, weights)
        model = kind(**arguments)
        model.load_state_dict(load_file(weights))  # float16 becomes the parameter's own float32
    except UserError as error:
        raise error if isinstance(error, CheckpointError) else CheckpointError(str(error)) from error
    except (
        *(OSError, AttributeError, ImportError, TypeError, ValueError, RuntimeError, SafetensorError),
        *(ArithmeticError, AssertionError, LookupError, MemoryError),  # from arguments that the class does not expect
    ) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{folder} does not fit pokegen {__version__}: {detail}") from error
    shown = repository(str(name))[0].rpartition("/")[2] if str(name).startswith(HUB) else folder.resolve().name
    return Loaded(model.eval().requires_grad_(False), shown, str(config["version"]), config)


def _measure(kind: type[nn.Module], arguments: dict[str, Any], weights: Path) -> None:
    """Build the model without memory, on the meta device, and load the shapes of the weights: arguments that do not fit
    raise RuntimeError before anything is allocated. Intermediate tensors and modules are limited too."""
    with safe_open(weights, "pt") as file:
        names = file.keys()
        shapes = {name: file.get_slice(name).get_shape() for name in names}
    left = {"numbers": 4 * sum(map(math.prod, shapes.values())) + 2**24, "modules": 10_000}

    def spend(what: str, amount: int) -> None:
        left[what] -= amount
        if left[what] < 0:
            raise ValueError(f"its arguments describe a much larger model than {WEIGHTS} contains")

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


class _Unset(TorchFunctionMode):
    """Skips random initialisation: on the meta device it has no effect, but imports torch._dynamo, which takes
    seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in ("uniform_", "normal_", "kaiming_uniform_", "orthogonal_"):
            return args[0] if args else given["tensor"]
        if func is torch.randn:
            return torch.empty(*args, **given)
        return func(*args, **given)


def load_discriminator(name: str | Path) -> dict[str, Tensor]:
    """The weights that `export_discriminator` wrote into a checkpoint, or {}. CheckpointError for a file that is not
    safetensors, and for a link out of the checkpoint's folder."""
    folder = folder_of(name)
    try:
        path = trust.inside(folder, DISCRIMINATOR, root(folder))
        return load_file(path) if path.is_file() else {}
    except UserError as error:
        raise CheckpointError(str(error)) from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / DISCRIMINATOR} is damaged ({error}). Copy or export it again.") from error
