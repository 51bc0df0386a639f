"""Whose turn it is, said once more and as simply as can be, from the records alone."""

from __future__ import annotations

from datetime import UTC, datetime

from jobctl.core.job import Status
from jobctl.core.note import EVERYTHING, PAUSE
from jobctl.core.store import AnyJob, Verdict
from jobctl.stores.memory import MemoryStore

_NONE = datetime.min.replace(tzinfo=UTC)


def next_claims(
    store: MemoryStore,
    limit: int,
    now: datetime,
    closed: tuple[str, bool] | None,
    verdict: Verdict,
) -> list[str]:
    """Return the ids that a claim has to give, in order.

    `closed` is a name, and whether its shell jobs: these may not run, whatever the verdict is.
    """
    jobs = {job.id: job for job in reversed(store.list(limit=10_000))}  # in the order added
    paused = {note.key for note in store.notes(PAUSE)}

    def may_run(job: AnyJob) -> bool:
        waits = (jobs.get(one) for one in job.after)
        return (
            job.status is Status.PENDING
            and (job.run_at is None or job.run_at <= now)
            and not any(one and one.status is not Status.COMPLETED for one in waits)
            and not paused & {EVERYTHING, job.name}
            and (job.name, job.shell is not None) != closed
        )

    due = [job for job in jobs.values() if may_run(job)]
    count = store._state.claims
    found: list[str] = []
    while due and len(found) < limit:
        count += 1
        if count % 10:
            best = min(due, key=lambda job: (-job.priority, job.run_at or _NONE))
        else:
            best = min(due, key=lambda job: max(job.created_at, job.run_at or _NONE))
        due.remove(best)  # min gives the first of equals: the one that was added first
        found.append(best.id)
    return found
