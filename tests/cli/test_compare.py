"""`pokegen compare`: what it prints and writes, of runs that finished, that were killed, and that are none."""

import matplotlib
import pytest
import yaml
from forked import next_change, start
from PIL import Image

from pokegen.cli.main import main
from pokegen.tracking import read, record


def make(root, name, lr, losses, **facts):
    """A run's folder as `pokegen fit` leaves it, without a checkpoint."""
    run = root / name
    (run / "csv" / "version_0").mkdir(parents=True)
    (run / "samples").mkdir()
    config = {"model": {"class_path": "pokegen.models.vae.VAE", "init_args": {"lr": lr}}, "seed_everything": 0}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [f"{i},{i * 10},{loss}\n" for i, loss in enumerate(losses)]
    (run / "csv" / "version_0" / "metrics.csv").write_text("step,images,val/loss\n" + "".join(rows))
    Image.new("RGB", (40, 20), "red").save(run / "samples" / "0000000020.png")
    record.write(run, {"status": "finished", "images_seen": 20, **facts})
    return run


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Three runs below runs/, from where the command is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    folder = tmp_path / "runs"
    make(folder, "slow", 0.001, [5, 4, 3.5])
    make(folder, "fast", 0.01, [5, 3, 2.25])
    make(folder, "broken", 0.1, [5], status="failed", error="ValueError: nan")
    return folder


def cells(out, label):
    """The words of a line of the table, behind its label."""
    (line,) = [line for line in out.splitlines() if line.strip().startswith(label)]
    return line.strip().removeprefix(label).split()


