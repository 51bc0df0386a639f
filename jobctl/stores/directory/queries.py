"""What is asked of the index. Every statement names the SQLite index that it uses.

Left to itself SQLite's planner once sorted a million rows for a claim of ten.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.core.job import Status
from jobctl.core.note import EVERYTHING
from jobctl.stores.directory.recall import recalled
from jobctl.stores.directory.rows import NUMBER, STATUSES, Row
from jobctl.stores.directory.segments import Place
from jobctl.stores.directory.selections import Selections
from jobctl.stores.directory.turns import Turns


class Queries(Turns, Selections):
    """The questions, for a connection that answers them."""

    @recalled
    def stopping(self) -> list[str]:
        """Return the running jobs that shall end."""
        rows = self.execute("SELECT id FROM jobs INDEXED BY stopping WHERE ready=3")
        return [row[0] for row in rows]

    @recalled
    def next_due(self) -> int | None:
        """Return when the next delayed job is due."""
        row = self.execute(
            "SELECT due FROM jobs INDEXED BY waiting WHERE ready=2 ORDER BY due LIMIT 1"
        ).fetchone()
        return row[0] if row else None

    def oldest_due(self, now: int) -> Row | None:
        """Return the job that has been due for longest; it costs a look at each name."""
        paused = self.paused()
        if EVERYTHING in paused:
            return None
        found = [(since, seq) for name, since, seq in self._oldest() if name not in paused]
        found += self.execute(
            "SELECT due, seq FROM jobs INDEXED BY waiting WHERE ready=2 AND due<=? "
            "AND name NOT IN (SELECT key FROM notes WHERE topic='pause') "
            "ORDER BY due LIMIT 1",
            (now,),
        ).fetchall()
        if not found:
            return None
        row = self.execute(
            "SELECT id, seq, segment, offset, length FROM jobs WHERE seq=?", (min(found)[1],)
        ).fetchone()
        return Row(row[0], row[1], Place(*row[2:]))

    def _oldest(self) -> Iterator[tuple[str, int, int]]:
        """Yield the longest waiting ready job of each name: (name, since, seq)."""
        name = ""
        while row := self.execute(
            "SELECT name, since, seq FROM jobs INDEXED BY oldest "
            "WHERE ready=1 AND name > ? ORDER BY name, since, seq LIMIT 1",
            (name,),
        ).fetchone():
            yield row
            name = row[0]

    # Both in two steps: for (rank, due, seq) > (?, ?, ?) SQLite would walk through all jobs of
    # this rank and due, for it does not look for a rowid within a row value.

    def best(
        self, name: str, key: str, after: tuple[int, int, int], limit: int
    ) -> list[tuple[int, int, int]]:
        """Return the order (rank, due, seq) of a lane's next ready jobs."""
        what = (
            "SELECT rank, due, seq FROM jobs INDEXED BY best WHERE ready=1 AND name=? AND key=?"
        )
        found: list[tuple[int, int, int]] = self.execute(
            f"{what} AND rank=? AND due=? AND seq > ? ORDER BY seq LIMIT ?",
            (name, key, *after, limit),
        ).fetchall()
        if len(found) < limit:
            found += self.execute(
                f"{what} AND (rank, due) > (?, ?) ORDER BY rank, due, seq LIMIT ?",
                (name, key, *after[:2], limit - len(found)),
            )
        return found

    def oldest(
        self, name: str, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int, str]]:
        """Return (since, seq, key) of a name's longest waiting ready jobs."""
        what = "SELECT since, seq, key FROM jobs INDEXED BY oldest WHERE ready=1 AND name=?"
        found: list[tuple[int, int, str]] = self.execute(
            f"{what} AND since=? AND seq > ? ORDER BY seq LIMIT ?", (name, *after, limit)
        ).fetchall()
        if len(found) < limit:
            found += self.execute(
                f"{what} AND since > ? ORDER BY since, seq LIMIT ?",
                (name, after[0], limit - len(found)),
            )
        return found

    def get(self, job_id: str) -> tuple[Row, int] | None:
        """Return a job and its rev."""
        row = self.execute(
            "SELECT id, seq, segment, offset, length, rev FROM jobs INDEXED BY by_id "
            "WHERE id=?",
            (job_id,),
        ).fetchone()
        return (Row(row[0], row[1], Place(*row[2:5])), row[5]) if row else None

    def find(self, prefix: str, limit: int) -> list[str]:
        """Return ids that begin with `prefix`."""
        rows = self.execute(
            "SELECT id FROM jobs INDEXED BY by_id WHERE id>=? AND id<? ORDER BY id LIMIT ?",
            (prefix, prefix + "\x7f", limit),
        )
        return [row[0] for row in rows]

    def names(self, prefix: str, limit: int) -> list[str]:
        """Return names of jobs that begin with `prefix`."""
        rows = self.execute(
            "SELECT DISTINCT name FROM counters WHERE name>=? AND name<? AND n>0 "
            "ORDER BY name LIMIT ?",
            (prefix, prefix + "\x7f", limit),
        )
        return [row[0] for row in rows]

    def finished(
        self, status: Status, before: int, limit: int, *, newest: bool = False
    ) -> list[Row]:
        """Return jobs that ended with `status` before a time."""
        way = "DESC" if newest else "ASC"
        what = "SELECT id, seq, segment, offset, length FROM jobs"
        rows = self.execute(
            f"{what} INDEXED BY by_end WHERE finished IS NOT NULL AND status=? AND finished<? "
            f"ORDER BY finished {way}, seq {way} LIMIT ?",
            (NUMBER[status], before, limit),
        )
        return [Row(row[0], row[1], Place(*row[2:])) for row in rows]

    def count_finished(self, status: Status, before: int, since: int = 0) -> int:
        """Return how many jobs ended with `status` before a time, since another."""
        row = self.execute(
            "SELECT COUNT(*) FROM jobs INDEXED BY by_end "
            "WHERE finished IS NOT NULL AND status=? AND finished<? AND finished>=?",
            (NUMBER[status], before, since),
        ).fetchone()
        return int(row[0])

    def count_added(self, after: int) -> int:
        """Return how many jobs have a seq after this one."""
        row = self.execute(
            "SELECT COUNT(*) FROM jobs NOT INDEXED WHERE seq>?", (after,)
        ).fetchone()
        return int(row[0])

    def counts(self) -> dict[Status, int]:
        """Return how many jobs have each status."""
        rows = self.execute("SELECT status, SUM(n) FROM counters GROUP BY status")
        return {STATUSES[status]: n for status, n in rows}

    def live_bytes(self, segment: int) -> int:
        """Return how many bytes of a segment still count."""
        row = self.execute("SELECT live FROM segments WHERE segment=?", (segment,)).fetchone()
        return row[0] if row else 0
