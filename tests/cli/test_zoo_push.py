"""`pokegen zoo push` and `hf:owner/name`, with a local folder in place of the Hugging Face hub: nothing leaves the
machine."""

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
import yaml
from huggingface_hub import errors
from mistakes import one_line

from pokegen import Generator, zoo
from pokegen.cli.main import main
from pokegen.models import dcgan
from pokegen.zoo import download

ARGS = {"latent_dim": 4, "width": 1}
REPO = "ada/tiny-gan"
CARD = """# mine

![64 samples](samples.png) ![another](pictures/more.png "with a title") ![far](https://example.org/far.png)

What the rows mean: [docs/panel.md](../../docs/panel.md); [the paper](https://arxiv.org/abs/1511.06434).

**Use and rights.** Ask the owners.
"""


@pytest.fixture
def folder(tmp_path):
    """A whole checkpoint, and a file that is none of it."""
    torch.manual_seed(0)
    made = tmp_path / "zoo" / "mine"
    zoo.save(dcgan.DCGANGenerator(**ARGS), made, "pokegen.models.dcgan.DCGANGenerator", ARGS, version="3")
    (made / "pictures").mkdir()
    for name in ("samples.png", "pictures/more.png", "notes.txt"):
        (made / name).write_bytes(name.encode())
    (made / "README.md").write_text(CARD)
    return made


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """The hub as folders owner/name, each a single revision, and what was asked of it."""
    self = SimpleNamespace(root=tmp_path / "hub", private={}, calls=[], token="hf_x", fails=None, sizes={})
    commit = "0123abcd" * 5

    class Api:
        def __init__(self, **options):
            pass

        def create_repo(self_, repo, *, private, exist_ok):
            self.calls.append("create_repo")
            if self.fails:
                raise self.fails
            if repo not in self.private:
                self.private[repo] = bool(private)
                (self.root / repo).mkdir(parents=True)
                (self.root / repo / ".gitattributes").touch()
            assert exist_ok
            return f"https://huggingface.co/{repo}"

        def model_info(self_, repo):
            files = [path for path in (self.root / repo).rglob("*") if path.is_file()]
            names = [path.relative_to(self.root / repo).as_posix() for path in files]
            siblings = [SimpleNamespace(rfilename=name) for name in names]
            return SimpleNamespace(private=self.private[repo], siblings=siblings)

        def upload_folder(self_, *, repo_id, folder_path, commit_message):
            self.calls.append(commit_message)
            shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)

    def snapshot_download(repo, *, revision, allow_patterns, tqdm_class, dry_run=False, **options):
        if not dry_run:
            self.calls.append((repo, revision))
        if self.fails:
            raise self.fails
        if dry_run:
            there = [path for path in (self.root / repo).glob("*") if path.name in allow_patterns]
            announced = {path.name: self.sizes.get(path.name, path.stat().st_size) for path in there}
            return [SimpleNamespace(filename=name, file_size=size) for name, size in announced.items()]
        cached = tmp_path / "cache" / f"models--{repo.replace('/', '--')}" / "snapshots" / commit
        for path in (self.root / repo).rglob("*"):
            name = path.relative_to(self.root / repo).as_posix()
            if path.is_file() and any(fnmatch(name, pattern) for pattern in allow_patterns):
                tqdm_class(unit="B").update(path.stat().st_size)  # as it is received
                (cached / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, cached / name)
        self.cached = cached
        return str(cached)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: self.token)
    return self


def push(folder, *options):
    assert main(["zoo", "push", str(folder), REPO, *options]) == 0


def front_matter(text):
    before, front, rest = text.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(front), rest


def test_what_was_pushed_draws_what_the_original_draws(folder, remote, capsys):
    push(folder)
    assert capsys.readouterr().out == f"https://huggingface.co/{REPO}\n"
    assert remote.private == {REPO: False}
    assert remote.calls == ["create_repo", "mine 3, by `pokegen zoo push`"]
    sprites = [Generator.from_zoo(str(m), roles=("sprites",)).sprites(3, seed=5) for m in (folder, f"hf:{REPO}")]
    assert (sprites[0] == sprites[1]).all()
    assert sprites[0].std() > 0
    assert sprites[0].shape == (3, 128, 128, 3)


