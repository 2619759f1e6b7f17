"""Makes a checkpoint from a run of `pokegen fit`."""

import json
import pickle
import platform
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save as serialize

from pokegen import __version__, files, moved, trust
from pokegen.errors import CheckpointError, UserError
from pokegen.zoo.checkpoint import CONFIG, DISCRIMINATOR, class_of, fill, fits_half, is_agent, place, replacing
from pokegen.zoo.loading import load
from pokegen.zoo.model_card import write_card


def export(
    run: Path,
    folder: Path,
    version: str = "1",
    half: bool = True,
    also: Callable[[Path], None] = lambda folder: None,
) -> dict[str, Any]:
    """Make a zoo checkpoint from the averaged weights of a run of `pokegen fit`. Returns its config.

    Args:
        run: a run's folder (its best, else its last checkpoint is used), or one of its .ckpt files.
        folder: where to write, for example checkpoints/cgan.
        version: shown on cards next to the model's name.
        half: write float16, which halves the file; sampling still uses float32.
        also: called with the new folder, to add pictures before it replaces an old one.
    """
    checkpoint = run if run.is_file() else _checkpoint_of(run)
    run = checkpoint.parent.parent
    try:
        settings = moved.renewed(trust.read_yaml(trust.read_inside(run, CONFIG, trust.CONFIG_BYTES)))
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        arguments = settings["model"]["init_args"]
        spec = arguments.get("generator") or arguments["network"]
        state = {k.removeprefix("ema."): v for k, v in saved["state_dict"].items() if k.startswith("ema.")}
        class_path, init_args = ".".join(place(spec["class_path"])), dict(spec.get("init_args", {}))
        if is_agent(class_path):  # the run may be a stranger's: do not make its environment
            if "plain_spaces" in saved:
                init_args["plain_spaces"] = saved["plain_spaces"]
            else:  # from a version that did not save them
                trust.check_environment(str(run), init_args["env"], init_args.get("options"))
        network: Any = class_of(class_path)(**init_args)
        network.load_state_dict(state)
    except (
        *(OSError, EOFError, KeyError, AttributeError, TypeError, RuntimeError, yaml.YAMLError),
        *(pickle.UnpicklingError, struct.error),  # from torch, for a file of another kind
    ) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointError(f"{run} cannot be exported: {detail}") from error
    network.eval().calibrate()
    class_path, init_args = network.exported() or (class_path, init_args)
    data = settings["data"].get("init_args", {})
    training = {
        "examples": int(saved["state_dict"]["images_seen"]),
        "epochs": int(saved["epoch"]) + 1,
        **({"began with": _describe_init_from(Path(start))} if (start := settings.get("init_from")) else {}),
        "seed": settings.get("seed_everything"),
        "data": settings["data"]
        | {"init_args": {k: v for k, v in data.items() if k not in ("root", "recordings")}},  # local paths
        "software": {"pokegen": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    } | run_facts(run, int(saved["state_dict"]["images_seen"]))
    with replacing(folder) as work:
        fill(work, network, class_path, init_args, half, {"version": version, "training": training})
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
    state = {key: value.half() if fits_half(value) else value for key, value in mine.items() if key[:4] != "net."}
    weights = serialize({key: value.contiguous() for key, value in state.items()})
    return files.write(folder / DISCRIMINATOR, weights)


def _describe_init_from(source: Path) -> str:
    """The source of a run's initial weights, without local folders."""
    return f"run {source.absolute().parent.parent.name}" if source.suffix == ".ckpt" else source.name


def run_facts(run: Path, examples: int) -> dict[str, Any]:
    """Facts from the run's record: hash of the data, share of the run's hours, hardware. {} without a record."""
    try:
        record = json.loads(trust.read_inside(run, "run.json", trust.CONFIG_BYTES))
        hours = record["seconds"] / 3600 * min(1.0, examples / max(1, record["images_seen"]))
        hardware = record["gpu"] or f"{record['threads']} CPU thread{'s' * (record['threads'] > 1)}"
        return {"data_hash": record["data_hash"], "hours": round(hours, 2), "hardware": hardware}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return {}


def _checkpoint_of(run: Path) -> Path:
    found = [path for name in ("best", "last") if (path := run / "checkpoints" / f"{name}.ckpt").is_file()]
    if not found:
        raise UserError(
            f"No checkpoint in {run / 'checkpoints'}. Give a run's folder, such as runs/cgan, or a .ckpt file."
        )
    return found[0]
