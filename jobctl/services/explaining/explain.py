"""The explanation of a job: all reasons that are true, the decisive first.

What is said of other jobs is not imported: a command asks for one.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.core.job import Status
from jobctl.services.explaining import steps
from jobctl.services.explaining.answer import Explanation, Reason
from jobctl.services.explaining.case import Case


def explain(case: Case) -> Explanation:
    """Return why the job is where it is. Raises StoreError."""
    job = case.job
    about = list(_origin(case))
    if job.status is Status.PENDING:
        reasons = list(_pending(case))
    elif job.status is Status.RUNNING:
        from jobctl.services.explaining import running

        reasons = list(running.running(case))
    else:
        from jobctl.services.explaining import ended

        reasons = list(ended.ended(case))
        about += ended.kept(case)
    return Explanation(
        id=job.id,
        name=job.name,
        status=job.status,
        reasons=tuple(reasons),
        about=tuple(about),
        next=tuple(steps.steps(case, reasons)),
    )


def _origin(case: Case) -> Iterator[Reason]:
    if case.job.schedule is not None:
        from jobctl.services.explaining import origin

        yield from origin.schedule(case)


def _pending(case: Case) -> Iterator[Reason]:
    from jobctl.services.explaining import daemons, line, own, places

    held = [*daemons.disk(case), *own.pauses(case), *own.others(case), *own.times(case)]
    absent = list(daemons.daemon(case))
    unknown = list(daemons.handler(case))
    yield from (*held, *absent, *unknown)
    if held:
        return  # it is not in the queue
    # Without a daemon nothing runs, whatever is written of running jobs.
    taken = list(places.limits(case)) if case.alive else []
    waiting = list(line.line(case))
    yield from (*taken, *waiting)
    if not (absent or unknown or taken or waiting):
        yield Reason("due", "Nothing holds it back: the daemon takes it with its next look.")
