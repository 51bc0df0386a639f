"""A transaction of the directory store: what may be read and written in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.core.job import Status
from jobctl.core.job import claim as claim_job
from jobctl.core.note import PAUSE, Note
from jobctl.core.store import AnyJob, Gate, open_gate
from jobctl.errors import StaleJob
from jobctl.stores.directory.commit import Commit
from jobctl.stores.directory.reader import damaged
from jobctl.stores.directory.rows import micros, moment
from jobctl.stores.directory.segments import Line, Place

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.rows import Row

_NOWHERE = Place(0, 0, 0)


class DirectoryTransaction(Commit):
    """The store's one writer in this process, used for one transaction after the other."""

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

    def append_raw(self, record: dict[str, Any]) -> None:
        """Write a line of the store's own housekeeping."""
        self._draft.append_raw(record)
        self._plain = False

    def copy(self, thing: AnyJob | Note) -> None:
        """Write a job or a note again as it is, so that its old line may go."""
        self._draft.copy(thing)
        self._plain = False
        self._grows = True

    def _is_next(self, job: AnyJob, index: Index | None = None) -> bool:
        if job.id in self._draft.jobs:
            own = self._draft.jobs[job.id]
            return own is not None and own.rev + 1 == job.rev
        if index is None:
            index = self.index(behind=True)
        old = self.writer.lag.get(job.id) or index.known(job.id)
        return old is not None and old.rev + 1 == job.rev and old.seq == job.seq

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