def test_what_is_pushed_is_the_checkpoint_and_the_pictures_of_its_card(folder, remote):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    push(folder)
    there = {path.relative_to(remote.root / REPO).as_posix(): path for path in (remote.root / REPO).rglob("*.*")}
    wanted = {"model.safetensors", "config.yaml", "README.md", "samples.png", "pictures/more.png"}
    assert there.keys() == wanted | {".gitattributes"}
    for name in wanted - {"README.md"}:
        assert there[name].read_bytes() == (folder / name).read_bytes()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_card_says_what_the_hub_asks_for(folder, remote):
    push(folder)
    front, text = front_matter((remote.root / REPO / "README.md").read_text())
    assert front["license"] == "other"
    assert front["license_name"] == "see-use-and-rights"
    assert front["license_link"] == f"https://huggingface.co/{REPO}/blob/main/README.md"
    assert front["library_name"] == "pokegen"
    assert front["pipeline_tag"] == "unconditional-image-generation"
    assert front["tags"] == ["pokemon", "dcgan"]
    assert f"pokegen sprites --model hf:{REPO}" in text
    assert "What the rows mean: docs/panel.md; [the paper](https://arxiv.org/abs/1511.06434)." in text
    assert "![64 samples](samples.png)" in text
    assert text.count("Use and rights") == 1


def test_a_card_without_a_word_on_rights_gets_one(folder, remote):
    (folder / "README.md").write_text("# mine\n")
    push(folder)
    assert "learned from data that others may own" in (remote.root / REPO / "README.md").read_text()


def test_what_a_card_says_in_yaml_of_its_own_stays(folder, remote, capsys):
    (folder / "README.md").write_text(f"---\nlicense: cc0-1.0\ndatasets: [ada/drawn]\n---\n\n{CARD}")
    push(folder)
    front, text = front_matter((remote.root / REPO / "README.md").read_text())
    assert front["license"] == "cc0-1.0"
    assert front["datasets"] == ["ada/drawn"]
    assert front["library_name"] == "pokegen"
    assert text.startswith("# mine")
    (folder / "README.md").write_text(f"---\n- a\n- list\n---\n{CARD}")
    assert "is not a YAML mapping" in one_line(capsys, "zoo", "push", folder, REPO)


@pytest.mark.parametrize(
    ("name", "task"),
    [("names", "text-generation"), ("stats", None), ("judge", "image-classification")],
)
def test_each_shipped_kind_has_its_task(name, task, remote):
    push(name)
    front, text = front_matter((remote.root / REPO / "README.md").read_text())
    assert front.get("pipeline_tag") == task
    assert f'pokegen.zoo.load("hf:{REPO}")' in text
    assert zoo.load(f"hf:{REPO}").config == zoo.read_config(zoo.folder_of(name))


def test_a_second_push_replaces_the_first(folder, remote):
    push(folder, "--private")
    torch.manual_seed(1)
    zoo.save(
        dcgan.DCGANGenerator(**ARGS), folder.with_name("new"), "pokegen.models.dcgan.DCGANGenerator", ARGS, version="4"
    )
    (folder.with_name("new") / "README.md").write_text("# new")
    push(folder.with_name("new"))
    assert zoo.load(f"hf:{REPO}").version == "4"
    assert remote.private == {REPO: True}


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "config.yaml").unlink(), "config.yaml is missing"),
        (lambda f: (f / "config.yaml").write_text("version: 1"), "has no class_path"),
        (lambda f: (f / "model.safetensors").write_bytes(b"other"), "was altered"),
        (lambda f: (f / "README.md").unlink(), "has no README.md"),
        (lambda f: (f / "README.md").write_bytes(b"\xff"), "has no README.md that can be read"),
        (lambda f: (f / "samples.png").unlink(), "shows samples.png, which is not in its folder"),
        (lambda f: (f / "pictures" / "more.png").unlink(), "shows pictures/more.png"),
        (lambda f: (f / "README.md").write_text("![x](../other.png)"), "shows ../other.png"),
        (shutil.rmtree, "Unknown model"),
    ],
)
def test_what_is_not_whole_is_refused_before_the_hub_is_asked(harm, says, folder, remote, capsys):
    (folder.parent / "other.png").touch()
    harm(folder)
    assert says in one_line(capsys, "zoo", "push", folder, REPO)
    assert remote.calls == []


@pytest.mark.parametrize("repo", ["tiny", "ada/", "/tiny", "a/b/c", "hf:ada/tiny", "ada/t iny", "https://hf.co/a/b"])
def test_a_name_that_is_no_repository_is_refused(repo, folder, remote, capsys):
    assert "expected owner/name" in one_line(capsys, "zoo", "push", folder, repo)
    assert remote.calls == []


