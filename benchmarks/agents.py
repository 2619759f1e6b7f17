"""The agents of the zoo: training speed against Stable-Baselines3; scores against random play and published ones.

    pip install --no-deps --target runs/sb3 stable-baselines3      the reference; keeps pokegen's version of gymnasium
    python benchmarks/agents.py speed        DQN on Space Invaders, PPO on LunarLander, each against the reference
    python benchmarks/agents.py scores       100 episodes of each shipped agent, with 95 % intervals
    python benchmarks/agents.py curves       evolution against PPO at equal steps, three seeds; its figure
    python benchmarks/agents.py cross        simple_adversary: learned, scripted and random players on both sides
    python benchmarks/agents.py film         a game of each agent: docs/figures/agents.png
    python benchmarks/agents.py first        the settings of the Space Invaders notebook, three seeds

`speed` alternates between the two sides, each in its own process with one thread, the same hyper-parameters and number
of environments, and computes the ratio of consecutive runs. It also reports the share of time outside collecting and
learning, which is Lightning's overhead. Exit status 1 if a bound is missed. Figures: agents.md.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path("runs/agents")
POKEGEN = (sys.executable, "-m", "pokegen.cli.main")
QUIET = ("--log", "csv", "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false")
EPISODES = 100

# The reference's defaults for Atari and rl-baselines3-zoo's for LunarLander, on both sides.
OURS = {
    "dqn": ["--config", "configs/game/dqn.yaml", *(f"--model.init_args.{word}" for word in (
        "num_envs=8", "num_steps=32", "gradient_steps=64", "batch_size=32", "learning_rate=1e-4", "n_step=1",
        "double=false", "network.init_args.dueling=false", "buffer_size=100000", "learning_starts=1000",
        "alpha=0", "ema_steps=0", "target_network_frequency=1000", "end_e=0.01", "epsilon_steps=100000",
        "val_episodes=1"))],
    "ppo": ["--config", "configs/game/ppo.yaml", *(f"--model.init_args.{word}" for word in (
        "num_envs=16", "num_steps=1024", "batch_size=64", "update_epochs=4", "val_episodes=1",
        "ent_coef=0.01", "normalise_rewards=false", "network.init_args.normalise=false"))],
}  # fmt: skip
STEPS = {"dqn": 10_240, "ppo": 65_536}
BOUNDS = {"dqn": 2.0, "ppo": 1.0}


def reference(name: str) -> None:
    """In a process of its own: print the reference's environment steps a second, its first tenth left out."""
    import torch

    torch.set_num_threads(1)
    if name == "dqn":
        import ale_py
        import gymnasium
        from stable_baselines3 import DQN
        from stable_baselines3.common.env_util import make_atari_env
        from stable_baselines3.common.vec_env import VecFrameStack

        gymnasium.register_envs(ale_py)
        envs = VecFrameStack(make_atari_env("SpaceInvadersNoFrameskip-v4", n_envs=8, seed=0), 4)
        model = DQN("CnnPolicy", envs, learning_rate=1e-4, buffer_size=100_000, learning_starts=1000, batch_size=32,
                    train_freq=4, gradient_steps=8, target_update_interval=1000, device="cpu", seed=0)  # fmt: skip
    else:
        from stable_baselines3 import PPO
        from stable_baselines3.common.env_util import make_vec_env

        envs = make_vec_env("LunarLander-v3", n_envs=16, seed=0, env_kwargs={"continuous": True})
        model = PPO("MlpPolicy", envs, n_steps=1024, batch_size=64, gae_lambda=0.98, gamma=0.999, n_epochs=4,
                    ent_coef=0.01, device="cpu", seed=0)  # fmt: skip
    warm = 1024 if name == "dqn" else 16_384
    model.learn(warm)
    began, before = time.time(), model.num_timesteps
    model.learn(STEPS[name], reset_num_timesteps=False)
    print((model.num_timesteps - before) / (time.time() - began))


