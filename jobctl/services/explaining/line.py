"""Who stands before a job that is due, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from jobctl.core.job import Status
from jobctl.core.units import counted, human_duration
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
    """Say how many jobs are claimed before this one.

    Names whose limits are reached are passed over. Behind a limit of its own name or key
    only jobs of its name matter.
    """
    now, limits, job = case.now.timestamp(), case.limits, case.job
    closed = {name for name in case.rules.limits if not limits.name_open(name, now)}
    alone = job.name in closed or not limits.key_open(job.concurrency_key)
    own, others = case.store.ahead(job, case.now, COUNTED, closed - {job.name})
    count = own if alone else own + others
    if not count:
        return
    over = COUNTED in (own, others)
    jobs = f"Over {COUNTED:,} jobs" if over else counted(count, "job")
    of = ""
    if alone or not others:
        of = " of its name"
    elif own and not over:
        of = f", {own:,} of its name,"
    come = "comes" if count == 1 else "come"
    text = f"{jobs}{of} {come} before it, by priority and then in their order."
    length = None if over else _length(case, own, None if alone else count)
    if length is not None:
        text += f" At the pace so far that takes about {human_duration(length)}."
    yield Reason("queue", text)


def _length(case: Case, own: int, count: int | None) -> float | None:
    """Return how many seconds pass until it is its turn, None if that cannot be told."""
    by_rate = own * case.limit.interval
    pace = None if count is None else _pace(case)
    if pace is None:
        return by_rate or None
    return max(by_rate, float(round((count or 0) * pace.each)))


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
