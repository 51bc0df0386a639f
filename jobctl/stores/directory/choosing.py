"""Jobs that pass a filter: the index says which may, their records which do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jobctl.core.filters import Filter
from jobctl.core.job import Status
from jobctl.core.store import AnyJob, Page, Stats

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.reader import Reader
    from jobctl.stores.directory.rows import Row

#: Records that are read at a time; in between others may use the reader.
STEP = 1000


class Walk:
    """The way through the jobs that pass, in steps, each on a snapshot of its own."""

    def __init__(
        self,
        reader: Reader,
        wanted: Filter,
        now: datetime,
        *,
        newest: bool = True,
        after: int | None = None,
        offset: int = 0,
    ) -> None:
        self._reader = reader
        self._wanted = wanted
        self._now = now
        self._passes = wanted.predicate(now)
        self._newest = newest
        self._after = after
        self._offset = offset
        #: Whether there may be more.
        self.more = True

    def step(self, limit: int) -> list[AnyJob]:
        """Return the next jobs: up to `limit`, or as many as there are among STEP records.

        One whose record cannot be read is left out.
        """
        rows: Sequence[Row] = ()
        many, exact = STEP, False

        def look(index: Index) -> Sequence[Row]:
            nonlocal rows, many, exact
            plan = index.plan(self._wanted, self._now)
            exact = plan.exact
            many = min(STEP, limit) if exact else STEP
            skip = self._offset if exact else 0
            rows = index.pick(
                plan, newest=self._newest, after=self._after, limit=many, offset=skip
            )
            return rows

        read = self._reader.jobs(look)
        self.more = len(rows) == many
        if rows:
            self._after = rows[-1].seq
        found = [job for job in read if self._passes(job)]
        if exact:
            self._offset = 0
            return found
        skipped = min(self._offset, len(found))
        self._offset -= skipped
        return found[skipped:]


def select(walk: Walk, limit: int) -> Page:
    """Return the first jobs of a way."""
    found: list[AnyJob] = []
    while walk.more and len(found) <= limit:
        found += walk.step(limit + 1 - len(found))
    page = found[:limit]
    return Page(page, page[-1].seq if page and len(found) > limit else None)


def tally(reader: Reader, wanted: Filter, now: datetime) -> Stats:
    """Return how many of the jobs that pass have each status."""
    counts = reader.ask(lambda index: index.count(wanted, now))
    if counts is None:
        counts = dict.fromkeys(Status, 0)
        walk = Walk(reader, wanted, now)
        while walk.more:
            for job in walk.step(STEP):
                counts[job.status] += 1
    return Stats(**{status.value: n for status, n in counts.items()})
