"""The table of jobs in the index, and how new lines of the journal change it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from jobctl.core.job import Status
from jobctl.core.note import TOPICS
from jobctl.stores.directory.queries import Queries
from jobctl.stores.directory.rows import NUMBER, Old, Row, columns
from jobctl.stores.directory.segments import Place
from jobctl.stores.directory.tags import Tags
from jobctl.stores.directory.waits import Moved, Waits

NOTES = frozenset(TOPICS)
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
#: So many ids and more are asked for together.
_SEVERAL = 4
_OLDS = (
    "SELECT jobs.id, seq, rev, status, segment, length, name, jobs.key, rank, labels "
    "FROM json_each(?) wanted CROSS JOIN jobs "
)
_BY_ID = f"{_OLDS} INDEXED BY by_id ON jobs.id = wanted.value"
_BY_SEQ = f"{_OLDS} ON seq = wanted.value"
_READY = (
    "SELECT id, offset, seq, rev, status, segment, length, name, key, rank, labels FROM jobs "
    "WHERE seq=? AND ready=1"
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

    def ready_by_seq(self, seq: int) -> Row | None:
        """Return a ready job by its place among all adds; `fold` need not ask again."""
        row = self.execute(_READY, (seq,)).fetchone()
        if row is None:
            return None
        job_id, offset, *old = row
        self.seen[job_id] = known = Old(*old)
        return Row(job_id, seq, Place(known.segment, offset, known.length))

    def fold(
        self,
        found: Sequence[tuple[Any, Place]],
        *,
        skipped: Container[str] = (),
        by_seq: bool = False,
    ) -> Folded:
        """Take in new lines, in their order.

        A line is a Job, or anything with its fields and a `kind`: "tombstone", or the topic
        of a note. `skipped` are ids of jobs of which lines may have been left out before the
        first one here: none of them says that a job took the place of another one. With
        `by_seq` nothing is looked for by its id: see bare.py.
        """
        kinds = [getattr(entry, "kind", "job") for entry, _ in found]
        notes: list[tuple[Any, Place]] = []
        live: Counter[int] = Counter()
        if not NOTES.isdisjoint(kinds):
            notes = [line for line, kind in zip(found, kinds, strict=True) if kind in NOTES]
            found = [line for line, kind in zip(found, kinds, strict=True) if kind not in NOTES]
            kinds = [kind for kind in kinds if kind not in NOTES]
            self.fold_notes(notes, live)
        known = self._known_by_seq(found) if by_seq else self._known_by_id(found)
        states: dict[str, Any] = {}  # of each job, as of this fold
        for job_id, old in known.items():
            if old is not None:
                states[job_id] = old
        latest: dict[str, tuple[Any, Place] | None] = {}
        news: list[Any] = []
        refused: list[Place] = []
        renewed: set[str] = set()  # may have taken the place of another one
        owners: dict[int, str] = {}  # of the seqs that are new in this fold
        top: int | None = None  # nobody has a seq above it
        for kind, line in zip(kinds, found, strict=True):
            entry, place = line
            key, seq = entry.id, entry.seq
            before = states.get(key)
            if kind == "tombstone":
                if before is not None and before.seq == seq:
                    latest[key] = None
                    del states[key]
                    news.append(entry)
                continue
            if before is not None:
                rev = before.rev
                if seq != before.seq or entry.rev < rev:
                    refused.append(place)
                    continue
                if entry.rev > rev:
                    news.append(entry)
                    gap = entry.rev != rev + 1 and not (before is known[key] and key in skipped)
                    if gap or _may_be_new(entry):
                        renewed.add(key)
            else:
                if top is None:
                    top = self._top()
                owner = owners.get(seq)
                if owner is None:
                    owner = owners[seq] = (seq <= top and self._owner(seq)) or key
                if owner != key:
                    refused.append(place)
                    continue
                news.append(entry)
            latest[key] = line
            states[key] = entry
        if self.seen:
            for key in known:
                self.seen.pop(key, None)
        moved = self._write(known, latest, renewed, live)
        return Folded([*news, *(entry for entry, _ in notes)], refused, moved)

    def _known_by_id(self, found: Sequence[tuple[Any, Place]]) -> dict[str, Old | None]:
        """Return what is known of the jobs of these lines, None of those that are not."""
        known: dict[str, Old | None] = dict.fromkeys(entry.id for entry, _ in found)
        seen = self.seen.keys() & known.keys()
        for job_id in seen:
            known[job_id] = self.seen[job_id]
        wanted = known.keys() - seen
        if len(wanted) < _SEVERAL:
            for job_id in wanted:
                known[job_id] = self.known(job_id)
        else:
            for job_id, *old in self._ask(_BY_ID, wanted):
                known[job_id] = Old(*old)
        return known

    def _known_by_seq(self, found: Sequence[tuple[Any, Place]]) -> dict[str, Old | None]:
        known: dict[str, Old | None] = dict.fromkeys(entry.id for entry, _ in found)
        top = self._top()
        wanted = {entry.seq for entry, _ in found if entry.seq <= top}
        if wanted:
            for job_id, *old in self._ask(_BY_SEQ, wanted):
                if job_id in known:
                    known[job_id] = Old(*old)
        return known

    def _ask(self, question: str, wanted: Iterable[Any]) -> sqlite3.Cursor:
        # In the order of what it is looked for in, whose pages are read once then.
        return self.execute(question, (msgspec.json.encode(sorted(wanted)).decode(),))

    def _top(self) -> int:
        """Return the greatest seq that a job has."""
        row = self.execute("SELECT max(seq) FROM jobs").fetchone()
        return 0 if row[0] is None else int(row[0])

    def _owner(self, seq: int) -> str | None:
        row = self.execute("SELECT id FROM jobs WHERE seq=?", (seq,)).fetchone()
        return row[0] if row else None

    def _write(
        self,
        known: dict[str, Old | None],
        latest: dict[str, tuple[Any, Place] | None],
        renewed: Container[str],
        live: Counter[int],
    ) -> list[Moved]:
        counts: Counter[tuple[str, int]] = Counter()
        waits: dict[int, Sequence[str]] = {}
        over: list[int] = []  # no longer pending
        changed: list[str] = []  # who waits for it may wait no longer, or again
        deletes, inserts, updates, renewals, moves = [], [], [], [], []
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
                if job_id in renewed:
                    renewals.append((*more, old.seq))
        many = self.executemany
        many("DELETE FROM jobs WHERE seq=?", deletes)
        many(_INSERT, inserts)
        many(_UPDATE, updates)
        many(_RENEW, renewals)
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
        self._write({row.id: old}, {row.id: None}, (), Counter())


def _may_be_new(entry: Any) -> bool:
    """Return whether a line may be of a job that has just taken the place of another."""
    return entry.status is Status.PENDING and not entry.attempts
