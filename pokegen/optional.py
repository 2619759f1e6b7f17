"""Imports of optional packages, with a one-line error if one is missing."""

import importlib
from types import ModuleType

from pokegen.errors import UserError


def require(module: str, package: str | None = None, install: str = "'pokegen[game]'") -> ModuleType:
    """Import an optional module. UserError if it is missing, with the command that installs it.

    Args:
        module: module to import.
        package: its common name; default: the first part of the module's name.
        install: argument of `pip install`.
    """
    name = package or module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("", module.partition(".")[0]):
            message = f"{name} needs {missing}, which is not installed. Install it: pip install {missing}"
            raise UserError(message) from error
        raise UserError(f"{name} is not installed. Install it: pip install {install}") from error
    except Exception as error:  # packages fail in many ways with an unsupported Python or package
        raise UserError(f"{name} is installed but does not load: {first_line(error)}.") from error


def first_line(error: Exception) -> str:
    """The first line of an error's message, as part of a sentence."""
    return next(iter(str(error).strip().splitlines()), "").rstrip(". ") or type(error).__name__
