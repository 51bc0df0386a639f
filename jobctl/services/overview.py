"""How a store is doing, again and again: counts, rates, what runs, what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from jobctl.clock import Clock
from jobctl.core.job import Status
from jobctl.core.store import AnyJob, Pulse, Stats, Store
from jobctl.services import pausing, spool
from jobctl.services.pausing import Pause
from jobctl.services.telling import State, read_told, told_by

#: How many of the running jobs are looked at, and of those that failed last.
RUNNING, FAILED = 50, 3
#: Seconds after which the end of a job is known for certain: until then it may be on its way
#: into the store. What ended later is counted by the next look.
SETTLED = 1.0
#: Seconds within which the daemon answers, unless it is stuck.
PATIENCE = 0.2


class Rates(msgspec.Struct, frozen=True):
    """How many jobs were added, completed and failed in a number of seconds."""

    seconds: float
    added: int
    completed: int
    failed: int

    def per_minute(self, count: int) -> float:
        """Return a count as one of a minute."""
        return 60 * count / self.seconds


class Overview(msgspec.Struct, frozen=True):
    """What one look has found.

    `last` and `since` are the rates from the look before this one, and from the first one;
    None at the first. `running` begins with the job that runs for longest, `failed` with the
    one that failed last; `workers` has the process of a running job, by its id.
    """

    at: datetime
    counts: Stats
    last: Rates | None
    since: Rates | None
    running: list[AnyJob]
    workers: dict[str, int]
    failed: list[AnyJob]
    oldest: AnyJob | None
    paused: list[Pause]
    daemon: Pulse
    state: State | None


class Watch:
    """Looks at a store. A look costs a few questions that an index answers."""

    def __init__(self, store: Store, clock: Clock, shown: Callable[[AnyJob], AnyJob]) -> None:
        """`shown` gives a running job the progress that it has now."""
        self._store = store
        self._clock = clock
        self._shown = shown
        self._newest: int | None = None  # the seq of the job that was added last
        self._until = clock.now() - timedelta(seconds=SETTLED)  # up to here ends are counted
        self._at = clock.monotonic()
        self._sums = Rates(0.0, 0, 0, 0)

    def look(self) -> Overview:
        """Return how things are now. Raises StoreError."""
        store, now = self._store, self._clock.now()
        last = self._rates(now)
        running = store.list(status=Status.RUNNING, limit=RUNNING)
        running.sort(key=lambda job: (job.started_at or now, job.seq))
        daemon = store.pulse(PATIENCE)
        return Overview(
            at=now,
            counts=store.stats(),
            last=last,
            since=self._sums if last else None,
            running=[self._shown(job) for job in running],
            workers=spool.workers(store.files),
            failed=list(store.finished(Status.FAILED, _later(now), FAILED, newest=True)),
            oldest=store.oldest_due(now),
            paused=pausing.paused(store),
            daemon=daemon,
            state=_state(store.files, daemon),
        )

    def _rates(self, now: datetime) -> Rates | None:
        """Return what has happened since the last look; None at the first."""
        began, self._at = self._at, self._clock.monotonic()
        since, self._until = self._until, max(self._until, now - timedelta(seconds=SETTLED))
        newest = max((job.seq for job in self._store.list(limit=1)), default=0)
        before, self._newest = self._newest, max(newest, self._newest or 0)
        if before is None:
            return None
        last = Rates(
            max(self._at - began, 1e-9),
            self._store.count_added(before),
            self._store.count_finished(Status.COMPLETED, self._until, since),
            self._store.count_finished(Status.FAILED, self._until, since),
        )
        sums = self._sums
        self._sums = Rates(
            sums.seconds + last.seconds,
            sums.added + last.added,
            sums.completed + last.completed,
            sums.failed + last.failed,
        )
        return last


def _later(now: datetime) -> datetime:
    # A clock that was ahead has written ends that are still to come.
    return now + timedelta(days=1)


def _state(files: Path, daemon: Pulse) -> State | None:
    told = told_by(read_told(files), daemon)
    return None if told is None else told.state
