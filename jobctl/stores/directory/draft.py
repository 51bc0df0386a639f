"""What a transaction has written so far: lines that nobody else can see yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from jobctl.core.job import Job, Status
from jobctl.core.note import Note
from jobctl.core.store import AnyJob
from jobctl.stores.directory import lines

Write = AnyJob | lines.Tombstone | lines.NoteLine
_PENDING = Status.PENDING


class Draft:
    """The lines of one transaction, in their order, and what they come to."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        #: Jobs and notes as they were written here last; None is one that was removed.
        self.jobs: dict[str, AnyJob | None] = {}
        self.notes: dict[tuple[str, str], Note | None] = {}
        self._raw: list[bytes] = []  # whole open lines of the store's own housekeeping
        self._fresh: list[AnyJob] = []  # claimable, and the index does not know them yet
        self._numbered = 0  # how many of the writes `number` has seen
        self._told = 0  # how many of the writes the index knows because others wait

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.writes and not self._raw

    def add(self, jobs: Iterable[AnyJob]) -> None:
        """Write new jobs; they get their seq from `number`."""
        for job in jobs:
            self.writes.append(job)
            self.jobs[job.id] = job

    def save(self, job: AnyJob) -> None:
        """Write the next state of a job."""
        self.writes.append(job)
        self.jobs[job.id] = job
        if job.status is _PENDING:
            self._fresh.append(job)

    def delete(self, job: AnyJob, rev: int) -> None:
        """Write that a job is deleted."""
        known = self.jobs.get(job.id) or job
        self.writes.append(lines.Tombstone(job.id, rev, known.seq))
        self.jobs[job.id] = None

    def put(self, note: Note) -> None:
        """Write a note."""
        self.writes.append(lines.NoteLine.of(note))
        self.notes[note.topic, note.key] = note

    def drop(self, note: Note) -> None:
        """Write that a note is there no more."""
        self.writes.append(lines.NoteLine(note.topic, note.key, note.at, None))
        self.notes[note.topic, note.key] = None

    def copy(self, thing: AnyJob | Note) -> None:
        """Write a job or a note again as it is."""
        self.writes.append(lines.NoteLine.of(thing) if isinstance(thing, Note) else thing)

    def append_raw(self, record: dict[str, Any]) -> None:
        """Write a line of the store's own housekeeping."""
        self._raw.append(lines.encode(record))

    def number(self, base: int) -> None:
        """Give each add its place among all adds, for life: `base` and its place here."""
        seqs: dict[str, int] = {}
        first, self._numbered = self._numbered, len(self.writes)
        for k in range(first, self._numbered):
            write = self.writes[k]
            if isinstance(write, Job) and write.seq == 0:
                seq = seqs.setdefault(write.id, base + k)
                job = self.writes[k] = msgspec.structs.replace(write, seq=seq)
                self.jobs[job.id] = job
                if job.rev == 1 and job.status is _PENDING:
                    self._fresh.append(job)

    def encoded_adds(self) -> list[bytes] | None:
        """Return the open lines of new jobs, each up to its seq, which comes last.

        So all that takes time is done before the lock is taken. None if there is anything
        else, or an id that stands there twice: its jobs share their seq.
        """
        if self._raw or len(self.jobs) != len(self.writes):
            return None
        found = []
        for write in self.writes:
            line = lines.encode_add(write)
            if line is None:
                return None
            found.append(line)
        return found

    def early(self, *, others_wait: bool) -> list[Write]:
        """Return what the index must know, before the commit, to say what is next.

        `others_wait` says whether it knows of jobs that wait for others: then all that was
        written here bears on it. Otherwise nobody waits for what ended.
        """
        fresh, self._fresh = self._fresh, []
        if others_wait or any(job.after for job in fresh):
            found, self._told = self.writes[self._told :], len(self.writes)
            return [write for write in found if not isinstance(write, lines.NoteLine)]
        return [job for job in fresh if self.jobs[job.id] is not None]

    def seal(self) -> list[bytes]:
        """Return the whole lines."""
        return lines.seal_all([*map(lines.encode, self.writes), *self._raw])
