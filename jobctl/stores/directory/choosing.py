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
#: Records that a bounded step reads, and rows of the index that it goes through, at most.
#: Either takes about 10 ms.
FEW = 500
WINDOW = 20_000


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
        bounded: bool = False,
    ) -> None:
        self._reader = reader
        self._wanted = wanted
        self._now = now
        self._passes = wanted.predicate(now)
        self._newest = newest
        #: Whether one step is all that there shall be.
        self.bounded = bounded
        self._stride = FEW if bounded else STEP
        #: The seq behind which the next step begins.
        self.after = after
        self._offset = offset
        #: Whether there may be more.
        self.more = True

    def step(self, limit: int) -> list[AnyJob]:
        """Return the next jobs: up to `limit`, or as many as there are among STEP records.

        If the way is bounded that is FEW records, and WINDOW rows. One whose record cannot
        be read is left out.
        """
        rows: Sequence[Row] = ()
        edge: int | None = None
        many, exact = self._stride, False

        def look(index: Index) -> Sequence[Row]:
            nonlocal rows, edge, many, exact
            plan = index.plan(self._wanted, self._now)
            exact = plan.exact
            many = min(STEP, limit) if exact else self._stride
            skip = self._offset if exact else 0
            if self.bounded:
                edge = index.edge(plan, newest=self._newest, after=self.after, span=WINDOW)
            rows = index.pick(
                plan,
                newest=self._newest,
                after=self.after,
                until=edge,
                limit=many,
                offset=skip,
            )
            return rows

        read = self._reader.jobs(look)
        full = len(rows) == many
        self.more = full or edge is not None
        if rows and (full or edge is None):
            self.after = rows[-1].seq
        elif edge is not None:
            self.after = edge
        found = [job for job in read if self._passes(job)]
        if exact:
            self._offset = 0
            return found
        skipped = min(self._offset, len(found))
        self._offset -= skipped
        return found[skipped:]


def select(walk: Walk, limit: int) -> Page:
    """Return the first jobs of a way; of its first step alone, if it is bounded."""
    found = walk.step(limit + 1)
    while walk.more and len(found) <= limit and not walk.bounded:
        found += walk.step(limit + 1 - len(found))
    if len(found) <= limit:
        return Page(found, walk.after if walk.more else None)
    page = found[:limit]
    return Page(page, page[-1].seq if page else None)


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