def ours(name: str) -> None:
    """The same of pokegen's, by the clock of the training steps after the warm-up, and the share outside of them."""
    import torch

    torch.set_num_threads(1)
    from pokegen.cli import fit
    from pokegen.game.agents.base import AgentModule

    marks: list[tuple[int, float, float]] = []  # steps, when the step began, seconds inside
    step, started, inside = AgentModule.training_step, False, 0.0

    def timed(function):
        def wrapped(*args, **kwargs):
            nonlocal inside
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                inside += time.perf_counter() - began

        return wrapped

    def training_step(self, iteration, index):
        nonlocal started
        if not started:
            started = True
            self.learn, self.count = timed(self.learn), timed(self.count)
        marks.append((self.env_steps, time.perf_counter(), inside))
        return step(self, iteration, index)

    AgentModule.training_step = training_step
    warm = 1024 if name == "dqn" else 16_384
    steps = STEPS[name] + warm
    fit.run_training(["fit", *OURS[name], *QUIET, "--runs", str(ROOT), "--run", f"speed-{name}", "--data.steps",
                      str(steps), "--data.epoch_steps", str(steps), "--trainer.limit_val_batches", "0"])  # fmt: skip
    first = next(i for i, (played, *_) in enumerate(marks) if played >= warm)
    (a, began, i0), (b, ended, i1) = marks[first], marks[-1]
    print((b - a) / (ended - began), 1 - (i1 - i0) / (ended - began))


