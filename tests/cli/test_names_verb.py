"""`pokegen names`: one a line, to a file or to stdout."""

import os

import fake_zoo
import pytest

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


def test_stage_and_legendary_reach_the_names_model(zoo, capsys, monkeypatch):
    seen = []

    def sample(self, n, condition=None, **options):
        seen.append({key: set(value.tolist()) for key, value in (condition or {}).items()})
        return drawn(self, n, condition, **options)

    drawn = fake_zoo.Syllables.sample
    monkeypatch.setattr(fake_zoo.Syllables, "sample", sample)
    for options in ([], ["--stage", "3"], ["--legendary"], ["--stage", "1", "--no-legendary"]):
        assert main(["names", *options, "--count", "6", "--seed", "4"]) == 0
    capsys.readouterr()
    assert seen == [{}, {"stage": {3}}, {"legendary": {1}}, {"stage": {1}, "legendary": {0}}]


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
