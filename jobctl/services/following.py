"""Follow a job: its log as it grows, until the job has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jobctl.clock import Clock
from jobctl.core.store import AnyJob, Store
from jobctl.services.growth import Growth
from jobctl.services.waiting import present

# Seconds between two looks: short at first, for jobs that are short.
SHORTEST, LONGEST = 0.01, 0.1


def follow(
    store: Store,
    clock: Clock,
    nap: Callable[[float], None],
    growth: Growth,
    job_id: str,
    timeout: float | None,
) -> Iterator[AnyJob | bytes]:
    """Yield the job, at first and whenever it has changed, and what is written into its log.

    The end is that of the job, all of its log included: the job that came last has ended. If
    it has not, `timeout` seconds are over. `nap` waits for some seconds. Raises NotFound if
    the job is unknown or gets deleted, OSError if its log cannot be read.
    """
    deadline = None if timeout is None else clock.monotonic() + timeout
    version: object = None
    job: AnyJob | None = None
    pause = SHORTEST
    while True:
        busy = False
        # The job first: once it has ended, nothing comes to its log any more.
        newer = store.version()
        if job is None or newer != version:
            version, known = newer, job
            gone = "there is no job {}" if known is None else "job {} was deleted meanwhile"
            job = present(store, job_id, gone)
            if job != known:
                busy = True
                yield job
        for piece in growth.more():
            busy = True
            yield piece
        if job.status.finished:
            return
        pause = SHORTEST if busy else min(pause * 2, LONGEST)
        if deadline is not None:
            rest = deadline - clock.monotonic()
            if rest <= 0:
                return
            pause = min(pause, rest)
        nap(pause)
