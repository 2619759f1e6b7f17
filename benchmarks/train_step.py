"""The training step of dcgan: inside `pokegen fit` against a plain loop, and bfloat16 against float32.

    python benchmarks/train_step.py                          all cores; about two minutes on two
    python benchmarks/train_step.py --threads 1 --json out/train_step.json

Three sides take the same step: dcgan's nets, DiffAugment, binary cross-entropy, Adam, averaged weights; one order of
one set of batches.

    fit        Lightning's Trainer and pokegen's AdversarialModule as configs/dcgan.yaml sets them: bf16-mixed,
               channels-last, CSV log, progress bar. No checkpoint: that is the cost of an epoch, not of a step.
    plain      the same in a loop of our own, with no Lightning: autocast to bfloat16, channels-last
    float32    that loop without autocast, all tensors contiguous

They are interleaved in one process. A callback counts the steps of `fit`; after every `--steps` of them it stops the
clock of `fit`, runs as many steps of the two loops (in turns one first, then the other), and starts it again. So the
three share whatever else the machine does, and each round yields a ratio of neighbours. All that the Trainer does
between two steps counts as `fit`'s. The first round warms up and is left out.

In that first round `fit` and `plain` start from the same weights and random numbers, and must end with the same
weights, or they would not do the same work; the script stops then. For that round alone autocast keeps no casts, as in
Lightning, since kept ones round a sum of gradients in another place. Later it keeps them, as PyTorch does by default:
the plain loop is not to be slower than it need be.

Batches lie in memory (`--root` reads them through SpriteDataModule, augmented, on every side). The peak memory of a
side is measured in a process of its own. Exit status 1 where a figure is missed.
"""

import argparse
import contextlib
import copy
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FLOORS = {"fit / plain": 0.95, "plain / float32": 1.5}
SIDES = ("fit", "plain", "float32")


class PlainLoop:
    """A GAN's step written out, without Lightning. `half`: bfloat16 and channels-last, else float32 and contiguous."""

    def __init__(self, nets: tuple[nn.Module, nn.Module], batches: Iterator[dict[str, Tensor]], half: bool):
        self.layout = torch.channels_last if half else torch.contiguous_format
        self.generator, self.discriminator = (copy.deepcopy(net).to(memory_format=self.layout) for net in nets)
        self.average = copy.deepcopy(nets[0]).requires_grad_(False)
        self.batches, self.half, self.images = batches, half, 0
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
            for net in (self.generator, self.discriminator)
        ]

    def draw(self, n: int) -> Tensor:
        latent = torch.randn(n, self.generator.latent_dim)
        if self.half:
            return self.generator(latent)
        return self.generator.net(latent[:, :, None, None])  # its forward would turn all maps channels-last

    def judge(self, images: Tensor) -> Tensor:
        from pokegen.models.augment import diff_augment

        return self.discriminator(diff_augment(images).contiguous(memory_format=self.layout))[0]

    def step(self, keep_casts: bool = True) -> None:
        from pokegen.models.losses import bce_discriminator, bce_generator

        real = next(self.batches)["image"].contiguous(memory_format=self.layout)
        generator_step, discriminator_step = self.optimizers
        with torch.autocast("cpu", torch.bfloat16, self.half, keep_casts):
            fake = self.draw(len(real))
            loss = bce_discriminator(self.judge(real), self.judge(fake.detach()))
        discriminator_step.zero_grad()
        loss.backward()
        discriminator_step.step()

        self.discriminator.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, self.half, keep_casts):
            loss = bce_generator(self.judge(fake))
        generator_step.zero_grad()
        loss.backward()
        generator_step.step()
        self.discriminator.requires_grad_(True)

        self.images += len(real)
        self.average_weights(len(real))

    @torch.no_grad()
    def average_weights(self, n: int) -> None:
        weight = 1 - 0.5 ** (n / min(10_000, 0.1 * self.images))
        for mean, now in zip(self.average.state_dict().values(), self.generator.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, weight)
            else:
                mean.copy_(now)


class Batches(torch.utils.data.Dataset):
    """The same few batches again and again: what a side learns from does not change its cost."""

    def __init__(self, batch_size: int, length: int, kinds: int = 8):
        random = torch.Generator().manual_seed(0)
        images = torch.rand(kinds, batch_size, 3, 128, 128, generator=random) * 2 - 1
        row = {key: torch.zeros(batch_size, dtype=torch.long) for key in ("type1", "type2", "color", "legendary")}
        self.batches = [{"image": x.contiguous(memory_format=torch.channels_last)} | row for x in images]
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.batches[index % len(self.batches)]


def loader(args: argparse.Namespace) -> Any:
    """Batches enough for a side's whole run, in the same order for each."""
    steps = (args.rounds + 1) * args.steps
    if args.root is None:
        return torch.utils.data.DataLoader(Batches(args.batch, steps), batch_size=None)
    from pokegen.data.modules import SpriteDataModule

    module = SpriteDataModule(str(args.root), batch_size=args.batch, epoch_images=steps * args.batch)
    module.setup("fit")
    return module.train_dataloader()


def nets(width: int) -> tuple[nn.Module, nn.Module]:
    from pokegen.models import dcgan

    torch.manual_seed(0)
    return dcgan.Generator(width=width), dcgan.Discriminator(width=width)


def run_fit(args: argparse.Namespace, module: Any, callbacks: list[Any]) -> None:
    """Train `module` on every batch of a loader, as `pokegen fit --config configs/dcgan.yaml --log csv` would."""
    import lightning as L

    from pokegen.tracking.runs import loggers

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        trainer = L.Trainer(
            accelerator="cpu",
            precision="bf16-mixed",
            max_epochs=1,
            limit_val_batches=0,
            logger=loggers(Path(folder), "csv"),
            enable_checkpointing=False,
            enable_model_summary=False,
            callbacks=callbacks,
        )
        trainer.fit(module, loader(args))


