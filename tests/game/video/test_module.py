"""Training reads keys from pictures; scores are those of scikit-learn; a run that has collapsed is stopped."""

import csv
import json
import warnings

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from lamps import GROUPS, record_lamps
from lightning.pytorch.strategies import SingleDeviceStrategy
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from pokegen import zoo
from pokegen.cli.main import main
from pokegen.game.players import Random
from pokegen.game.video.clips import RecordingsDataModule
from pokegen.game.video.cloning import Policy
from pokegen.game.video.idm import InverseDynamics
from pokegen.game.video.module import KeysModule, StopOnCollapse, key_scores

TINY = {"window": 8, "stem_width": 8, "stem_stride": 8, "stacks": (8,), "width": 32, "layers": 1, "heads": 2}

# ----------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    pressed = rng.choice(6, 300, p=(0.5, 0.2, 0.2, 0.09, 0.01, 0.0))  # one key is never pressed, but told
    predicted = np.where(rng.random(300) < 0.6, pressed, rng.integers(0, 6, 300))
    found = key_scores(torch.from_numpy(confusion_matrix(pressed, predicted, labels=range(6))))
    met = np.unique(pressed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of keys that were told and not pressed
        assert found["balanced_accuracy"].item() == pytest.approx(balanced_accuracy_score(pressed, predicted))
    assert found["macro_f1"].item() == pytest.approx(f1_score(pressed, predicted, labels=met, average="macro"))
    recall = recall_score(pressed, predicted, labels=range(6), average=None, zero_division=np.nan)
    np.testing.assert_allclose(found["recall"], recall)
    assert np.isnan(recall[5])
    most = np.full(300, np.bincount(pressed).argmax())
    expected = f1_score(pressed, most, labels=met, average="macro", zero_division=0)
    assert found["majority_f1"].item() == pytest.approx(expected)


def test_who_always_answers_the_commonest_key_scores_what_majority_says():
    matrix = torch.zeros(3, 3, dtype=torch.long)
    matrix[:, 1] = torch.tensor([30, 60, 10])
    found = key_scores(matrix)
    torch.testing.assert_close(found["macro_f1"], found["majority_f1"])
    assert found["macro_f1"].item() == pytest.approx(2 * 0.6 / 1.6 / 3)
    assert found["balanced_accuracy"].item() == pytest.approx(1 / 3)


def test_who_is_always_right_scores_1():
    found = key_scores(torch.diag(torch.tensor([5, 0, 2])))
    assert (found["macro_f1"], found["balanced_accuracy"]) == (1, 1)


# --------------------------------------------------------------------------------------------------------- learning


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Play at random: what was pressed is seen in the next frame, and in no other."""
    folder = tmp_path_factory.mktemp("lamps")
    record_lamps(folder / "one", Random(), frames=600)
    return folder


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run of `pokegen fit` with the shipped configs, on a tiny network."""
    runs = tmp_path_factory.mktemp("runs")
    words = ["--config=configs/game/idm.yaml", "--config=configs/experiment/keys_invaders.yaml", f"--runs={runs}"]
    network = [
        f"--model.init_args.network.init_args.{key}={list(v) if isinstance(v, tuple) else v}" for key, v in TINY.items()
    ]
    data = [f"--data.init_args.recordings=[{folder}]", "--data.init_args.epoch_frames=6400"]
    module = ["--model.init_args.lr=0.003", "--model.init_args.warmup_steps=20", "--model.init_args.ema_images=100"]
    trainer = ["max_epochs=2", "accelerator=cpu", "precision=32-true", "enable_progress_bar=false"]
    trainer += ["enable_model_summary=false"]
    argv = [*words, *network, *data, *module, *(f"--trainer.{word}" for word in trainer), "--log=csv"]
    assert main(["fit", *argv]) == 0
    return runs / "idm"


KEYS = {"groups": {"move": ["left", "right"], "fire": ["fire"]}, "window": 12}


@pytest.mark.parametrize("network", ["InverseDynamics", "FirstInverseDynamics", "Policy"])
@pytest.mark.parametrize("side", ["data", "model.network"])
def test_groups_and_window_are_given_once(side, network, capsys):
    argv = ["fit", "--model", "KeysModule", "--model.network", network, "--data", "RecordingsDataModule"]
    argv += ["--data.recordings=[data/recordings]", *(f"--{side}.{key}={json.dumps(v)}" for key, v in KEYS.items())]
    assert main([*argv, "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    for args in (config["data"]["init_args"], config["model"]["init_args"]["network"]["init_args"]):
        assert {key: args[key] for key in KEYS} == KEYS
        assert list(args["groups"]) == list(KEYS["groups"])


def test_the_window_is_the_model_s_where_none_is_given(capsys):
    assert main(["fit", "--config", "configs/game/idm.yaml", "--model.network", "Policy", "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["data"]["init_args"]["window"] == config["model"]["init_args"]["network"]["init_args"]["window"] == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--data.window=3", "data.window is 3, but model.network.window is 2. Set one of them alone."),
        ("--data.groups={fire: [fire]}", "data.groups is {'fire': ['fire']}, but model.network.groups is {'keys': "),
    ],
)
def test_other_groups_or_another_window_of_the_data_are_refused(option, message, capsys):
    assert main(["fit", "--config", "configs/game/cloning.yaml", option]) == 2
    assert message in capsys.readouterr().err


def test_a_model_without_keys_is_one_line(tmp_path, capsys):
    argv = ["fit", "--model", "KeysModule", "--model.network", "Policy", "--data", "RecordingsDataModule"]
    assert main([*argv, "--data.recordings=[none]", f"--runs={tmp_path}", "--log=off"]) == 2
    assert "groups holds no key. Expected, for example" in capsys.readouterr().err


def last(run):
    """The last value of each metric."""
    found = {}
    with open(run / "csv" / "version_0" / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            found |= {key: float(value) for key, value in row.items() if value}
    return found


def matrices(path):
    """Group → rows of a confusion CSV, with its keys."""
    found = {}
    with open(path, newline="") as file:
        for first, *rest in csv.reader(file):
            if not rest[0].isdecimal():
                name, keys = first, rest
                found[name] = {}
            else:
                found[name][first] = dict(zip(keys, map(int, rest), strict=True))
    return found


def test_keys_are_learned_from_what_is_seen(run):
    metrics = last(run)
    for group, most in (("move", 0.3), ("fire", 0.5)):
        assert metrics[f"val/majority_f1_{group}"] < most
        assert metrics[f"val/macro_f1_{group}"] > 0.9
        assert metrics[f"val/balanced_accuracy_{group}"] > 0.9
    assert metrics["val/error"] == pytest.approx(
        1 - (metrics["val/macro_f1_move"] + metrics["val/macro_f1_fire"]) / 2, abs=1e-6
    )
    assert metrics["val/depends"] > 0.2
    assert metrics["val/changed_accuracy"] > 0.8
    assert {f"val/recall_move_{key}" for key in ("none", "left", "right")} < metrics.keys()
    assert metrics["train/loss"] < 0.5 < np.log(6)


def test_confusion_counts_each_frame_of_validation_once(run, folder):
    data = RecordingsDataModule([str(folder)], GROUPS, window=8)
    data.setup("fit")
    pressed = [key for _, keys in data.episodes["val"] for key in data.keys.decode(keys)]
    found = matrices(run / "confusion_val.csv")
    move = {key: sum(row.values()) for key, row in found["move"].items()}
    assert move == {key: sum(key in p.split("+") for p in pressed) for key in ("left", "right")} | {
        "none": sum(p in ("none", "fire") for p in pressed)
    }
    fire = {key: sum(row.values()) for key, row in found["fire"].items()}
    assert fire["fire"] == sum("fire" in p.split("+") for p in pressed)
    assert sum(fire.values()) == sum(move.values()) == len(pressed) == 60


def test_test_scores_the_test_episodes(run, folder, capsys):
    assert main(["test", "--config", str(run / "config.yaml"), "--runs", str(run.parent), "--run", "idm"]) == 0
    assert "test/macro_f1_move" in capsys.readouterr().out
    assert sum(sum(row.values()) for row in matrices(run / "confusion_test.csv")["fire"].values()) == 120


def test_predict_labels_videos_as_annotate_does(run, folder, tmp_path, capsys):
    (video,) = folder.glob("*.mkv")
    started = ["predict", "--config", str(run / "config.yaml"), "--runs", str(run.parent), "--run", "idm"]
    videos = ["--data", "AnnotationDataModule", "--data.videos", f"[{video}]", "--data.shard_frames", "100"]
    assert main([*started, *videos, "--data.out", str(tmp_path / "labels")]) == 0
    table = tmp_path / "labels" / "one.csv"
    assert str(table) in capsys.readouterr().out.split()
    assert sorted(p.name for p in table.parent.iterdir()) == ["one.csv", "one.mkv", "one.parquet"]
    assert main(["zoo", "export", str(run), str(tmp_path / "idm")]) == 0
    words = ["game", "annotate", str(video), "--model", str(tmp_path / "idm"), "--out", str(tmp_path / "again")]
    assert main([*words, "--shard_frames", "100"]) == 0
    found, again = (path.read_text().splitlines() for path in (table, tmp_path / "again" / "one.csv"))
    assert len(found) == 601
    same = sum(a.split(",")[2] == b.split(",")[2] for a, b in zip(found, again, strict=True))
    assert same > 590  # an export rounds to float16


def test_predict_of_a_video_that_is_missing_is_one_line(run, tmp_path, capsys):
    started = ["predict", "--config", str(run / "config.yaml"), "--runs", str(run.parent), "--run", "idm"]
    assert main([*started, "--data", "AnnotationDataModule", "--data.videos", f"[{tmp_path / 'none.mp4'}]"]) == 2
    assert "none.mp4" in capsys.readouterr().err.splitlines()[-1]


def test_what_is_exported_answers_alike(run, folder, tmp_path):
    exported = tmp_path / "tiny"
    assert main(["zoo", "export", str(run), str(exported), "--full"]) == 0
    loaded = zoo.load(exported)
    assert type(loaded.model) is InverseDynamics
    assert loaded.model.keys.groups == {"move": ("none", "left", "right"), "fire": ("none", "fire")}
    saved = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    network = InverseDynamics(
        **yaml.safe_load((run / "config.yaml").read_text())["model"]["init_args"]["network"]["init_args"]
    )
    network.load_state_dict({key.removeprefix("ema."): v for key, v in saved.items() if key.startswith("ema.")})
    frames = torch.randint(256, (2, 8, 128, 128), dtype=torch.uint8)
    for a, b in zip(loaded.model(frames), network.eval()(frames), strict=True):
        assert a.equal(b)


def test_the_run_tells_the_frequencies_of_its_training_data(run, folder):
    data = RecordingsDataModule([str(folder)], GROUPS, window=8)
    data.setup("fit")
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    np.testing.assert_allclose(saved["net.frequency"], np.concatenate(data.frequencies), rtol=1e-6)
    assert saved["ema.frequency"].equal(saved["net.frequency"])


# ------------------------------------------------------------------------------------------------------------- step


def trainer(folder, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return L.Trainer(accelerator="cpu", logger=False, default_root_dir=folder, **(quiet | options))


def recordings(folder, causal=False, **options):
    window = 2 if causal else 8
    return RecordingsDataModule([str(folder)], GROUPS, window, causal, **({"epoch_frames": 160} | options))


def copy(module):
    return {
        key: value.clone() for key, value in module.state_dict().items() if not key.startswith(("confusion", "changed"))
    }


def test_a_step_moves_what_is_to_be_trained_and_validation_nothing(folder, tmp_path):
    torch.manual_seed(0)
    policy = Policy(GROUPS, widths=(4, 4, 4), blocks=0, hidden=16, dropout=0.0)
    policy.stem[0].requires_grad_(False)
    module = KeysModule(policy, lr=0.01, warmup_steps=0)
    data = recordings(folder, causal=True)
    data.setup("fit")
    policy.prepare(data)
    before = copy(module)
    trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(module, data)
    after = copy(module)
    moved = {key for key in before if not before[key].equal(after[key])}
    trained = {name for name, p in policy.named_parameters() if p.requires_grad}
    assert {key.removeprefix("net.") for key in moved if key.startswith("net.")} == trained
    assert "stem.0.weight" not in trained
    assert {key.removeprefix("ema.") for key in moved if key.startswith("ema.")} == {*trained, "frequency"}
    assert moved - {f"{net}.{key}" for net in ("net", "ema") for key in (*trained, "frequency")} == {"images_seen"}
    trainer(tmp_path).validate(module, data, verbose=False)
    assert all(value.equal(after[key]) for key, value in copy(module).items())


def test_two_steps_move_all_of_an_inverse_dynamics_model(folder, tmp_path):
    """Two, since residual blocks begin as the identity: the first step reaches their second convolution alone."""
    torch.manual_seed(0)
    module = KeysModule(InverseDynamics(GROUPS, **TINY, dropout=0.0), lr=0.01, warmup_steps=0)
    before = copy(module)
    trainer(tmp_path, max_steps=2, limit_val_batches=0).fit(module, recordings(folder))
    after = copy(module)
    names = {f"net.{name}" for name, _ in module.net.named_parameters()}
    assert {key for key in names if before[key].equal(after[key])} == set()


def test_the_step_size_rises_and_falls_to_nothing(folder, tmp_path):
    sizes = []

    class Sizes(L.Callback):
        def on_train_batch_start(self, trainer, *_):
            sizes.append(trainer.optimizers[0].param_groups[0]["lr"])

    module = KeysModule(Policy(GROUPS, widths=(4, 4, 4), hidden=16), lr=1.0, warmup_steps=4, weight_decay=0.0)
    data = recordings(folder, causal=True, epoch_frames=80, val_share=0)
    trainer(tmp_path, max_epochs=2, callbacks=[Sizes()]).fit(module, data)
    assert sizes == pytest.approx([0.25, 0.5, 0.75, *(1 - step / 20 for step in range(3, 20))])


def test_a_policy_is_kept_by_its_loss_and_others_by_their_error():
    assert KeysModule(Policy(GROUPS, widths=(4, 4, 4), hidden=16)).monitor == "val/loss"
    assert KeysModule(InverseDynamics(GROUPS, **TINY)).monitor == "val/error"


# --------------------------------------------------------------------------------------------------------- collapse


def constant():
    """A network that answers with `right+fire` whatever it sees."""
    torch.manual_seed(0)
    network = InverseDynamics(GROUPS, **TINY).requires_grad_(False)
    network.head.weight.zero_()
    network.head.bias.copy_(torch.tensor([0.0, 0.0, 9.0, 0.0, 9.0]))
    network.head.bias.requires_grad_(True)
    return network


def attentive():
    torch.manual_seed(0)
    network = InverseDynamics(GROUPS, **TINY)
    with torch.no_grad():
        network.head.weight.mul_(30)
    return network


def fit(network, folder, tmp_path, **options):
    stop = StopOnCollapse(**options)
    run = trainer(tmp_path, max_epochs=4, callbacks=[stop], num_sanity_val_steps=2)
    run.fit(KeysModule(network, lr=1e-5), recordings(folder, epoch_frames=64))
    return run


def test_a_run_whose_answers_are_constant_is_stopped_and_told_why(folder, tmp_path):
    with pytest.warns(UserWarning, match="does not look at the frames") as caught:
        run = fit(constant(), folder, tmp_path, patience=2)
    assert run.current_epoch == 2  # not the sanity check's, which comes before
    (text,) = {str(w.message) for w in caught if "does not look" in str(w.message)}
    assert "Other frames change 0.0% of its answers, and 100% of them are 'right+fire'" in text
    assert "Raise model.network.init_args.balance or data.balance" in text
    assert float(run.callback_metrics["val/depends"]) == 0


def test_a_run_that_looks_goes_on(folder, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*does not look.*")
        run = fit(attentive(), folder, tmp_path, patience=1)
    assert run.current_epoch == 4
    assert 0.05 < float(run.callback_metrics["val/depends"]) <= 1


def test_only_misses_in_a_row_stop_a_run():
    stop = StopOnCollapse(least=0.1, patience=2)

    class Run:
        sanity_checking = should_stop = False
        strategy = SingleDeviceStrategy()

    class Module:
        ema, device = attentive(), torch.device("cpu")

        def log(self, *_, **__):
            pass

    stopped = []
    for share in (0, 50, 0, 9):  # percent of the answers that changed
        stop.on_validation_epoch_start(Run, Module)
        stop.swapped, stop.total, stop.predictions = share, 100, [torch.zeros(1, 2, dtype=torch.long)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stop.on_validation_epoch_end(Run, Module())
        stopped.append(Run.should_stop)
    assert stopped == [False, False, False, True]


def test_a_policy_is_watched_too(folder, tmp_path):
    torch.manual_seed(0)
    policy = Policy(GROUPS, widths=(4, 4, 4), hidden=16)
    torch.nn.init.zeros_(policy.head.weight)
    module = KeysModule(policy.requires_grad_(False), lr=1e-5)
    policy.head.bias.requires_grad_(True)
    run = trainer(tmp_path, max_epochs=3, callbacks=[StopOnCollapse(patience=1)])
    with pytest.warns(UserWarning, match="does not look at the frames"):
        run.fit(module, recordings(folder, causal=True))
    assert run.current_epoch == 1
