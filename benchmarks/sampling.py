"""The time to sample sprites from a loaded model: one, and a thousand, compared with the bare network.

    python benchmarks/sampling.py                            every shipped sprite model
    python benchmarks/sampling.py --model dcgan hf:ada/my-cgan --json out/sampling.json

    one       `Generator.sprites(1, seed=i)`, on one thread as always: milliseconds of each of `--calls` calls, after a
              warm-up call
    many      `Generator.sprites(1000)`: seconds of the call, in batches of 32
    bare      the model's `render` of as many precomputed latents and conditions, in batches of the same size, on one
              thread; the rest is the cost of sampling latents, of conversion to bytes, and of everything else

Calls of `one` and of its bare network alternate, and so do batches for the ratio of `many`, so that other work of the
machine affects both alike. Exit status 1 if a limit is missed.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pokegen import zoo
from pokegen.cards.generator import SPRITE_BATCH, Generator
from pokegen.cards.request import Request
from pokegen.errors import UserError

MOST_ONE, MOST_MANY = 150.0, 60.0  # milliseconds, median; seconds


def clocked(call: Callable[[], Any]) -> float:
    """Seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def bare(model: Any, n: int, seed: int) -> Callable[[], Any]:
    """The network alone, of `n` latents and conditions that are drawn before the clock starts."""
    random = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        latent, embedded = model.latents(n, random), model.embed(model.sample_conditions(n, generator=random))

    def call() -> None:
        with torch.inference_mode():
            model.render(latent, embedded)

    return call


def measure(model: Any, calls: int, count: int) -> dict[str, float]:
    """Milliseconds of one sprite (median, 95th percentile), seconds of `count`, and both of the bare network."""
    generator = Generator(sprites=model)
    one: list[float] = []
    one_bare: list[float] = []
    for i in range(calls + 1):
        ours, network = partial(generator.sprites, 1, seed=i), bare(model, 1, i)
        if i % 2:
            one.append(1000 * clocked(ours))
        one_bare.append(1000 * clocked(network))
        if not i % 2:
            one.append(1000 * clocked(ours))
    one, one_bare = one[1:], one_bare[1:]  # the first warms up

    many = clocked(lambda: generator.sprites(count))
    batches = generator.sprite_batches(Request(count=count))
    again = many_bare = 0.0
    for start in range(0, count, SPRITE_BATCH):
        network = bare(model, min(SPRITE_BATCH, count - start), start)
        again += clocked(lambda: next(batches))
        many_bare += clocked(network)
    return {
        "one_ms": statistics.median(one),
        "one_p95_ms": percentile(one, 95),
        "one_bare_ms": statistics.median(one_bare),
        "one_ratio": statistics.median(a / b for a, b in zip(one, one_bare, strict=True)),
        "many_s": many,
        "many_bare_s": many_bare,
        "many_ratio": again / many_bare,
    }


def percentile(values: list[float], share: int) -> float:
    """The smallest value that `share` percent of them do not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def shipped() -> list[str]:
    """Those of the zoo that draw sprites, as every sprite model says."""
    return [name for name in zoo.available() if hasattr(zoo.load(name).model, "conditions")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", help="zoo names or checkpoint folders; default: every shipped one")
    parser.add_argument("--calls", type=int, default=50, help="of one sprite; default: %(default)s")
    parser.add_argument("--count", type=int, default=1000, help="sprites of the one large call; default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    args = parser.parse_args()
    if min(args.calls, args.count) < 1:
        parser.error("calls and count must be at least 1")
    torch.set_num_threads(1)  # what Generator does for itself, and the bare network is to have no more

    columns = ("one ms", "p95 ms", "bare ms", "ratio", f"{args.count:,} s", "bare s", "ratio")
    print(f"torch {torch.__version__}, {args.calls} calls of one sprite, one of {args.count:,}; one thread\n")
    print(f"{'model':<20}" + "".join(f"{title:>11}" for title in columns))
    figures: dict[str, dict[str, float]] = {}
    try:
        for name in args.model or shipped():
            figures[name] = measure(zoo.load(name).model, args.calls, args.count)
            print(f"{name:<20}" + "".join(f"{value:>11.2f}" for value in figures[name].values()), flush=True)
    except UserError as error:
        sys.exit(f"sampling.py: {error}")

    most_many = MOST_MANY * args.count / 1000
    missed = [name for name, row in figures.items() if row["one_ms"] > MOST_ONE or row["many_s"] > most_many]
    verdict = f"MISSED by {', '.join(missed)}" if missed else "ok"
    print(f"\nat most {MOST_ONE:g} ms (median) and {most_many:g} s: {verdict}")
    if args.json:
        setting = {"calls": args.calls, "count": args.count, "torch": torch.__version__, "machine": platform.machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"setting": setting, "models": figures}, indent=2) + "\n")
        print(args.json)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
