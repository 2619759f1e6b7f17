"""The model card of a checkpoint: its facts and the results of the evaluation panel, each between markers."""

import re
from collections.abc import Sequence
from pathlib import Path

from pokegen import files, trust
from pokegen.zoo.checkpoint import CARD, WEIGHTS, class_of, read_config
from pokegen.zoo.download import folder_of

_FACTS = ("<!-- facts: written by `pokegen zoo export` -->", "<!-- /facts -->")
_NUMBERS = ("<!-- numbers: written by `pokegen evaluate all` -->", "<!-- /numbers -->")


def write_card(folder: Path) -> Path:
    """Write the facts of a checkpoint into its model card, README.md, between two markers; other text stays. Returns
    the card's path."""
    config = read_config(folder)
    training = config.get("training", {})
    software = ", ".join(f"{key} {value}" for key, value in training.get("software", {}).items())
    facts = {
        "class": f"`{config['class_path']}`",
        "arguments": ", ".join(f"{key} {value}" for key, value in config["init_args"].items() if key != "plain_spaces")
        or "defaults",
        "version": config["version"],
        "weights": f"{(folder / WEIGHTS).stat().st_size / 2**20:.1f} MiB, sha256 `{config['sha256'][:12]}…`",
        "began with": f"{training['began with']}, whose examples come on top" if "began with" in training else None,
        "trained on": f"{training.get('examples', 0):,} {class_of(config['class_path']).unit}, "
        f"seed {training.get('seed')}",
        "took": f"{training.get('hours')} hours on {training.get('hardware')}" if "hours" in training else None,
        "data": f"sha256 `{training['data_hash'][:12]}…`" if training.get("data_hash") else None,
        "software": software,
    }
    rows = "\n".join(f"| {key} | {value} |" for key, value in facts.items() if value is not None)
    return _write_block(folder / CARD, _FACTS, f"| | |\n|---|---|\n{rows}")


def write_numbers(folder: Path, table: str, command: str, depends_on: Sequence[str] = ()) -> Path:
    """Write a Markdown table of the evaluation panel's results into the model card, with the command that measured them
    and the hashes of the weights involved: the model's, and those of the zoo models `depends_on`, such as the judge.
    Returns the card's path."""
    folders = [folder, *(folder_of(name) for name in depends_on)]
    hashes = ", ".join(f"{f.resolve().name} `{read_config(f)['sha256'][:12]}…`" for f in folders)
    return _write_block(folder / CARD, _NUMBERS, f"{table}\n\nBy `{command}`. Weights: {hashes}.")


def numbers_of(folder: Path) -> dict[str, str]:
    """Name → 12-digit hash of the weights that a model card's results were measured with; {} without results."""
    text = (folder / CARD).read_text(encoding="utf-8")
    block = text.partition(_NUMBERS[0])[2].partition(_NUMBERS[1])[0]
    return dict(re.findall(r"(\S+) `([0-9a-f]{12})…`", block.rpartition("Weights: ")[2]))


def _write_block(card: Path, marks: tuple[str, str], content: str) -> Path:
    """Replace the text between two marks of a model card, or append it. UserError for a link out of its folder."""
    trust.inside(card.parent, card.name)
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {card.parent.resolve().name}\n"
    if marks[0] not in text or marks[1] not in text:
        text += f"\n{marks[0]}{marks[1]}\n"
    before, _, rest = text.partition(marks[0])
    after = rest.partition(marks[1])[2]
    return files.write(card, f"{before}{marks[0]}\n{content}\n{marks[1]}{after}")
