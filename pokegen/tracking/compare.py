"""Compares runs: settings that differ, the best value of each metric, curves, and sample grids.

Left out: significance tests. One run per setting shows little, because metrics vary with the seed.
"""

import base64
import html
import io
import json
import math
import re
import socket
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pokegen import __version__
from pokegen.errors import UserError
from pokegen.tracking.read import Run

# A metric's direction, by the words in its name. All others are losses or distances: lower is better.
HIGHER = {"accuracy", "f1", "coverage", "density", "precision", "recall", "quality", "distinct", "new"}
HIGHER |= {"return", "explained", "speed"}
NEITHER = {"real", "fake", "kl", "auc", "ratio", "lr"}  # logits, part of a loss, best at 0.5 or 1, a setting
NEITHER |= {"deviation", "length", "steps", "updates", "entropy", "epsilon", "value", "clip"}  # of agents
PREFERRED = ("val/kernel_distance", "val/loss", "val/return")
# Settings that may differ between any two runs without affecting the training
_BOOKKEEPING = {"config", "run", "runs", "log", "ckpt_path", "weights_only"}
_FACTS = {"data_hash": "data", "torch": "torch", "gpu": "gpu", "cpus": "cpus", "pokegen": "pokegen"}
NONE = "–"
LEGEND = "★ best   ↓ lower is better   ↑ higher is better   = neither: the last value"


@dataclass
class Row:
    """A line of the table: one cell per run, and the indices of the best."""

    label: str
    cells: list[str]
    best: set[int] = field(default_factory=set)


Section = tuple[str, list[Row]]


def direction(metric: str) -> int:
    """-1 if lower is better, 1 if higher is better, 0 if neither."""
    words = set(re.split(r"[/_]", metric.lower()))
    if "loss" in words:
        return -1
    return 0 if words & NEITHER else 1 if words & HIGHER else -1


def best(run: Run, metric: str) -> float | None:
    """The lowest or highest finite value; the last if neither is better; None if there is none."""
    values = run.points(metric, "step")[1]
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return float(values[-1] if direction(metric) == 0 else values.min() if direction(metric) < 0 else values.max())


def winners(runs: list[Run], metric: str) -> set[int]:
    """The runs with the best value; none if neither direction is better or only one run has the metric."""
    values = {i: value for i, run in enumerate(runs) if (value := best(run, metric)) is not None}
    if len(values) < 2 or direction(metric) == 0:
        return set()
    top = min(values.values()) if direction(metric) < 0 else max(values.values())
    return {i for i, value in values.items() if value == top}


def comparable(runs: list[Run], metric: str | None = None) -> list[str]:
    """Metrics to show. The first one ranks the runs: `metric`, else the first of PREFERRED, else the first by name.

    Includes the metrics that two runs share, or all if only one run has logged any; empty if none has. UserError if
    runs have logged but share no metric, or if no run has `metric`.
    """
    logged = [set(run.metrics) for run in runs if run.metrics]
    every = set().union(*logged)
    if metric and metric not in every:
        raise UserError(f"No run has logged {metric!r}. Metrics: {', '.join(sorted(every)) or 'none'}.")
    shared = {m for m in every if sum(m in metrics for metrics in logged) > 1} if len(logged) > 1 else every
    if every and not (shared or metric):
        every_metric = "; ".join(f"{run.name}: {', '.join(run.metrics)}" for run in runs if run.metrics)
        raise UserError(f"These runs have no metric in common ({every_metric}). Compare runs of one kind.")
    stages = ("val", "test", "train")
    order = sorted(shared, key=lambda m: (stages.index(s) if (s := m.split("/")[0]) in stages else 3, m))
    if not (first := metric or next((m for m in PREFERRED if m in shared), order[0] if order else None)):
        return []
    return [first, *(m for m in order if m != first)]


def label(runs: list[Run]) -> list[str]:
    """A name for each run: its own, or the user's argument if names are not unique."""
    names = [run.name for run in runs]
    return [run.name if names.count(run.name) == 1 else run.source for run in runs]


def verdict(runs: list[Run], metric: str) -> str:
    """One sentence on which run is best by a metric."""
    if not (first := winners(runs, metric)):
        return f"No ranking by {metric}: it needs two runs that logged it, and a direction that is better."
    names, value = label(runs), best(runs[min(first)], metric)
    who = " and ".join(names[i] for i in sorted(first))
    return f"Best by {metric}: {who}, {_number(value)} ({'lower' if direction(metric) < 0 else 'higher'} is better)"


