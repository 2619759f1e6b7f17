"""The time of a card from a cold start, compared with importing torch alone; and the modules that the verb imports.

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --model checkpoints/vae --rounds 20

Times whole processes, alternating between them, so that other work of the machine affects all alike. The first round
warms the disk's cache and is left out. Ratios compare consecutive runs. Exit status 1 if a limit is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pokegen.cards.request import DEFAULT_MODEL

FORBIDDEN = ("lightning", "transformers", "torchvision", "wandb", "pandas", "huggingface_hub")
HEAVY = (*FORBIDDEN, "sklearn", "scipy", "albumentations", "rich")
MOST_RATIO, MOST_HELP = 1.6, 0.5  # times the import of torch; seconds


def pokegen() -> list[str]:
    """The installed command of this Python, or the module where there is only a checkout."""
    script = Path(sys.executable).with_name("pokegen")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "pokegen.cli.main"]


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    taken = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return taken


def imported(arguments: list[str]) -> list[str]:
    """Which of HEAVY a verb has imported when it is done."""
    code = (
        "import json, sys; from pokegen.cli.main import main; status = main(json.loads(sys.argv[1])); "
        "print(json.dumps([m for m in json.loads(sys.argv[2]) if m in sys.modules])); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, json.dumps(arguments), json.dumps(HEAVY)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="measured rounds; default: %(default)s")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="sprite model; default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("rounds must be at least 1")
    model = str(Path(args.model).resolve()) if Path(args.model).is_dir() else args.model

    with tempfile.TemporaryDirectory() as out:
        card = ["card", "--type", "water", "--seed", "1", "--model", model, "--out", out]
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "pokegen card": [*pokegen(), *card],
            "pokegen --help": [*pokegen(), "--help"],
        }
        for command in commands.values():
            seconds(command)
        rounds = [{name: seconds(command) for name, command in commands.items()} for _ in range(args.rounds)]
        heavy = imported(card)

    times = {name: [r[name] for r in rounds] for name in commands}
    ratios = [r["pokegen card"] / r["import torch"] for r in rounds]
    ratio, help_time = statistics.median(ratios), statistics.median(times["pokegen --help"])
    wrong = [name for name in heavy if name in FORBIDDEN]

    print(f"{os.cpu_count()} cores, {args.rounds} rounds, model {args.model}\n")
    print(f"{'seconds':<22}{'median':>8}{'lowest':>8}{'highest':>8}{'at most':>9}")
    for name, values in times.items():
        limit = f"{MOST_HELP:>9} {'ok' if help_time <= MOST_HELP else 'MISSED'}" if "help" in name else ""
        print(f"{name:<22}{statistics.median(values):>8.3f}{min(values):>8.3f}{max(values):>8.3f}{limit}")
    verdict = "ok" if ratio <= MOST_RATIO else "MISSED"
    print(f"{'card / import torch':<22}{ratio:>8.2f}{min(ratios):>8.2f}{max(ratios):>8.2f}{MOST_RATIO:>9} {verdict}")
    print(f"\nof {', '.join(HEAVY)}\nthe card verb imports {', '.join(heavy) or 'none'} {'MISSED' if wrong else 'ok'}")

    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {"seconds": times, "ratios": ratios, "imported": heavy}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
        print(args.json)
    return int(ratio > MOST_RATIO or help_time > MOST_HELP or bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
