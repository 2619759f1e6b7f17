"""`pokegen names`: one a line, to a file or to stdout."""

import os

import pytest

from pokegen.cards.generator import Generator
from pokegen.cli.main import main


def test_names_go_to_stdout_or_to_the_file(zoo, tmp_path, capsys):
    options = ["--type", "ghost", "--prefix", "Bra", "--count", "7", "--seed", "4"]
    assert main(["names", *options]) == 0
    text = capsys.readouterr().out
    names = text.splitlines()
    assert len(set(names)) == 7
    assert all(name.startswith("Bra") for name in names)
    file = tmp_path / "names.txt"
    assert main(["names", *options, "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert file.read_text(encoding="utf-8") == text
    assert zoo == ["names", "reader"] * 2
    assert main(["names", *options[:-1], "5"]) == 0
    assert capsys.readouterr().out != text


def test_the_seed_is_told_beside_the_names_not_among_them(zoo, capsys):
    assert main(["names", "--count", "2"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    seed = err.split()[1]
    assert main(["names", "--count", "2", "--seed", seed]) == 0
    assert capsys.readouterr().out == out


def test_stage_and_legendary_condition_the_names(zoo, capsys):
    """As in Python: the verb passes both on, and each changes what the seed gives."""
    order = ["names", "--type", "dragon", "--count", "6", "--seed", "4"]
    found = {}
    for options in ([], ["--stage", "3"], ["--legendary"], ["--no-legendary"], ["--stage", "1", "--no-legendary"]):
        assert main([*order, *options]) == 0
        found[" ".join(options)] = capsys.readouterr().out.split("\n")[:-1]
    generator = Generator.from_zoo(roles=("names", "reader"))
    assert found["--legendary"] == generator.names(6, "dragon", legendary=True, seed=4)
    assert found["--stage 1 --no-legendary"] == generator.names(6, "dragon", legendary=False, stage=1, seed=4)
    assert len({tuple(names) for names in found.values()}) == len(found)


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--type", "x"], "Unknown type"), (["--count", "-1"], "count must be"), (["--stage", "4"], "stage must be")],
)
def test_mistakes_are_one_line(zoo, capsys, options, says):
    assert main(["names", *options]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert zoo == []


@pytest.mark.parametrize("verb", ["names", "stats"])
def test_an_odd_name_of_the_file_is_spelt(zoo, tmp_path, capsys, verb):
    file = tmp_path / os.fsdecode(b"\x1b[31m\xe9.txt")  # a colour for the terminal, and a byte that is no UTF-8
    assert main([verb, "--count", "2", "--seed", "1", "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/\\x1b[31m\\udce9.txt\n"
    assert file.read_text()


@pytest.mark.parametrize("verb", ["names", "stats"])
def test_where_nothing_can_be_written_the_option_is_named(zoo, tmp_path, capsys, monkeypatch, verb):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    file = tmp_path / "x.txt"
    assert main([verb, "--count", "2", "--seed", "1", "--out", str(file)]) == 2
    told = (
        f"pokegen: Cannot write '{file}': No space left on device. Free some space, or choose another place with --out."
    )
    assert capsys.readouterr().err == f"{told}\n"