def table(runs: list[Run], metrics: list[str]) -> list[Section]:
    """Status of each run, settings that differ, and the best value of each metric."""
    records = [run.record for run in runs]
    status = [Row("status", [_status(r) for r in records])]
    status += [Row("images seen", [f"{run.images_seen:,}" if run.images_seen else NONE for run in runs])]
    status += [Row("trained", [_duration(r.get("seconds")) for r in records])]
    status += [Row("started (UTC)", [_time(r.get("started")) for r in records])]
    values = [Row(f"{m} {_arrow(m)}", [_number(best(run, m)) for run in runs], winners(runs, m)) for m in metrics]
    sections = [("runs", status), ("settings that differ", differences(runs)), ("best of each metric", values)]
    return [(title, rows) for title, rows in sections if rows]


def differences(runs: list[Run]) -> list[Row]:
    """Settings, and facts about code, data and machine, that are not the same in all runs."""
    keys = sorted({key for run in runs for key in run.config if key.split(".")[0] not in _BOOKKEEPING})
    rows = [Row(key, [_value(run.config[key]) if key in run.config else NONE for run in runs]) for key in keys]
    for key, name in _FACTS.items():
        rows.append(Row(f"({name})", [str(run.record.get(key) or NONE)[:12] for run in runs]))
    rows.append(Row("(code)", [_commit(run.record) for run in runs]))
    return [row for row in rows if len(set(row.cells)) > 1]


def _arrow(metric: str) -> str:
    return {-1: "↓", 1: "↑", 0: "="}[direction(metric)]


def _status(facts: dict[str, Any]) -> str:
    status, error, host = str(facts["status"]), facts.get("error"), facts.get("host")
    if status == "running" and host not in (None, socket.gethostname()):
        return f"running on {host}, as of {_time(facts.get('heard'))}"  # only that host knows whether it still runs
    return f"{status}: {str(error)[:80]}" if error else status


def _time(stamp: Any) -> str:
    """Month, day and minute of an ISO 8601 time."""
    return str(stamp)[5:16].replace("T", " ") if stamp else NONE


def _commit(facts: dict[str, Any]) -> str:
    return f"{facts['commit'][:10]}{' + changes' if facts.get('dirty') else ''}" if facts.get("commit") else NONE


def _duration(seconds: Any) -> str:
    if not seconds:
        return NONE
    minutes, rest = divmod(round(float(seconds)), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.6g}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "null"
    if isinstance(value, int | float):
        return f"{value:.10g}"  # 0 and 0.0 are the same setting
    return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)


# Pictures

# Okabe and Ito's colours, which colour-blind readers can distinguish; after seven runs the dashes change
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
_DASHES = ("-", "--", ":", "-.")


def curves(runs: list[Run], metrics: list[str]) -> bytes:
    """A PNG with one plot per metric and one line per run, over images seen if all runs have them, else over steps.

    Metrics with many values are drawn faintly, with their running mean over a twentieth of the longest run.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import EngFormatter, FuncFormatter

    matplotlib.rcParams["text.usetex"] = False  # a matplotlibrc in the working folder must not start TeX
    logged = [run for run in runs if run.metrics]
    x = "images" if all("images" in row for run in logged for row in run.rows) else "step"
    columns = min(2, len(metrics))
    lines = math.ceil(len(metrics) / columns)
    size = (11.0, 0.9 + 3.4 * lines) if columns == 2 else (9.0, 5.6)
    figure = Figure(figsize=size, dpi=130, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, metric in zip(axes, metrics, strict=False):
        shown, window = [], max(len(run.points(metric, x)[1]) for run in runs) // 20
        for i, run in enumerate(runs):
            places, values = run.points(metric, x)
            finite = np.isfinite(values)
            places, values = places[finite], values[finite]
            if not len(values):
                continue
            style = _style(i)
            if 1 < window <= len(values):
                axis.plot(places, values, linewidth=0.7, alpha=0.25, **style)
                places, values = _running_mean(places, window), _running_mean(values, window)
            axis.plot(places, values, linewidth=1.8, marker="o" if len(values) < 30 else None, markersize=3.5, **style)
            shown.append((places, values))
        _frame(axis, shown)
        title = f"{metric} {_arrow(metric)}" if direction(metric) else metric
        axis.set_title(_no_formula(title), fontsize=10.5, loc="left")
        axis.set_xlabel("images seen" if x == "images" else "steps", fontsize=9)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.tick_params(labelsize=8.5)
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(metrics) :]:
        axis.set_visible(False)
    _legend(figure, runs, metrics[0])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _style(i: int) -> dict[str, Any]:
    return {"color": _COLOURS[i % len(_COLOURS)], "linestyle": _DASHES[i // len(_COLOURS) % len(_DASHES)]}


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    return np.convolve(values, np.full(window, 1 / window), mode="valid")


def _frame(axis: Any, shown: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Limits that exclude the values of the first tenth of the longest run if they dwarf all later ones."""
    if not shown:
        return
    places, values = (np.concatenate(arrays) for arrays in zip(*shown, strict=True))
    later = values[places >= places.min() + 0.1 * (places.max() - places.min())]
    low, high = later.min(), later.max()
    if values.max() - values.min() > 3 * (high - low) > 0:
        margin = 0.08 * (high - low)
        axis.set_ylim(low - margin, high + margin)


