"""Following a job: what `follow`, `logs --follow` and `add --follow` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobctl.cli import garbage, render
from jobctl.cli.app import INTERRUPTED
from jobctl.cli.logprint import Printer, Text
from jobctl.cli.waiting import NOT_COMPLETED, TIMED_OUT
from jobctl.cli.words import took
from jobctl.core.job import AnyJob, Status
from jobctl.core.wording import error_line

if TYPE_CHECKING:
    from jobctl.cli.options import Session
    from jobctl.services.growth import Growth


def follow(
    here: Session, job: AnyJob, growth: Growth, out: Printer, timeout: float | None
) -> int:
    """Print the log of a job until it has ended, and return the exit code.

    `growth` says how far it was printed already, `timeout` is in seconds. Raises NotFound if
    the job gets deleted.
    """
    garbage.collect()
    now: AnyJob | None = None
    try:
        for news in here.queue.follow(job.id, growth, timeout):
            if isinstance(news, bytes):
                out.put([news])
            else:
                before, now = now, news
                if text := _news(here, before, now):
                    _tell(out, text)
    except KeyboardInterrupt:
        _tell(out, f"job {job.id} goes on; `jobctl follow {job.id}` shows what it writes")
        return INTERRUPTED
    assert now is not None
    if not now.status.finished:
        _tell(out, f"timed out; job {now.id} is {now.status} and goes on")
        return TIMED_OUT
    out.end(here.record(now))
    render.note(_ending(now))
    return 0 if now.status is Status.COMPLETED else NOT_COMPLETED


def _news(here: Session, before: AnyJob | None, now: AnyJob) -> str:
    """Return what is to be said of a job that has changed, None before the first look."""
    if now.status is Status.PENDING and (before is None or before.attempts):
        return _waits(here, now)
    if now.status is Status.RUNNING and before is not None and before.attempts:
        if before.status is Status.RUNNING and before.history != now.history:
            return f"job {now.id} runs again: {error_line(now.error)}"
    return ""


def _waits(here: Session, job: AnyJob) -> str:
    from jobctl.cli.explained import say

    found = here.queue.explain(job.id, say)
    if found.status is not Status.PENDING or found.reasons[0].code == "due":
        return ""  # it has begun by now, or will at once
    why = " ".join(reason.message for reason in found.reasons)
    helps = f" (next: {', '.join(f'`{step.command}`' for step in found.next)})"
    return f"job {job.id} waits. {why}{helps if found.next else ''}"


def _tell(out: Printer, text: str) -> None:
    if isinstance(out, Text) and render.on_terminal_both():
        out.new_line()
    render.note(text)


def _ending(job: AnyJob) -> str:
    length = f" (took {took(job)})" if took(job) else ""
    why = f": {error_line(job.error)}" if job.error else ""
    how = f"was {job.status}" if job.status is Status.CANCELLED else str(job.status)
    return f"job {job.id} {how}{length}{why}"
