"""The inverse dynamics model on three sources with known keys, compared with the project's first attempt and the most
frequent key; the whole chain of Video PreTraining; and the cost of training and annotation.

    python benchmarks/idm.py keys       held-out episodes of three sources, three seeds each; bounds .95, .95, .85
    python benchmarks/idm.py first      the first attempt on the same recordings, one seed
    python benchmarks/idm.py chain      5 % of the play labelled, the model labels the rest, cloning from all of it
    python benchmarks/idm.py cost       frames per second of training and annotation, memory over two hours of video
    python benchmarks/idm.py traces     how often a shot shows in the frame after its key, in Space Invaders

Everything runs the commands that users type. Finished work stays in runs/idm and is not repeated; `--sources` and
`--seeds` select a part. Exit status 1 if a bound is missed. Figures: benchmarks/idm.md.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path("runs/idm")
SEEDS = (0, 1, 2)
POKEGEN = (sys.executable, "-m", "pokegen.cli.main")
CONFIG = "--config", "configs/game/idm.yaml"
INVADERS = "--config", "configs/experiment/keys_invaders.yaml"
# source → environment, what its keys need, the group that is scored, the bound of its macro-F1, epochs of 40,000 frames
SOURCES = {
    "gameboy": ("pokegen/GameBoy-v0", (), "keys", 0.95, 5),
    "overworld": ("pokegen/Overworld-v0", (), "keys", 0.95, 5),
    "invaders": ("ALE/SpaceInvaders-v5", INVADERS, "move", 0.85, 4),
}
# source → who plays, frames of each of a clone's three epochs, and what it is given: all of the overworld is in one
# frame; of Space Invaders four episodes have labels. Its script chooses by chance where to go, which no clone can see;
# the agent goes by the screen.
CHAIN = {
    "overworld": ("uneven", 40_000, ("--model.network.init_args.window", 1, "--data.window", 1)),
    "invaders": ("dqn_invaders", 20_000, ("--data.val_share", 0.2)),
}
FEW = 10_000  # frames of an epoch where 5 % are all there is
FRAMES = 60_000
LABELLED = FRAMES // 20


def run(*words: object) -> str:
    """A command's stdout; its stderr where it fails."""
    done = subprocess.run([*POKEGEN, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def play(source: str, name: str, frames: int, seed: int, player: str = "uneven") -> Path:
    """Record play, once; the folder."""
    folder = ROOT / "play" / f"{source}-{name}"
    if not (folder / "one.csv").is_file():
        run("game", "record", "--env", SOURCES[source][0], "--player", player, "--frames", frames, "--seed", seed,
            "--out", folder / "one")  # fmt: skip
    return folder


def fit(name: str, *words: object) -> Path:
    """Train, once; the run's folder."""
    folder = ROOT / name
    if not (folder / "done").is_file():
        started = time.time()
        run("fit", *words, "--runs", ROOT, "--run", name, "--log", "csv")
        (folder / "done").write_text(f"{time.time() - started:.1f}")
    return folder


def tested(folder: Path) -> dict[str, list]:
    """Confusion matrices of the test episodes, by group: keys, and counts."""
    path = folder / "confusion_test.csv"
    if not path.is_file():
        run("test", "--config", folder / "config.yaml", "--ckpt_path", folder / "checkpoints" / "best.ckpt")
    groups: dict[str, list] = {}
    matrix: list[list[int]] = []
    for line in csv.reader(path.open()):
        if line[1].isdecimal():
            matrix.append([int(n) for n in line[1:]])
        else:
            matrix = []
            groups[line[0]] = [line[1:], matrix]
    return groups


def scores(matrix: list[list[int]]) -> dict[str, float]:
    """Macro-F1 over the keys that were pressed, that of the most frequent key alone, and recall of each."""
    m = np.array(matrix, float)
    pressed, predicted, right = m.sum(1), m.sum(0), np.diag(m)
    met = pressed > 0
    most = pressed.max() / pressed.sum()
    return {
        "macro_f1": float((2 * right / np.maximum(pressed + predicted, 1))[met].mean()),
        "majority_f1": float(2 * most / (1 + most) / met.sum()),
        "none": float(pressed[0] / pressed.sum()),
        "recall": (right / np.maximum(pressed, 1)).round(3).tolist(),
    }


def last(folder: Path, column: str) -> float:
    """The last value of a metric in a run's log."""
    rows = list(csv.DictReader(next((folder / "csv").glob("*/metrics.csv")).open()))
    return float([row[column] for row in rows if row.get(column)][-1])


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def keys(sources: list[str], seeds: list[int]) -> bool:
    kept = True
    for source in sources:
        _, more, group, bound, epochs = SOURCES[source]
        folder = play(source, "all", FRAMES, seed=1000)
        found: dict[str, list] = {}
        for seed in seeds:
            words = (*CONFIG, *more, "--data.recordings", f"[{folder}]", "--seed_everything", seed, "--data.seed", seed)
            done = fit(f"{source}-{seed}", *words, "--trainer.max_epochs", epochs)
            for name, (labels, matrix) in tested(done).items():
                found.setdefault(name, []).append(scores(matrix) | {"labels": labels})
            found.setdefault("depends", []).append(last(done, "val/depends"))
        for name, each in found.items():
            if name == "depends":
                print(f"{source}: other frames change {spread(each)} of the answers", flush=True)
                continue
            f1 = [one["macro_f1"] for one in each]
            limit = f", bound {bound}" if name == group else ""
            print(f"{source} {name}: macro-F1 {spread(f1)}{limit}, lowest {min(f1):.3f}; most frequent key "
                  f"{each[0]['majority_f1']:.3f}; none in {each[0]['none']:.2f} of the frames", flush=True)  # fmt: skip
            recall = np.mean([one["recall"] for one in each], axis=0)
            print("   recall", *(f"{k} {r:.3f}" for k, r in zip(each[0]["labels"], recall, strict=True)), flush=True)
            kept &= name != group or min(f1) >= bound
    return kept


def first(sources: list[str], _: list[int]) -> bool:
    for source in sources:
        more = SOURCES[source][1]
        folder = play(source, "all", FRAMES, seed=1000)
        words = (*CONFIG, *more, "--config", "configs/experiment/idm_first.yaml", "--data.recordings", f"[{folder}]")
        done = fit(f"{source}-first", *words, "--data.epoch_frames", 20_000, "--trainer.max_epochs", 3,
                   "--data.val_frames", 4000)  # fmt: skip
        for name, (labels, matrix) in tested(done).items():
            one = scores(matrix)
            print(f"first attempt, {source} {name}: macro-F1 {one['macro_f1']:.3f}; most frequent key "
                  f"{one['majority_f1']:.3f}; other frames change {last(done, 'val/depends'):.4f} of the answers;",
                  "recall",
                  *(f"{k} {r}" for k, r in zip(labels, one["recall"], strict=True)), flush=True)  # fmt: skip
    return True


def chain(sources: list[str], seeds: list[int]) -> bool:
    for source in [source for source in sources if source in CHAIN]:
        env, more, *_ = SOURCES[source]
        player, many, given = CHAIN[source]
        few = play(source, "few", LABELLED, 5000, player)
        rest = play(source, "rest", FRAMES - LABELLED, 6000, player)
        result: dict[str, list[float]] = {"5 %": [], "5 % and annotated": [], "true keys": []}
        agreed = []
        for seed in seeds:
            chosen = "--seed_everything", seed, "--data.seed", seed
            reader = fit(f"{source}-reader-{seed}", *CONFIG, *more, "--data.recordings", f"[{few}]", *chosen,
                         "--data.epoch_frames", 20_000, "--trainer.max_epochs", 3, "--data.val_share", 0.2,
                         "--data.test_share", 0)  # fmt: skip
            zoo, labels = reader / "zoo", reader / "labels"
            if not (labels / "one.csv").is_file():
                run("zoo", "export", reader, zoo)
                run("game", "annotate", rest / "one.mkv", "--model", zoo, "--out", labels, "--precision", "bf16-mixed")
            truth, read = ([row["key"] for row in csv.DictReader((f / "one.csv").open())] for f in (rest, labels))
            agreed.append(float(np.mean([a == b for a, b in zip(truth, read, strict=True)])))
            for name, folders in (("5 %", [few]), ("5 % and annotated", [few, labels]), ("true keys", [few, rest])):
                word = name.split()[-1].strip("%") or "few"
                clone = fit(f"{source}-clone-{word}-{seed}", "--config", "configs/game/cloning.yaml", *more, *chosen,
                            *given, "--data.recordings", f"[{', '.join(map(str, folders))}]",
                            "--data.val_frames", 2000, "--data.epoch_frames", FEW if word == "few" else many,
                            "--trainer.max_epochs", 3)  # fmt: skip
                returns = clone / "returns.json"
                if not returns.is_file():
                    run("zoo", "export", clone, clone / "zoo")
                    run("game", "evaluate", "--env", env, "--player", clone / "zoo", "--episodes", 20, "--seed", 900,
                        "--json", returns)  # fmt: skip
                result[name].append(float(np.mean(json.loads(returns.read_text())["returns"])))
        print(f"{source}: the model's keys agree with the true ones in {spread(agreed)} of the frames", flush=True)
        for name in ("random", player):
            path = ROOT / f"{source}-{name}.json"
            if not path.is_file():
                run("game", "evaluate", "--env", env, "--player", name, "--episodes", 20, "--seed", 900, "--json", path)
            result[name] = [float(np.mean(json.loads(path.read_text())["returns"]))]
        for name, each in result.items():
            print(f"   {name}: return {spread(each)}", flush=True)
    return True


def cost(*_: Any) -> bool:
    """An epoch of 200,000 frames, and two hours of video, both with the default network."""
    folder = play("overworld", "all", FRAMES, seed=1000)
    plain = (*CONFIG, "--data.recordings", f"[{folder}]", "--trainer.max_epochs", 1, "--trainer.limit_val_batches", 0)
    short = float((fit("cost-short", *plain, "--data.epoch_frames", 256) / "done").read_text())
    run_ = fit("cost", *plain, "--data.epoch_frames", 200_000)
    took = float((run_ / "done").read_text()) - short
    print(f"200,000 frames of training: {took / 60:.1f} minutes, {200_000 / took:.0f} frames a second", flush=True)
    video = play("overworld", "hours", 108_000, seed=3000)
    run("zoo", "export", ROOT / "overworld-0", ROOT / "zoo")
    peaks, speeds = [], []
    for name in ("all", "hours"):
        source, out = ROOT / "play" / f"overworld-{name}" / "one.mkv", ROOT / f"labels-{name}"
        subprocess.run(["rm", "-rf", out], check=True)
        started = time.time()
        words = ["game", "annotate", str(source), "--model", str(ROOT / "zoo"), "--out", str(out)]
        words += ["--precision", "bf16-mixed"]
        child = subprocess.Popen([*POKEGEN, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peaks.append(os.wait4(child.pid, 0)[2].ru_maxrss / 1024)
        frames = sum(1 for _ in (out / "one.csv").open()) - 1
        speeds.append(frames / (time.time() - started))
        print(f"annotation of {frames:,} frames: {speeds[-1]:.0f} a second with start-up, peak {peaks[-1]:.0f} MiB",
              flush=True)  # fmt: skip
    assert video.is_dir()
    return took <= 600 and min(speeds) >= 300 and peaks[1] < 1.1 * peaks[0]


def traces(*_: Any) -> bool:
    from pokegen.game.envs import action_names, make, restore, save
    from pokegen.game.players import Invader

    env = make("ALE/SpaceInvaders-v5")
    names, player = action_names(env), Invader()
    seen = pressed = 0
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        player.begin(seed)
        over = False
        while not over:
            action = player(env, observation)
            if "fire" in names[action]:
                state = save(env)
                env.step(names.index(names[action].replace("+fire", "").replace("fire", "none")))
                without = np.array(env.render())
                restore(env, state)
                pressed += 1
            observation, _, ended, cut, _ = env.step(action)
            over = ended or cut
            seen += "fire" in names[action] and not np.array_equal(without, env.render())
    print(f"a pressed shot changes the next frame in {seen / pressed:.2f} of {pressed} presses")
    return True


STAGES = {"keys": keys, "first": first, "chain": chain, "cost": cost, "traces": traces}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], default=list(STAGES))
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES), help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="default: 0 1 2")
    args = parser.parse_args()
    sys.exit(not all([STAGES[stage](args.sources, args.seeds) for stage in args.stages]))