def _legend(figure: Any, runs: list[Run], metric: str) -> None:
    from matplotlib.lines import Line2D

    first, names, handles = winners(runs, metric), label(runs), []
    for i, (run, name) in enumerate(zip(runs, names, strict=True)):
        status = "" if run.record["status"] == "finished" else f" ({run.record['status']})"
        text = _no_formula(f"{_short(name, 40)}{status}{f', best by {metric}' if i in first else ''}")
        handles.append(Line2D([], [], linewidth=2.2, label=text, **_style(i)))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(3, len(runs)), frameon=False, fontsize=9.5)


def _no_formula(text: str) -> str:
    """Escape dollars, which matplotlib would read as delimiters of a formula."""
    return text.replace("$", r"\$")


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"…{text[1 - length :]}"


def sheet(runs: list[Run]) -> bytes | None:
    """A PNG of the last sample grids, one above the other, each below its run's name; None if no run has one."""
    shown = [(_caption(run, name), run.picture) for run, name in zip(runs, label(runs), strict=True) if run.picture]
    if not shown:
        return None
    grids = [Image.open(io.BytesIO(picture)).convert("RGB") for _, picture in shown]
    font, head, edge = ImageFont.load_default(22), 44, 16
    widest = max(font.getlength(caption) for caption, _ in shown)
    width = 2 * edge + math.ceil(max(widest, *(grid.width for grid in grids)))
    sheet = Image.new("RGB", (width, sum(grid.height + head for grid in grids) + edge), "white")
    draw, y = ImageDraw.Draw(sheet), 0
    for (caption, _), grid in zip(shown, grids, strict=True):
        draw.text((edge, y + head / 2 + 4), caption, fill="#222222", font=font, anchor="lm")
        sheet.paste(grid, (edge, y + head))
        y += grid.height + head
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _caption(run: Run, name: str) -> str:
    images = f" after {run.drawn:,} images" if run.drawn else ""
    status = "" if run.record["status"] == "finished" else f" ({run.record['status']})"
    return f"{name}{status}{images}"


# The page

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { font-size: 1.1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; } th:first-child { font-weight: normal; }
.best { font-weight: bold; color: #00845f; } img { max-width: 100%; background: white; }
pre { display: inline-block; vertical-align: top; margin: 0 2rem 1rem 0; font-size: 13px; }
"""


def page(runs: list[Run], sections: list[Section], verdict: str, curves: bytes | None, sheet: bytes | None) -> str:
    """One self-contained HTML page."""
    names = [html.escape(name) for name in label(runs)]
    parts = [f"<h1>{', '.join(names)}</h1>", f'<p class="verdict">{html.escape(verdict)}</p>']
    for title, rows in sections:
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(_html_row(row) for row in rows)
        parts.append(
            f'<h2>{title.capitalize()}</h2><div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'
        )
    parts.append(f"<p><small>{LEGEND}</small></p>")
    for title, picture in (("Curves", curves), ("Last samples", sheet)):
        if picture:
            source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            parts.append(f'<h2>{title}</h2><img alt="{title}" src="{source}">')
    texts = [(_caption(run, name), run.text) for run, name in zip(runs, label(runs), strict=True) if run.text]
    if texts:
        parts.append("<h2>Last samples</h2>")
        parts += [f"<pre><b>{html.escape(caption)}</b>\n{html.escape(text)}</pre>" for caption, text in texts]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{", ".join(names)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}<p><small>pokegen {__version__} compare</small></p></body></html>\n"
    )


def _html_row(row: Row) -> str:
    cells = [
        f'<td class="best">{html.escape(cell)} ★</td>' if i in row.best else f"<td>{html.escape(cell)}</td>"
        for i, cell in enumerate(row.cells)
    ]
    return f"<tr><th>{html.escape(row.label)}</th>{''.join(cells)}</tr>"
