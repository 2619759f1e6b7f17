"""Finds a checkpoint in the shipped zoo, in a folder, or on the Hugging Face hub, from which it is downloaded."""

import math
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from pokegen import __version__, trust
from pokegen.errors import CheckpointError
from pokegen.resources import shipped
from pokegen.zoo.checkpoint import CARD, CONFIG, WEIGHTS, read_config

LIMITS = {WEIGHTS: 2**30, CONFIG: trust.CONFIG_BYTES, CARD: 2**20}  # largest downloads, in bytes
HUB = "hf:"  # prefix of a model on the Hugging Face hub
REPOSITORY = "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"


def available() -> list[str]:
    """Names of the shipped checkpoints."""
    return sorted(path.parent.name for path in shipped("checkpoints").glob(f"*/{CONFIG}"))


def folder_of(name: str | Path) -> Path:
    """The folder of a zoo name, of a path to a checkpoint folder, or of `hf:owner/name`, which is downloaded.
    CheckpointError if there is none."""
    if str(name).startswith(HUB):
        return download(str(name))
    known = available()
    if str(name) in known:
        return shipped("checkpoints") / name
    if os.path.isdir(name):
        return Path(name)
    raise CheckpointError(
        f"Unknown model {str(name)!r}. Known models: {', '.join(known) or 'none'}; or a folder, or {HUB}owner/name."
    )


def repository(name: str) -> tuple[str, str | None]:
    """`hf:owner/name@revision` → repository and revision, None for the newest."""
    found = re.fullmatch(rf"{HUB}({REPOSITORY})(?:@(\S+))?", name)
    if not found:
        raise CheckpointError(f"{name!r} is not a model of the hub: expected hf:owner/name or hf:owner/name@revision.")
    return found[1], found[2]


def download(name: str) -> Path:
    """The folder of `hf:owner/name` in the hub's own cache. If the hub cannot be reached, a cached copy is used."""
    repo, revision = repository(name)

    import huggingface_hub  # here, because few need it
    from huggingface_hub.errors import DryRunError, HTTPError  # HTTPError is the HTTP client's, whichever it is
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        """The hub's progress bar, after two seconds and only on a terminal. Stops a download that is too large."""

        def __init__(self, *args: Any, **options: Any):
            self.left = sum(LIMITS.values()) if options.get("unit") == "B" else math.inf
            super().__init__(*args, **(options | {"delay": 2, "disable": options.get("disable") or None}))

        def update(self, n: float | None = 1) -> bool | None:
            self.left -= n or 0
            if self.left < 0:
                raise CheckpointError(f"{name} sends more data than it announced: refused.")
            return super().update(n)

    def fetch(revision: str | None, *files: str) -> Path:
        def snapshot(**options: Any) -> Any:
            options |= {"library_name": "pokegen", "library_version": __version__, "tqdm_class": Bar}
            return huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=list(files), **options)

        try:
            with suppress(DryRunError):  # the hub cannot be reached; the cache may suffice
                for file in snapshot(dry_run=True):
                    if (file.file_size or 0) > LIMITS[file.filename]:
                        size, limit = f"{file.file_size:,}", f"{LIMITS[file.filename]:,}"
                        raise CheckpointError(
                            f"{file.filename} of {name} has {size} bytes; at most {limit} are downloaded."
                        )
            path = snapshot()
        except CheckpointError:
            raise
        except (OSError, ValueError, RuntimeError, HTTPError) as error:
            raise CheckpointError(refusal(error, repo, "read", revision)) from error
        for file in files:
            if file != CARD and not (Path(path) / file).is_file():
                raise CheckpointError(f"{name} is not a pokegen checkpoint: {file} is missing, or was not cached.")
        return Path(path)

    folder = fetch(revision, CONFIG)  # first, so that no other library's weights are downloaded
    read_config(folder)
    return fetch(folder.name, CONFIG, WEIGHTS, CARD)  # of the same commit, which is the folder's name


def refusal(error: Exception, repo: str, access: str, revision: str | None = None) -> str:
    """One line about an error of the hub and what to do. `access`: read or write."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, errors.HfHubHTTPError):
        error = error.__cause__  # the underlying error says more than "not cached"
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    detail = next(iter(str(error).splitlines()), type(error).__name__)
    if isinstance(error, errors.HFValidationError):
        return f"{repo!r} is not a repository name: {detail}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no revision {revision!r}. Omit @{revision}, or give an existing branch, tag or commit."
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated. Request access on https://huggingface.co/{repo}, then run `hf auth login`."
    if isinstance(error, errors.RepositoryNotFoundError) or (status == 401 and access == "read"):
        return f"The hub has no public model {repo}. Check the name, or run `hf auth login` if it is your private one."
    if status in (401, 403) or isinstance(error, errors.LocalTokenNotFoundError):
        owner = " The owner must be you or one of your organisations." if access == "write" else ""
        return f"The hub does not let you {access} {repo}. Run `hf auth login`, or set HF_TOKEN to one that may.{owner}"
    if status:
        return f"The hub answered {status} for {repo}: {detail}. Try again later."
    if isinstance(error, errors.HTTPError | ConnectionError | errors.LocalEntryNotFoundError):
        cached = f", and {repo} is not in its cache" if access == "read" else "; nothing was uploaded"
        return f"The hub cannot be reached{cached}. Go online and try again."
    return f"{repo} cannot be {'downloaded' if access == 'read' else 'uploaded'}: {detail}"
