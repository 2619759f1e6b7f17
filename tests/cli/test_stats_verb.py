"""`pokegen stats`: a CSV, to a file or to stdout."""

import csv
import io

import pytest

from pokegen.cli.main import main
from pokegen.schema import STAT_LABELS


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_are_as_asked_and_repeat(zoo, tmp_path, capsys):
    options = ["--type", "bug", "--type2", "none", "--stage", "2", "--no-legendary", "--count", "20", "--seed", "4"]
    assert main(["stats", *options]) == 0
    text = capsys.readouterr().out
    assert len(rows(text)) == 20
    for row in rows(text):
        assert row["Line"] == "3" and row["Tier"]
        assert (row["Type1"], row["Type2"], row["Stage"], row["Legendary"]) == ("Bug", "", "2", "False")
        assert int(row["Total"]) == sum(int(row[label]) for label in STAT_LABELS)
        assert len(row["Height (m)"].split(".")[1]) == 1
    file = tmp_path / "new" / "bugs.csv"
    assert main(["stats", *options, "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert file.read_text() == text
    assert zoo == ["stats", "stats"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--type2", "Plasma"], "Unknown type"),
        (["--stage", "4"], "stage must be"),
        (["--count", "0"], "count must be"),
        (["--line", "1", "--stage", "2"], "no stage 2"),
        (["--color", "mud"], "Unknown color"),
    ],
)
def test_mistakes_are_one_line(zoo, capsys, options, says):
    assert main(["stats", *options]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert zoo == []


def test_a_file_that_cannot_be_written(zoo, tmp_path, capsys):
    for out in (tmp_path, tmp_path / "file" / "x.csv"):
        (tmp_path / "file").write_text("mine")
        assert main(["stats", "--out", str(out)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert zoo == []
