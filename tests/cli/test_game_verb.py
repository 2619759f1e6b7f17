"""`pokegen game`: record, import, evaluate and annotate from end to end; a mistake gets one line."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from lamps import GROUPS
from mistakes import one_line

from pokegen import zoo
from pokegen.cli.main import main
from pokegen.game.video.cloning import Policy
from pokegen.game.video.film import FILMS
from pokegen.game.video.idm import InverseDynamics
from pokegen.game.video.recording import read_recording

ENV = "tests/Lamps-v0"
IDM = {"groups": GROUPS, "window": 8, "stem_width": 4, "stem_stride": 8, "stacks": [4], "width": 16, "heads": 2}
POLICY = {"groups": GROUPS, "widths": [4, 4, 4], "hidden": 16}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with `idm` and `policy`; the latter always presses right."""
    folder = tmp_path_factory.mktemp("models")
    zoo.save(InverseDynamics(**IDM), folder / "idm", "pokegen.game.video.idm.InverseDynamics", IDM, version="1")
    policy = Policy(**POLICY)
    with torch.no_grad():
        policy.head.weight.zero_()
        policy.head.bias.copy_(torch.tensor([0.0, 0.0, 50.0, 50.0, 0.0]))
    zoo.save(policy, folder / "policy", "pokegen.game.video.cloning.Policy", POLICY, version="1")
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """CSV of 50 frames by the expert."""
    out = tmp_path_factory.mktemp("recordings") / "one"
    argv = ["game", "record", "--env", ENV, "--player", "expert", "--frames", "50", "--seed", "3", "--out", str(out)]
    assert main(argv) == 0
    return out.with_suffix(".csv")


def said(capsys, *argv):
    """What a command that succeeds prints."""
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 0
    return capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ end to end


def test_record(recording, tmp_path, capsys):
    found = read_recording(recording)
    assert len(found) == 50
    assert found.reward.tolist() == [1.0] * 50  # the expert's
    assert found.episode.tolist() == [0] * 20 + [1] * 20 + [2] * 10
    argv = ["game", "record", "--env", ENV, "--player", "expert", "--frames", "50", "--out", tmp_path / "again"]
    assert said(capsys, *argv, "--seed", 3) == f"{tmp_path / 'again.csv'}\n"
    assert (tmp_path / "again.csv").read_text() == recording.read_text()
    said(capsys, *argv[:-1], tmp_path / "other", "--seed", 4)
    assert (tmp_path / "other.csv").read_text() != recording.read_text()


