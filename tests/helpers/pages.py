"""The repository's pages, and the commands that they show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ("*.md", "docs/**/*.md", "benchmarks/*.md", "data/README.md", "checkpoints/*/README.md")
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash", "console", "sh")  # languages of blocks that hold commands
INLINE = re.compile(r"`(pokegen\s[^`]+)`")


def pages() -> list[Path]:
    return [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block; the language is the first word after the fence."""
    return [((info.split() or [""])[0], body) for _, info, body in FENCE.findall(text)]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each `pokegen …` in the shell blocks, the indented lines and the inline code of a page."""
    lines = [line for language, body in blocks(text) if language in SHELL for line in body.splitlines()]
    rest = FENCE.sub("", text)
    lines += [line for line in rest.splitlines() if line.startswith("    ")]
    shown = [line.strip().removeprefix("$ ") for line in lines]
    shown += INLINE.findall("\n".join(line for line in rest.splitlines() if not line.startswith("    ")))
    for line in shown:
        for part in re.split(r"\s(?:;|&&|\|)\s|;\s", line):
            if re.match(r"pokegen\s", part):
                yield shlex.split(part, comments=True)