def test_nothing_is_written_without_a_token(folder, remote, capsys):
    remote.token = None
    assert "No token for the hub. Run `hf auth login`" in one_line(capsys, "zoo", "push", folder, REPO)
    assert remote.calls == []


def test_a_repository_of_something_else_is_not_written_to(folder, remote, capsys):
    remote.private[REPO] = False
    (remote.root / REPO).mkdir(parents=True)
    (remote.root / REPO / "README.md").write_text("a thesis")
    assert "contains something other than a pokegen checkpoint" in one_line(capsys, "zoo", "push", folder, REPO)
    assert [path.name for path in (remote.root / REPO).iterdir()] == ["README.md"]
    assert (remote.root / REPO / "README.md").read_text() == "a thesis"


def test_private_is_never_uploaded_in_public(folder, remote, capsys):
    push(folder)
    remote.calls.clear()
    assert "is public already" in one_line(capsys, "zoo", "push", folder, REPO, "--private")
    assert remote.calls == ["create_repo"]


def answer(kind, status, text="Bad answer"):
    return kind(f"{text}\nand more", response=SimpleNamespace(headers={}, request=None, status_code=status))


def not_cached(cause):
    error = errors.LocalEntryNotFoundError("Cannot find\nanything")
    error.__cause__ = cause
    return error


FAILURES = [
    (answer(errors.RepositoryNotFoundError, 404), f"The hub has no public model {REPO}"),
    (answer(errors.GatedRepoError, 403), f"{REPO} is gated. Request access on https://huggingface.co/{REPO}"),
    (answer(errors.HfHubHTTPError, 401), "un `hf auth login`"),
    (answer(errors.HfHubHTTPError, 403), "or set HF_TOKEN to one that may"),
    (errors.LocalTokenNotFoundError("none"), "or set HF_TOKEN to one that may"),
    (answer(errors.HfHubHTTPError, 503), f"The hub answered 503 for {REPO}: Bad answer. Try again later."),
    (errors.HTTPError("refused"), "The hub cannot be reached"),
    (errors.OfflineModeIsEnabled("offline"), "The hub cannot be reached"),
    (errors.HFValidationError("no --"), f"'{REPO}' is not a repository name: no --"),
    (PermissionError(13, "Permission denied", "cache"), "Permission denied"),
    (RuntimeError("broken\nin many lines"), "broken"),
]
READING = [
    (answer(errors.RevisionNotFoundError, 404), f"{REPO} has no revision 'v9'."),
    (not_cached(errors.HTTPError("no route")), f"The hub cannot be reached, and {REPO} is not in its cache."),
    (not_cached(errors.OfflineModeIsEnabled("offline")), "is not in its cache. Go online and try again."),
    (not_cached(answer(errors.HfHubHTTPError, 500)), "The hub answered 500"),
]


@pytest.mark.parametrize(("error", "says"), FAILURES)
def test_what_the_hub_refuses_to_take_is_one_line(error, says, folder, remote, capsys):
    remote.fails = error
    assert says in one_line(capsys, "zoo", "push", folder, REPO)
    assert remote.calls == ["create_repo"]


@pytest.mark.parametrize(("error", "says"), FAILURES + READING)
def test_what_the_hub_refuses_to_give_is_one_line(error, says, remote, tmp_path, capsys):
    remote.fails = error
    line = one_line(capsys, "sprites", "--model", f"hf:{REPO}@v9", "--out", tmp_path / "out", "--seed", "1")
    assert says in line
    assert not list((tmp_path / "out").glob("*.png"))


def test_a_model_of_the_hub_is_called_as_its_repository(folder, remote):
    push(folder)
    loaded = zoo.load(f"hf:{REPO}@v1.0")
    assert loaded.label == "tiny-gan 3"
    assert remote.calls[-2:] == [(REPO, "v1.0"), (REPO, remote.cached.name)]  # weights of the same commit as the config
    assert sorted(path.name for path in remote.cached.iterdir()) == ["README.md", "config.yaml", "model.safetensors"]


def test_info_tells_about_a_model_of_the_hub(folder, remote, capsys):
    push(folder)
    assert main(["zoo", "info", f"hf:{REPO}"]) == 0
    assert "class_path: pokegen.models.dcgan.DCGANGenerator" in capsys.readouterr().out


