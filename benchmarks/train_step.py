"""The training step of an image model: inside `pokegen fit` against a plain loop, and bfloat16 against float32.

    python benchmarks/train_step.py                          dcgan on all cores; about two minutes on two
    python benchmarks/train_step.py --model all --json out/train_step.json

Three sides take the same step, with nets and settings of configs/MODEL.yaml, on the same batches in the same order. For
a GAN (gan, dcgan, cgan, projected_gan): DiffAugment, the adversarial and auxiliary losses, two Adams, averaged weights.
For a likelihood model (vae, cvae): its loss, AdamW with a warm-up, averaged weights.

    fit        Lightning's Trainer and pokegen's module with the config's settings: bf16-mixed, channels-last, CSV log,
               progress bar. No checkpoint, which is a cost per epoch, not per step.
    plain      the same in our own loop without Lightning: autocast to bfloat16, channels-last
    float32    that loop without autocast, all tensors contiguous

They are interleaved in one process. A callback counts the steps of `fit`; after every `--steps` of them it stops the
clock of `fit`, runs as many steps of the two loops (in alternating order), and starts the clock again. So other work of
the machine affects all three, and each round gives a ratio of consecutive measurements. Everything that the Trainer
does between two steps counts for `fit`. The first round is a warm-up and is left out.

After that round a third loop starts from the initial weights and random numbers of `fit`, takes as many steps, and must
end with the weights of `fit`; otherwise they do not do the same work, and the script stops. It equals `plain` but for
rounding: autocast keeps no casts, as in Lightning, and the weights have the memory layout of `fit`. `plain` keeps
casts, as PyTorch does by default, and is channels-last, so that it is not slower than necessary.

All sides keep freed memory, as `pokegen fit` does. Batches are held in memory (with `--root`, all sides read them
through SpriteDataModule, augmented). The peak memory of a side is measured in a separate process, and so is each model
of `--model all`. Exit status 1 if a limit is missed; for bfloat16 only dcgan has one.
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
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from pokegen.cli.fit import keep_memory

MODELS = ("gan", "dcgan", "cgan", "projected_gan", "vae", "cvae")
SIDES = ("fit", "plain", "float32")


def floors(model: str) -> dict[str, float]:
    return {"fit / plain": 0.95} | ({"plain / float32": 1.5} if model == "dcgan" else {})


class PlainLoop:
    """Training written out, without Lightning.

    Args:
        nets: the one that is averaged first.
        given: what the config sets of the module; the rest is written here.
        batches: as the loader lays them, channels-last.
        half: bfloat16, else float32 and all tensors contiguous.
        layout: of the weights.
        keep_casts: of a weight, for as long as it is not changed.
    """

    def __init__(
        self,
        nets: list[nn.Module],
        given: dict[str, Any],
        batches: Iterator[dict[str, Tensor]],
        half: bool,
        layout: torch.memory_format,
        keep_casts: bool,
    ):
        self.layout, self.half, self.keep_casts = layout, half, keep_casts
        self.nets: list[Any] = [copy.deepcopy(net).to(memory_format=layout) for net in nets]
        self.average = copy.deepcopy(nets[0]).requires_grad_(False)
        self.given, self.batches, self.images = given, batches, 0
        for net in self.nets if not half else ():  # whose own code may turn maps channels-last
            for layer in net.modules():
                if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                    layer.register_forward_pre_hook(lambda _, inputs: inputs[0].contiguous())

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, self.half, self.keep_casts)

    def next(self) -> dict[str, Tensor]:
        batch = next(self.batches)
        return batch if self.half else batch | {"image": batch["image"].contiguous()}

    @torch.no_grad()
    def average_weights(self, n: int) -> None:
        self.images += n
        weight = 1 - 0.5 ** (n / min(self.given.get("ema_images", 10_000), 0.1 * self.images))
        for mean, now in zip(self.average.state_dict().values(), self.nets[0].state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, weight)
            else:
                mean.copy_(now)


class AdversarialLoop(PlainLoop):
    def __init__(self, *args: Any):
        super().__init__(*args)
        betas = self.given.get("beta1", 0.5), self.given.get("beta2", 0.999)
        self.learning = [[p for p in net.parameters() if p.requires_grad] for net in self.nets]
        self.optimizers = [torch.optim.Adam(part, lr=2e-4, betas=betas, fused=True) for part in self.learning]

    def step(self) -> None:
        from pokegen.models import losses
        from pokegen.models.augment import diff_augment
        from pokegen.models.condition import OF_SPECIES, stack

        generator, discriminator = self.nets
        batch, loss = self.next(), self.given.get("loss", "hinge")
        full, rows = batch["image"], stack(batch, generator.conditions)
        start, end = self.given.get("condition_start", 0), self.given.get("condition_full", 0)
        strength = min(1.0, max(0.0, (self.images + 1 - start) / max(1, end - start)))

        if drop := self.given.get("condition_dropout"):
            of_species = torch.tensor([key in OF_SPECIES for key in generator.conditions])
            rows = rows.masked_fill((torch.rand(rows.shape) < drop) & of_species, -1)
        diversity = self.given.get("diversity", 0.0)
        conditions = rows[: (len(rows) + 1) // 2].repeat(2, 1)[: len(rows)] if diversity else rows
        options = {key: self.given[key] for key in ("rotation", "scale") if key in self.given}
        options["probability"] = self.given.get("augment_probability", 1.0)

        def judge(images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
            return discriminator(images.contiguous(memory_format=self.layout), rows, strength)

        with self.autocast():
            fake = generator(torch.randn(len(full), generator.latent_dim), conditions, strength)
            shown = full if full.shape == fake.shape else nn.functional.adaptive_avg_pool2d(full, fake.shape[-1])
            shown = diff_augment(shown, **options)
            real_logits, features = judge(shown, rows)
            fake_logits = judge(diff_augment(fake.detach(), **options), conditions)[0]
            total = getattr(losses, f"{loss}_discriminator")(real_logits, fake_logits)
            if hasattr(discriminator, "auxiliary_loss"):
                total = total + discriminator.auxiliary_loss(shown, features)
        self.optimizers[1].zero_grad()
        total.backward()
        self.optimizers[1].step()

        for parameter in self.learning[1]:
            parameter.requires_grad_(False)
        with self.autocast():
            logits, seen = judge(diff_augment(fake, **options), conditions)
            total = getattr(losses, f"{loss}_generator")(logits, real_logits.detach())
            if diversity:
                near = losses.pair_distance(features.detach()) - losses.pair_distance(seen)
                total = total + diversity * near.relu()
            if hasattr(generator, "auxiliary_loss"):
                total = total + generator.auxiliary_loss(full[: max(1, len(full) // 4)])
        self.optimizers[0].zero_grad()
        total.backward()
        self.optimizers[0].step()
        for parameter in self.learning[1]:
            parameter.requires_grad_(True)
        self.average_weights(len(full))


class LikelihoodLoop(PlainLoop):
    def __init__(self, *args: Any):
        super().__init__(*args)
        decay = self.given.get("weight_decay", 0.01)
        split = [[p for p in self.nets[0].parameters() if (p.ndim > 1) == matrices] for matrices in (True, False)]
        groups = [{"params": split[0], "weight_decay": decay}, {"params": split[1], "weight_decay": 0.0}]
        self.optimizer, self.steps = torch.optim.AdamW(groups, lr=0.0, fused=True), 0

    def step(self) -> None:
        (net,), batch = self.nets, self.next()
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.given.get("lr", 1e-3) * min(1, self.steps / self.given.get("warmup_steps", 100))
        with self.autocast():
            loss = net.loss(batch)["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        net.images_seen += len(batch["image"])
        self.average_weights(len(batch["image"]))


class Batches(torch.utils.data.Dataset):
    """The same few batches again and again: what a side learns from does not change its cost."""

    def __init__(self, batch_size: int, length: int, kinds: int = 8):
        from pokegen.models.condition import SIZES

        random = torch.Generator().manual_seed(0)
        images = torch.rand(kinds, batch_size, 3, 128, 128, generator=random) * 2 - 1
        rows = [{k: torch.randint(n, (batch_size,), generator=random) for k, n in SIZES.items()} for _ in images]
        pairs = zip(images, rows, strict=True)
        self.batches = [{"image": x.contiguous(memory_format=torch.channels_last)} | row for x, row in pairs]
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.batches[index % len(self.batches)]


def loader(args: argparse.Namespace) -> Any:
    """Batches enough for a side's whole run, and one to notice its end by, in the same order for each."""
    steps = (args.rounds + 1) * args.steps + 1
    if args.root is None:
        return torch.utils.data.DataLoader(Batches(args.batch, steps), batch_size=None)
    from pokegen.data.modules import SpriteDataModule

    module = SpriteDataModule(str(args.root), batch_size=args.batch, epoch_images=steps * args.batch)
    module.setup("fit")
    return module.train_dataloader()


