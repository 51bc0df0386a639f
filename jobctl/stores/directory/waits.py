"""Which pending jobs wait for others, as the index keeps it.

A job waits as long as one of its `after` is there and has not completed. That follows from
how the jobs stand now and not from how they came to it, so an index that is built anew
says the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from jobctl.core.job import Status
from jobctl.stores.directory.recall import recalled
from jobctl.stores.directory.rows import BLOCKED, NUMBER

_COMPLETED = NUMBER[Status.COMPLETED]
_PENDING = NUMBER[Status.PENDING]


class Moved(NamedTuple):
    """A job that waits for others, or does so no longer: its lane, its order, and which."""

    name: str
    key: str
    rank: int
    due: int
    seq: int
    ready: int


class Waits:
    """The table of who waits for whom."""

    execute: Callable[..., sqlite3.Cursor]

    def dependents(self, job_id: str) -> list[str]:
        """Return the ids of the pending jobs that name this one in their `after`."""
        rows = self.execute(
            "SELECT id FROM deps INDEXED BY by_dep JOIN jobs ON jobs.seq = deps.seq "
            "WHERE dep=? ORDER BY deps.seq",
            (job_id,),
        )
        return [row[0] for row in rows]

    @recalled
    def any_waits(self) -> bool:
        """Return whether any pending job names others: most stores have none."""
        return self.execute("SELECT 1 FROM deps LIMIT 1").fetchone() is not None

    def follow_waits(
        self,
        wanted: Mapping[int, Sequence[str]],
        over: Iterable[int],
        changed: Sequence[str],
    ) -> list[Moved]:
        """Take in who waits for whom from now on.

        `wanted` are pending jobs and their `after`, `over` jobs that are no longer pending,
        `changed` the ids that completed, came or went. Returns whom that moved.
        """
        if not wanted and not self.any_waits():
            return []
        gone = [(seq,) for seq in (*wanted, *over)]
        many = [(seq, dep) for seq, deps in wanted.items() for dep in set(deps)]
        for seq in gone:
            self.execute("DELETE FROM deps WHERE seq=?", seq)
        for row in many:
            self.execute("INSERT INTO deps VALUES (?,?)", row)
        touched = set(wanted)
        for job_id in changed:
            rows = self.execute("SELECT seq FROM deps INDEXED BY by_dep WHERE dep=?", (job_id,))
            touched.update(row[0] for row in rows)
        moved = (self._judge(seq) for seq in sorted(touched))
        return [one for one in moved if one is not None]

    def _judge(self, seq: int) -> Moved | None:
        row = self.execute(
            "UPDATE jobs SET ready = CASE "
            "WHEN EXISTS (SELECT 1 FROM deps JOIN jobs other INDEXED BY by_id "
            "ON other.id = deps.dep WHERE deps.seq = jobs.seq AND other.status <> ?) THEN ? "
            "WHEN due THEN 2 ELSE 1 END WHERE seq=? AND status=? "
            "RETURNING name, key, rank, due, seq, ready",
            (_COMPLETED, BLOCKED, seq, _PENDING),
        ).fetchall()
        return Moved(*row[0]) if row else None
