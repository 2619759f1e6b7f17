"""Uploads a checkpoint to the Hugging Face hub."""

import re
import shutil
import tempfile
from pathlib import Path

import yaml

from pokegen import __version__, trust
from pokegen.errors import CheckpointError
from pokegen.zoo.checkpoint import CARD, CONFIG, WEIGHTS, class_of, place, read_config, root
from pokegen.zoo.download import HUB, REPOSITORY, folder_of, refusal
from pokegen.zoo.loading import load


def push(name: str | Path, repo: str, private: bool = False) -> str:
    """Upload a checkpoint to the Hugging Face hub, from where `hf:owner/name` loads it. Returns the page's URL.

    Uploads the weights, config, samples.png, the model card and its pictures. The card gets the hub's metadata, see
    `_hub_card`. The local folder does not change.

    Args:
        name: a zoo name or a checkpoint folder.
        repo: `owner/name`; created if it is missing, refused if it contains something else.
        private: create a private repository. An existing public one is refused.

    CheckpointError, before anything is uploaded, for a checkpoint that `load` refuses, that has no model card, or whose
    card shows a missing picture; and for whatever the hub refuses.
    """
    if not re.fullmatch(REPOSITORY, repo):
        raise CheckpointError(f"{repo!r} is not a repository name: expected owner/name, such as ada/my-cgan.")
    folder, label = folder_of(name), load(name, own=True).label
    card, pictures = _hub_card(folder, repo)

    import huggingface_hub  # here, because few need it
    from huggingface_hub.errors import HTTPError  # the HTTP client's, whichever it is

    try:
        if huggingface_hub.get_token() is None:
            raise CheckpointError("No token for the hub. Run `hf auth login`, or set HF_TOKEN to one that may write.")
        api = huggingface_hub.HfApi(library_name="pokegen", library_version=__version__)
        url = api.create_repo(repo, private=private or None, exist_ok=True)
        there = api.model_info(repo)
        files = {file.rfilename for file in there.siblings or ()} - {".gitattributes"}
        if files and CONFIG not in files:
            raise CheckpointError(f"{repo} contains something other than a pokegen checkpoint. Choose another name.")
        if private and not there.private:
            raise CheckpointError(f"{repo} is public already. Make it private in its settings, or choose another name.")
        with tempfile.TemporaryDirectory() as work:
            for file in (CONFIG, WEIGHTS, *pictures):
                (Path(work) / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(trust.inside(folder, file, root(folder)), Path(work) / file)
            (Path(work) / CARD).write_text(card, encoding="utf-8")
            api.upload_folder(repo_id=repo, folder_path=work, commit_message=f"{label}, by `pokegen zoo push`")
    except CheckpointError:
        raise
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise CheckpointError(refusal(error, repo, "write")) from error
    return str(url)


_RIGHTS = """
**Use and rights.** pokegen's code is under the MIT licence. These weights were learned from data that others may own:
see `training` in config.yaml. Pokémon and its names are trademarks of Nintendo, Creatures and GAME FREAK.
"""


def _hub_card(folder: Path, repo: str) -> tuple[str, list[str]]:
    """The model card in the hub's form, and the pictures to upload, as paths below `folder`.

    The card begins with YAML: licence, library, tags and, if the hub has one, the task. The licence is "other", with
    the card's "Use and rights": pokegen's MIT licence cannot cover weights learned from others' sprites. YAML that the
    card already has takes precedence. Links that do not work on the hub are reduced to their text.
    """
    from pokegen.models.image import ImageModel

    try:
        text = (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder} has no {CARD} that can be read. `pokegen zoo export` writes one.") from error
    own = {}
    if found := re.match(r"---\n(.*?)\n---\n", text, re.DOTALL):
        text = text[found.end() :].lstrip("\n")
        try:
            own = dict(trust.read_yaml(found[1]) or {})
        except (yaml.YAMLError, TypeError, ValueError) as error:
            raise CheckpointError(f"The text between --- and --- in {folder / CARD} is not a YAML mapping.") from error

    pictures = {"samples.png"} if trust.inside(folder, "samples.png").is_file() else set()
    for picture in re.findall(r"!\[[^\]]*\]\(([^)\s]+)[^)]*\)", text):
        if "://" in picture:
            continue
        path = (folder / picture).resolve()
        if not path.is_file() or not path.is_relative_to(folder.resolve()):
            raise CheckpointError(f"{folder / CARD} shows {picture}, which is not in its folder. Add or remove it.")
        pictures.add(path.relative_to(folder.resolve()).as_posix())
    text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?://|#)[^)]*\)", r"\1", text)
    if "use and rights" not in text.lower():
        text += _RIGHTS

    class_path = read_config(folder)["class_path"]
    kind = class_of(class_path)
    draws = issubclass(kind, ImageModel)
    facts = {
        "license": "other",
        "license_name": "see-use-and-rights",
        "license_link": f"https://huggingface.co/{repo}/blob/main/{CARD}",
        "library_name": "pokegen",
        "tags": ["pokemon", place(class_path)[0].rpartition(".")[2]],
    } | ({"pipeline_tag": kind.hub_task} if kind.hub_task else {})
    use = f"pokegen sprites --model {HUB}{repo}" if draws else f'pokegen.zoo.load("{HUB}{repo}")'
    front = yaml.safe_dump(facts | own, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n{text}\n**From the hub.** `{use}`\n", sorted(pictures)
