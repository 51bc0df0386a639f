"""How attempts end that no handler has ended: by a worker's death, by a stop, by nobody."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import msgspec

from jobctl.core.job import UNCHARGED, Ending, Exit, Job, JobError, Outcome
from jobctl.runtime.channel import Exited
from jobctl.runtime.estate import NOTHING_LEFT, Remains, RemainsOf
from jobctl.runtime.member import Given
from jobctl.runtime.process import signal_name


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


def alone(job: Job[Any]) -> bool:
    """Return whether a job must have a worker of its own in its next attempt.

    It must if its worker died with it the last time, whoever was to blame. An attempt with
    an ending of its own that counts clears it. The history says so, and a restart of the
    daemon changes nothing.
    """
    for attempt in reversed(job.history):
        if attempt.exit is not None:
            return True
        if attempt.outcome not in UNCHARGED:
            return False
    return False


def death(
    held: Collection[Given],
    begun: Collection[Given],
    news: Exited | None,
    now: datetime,
    remains: RemainsOf,
) -> Iterator[tuple[Given, Ending]]:
    """Yield how the attempts end that a dead worker held, of which some were `begun`.

    With a kill of the daemon's own, nobody pays but those that it was meant for. After a
    crash only one that never had a fellow there pays. `remains` tells what is left of jobs
    of which `news` says nothing: those that shared the worker, or all without news.
    """
    killed = any(given.killed is not None for given in begun)
    blocked = any(given.blocked for given in begun)
    for given in held:
        if given not in begun:
            yield given, released(now)
            continue
        if news is None or given.place is not None:
            left = remains(given.job)
        else:
            left = Remains(news.log_tail, news.progress)
        if given.killed is not None or not given.beside or news is None:
            ending = ended(given.killed, news, now, left, given.options.timeout)
            if given.place is not None:  # what the worker used was not all this job's
                ending = msgspec.structs.replace(ending, max_rss=None, cpu_seconds=None)
            yield given, ending
        elif killed and not blocked:
            yield given, released(now, left.progress)
        else:
            yield given, together(news, now, left, blocked=blocked)


def together(
    news: Exited, now: datetime, left: Remains = NOTHING_LEFT, *, blocked: bool = False
) -> Ending:
    """Return the ending of an attempt whose worker crashed while others shared it.

    `blocked` says that it was killed instead, because one of them blocked the loop.
    """
    how = _exit(news.status)
    what = (
        "was killed, because one of them blocked its event loop past the end of another"
        if blocked
        else f"ended {_by(how)}{_why(how, news.oom)}"
    )
    message = (
        f"a worker that several jobs shared {what}: those are not charged, and each is tried "
        "again in a worker of its own"
    )
    error = JobError("SharedWorkerBlocked" if blocked else "SharedWorkerCrashed", message)
    return Ending(
        Outcome.RELEASED,
        now,
        worker=str(news.pid),
        error=error,
        exit=how,
        log_tail=left.log_tail,
        progress=left.progress,
    )


def ended(
    killed: Outcome | None,
    news: Exited | None,
    now: datetime,
    left: Remains = NOTHING_LEFT,
    timeout: float | None = None,
) -> Ending:
    """Return the ending of the attempt that a dead worker was at.

    `killed` is what a kill of the daemon's own makes of it, `news` how the worker ended,
    None if its fork server died and nobody knows; `left` is what is left of it, `timeout`
    what the job had.
    """
    if killed is Outcome.RELEASED:
        return released(now, left.progress)
    if news is None:
        why = "the fork server died, and the worker with it"
        return lost(now, left, JobError("Lost", why))
    how = _exit(news.status)
    outcome = killed or Outcome.CRASHED
    error: JobError | None = None
    if outcome is Outcome.TIMEOUT:
        of = "" if timeout is None else f" of {timeout:g} s"
        why = f"the handler did not end at its timeout{of}, and was killed"
        error = JobError("JobTimeout", why)
    elif outcome is Outcome.CRASHED:
        what = f"{_by(how)} in the handler{_why(how, news.oom)}"
        error = JobError("WorkerCrashed", f"the worker process ended {what}")
    return Ending(
        outcome,
        now,
        worker=str(news.pid),
        error=error,
        exit=how,
        max_rss=news.max_rss,
        cpu_seconds=news.cpu_seconds,
        log_tail=left.log_tail,
        progress=left.progress,
    )


def _by(how: Exit) -> str:
    return f"by {how.signal}" if how.signal else f"with exit code {how.code}"


def _why(how: Exit, oom: bool) -> str:
    return ": memory ran out (OOM)" if oom and how.signal == "SIGKILL" else ""


def _exit(status: int) -> Exit:
    if os.WIFSIGNALED(status):
        return Exit(signal=signal_name(os.WTERMSIG(status)))
    return Exit(code=os.WEXITSTATUS(status))
