"""What comes from others is data: no program, no file outside, no control character, no memory bomb."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from pokegen import trust, zoo
from pokegen.cli.main import main
from pokegen.errors import CheckpointError, UserError
from pokegen.game.envs import make
from pokegen.tracking import read

DESKTOP = {"env": "pokegen/Desktop-v0", "options": {"command": ["touch", "ran"]}}


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """A copy of a shipped agent, whose arguments a test alters."""
    monkeypatch.chdir(tmp_path)
    return altered("evolution_lander", tmp_path / "agent")


def altered(name, folder, **arguments):
    source = zoo.folder_of(name)
    folder.mkdir(exist_ok=True)
    (folder / zoo.WEIGHTS).write_bytes((source / zoo.WEIGHTS).read_bytes())
    (folder / zoo.CARD).write_bytes((source / zoo.CARD).read_bytes())
    config = zoo.read_config(source)
    config["init_args"] |= arguments
    (folder / zoo.CONFIG).write_text(yaml.safe_dump(config))
    return folder


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and len(line) <= 320
    return line


@pytest.mark.parametrize("arguments", [DESKTOP, {"env": "this:Foo-v0"}, {"env": "unity/game", "options": {}}])
@pytest.mark.parametrize(
    "words",
    [
        ["card", "--model", "agent", "--out", "out"],
        ["sprites", "--model", "agent", "--out", "out"],
        ["game", "play", "--agent", "agent", "--out", "x.gif"],
        ["game", "evaluate", "--player", "agent"],
        ["zoo", "info", "agent"],
        ["evaluate", "sprites", "--model", "agent"],
        ["fit", "--config", "configs/cgan.yaml", "--log", "off", "--init_from", "agent"],
    ],
)
def test_a_checkpoint_with_a_program_is_refused(agent, arguments, words, capsys):
    altered("evolution_lander", agent, **arguments)
    (agent.parent / "this.py").write_text("open('ran', 'w')")
    assert main(words) == 2
    *noise, line = capsys.readouterr().err.splitlines()  # before a training, Lightning lists the devices
    assert "can run programs" in line
    assert words[0] == "fit" or not noise
    assert not os.path.exists("ran")


@pytest.mark.parametrize(
    ("env", "options"),
    [
        ("VizdoomBasic-v1", {"vizdoom_path": "/bin/true"}),
        ("LunarLander-v3", {"continuous": [1]}),
        ("ALE/SpaceInvaders-v5", {"height": 10**9}),
        ("ALE/SpaceInvaders-v5\n", {}),
        ("mpe/simple_spread_v3", {"render_mode": "human"}),
        ("retro/Airstriker-Genesis-v0", {}),
        ("HalfCheetah-v5", {"xml_file": "x"}),
        (["LunarLander-v3"], {}),
    ],
)
def test_only_self_contained_environments_with_plain_options_pass(env, options):
    with pytest.raises(UserError, match="can run programs"):
        trust.check_environment("x", env, options)
    trust.check_environment("x", env, options, own=(env, options))


def test_what_the_user_names_exactly_may_play(agent):
    altered("evolution_lander", agent, **DESKTOP)
    assert zoo.load(agent, own=(DESKTOP["env"], DESKTOP["options"])).model.options == DESKTOP["options"]
    with pytest.raises(CheckpointError, match="can run programs"):
        zoo.load(agent, own=(DESKTOP["env"], {"command": ["true"]}))


def test_an_agent_without_spaces_does_not_load(agent):
    altered("evolution_lander", agent, plain_spaces=None)
    with pytest.raises(CheckpointError, match="has no plain_spaces"):
        zoo.load(agent)


def test_loading_makes_no_environment(monkeypatch):
    def stop(*_, **__):
        raise AssertionError("an environment was made")

    monkeypatch.setattr("gymnasium.make", stop)
    for name in zoo.available():
        zoo.load(name)


def test_make_refuses_modules():
    with pytest.raises(UserError, match="would import a module"):
        make("this:Foo-v0")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("evolution_lander", {"hidden": [10**9, 10**9]}),
        ("evolution_lander", {"hidden": [1] * 15_000}),
        ("vae", {"latent_dim": 10**9}),
        ("reader", {"buckets": 10**12}),
        ("names", {"layers": 10**9}),
        ("stats", {"bins": 10**10}),
    ],
)
def test_arguments_allocate_nothing_before_they_fit(name, arguments, tmp_path):
    with pytest.raises(CheckpointError):
        zoo.load(altered(name, tmp_path / name, **arguments))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{c}: &{c} [{','.join(['*' + p] * 10)}]\n" for p, c in zip("abcdef", "bcdefg", strict=True)),
        "a: &a [*a]",
        "[" * 100_000,
        "a: 2020-99-99",
    ],
    ids=["aliases", "circle", "deep", "date"],
)  # fmt: skip
def test_hostile_yaml_is_no_config(text, tmp_path):
    (tmp_path / zoo.CONFIG).write_text(text)
    with pytest.raises(CheckpointError, match="is not a checkpoint's config"):
        zoo.read_config(tmp_path)


def test_files_outside_are_not_read(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "large").write_bytes(b"12345")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    for name in ("../secret", str(tmp_path / "secret"), "link", "zero", "pipe", "large", "nul\0"):
        with pytest.raises(UserError):
            trust.read_inside(folder, name, 4)
    assert trust.read_inside(folder, "large", 5) == b"12345"


def test_a_wandb_run_reads_no_file_outside(tmp_path, monkeypatch):
    from PIL import Image

    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    log = tmp_path / "run-1" / "run-1.wandb"
    log.parent.mkdir()
    log.touch()
    lines = [
        {"type": "run", "run": {"config": {"update": {"model": {}}}}},
        {"type": "history", "history": {"item": {"samples/grid.filenames": [str(tmp_path / "secret.png")]}}},
    ]
    monkeypatch.setattr(read, "inspect", lambda _: lines)
    assert read.load(str(log), tmp_path / "runs").picture is None


def test_children_do_not_import_from_the_working_folder(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    for words, status in ((trust.python("-c", "import json"), 0), ([sys.executable, "-c", "import json"], 9)):
        assert subprocess.run(words, cwd=tmp_path).returncode == status


def test_control_characters_are_shown(capsys):
    assert trust.visible("a\x1b[31m\x9b\u202e\n") == "a\\x1b[31m\\x9b\\u202e\n"
    assert "\\x1b[2J" in refused(capsys, "zoo", "info", "a\x1b[2J")
    trust.echo("b\x07")
    assert capsys.readouterr().out == "b\\x07\n"


def test_spaces_are_plain_and_come_back():
    for name in ("ppo_lander", "maddpg_spread", "dqn_invaders", "evolution_fighter"):
        model = zoo.load(name).model
        env = model.single()
        assert (env.observation_space, env.action_space) == (model.observation_space, model.action_space)
        env.close()
        json.dumps(model.plain_spaces())
