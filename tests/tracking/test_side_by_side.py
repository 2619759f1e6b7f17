"""The comparison of runs: directions, winners, what differs, and the pictures and page that show it."""

import io
import re
import socket
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pokegen.errors import UserError
from pokegen.tracking import compare
from pokegen.tracking.read import Run

NAN, INF = float("nan"), float("inf")


def run(name="a", losses=(), config=None, metric="val/loss", status="finished", **facts):
    """A run that has logged one metric, at every 10th image."""
    rows = [{"step": float(i), "images": 10.0 * i, metric: float(value)} for i, value in enumerate(losses)]
    return Run(name, f"runs/{name}", config or {}, {"status": status, **facts}, rows)


def png(colour, size=(16, 8)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


@pytest.mark.parametrize(
    ("metric", "way"),
    [
        *[
            (m, -1)
            for m in ("val/loss", "val/kernel_distance", "val/frechet_distance", "train/discriminator", "val/bits")
        ],
        *[(m, 1) for m in ("val/accuracy", "val/type_accuracy", "val/coverage", "val/density", "val/macro_f1")],
        *[(m, 1) for m in ("val/return", "train/explained_variance", "train/speed")],
        *[(m, 0) for m in ("train/real", "train/fake", "val/kl", "val/auc", "val/return_deviation", "train/env_steps")],
        ("train/value_loss", -1),
    ],
)
def test_which_way_a_metric_is_better(metric, way):
    assert compare.direction(metric) == way


def test_the_best_is_the_lowest_the_highest_or_the_last():
    values = [3, 1, NAN, INF, 2]
    assert compare.best(run(losses=values), "val/loss") == 1
    assert compare.best(run(losses=[3, 1, NAN, 2], metric="val/coverage"), "val/coverage") == 3
    assert compare.best(run(losses=[3, 1, 2, NAN], metric="train/real"), "train/real") == 2
    assert compare.best(run(losses=[NAN]), "val/loss") is None
    assert compare.best(run(), "val/loss") is None


def test_winners_and_the_verdict():
    runs = [run("a", [3, 2]), run("b", [5, 1, 9]), run("c", [NAN]), run("d")]
    assert compare.winners(runs, "val/loss") == {1}
    assert compare.verdict(runs, "val/loss") == "Best by val/loss: b, 1 (lower is better)"
    tie = [run("a", [1]), run("b", [1])]
    assert compare.winners(tie, "val/loss") == {0, 1}
    assert "a and b" in compare.verdict(tie, "val/loss")
    alone = [run("a", [1]), run("b")]
    assert compare.winners(alone, "val/loss") == set()
    assert compare.verdict(alone, "val/loss").startswith("No ranking by val/loss")
    logits = [run("a", [1], metric="train/real"), run("b", [2], metric="train/real")]
    assert compare.winners(logits, "train/real") == set()
    covered = [run("a", [0.1], metric="val/coverage"), run("b", [0.2], metric="val/coverage")]
    assert compare.verdict(covered, "val/coverage") == "Best by val/coverage: b, 0.2 (higher is better)"


def logged(name, *metrics):
    return Run(
        name, name, {}, {"status": "finished"}, [{"step": 0.0, **dict.fromkeys(metrics, 1.0)}] if metrics else []
    )


def test_the_metric_that_decides_comes_first():
    gan = ("train/generator", "val/kernel_distance", "val/loss", "test/loss")
    two = [logged("a", *gan), logged("b", *gan)]
    assert compare.comparable(two) == ["val/kernel_distance", "val/loss", "test/loss", "train/generator"]
    assert compare.comparable(two, "train/generator")[0] == "train/generator"
    assert compare.comparable([logged("a", "val/loss", "train/loss")])[0] == "val/loss"
    assert compare.comparable([logged("a", "train/b", "train/a")] * 2)[0] == "train/a"


def test_what_only_one_run_has_is_left_out_unless_asked_for():
    runs = [logged("a", "val/loss", "val/mse"), logged("b", "val/loss"), logged("killed early")]
    assert compare.comparable(runs) == ["val/loss"]
    assert compare.comparable(runs, "val/mse") == ["val/mse", "val/loss"]
    assert compare.comparable([logged("a"), logged("b")]) == []


def test_runs_that_share_no_metric_are_told():
    runs = [logged("a", "val/loss"), logged("b", "train/generator")]
    with pytest.raises(UserError, match=r"no metric in common \(a: val/loss; b: train/generator\)"):
        compare.comparable(runs)
    with pytest.raises(UserError, match=r"No run has logged 'val/los'. Metrics: train/generator, val/loss\."):
        compare.comparable(runs, "val/los")
    with pytest.raises(UserError, match="Metrics: none"):
        compare.comparable([logged("a")], "val/loss")


def test_only_what_differs_is_shown():
    same = {"model": "VAE", "trainer.devices": "auto"}
    a = run("a", config={**same, "model.lr": 0.001, "data.games": None, "flip": 0, "run": "a", "config": ["x"]})
    b = run("b", config={**same, "model.lr": 0.01, "data.games": ["x", "y"], "flip": 0.0, "run": "b", "extra": True})
    a.record |= {"data_hash": "0" * 64, "commit": "f" * 40, "dirty": False, "torch": "2.6"}
    b.record |= {"data_hash": "1" * 64, "commit": "f" * 40, "dirty": True, "torch": "2.6"}
    assert {row.label: row.cells for row in compare.differences([a, b])} == {
        "data.games": ["null", '["x", "y"]'],
        "extra": ["–", "true"],
        "model.lr": ["0.001", "0.01"],
        "(data)": ["0" * 12, "1" * 12],
        "(code)": ["f" * 10, "f" * 10 + " + changes"],
    }
    assert compare.differences([a]) == []
    assert compare.differences([a, a]) == []


def test_the_table_names_status_images_settings_and_best_values():
    a = run("a", [2, 1], {"lr": 1}, started="2026-11-20T21:05:59+00:00", seconds=3725.0, images_seen=12345)
    b = run("b", [3], {"lr": 2}, status="failed", error="ValueError: no", seconds=59.6)
    sections = dict(compare.table([a, b], ["val/loss"]))
    shown = {row.label: row.cells for row in sections["runs"]}
    assert shown["status"] == ["finished", "failed: ValueError: no"]
    assert shown["images seen"] == ["12,345", "–"]
    assert shown["trained"] == ["1 h 02 min", "1 min 00 s"]
    assert shown["started (UTC)"] == ["11-20 21:05", "–"]
    assert [row.cells for row in sections["settings that differ"]] == [["1", "2"]]
    (row,) = sections["best of each metric"]
    assert (row.label, row.cells, row.best) == ("val/loss ↓", ["1", "3"], {0})
    assert "settings that differ" not in dict(compare.table([a], ["val/loss"]))


def test_a_run_on_another_machine_tells_when_it_was_heard():
    facts = {"status": "running", "heard": "2026-11-20T21:05:59+00:00"}
    assert compare._status({**facts, "host": socket.gethostname()}) == "running"
    assert compare._status({**facts, "host": "far"}) == "running on far, as of 11-20 21:05"


def test_runs_of_one_name_are_told_apart_by_their_source():
    one, other = run("a"), run("a")
    other.source = "elsewhere/a"
    assert compare.label([one, other, run("b")]) == ["runs/a", "elsewhere/a", "b"]


def lines_of(picture):
    """Which of the colours of the runs a picture shows."""
    found = {tuple(pixel) for pixel in pixels(picture).reshape(-1, 3)}
    wanted = [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in compare._COLOURS]
    return [colour in found for colour in wanted]


def test_curves_draw_each_run_in_its_colour():
    runs = [
        run("a", [3, 2, 1]),
        run("b", [3, NAN, 2]),
        run("c", np.linspace(9, 1, 500)),
        run("killed", status="killed"),
    ]
    picture = compare.curves(runs, ["val/loss"])
    assert lines_of(picture)[:5] == [True, True, True, True, False]  # the fourth in the legend only
    assert compare.curves(runs, ["val/loss"]) == picture
    wide = compare.curves(runs, ["val/loss"] * 3)
    assert pixels(wide).shape[0] > pixels(compare.curves(runs, ["val/loss"] * 2)).shape[0]


def test_curves_are_over_steps_where_a_run_does_not_know_its_images():
    old = run("b", [3, 2, 1])
    for row in old.rows:
        del row["images"]
    runs = [run("a", [3, 2, 1]), old]
    assert lines_of(compare.curves(runs, ["val/loss"]))[:2] == [True, True]


def test_the_first_values_do_not_dwarf_the_curve():
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    values = np.array([1000.0, *np.linspace(2, 1, 99)])
    short = np.array([900.0, 2.0])  # a run that was killed early starts as high as the others
    compare._frame(axis, [(np.arange(100), values), (np.array([0, 20]), short)])
    low, high = axis.get_ylim()
    assert 0.5 < low < 1 < 1.9 < high < 3
    axis.set_ylim(0, 7)
    compare._frame(axis, [(np.arange(99), np.linspace(2, 1, 99))])
    assert axis.get_ylim() == (0, 7)


def test_sample_grids_lie_one_above_the_other_under_their_captions():
    runs = [run("a"), run("b"), run("c")]
    runs[0].picture, runs[2].picture, runs[2].drawn = png("red"), png("blue", (40, 20)), 1600
    sheet = pixels(compare.sheet(runs))
    red = np.argwhere((sheet == [255, 0, 0]).all(axis=2))
    blue = np.argwhere((sheet == [0, 0, 255]).all(axis=2))
    assert len(red) == 16 * 8
    assert len(blue) == 40 * 20
    assert blue[0, 0] - red[-1, 0] > 30  # room for a caption
    assert (sheet[red[-1, 0] + 1 : blue[0, 0]] < 128).any()  # and one is there
    assert compare.sheet([run("a")]) is None
    long = run("a" * 200)
    long.picture = png("red")
    captioned = pixels(compare.sheet([long]))
    assert (captioned[:, -10:] == 255).all()  # the caption ends before the edge


class Page(HTMLParser):
    """The text, the tags, and what is loaded from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.outside, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta", "img", "!doctype"):
            self.open.append(tag)
        for key, value in attributes:
            if key in ("src", "href") and not value.startswith("data:"):
                self.outside.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_holds_everything_itself():
    runs = [run("<script>a", [2, 1], {"lr": "<b>"}), run("b", [3], {"lr": 1})]
    runs[1].text = "Bram & <i>Olu"
    sections = compare.table(runs, ["val/loss"])
    text = compare.page(runs, sections, "Best: a", compare.curves(runs, ["val/loss"]), png("red"))
    page = Page(text)
    assert page.open == []
    assert page.outside == []
    assert page.tags.count("img") == 2
    assert not {"script", "i", "link"} & set(page.tags)
    shown = " ".join(page.text)
    for part in ("<script>a", "<b>", "Bram & <i>Olu", "Best: a", "val/loss ↓", "1 ★"):
        assert part in shown
    assert len(re.findall('class="best"', text)) == 1
    bare = Page(compare.page(runs[:1], compare.table(runs[:1], []), "No run has logged a metric.", None, None))
    assert bare.tags.count("img") == 0
