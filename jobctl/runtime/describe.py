"""What the record says of what a handler returned or raised."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from jobctl.core.data import plain
from jobctl.core.job import JobError, Outcome

_MESSAGE_LENGTH = 4_000
_TRACEBACK_LENGTH = 16_000
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def too_long(timeout: float | None) -> str:
    """Return the message of a timeout."""
    return f"the job ran longer than its timeout of {timeout:g} s"


def describe(err: BaseException) -> JobError:
    """Return what the record says of an exception that a handler raised."""
    import traceback

    frames = err.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frames = frames.tb_next  # begin where the handler's own code begins
    if frames is None:
        lines = "".join(traceback.format_exception_only(err))
    else:
        lines = "".join(traceback.format_exception(type(err), err, frames))
    if len(lines) > _TRACEBACK_LENGTH:
        lines = f"[…]\n{lines[-_TRACEBACK_LENGTH:]}"
    kind = type(err)
    module = str(kind.__module__)
    own = module == "builtins" or module.startswith("jobctl.")
    name = kind.__qualname__ if own else f"{module}.{kind.__qualname__}"
    return JobError(name, text(err)[:_MESSAGE_LENGTH], text(lines))


def text(value: object) -> str:
    """Return text that UTF-8 can hold, whatever a foreign __str__ does."""
    try:
        found = str(value)
    except Exception as err:
        found = f"<its text cannot be had: {type(err).__name__}>"
    return found.encode("utf-8", "backslashreplace").decode()


def kept_result(value: Any, limit: int) -> tuple[bytes | None, dict[str, Any]]:
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