def build(spec: dict[str, Any], **more: Any) -> Any:
    """The object that a config's class_path and init_args describe."""
    module, _, name = spec["class_path"].rpartition(".")
    return getattr(import_module(module), name)(**(spec.get("init_args", {}) | more))


def nets(args: argparse.Namespace) -> dict[str, nn.Module]:
    """The model's nets by the config's name of each, the one that is averaged first."""
    torch.manual_seed(0)
    width = {"width": args.width} if args.width else {}
    return {key: build(args.given[key], **width) for key in args.networks}


def plain_loop(
    args: argparse.Namespace, pair: dict[str, nn.Module], side: str, like: nn.Module | None = None
) -> AdversarialLoop | LikelihoodLoop:
    """The loop of a side. Of `like`, it takes the layout of the weights, and keeps no casts."""
    kind = AdversarialLoop if len(pair) == 2 else LikelihoodLoop
    last = side == "plain" if like is None else any(not p.is_contiguous() for p in like.parameters())
    layout = torch.channels_last if last else torch.contiguous_format
    return kind(list(pair.values()), args.given, iter(loader(args)), side == "plain", layout, like is None)


def run_fit(args: argparse.Namespace, module: Any, callbacks: list[Any]) -> None:
    """Train `module` on every batch of a loader, as `pokegen fit --config configs/MODEL.yaml --log csv` would."""
    import lightning as L

    from pokegen.models.condition import CONDITIONS
    from pokegen.tracking.runs import loggers

    class Data(L.LightningDataModule):
        conditions = (torch.zeros(1, len(CONDITIONS), dtype=torch.long), torch.ones(1))  # to sample from, unused

        def train_dataloader(self) -> Any:
            return loader(args)

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
        trainer.fit(module, datamodule=Data())


