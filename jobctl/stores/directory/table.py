"""The table of jobs in the index, and how new lines of the journal change it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from jobctl.core.job import Status
from jobctl.core.note import TOPICS
from jobctl.stores.directory.queries import Queries
from jobctl.stores.directory.rows import NUMBER, Old, Row, columns
from jobctl.stores.directory.segments import Place
from jobctl.stores.directory.tags import Tags
from jobctl.stores.directory.waits import Moved, Waits

_COMPLETED = NUMBER[Status.COMPLETED]
_INSERT = "INSERT INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_UPDATE = (
    "UPDATE jobs SET rev=?, status=?, ready=?, due=?, since=?, finished=?, started=?, "
    "attempts=?, segment=?, offset=?, length=? WHERE seq=?"
)
#: Of a job that may have taken the place of another one.
_RENEW = "UPDATE jobs SET created=?, labels=? WHERE seq=?"
_MOVE = "UPDATE jobs SET segment=?, offset=?, length=? WHERE seq=?"
_OLD = "SELECT seq, rev, status, segment, length, name, key, rank, labels FROM jobs WHERE id=?"
# CROSS JOIN keeps the order of the list (sqlite.org/optoverview.html#crossjoin).
_READY = (
    "SELECT jobs.id, offset, seq, rev, status, segment, length, name, jobs.key, rank, labels "
    "FROM json_each(?) AS one CROSS JOIN jobs ON seq=one.value WHERE ready=1"
)
_COUNT = "INSERT INTO counters VALUES (?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
_LIVE = (
    "INSERT INTO segments VALUES (?,?) ON CONFLICT DO UPDATE SET live = live + excluded.live"
)


class Folded(NamedTuple):
    """What became of new lines.

    `news` are those that change something (a copy does not), `refused` the places of those
    that must not count: a second add of a known id, a seq that is another job's, a state
    older than the known one. `moved` are jobs that wait for others, or do so no longer.
    """

    news: list[Any]
    refused: list[Place]
    moved: list[Moved]


class JobTable(Queries, Tags, Waits):
    """What is known of each job, for a connection that may write."""

    executemany: Callable[..., sqlite3.Cursor]
    #: Jobs that were asked for since the last fold, as the next one would find them.
    seen: dict[str, Old | None]

    def known(self, job_id: str) -> Old | None:
        """Return what is known of a job; `fold` need not ask again."""
        row = self.execute(_OLD, (job_id,)).fetchone()
        old = self.seen[job_id] = Old(*row) if row else None
        return old

    def ready_by_seqs(self, seqs: Sequence[int]) -> list[Row]:
        """Return those of these that are ready, in this order; `fold` need not ask again."""
        found = []
        for job_id, offset, *old in self.execute(_READY, (msgspec.json.encode(seqs).decode(),)):
            self.seen[job_id] = known = Old(*old)
            found.append(Row(job_id, known.seq, Place(known.segment, offset, known.length)))
        return found

    def fold(self, found: Sequence[tuple[Any, Place]]) -> Folded:
        """Take in new lines, in their order.

        A line is a Job, or anything with its fields and a `kind`: "tombstone", or the topic
        of a note.
        """
        notes = [line for line in found if getattr(line[0], "kind", "job") in TOPICS]
        live: Counter[int] = Counter()
        if notes:
            found = [line for line in found if getattr(line[0], "kind", "job") not in TOPICS]
            self.fold_notes(notes, live)
        known: dict[str, Old | None] = {}
        latest: dict[str, tuple[Any, Place] | None] = {}
        news: list[Any] = []
        refused: list[Place] = []
        seen: dict[str, tuple[int, int]] = {}  # seq and rev as of this fold
        owners: dict[int, str] = {}  # of the seqs that are new in this fold
        for entry, place in found:
            key = entry.id
            if key not in known:
                old = self.seen[key] if key in self.seen else self.known(key)
                known[key] = old
                if old:
                    seen[key] = (old.seq, old.rev)
            before = seen.get(key)
            if getattr(entry, "kind", "job") == "tombstone":
                if before and before[0] == entry.seq:
                    latest[key] = None
                    del seen[key]
                    news.append(entry)
            elif before and (entry.seq != before[0] or entry.rev < before[1]):
                refused.append(place)
            elif before is None and self._owner(entry.seq, owners, key) != key:
                refused.append(place)
            else:
                latest[key] = (entry, place)
                seen[key] = (entry.seq, entry.rev)
                if before is None or entry.rev > before[1]:
                    news.append(entry)
        for key in known:
            self.seen.pop(key, None)
        moved = self._write(known, latest, live)
        return Folded([*news, *(entry for entry, _ in notes)], refused, moved)

    def _owner(self, seq: int, owners: dict[int, str], new: str) -> str:
        owner = owners.get(seq)
        if owner is None:
            row = self.execute("SELECT id FROM jobs WHERE seq=?", (seq,)).fetchone()
            owner = owners[seq] = row[0] if row else new
        return owner

    def _write(
        self,
        known: dict[str, Old | None],
        latest: dict[str, tuple[Any, Place] | None],
        live: Counter[int],
    ) -> list[Moved]:
        counts: Counter[tuple[str, int]] = Counter()
        waits: dict[int, Sequence[str]] = {}
        over: list[int] = []  # no longer pending
        changed: list[str] = []  # who waits for it may wait no longer, or again
        deletes, inserts, updates, renewed, moves = [], [], [], [], []
        tagged: list[tuple[Old | None, Any]] = []
        for job_id, new in latest.items():
            old = known[job_id]
            if old:
                counts[old.name, old.status] -= 1
                live[old.segment] -= old.length
            if new is None:
                if old:
                    deletes.append((old.seq,))
                    over.append(old.seq)
                    changed.append(job_id)
                    if old.labels:
                        tagged.append((old, None))
                continue
            entry, place = new
            values = columns(entry)
            name, key, status, ready, rank, due, since, finished, started, tries, *more = values
            counts[name, status] += 1
            live[place.segment] += place.length
            if old is None or (old.status == _COMPLETED) != (status == _COMPLETED):
                changed.append(job_id)
            if entry.status is not Status.PENDING:
                if entry.after:
                    over.append(entry.seq)
            elif old is None or old.rev != entry.rev:
                if entry.after:
                    waits[entry.seq] = entry.after
                elif old:
                    over.append(entry.seq)  # who took its place may wait for nobody
            if entry.tags or (old and old.labels):
                tagged.append((old, entry))
            if old and (old.seq, old.name, old.key, old.rank) != (entry.seq, name, key, rank):
                deletes.append((old.seq,))
                old = None
            if old is None:
                inserts.append((entry.seq, job_id, entry.rev, *values, *place))
            elif old.rev == entry.rev:
                moves.append((*place, old.seq))
            else:
                updates.append(
                    (
                        entry.rev, status, ready, due, since, finished, started, tries,
                        *place, old.seq,
                    )
                )  # fmt: skip
                if old.rev + 1 != entry.rev or _may_be_new(entry):
                    renewed.append((*more, old.seq))
        many = self.executemany
        many("DELETE FROM jobs WHERE seq=?", deletes)
        many(_INSERT, inserts)
        many(_UPDATE, updates)
        many(_RENEW, renewed)
        many(_MOVE, moves)
        if tagged:
            self.follow_tags(tagged)
        many(_COUNT, [(*key, n) for key, n in counts.items() if n])
        many(_LIVE, [(segment, n) for segment, n in live.items() if n])
        return self.follow_waits(waits, over, changed)

    def drop(self, row: Row) -> None:
        """Forget a job whose record cannot be read any more."""
        old = Old(*self.execute(_OLD, (row.id,)).fetchone())
        self.seen.pop(row.id, None)
        self._write({row.id: old}, {row.id: None}, Counter())


def _may_be_new(entry: Any) -> bool:
    """Return whether a line may be of a job that has just taken the place of another."""
    return entry.status is Status.PENDING and not entry.attempts
