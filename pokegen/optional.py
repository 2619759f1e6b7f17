"""Packages that not everyone has: what is missing, in one line."""

import importlib
from types import ModuleType

from pokegen.errors import UserError


def require(module: str, package: str | None = None, install: str = "'pokegen[game]'") -> ModuleType:
    """Import an optional module, or say in a UserError what is missing and how to install it.

    Args:
        module: to import.
        package: as people know it; default: the module's first name.
        install: what pip is to install.
    """
    name = package or module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        lacks = (error.name or "").partition(".")[0]
        if lacks not in ("", module.partition(".")[0]):
            raise UserError(f"{name} needs {lacks}, which is not installed. Install it: pip install {lacks}") from error
        raise UserError(f"{name} is not installed. Install it: pip install {install}") from error
    except Exception as error:  # packages fail in many ways on a Python or beside a package that they do not know
        raise UserError(f"{name} is installed but does not load: {first_line(error)}.") from error


def first_line(error: Exception) -> str:
    """What an error says, as part of a sentence."""
    return next(iter(str(error).strip().splitlines()), "").rstrip(". ") or type(error).__name__
