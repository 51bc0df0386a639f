"""One transaction of the directory store: one append, one fdatasync, then the index.

The order is the promise: append, fdatasync, index commit, release. The index is never
ahead of what is durable; once the append is, the call has succeeded, even if the index
commit then fails: the next one folds the lines in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.core.job import Status
from jobctl.core.job import claim as claim_job
from jobctl.core.note import PAUSE, Note
from jobctl.core.store import AnyJob, Gate, open_gate
from jobctl.errors import StaleJob, StoreError, StoreFull
from jobctl.stores.directory import lines, room
from jobctl.stores.directory.draft import Draft
from jobctl.stores.directory.locks import UNSURE
from jobctl.stores.directory.reader import damaged
from jobctl.stores.directory.rows import micros, moment
from jobctl.stores.directory.segments import Line, Place
from jobctl.stores.directory.writer import IndexWriter

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.rows import Row
    from jobctl.stores.directory.store import DirectoryStore

_NOWHERE = Place(0, 0, 0)


class DirectoryTransaction:
    """The store's one writer in this process, used for one transaction after the other."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store = store
        self.writer = IndexWriter(store)
        self._draft = Draft()
        self._reset()

    def _reset(self) -> None:
        self._locked = False
        self._tail = 0
        self._size = 0
        if not self._draft.empty:
            self._draft = Draft()
        self._without_index = False
        self._grows = False  # it adds jobs or claims them: then more room will be needed
        self._settles = False  # it ends jobs, for which the room is
        self._plain = True  # all it does is to claim, and to write how what was claimed ended

    # -- the protocol ------------------------------------------------------------------

    def add(self, jobs: Iterable[AnyJob]) -> None:
        """Add new jobs. Their ids are random, or the caller has looked with `get`."""
        self._draft.add(jobs)
        self._plain = False
        self._grows = True

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job as this transaction sees it."""
        if job_id in self._draft.jobs:
            return self._draft.jobs[job_id]
        index = self.index(behind=True)
        if job_id in self.writer.lag:
            return self.writer.lag.get(job_id)
        found = index.get(job_id)
        if found is None:
            return None
        job = self.store.journal.job(found[0].place)
        if job is None or job.id != job_id:
            damaged(self.store.layout, found[0])
        return job

    def save(self, job: AnyJob) -> None:
        """Write the next state of a job that was read; StaleJob if it is not the next."""
        if not self._is_next(job):
            raise StaleJob(f"job {job.id} was changed by somebody else: read it again")
        self._draft.save(job)
        self._plain = False

    def settle(self, jobs: Iterable[AnyJob]) -> list[AnyJob]:
        """Write the next states of claimed jobs; return those that were stale."""
        stale: list[AnyJob] = []
        index = None
        for job in jobs:
            if index is None:
                self._settles = True  # the room for it is there
                index = self.index(behind=True)
            if self._is_next(job, index):
                self._draft.save(job)
                self._plain = self._plain and job.status.finished
            else:
                stale.append(job)
        return stale

    def claim(self, limit: int, now: datetime, gate: Gate = open_gate) -> list[AnyJob]:
        """Make up to `limit` due jobs running and return them."""
        index = self._own_index(behind=True)
        lanes = self.writer.claiming()
        self._number()
        early = self._draft.early(others_wait=index.any_waits())
        if early:
            self._plain = False
            self.writer.catch_up()
            # The index must know them before it is asked what is next; their place follows.
            folded = index.fold([(write, _NOWHERE) for write in early])
            lanes.follow_all(folded.news, folded.moved)
        for (topic, key), note in self._draft.notes.items():
            if topic == PAUSE:
                lanes.pause(key, on=note is not None)
        more = self.writer.promote(limit, micros(now))
        claimed: list[AnyJob] = []
        while len(claimed) < limit:
            wanted = limit - len(claimed)
            seqs = lanes.take(wanted, gate, self.writer.source)
            for found in self._claimable(seqs, index):
                claimed.append(claim_job(found, now))
                self._grows = True
                self._draft.save(claimed[-1])
            if len(seqs) < wanted:
                # A short claim says that nothing more is due that may run.
                if lanes.full:
                    break
                if not more:
                    break
                more = self.writer.promote(limit, micros(now))
        return claimed

    def next_run_at(self) -> datetime | None:
        """Return when the next delayed job is due, None if none waits."""
        due = self.index(behind=True).next_due()
        known = [] if due is None else [moment(due)]
        jobs = (job for job in self._draft.jobs.values() if job and not job.after)
        own = [job.run_at for job in jobs if job.status is Status.PENDING and job.run_at]
        return min((*known, *own), default=None)

    def delete(self, job: AnyJob) -> None:
        """Remove a job that was read; StaleJob if it was changed meanwhile."""
        gone = msgspec.structs.replace(job, rev=job.rev + 1)
        if not self._is_next(gone):
            raise StaleJob(f"job {job.id} was changed by somebody else: read it again")
        self._number()
        self._draft.delete(job, gone.rev)
        self._plain = False

    def dependents(self, job_id: str) -> list[AnyJob]:
        """Return the pending jobs that have this one in their `after`."""
        index = self.index()
        known = index.dependents(job_id)
        own = (job.id for job in self._draft.jobs.values() if job and job_id in job.after)
        found = (self.get(one) for one in dict.fromkeys((*known, *own)))
        return [j for j in found if j and j.status is Status.PENDING and job_id in j.after]

    def any_waiting(self) -> bool:
        """Return whether any pending job has an `after`."""
        return self.index(behind=True).any_waits() or any(
            job and job.after for job in self._draft.jobs.values()
        )

    def put(self, note: Note) -> None:
        """Write a note in place of the one with its topic and key."""
        self._draft.put(note)
        self._plain = False

    def drop(self, topic: str, key: str) -> None:
        """Remove a note, if it is there."""
        old = self.note(topic, key)
        if old is not None:
            self._draft.drop(old)
            self._plain = False

    def note(self, topic: str, key: str) -> Note | None:
        """Return a note as this transaction sees it."""
        if (topic, key) in self._draft.notes:
            return self._draft.notes[topic, key]
        place = self.index().note_place(topic, key)
        return None if place is None else self.store.journal.note(place)

    def cancelling(self) -> list[str]:
        """Return the ids of running jobs that shall end."""
        stopping = self.index(behind=True).stopping()
        ended = self.writer.lag
        return [job_id for job_id in stopping if job_id not in ended]

    # -- the steps ---------------------------------------------------------------------

    def lock(self, patience: float | None = None) -> None:
        """Take the write lock and find the end of the journal. See WriteLock.acquire."""
        if not self._locked:
            self.store.lock.acquire(patience)
            self._locked = True
            self._tail, self._size = self.store.journal.open_tail(self._whole_reserve)

    def fold_all(self, patience: float | None = None) -> tuple[int, int]:
        """Fold all that the journal holds into the index, in steps, and commit it.

        The lock is given up between the steps, so that writers need not wait for all of
        them. Returns the segment and the offset where the index has come to.
        """
        self.lock(patience)
        self._fold(letting_others_write=True)
        return self.writer.finish(self._size)

    def index(self, *, behind: bool = False) -> Index:
        """Return an index that knows all that the journal holds, to be asked.

        With `behind` it need not know what the lag has. It is the store's own, or one in memory
        while that cannot be written: how jobs ended can be written down on a full disk, even
        without an index.
        """
        self.lock()
        if not self._without_index:
            try:
                return self._own_index(behind=behind)
            except sqlite3.Error as err:
                self.distrust(err)
            except StoreFull:
                self.writer.forget()
            self._without_index = True
        return self.writer.spare()

    def _own_index(self, *, behind: bool = False) -> Index:
        """Return the store's index with all that the journal holds, in a SQLite transaction.

        The lock is held until the end: nobody may write in between.
        """
        self.lock()
        if not self.writer.open and not self.writer.resume(self._tail, self._size):
            self._fold(letting_others_write=False)
        if not behind:
            self.writer.catch_up()
        assert self.writer.index is not None
        return self.writer.index

    def commit(self) -> None:
        """Make the transaction durable."""
        if self._draft.empty:
            if self.writer.open:
                self._keep_folded()
            return
        adds = None if self._locked else self._draft.encoded_adds()
        if adds is None:
            self._number()
            texts = self._draft.seal()
        elif self._lock_to_add(adds):
            texts = lines.seal_all(adds, self._base)
        else:
            self._draft = Draft()
            return
        entries = self._draft.writes
        may_wait = self.writer.open and self._may_wait()
        if adds is not None and self.store.lock.posted:
            self._append_with_others(texts)
        else:
            self.store.journal.append(texts, self._size, self._reserve)
        self._draft = Draft()
        if self.writer.open:
            places = self.store.journal.places(texts, self._size)
            if not (may_wait and self.writer.put_off(entries, places, texts[-1])):
                self.writer.take(entries, places, texts)
        else:
            self.writer.step_if_far_behind(self._tail, self._size)

    def end(self) -> None:
        """Leave no trace of an unfinished transaction, and let the next one write."""
        try:
            if self.writer.open:
                self.writer.forget()
        finally:
            self._reset()
            self.store.lock.release()

    def distrust(self, err: sqlite3.Error) -> None:
        """Close the index after an error, and remove it if that is what is wrong."""
        self.writer.distrust(err, locked=self._locked)

    def append_raw(self, record: dict[str, Any]) -> None:
        """Write a line of the store's own housekeeping."""
        self._draft.append_raw(record)
        self._plain = False

    def copy(self, thing: AnyJob | Note) -> None:
        """Write a job or a note again as it is, so that its old line may go."""
        self._draft.copy(thing)
        self._plain = False
        self._grows = True

    def close(self) -> None:
        """Let go of the index."""
        self.writer.close()

    # -- how ---------------------------------------------------------------------------

    def _lock_to_add(self, adds: list[bytes]) -> bool:
        """Take the write lock; return False if another writer has added these meanwhile."""
        lock = self.store.lock
        try:
            if not lock.acquire(adds=adds):
                return False
            self._locked = True
            self._tail, self._size = self.store.journal.open_tail(self._whole_reserve)
            return lock.left_at is None or not self._are_at(*lock.left_at, adds)
        except StoreError as err:
            if lock.left_at is None:
                raise
            raise type(err)(f"{err}. {UNSURE}") from err

    def _are_at(self, segment: int, offset: int, adds: list[bytes]) -> bool:
        text = b"".join(lines.seal_all(adds, (segment << 32) | offset))
        place = Place(segment, offset, len(text))
        return self.store.journal.holds(place, text, self._size)

    def _append_with_others(self, texts: list[bytes]) -> None:
        """Append these lines and what others have posted, or these alone if room lacks."""
        journal, batch = self.store.journal, self.store.lock.batch()
        try:
            others = batch.take(self._tail, self._size + sum(map(len, texts)))
            try:
                journal.append(texts, self._size, self._reserve, others)
            except StoreError as err:
                batch.end(durable=False)
                if not others or not isinstance(err, StoreFull):
                    raise
                # After a failed fdatasync the tail is another one.
                if journal.open_tail(self._whole_reserve) != (self._tail, self._size):
                    raise
                journal.append(texts, self._size, self._reserve)
            else:
                batch.end(durable=True)
        finally:
            batch.let_go()

    def _keep_folded(self) -> None:
        from jobctl.stores.directory.index import is_damaged

        try:
            self.writer.finish(self._size)
        except sqlite3.Error as err:
            if is_damaged(err):
                raise
            self.distrust(err)  # whoever asked has his answer: it can be folded again

    @property
    def _whole_reserve(self) -> int:
        return max(room.LEAST, self.store.lock.reserve)

    @property
    def _reserve(self) -> int:
        """How many bytes have to be free behind those of this transaction."""
        if self._grows:
            return self._whole_reserve
        # Deletes and cancels help against a full disk, but must not leave nothing.
        return 0 if self._settles else self._whole_reserve // 2

    def _is_next(self, job: AnyJob, index: Index | None = None) -> bool:
        if job.id in self._draft.jobs:
            own = self._draft.jobs[job.id]
            return own is not None and own.rev + 1 == job.rev
        if index is None:
            index = self.index(behind=True)
        old = self.writer.lag.get(job.id) or index.known(job.id)
        return old is not None and old.rev + 1 == job.rev and old.seq == job.seq

    def _may_wait(self) -> bool:
        """Return whether the index need not know at once what is written."""
        if not self._plain or self.writer.index is None:
            return False
        try:
            return not self.writer.index.any_waits()
        except sqlite3.Error:
            return False  # it will say so again when it is told

    def _claimable(self, seqs: Sequence[int], index: Index) -> Iterator[AnyJob]:
        """Yield the pending jobs that have these seqs, in this order."""
        new = self.writer.lag.waiting
        if not new:
            yield from self._recorded(seqs, index)
            return
        told = [seq for seq in seqs if seq not in new]
        known = {job.seq: job for job in self._recorded(told, index)} if told else {}
        for seq in seqs:
            job = known.get(seq)
            if job is None and seq in new:
                job = self._draft.jobs.get(new[seq].id, new[seq])
            if job is not None and job.status is Status.PENDING:
                yield job

    def _recorded(self, seqs: Sequence[int], index: Index) -> Iterator[AnyJob]:
        """Yield those of them that the index knows."""
        own = self._draft.jobs
        rows = index.ready_by_seqs(seqs)
        places = [row.place for row in rows if row.id not in own]
        records = iter(self.store.journal.jobs(places))
        for row in rows:
            job = own[row.id] if row.id in own else next(records)
            if row.id not in own and (job is None or job.id != row.id):
                self._lose(row, index)
            elif job is not None and job.status is Status.PENDING:
                yield job

    def _lose(self, row: Row, index: Index) -> None:
        """Go on without a job whose record is damaged: it never stops the store."""
        bad = Line(row.place, self.store.journal.read_raw(row.place))
        self.store.journal.quarantine(bad, f"the record of job {row.id} is damaged")
        index.drop(row)

    def _number(self) -> None:
        self.lock()
        self._draft.number(self._base)

    @property
    def _base(self) -> int:
        """The seq of a job that is added at the end of the journal."""
        return (self._tail << 32) | self._size

    def _fold(self, *, letting_others_write: bool) -> None:
        self.lock()
        if self.writer.resume(self._tail, self._size):
            self.writer.catch_up()
            return
        while self.writer.step():
            self.writer.finish(self._size)
            if letting_others_write:
                self._locked = False
                self.store.lock.release()
                self.lock()
