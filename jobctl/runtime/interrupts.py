"""What is raised inside a handler that shall end."""

from __future__ import annotations

from jobctl.core.job import Exit


class JobTimeout(Exception):
    """Raised inside a handler that runs longer than its timeout."""


class JobCancelled(BaseException):
    """Raised inside a handler whose job was cancelled."""


class ShellError(Exception):
    """The command of a shell job could not be started, or did not end with exit code 0.

    `exit` is how it ended, None if it never began.
    """

    def __init__(self, message: str, how: Exit | None = None) -> None:
        super().__init__(message)
        self.exit = how