def paired(args: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each round, a list a side."""
    import lightning as L

    from pokegen.models.training import AdversarialModule

    pair = nets(args.width)
    loops = {side: PlainLoop(pair, iter(loader(args)), half=side == "plain") for side in SIDES[1:]}
    module = AdversarialModule(*copy.deepcopy(pair), loss="bce")
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}

    class Interleave(L.Callback):
        started = 0.0

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 0:
                torch.manual_seed(1)
                self.started = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if (batch_idx + 1) % args.steps:
                return
            seconds["fit"].append(time.perf_counter() - self.started)
            first = len(seconds["fit"]) == 1
            for side in SIDES[1:] if len(seconds["fit"]) % 2 else SIDES[:0:-1]:
                if first:
                    torch.manual_seed(1)
                started = time.perf_counter()
                for _ in range(args.steps):
                    loops[side].step(keep_casts=not first)
                seconds[side].append(time.perf_counter() - started)
            if first:
                demand_equal(pair[0], module.ema, loops["plain"].average)
            self.started = time.perf_counter()

    run_fit(args, module, [Interleave()])
    return {side: values[1:] for side, values in seconds.items()}


def demand_equal(start: nn.Module, one: nn.Module, other: nn.Module) -> None:
    """Stop unless `one` and `other` went the same way from `start`, but for a hundredth that threads may add up."""
    flat = [torch.cat([p.flatten() for p in net.parameters()]) for net in (start, one, other)]
    apart = ((flat[1] - flat[2]).abs().sum() / (flat[1] - flat[0]).abs().sum()).item()
    print(f"the warm-up moved the averaged weights of fit and plain alike but for {apart:.1%}")
    if not apart < 0.01:
        sys.exit("They do different work, and cannot be compared.")


def alone(args: argparse.Namespace, side: str) -> None:
    """A few steps of one side, then print this process's peak memory in MiB."""
    pair = nets(args.width)
    if side == "fit":
        from pokegen.models.training import AdversarialModule

        run_fit(args, AdversarialModule(*pair, loss="bce"), [])
    else:
        loop = PlainLoop(pair, iter(loader(args)), half=side == "plain")
        for _ in range((args.rounds + 1) * args.steps):
            loop.step()
    # Not ru_maxrss, which begins with the peak of the process that started this one
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)


def peak_memory(args: argparse.Namespace, side: str) -> int | None:
    """MiB, or None where the system does not tell."""
    if not Path("/proc/self/status").is_file():
        return None
    options = {"batch": args.batch, "width": args.width, "threads": args.threads, "steps": 3, "rounds": 1}
    command = [sys.executable, __file__, "--alone", side, *(f"--{k}={v}" for k, v in options.items())]
    if args.root is not None:
        command.append(f"--root={args.root}")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return int(done.stdout.split()[-1])


def summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="measured rounds; default: %(default)s")
    parser.add_argument("--steps", type=int, default=4, help="steps of each side a round; default: %(default)s")
    parser.add_argument("--batch", type=int, default=64, help="images a step; default: %(default)s")
    parser.add_argument("--width", type=int, default=32, help="of the nets; default: %(default)s, as configured")
    parser.add_argument("--threads", type=int, default=0, help="default: torch's own choice")
    parser.add_argument("--root", type=Path, help="an import of sprites to draw batches from")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--alone", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.rounds, args.steps, args.batch, args.width) < 1:
        parser.error("rounds, steps, batch and width must be at least 1")
    if args.threads:
        torch.set_num_threads(args.threads)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    warnings.simplefilter("ignore")  # Lightning's, of a run as short as this
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    if args.alone:
        alone(args, args.alone)
        return 0

    threads = torch.get_num_threads()
    print(f"dcgan, width {args.width}, batch {args.batch}, torch {torch.__version__}, {threads} threads")
    seconds = paired(args)
    images = args.steps * args.batch
    speed = {side: summary([images / s for s in values]) for side, values in seconds.items()}
    ratios = {
        f"{one} / {other}": summary([b / a for a, b in zip(seconds[one], seconds[other], strict=True)])
        for one, other in (("fit", "plain"), ("plain", "float32"))
    }
    memory = {side: peak_memory(args, side) for side in SIDES}

    print(f"\n{'side':<18}{'images/s':>10}{'lowest':>10}{'highest':>10}{'peak MiB':>10}")
    for side, values in speed.items():
        row = "".join(f"{values[key]:>10.1f}" for key in ("median", "low", "high"))
        print(f"{side:<18}{row}{memory[side] or '?':>10}")
    print(f"\n{'ratio of images/s':<18}{'median':>10}{'lowest':>10}{'highest':>10}{'at least':>10}")
    for name, values in ratios.items():
        row = "".join(f"{values[key]:>10.3f}" for key in ("median", "low", "high"))
        print(f"{name:<18}{row}{FLOORS[name]:>10} {'ok' if values['median'] >= FLOORS[name] else 'MISSED'}")

    if args.json:
        setting = {key: getattr(args, key) for key in ("rounds", "steps", "batch", "width")}
        setting |= {"threads": threads, "torch": torch.__version__, "machine": platform.machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {"setting": setting, "images_per_second": speed, "ratios": ratios, "peak_mib": memory}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
        print(args.json)
    return int(any(values["median"] < FLOORS[name] for name, values in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
