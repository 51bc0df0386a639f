"""What retry, cancel and delete do to a job, in a transaction of their caller's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from jobctl.core import dependencies
from jobctl.core import job as transitions
from jobctl.core.job import CANCELLABLE, DELETABLE, FINISHED, RETRYABLE, Status
from jobctl.core.store import AnyJob, Transaction

#: Changes a job that was read, and returns it as it is then. Raises WrongStatus or StaleJob;
#: then nothing was written.
Act = Callable[[Transaction, AnyJob, datetime], AnyJob]
#: Sees to what follows from that for other jobs.
Follow = Callable[[Transaction, Sequence[AnyJob], datetime], object]


class Verb(msgspec.Struct, frozen=True):
    """Something that is done to jobs of some statuses; `removes` if they are gone then."""

    act: Act
    follow: Follow
    statuses: tuple[Status, ...]
    removes: bool = False


def _retry(tx: Transaction, job: AnyJob, now: datetime) -> AnyJob:
    changed = transitions.retry(job)
    dependencies.check_retry(tx, changed)
    tx.save(changed)
    if job.schedule is not None:  # its next tick finds it unfinished
        from jobctl.services.marks import reopen

        reopen(tx, job.schedule, job.id, now)
    return changed


def _cancel(tx: Transaction, job: AnyJob, now: datetime) -> AnyJob:
    changed = transitions.cancel(job, now)
    if changed is not job:
        tx.save(changed)
    return changed


def _delete(tx: Transaction, job: AnyJob, now: datetime) -> AnyJob:
    transitions.delete(job)
    tx.delete(job)
    return job


def _nothing(tx: Transaction, jobs: Sequence[AnyJob], now: datetime) -> None:
    """Nobody waits for a job that did not complete."""


def _lost(tx: Transaction, jobs: Sequence[AnyJob], now: datetime) -> None:
    dependencies.follow(tx, jobs, now, deleted=True)


RETRY = Verb(_retry, _nothing, RETRYABLE)
CANCEL = Verb(_cancel, dependencies.follow, CANCELLABLE)
DELETE = Verb(_delete, _lost, DELETABLE, removes=True)
#: The verbs for many jobs at once, under the names of their commands.
VERBS = {
    "retry": RETRY,
    "cancel": CANCEL,
    "delete": DELETE,
    "cleanup": Verb(_delete, _lost, FINISHED, removes=True),
}
