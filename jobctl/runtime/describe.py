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


#: A result as JSON, and the fields of an ending.
Ended = tuple[bytes | None, dict[str, Any]]


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
    """Return the result as JSON, and what else is to be said of a handler that returned it.

    `limit` is in bytes.
    """
    done: dict[str, Any] = {"outcome": Outcome.COMPLETED}
    if value is None:
        return None, done
    try:
        result = msgspec.json.encode(plain(value, "result", limit))
    except Exception as err:  # whatever a foreign type's encoding raises
        # The work is done: to run it again for the sake of its result would do it twice.
        message = text(f"the job completed, but its result was not kept: {err}")
        return None, {**done, "error": JobError("ResultNotKept", message)}
    return result, done


def raised(err: BaseException) -> dict[str, Any]:
    """Return the fields of the ending of a handler that raised `err`."""
    if isinstance(err, JobCancelled):
        return {"outcome": Outcome.CANCELLED}
    if isinstance(err, Snooze):
        return {"outcome": Outcome.SNOOZED, "after": err.after}
    if isinstance(err, JobTimeout):
        return {"outcome": Outcome.TIMEOUT, "error": describe(err)}
    ending = {"outcome": Outcome.ERROR, "error": describe(err)}
    if isinstance(err, Retry):
        return {**ending, "after": err.after}
    if isinstance(err, (Fail, InvalidData)):
        return {**ending, "final": True}
    if isinstance(err, ShellError):
        return {**ending, "exit": err.exit}
    return ending
