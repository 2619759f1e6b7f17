"""score sprites, stats and names against real ones

Prints a table of metrics, with floors and ceilings for comparison: real data, and degraded real data. Writes
report.json and report.html, which also explains the metrics, into the folder --out. `sprites` needs real sprites, see
`pokegen data import`. `all` scores every shipped model and writes the results into their model cards.

examples:
  pokegen evaluate sprites --model cgan vae --seeds 3
  pokegen evaluate sprites --samples out/ --reference platinum,emerald
  pokegen evaluate stats --model stats
  pokegen evaluate names --samples names.txt
  pokegen evaluate all
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegen.cards.request import DEFAULT_MODEL
from pokegen.errors import CheckpointError, DataError, UserError
from pokegen.trust import echo, visible

if TYPE_CHECKING:
    from pokegen.evaluation.sprites_panel import Sprites

PANELS = ("sprites", "stats", "names")
# The default reference for sprite models: pixel art of generations III to V, which is one style. Crystal has four
# colours per sprite, and the later games are 3-D renders.
GAMES = (
    *("emerald", "ruby-sapphire", "firered-leafgreen", "diamond-pearl", "platinum"),
    *("heartgold-soulsilver", "black-white"),
)
JUDGES = ("judge", "type_judge")
PLAIN = "dcgan"  # a plain DCGAN is scored too, for comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    panels = parser.add_subparsers(dest="panel", required=True, metavar="{sprites,stats,names,all}")
    for name, samples, default in (
        ("sprites", "folder with PNG files of 128×128, as `pokegen sprites` writes them", DEFAULT_MODEL),
        ("stats", "CSV file, as `pokegen stats` writes it", "stats"),
        ("names", "text file with one name per line", "names"),
    ):
        panel = panels.add_parser(name, help=f"score {name}", description=f"Score {name}: of a model, or from a file.")
        source = panel.add_mutually_exclusive_group()
        source.add_argument(
            "--model",
            nargs="+" if name == "sprites" else None,
            help=f"{'zoo names' if name == 'sprites' else 'zoo name'} or checkpoint folder; default: {default}",
        )
        source.add_argument("--samples", type=Path, metavar="PATH", help=samples)
        panel.set_defaults(default=default)
        _add_common(panel, sprites=name == "sprites", seeds=1)
    summary = "score every shipped model, and write the results into the model cards"
    panel = panels.add_parser("all", help=summary, description=summary.capitalize() + ".")
    _add_common(panel, sprites=True, seeds=3)


def _add_common(panel: argparse.ArgumentParser, sprites: bool, seeds: int) -> None:
    panel.add_argument("--seed", type=int, default=0, metavar="S", help="first seed; default: %(default)s")
    panel.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")
    if not sprites:
        return
    panel.add_argument(
        "--seeds", type=int, default=seeds, metavar="N", help="number of seeds to average over; default: %(default)s"
    )
    panel.add_argument("--count", type=int, default=2000, metavar="N", help="sprites per model; default: %(default)s")
    panel.add_argument(
        "--reference",
        metavar="GAMES",
        help="real sprites to compare with, separated by commas: games; or styles such as pixel, pixel-4, render, "
        "artwork; or all; default: the pixel art of generations III to V",
    )
    panel.add_argument(
        "--split",
        choices=("val", "test"),
        default="test",
        help="split of the unseen families; default: %(default)s",
    )
    panel.add_argument(
        "--inception",
        type=Path,
        metavar="FILE",
        help="torch-fidelity's Inception weights; adds the Inception distance to all training sprites",
    )
    panel.add_argument("--root", default="data/sprites", metavar="DIR", help="imported sprites; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    if args.panel in ("sprites", "all") and not (1 <= args.seeds <= 100 and 1 <= args.count <= 100_000):
        raise UserError(f"--seeds must be from 1 to 100 and --count to 100,000, got {args.seeds} and {args.count}.")

    if not 0 <= args.seed <= 2**32 - 101:  # the range of numpy and scikit-learn, less the repeats
        raise UserError(f"--seed must be from 0 to {2**32 - 101}, got {args.seed}.")

    from pokegen.files import writable_folder

    out = writable_folder(args.out)
    if args.panel == "all":
        _all(args, out)
    else:
        default = args.default if args.panel != "sprites" else [args.default]
        chosen = default if args.model is None else args.model
        result, pictures = _PANELS[args.panel](args, None if args.samples else chosen)
        _show(out, f"{args.panel.capitalize()} panel", args.panel, result, pictures)


def _show(out: Path, title: str, panel: str, result: dict[str, Any], pictures: Mapping[str, Any]) -> None:
    """Print the table and write the report."""
    import importlib

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pokegen.evaluation.report import cells, write_report

    metrics, lines = cells(result)
    table = Table(title=title)
    table.add_column("")
    for line in lines:
        table.add_column(Text(visible(line[0])), justify="right")
    for i, metric in enumerate(metrics, start=1):  # one metric per line: too many to fit side by side
        table.add_row(*(Text(visible(cell)) for cell in (metric, *(line[i] for line in lines))))
    console = Console(file=sys.stderr, width=None if sys.stderr.isatty() else 200)
    console.print(table)
    meanings = importlib.import_module(f"pokegen.evaluation.{panel}_panel").METRICS
    about = "\n".join(f"{metric:<24}{meanings[metric]}" for metric in metrics if metric in meanings)
    for path in write_report(out, title, result, pictures, about):
        echo(path)


def _sprites(args: argparse.Namespace, models: list[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    from pokegen import zoo
    from pokegen.evaluation.distances import inception_fid
    from pokegen.evaluation.samples import read_samples, species_conditions
    from pokegen.evaluation.sprites_panel import MIN_PICTURES, draw, evaluate_sprites
    from pokegen.models import ImageModel
    from pokegen.progress import progress

    if args.count < MIN_PICTURES:
        raise UserError(f"The panel needs {MIN_PICTURES} pictures or more, got --count {args.count}.")
    found = [(name, zoo.load(name)) for name in dict.fromkeys([*(models or ()), PLAIN])]
    for name, loaded in found:
        if not isinstance(loaded.model, ImageModel):
            raise CheckpointError(f"{name} creates no sprites: it is a {loaded.config['class_path']}.")
    trained, unseen = _real(args)
    judge, type_judge = (zoo.load(name).model for name in JUDGES)
    drawn: dict[str, Any] = {}
    if models is None:
        samples = read_samples(args.samples, args.seed)
        drawn["samples"] = lambda seed: samples
    conditions = species_conditions(trained)
    for name, loaded in found:
        row = loaded.name if name in zoo.available() else str(name)  # a folder may have the name of a zoo model
        drawn[row] = lambda seed, model=loaded.model: draw(model, conditions, args.count, seed)

    def with_progress(names: Iterable[str]) -> Iterable[str]:
        return progress(names, "sets of sprites", len(drawn) + 6)

    seeds = range(args.seed, args.seed + (args.seeds if models else 1))
    fid = {
        name: inception_fid(trained.pictures, sampler(args.seed).pictures, args.inception)
        for name, sampler in drawn.items()
        if args.inception
    }
    result, pictures = evaluate_sprites(drawn, trained, unseen, judge, type_judge, seeds, with_progress)
    for name, value in fid.items():
        result["rows"][name]["inception_fid"] = value
    return result | {"reference": args.reference or ", ".join(GAMES), "split": args.split}, pictures


def _real(args: argparse.Namespace) -> tuple["Sprites", "Sprites"]:
    """The real sprites of the training families and of held-out ones."""
    from pokegen.data.modules import SpriteDataModule
    from pokegen.evaluation.sprites_panel import Sprites, at_panel_size
    from pokegen.schema import STYLES

    wanted = [word.strip() for word in args.reference.split(",")] if args.reference else list(GAMES)
    styles = [word for word in wanted if word in (*STYLES, "pixel")]
    games = [] if wanted == ["all"] else [word for word in wanted if word not in styles]
    if styles and games:
        raise UserError(f"--reference takes games, or styles, or all, not a mixture; got {args.reference}.")
    data = SpriteDataModule(args.root, styles=styles, games=games, rotation=0, flip=0)
    try:
        data.setup("test")
    except DataError as error:
        if args.reference or not str(error).startswith("No game"):
            raise
        raise DataError(
            f"{args.root} has none of the default reference games. Choose others with --reference, or all of them with "
            "--reference all."
        ) from error
    trained, unseen = (
        Sprites(at_panel_size(d.pixels[d.rows]), d.conditions.numpy(), d.species.numpy())
        for d in (data.datasets["train"], data.datasets[args.split])
    )
    return trained, unseen


def _stats(args: argparse.Namespace, model: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    from pokegen.evaluation.stats_panel import evaluate_stats, real_splits

    if model is not None:
        return evaluate_stats(_load(model, "pokegen.models.stats.StatsModel"), real_splits(), args.seed), {}
    import pandas as pd

    try:
        rows = pd.read_csv(args.samples, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{args.samples} cannot be read as CSV: {getattr(error, 'strerror', None) or error}."
        ) from error
    return evaluate_stats(None, real_splits(), args.seed, rows), {}


def _names(args: argparse.Namespace, model: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    from pokegen.data.tables import NamesDataModule
    from pokegen.evaluation.names_panel import evaluate_names

    splits = NamesDataModule().columns
    if model is not None:
        return evaluate_names(_load(model, "pokegen.models.names.NameModel"), splits, args.seed), {}
    try:
        lines = args.samples.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{args.samples} cannot be read as text: {getattr(error, 'strerror', None) or error}."
        ) from error
    return evaluate_names(None, splits, args.seed, [line.strip() for line in lines if line.strip()]), {}


def _load(name: str, class_path: str) -> Any:
    """The network of a checkpoint of this class. CheckpointError for another class."""
    from pokegen import zoo

    found = zoo.read_config(zoo.folder_of(name))["class_path"]
    if found.rpartition(".")[2] != class_path.rpartition(".")[2]:
        raise CheckpointError(f"{name} is a {found}; this panel scores a {class_path}.")
    return zoo.load(name).model


_PANELS: dict[str, Any] = {"sprites": _sprites, "stats": _stats, "names": _names}


def _all(args: argparse.Namespace, out: Path) -> None:
    """Run each panel, write its report into a folder of its own, and the results into the model cards."""
    from pokegen import zoo
    from pokegen.data.reader_data import ReaderDataModule
    from pokegen.evaluation.reader_panel import evaluate_reader
    from pokegen.evaluation.report import markdown
    from pokegen.evaluation.sprites_panel import score_judge
    from pokegen.models import Classifier, ImageModel
    from pokegen.progress import progress

    trained, unseen = _real(args)  # first, so that a mistake is found before anything is scored
    drawers = [name for name in zoo.available() if isinstance(zoo.load(name).model, ImageModel)]
    args.samples = None
    options = ("seed", "seeds", "count", "split", "reference")
    given = [f"--{name} {getattr(args, name)}" for name in options if getattr(args, name) is not None]
    command = " ".join(["pokegen evaluate all", *given])
    for panel in PANELS:
        result, pictures = _PANELS[panel](args, drawers if panel == "sprites" else panel)
        _show(out / panel, f"{panel.capitalize()} panel", panel, result, pictures)
        for name in drawers if panel == "sprites" else [panel]:
            others = set(drawers) - {name, PLAIN}  # a card shows its own model first, then the references
            rows = {name: result["rows"].get(name)} | result["rows"] if panel == "sprites" else result["rows"]
            rows = {row: values for row, values in rows.items() if row not in others}
            depends_on = [other for other in (PLAIN, *JUDGES) if panel == "sprites" and other != name]
            echo(zoo.write_numbers(zoo.folder_of(name), markdown({"rows": rows}), command, depends_on))
    classifiers = [name for name in zoo.available() if isinstance(zoo.load(name).model, Classifier)]
    for name in progress(classifiers, "classifiers", len(classifiers)):
        rows = {"trained families": score_judge(zoo.load(name).model, trained)}
        rows |= {f"{args.split} families": score_judge(zoo.load(name).model, unseen)}
        echo(zoo.write_numbers(zoo.folder_of(name), markdown({"rows": rows}), command))
    scored = evaluate_reader(zoo.load("reader").model, ReaderDataModule(words=0).columns)
    echo(zoo.write_numbers(zoo.folder_of("reader"), markdown(scored), command))
