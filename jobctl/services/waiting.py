"""Wait until jobs have ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from jobctl.clock import Clock
from jobctl.core.data import show
from jobctl.core.job import Status
from jobctl.core.store import AnyJob, Store
from jobctl.errors import NotFound

# Seconds between two looks at the store's version: short at first, for jobs that are short.
SHORTEST, LONGEST = 0.01, 0.05
#: A look at many jobs takes a while: it is let pass so many times over before the next one.
IDLE = 4

#: Is shown the jobs as they were at the last look, by id, again and again while one waits.
Watch = Callable[[Mapping[str, AnyJob]], object]


class Waited(msgspec.Struct, frozen=True):
    """How a wait ended: all the jobs as they are now, and the ids of those not finished."""

    jobs: list[AnyJob]
    left: list[str]

    @property
    def completed(self) -> bool:
        """Whether every one of the jobs has completed."""
        return all(job.status is Status.COMPLETED for job in self.jobs)


def wait_for(
    store: Store,
    clock: Clock,
    nap: Callable[[float], None],
    job_ids: Sequence[str],
    timeout: float | None,
    watch: Watch = lambda jobs: None,
) -> Waited:
    """Block until all of the jobs have ended, at most `timeout` seconds.

    `nap` waits for some seconds; `watch` is called before each of them. Raises
    NotFound if a job is unknown or gets deleted.
    """
    deadline = None if timeout is None else clock.monotonic() + timeout
    # Taken before the jobs are read: what changes meanwhile shows in the next version.
    version = store.version()
    jobs = {job_id: present(store, job_id, "there is no job {}") for job_id in job_ids}
    pause = SHORTEST
    while left := [job_id for job_id, job in jobs.items() if not job.status.finished]:
        if deadline is not None:
            rest = deadline - clock.monotonic()
            if rest <= 0:
                break
            pause = min(pause, rest)
        watch(jobs)
        nap(pause)
        newer = store.version()
        if newer == version:
            pause = min(pause * 2, LONGEST)
            continue
        version, began = newer, clock.monotonic()
        for job_id in left:
            jobs[job_id] = present(store, job_id, "job {} was deleted while it was waited for")
        pause = max(SHORTEST, IDLE * (clock.monotonic() - began))
    return Waited(list(jobs.values()), left)


def present(store: Store, job_id: str, missing: str) -> AnyJob:
    """Return a job; `missing`, with the id in its braces, says in NotFound that it is gone."""
    job = store.get(job_id)
    if job is None:
        raise NotFound(missing.format(show(job_id)[1:-1]))
    return job
