"""One transaction of the directory store: one append, one fdatasync, then the index.

The order is the promise: append, fdatasync, index commit, release. The index is never
ahead of what is durable; once the append is, the call has succeeded, even if the index
commit then fails: the next one folds the lines in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from jobctl.core.job import Job, Status
from jobctl.core.job import claim as claim_job
from jobctl.core.store import AnyJob, Gate, open_gate
from jobctl.errors import StaleJob, StoreCorrupt, StoreError
from jobctl.stores.directory import lines
from jobctl.stores.directory.journal import REFUSED, SEGMENT_SIZE
from jobctl.stores.directory.segments import Line, Place

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.lanes import Lanes
    from jobctl.stores.directory.layout import Layout
    from jobctl.stores.directory.rows import Row
    from jobctl.stores.directory.store import DirectoryStore

#: An add folds a step when so many bytes of the journal are not in the index.
_UNFOLDED = 4 << 20
#: Delayed jobs that become claimable at a time.
PROMOTED = 1000
_NOWHERE = Place(0, 0, 0)


def damaged(layout: Layout, row: Row) -> NoReturn:
    """Say that a job's record cannot be read."""
    raise StoreCorrupt(
        f"the record of job {row.id} cannot be read: {layout.segment(row.place.segment)} is "
        f"damaged at byte {row.place.offset}. The rest of the store is not affected"
    )


class Tombstone(msgspec.Struct, tag_field="kind", tag="tombstone", frozen=True):
    """A deleted job's last line."""

    id: str
    rev: int
    seq: int

    @property
    def kind(self) -> str:
        """The line's kind, as the index asks for it."""
        return "tombstone"


_Write = AnyJob | Tombstone


