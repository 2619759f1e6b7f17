"""`pokegen VERB …`: runs the verb's module, and reports a user's mistake in one line with exit status 2.

Only the requested verb is imported. All verbs use argparse, except LightningCLI's, which `fit.py` handles.
"""

import argparse
import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Never

from pokegen import __version__
from pokegen.errors import UserError, WriteError
from pokegen.trust import visible

TRAINING = ("fit", "validate", "test", "predict")
VERBS = {
    "card": "create whole Pokémon: card, sprite and JSON of each",
    "sprites": "create sprites, and a grid of them",
    "walk": "morph between creatures, or one creature through all types, as a GIF",
    "reimagine": "redraw your own picture with a sprite model, with variations",
    "stats": "create rows of stats as CSV",
    "names": "create names, one per line",
    "data": "import, check and preview sprites; rebuild the tables",
    "zoo": "list and describe the models; export a run as a model; upload one to the Hugging Face hub",
    "evaluate": "score sprites, stats and names against real ones",
    "compare": "compare training runs: settings, best metrics, curves, samples",
    "app": "start the web page: create, explore, see the zoo, compare runs",
    "game": "play and record games, label video with its keys, evaluate players and agents, battle",
}
LONGEST = 290  # characters of an error message


class VerbParser(argparse.ArgumentParser):
    """Reports errors in one line, without the usage. Neither it nor its sub-parsers accept abbreviated options."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> Never:
        raise UserError(f"{message}. See: {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run a command line (sys.argv by default) and return the exit status:

    0: done, or the reader of a pipe, such as head, has closed it. 2: a user's mistake, or an error of the system, such
    as a full disk. 128 + the signal's number: ended by a signal; 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    argv = sys.argv[1:] if argv is None else argv
    _open_streams()
    with _signals() as received:
        try:
            status = _run(argv)
            sys.stdout.flush()  # report a full disk or a closed pipe here, not when the interpreter exits
        except UserError as error:
            status = _report(str(error))
        except BrokenPipeError:
            status = 0
        except (KeyboardInterrupt, SystemExit) as stop:  # Lightning turns the former into the latter
            if isinstance(stop, SystemExit) and not isinstance(stop.__context__, KeyboardInterrupt) and not received:
                raise
            received[:] = received or [signal.SIGINT]
            _report("interrupted" if received == [signal.SIGINT] else f"ended by {signal.Signals(received[0]).name}")
        except OSError as error:
            if not error.errno:
                raise
            where = error.filename or "standard output or a file"
            advice = " Free some space, or write elsewhere." if error.errno == errno.ENOSPC else ""
            status = _report(f"{where}: {error.strerror}.{advice}")
    _flush()
    return 128 + received[0] if received else status


def _flush() -> None:
    """Discard output that stdout does not accept; otherwise the interpreter would fail at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(message: str) -> int:
    with suppress(OSError):  # stderr may be closed
        print(f"pokegen: {visible(_one_line(message))}", file=sys.stderr)
    return 2


def _one_line(message: str) -> str:
    """A message without line breaks, at most LONGEST characters: the middle of a longer one is left out."""
    line = " ".join(message.split())
    half = (LONGEST - 3) // 2
    return line if len(line) <= LONGEST else f"{line[:half]} … {line[-half:]}"


def _open_streams() -> None:
    """Connect streams that were closed before the start to the null device. Otherwise the next file to be opened gets
    the stream's number, and the output ends up in that file."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r"))


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that files are closed and no process is left. The list receives the
    first signal; later ones are ignored."""
    received: list[int] = []
    owner = os.getpid()

    def interrupt(number: int, _: Any) -> None:
        if os.getpid() != owner:  # a forked worker ends as usual
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not received:
            received.append(number)
            raise KeyboardInterrupt

    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP; nohup sets it to be ignored
    numbers = [n for name in names if (n := getattr(signal, name, None)) and signal.getsignal(n) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0
    verb, rest = argv[0], argv[1:]
    if verb == "--version":
        print(f"pokegen {__version__}")
        return 0
    if verb in TRAINING:
        from pokegen.cli.fit import run_training

        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--runs", type=Path, default=Path("runs"))
        try:
            run_training(argv)
        except WriteError as error:
            raise _with_option(error, parser.parse_known_args(rest)[0]) from error
        return 0
    if verb not in VERBS:
        raise UserError(f"Unknown verb {verb!r}. Known verbs: {', '.join([*VERBS, *TRAINING])}.")
    module = importlib.import_module(f"pokegen.cli.{verb}")
    parser = VerbParser(
        prog=f"pokegen {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        args = parser.parse_args(rest)
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    try:
        module.run(args)
    except WriteError as error:
        raise _with_option(error, args) from error
    return 0


def _with_option(error: WriteError, args: argparse.Namespace) -> UserError:
    """The error, naming the option of this verb that chose the path, if there is one."""
    place = os.path.abspath(error.path)
    for option in ("export", "out", "json", "runs"):
        if hasattr(args, option):
            chosen = getattr(args, option)
            # An --out that was not given would choose the path too.
            if Path(place).is_relative_to(os.path.abspath(chosen)) if chosen else option == "out":
                return UserError(f"{str(error).removesuffix('.')} with --{option}.")
    return error


def _overview() -> str:
    lines = ["usage: pokegen VERB [options]", ""]
    lines += ["Creates Pokémon, and trains the models that create them. Options of a verb: pokegen VERB --help", ""]
    lines += [f"  {verb:<11}{text}" for verb, text in VERBS.items()]
    lines += [f"  {'fit':<11}train a model: pokegen fit --config configs/NAME.yaml"]
    lines += [f"  {'validate, test, predict':<11}", f"  {'':<11}score a trained model, or label video with it"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
