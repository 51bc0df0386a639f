"""How attempts end that no handler has ended: by a worker's death, by a stop, by nobody."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from typing import Any

from jobctl.core.job import Ending, Exit, JobError, Outcome
from jobctl.runtime.channel import Exited
from jobctl.runtime.estate import NOTHING_LEFT, Remains


def released(now: datetime, progress: dict[str, Any] | None = None) -> Ending:
    """Return the ending of an attempt that had not begun, or that was given back."""
    return Ending(Outcome.RELEASED, now, progress=progress)


def lost(now: datetime, remains: Remains, error: JobError | None = None) -> Ending:
    """Return the ending of an attempt that had begun when everybody died."""
    return Ending(
        Outcome.LOST,
        now,
        error=error,
        log_tail=remains.log_tail,
        progress=remains.progress,
    )


def unknown(name: str, known: list[str], now: datetime) -> Ending:
    """Return the ending of a job that none of the known handlers runs."""
    there = ", ".join(known) or "none"
    error = JobError("UnknownHandler", f"no handler is called {name!r}; there are: {there}")
    return Ending(Outcome.ERROR, now, error=error, final=True)


def begun(
    killed: Outcome | None,
    news: Exited | None,
    now: datetime,
    remains: Remains = NOTHING_LEFT,
) -> Ending:
    """Return the ending of the attempt that a dead worker was at.

    `killed` is what a kill of the daemon's own makes of it, `news` how the worker ended,
    None if its fork server died and nobody knows; then `remains` is what is left of it.
    """
    if killed is Outcome.RELEASED:
        return released(now, news.progress if news else None)
    if news is None:
        why = "the fork server died, and the worker with it"
        return lost(now, remains, JobError("Lost", why))
    how = _exit(news.status)
    outcome = killed or Outcome.CRASHED
    error: JobError | None = None
    if outcome is Outcome.TIMEOUT:
        error = JobError("JobTimeout", "the handler did not end in time and was killed")
    elif outcome is Outcome.CRASHED:
        what = f"by {how.signal}" if how.signal else f"with exit code {how.code}"
        error = JobError("WorkerCrashed", f"the worker process ended {what} in the handler")
    return Ending(
        outcome,
        now,
        worker=str(news.pid),
        error=error,
        exit=how,
        max_rss=news.max_rss,
        cpu_seconds=news.cpu_seconds,
        log_tail=news.log_tail,
        progress=news.progress,
    )


def _exit(status: int) -> Exit:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return Exit(signal=signal.Signals(number).name)
        except ValueError:
            return Exit(signal=f"signal {number}")
    return Exit(code=os.WEXITSTATUS(status))
