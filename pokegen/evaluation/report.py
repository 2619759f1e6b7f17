"""The results of the panels as a table, as JSON, and as a self-contained HTML page.

A result is {"rows": {row: {metric: value or None}}, …}. The spread of a metric is METRIC_std (a standard deviation over
seeds) or METRIC_se (a standard error), and is shown after a ±. Values that are not numbers appear only in the JSON.
"""

import base64
import html
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pokegen.files import write

JSON_FILE, PAGE = "report.json", "report.html"
_SPREADS = ("_std", "_se")
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff }
.wide { overflow-x: auto } img { max-width: 100%; border: 1px solid #ddd } small { color: #777 }
"""


def cells(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table as text: the metrics that any row has, and for each row its name and values."""
    rows = result["rows"]
    numbers = dict.fromkeys(key for row in rows.values() for key, value in row.items() if _number(value))
    metrics = [key for key in numbers if not key.endswith(_SPREADS)]
    lines = []
    for name, row in rows.items():
        line = [name]
        for metric in metrics:
            spread = next((row[metric + end] for end in _SPREADS if _number(row.get(metric + end))), None)
            text = _text(row[metric]) if _number(row.get(metric)) else "–"
            line.append(text if spread is None else f"{text} ± {_text(spread)}")
        lines.append(line)
    return metrics, lines


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def markdown(result: Mapping[str, Any]) -> str:
    """A Markdown table with one line per metric and one column per row of the result, for model cards."""
    metrics, lines = cells(result)
    head = ["", *(line[0] for line in lines)]
    body = [[metric, *(line[i + 1] for line in lines)] for i, metric in enumerate(metrics)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))


def write_report(
    folder: Path, title: str, result: Mapping[str, Any], pictures: Mapping[str, Image.Image], about: str = ""
) -> list[Path]:
    """Write report.json and report.html into `folder`. `about` explains the metrics below the table."""
    write(folder / JSON_FILE, json.dumps(result, indent=2) + "\n")
    metrics, lines = cells(result)
    head = "".join(f"<th>{html.escape(metric)}</th>" for metric in ("", *metrics))
    body = "\n".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    shown = "\n".join(
        f'<h2>{html.escape(name)}</h2>\n<img alt="{html.escape(name)}" src="data:image/png;base64,{_png(picture)}">'
        for name, picture in pictures.items()
    )
    notes = "".join(
        f"<p><small>{html.escape(key)}: {html.escape(str(value))}</small></p>"
        for key, value in result.items()
        if key != "rows"
    )
    page = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1>\n"
        f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>\n{notes}\n{shown}\n'
        f"<pre>{html.escape(about)}</pre>\n</html>\n"
    )
    write(folder / PAGE, page)
    return [folder / JSON_FILE, folder / PAGE]


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def histograms(values: Mapping[str, Mapping[str, np.ndarray]]) -> Image.Image:
    """One plot per quantity with one curve of shares per row: {quantity: {row: values (N,)}}."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(values), 3.2), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, (quantity, rows) in zip(np.ravel(figure.subplots(1, len(values))), values.items(), strict=True):
        everything = np.concatenate(list(rows.values()))
        low, high = np.quantile(everything, [0.0, 0.99])
        bins = np.linspace(low, max(high, low + 1e-6), 30)
        if everything.dtype.kind == "i" and high - low < 30:  # one bar per number
            bins = np.arange(low, high + 2) - 0.5
        for name, row in rows.items():
            axes.hist(
                row, bins=bins, weights=np.full(len(row), 1 / len(row)), histtype="step", label=name, linewidth=1.6
            )
        axes.set(xlabel=quantity, ylabel="share of pictures")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
