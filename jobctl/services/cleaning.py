"""Cleaning up: finished jobs go, with what goes with them, and the records of ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from jobctl.clock import Clock
from jobctl.core.job import FINISHED, Status
from jobctl.core.note import TICK
from jobctl.core.store import AnyJob, Store
from jobctl.errors import StaleJob
from jobctl.services.beside import Beside

#: How many jobs go at a time, giving the write lock up in between.
STEP = 1000
#: How many rows a dry run shows.
SHOWN = 10


class Keep(msgspec.Struct, frozen=True):
    """What is kept. `ages` are seconds by status; one that is absent is kept for ever.

    `newest` says how many of a name are kept at most, of which names `names` tells; `ticks`
    for how many seconds the records of ticks are, None for ever.
    """

    ages: Mapping[Status, float] = {}
    newest: Mapping[Status, int] = {}
    names: Callable[[], Iterable[str]] = tuple
    ticks: float | None = None


KEEP_ALL = Keep()


class Cleaning:
    """Deletes what is not to be kept. All methods may raise StoreError."""

    def __init__(self, store: Store, clock: Clock, beside: Beside, keep: Keep) -> None:
        self._store = store
        self._clock = clock
        self._beside = beside
        self.keep = keep

    def run(self) -> int:
        """Delete jobs and the records of ticks that are not kept, and return how many jobs."""
        deleted = 0
        for status, cutoff in self._cutoffs():
            while jobs := self._store.finished(status, cutoff, STEP):
                deleted += self._delete(jobs)
                if len(jobs) < STEP:
                    break
        while jobs := self._surplus(STEP):
            deleted += self._delete(jobs)
        while self._drop_ticks(STEP):
            pass
        return deleted

    def step(self, limit: int) -> int:
        """Do one step of what `run` does, and return how much went.

        At most `limit` jobs or records of ticks go; 0 says that nothing is left to do.
        """
        for status, cutoff in self._cutoffs():
            if jobs := self._store.finished(status, cutoff, limit):
                return max(1, self._delete(jobs))
        if surplus := self._surplus(limit):
            return max(1, self._delete(surplus))
        return self._drop_ticks(limit)

    def matches(self) -> tuple[int, list[AnyJob]]:
        """Return how many jobs `run` would delete for their age, and the first of them."""
        count = 0
        rows: list[AnyJob] = []
        for status, cutoff in self._cutoffs():
            count += self._store.count_finished(status, cutoff)
            if len(rows) < SHOWN:
                rows.extend(self._store.finished(status, cutoff, SHOWN - len(rows)))
        return count, rows

    def _cutoffs(self) -> Iterator[tuple[Status, datetime]]:
        now = self._clock.now()
        for status in FINISHED:
            age = self.keep.ages.get(status)
            if age is not None:
                yield status, now - timedelta(seconds=age)

    def _surplus(self, limit: int) -> list[AnyJob]:
        """Return finished jobs beyond the newest of their name and status that are kept."""
        for status, count in self.keep.newest.items():
            for name in self.keep.names():
                jobs = self._store.list(status=status, name=name, limit=limit, offset=count)
                if jobs:
                    return list(jobs)
        return []

    def _drop_ticks(self, limit: int) -> int:
        """Remove records of ticks that are old enough, and return how many went."""
        if self.keep.ticks is None:
            return 0
        cutoff = self._clock.now() - timedelta(seconds=self.keep.ticks)
        notes = self._store.notes_before(TICK, cutoff, limit)
        if notes:
            with self._store.transaction() as tx:
                for note in notes:
                    tx.drop(note.topic, note.key)
        return len(notes)

    def _delete(self, jobs: Sequence[AnyJob]) -> int:
        deleted: list[str] = []
        with self._store.transaction() as tx:
            for job in jobs:
                try:
                    tx.delete(job)
                    deleted.append(job.id)
                except StaleJob:
                    pass  # retried or deleted by somebody else meanwhile
        self._beside.forget(deleted)
        return len(deleted)
