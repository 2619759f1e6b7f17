"""What a user can get wrong. The command line prints the message as one line and exits with status 2."""


class UserError(ValueError):
    """A mistake of the user's: the message says what was expected, what came, and what to do next."""


class WriteError(UserError):
    """A file or folder that the system does not write."""

    def __init__(self, message: str, path: str = ""):
        super().__init__(message)
        self.path = path


class DataError(UserError):
    """A table or a sprite source that cannot be used as it is."""


class CheckpointError(UserError):
    """A checkpoint folder that is missing, incomplete, altered, or of another kind."""
