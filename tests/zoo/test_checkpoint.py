import gc
import importlib
import sys

import pytest
import torch
import yaml

from pokegen import zoo
from pokegen.errors import CheckpointError, UserError
from pokegen.models.cgan import CGANGenerator
from pokegen.zoo import checkpoint

ARGS = {"latent_dim": 8, "width": 8, "embedding_dim": 8}
CLASS = "pokegen.models.cgan.CGANGenerator"


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    zoo.save(CGANGenerator(**ARGS), tmp_path / "tiny", CLASS, ARGS, version="3")
    return tmp_path / "tiny"


def seeded():
    return torch.Generator().manual_seed(0)


def test_save_load_same_samples(folder):
    torch.manual_seed(0)
    net = CGANGenerator(**ARGS).eval()
    loaded = zoo.load(folder)
    assert loaded.label == "tiny 3"
    assert not loaded.model.training
    assert loaded.model.sample(2, generator=seeded()).equal(net.sample(2, generator=seeded()))


def test_float16_halves_the_file_and_loads_as_float32(folder, tmp_path):
    torch.manual_seed(0)
    zoo.save(CGANGenerator(**ARGS), tmp_path / "half", CLASS, ARGS, half=True, version="3")
    assert (tmp_path / "half" / zoo.WEIGHTS).stat().st_size < 0.6 * (folder / zoo.WEIGHTS).stat().st_size
    loaded = zoo.load(tmp_path / "half").model
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    near = (loaded.sample(2, generator=seeded()) - zoo.load(folder).model.sample(2, generator=seeded())).abs().max()
    assert near < 0.02


def test_saving_again_keeps_the_model_card(folder):
    (folder / "README.md").write_text("# tiny")
    zoo.save(CGANGenerator(**ARGS), folder, CLASS, ARGS, version="4")
    assert (folder / "README.md").read_text() == "# tiny"
    assert zoo.load(folder).version == "4"