def test_options_reach_the_environment(tmp_path, capsys):
    argv = ["game", "record", "--env", ENV, "--player", "random", "--frames", 20, "--out", tmp_path / "short"]
    said(capsys, *argv, "--options", '{"length": 5}')
    assert read_recording(tmp_path / "short").episode.tolist() == [t // 5 for t in range(20)]


def test_record_of_a_clone(models, tmp_path, capsys):
    said(
        capsys,
        *("game", "record", "--env", ENV, "--player", models / "policy", "--frames", 20, "--out", tmp_path / "clone"),
    )
    assert read_recording(tmp_path / "clone").keys == ["right"] * 20


def test_evaluate(tmp_path, capsys):
    argv = ["game", "evaluate", "--env", ENV, "--player", "expert", "--episodes", 3, "--json", tmp_path / "found.json"]
    first, mean, middle, chance, path = said(capsys, *argv).splitlines()
    spread = "standard deviation 0.00, from 20 to 20, 3 games of 20 steps"
    assert first == f"expert plays {ENV}: 20.00 a game, {spread}"
    assert mean == "mean 20.00, 95 % interval 20.00 to 20.00"
    assert middle == "interquartile mean 20.00, 95 % interval 20.00 to 20.00"
    assert 0 <= float(chance.split()[2]) < 10  # random play
    assert path == str(tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text()) == {
        **{"env": ENV, "player": "expert", "seed": 0},
        **{"returns": [20.0] * 3, "steps": [20] * 3},
    }


def test_evaluate_several_runs_beside_what_is_published(capsys):
    argv = ["game", "evaluate", "--env", "ALE/Boxing-v5", "--player", "random", "random", "--episodes", 2]
    said_ = said(capsys, *argv, "--options", '{"max_num_frames_per_episode": 400}')
    assert "of 2 runs: " in said_
    assert "published: random 0.1, a person 12.1; this is" in said_


def test_evaluate_writes_the_model_card(models, tmp_path, capsys):
    folder = tmp_path / "policy"
    shutil.copytree(models / "policy", folder)
    argv = ["game", "evaluate", "--env", ENV, "--player", folder, "--episodes", 2]
    assert "\nthe script: 20.00 ± 0.00\n" in said(capsys, *argv)
    assert said(capsys, *argv, "--card").splitlines()[-1] == str(folder / "README.md")
    assert zoo.numbers_of(folder) == {"policy": zoo.read_config(folder)["sha256"][:12]}
    assert "| random play | " in (folder / "README.md").read_text()
    assert f"--player {folder} --env {ENV} --episodes 2 --seed 0`" in (folder / "README.md").read_text()
    assert "one checkpoint" in one_line(capsys, *argv[:-3], "random", "--card")


def test_play_films_whole_episodes(models, tmp_path, capsys):
    import av

    argv = ["game", "play", "--env", ENV, "--agent", models / "policy", "--episodes", 2, "--seed", 5]
    for name in (f"game{end}" for end in FILMS):
        *episodes, path = said(capsys, *argv, "--out", tmp_path / name).splitlines()
        assert [line.split()[-2] for line in episodes] == ["20", "20"]
        assert path == str(tmp_path / name)
        with av.open(path) as file:
            shown = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert len(shown) == 40
        assert {frame.shape for frame in shown} == {(32, 32, 3)}
        upper = shown[10][6, :30].astype(int).mean(axis=1)  # of the lamps that tell what was pressed, always right
        assert upper[15] > 200 > max(upper[5], upper[25])
    for name in ("game.txt", "game.webm", "game.ogg"):
        assert ".mp4" in one_line(capsys, *argv, "--out", tmp_path / name)


def test_evaluate_is_seeded(tmp_path, capsys):
    found = []
    for name, seed, episodes in (("a", 0, 4), ("b", 2, 2), ("c", 0, 4)):
        argv = ["game", "evaluate", "--env", ENV, "--player", "random", "--seed", seed, "--episodes", episodes]
        said(capsys, *argv, "--json", tmp_path / name)
        found.append(json.loads((tmp_path / name).read_text())["returns"])
    assert found[0] == found[2]
    assert found[0][2:] == found[1]  # the nth game has seed + n
    assert len(set(found[0])) > 1


def test_annotate(recording, models, tmp_path, capsys):
    video = recording.with_suffix(".mkv")
    argv = ["game", "annotate", video, "--model", models / "idm", "--out", tmp_path, "--shard_frames", 16]
    assert said(capsys, *argv) == f"{tmp_path / 'one.csv'}\n"
    found = read_recording(tmp_path / "one")
    assert len(found) == 50
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.csv", "one.mkv", "one.parquet"]


def test_import(recording, tmp_path, capsys):
    with open(recording, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(tmp_path / "keys.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["frame", "time", "key"], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    argv = ["game", "import", recording.with_suffix(".mkv"), tmp_path / "keys.csv", "--out", tmp_path / "made"]
    assert said(capsys, *argv) == f"{tmp_path / 'made.csv'}\n"
    made, own = read_recording(tmp_path / "made"), read_recording(recording)
    assert made.keys == own.keys
    for a, b in zip(made.frames(), own.frames(), strict=True):
        assert np.abs(a.astype(int) - b).mean() < 3


def test_envs(capsys):
    lines = said(capsys, "game", "envs").splitlines()
    assert any(line.startswith("pokegen/Overworld-v0 ") for line in lines)
    (line,) = said(capsys, "game", "envs", "pokegen/Fighter-v0").splitlines()
    assert line.startswith("pokegen/Fighter-v0 ")


def test_envs_measured(tmp_path, capsys):
    argv = ["game", "envs", "CartPole-v1", "--check", "--json", tmp_path / "matrix.json"]
    *table, last = said(capsys, *argv).splitlines()
    assert any("CartPole-v1" in line for line in table)
    assert last == str(tmp_path / "matrix.json")
    (row,) = json.loads((tmp_path / "matrix.json").read_text())
    assert row["id"] == "CartPole-v1"


def test_help_names_each_sub_verb(capsys):
    text = said(capsys, "game", "--help")
    assert all(word in text for word in ("envs", "record", "import", "annotate", "evaluate", "examples:"))


# ---------------------------------------------------------------------------------------------------------- mistakes

PLAY = "game", "evaluate", "--env", ENV


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("game",), "arguments are required"),
        (("game", "dance"), "invalid choice: 'dance'"),
        (("game", "envs", "--json", "matrix.json"), "--json writes the results of --check: give both."),
        (("game", "envs", "pokegen/Overwrold-v0"), "pokegen/Overworld-v0"),
        (("game", "record", "--env", ENV), "--out"),
        (("game", "evaluate", "--env", "pokegen/Overwrold-v0"), "Near: pokegen/Overworld-v0"),
        (("game", "evaluate", "--env", "nothing-at-all"), "`pokegen game envs` lists what there is"),
        ((*PLAY, "--player", "nobody"), "Unknown model 'nobody'"),
        ((*PLAY, "--player", "human"), "Unknown model 'human'"),
        ((*PLAY, "--episodes", "0"), "expected a whole number from 1 on, got '0'"),
        ((*PLAY, "--episodes", "-3"), "expected a whole number from 1 on, got '-3'"),
        ((*PLAY, "--seed", "one"), "invalid int value: 'one'"),
        ((*PLAY, "--options", "{length: 5}"), "expected JSON, got '{length: 5}'"),
        ((*PLAY, "--options", "[5]"), "expected JSON such as '{\"frameskip\": 4}', got '[5]'"),
        ((*PLAY, "--options", '{"lenght": 5}'), "lenght"),
        ((*PLAY, "--episode", "3"), "unrecognized arguments: --episode 3"),
        (("game", "evaluate", "--env", "CartPole-v1", "--player", "expert"), "No script plays CartPole-v1."),
        (("game", "annotate", "--model", "idm"), "VIDEO"),
        (("game", "annotate", "none.mkv", "--model", "nothing"), "Unknown model 'nothing'"),
        (
            ("game", "annotate", "none.mkv", "--model", "cgan"),
            "cgan reads no keys: expected an inverse dynamics model.",
        ),
        (("game", "import", "none.mkv", "none.csv", "--out", "made"), "none.csv does not exist"),
    ],
)
def test_mistakes(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in one_line(capsys, *argv)
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_annotate(recording, models, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video = tmp_path / "one.mkv"
    shutil.copy(recording.with_suffix(".mkv"), video)
    argv = ["game", "annotate", "--model", models / "idm", "--out", tmp_path / "out"]
    assert "none.mkv does not exist" in one_line(capsys, *argv, "none.mkv")
    assert "at least the model's window, 8, got 4" in one_line(capsys, *argv, video, "--shard_frames", 4)
    assert "Precision 'fast' is invalid" in one_line(capsys, *argv, video, "--precision", "fast")
    assert "policy reads no keys" in one_line(capsys, *argv[:3], models / "policy", video)
    assert not (tmp_path / "out").exists()
    (tmp_path / "one.csv").touch()
    assert "one.csv exists" in one_line(capsys, *argv[:4], video)


def test_a_recording_that_is_there_is_kept(recording, capsys):
    before = recording.read_text()
    argv = ["game", "record", "--env", ENV, "--player", "random", "--frames", 20]
    assert "exists. Choose another name" in one_line(capsys, *argv, "--out", recording.with_suffix(""))
    assert recording.read_text() == before


def test_a_recording_that_never_began_leaves_its_name_free(tmp_path, capsys):
    argv = ["game", "record", "--frames", 20, "--out", tmp_path / "one"]
    assert "does not name its actions" in one_line(capsys, *argv, "--env", "CartPole-v1", "--player", "random")
    assert list(tmp_path.iterdir()) == []
    said(capsys, *argv, "--env", ENV, "--player", "random")


def test_where_nothing_can_be_written(tmp_path, capsys):
    (tmp_path / "no").write_text("a file")
    argv = [*PLAY, "--player", "random", "--episodes", 1, "--json", tmp_path / "no" / "folder.json"]
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 2
    told = capsys.readouterr().err
    assert "Cannot write" in told and told.endswith("Choose another place with --json.\n")
