"""compare training runs: status, settings that differ, best metrics, curves, samples

RUN is the name of a run in the folder --runs, a run's folder, the folder of an offline W&B run, or entity/project/id on
W&B's server, which needs a login. Prints a table, and writes compare.html (everything on one page), curves.png and
samples.png into the folder --out.

examples:
  pokegen compare cgan cgan-2
  pokegen compare wide narrow --metric val/mse --out out/width
  pokegen compare runs/cgan/wandb/offline-run-20250101_120000-abcdefgh me/pokegen/4f2k9x1a
"""

import argparse
from pathlib import Path

from pokegen.trust import echo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+", metavar="RUN", help="name, folder, or entity/project/id")
    parser.add_argument(
        "--metric",
        help="the metric that ranks the runs, and the only one plotted, such as val/loss; default: all are plotted, "
        "and the first of val/kernel_distance, val/loss, val/return or another that the runs share ranks them",
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs; default: %(default)s"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder; default: %(default)s")


def run(args: argparse.Namespace) -> None:
    from pokegen.files import writable_folder, write
    from pokegen.progress import progress
    from pokegen.tracking import compare
    from pokegen.tracking.read import load

    sources = list(dict.fromkeys(args.run))
    runs = [load(source, args.runs) for source in progress(sources, "runs", len(sources))]
    metrics = compare.comparable(runs, args.metric)
    out = writable_folder(args.out)
    sections = compare.table(runs, metrics)
    verdict = compare.verdict(runs, metrics[0]) if metrics else "No run has logged a metric."
    _print(compare.label(runs), sections, verdict)
    curves = compare.curves(runs, metrics[:1] if args.metric else metrics) if metrics else None
    sheet = compare.sheet(runs)
    page = compare.page(runs, sections, verdict, curves, sheet)
    for name, content in {"compare.html": page.encode(), "curves.png": curves, "samples.png": sheet}.items():
        if content:
            echo(write(out / name, content))


def _print(names: list[str], sections: list[tuple], verdict: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pokegen.tracking.compare import LEGEND
    from pokegen.trust import visible

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for name in names:
        table.add_column(Text(visible(name)), overflow="fold")
    for title, rows in sections:
        table.add_row(Text(visible(title), style="italic"))
        for row in rows:
            shown = map(visible, row.cells)
            cells = [Text(f"{c} ★", style="bold green") if i in row.best else Text(c) for i, c in enumerate(shown)]
            table.add_row(Text(f"  {visible(row.label)}"), *cells)
        table.add_row()
    console = Console(highlight=False)
    console.print(table)
    console.print(LEGEND, style="dim")
    console.print(visible(verdict), style="bold", markup=False)