def test_of_another_librarys_model_no_weights_are_fetched(remote, capsys):
    (remote.root / REPO).mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "pytorch_model.bin"):
        (remote.root / REPO / name).write_bytes(b"gigabytes")
    line = one_line(capsys, "zoo", "info", f"hf:{REPO}")
    assert f"hf:{REPO} is not a pokegen checkpoint: config.yaml is missing" in line
    assert not remote.cached.exists()


def test_a_model_of_the_hub_without_weights_is_told(folder, remote, capsys):
    push(folder)
    (remote.root / REPO / "model.safetensors").unlink()
    assert "model.safetensors is missing" in one_line(capsys, "zoo", "info", f"hf:{REPO}")


@pytest.mark.parametrize("file", ["model.safetensors", "config.yaml", "README.md"])
def test_a_file_that_is_too_large_is_refused_before_it_is_fetched(folder, remote, file, capsys):
    push(folder)
    remote.sizes[file] = download.LIMITS[file] + 1
    line = one_line(capsys, "zoo", "info", f"hf:{REPO}")
    assert f"{file} of hf:{REPO} has {download.LIMITS[file] + 1:,} bytes; at most {download.LIMITS[file]:,}" in line
    fetched = [path.name for path in remote.cached.iterdir()] if file != "config.yaml" else []
    assert fetched == ["config.yaml"][: len(fetched)]


def test_a_file_that_brings_more_than_was_announced_is_cut_off(folder, remote, monkeypatch, capsys):
    push(folder)
    remote.sizes["model.safetensors"] = 1000
    monkeypatch.setattr(
        download, "LIMITS", download.LIMITS | {"model.safetensors": 1000, "config.yaml": 2000, "README.md": 2000}
    )
    assert (folder / "model.safetensors").stat().st_size > 5000
    assert f"hf:{REPO} sends more data than it announced" in one_line(capsys, "zoo", "info", f"hf:{REPO}")
    assert not (remote.cached / "model.safetensors").exists()


def test_altered_weights_of_the_hub_do_not_load(folder, remote, tmp_path, capsys):
    push(folder)
    with (remote.root / REPO / "model.safetensors").open("ab") as file:
        file.write(b"x")
    assert "was altered" in one_line(capsys, "sprites", "--model", f"hf:{REPO}", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    "class_path",
    ["os.system", "pokegen.models.os.system", "pokegen.models.dcgan.UserError", "pokegen.models.dcgan.pairwise"],
)
def test_a_config_of_the_hub_calls_nothing_but_models(class_path, folder, remote, tmp_path, capsys):
    push(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"class_path": class_path}
    (remote.root / REPO / "config.yaml").write_text(yaml.safe_dump(config))
    line = one_line(capsys, "sprites", "--model", f"hf:{REPO}", "--out", tmp_path / "out")
    assert "contain models of pokegen, not" in line or "does not fit" in line


@pytest.mark.parametrize("name", ["hf:", "hf:tiny", "hf:ada/tiny@", "hf:a/b/c", "hf:ada/tiny@v 1", "hf:/b"])
def test_a_name_that_is_none_of_the_hubs_is_told(name, remote, capsys):
    assert "expected hf:owner/name or hf:owner/name@revision" in one_line(capsys, "zoo", "info", name)
    assert remote.calls == []


def offline(tmp_path, *argv):
    """A fresh process, with the hub's own library, a cache of its own, and no network."""
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "pokegen.cli.main", *map(str, argv)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


def test_offline_what_is_cached_is_used(folder, tmp_path):
    commit = "89abcdef" * 5
    repo = tmp_path / "home" / "hub" / "models--ada--tiny-gan"
    shutil.copytree(folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    made = []
    for model in (f"hf:{REPO}", folder):
        out = tmp_path / f"out{len(made)}"
        done = offline(tmp_path, "sprites", "--model", model, "--count", "2", "--seed", "1", "--out", out)
        assert (done.returncode, done.stderr) == (0, "")
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert made[0] == made[1]
    done = offline(tmp_path, "zoo", "info", "hf:ada/other")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "pokegen: The hub cannot be reached, and ada/other is not in its cache. Go online and try again.\n"
    )


def test_the_hubs_library_is_imported_only_when_it_is_used(folder):
    code = "import sys; from pokegen import zoo; zoo.load(sys.argv[1]); print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr


def test_help_names_the_way_there_and_back(capsys):
    assert main(["zoo", "--help"]) == 0
    out = capsys.readouterr().out
    assert "push" in out
    assert "--model hf:ada/my-cgan" in out
