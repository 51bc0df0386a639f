"""Jobs that wait for other jobs: whom one may wait for, and what follows from an end.

A job runs when all of its `after` have completed. If one of them cannot complete any more
(it is dead, was cancelled, or was deleted before it completed), it is cancelled, and so are
those that wait for it: in the transaction that ended the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from jobctl.core import job as transitions
from jobctl.core.job import JobError, Status
from jobctl.core.store import AnyJob, Transaction
from jobctl.errors import InvalidJob, NotFound, WrongStatus

#: The type of the error that a job has whose dependency cannot complete.
FAILED = "DependencyFailed"
_HOPELESS = (Status.FAILED, Status.CANCELLED)


class Followed(msgspec.Struct, frozen=True):
    """What followed from jobs that ended.

    `cancelled` are the jobs that waited in vain; `freed` says whether some may wait no more.
    """

    cancelled: list[AnyJob]
    freed: bool


def check(tx: Transaction, job: AnyJob) -> None:
    """See that a job which is to be added may wait for its `after`.

    Raises NotFound for one that is not there, WrongStatus for one that is dead or was
    cancelled, InvalidJob for a circle.
    """
    for other_id in job.after:
        other = tx.get(other_id)
        if other is None:
            raise NotFound(f"after: there is no job {other_id}: `jobctl list` shows them")
        _require_hope(other, f"a job cannot come after {other_id}")
    _refuse_circle(tx, job)


def check_retry(tx: Transaction, job: AnyJob) -> None:
    """Raise WrongStatus if a job would wait in vain, were it pending again."""
    for other_id in job.after:
        other = tx.get(other_id)
        if other is not None:
            _require_hope(other, f"job {job.id} comes after {other_id}")


def follow(
    tx: Transaction, ended: Iterable[AnyJob], now: datetime, *, deleted: bool = False
) -> Followed:
    """Cancel those that wait for a job which will not complete; `now` is in UTC.

    `ended` are jobs as they are now, or as they were when they were `deleted`.
    """
    cancelled: list[AnyJob] = []
    freed = False
    if not tx.any_waiting():
        return Followed(cancelled, freed)
    todo = [(job, deleted) for job in ended if job.status.finished or deleted]
    while todo:
        job, gone = todo.pop()
        waiting = tx.dependents(job.id)
        if job.status is Status.COMPLETED:
            freed = freed or bool(waiting)
            continue
        for one in waiting:
            reason = _reason(job, gone=gone)
            changed = transitions.cancel(one, now, reason)
            tx.save(changed)
            cancelled.append(changed)
            todo.append((changed, False))
    return Followed(cancelled, freed)


def _reason(job: AnyJob, *, gone: bool) -> JobError:
    if gone:
        how = "was deleted before it completed"
    else:
        how = "was cancelled" if job.status is Status.CANCELLED else "failed"
    return JobError(FAILED, f"it waited for job {job.id} ({job.name}), which {how}")


def _require_hope(other: AnyJob, what: str) -> None:
    if other.status in _HOPELESS:
        how = "failed" if other.status is Status.FAILED else "was cancelled"
        raise WrongStatus(f"{what}, which {how}: retry that one first")


def _refuse_circle(tx: Transaction, job: AnyJob) -> None:
    todo, seen = list(job.after), set(job.after)
    while todo:
        other_id = todo.pop()
        if other_id == job.id:
            raise InvalidJob(
                f"after: job {job.id} would wait for itself, by way of {', '.join(job.after)}"
            )
        other = tx.get(other_id)
        if other is not None and other.status is Status.PENDING:
            todo += (one for one in other.after if one not in seen)
            seen.update(other.after)
