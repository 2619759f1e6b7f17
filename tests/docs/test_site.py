"""The documentation site builds without a warning, and every link of every page leads somewhere."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from pages import FENCE, ROOT, pages

import pokegen

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
FILE = re.compile(r"\b(?:benchmarks|configs|docs|pokegen|tests)/[\w/.-]+\.(?:csv|json|md|py|yaml)\b")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """The part of an address that GitHub and mkdocs give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead to no file, or to no heading of one."""
    found = []
    for match in LINK.finditer(FENCE.sub("", text)):
        link = match[1] or match[2]
        target, _, part = link.partition("#")
        path = (page.parent / target) if target else page
        if "://" in link:
            continue
        if not path.exists() or (part and part not in map(anchor, HEADING.findall(path.read_text(encoding="utf-8")))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_resolves(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "[a](docs/no.md) [b](README.md#no-such) [c](#install) [d](https://example.org) ![e](docs/figures/card.png)"
    assert broken(ROOT / "README.md", text + "\n# Install") == ["docs/no.md", "README.md#no-such"]


def missing(text: str) -> list[str]:
    """The files of the repository that a page names and that are not there; a name in capitals is a placeholder."""
    named = {name for name in FILE.findall(text) if not re.search("[A-Z]{4}", name.replace("README", ""))}
    return [name for name in sorted(named) if not (ROOT / name).is_file()]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8").partition("## Add it to the zoo")[0]  # which names files to write
    assert missing(text) == []


def test_a_file_that_is_not_there_is_found() -> None:
    assert missing("`configs/cgan.yaml`, configs/NAME.yaml, `benchmarks/no.py`, docs/no/no.md") == [
        "benchmarks/no.py",
        "docs/no/no.md",
    ]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    built = (tmp_path / "site/api/generator/index.html").read_text(encoding="utf-8")
    assert 'id="pokegen.cards.generator.Generator.card"' in built  # the API pages hold what the code says
    assert "evolution families" in (tmp_path / "site/data/index.html").read_text(encoding="utf-8")
    assert (tmp_path / "site/checkpoints/projected_gan/samples.png").is_file()


def test_every_model_card_is_a_page_of_the_site() -> None:
    nav = str(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert [
        p.parent.name for p in ROOT.glob("checkpoints/*/README.md") if f"checkpoints/{p.parent.name}/" not in nav
    ] == []


def test_version_and_citation_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == pokegen.__version__
    assert f"## [{pokegen.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_workflow_runs_each_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"
    assert "make test" in [step.get("run") for step in jobs["test"]["steps"]]
