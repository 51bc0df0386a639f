"""How moments, lengths and errors are said, in one line."""

from __future__ import annotations

from datetime import datetime

from jobctl.core.job import AnyJob, Attempt, JobError
from jobctl.core.units import human_duration

#: How much of an error's message one line holds.
MESSAGE = 120


def length_of(run: AnyJob | Attempt) -> float | None:
    """Return how many seconds a run took, None if that is not known."""
    if run.started_at is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def relative(moment: datetime, now: datetime) -> str:
    """Return how far off a moment is: `3m ago`, `in 2h30m`, `just now`."""
    seconds = (moment - now).total_seconds()
    if abs(seconds) < 1:
        return "in <1s" if seconds > 0 else "just now"
    length = human_duration(float(round(abs(seconds))))
    return f"in {length}" if seconds > 0 else f"{length} ago"


def error_line(error: JobError | None) -> str:
    """Return an error in one line that is not too long."""
    text = error_sentence(error)
    return text if len(text) <= MESSAGE else text[: MESSAGE - 3] + "..."


def error_sentence(error: JobError | None) -> str:
    """Return an error in one line, however long: a type, and the first line of its message."""
    return "" if error is None else error_text(error).split("\n", 1)[0]


def error_text(error: JobError) -> str:
    """Return an error with all lines of its message, if it has one."""
    message = error.message.strip()
    return f"{error.type}: {message}" if message else error.type
