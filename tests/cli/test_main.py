"""`pokegen`: the overview, what each verb's help says, exit statuses, and the progress bar."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import pokegen
from pokegen.cli import main as command
from pokegen.cli.main import TRAINING, VERBS, main
from pokegen.errors import UserError
from pokegen.progress import progress

FILES = {p.stem for p in Path(command.__file__).parent.glob("[a-z]*.py")} - {"main"}


def run(*words, code="import sys; from pokegen.cli.main import main; sys.exit(main(sys.argv[1:]))", **options):
    return subprocess.run([sys.executable, "-c", code, *words], text=True, timeout=120, **options)


def test_the_overview_needs_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); from pokegen.cli.main import main; main(['--help'])\n"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before}, file=sys.stderr)"
    )
    done = run(code=code, capture_output=True)
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "pokegen" in loaded
    assert loaded - {"pokegen"} <= sys.stdlib_module_names


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_the_overview_names_every_verb_there_is(argv, capsys):
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert {*VERBS, "fit"} == FILES  # a new file is a new verb
    for verb in [*VERBS, *TRAINING]:
        assert verb in out
    for text in VERBS.values():
        assert text in out


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pokegen {pokegen.__version__}\n"


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_each_verb_shows_its_examples(verb, capsys):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: pokegen {verb}" in out
    assert "examples:" in out
    assert f"\n  pokegen {verb}" in out


def test_fit_shows_its_examples(capsys):
    assert main(["fit", "--help"]) == 0
    out = capsys.readouterr().out
    assert "pokegen fit --config configs/cgan.yaml --ckpt_path last" in out
    assert "--trainer.max_epochs" in out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["crad"], "Unknown verb 'crad'. Known verbs: card, sprites"),
        (["zoo"], "required: {list,info,export,push}"),
        (["zoo", "lst"], "invalid choice: 'lst'"),
        (["zoo", "list", "--colour"], "unrecognized arguments: --colour"),
        (["data", "preview", "--count", "many"], "invalid int value: 'many'"),
        (["data", "check", "--roo", "nosuch"], "unrecognized arguments: --roo"),  # abbreviations break as options come
    ],
)
def test_a_mistake_is_one_line_and_status_2(argv, says, capsys):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pokegen: ")
    assert err.count("\n") == 1
    assert says in err


def test_a_message_of_many_lines_becomes_one(monkeypatch, capsys):
    def fail(args):
        raise UserError("first\n   second")

    fake = SimpleNamespace(__doc__="x", add_arguments=lambda parser: None, run=fail)
    monkeypatch.setitem(sys.modules, "pokegen.cli.zoo", fake)
    monkeypatch.setattr(command.importlib, "import_module", lambda name: sys.modules[name])
    assert main(["zoo"]) == 2
    assert capsys.readouterr().err == "pokegen: first second\n"


def test_ctrl_c_is_one_line_and_status_130(monkeypatch, capsys):
    def stop(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_run", stop)
    assert main(["card"]) == 130
    assert capsys.readouterr().err == "pokegen: interrupted\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_error(unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    read, write = os.pipe()
    os.close(read)
    try:
        done = run("--help", stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_progress_passes_the_items_on(capsys):
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_progress_shows_a_bar_on_a_terminal_after_two_seconds(monkeypatch, capsys):
    clock = iter(range(0, 100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress(range(5), "sprites", 5)) == [0, 1, 2, 3, 4]
    out, err = capsys.readouterr()
    assert out == ""  # stdout is for paths
    assert "sprites" in err
    assert "5/5" in err


def test_progress_ends_with_its_consumer():
    closed = []

    def items():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    bar = progress(items())
    next(bar)
    bar.close()
    del bar
    assert closed == [True]


def start(code, cwd):
    """A process that runs `code` in place of a verb's work."""
    code = f"import sys, time\nfrom pokegen.cli import main as m\ndef _run(argv):\n{code}\nm._run = _run"
    code += "\nsys.exit(m.main([]))"
    return subprocess.Popen(
        [sys.executable, "-c", code], text=True, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [
        (signal.SIGINT, 130, "pokegen: interrupted\n"),
        (signal.SIGTERM, 143, "pokegen: ended by SIGTERM\n"),
        (signal.SIGHUP, 129, "pokegen: ended by SIGHUP\n"),
    ],
)
def test_a_signal_ends_the_work_with_its_status_and_what_was_open_is_removed(number, status, says, tmp_path):
    code = """
    from pathlib import Path
    from pokegen.files import atomic_file
    with atomic_file(Path("out")) as file:
        print(file.write(b"half"), flush=True)
        time.sleep(99)
"""
    process = start(code, tmp_path)
    process.stdout.readline()
    process.send_signal(number)
    assert (process.communicate(timeout=20)[1], process.returncode) == (says, status)
    assert list(tmp_path.iterdir()) == []


def test_work_that_ends_well_after_sigterm_does_not_count_as_done(tmp_path):
    code = """
    print("x", flush=True)
    try:
        time.sleep(99)
    except KeyboardInterrupt:
        return 0  # a recording, for example, ends cleanly
"""
    process = start(code, tmp_path)
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 143


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "a/b: No space left on device. Free some space"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only file system."),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied."),
        (OSError(errno.EIO, "Input/output error"), "standard output or a file: Input/output error."),
    ],
)
def test_what_the_system_refuses_is_one_line_and_status_2(error, says, monkeypatch, capsys):
    def fail(argv):
        raise error

    monkeypatch.setattr(command, "_run", fail)
    assert main(["card"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"pokegen: {says}")
    assert err.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_one_line(unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        done = run("--help", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.startswith("pokegen: standard output or a file: No space left on device. Free some space")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_was_closed_before_the_start_takes_nothing(closed, tmp_path):
    inner = (
        "import sys; from pokegen.cli import main as m; "
        "m._run = lambda argv: open('mine', 'w').write('x') and print('stray') or print('e', file=sys.stderr) or 0; "
        "sys.exit(m.main([]))"
    )
    code = f"import os, sys; os.close({closed}); os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    done = run(inner, code=code, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "mine").read_text() == "x"
