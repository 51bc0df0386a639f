"""Whose turn comes before a job's, as the index knows it: counted up to a limit.

A lane is asked for at most as many as are still to be counted, so a million jobs in front
cost what the limit costs.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection

from jobctl.core.note import EVERYTHING
from jobctl.stores.directory.notes import Notes

#: How many lanes are looked at; those of further concurrency keys are not counted.
LANES = 1000

# In three parts: for (rank, due, seq) < (?, ?, ?) SQLite would look at all with that rank and
# due, which are those of a whole lane as a rule.
_BEFORE = """
SELECT COUNT(*) FROM (
  SELECT 1 FROM jobs INDEXED BY best WHERE ready=1 AND name=?1 AND key=?2 AND rank<?3
  UNION ALL
  SELECT 1 FROM jobs INDEXED BY best WHERE ready=1 AND name=?1 AND key=?2 AND rank=?3 AND due<?4
  UNION ALL
  SELECT 1 FROM jobs INDEXED BY best WHERE ready=1 AND name=?1 AND key=?2 AND rank=?3 AND due=?4
    AND seq<?5
  LIMIT ?6)
"""

#: rank, due and seq of a job: jobs are claimed in this order.
Order = tuple[int, int, int]


class Turns(Notes):
    """The questions about who comes first."""

    execute: Callable[..., sqlite3.Cursor]

    def ahead(
        self, name: str, order: Order, now: int, limit: int, without: Collection[str] = ()
    ) -> tuple[int, int]:
        """Return how many due jobs come before `order`: of this name, and of others.

        Of paused names none do, nor of those in `without`. Each number is `limit` at most.
        """
        closed = {*self.paused(), *without}
        if EVERYTHING in closed:
            return 0, 0
        counts = self._delayed(order, now, limit, closed)
        own = 0 if name in closed else counts.pop(name, 0) + self._of_name(name, order, limit)
        others = sum(counts.values())
        lane = self.next_lane("", "")
        for _ in range(LANES):
            if lane is None or others >= limit:
                break
            if lane[0] == name or lane[0] in closed:
                lane = self._next_name(lane[0])
                continue
            others += self._in_lane(*lane, order, limit - others)
            lane = self.next_lane(*lane)
        return min(own, limit), min(others, limit)

    def next_lane(self, name: str, key: str) -> tuple[str, str] | None:
        """Return the first lane with ready jobs that comes after this one."""
        # In two steps: for (name, key) > (?, ?) SQLite would walk through all of this lane.
        row = self.execute(
            "SELECT name, key FROM jobs INDEXED BY best "
            "WHERE ready=1 AND name=? AND key>? ORDER BY key LIMIT 1",
            (name, key),
        ).fetchone()
        return (row[0], row[1]) if row else self._next_name(name)

    def _next_name(self, name: str) -> tuple[str, str] | None:
        """Return the first lane of another name that comes after this one."""
        row = self.execute(
            "SELECT name, key FROM jobs INDEXED BY best "
            "WHERE ready=1 AND name>? ORDER BY name, key LIMIT 1",
            (name,),
        ).fetchone()
        return (row[0], row[1]) if row else None

    def _of_name(self, name: str, order: Order, limit: int) -> int:
        count = self._in_lane(name, "", order, limit)
        lane = self.next_lane(name, "")
        for _ in range(LANES):
            if lane is None or lane[0] != name or count >= limit:
                break
            count += self._in_lane(*lane, order, limit - count)
            lane = self.next_lane(*lane)
        return count

    def _in_lane(self, name: str, key: str, order: Order, limit: int) -> int:
        row = self.execute(
            _BEFORE,
            (name, key, *order, limit),
        ).fetchone()
        return int(row[0])

    def _delayed(self, order: Order, now: int, limit: int, closed: set[str]) -> Counter[str]:
        """Count by name those whose time has come since the last claim made some ready."""
        rows = self.execute(
            "SELECT name, rank, due, seq FROM jobs INDEXED BY waiting "
            "WHERE ready=2 AND due<=? ORDER BY due LIMIT ?",
            (now, limit),
        )
        return Counter(row[0] for row in rows if row[0] not in closed and row[1:] < order)

    def ended(self, status: int, since: int, limit: int) -> list[int]:
        """Return when jobs ended with a status, since a time, the newest first."""
        rows = self.execute(
            "SELECT finished FROM jobs INDEXED BY by_end WHERE finished IS NOT NULL "
            "AND status=? AND finished>=? ORDER BY finished DESC LIMIT ?",
            (status, since, limit),
        )
        return [row[0] for row in rows]
