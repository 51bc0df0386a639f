"""What the index knows of jobs before it takes in new lines of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from jobctl.core.store import AnyJob
from jobctl.stores.directory.recall import recalled
from jobctl.stores.directory.rows import NUMBER, Old, Row, labels, lane_key, old_of, row_of
from jobctl.stores.directory.segments import Where, place_of

#: So many ids and more are asked for together.
_SEVERAL = 4
_OLD = "SELECT seq, rev, status, segment, length, name, key, rank, labels FROM jobs WHERE id=?"
_OLDS = (
    "SELECT jobs.id, seq, rev, status, segment, length, name, jobs.key, rank, labels "
    "FROM json_each(?) wanted CROSS JOIN jobs "
)
_BY_ID = f"{_OLDS} INDEXED BY by_id ON jobs.id = wanted.value"
_BY_SEQ = f"{_OLDS} ON seq = wanted.value"
# CROSS JOIN keeps the order of the list (sqlite.org/optoverview.html#crossjoin).
_READY = (
    "SELECT jobs.id, offset, seq, rev, status, segment, length, name, jobs.key, rank, labels "
    "FROM json_each(?) wanted CROSS JOIN jobs ON seq = wanted.value WHERE ready=1"
)


class Known:
    """What is known of each job."""

    execute: Callable[..., sqlite3.Cursor]
    #: Jobs as the table has them: those that were asked for since the last fold, and those
    #: that are `expected`.
    seen: dict[str, Old | None]

    def expect(self, jobs: Iterable[tuple[AnyJob, Where]]) -> None:
        """Be told of jobs that have just been folded in and will be asked for again."""
        for job, place in jobs:
            self.seen[job.id] = Old(
                job.seq, job.rev, NUMBER[job.status], place[0], place[2],
                job.name, lane_key(job), -job.priority, labels(job.tags),
            )  # fmt: skip

    def known(self, job_id: str) -> Old | None:
        """Return what is known of a job; `fold` need not ask again."""
        if job_id in self.seen:
            return self.seen[job_id]
        row = self.execute(_OLD, (job_id,)).fetchone()
        old = self.seen[job_id] = Old(*row) if row else None
        return old

    def ready_by_seqs(self, seqs: Sequence[int]) -> list[Row]:
        """Return those of these that are ready, in this order; `fold` need not ask again."""
        found = []
        for row in self._ask(_READY, seqs):
            job_id, offset, seq, _, _, segment, length, *_ = row
            self.seen[job_id] = old_of(row[2:])
            found.append(row_of((job_id, seq, place_of((segment, offset, length)))))
        return found

    def known_by_id(self, ids: Iterable[str]) -> dict[str, Old | None]:
        """Return what is known of jobs, None of those that are not."""
        known: dict[str, Old | None] = dict.fromkeys(ids)
        seen = self.seen.keys() & known.keys()
        for job_id in seen:
            known[job_id] = self.seen[job_id]
        wanted = sorted(known.keys() - seen)
        # SQLite ends a text of JSON at a NUL: no id of a job has one, but a foreign line's may.
        if len(wanted) < _SEVERAL or "\0" in "".join(wanted):
            for job_id in wanted:
                known[job_id] = self.known(job_id)
        else:
            for job_id, *old in self._ask(_BY_ID, wanted):
                known[job_id] = old_of(old)
        return known

    def known_by_seq(self, ids: Iterable[str], seqs: Iterable[int]) -> dict[str, Old | None]:
        """Return the same of jobs that have these ids and seqs."""
        known: dict[str, Old | None] = dict.fromkeys(ids)
        top = self.top()
        wanted = {seq for seq in seqs if seq <= top}
        if wanted:
            for job_id, *old in self._ask(_BY_SEQ, sorted(wanted)):
                if job_id in known:
                    known[job_id] = Old(*old)
        return known

    @recalled
    def top(self) -> int:
        """Return the greatest seq that a job has, 0 if there is none."""
        row = self.execute("SELECT max(seq) FROM jobs").fetchone()
        return row[0] or 0  # no seq is as low, but that of a foreign line

    def owner(self, seq: int) -> str | None:
        """Return the id of the job that has a seq."""
        row = self.execute("SELECT id FROM jobs WHERE seq=?", (seq,)).fetchone()
        return row[0] if row else None

    def _ask(self, question: str, wanted: Sequence[Any]) -> sqlite3.Cursor:
        # Best in the order of what it is looked for in, whose pages are read once then.
        return self.execute(question, (msgspec.json.encode(wanted).decode(),))
