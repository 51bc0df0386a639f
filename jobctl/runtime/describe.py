"""What the record says of what a handler returned or raised."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from jobctl.core.data import plain
from jobctl.core.job import JobError, Outcome
from jobctl.core.retry import Fail, Retry, Snooze
from jobctl.runtime.interrupts import JobCancelled, JobTimeout, ShellError
from jobctl.runtime.validation import InvalidData

_MESSAGE_LENGTH = 4_000
_TRACEBACK_LENGTH = 16_000
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


#: How a handler ended, its result as JSON, and what else is to be said of it in an ending.
Ended = tuple[Outcome, bytes | None, dict[str, Any]]
_COMPLETED = Outcome.COMPLETED
_NOTHING: dict[str, Any] = {}


def too_long(timeout: float | None) -> str:
    """Return the message of a timeout."""
    return f"the job ran longer than its timeout of {timeout:g} s"


def describe(err: BaseException) -> JobError:
    """Return what the record says of an exception that a handler raised."""
    import traceback

    frames = err.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frames = frames.tb_next  # begin where the handler's own code begins
    lines = None  # of no use to anybody if none of it is the handler's
    if frames is not None:
        lines = text("".join(traceback.format_exception(type(err), err, frames)))
        if len(lines) > _TRACEBACK_LENGTH:
            lines = f"[…]\n{lines[-_TRACEBACK_LENGTH:]}"
    kind = type(err)
    module = str(kind.__module__)
    own = module == "builtins" or module.startswith("jobctl.")
    name = kind.__qualname__ if own else f"{module}.{kind.__qualname__}"
    return JobError(name, text(err)[:_MESSAGE_LENGTH], lines)


def text(value: object) -> str:
    """Return text that UTF-8 can hold, whatever a foreign __str__ does."""
    try:
        found = str(value)
    except Exception as err:
        found = f"<its text cannot be had: {type(err).__name__}>"
    return found.encode("utf-8", "backslashreplace").decode()


def kept_result(value: Any, limit: int) -> Ended:
    """Return what is to be said of a handler that returned `value`; `limit` is in bytes."""
    if value is None:
        return _COMPLETED, None, _NOTHING
    try:
        result = msgspec.json.encode(plain(value, "result", limit))
    except Exception as err:  # whatever a foreign type's encoding raises
        # The work is done: to run it again for the sake of its result would do it twice.
        message = text(f"the job completed, but its result was not kept: {err}")
        return _COMPLETED, None, {"error": JobError("ResultNotKept", message)}
    return _COMPLETED, result, _NOTHING


def raised(err: BaseException) -> Ended:
    """Return what is to be said of a handler that raised `err`."""
    if isinstance(err, JobCancelled):
        return Outcome.CANCELLED, None, {}
    if isinstance(err, Snooze):
        return Outcome.SNOOZED, None, {"after": err.after}
    error: dict[str, Any] = {"error": describe(err)}
    if isinstance(err, JobTimeout):
        return Outcome.TIMEOUT, None, error
    if isinstance(err, Retry):
        error["after"] = err.after
    elif isinstance(err, (Fail, InvalidData)):
        error["final"] = True
    elif isinstance(err, ShellError):
        error["exit"] = err.exit
    return Outcome.ERROR, None, error
