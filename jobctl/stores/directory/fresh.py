"""New jobs at the journal's end, for a daemon that claims them before the index knows them.

It has what a claim wants to know of them: the lines themselves. Lanes ask `Ahead` in place of
the index then, so that a job is found wherever it is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from jobctl.core.job import Status
from jobctl.core.store import AnyJob
from jobctl.core.unreadable import UNREADABLE
from jobctl.stores.directory import lines
from jobctl.stores.directory.lane import Elder, Order, Source
from jobctl.stores.directory.rows import lane_key, micros
from jobctl.stores.directory.segments import Line, Place, Segments

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.lag import Lag

#: New jobs, and their lines.
New = list[tuple[AnyJob, Line]]
_PENDING = Status.PENDING


def find_new(
    journal: Segments, index: Index, lag: Lag, begin: tuple[int, int], end: int
) -> New | None:
    """Return the jobs of the lines behind `begin`, None if the lines have to be folded."""
    new = read_new(journal, *begin, end)
    if new is None or index.any_waits():  # a job may wait for one that was not there
        return None
    # A second add of a known id, or of a seq that is another job's, must not count.
    ids = {job.id for job, _ in new}
    if len(ids) < len(new) or not ids.isdisjoint(lag.ids):
        return None
    if index.top() >= new[0][0].seq or any(index.known_by_id(ids).values()):
        return None
    return new


def read_new(journal: Segments, segment: int, offset: int, end: int) -> New | None:
    """Return the jobs of the lines from `offset` to `end`, None if any is of another kind.

    All are intact lines, in whole transactions, of jobs that are new and wait for nothing:
    what else there is changes more than the lanes.
    """
    size = end - offset
    found = journal.read_raw(Place(segment, offset, size))
    if len(found) != size:
        return None
    texts = found.splitlines(keepends=True)
    new: New = []
    k = n = 0
    for entry, text in zip(lines.read_entries(texts), texts, strict=True):
        if entry is None or not _is_new(entry):
            return None
        if k == n:
            seq, k, n = (segment << 32) | offset, 0, entry.tx[1]
        if entry.tx != (k + 1, n) or entry.seq != seq + k:
            return None
        try:
            job = lines.decode_job(text)
        except UNREADABLE:
            return None
        new.append((job, Line(Place(segment, offset, len(text)), text)))
        offset += len(text)
        k += 1
    return new if k == n else None


def _is_new(entry: lines.Entry) -> bool:
    waits = entry.run_at is not None or entry.after or entry.status is not _PENDING
    return entry.rev == 1 and not entry.attempts and not waits


class Ahead:
    """What lanes ask: the index, and the `waiting` jobs that it does not know, by seq."""

    def __init__(self, index: Source, waiting: Mapping[int, AnyJob]) -> None:
        self._index = index
        self._orders: defaultdict[tuple[str, str], list[Order]] = defaultdict(list)
        self._elders: defaultdict[str, list[Elder]] = defaultdict(list)
        for job in waiting.values():
            key = lane_key(job)
            self._orders[job.name, key].append((-job.priority, 0, job.seq))
            self._elders[job.name].append((max(0, micros(job.created_at)), job.seq, key))

    def best(self, name: str, key: str, after: Order, limit: int) -> list[Order]:
        """Return the order of a lane's next ready jobs."""
        own = [order for order in self._orders[name, key] if order > after]
        return sorted(self._index.best(name, key, after, limit) + own)[:limit]

    def oldest(self, name: str, after: tuple[int, int], limit: int) -> list[Elder]:
        """Return a name's longest waiting ready jobs."""
        own = [elder for elder in self._elders[name] if elder[:2] > after]
        return sorted(self._index.oldest(name, after, limit) + own)[:limit]