def paired(args: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each round, a list a side."""
    import lightning as L

    pair = nets(args)
    loops = {side: plain_loop(args, pair, side) for side in SIDES[1:]}
    module = build(args.config["model"], **copy.deepcopy(pair))
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}

    class Interleave(L.Callback):
        started = 0.0

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx % args.steps:
                return
            if batch_idx == 0:
                torch.manual_seed(1)
            else:
                seconds["fit"].append(time.perf_counter() - self.started)
                if batch_idx == args.steps:
                    check(module)
                for side in SIDES[1:] if len(seconds["fit"]) % 2 else SIDES[:0:-1]:
                    started = time.perf_counter()
                    for _ in range(args.steps):
                        loops[side].step()
                    seconds[side].append(time.perf_counter() - started)
            self.started = time.perf_counter()

    def check(module: Any) -> None:
        same = plain_loop(args, pair, "plain", like=module.network)
        torch.manual_seed(1)
        for _ in range(args.steps):
            same.step()
        demand_equal(next(iter(pair.values())), module.ema, same.average)

    run_fit(args, module, [Interleave()])
    return {side: values[1:] for side, values in seconds.items()}


def demand_equal(start: nn.Module, one: nn.Module, other: nn.Module) -> None:
    """Stop unless each part of `one` and `other` went the same way from `start`, but for a hundredth that threads may
    add up."""
    apart = 0.0
    for name in (name for name, part in start.named_children() if list(part.parameters())):
        flat = [parameters_to_vector(net.get_submodule(name).parameters()) for net in (start, one, other)]
        if (moved := (flat[1] - flat[0]).abs().sum()) or not flat[1].equal(flat[2]):
            apart = max(apart, ((flat[1] - flat[2]).abs().sum() / moved).item())
    print(f"the warm-up moved the averaged weights of fit and of a plain loop alike but for {apart:.1%}")
    if not apart < 0.01:
        sys.exit("They do different work, and cannot be compared.")


def alone(args: argparse.Namespace, side: str) -> None:
    """A few steps of one side, then print this process's peak memory in MiB."""
    pair = nets(args)
    if side == "fit":
        run_fit(args, build(args.config["model"], **pair), [])
    else:
        loop = plain_loop(args, pair, side)
        for _ in range((args.rounds + 1) * args.steps):
            loop.step()
    # Not ru_maxrss, which begins with the peak of the process that started this one
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)


