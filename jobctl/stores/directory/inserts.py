"""How the rows of jobs come into the index.

SQLite takes as long to be told a value as to write it, and to begin a statement as to write a
row. Most jobs are new, and their rows differ in few columns: these are told it for many rows
at once, the others stand in the statement. Of jobs that were added together hardly more
differs than their ids; so what they share is told once.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from jobctl.core.job import Status
from jobctl.stores.directory.rows import NUMBER, columns, lane_key, micros
from jobctl.stores.directory.segments import Where

Found = tuple[Any, Where]

_INSERT = "INSERT INTO jobs VALUES "
_ANY = f"{_INSERT}(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PENDING = Status.PENDING
#: Rows of one statement.
_ROWS = 40
#: What is told of each row, and what may be the same of many.
_OWN, _SHARED = 4, 5


def _new(own: int, shared: int) -> str:
    """Return a row of a job that was only added, and may be claimed.

    It is told a seq, an id, an offset and a length from parameter `own` on, and a name, a key,
    a rank, a time and a segment from `shared` on.
    """
    seq, job_id, offset, length = (f"?{own + n}" for n in range(_OWN))
    name, key, rank, created, segment = (f"?{shared + n}" for n in range(_SHARED))
    return (
        f"({seq},{job_id},1,{name},{key},{NUMBER[_PENDING]},1,{rank},0,{created},NULL,NULL,0,"
        f"{created},NULL,{segment},{offset},{length})"
    )


_EACH = _OWN + _SHARED
_ONE = _INSERT + _new(1, 1 + _OWN)
_MANY = _INSERT + ",".join(_new(1 + n, 1 + n + _OWN) for n in range(0, _ROWS * _EACH, _EACH))
_ALIKE = _INSERT + ",".join(_new(1 + n, 1 + _ROWS * _OWN) for n in range(0, _ROWS * _OWN, _OWN))

_COUNT = "INSERT INTO counters VALUES (?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
_LIVE = (
    "INSERT INTO segments VALUES (?,?) ON CONFLICT DO UPDATE SET live = live + excluded.live"
)


class Inserts:
    """The table of jobs, as it grows."""

    execute: Callable[..., sqlite3.Cursor]
    executemany: Callable[..., sqlite3.Cursor]

    def insert(
        self,
        fresh: Iterable[Found],
        counts: Counter[tuple[str, int]],
        live: Counter[int],
    ) -> None:
        """Write the rows of jobs, counting each in `counts` and its bytes in `live`."""
        own: list[Any] = []
        shared: list[tuple[Any, ...]] = []
        others: list[tuple[Any, ...]] = []
        same: tuple[Any, ...] = ()
        last: datetime | None = None
        created = 0
        at = size = 0  # a segment, and how many bytes in it are not counted yet
        for entry, (segment, offset, length) in fresh:
            if segment != at:
                live[at] += size
                at, size = segment, 0
            size += length
            if entry.created_at != last:
                last = entry.created_at
                created = micros(last)
            if (
                entry.status is not _PENDING
                or entry.rev != 1
                or entry.attempts
                or entry.run_at
                or entry.started_at
                or entry.finished_at
                or entry.tags
                or created < 0
            ):
                values = columns(entry)
                counts[values[0], values[2]] += 1
                others.append(
                    (entry.seq, entry.id, entry.rev, *values, segment, offset, length)
                )
                continue
            key = (entry.concurrency_key or "") if entry.shell is None else lane_key(entry)
            one = entry.name, key, -entry.priority, created, segment
            if one != same:
                same = one
            shared.append(same)
            own += entry.seq, entry.id, offset, length
        live[at] += size
        for name, count in Counter([one[0] for one in shared]).items():
            counts[name, NUMBER[_PENDING]] += count
        self._insert_new(own, shared)
        self.executemany(_ANY, others)

    def add_up(self, counts: Counter[tuple[str, int]], live: Counter[int]) -> None:
        """Write how many jobs more there are of each name and status, and bytes in use."""
        self.executemany(_COUNT, [(*key, n) for key, n in counts.items() if n])
        self.executemany(_LIVE, [(segment, n) for segment, n in live.items() if n])

    def _insert_new(self, own: list[Any], shared: Sequence[tuple[Any, ...]]) -> None:
        """Write jobs that were only added: what each has of its own, and what it shares."""
        rest = len(shared) - len(shared) % _ROWS
        for begin in range(0, rest, _ROWS):
            some, told = (
                shared[begin : begin + _ROWS],
                own[begin * _OWN : (begin + _ROWS) * _OWN],
            )
            if some.count(some[0]) == _ROWS:
                self.execute(_ALIKE, (*told, *some[0]))
            else:
                self.execute(_MANY, list(chain.from_iterable(_rows(told, some))))
        self.executemany(_ONE, _rows(own[rest * _OWN :], shared[rest:]))


def _rows(own: list[Any], shared: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    one_by_one = iter(own)
    four = zip(*[one_by_one] * _OWN, strict=True)
    return [one + other for one, other in zip(four, shared, strict=True)]
