"""What tests of all folders share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Job, Options, Outcome, finish
from jobctl.core.store import Gate, Store, Transaction, open_gate

T = TypeVar("T")

#: The source tree.
ROOT = Path(__file__).parents[1]
#: When a FakeClock begins.
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class FakeClock:
    """A Clock that moves only when it is told to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def boot(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self.time += timedelta(seconds=seconds)
        self.seconds += seconds


def eventually(check: Callable[[], T], timeout: float = 10.0) -> T:
    """Return what `check` gives as soon as that is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := check()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {check}"
        time.sleep(0.005)
    return result


def after(seconds: float) -> datetime:
    """Return the moment so many seconds after NOON."""
    return NOON + timedelta(seconds=seconds)


def make_job(job_id: str = "a", **fields: Any) -> Job[Any]:
    """Return a pending job, made at NOON, with some fields changed."""
    given: dict[str, Any] = {"name": "work", "data": {}, "created_at": NOON}
    return Job(id=job_id, **(given | fields))


def put(store: Store, *jobs: Job[Any]) -> None:
    """Add jobs in one transaction."""
    with store.transaction() as tx:
        tx.add(jobs)


def next_run_at(store: Store) -> datetime | None:
    """Return when the next delayed job is due."""
    with store.transaction() as tx:
        return tx.next_run_at()


def claim(
    store: Store, limit: int = 1, now: datetime = NOON, gate: Gate = open_gate
) -> list[Job[Any]]:
    """Claim jobs in a transaction of their own."""
    with store.transaction() as tx:
        return tx.claim(limit, now, gate)


def end(
    store: Store,
    job: Job[Any],
    outcome: Outcome = Outcome.COMPLETED,
    at: datetime = NOON,
    options: Options | None = None,
    **fields: Any,
) -> Job[Any]:
    """Settle a claimed job and return it as the store has it."""
    changed = finish(job, Ending(outcome, finished_at=at, **fields), options or Options())
    with store.transaction() as tx:
        assert tx.settle([changed]) == []
    return there(store, job.id)


def cancel(store: Store, job_id: str) -> None:
    """Cancel a job that must be in the store."""
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, job_id), NOON))


def there(store: Store | Transaction, job_id: str) -> Job[Any]:
    """Return a job that must be in the store."""
    job = store.get(job_id)
    assert job is not None
    return job


def ids(jobs: Iterable[Job[Any]]) -> list[str]:
    """Return the ids of jobs, in their order."""
    return [job.id for job in jobs]
