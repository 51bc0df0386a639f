"""The table of jobs in the index, and how new lines of the journal change it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NamedTuple

from jobctl.core.job import Status
from jobctl.core.note import TOPICS
from jobctl.stores.directory.inserts import Found, Inserts
from jobctl.stores.directory.known import Known
from jobctl.stores.directory.queries import Queries
from jobctl.stores.directory.rows import NUMBER, Old, Row, columns
from jobctl.stores.directory.segments import Place
from jobctl.stores.directory.tags import Tags
from jobctl.stores.directory.waits import Moved, Waits

#: The kinds of lines that tell of jobs.
_JOBS = ("job", "tombstone")
_COMPLETED = NUMBER[Status.COMPLETED]
_PENDING = Status.PENDING
_UPDATE = (
    "UPDATE jobs SET rev=?, status=?, ready=?, due=?, since=?, finished=?, started=?, "
    "attempts=?, segment=?, offset=?, length=? WHERE seq=?"
)
#: Of a job that may have taken the place of another one.
_RENEW = "UPDATE jobs SET created=?, labels=? WHERE seq=?"
_MOVE = "UPDATE jobs SET segment=?, offset=?, length=? WHERE seq=?"


class Folded(NamedTuple):
    """What became of new lines.

    `news` are those that change something (a copy does not), `refused` the places of those
    that must not count: a second add of a known id, a seq that is another job's, a state
    older than the known one. `moved` are jobs that wait for others, or do so no longer.
    """

    news: list[Any]
    refused: list[Place]
    moved: list[Moved]


class Change(NamedTuple):
    """What new lines come to: of each job what was known, and the last line that counts.

    In place of that stands None if the job is deleted. `renewed` may have taken the place of
    another one.
    """

    known: dict[str, Old | None]
    latest: dict[str, Found | None]
    renewed: Container[str]


class JobTable(Known, Inserts, Queries, Tags, Waits):
    """What is known of each job, for a connection that may write."""

    executemany: Callable[..., sqlite3.Cursor]

    def fold(
        self, found: Sequence[Found], *, skipped: Container[str] = (), by_seq: bool = False
    ) -> Folded:
        """Take in new lines, in their order.

        A line is a Job, or anything with its fields and a `kind`: "tombstone", or the topic
        of a note; others change nothing.

        `skipped` are ids of jobs of which lines may have been left out before the first one
        here, none that says that a job took the place of another one. With `by_seq` nothing
        is looked for by its id: see bare.py.
        """
        notes: list[Found] = []
        live: Counter[int] = Counter()
        kinds = [getattr(entry, "kind", "job") for entry, _ in found]
        if kinds.count("job") < len(kinds):
            both = list(zip(found, kinds, strict=True))
            notes = [one for one, kind in both if kind in TOPICS]
            found = [one for one, kind in both if kind in _JOBS]
            kinds = [kind for kind in kinds if kind in _JOBS]
            self.fold_notes(notes, live)
        ids = [entry.id for entry, _ in found]
        if by_seq:
            known = self.known_by_seq(ids, [entry.seq for entry, _ in found])
        else:
            known = self.known_by_id(ids)
        news: list[Any] = []
        refused: list[Place] = []
        if self.seen:
            for job_id in known:
                self.seen.pop(job_id, None)
        if self._are_new(kinds, found, known):
            news += [entry for entry, _ in found]
            moved = self._add(found, ids, live)
        else:
            change = self._sift(zip(kinds, found, strict=True), known, skipped, news, refused)
            moved = self._write(change, live)
        return Folded([*news, *(entry for entry, _ in notes)], refused, moved)

    def _are_new(
        self, kinds: list[str], found: Sequence[Found], known: dict[str, Old | None]
    ) -> bool:
        """Return whether each line is of another job that is not known, as most adds are."""
        if kinds.count("job") != len(known) or len(known) != len(found) or any(known.values()):
            return False
        seqs = {entry.seq for entry, _ in found}
        return len(seqs) == len(found) and min(seqs, default=0) > self.top()

    def _sift(
        self,
        found: Iterable[tuple[str, Found]],
        known: dict[str, Old | None],
        skipped: Container[str],
        news: list[Any],
        refused: list[Place],
    ) -> Change:
        """Take the lines that count, in their order, and their kinds; add to the last two."""
        states: dict[str, Any] = {job_id: old for job_id, old in known.items() if old}
        latest: dict[str, Found | None] = {}
        renewed: set[str] = set()
        owners: dict[int, str] = {}  # of the seqs that are new in this fold
        top: int | None = None
        for kind, line in found:
            entry, place = line
            job_id, seq = entry.id, entry.seq
            before = states.get(job_id)
            if kind == "tombstone":
                if before is not None and before.seq == seq:
                    latest[job_id] = None
                    del states[job_id]
                    news.append(entry)
                continue
            if before is None:
                if seq not in owners:
                    top = self.top() if top is None else top
                    owners[seq] = (seq <= top and self.owner(seq)) or job_id
                if owners[seq] != job_id:
                    refused.append(Place(*place))
                    continue
                news.append(entry)
                renewed.add(job_id)  # it may have been known, and deleted just now
            elif seq != before.seq or entry.rev < before.rev:
                refused.append(Place(*place))
                continue
            elif entry.rev > before.rev:
                news.append(entry)
                first = before is known[job_id]
                gap = entry.rev != before.rev + 1 and not (first and job_id in skipped)
                if gap or _may_be_new(entry):
                    renewed.add(job_id)
            latest[job_id] = line
            states[job_id] = entry
        return Change(known, latest, renewed)

    def _add(
        self, found: Sequence[Found], ids: Sequence[str], live: Counter[int]
    ) -> list[Moved]:
        """Write jobs that are all new, as `_write` would, without asking of each."""
        counts: Counter[tuple[str, int]] = Counter()
        self.insert(found, counts, live)
        self.follow_tags([(None, entry) for entry, _ in found if entry.tags])
        self.add_up(counts, live)
        waits = {
            entry.seq: entry.after
            for entry, _ in found
            if entry.after and entry.status is _PENDING
        }
        return self.follow_waits(waits, (), ids)

    def _write(self, change: Change, live: Counter[int]) -> list[Moved]:
        known, latest, renewed = change
        counts: Counter[tuple[str, int]] = Counter()
        waits: dict[int, Sequence[str]] = {}
        over: list[int] = []  # no longer pending
        changed: list[str] = []  # who waits for it may wait no longer, or again
        fresh: list[Found] = []
        deletes, updates, renewals, moves = [], [], [], []
        tagged: list[tuple[Old | None, Any]] = []
        for job_id, new in latest.items():
            old = known[job_id]
            if old is None:
                if new is None:
                    continue
                entry = new[0]
                fresh.append(new)
                changed.append(job_id)
                if entry.after:
                    if entry.status is _PENDING:
                        waits[entry.seq] = entry.after
                    else:
                        over.append(entry.seq)
                if entry.tags:
                    tagged.append((None, entry))
                continue
            counts[old.name, old.status] -= 1
            live[old.segment] -= old.length
            if new is None:
                deletes.append((old.seq,))
                over.append(old.seq)
                changed.append(job_id)
                if old.labels:
                    tagged.append((old, None))
                continue
            entry, place = new
            values = columns(entry)
            name, key, status, ready, rank, due, since, finished, started, tries, *more = values
            if (old.status == _COMPLETED) != (status == _COMPLETED):
                changed.append(job_id)
            another = old.seq != entry.seq  # it was deleted, and its id was added again
            if another:
                over.append(old.seq)
            if entry.status is not _PENDING:
                if entry.after:
                    over.append(entry.seq)
            elif another or old.rev != entry.rev:
                if entry.after:
                    waits[entry.seq] = entry.after
                else:
                    over.append(entry.seq)  # who took its place may wait for nobody
            if entry.tags or old.labels:
                tagged.append((old, entry))
            if (old.seq, old.name, old.key, old.rank) != (entry.seq, name, key, rank):
                deletes.append((old.seq,))
                fresh.append(new)
                continue
            counts[name, status] += 1
            live[place[0]] += place[2]
            if old.rev == entry.rev:
                moves.append((*place, old.seq))
                continue
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
        self.insert(fresh, counts, live)
        many(_UPDATE, updates)
        many(_RENEW, renewals)
        many(_MOVE, moves)
        if tagged:
            self.follow_tags(tagged)
        self.add_up(counts, live)
        return self.follow_waits(waits, over, changed)

    def drop(self, row: Row) -> None:
        """Forget a job whose record cannot be read any more."""
        old = self.known(row.id)
        self.seen.pop(row.id, None)
        self._write(Change({row.id: old}, {row.id: None}, ()), Counter())


def _may_be_new(entry: Any) -> bool:
    """Return whether a line may be of a job that has just taken the place of another."""
    return entry.status is _PENDING and not entry.attempts
