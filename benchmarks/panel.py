"""The cost of the evaluation panel on 2,000 sprites of the shipped cgan, and of scoring during training.

    python benchmarks/panel.py                                  needs an import of real sprites in data/sprites

The first must take under 3 minutes and 4 GiB on two cores. The second is timed in a short run of configs/cgan.yaml that
is scored after its 4,000 images; it must cost under 10 % of the time for 20,000 images, the interval between scores.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pokegen.cli.main import main as pokegen
from pokegen.evaluation.callback import KernelDistance


def run_panel(out: Path) -> tuple[float, float]:
    """Seconds, and GiB at the highest."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "pokegen.cli.main", "evaluate", "sprites", "--model", "cgan", "--count", "2000"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def run_training(runs: Path) -> float:
    """Share of a run's time that the score takes."""
    score, spent = KernelDistance.on_train_epoch_end, []

    def timed(self: KernelDistance, *arguments: Any) -> None:
        start = time.perf_counter()
        score(self, *arguments)
        spent.append(time.perf_counter() - start)

    start = time.perf_counter()
    options = ["--runs", str(runs), "--log", "csv", "--trainer.max_epochs", "1", "--score_images", "4000"]
    with patch.object(KernelDistance, "on_train_epoch_end", timed):
        if pokegen(["fit", "--config", "configs/cgan.yaml", *options]):
            raise SystemExit(1)
    training = time.perf_counter() - start - sum(spent)
    return sum(spent) / (sum(spent) + training * 20_000 / 4_000)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = run_panel(Path(folder) / "out")
        print(f"panel of 2,000 sprites: {seconds:.0f} s, {memory:.2f} GiB", flush=True)
        share = run_training(Path(folder) / "runs")
        print(f"score every 20,000 images: {100 * share:.1f} % of the run")
    return int(seconds > 180 or memory > 4 or share > 0.1)


if __name__ == "__main__":
    sys.exit(main())