def test_it_names_what_differs_and_which_is_best(tmp_path, capsys):
    assert main(["compare", "slow", "fast", "broken"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["slow", "fast", "broken"]
    assert cells(out, "status") == ["finished", "finished", "failed:", "ValueError:", "nan"]
    assert cells(out, "images seen") == ["20", "20", "20"]
    assert cells(out, "model.lr") == ["0.001", "0.01", "0.1"]
    assert "seed_everything" not in out
    assert cells(out, "val/loss ↓") == ["3.5", "2.25", "★", "5"]
    assert "Best by val/loss: fast, 2.25 (lower is better)" in out
    assert out.splitlines()[-3:] == ["out/compare.html", "out/curves.png", "out/samples.png"]
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "Best by val/loss: fast" in page
    assert page.count("data:image/png;base64,") == 2
    with Image.open(tmp_path / "out" / "curves.png") as curves:
        assert curves.width > 600
    with Image.open(tmp_path / "out" / "samples.png") as samples:
        assert samples.height > 3 * 20


def test_names_paths_and_another_folder_of_runs_give_the_same(tmp_path, capsys):
    assert main(["compare", "slow", "fast", "--out", "one"]) == 0
    first = capsys.readouterr().out.replace("one/", "")
    (tmp_path / "runs").rename(tmp_path / "kept")
    assert main(["compare", "kept/slow", "kept/fast", "kept/fast", "--out", "two"]) == 0  # twice is once
    assert capsys.readouterr().out.replace("two/", "") == first
    assert main(["compare", "slow", "fast", "--runs", "kept", "--out", "three"]) == 0
    pages = {(tmp_path / folder / "compare.html").read_bytes() for folder in ("one", "two", "three")}
    assert len(pages) == 1


def test_one_run_alone_is_fine(capsys):
    assert main(["compare", "slow"]) == 0
    out = capsys.readouterr().out
    assert cells(out, "val/loss ↓") == ["3.5"]
    assert "settings that differ" not in out


def test_runs_without_metrics_still_show_their_settings(runs, tmp_path, capsys):
    for name in ("slow", "fast"):
        (runs / name / "csv" / "version_0" / "metrics.csv").unlink()
        (runs / name / "samples" / "0000000020.png").unlink()
    assert main(["compare", "slow", "fast"]) == 0
    out = capsys.readouterr().out
    assert cells(out, "model.lr") == ["0.001", "0.01"]
    assert "No run has logged a metric." in out
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["compare.html"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nosuch"], "No run 'nosuch'. Runs in runs: broken, fast, slow."),
        (["slow", "runs"], "runs is not a run"),
        (["slow", "fast", "--metric", "val/los"], "No run has logged 'val/los'. Metrics: val/loss."),
        (["slow", "other"], "no metric in common (slow: val/loss; other: train/generator)"),
        (["garbled"], "garbled/csv/version_0/metrics.csv, line 3: expected a number in each column"),
        (["slow", "--out", "file"], "Cannot write to the folder 'file'"),
        (["me/pokegen/1"], "log in with `wandb login`"),
        ([], "required: RUN"),
    ],
)
def test_a_mistake_is_one_line(words, says, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    (tmp_path / "file").write_text("")
    if "other" in words:
        other = make(runs, "other", 1, [])
        (other / "csv" / "version_0" / "metrics.csv").write_text("step,train/generator\n0,1\n")
    if "garbled" in words:
        garbled = make(runs, "garbled", 1, [])
        (garbled / "csv" / "version_0" / "metrics.csv").write_text("step,train/generator\n0,1\n1,one\n")
    assert main(["compare", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
    assert not (tmp_path / "out").exists()


def settings(imported, log, epochs):
    options = {
        "data.init_args.root": imported,
        "data.init_args.games": "null",
        "data.init_args.batch_size": 8,
        "data.init_args.epoch_images": 16,
        "model.init_args.network.init_args.width": 4,
        "trainer.accelerator": "cpu",
        "trainer.max_epochs": epochs,
        "trainer.limit_val_batches": 1,
        "trainer.log_every_n_steps": 1,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "log": log,
    }
    return ["fit", "--config", "configs/vae.yaml", *(f"--{key}={value}" for key, value in options.items())]


def test_two_runs_of_one_name_and_a_resumed_one_are_compared_from_csv_and_from_wandb(imported, tmp_path, capsys):
    """In one process, one after the other, in one folder of runs, W&B offline."""
    assert main(settings(imported, "wandb", 1)) == 0
    lr = "--model.init_args.lr=0.01"
    assert main([*settings(imported, "wandb", 1), lr]) == 0
    assert main([*settings(imported, "wandb", 2), "--ckpt_path=last"]) == 0  # the first one's
    capsys.readouterr()
    assert main(["compare", "vae", "vae-2"]) == 0
    from_csv = capsys.readouterr().out
    assert cells(from_csv, "status") == ["finished", "finished"]
    assert cells(from_csv, "images seen") == ["32", "16"]
    assert cells(from_csv, "model.lr") == ["0.001", "0.01"]
    assert cells(from_csv, "trainer.max_epochs") == ["2", "1"]
    assert record.read(tmp_path / "runs" / "vae")["starts"] == 2
    assert len(read.wandb_logs(tmp_path / "runs" / "vae")) == 2

    for name in ("vae", "vae-2"):  # W&B's folder alone
        (tmp_path / "wandb-only" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "wandb").rename(tmp_path / "wandb-only" / name / "wandb")
    assert main(["compare", "vae", "vae-2", "--runs", "wandb-only"]) == 0
    assert capsys.readouterr().out == from_csv


def test_a_run_that_was_killed_is_shown_as_such_and_as_running_before_and_after(imported, tmp_path, capsys):
    run = tmp_path / "runs" / "vae"
    said = tmp_path / "said"
    process = start(settings(imported, "csv", 100_000), said)
    try:
        next_change(run / "checkpoints" / "last.ckpt", process, said)
        assert main(["compare", "vae", "slow"]) == 0
        assert cells(capsys.readouterr().out, "status") == ["running", "finished"]
    finally:
        process.kill()
        process.join()
    assert main(["compare", "vae", "slow"]) == 0
    out = capsys.readouterr().out
    assert cells(out, "status") == ["killed", "finished"]
    seen = int(cells(out, "images seen")[0].replace(",", ""))
    assert seen >= 16  # nothing that was logged is lost
    assert cells(out, "val/loss ↓")[0] != "–"

    epochs = int(yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"])
    assert epochs == 100_000
    assert main([*settings(imported, "csv", seen // 16 + 1), "--ckpt_path=last"]) == 0
    capsys.readouterr()
    assert main(["compare", "vae", "slow"]) == 0
    assert cells(capsys.readouterr().out, "status") == ["finished", "finished"]


def test_settings_of_matplotlib_in_the_working_folder_start_no_tex(monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)
    assert main(["compare", "slow", "fast"]) == 0


def test_a_name_is_no_formula(runs):
    make(runs, "$\\frac$", 0.1, [3, 2])
    assert main(["compare", "$\\frac$", "fast"]) == 0