class DirectoryTransaction:
    """The store's one writer in this process, used for one transaction after the other."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store = store
        self.index: Index | None = None
        self._lanes: Lanes | None = None
        self._position: tuple[int, int] | None = None  # where this process left the index
        self._reset()

    def _reset(self) -> None:
        self._locked = False
        self._tail = 0
        self._size = 0
        self._folding = False  # the index is caught up and a SQLite transaction is open
        self._unsynced = False  # the index holds lines that nobody has made durable yet
        self._writes: list[_Write] = []
        self._raw: list[bytes] = []  # whole open lines of the store's own housekeeping
        self._own: dict[str, AnyJob | None] = {}
        self._fresh: list[AnyJob] = []  # written here, claimable, not yet in the index

    # -- the protocol ------------------------------------------------------------------

    def add(self, jobs: Iterable[AnyJob]) -> None:
        """Add new jobs. Their ids are random, or the caller has looked with `get`."""
        for job in jobs:
            self._writes.append(job)
            self._own[job.id] = job

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job as this transaction sees it."""
        if job_id in self._own:
            return self._own[job_id]
        found = self.caught_up().get(job_id)
        if found is None:
            return None
        return self.store.journal.job(found[0].place) or damaged(self.store.layout, found[0])

    def save(self, job: AnyJob) -> None:
        """Write the next state of a job that was read; StaleJob if it is not the next."""
        if not self._is_next(job):
            raise StaleJob(f"job {job.id} was changed by somebody else: read it again")
        self._write(job)

    def settle(self, jobs: Iterable[AnyJob]) -> list[AnyJob]:
        """Write the next states of claimed jobs; return those that were stale."""
        stale = []
        for job in jobs:
            if self._is_next(job):
                self._write(job)
            else:
                stale.append(job)
        return stale

    def claim(self, limit: int, now: datetime, gate: Gate = open_gate) -> list[AnyJob]:
        """Make up to `limit` due jobs running and return them."""
        from jobctl.stores.directory.rows import micros

        index, lanes = self.caught_up(), self._claiming()
        self._number()
        if self._fresh:
            # The index must know them before it is asked what is next; their place follows.
            index.fold([(job, _NOWHERE) for job in self._fresh])
            for job in self._fresh:
                lanes.follow(job)
            self._fresh = []
        for _ in range(0, limit, PROMOTED):
            # In steps; a claim that stops at its limit leaves the rest to the next one.
            due = index.promote(micros(now), PROMOTED)
            for name, key, rank, run_at, seq in due:
                lanes.ready(name, key, rank, run_at, seq)
            if len(due) < PROMOTED:
                break
        claimed: list[AnyJob] = []
        while len(claimed) < limit:
            wanted = limit - len(claimed)
            seqs = lanes.take(wanted, gate, index)
            for seq in seqs:
                found = self._claimable(seq)
                if found is not None:
                    claimed.append(claim_job(found, now))
                    self._write(claimed[-1])
            if len(seqs) < wanted:
                break
        return claimed

    def delete(self, job: AnyJob) -> None:
        """Remove a job that was read; StaleJob if it was changed meanwhile."""
        gone = msgspec.structs.replace(job, rev=job.rev + 1)
        if not self._is_next(gone):
            raise StaleJob(f"job {job.id} was changed by somebody else: read it again")
        self._number()
        known = self._own.get(job.id) or job
        self._writes.append(Tombstone(job.id, gone.rev, known.seq))
        self._own[job.id] = None

    def cancelling(self) -> list[str]:
        """Return the ids of running jobs that shall end."""
        return self.caught_up().stopping()

    # -- the steps ---------------------------------------------------------------------

    def lock(self) -> None:
        """Take the write lock and find the end of the journal."""
        if not self._locked:
            self.store.lock.acquire()
            self._locked = True
            self._tail, self._size = self.store.journal.open_tail()

    def catch_up(self) -> tuple[int, int]:
        """Fold all that the journal holds into the index, in steps, and commit it.

        The lock is given up between the steps. Returns the segment and the offset where the
        index has come to.
        """
        from jobctl.stores.directory.fold import fold_step

        while True:
            self.lock()
            index = self._begin()
            more, entries = fold_step(self.store.journal, index)
            if entries:
                self.store.journal.sync(self._size)
                self._follow(entries)
            self._finish_folding()
            if not more:
                assert self._position is not None
                return self._position
            self._locked = False
            self.store.lock.release()

    def commit(self) -> None:
        """Make the transaction durable."""
        if not self._writes and not self._raw:
            if self._folding:
                self._finish_folding()
            return
        self._number()
        entries, texts = self._writes, self._lines()
        places = self.store.journal.append(texts, self._size)
        self._writes, self._raw, self._fresh = [], [], []
        if not self._folding:
            self._fold_if_far_behind()
            return
        assert self.index is not None
        try:
            news, refused = self.index.fold(
                list(zip(entries, places[: len(entries)], strict=True))
            )
            for place, text in zip(places, texts, strict=True):
                if place in refused:
                    self.store.journal.quarantine(Line(place, text), REFUSED)
            self._follow(news)
            self._keep(places[-1], texts[-1])
        except sqlite3.Error as err:
            self.distrust(err)  # the lines are durable: the next one folds them in

    def end(self) -> None:
        """Leave no trace of an unfinished transaction, and let the next one write."""
        try:
            if self._folding:
                self._forget_index()
        finally:
            self._reset()
            self.store.lock.release()

    def distrust(self, err: sqlite3.Error) -> None:
        """Close the index after an error, and remove it if that is what is wrong."""
        from jobctl.stores.directory.index import is_damaged, remove

        self._forget_index()
        if self._locked and is_damaged(err):
            remove(self.store.layout.index)

    def append_raw(self, record: dict[str, Any]) -> None:
        """Write a line of the store's own housekeeping."""
        self._raw.append(lines.encode(record))

    def copy(self, job: AnyJob) -> None:
        """Write a job again as it is, so that its old line may go."""
        self._writes.append(job)

    def close(self) -> None:
        """Let go of the index."""
        if self.index is not None:
            self.index.close()
            self.index = None

    # -- how ---------------------------------------------------------------------------

    def _write(self, job: AnyJob) -> None:
        self._writes.append(job)
        self._own[job.id] = job
        if job.status is Status.PENDING:
            self._fresh.append(job)

    def _is_next(self, job: AnyJob) -> bool:
        if job.id in self._own:
            own = self._own[job.id]
            return own is not None and own.rev + 1 == job.rev
        found = self.caught_up().get(job.id)
        return found is not None and found[1] + 1 == job.rev and found[0].seq == job.seq

    def _claimable(self, seq: int) -> AnyJob | None:
        assert self.index is not None
        row = self.index.by_seq(seq)
        if row is None:
            return None
        if row.id in self._own:
            job = self._own[row.id]
        else:
            job = self.store.journal.job(row.place)
            if job is None or job.id != row.id:
                # One bad record never stops the store: it leaves the index and the rest go on.
                bad = Line(row.place, self.store.journal.read_raw(row.place))
                self.store.journal.quarantine(bad, f"the record of job {row.id} is damaged")
                self.index.drop(row)
                return None
        return job if job is not None and job.status is Status.PENDING else None

    def _number(self) -> None:
        """Give each add its place among all adds, for life: where it will stand."""
        self.lock()
        base = (self._tail << 32) | self._size
        seqs: dict[str, int] = {}
        for k, write in enumerate(self._writes):
            if write.seq == 0 and isinstance(write, Job):
                seq = seqs.setdefault(write.id, base + k)
                job = self._writes[k] = msgspec.structs.replace(write, seq=seq)
                self._own[job.id] = job
                if job.rev == 1 and job.status is Status.PENDING:
                    self._fresh.append(job)

    def _lines(self) -> list[bytes]:
        """Return the sealed lines of this transaction."""
        open_lines = [lines.encode(write) for write in self._writes] + self._raw
        total = len(open_lines)
        return [lines.seal(line, k, total) for k, line in enumerate(open_lines, start=1)]

    def caught_up(self) -> Index:
        """Return the index with all that the journal holds, in an open SQLite transaction."""
        if not self._folding:
            from jobctl.stores.directory.fold import fold_step

            self.lock()
            index = self._begin()
            more, entries = fold_step(self.store.journal, index)
            while more:
                self.store.journal.sync(self._size)
                self._follow(entries)
                self._finish_folding()
                # What follows is folded in the same way; nobody else may come between.
                index = self._begin()
                more, entries = fold_step(self.store.journal, index)
            self._follow(entries)
            self._unsynced = bool(entries)
        assert self.index is not None
        return self.index

    def _begin(self) -> Index:
        """Open the index and a SQLite transaction; begin anew if it is of another journal."""
        from jobctl.stores.directory.fold import agrees

        journal = self.store.journal
        index = self._open_index()
        self._folding = True
        position = index.position()
        if position is None or not agrees(journal, position):
            index.reset()
            position = index.position()
        assert position is not None
        if self._lanes is not None and position[:2] != self._position:
            self._lanes.reset()  # somebody else has folded: what he saw is not known here
        return index

    def _open_index(self) -> Index:
        from jobctl.stores.directory.index import is_damaged

        if self.index is not None and self.index.replaced():
            self._forget_index()
        try:
            return self._opened()
        except sqlite3.Error as err:
            self.distrust(err)
            if not is_damaged(err):
                raise
            return self._opened()  # anew

    def _opened(self) -> Index:
        from jobctl.stores.directory.index import Index

        if self.index is None:
            self.index = Index(self.store.layout.index, self.store.store_id)
        self.index.begin()
        self.index.position()
        return self.index

    def _finish_folding(self) -> None:
        assert self.index is not None
        if self._unsynced:
            self.store.journal.sync(self._size)
            self._unsynced = False
        position = self.index.position()
        assert position is not None
        self.index.commit()
        self._folding = False
        self._position = position[:2]
        self.store.lock.note_folded(*position[:2])

    def _keep(self, last: Place, text: bytes) -> None:
        from jobctl.stores.directory.rows import Position

        assert self.index is not None
        end = last.offset + last.length
        self.index.set_position(Position(last.segment, end, lines.checksum(text), last.length))
        self._unsynced = False
        self._finish_folding()
        if self._lanes is not None:
            self._lanes.settled()

    def _claiming(self) -> Lanes:
        from jobctl.stores.directory.lanes import Lanes

        assert self.index is not None
        if self._lanes is None:
            self._lanes = Lanes()
        if not self._lanes.active:
            self._lanes.load(self.index)
        return self._lanes

    def _follow(self, entries: Iterable[Any]) -> None:
        if self._lanes is not None and self._lanes.active:
            for entry in entries:
                self._lanes.follow(entry)

    def _fold_if_far_behind(self) -> None:
        segment, offset = self.store.lock.folded
        behind = (self._tail - max(segment, 1)) * SEGMENT_SIZE + self._size - offset
        if behind > _UNFOLDED:
            from jobctl.stores.directory.fold import fold_step

            try:
                index = self._begin()
                _, entries = fold_step(self.store.journal, index)
                self._follow(entries)
                self._finish_folding()
            except sqlite3.Error as err:
                self.distrust(err)
            except StoreError:
                self._forget_index()

    def _forget_index(self) -> None:
        self._folding = False
        self._position = None
        if self._lanes is not None:
            self._lanes.reset()
        if self.index is not None:
            index, self.index = self.index, None
            try:
                index.rollback()
            except sqlite3.Error:
                pass  # closing it has the same effect
            finally:
                index.close()
