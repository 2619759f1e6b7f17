"""Errors that a user can cause and fix. The command line prints the message as one line and exits with status 2."""


class UserError(ValueError):
    """A user's mistake: the message gives the expected value, the actual value, and what to do next."""


class WriteError(UserError):
    """A file or folder that cannot be written."""

    def __init__(self, message: str, path: str = ""):
        super().__init__(message)
        self.path = path


class DataError(UserError):
    """A table or a source of sprites that cannot be used."""


class CheckpointError(UserError):
    """A checkpoint folder that is missing, incomplete, altered, or of another kind."""
