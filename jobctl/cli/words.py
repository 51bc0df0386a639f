"""How times and jobs are typed and said: local and relative, states with their reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jobctl.core.job import AnyJob, Attempt, Status
from jobctl.core.units import human_duration, human_size, seconds
from jobctl.core.wording import error_line, length_of, relative
from jobctl.errors import InvalidJob


def local_time(text: str) -> datetime | str:
    """Return a time that was typed; without a zone it is one of this machine.

    What is no time at all comes back as it is, for whoever checks the field. Raises
    InvalidJob for one beyond the calendar.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidJob(f"the time {text.strip()} is beyond the calendar") from None


def duration(text: str, option: str) -> float:
    """Return a duration that was typed, in seconds. Raises InvalidJob naming the option."""
    try:
        return seconds(text)
    except InvalidJob as err:
        raise InvalidJob(f"{option}: {err}") from None


def local(moment: datetime | None, *, sep: str = " ") -> str:
    """Return a moment in this machine's time, with its offset; None is empty."""
    if moment is None:
        return ""
    try:
        moment = moment.astimezone()
    except (OverflowError, ValueError):
        pass
    return moment.isoformat(sep=sep, timespec="seconds")


def moment(value: datetime | None, now: datetime) -> str:
    """Return a moment both ways: `2026-11-24 22:03:11+01:00 (3m ago)`."""
    return f"{local(value)} ({relative(value, now)})" if value else ""


def took(job: AnyJob | Attempt) -> str:
    """Return how long a run took, empty if that is not known."""
    length = length_of(job)
    if length is None:
        return ""
    return human_duration(length) if length >= 0.001 else "<1ms"


def remark(job: AnyJob, now: datetime) -> str:
    """Return what stands beside the status in a list: scheduled, retrying, why it failed."""
    if job.status is Status.PENDING:
        return _pending(job, now)
    if job.status is Status.RUNNING:
        since = job.started_at or now
        length = human_duration(max(0.0, round((now - since).total_seconds())))
        parts = (
            "cancelling" if job.cancelling else "",
            f"for {length}",
            progress(job.progress),
        )
        return ", ".join(part for part in parts if part)
    if job.status is Status.COMPLETED:
        return f"took {took(job)}" if took(job) else ""
    return error_line(job.error)


def _pending(job: AnyJob, now: datetime) -> str:
    due = relative(job.run_at, now) if job.run_at and job.run_at > now else ""
    if job.attempts:
        why = error_line(job.error)
        return f"retrying {due}".strip() + (f": {why}" if why else "")
    return f"scheduled {due}" if due else ""


def progress(said: Any) -> str:
    """Return how far a job has come, as its handler has said: `3 of 10 (30%), reading`."""
    if not isinstance(said, dict):
        return ""
    done, total, note = (said.get(name) for name in ("done", "total", "note"))
    text = number(done)
    if isinstance(total, int | float) and isinstance(done, int | float):
        share = f" ({100 * done / total:.0f}%)" if total > 0 else ""
        text = f"{number(done)} of {number(total)}{share}"
    return ", ".join(part for part in (text, note) if part)


def number(value: Any) -> str:
    """Return a number as people read it: `12,345`, `0.5`."""
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def how_it_exited(attempt: Attempt) -> str:
    """Return how the worker process of an attempt ended, and its peak memory."""
    parts = []
    if attempt.exit is not None:
        parts.append(attempt.exit.signal or f"exit code {attempt.exit.code}")
    if attempt.max_rss is not None:
        parts.append(f"peak {human_size(attempt.max_rss)}")
    return ", ".join(parts)
