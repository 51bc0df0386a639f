"""Every error that jobctl raises on purpose.

    JobctlError                     1
    ├── ConfigError                 2   jobs.toml, a flag or the environment
    ├── InvalidJob (ValueError)     2   a job, an option or an argument that is refused
    │   └── InvalidFilter               a filter that cannot be read
    ├── HandlerError                2   the handlers do not import or cannot be registered
    ├── NotFound                    3   no such job
    ├── Conflict                    4
    │   ├── Duplicate                   the id is taken
    │   ├── WrongStatus                 the verb does not fit the job's status
    │   └── StaleJob                    somebody changed the job meanwhile
    └── StoreError                  5   the store cannot be used
        ├── StoreFull                   no room left; nothing was written
        ├── StoreCorrupt                bytes that cannot be trusted
        ├── StoreTooNew                 written by a newer jobctl
        ├── StoreUnwritable             no permission, read-only or failing disk
        └── StoreBusy                   somebody else holds it

The number is the exit code of a command that ends with the error. A message says
what happened, to what, and what to do next, in one or two lines.
"""

from __future__ import annotations


class JobctlError(Exception):
    """The root: catch it to catch them all."""

    exit_code = 1


class ConfigError(JobctlError):
    """The configuration, a flag or the environment cannot be used."""

    exit_code = 2


class InvalidJob(JobctlError, ValueError):
    """A job, an option or an argument was refused; nothing was written."""

    exit_code = 2


class InvalidFilter(InvalidJob):
    """A filter cannot be read. `column` is where, counted from 1."""

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


class HandlerError(JobctlError):
    """The handlers do not import, or a handler cannot be registered."""

    exit_code = 2


class NotFound(JobctlError, LookupError):
    """There is no such job."""

    exit_code = 3


class Conflict(JobctlError):
    """The store holds something that the call does not agree with."""

    exit_code = 4


class Duplicate(Conflict):
    """A job with that id is there already."""


class WrongStatus(Conflict):
    """The verb does not fit the job's status."""


class StaleJob(Conflict):
    """The job was changed by somebody else after it was read."""


class StoreError(JobctlError):
    """The store cannot be used."""

    exit_code = 5


class StoreFull(StoreError):
    """There is no room left. The store is as it was before the call."""


class StoreCorrupt(StoreError):
    """The store holds bytes that cannot be trusted."""


class StoreTooNew(StoreError):
    """The store was written by a newer jobctl."""


class StoreUnwritable(StoreError):
    """The store cannot be read or written: permission, read-only or failing disk."""


class StoreBusy(StoreError):
    """Somebody else holds the store for too long."""