def peak_memory(args: argparse.Namespace, side: str) -> int | None:
    """MiB, or None if unknown."""
    if not Path("/proc/self/status").is_file():
        return None
    options = {key: getattr(args, key) for key in ("model", "batch", "width", "threads")} | {"steps": 3, "rounds": 1}
    command = [sys.executable, __file__, "--alone", side, *(f"--{k}={v}" for k, v in options.items())]
    if args.root is not None:
        command.append(f"--root={args.root}")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return int(done.stdout.split()[-1])


def summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def each_model(argv: list[str], report: Path | None) -> int:
    """Measure every model in a process of its own, and its figures in a file of its own."""
    missed = []
    for model in MODELS:
        command = [sys.executable, __file__, *argv, f"--model={model}"]
        if report:
            command.append(f"--json={report.with_stem(f'{report.stem}-{model}')}")
        if subprocess.run(command).returncode:
            missed.append(model)
        print(flush=True)
    print(f"missed: {', '.join(missed) or 'none'}")
    return int(bool(missed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=(*MODELS, "all"), default="dcgan", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=12, help="measured rounds; default: %(default)s")
    parser.add_argument("--steps", type=int, default=4, help="steps of each side a round; default: %(default)s")
    parser.add_argument("--batch", type=int, default=0, help="images a step; default: as configured")
    parser.add_argument("--width", type=int, default=0, help="of the nets; default: as configured")
    parser.add_argument("--threads", type=int, default=0, help="default: torch's own choice")
    parser.add_argument("--root", type=Path, help="an import of sprites to draw batches from")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there; of all, FILE-MODEL")
    parser.add_argument("--alone", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    keep_memory()
    if min(args.rounds, args.steps) < 1 or min(args.batch, args.width, args.threads) < 0:
        parser.error("rounds and steps must be at least 1, batch, width and threads at least 0")
    if args.model == "all":
        return each_model(sys.argv[1:], args.json)
    if args.threads:
        torch.set_num_threads(args.threads)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    warnings.simplefilter("ignore")  # Lightning's, of a run as short as this
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

    args.config = yaml.safe_load((Path(__file__).parents[1] / "configs" / f"{args.model}.yaml").read_text())
    args.given = args.config["model"]["init_args"]
    args.networks = [key for key in ("generator", "discriminator", "network") if key in args.given]
    args.batch = args.batch or args.config["data"]["init_args"]["batch_size"]
    if args.alone:
        alone(args, args.alone)
        return 0

    threads = torch.get_num_threads()
    width = f"width {args.width}" if args.width else "width as configured"
    print(f"{args.model}, {width}, batch {args.batch}, torch {torch.__version__}, {threads} threads")
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
    least = floors(args.model)
    missed = [name for name, floor in least.items() if ratios[name]["median"] < floor]
    for name, values in ratios.items():
        row = "".join(f"{values[key]:>10.3f}" for key in ("median", "low", "high"))
        limit = f"{least[name]:>10} {'MISSED' if name in missed else 'ok'}" if name in least else ""
        print(f"{name:<18}{row}{limit}")

    if args.json:
        setting = {key: getattr(args, key) for key in ("model", "rounds", "steps", "batch", "width")}
        setting |= {"threads": threads, "torch": torch.__version__, "machine": platform.machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {"setting": setting, "images_per_second": speed, "ratios": ratios, "peak_mib": memory}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
        print(args.json)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