def child(side: str, name: str) -> list[float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    environment["PYTHONPATH"] = os.pathsep.join(["runs/sb3", environment.get("PYTHONPATH", "")])
    subprocess.run(["rm", "-rf", str(ROOT / f"speed-{name}")], check=True)
    done = subprocess.run([sys.executable, __file__, f"_{side}", name], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    return [float(word) for word in done.stdout.split()[-(2 if side == "ours" else 1) :]]


def speed(rounds: int = 3) -> bool:
    kept = True
    for name, bound in BOUNDS.items():
        pairs, outside = [], []
        for turn in range(rounds):
            order = ("ours", "reference") if turn % 2 else ("reference", "ours")
            found = {side: child(side, name) for side in order}
            pairs.append((found["ours"][0], found["reference"][0]))
            outside.append(found["ours"][1])
            mine, theirs = pairs[-1]
            print(f"{name}, round {turn}: pokegen {mine:.0f}, Stable-Baselines3 {theirs:.0f} steps/s", flush=True)
        ratios = sorted(a / b for a, b in pairs)
        middle = float(np.median(ratios))
        print(f"{name}: {middle:.2f} times the reference ({ratios[0]:.2f} to {ratios[-1]:.2f}), bound {bound}; "
              f"{np.median(outside):.1%} of the time outside collect and learn, bound 10 %", flush=True)  # fmt: skip
        kept &= middle >= bound and float(np.median(outside)) < 0.1
    return kept


def run(*words: object) -> str:
    done = subprocess.run([*POKEGEN, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def scores() -> bool:
    from pokegen import zoo

    for name in zoo.available():
        if zoo.read_config(zoo.folder_of(name))["class_path"].startswith("pokegen.game."):
            print(f"## {name}\n{run('game', 'evaluate', '--player', name, '--episodes', EPISODES)}", flush=True)
    return True


def first() -> bool:
    """The notebook's ten test games, its exploration of 0.2 included, three seeds."""
    returns = []
    for seed in range(3):
        folder = ROOT / f"first-{seed}"
        if not (folder / "zoo" / "config.yaml").is_file():
            run("fit", "--config", "configs/game/dqn.yaml", "--config", "configs/experiment/dqn_first.yaml", *QUIET,
                "--runs", ROOT, "--run", f"first-{seed}", "--seed_everything", seed)  # fmt: skip
            run("zoo", "export", folder, folder / "zoo")
        run("game", "evaluate", "--player", folder / "zoo", "--episodes", 10, "--json", folder / "returns.json")
        returns.append(float(np.mean(json.loads((folder / "returns.json").read_text())["returns"])))
    print(f"the notebook's setting, ten games each: {np.mean(returns):.0f} ± {np.std(returns, ddof=1):.0f}: {returns}")
    return True


LANDER = ("--config", "configs/game/ppo.yaml", "--model.init_args.network.init_args.options", "{}")
FIGHTER = ("--config", "configs/game/ppo.yaml", "--config", "configs/experiment/phases_fighter.yaml")
CURVES = {
    "pokegen/Fighter-v0": {"evolution": ("--config", "configs/game/evolution.yaml"), "PPO": FIGHTER},
    "LunarLander-v3": {
        "evolution": ("--config", "configs/game/evolution_lander.yaml"),
        "PPO": (*LANDER, "--data.steps", 600_000, "--data.epoch_steps", 30_000),
    },
}


def curves() -> bool:
    """Validation returns by environment steps of both, and the return of random play."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.4), layout="constrained")
    for axes, (game, sides) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        short = game.rpartition("/")[2]
        for name, words in sides.items():
            rows = []
            for seed in range(3):
                folder = ROOT / f"{short}-{name}-{seed}"
                if not (folder / "done").is_file():
                    run("fit", *words, *QUIET, "--runs", ROOT, "--run", folder.name, "--seed_everything", seed)
                    (folder / "done").touch()
                log = csv.DictReader(next(folder.glob("csv/*/metrics.csv")).open())
                rows.append([(float(r["images"]), float(r["val/return"])) for r in log if r.get("val/return")])
            found = np.array(rows)  # (seeds, validations, 2)
            steps, returns = found[0, :, 0], found[..., 1]
            (line,) = axes.plot(steps, returns.mean(axis=0))
            axes.fill_between(steps, returns.min(axis=0), returns.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
            axes.annotate(name, (steps[-1], returns[:, -1].mean()), color=line.get_color(), ha="right", va="bottom")
            ends = returns[:, -1]
            print(f"{game}, {name}: {ends.mean():.2f} ± {ends.std(ddof=1):.2f} at {steps[-1]:,.0f} steps", flush=True)
        chance = ROOT / f"{short}-random.json"
        if not chance.is_file():
            run("game", "evaluate", "--env", game, "--episodes", EPISODES, "--json", chance)
        level = np.mean(json.loads(chance.read_text())["returns"])
        axes.plot(steps[[0, -1]], [level, level], color="gray", lw=0.8, ls=":")
        axes.annotate("random play", (steps[-1], level), color="gray", ha="right", va="bottom")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:.0f}")
        axes.set(title=game, xlabel="thousands of environment steps", ylabel="return")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig("docs/figures/evolution.png", dpi=120)
    return True


def cross() -> bool:
    """1,000 games of each pair, the same for all. True where learned good agents beat scripted ones before the learned
    adversary."""
    from pokegen import zoo
    from pokegen.game.agents.maddpg import cross_play

    table = cross_play(zoo.load("maddpg_adversary").model, 1000)
    for adversary, row in table.items():
        for good, found in row.items():
            gains = [(np.mean(x), 1.96 * np.std(x) / len(x) ** 0.5) for x in (found["agent"], found["adversary"])]
            print(f"adversary {adversary}, good {good}:", "; ".join(f"{m:.2f} ± {e:.2f}" for m, e in gains), flush=True)
    mine, script = (np.array(table["learned"][side]["agent"]) for side in ("learned", "scripted"))
    return (mine - script).mean() > 1.96 * (mine - script).std() / len(mine) ** 0.5


def film() -> bool:
    """Seven moments of a game of each shipped agent but the clone, top to bottom as AGENTS has them."""
    import av
    from PIL import Image

    rows = []
    for name in AGENTS:
        path = ROOT / f"{name}.mp4"
        run("game", "play", "--agent", name, "--seed", 3, "--episodes", 1, "--out", path)
        with av.open(path) as video:
            frames = [frame.to_image().resize((160, 160)) for frame in video.decode(video=0)]
        rows.append(np.concatenate([frames[i] for i in np.linspace(0, len(frames) - 1, 7).astype(int)], axis=1))
    Image.fromarray(np.concatenate(rows)).quantize(128).save("docs/figures/agents.png")
    return True


AGENTS = ("dqn_invaders", "ppo_lander", "gail_lander", "evolution_lander", "evolution_fighter", "maddpg_spread",
          "maddpg_adversary")  # fmt: skip
STAGES = {"speed": speed, "scores": scores, "curves": curves, "cross": cross, "film": film, "first": first}

if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("_ours", "_reference"):
        {"_ours": ours, "_reference": reference}[sys.argv[1]](sys.argv[2])
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], default=list(STAGES))
    sys.exit(not all([STAGES[stage]() for stage in parser.parse_args().stages]))
