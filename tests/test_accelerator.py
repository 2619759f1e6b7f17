"""The training on a borrowed GPU, whole, on a CPU and on the sample set: pack, measure, train, export."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from pokegen import zoo

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "accelerator.py"
TINY = """
model:
  init_args:
    generator: {init_args: {width: 8, critic_checkpoint: ""}}
    discriminator: {init_args: {width: 8, widths: [4, 8, 8, 8]}}
    condition_start: 0
    condition_full: 0
data: {init_args: {batch_size: 8, epoch_images: 16, styles: null}}
trainer: {precision: 32-true, accelerator: cpu, log_every_n_steps: 1}
score_images: 0
"""


def test_one_command_leaves_weights_samples_and_metrics(imported, tmp_path):
    root = tmp_path / "sprites"
    shutil.copytree(imported, root)
    (root / "sprites.npy").unlink()  # the framed pictures do not travel
    pack, out, tiny = tmp_path / "pack.tgz", tmp_path / "out", tmp_path / "tiny.yaml"
    tiny.write_text(TINY)
    subprocess.run([sys.executable, SCRIPT, "pack", "--root", root, "--out", pack], check=True)
    assert pack.stat().st_size < 50 * 2**20
    words = ["train", pack, "--minutes", "0.01", "--measure", "2", "--config", tiny, "--out", out]
    subprocess.run([sys.executable, SCRIPT, *map(str, words)], check=True)
    assert {p.name for p in out.iterdir()} == {
        *("model.safetensors", "discriminator.safetensors", "config.yaml", "README.md"),
        *("samples.png", "types.png", "metrics.csv", "rate.json"),
    }
    assert zoo.load(out).model.sample(1).shape == (1, 3, 128, 128)
    facts = json.loads((out / "rate.json").read_text())
    assert facts["images_per_second"] > 0 and facts["images"] >= 16
