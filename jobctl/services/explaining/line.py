"""Who stands before a job that is due, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from jobctl.core.job import Status
from jobctl.core.limits import by_name
from jobctl.core.units import human_duration
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case
from jobctl.services.health import due_since

#: How many jobs are counted: there may be a million.
COUNTED = 10_000
#: From how many ends a pace is told.
_ENDS = 1000


class Pace(msgspec.Struct, frozen=True):
    """How many jobs have ended in how many seconds."""

    jobs: int
    seconds: float

    @property
    def each(self) -> float:
        """Seconds a job, as the daemon does several at once."""
        return self.seconds / self.jobs


def line(case: Case) -> Iterator[Reason]:
    """Say how many jobs are claimed before this one."""
    own, others = case.store.ahead(case.job, case.now, COUNTED)
    count = own + others
    if not count:
        return
    over = "Over " if COUNTED in (own, others) else ""
    jobs = "job comes" if count == 1 else "jobs come"
    whose = f", {own:,} of its name" if own and others else ""
    text = f"{over}{count:,} {jobs} before it{whose}: by priority, then in their order."
    length = _length(case, own, count)
    if length is not None and not over:
        text += f" At the pace since it is due they take about {human_duration(length)}."
    yield Reason("queue", text)


def _length(case: Case, own: int, count: int) -> float | None:
    """Return how many seconds those before it take, None if that cannot be told."""
    pace = _pace(case)
    if pace is None:
        return None
    limit = by_name(case.rules.limits).get(case.job.name)
    slowest = 0.0 if limit is None else own * limit.interval
    return max(slowest, float(round(count * pace.each)))


def _pace(case: Case) -> Pace | None:
    if not case.alive:
        return None
    since = due_since(case.job)
    if case.told is not None:
        since = max(since, case.told.since)
    ends = [
        at
        for status in (Status.COMPLETED, Status.FAILED)
        for at in case.store.ended(status, since, _ENDS)
    ]
    if len(ends) > _ENDS:  # of the other status there may be more, further back
        ends = sorted(ends, reverse=True)[:_ENDS]
    if len(ends) == _ENDS:
        since = min(ends)
    seconds = (case.now - since).total_seconds()
    return Pace(len(ends), seconds) if len(ends) > 1 and seconds >= 1 else None