def altered(folder, **changes):
    config = yaml.safe_load((folder / zoo.CONFIG).read_text()) | changes
    (folder / zoo.CONFIG).write_text(yaml.safe_dump({k: v for k, v in config.items() if v is not None}))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / zoo.WEIGHTS).unlink(), "incomplete: model.safetensors is missing"),
        (lambda f: (f / zoo.CONFIG).unlink(), "config.yaml is missing"),
        (lambda f: (f / zoo.WEIGHTS).write_bytes((f / zoo.WEIGHTS).read_bytes()[:-1] + b"x"), "was altered"),
        (lambda f: (f / zoo.WEIGHTS).write_bytes(b""), "was altered"),
        (lambda f: (f / zoo.CONFIG).write_text("just a line"), "not a checkpoint's config"),
        (lambda f: altered(f, sha256=None), "has no sha256"),
        (lambda f: altered(f, class_path="os.system"), "contain models of pokegen, not 'os.system'"),
        (lambda f: altered(f, class_path="pokegen.models.cgan.Diffuser"), "contain models of pokegen, not"),
        (lambda f: altered(f, class_path="pokegen.models.network.Network"), "contain models of pokegen, not"),
        (lambda f: altered(f, class_path="pokegen.models.critic.ChosenByCritic"), "contain models of pokegen, not"),
        (lambda f: altered(f, init_args=ARGS | {"width": 16}), "does not fit"),
        (lambda f: altered(f, init_args={"depth": 3}), "does not fit"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(folder, harm, message):
    harm(folder)
    with pytest.raises(CheckpointError, match=message) as error:
        zoo.load(folder)
    assert "\n" not in str(error.value)


OWN = """
from pokegen.models import CGANGenerator
from pokegen.models.network import Network


class Mine(CGANGenerator):
    pass


class Player(Network):
    def plain_spaces(self):
        return {}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The name of a module with networks of the user's own, which is not imported yet."""
    (tmp_path / "mylab_of_this_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "mylab_of_this_test"
    sys.modules.pop("mylab_of_this_test", None)
    gc.collect()  # or the subclasses would outlive the test


def test_a_users_own_network_loads_once_its_module_is_imported(folder, own):
    before = zoo.load(folder).model.sample(2, generator=seeded())
    altered(folder, class_path=f"{own}.Mine")
    with pytest.raises(
        CheckpointError, match=r"not .mylab_of_this_test\.Mine.\. If it is your own class, import it first"
    ):
        zoo.load(folder)
    assert own not in sys.modules  # a checkpoint imports nothing
    module = importlib.import_module(own)
    loaded = zoo.load(folder)
    assert type(loaded.model) is module.Mine
    assert loaded.model.sample(2, generator=seeded()).equal(before)
    altered(folder, class_path=f"{own}.CGANGenerator")  # imported there, but of another module
    with pytest.raises(CheckpointError, match="contain models of pokegen, not"):
        zoo.load(folder)


def test_a_users_own_agent_is_checked_like_any_other(folder, own):
    importlib.import_module(own)
    options = {"command": "true"}
    altered(folder, class_path=f"{own}.Player", init_args={"env": "pokegen/Desktop-v0", "options": options})
    with pytest.raises(CheckpointError, match="has no plain_spaces"):
        zoo.load(folder)
    arguments = {"env": "pokegen/Desktop-v0", "options": options, "plain_spaces": {}}
    altered(folder, class_path=f"{own}.Player", init_args=arguments)
    with pytest.raises(CheckpointError, match="can run programs"):
        zoo.load(folder)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(CheckpointError, match=r"Unknown model 'nosuch'. Known models: .*cgan"):
        zoo.load("nosuch")


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(CheckpointError, match="exists and is not a checkpoint"):
        zoo.save(CGANGenerator(**ARGS), tmp_path / "mine", CLASS, ARGS, version="1")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "x"


@pytest.mark.parametrize("name", zoo.available())
def test_every_shipped_checkpoint_loads_and_has_a_card(name):
    loaded = zoo.load(name)
    card = (zoo.folder_of(name) / zoo.CARD).read_text(encoding="utf-8")
    assert loaded.config["sha256"][:12] in card  # the card is of these weights
    assert (zoo.folder_of(name) / zoo.WEIGHTS).stat().st_size < 20 * 2**20


def test_the_zoo_holds_what_a_card_needs():
    assert {"projected_gan", "cgan", "vae", "stats", "names"} <= set(zoo.available())


def test_weights_that_are_not_finite_are_refused_and_the_old_checkpoint_stays(folder):
    before = zoo.load(folder).config
    net = CGANGenerator(**ARGS)
    next(net.parameters()).data[0] = float("nan")
    with pytest.raises(CheckpointError, match="contains NaN or infinity"):
        zoo.save(net, folder, CLASS, ARGS, version="4")
    assert zoo.load(folder).config == before


@pytest.mark.parametrize("config", ["model: {}\ntrainer: {}\n", "- a list\n"])
def test_a_folder_with_a_config_of_its_own_is_not_replaced(tmp_path, config):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(config)
    with pytest.raises(CheckpointError, match="exists and is not a checkpoint"):
        zoo.save(CGANGenerator(**ARGS), tmp_path / "run", CLASS, ARGS, version="1")
    assert (tmp_path / "run" / "config.yaml").read_text() == config
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_people_added_to_a_checkpoint_stays(folder):
    (folder / "README.md").write_text("mine")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").write_bytes(b"a")
    (folder / "link").symlink_to("README.md")
    zoo.save(CGANGenerator(**ARGS), folder, CLASS, ARGS, version="4")
    assert zoo.load(folder).version == "4"
    assert (folder / "README.md").read_text() == "mine"
    assert (folder / "pictures" / "a.png").read_bytes() == b"a"
    assert (folder / "link").read_text() == "mine"


def test_a_discriminator_goes_along_and_a_damaged_one_is_told(folder, tmp_path):
    assert zoo.load_discriminator(folder) == {}
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    state = {"discriminator.body.weight": torch.ones(2, 2), "discriminator.net.weight": torch.ones(1), "ema.w": 1}
    torch.save({"state_dict": state}, tmp_path / "run" / "checkpoints" / "last.ckpt")
    zoo.export_discriminator(tmp_path / "run", folder)
    found = zoo.load_discriminator(folder)
    assert found.keys() == {"body.weight"}  # not the frozen network
    assert found["body.weight"].dtype == torch.float16 and bool((found["body.weight"] == 1).all())
    (folder / zoo.DISCRIMINATOR).write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="is damaged"):
        zoo.load_discriminator(folder)
    (folder / zoo.DISCRIMINATOR).unlink()
    (folder / zoo.DISCRIMINATOR).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="leads out of"):
        zoo.load_discriminator(folder)


def test_a_full_disk_while_people_s_own_files_are_copied_is_one_line(folder, monkeypatch):
    (folder / "README.md").write_text("mine")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.shutil, "copy2", full)
    with pytest.raises(UserError, match="tiny': No space left on device"):
        zoo.save(CGANGenerator(**ARGS), folder, CLASS, ARGS, version="4")
    assert zoo.load(folder).version == "3"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_a_model_card_that_links_elsewhere_is_not_written_through(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (folder / zoo.CARD).unlink(missing_ok=True)
    (folder / zoo.CARD).symlink_to(tmp_path / "mine.txt")
    with pytest.raises(UserError, match="leads out of"):
        zoo.write_card(folder)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_called_snapshots_is_no_cache_of_the_hub(folder, tmp_path):
    place = tmp_path / "snapshots" / "tiny"
    place.parent.mkdir()
    folder.rename(place)
    (place / zoo.CONFIG).rename(tmp_path / "config")
    (place / zoo.CONFIG).symlink_to(tmp_path / "config")
    with pytest.raises(UserError, match="leads out of"):
        zoo.load(place)


def test_training_must_be_a_mapping(folder):
    altered(folder, training=[1])
    with pytest.raises(CheckpointError, match="training is not a dict"):
        zoo.load(folder)


def test_a_label_has_no_control_characters(folder):
    altered(folder, version="\x1b[2J")
    assert zoo.load(folder).label == "tiny \\x1b[2J"
