"""A hook of mkdocs: pages that live outside docs/ join the site, and links between pages of the repository work there.

On GitHub and in an editor a page in docs/ links to `../benchmarks/agents.md`, and a page in benchmarks/ to
`../docs/panel.md`. The site has the pages of docs/ at its top and the others in a folder of their own name, so each
relative link is written again for that layout. A link to a file that is not part of the site stops a strict build.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "data/README.md", "benchmarks/*.md", "checkpoints/*/README.md")
FILES = ("checkpoints/*/*.png",)  # the sample grids of the model cards
LINK = re.compile(r"(?<=\]\()([^)\s#]+)")  # the target of [text](target#part), without the part


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages and pictures from outside docs/."""
    for pattern in (*PAGES, *FILES):
        for path in sorted(ROOT.glob(pattern)):
            place = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def in_repository(place: str) -> str:
    """The path in the repository of a file of the site."""
    return place if (ROOT / place).is_file() else f"docs/{place}"


def in_site(path: str) -> str:
    """The path in the site of a file of the repository; a folder is its README.md."""
    path = f"{path}/README.md" if (ROOT / path).is_dir() else path
    return path.removeprefix("docs/")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Write the relative links of a page for the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(in_repository(here))

    def written(match: re.Match[str]) -> str:
        target = match[1]
        if "://" in target or target.startswith("mailto:"):
            return target
        path = posixpath.normpath(posixpath.join(folder, target))
        return posixpath.relpath(in_site(path), posixpath.dirname(here) or ".")

    return LINK.sub(written, markdown)
