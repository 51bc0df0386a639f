"""One transaction of the store in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn

import msgspec

from jobctl.core import job as transitions
from jobctl.core.job import Status
from jobctl.core.note import Note
from jobctl.core.store import AnyJob, Gate, Verdict, open_gate
from jobctl.errors import StaleJob
from jobctl.stores.memory.state import State, by_priority, by_waiting, copy_job, copy_note

#: Each claim whose number divides by this goes to the longest waiting.
FAIR = 10


class MemoryTransaction:
    """A Transaction on a copy of the state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.changed = False

    def add(self, jobs: Iterable[AnyJob]) -> None:
        """Add new jobs, each with the next seq."""
        for job in jobs:
            self._state.seq += 1
            self._write(msgspec.structs.replace(job, seq=self._state.seq))

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job as this transaction sees it."""
        job = self._state.jobs.get(job_id)
        return copy_job(job) if job else None

    def save(self, job: AnyJob) -> None:
        """Write the next state of a job. Raises StaleJob if it is not the next one."""
        if not self._is_at(job.id, job.rev - 1):
            _refuse_stale(job)
        self._write(job)

    def settle(self, jobs: Iterable[AnyJob]) -> list[AnyJob]:
        """Write the next states of claimed jobs; return those that were stale."""
        stale = []
        for job in jobs:
            if self._is_at(job.id, job.rev - 1):
                self._write(job)
            else:
                stale.append(job)
        return stale

    def claim(self, limit: int, now: datetime, gate: Gate = open_gate) -> list[AnyJob]:
        """Make up to `limit` due jobs running and return them."""
        claimed: list[AnyJob] = []
        shut: set[object] = set()  # what _name and _lane return
        while len(claimed) < limit:
            job = self._best(now, shut)
            if job is None:
                break
            verdict = gate(job.name, job.concurrency_key, job.shell is not None)
            if verdict is Verdict.FULL:
                break
            if verdict is not Verdict.TAKE:
                shut.add(_lane(job) if verdict is Verdict.CLOSED else _name(job))
                continue
            self._state.claims += 1
            running = transitions.claim(job, now)
            self._write(running)
            claimed.append(copy_job(running))
        return claimed

    def cancelling(self) -> list[str]:
        """Return the ids of running jobs that were cancelled and shall end."""
        jobs = self._state.jobs.values()
        return [job.id for job in jobs if job.status is Status.RUNNING and job.cancelling]

    def next_run_at(self) -> datetime | None:
        """Return when the next delayed job is due, None if none waits."""
        jobs = self._state.jobs.values()
        waiting = (j for j in jobs if j.status is Status.PENDING and not self._state.blocked(j))
        return min((job.run_at for job in waiting if job.run_at), default=None)

    def delete(self, job: AnyJob) -> None:
        """Remove a job. Raises StaleJob if it was changed meanwhile."""
        if not self._is_at(job.id, job.rev):
            _refuse_stale(job)
        del self._state.jobs[job.id]
        self.changed = True

    def dependents(self, job_id: str) -> list[AnyJob]:
        """Return the pending jobs that have this one in their `after`."""
        jobs = self._state.jobs.values()
        found = [j for j in jobs if j.status is Status.PENDING and job_id in j.after]
        return [copy_job(job) for job in sorted(found, key=lambda job: job.seq)]

    def any_waiting(self) -> bool:
        """Return whether any pending job has an `after`."""
        jobs = self._state.jobs.values()
        return any(job.after for job in jobs if job.status is Status.PENDING)

    def put(self, note: Note) -> None:
        """Write a note in place of the one with its topic and key."""
        self._state.notes[note.topic, note.key] = copy_note(note)
        self.changed = True

    def drop(self, topic: str, key: str) -> None:
        """Remove a note, if it is there."""
        if self._state.notes.pop((topic, key), None) is not None:
            self.changed = True

    def note(self, topic: str, key: str) -> Note | None:
        """Return a note as this transaction sees it."""
        note = self._state.notes.get((topic, key))
        return copy_note(note) if note else None

    def _best(self, now: datetime, shut: set[object]) -> AnyJob | None:
        due = [
            job
            for job in self._state.due(now)
            if _name(job) not in shut and _lane(job) not in shut
        ]
        fair = (self._state.claims + 1) % FAIR == 0
        return min(due, key=by_waiting if fair else by_priority, default=None)

    def _is_at(self, job_id: str, rev: int) -> bool:
        job = self._state.jobs.get(job_id)
        return job is not None and job.rev == rev

    def _write(self, job: AnyJob) -> None:
        self._state.jobs[job.id] = copy_job(job)
        self.changed = True


def _name(job: AnyJob) -> tuple[str, bool]:
    return job.name, job.shell is not None


def _lane(job: AnyJob) -> tuple[str, bool, str | None]:
    return *_name(job), job.concurrency_key


def _refuse_stale(job: AnyJob) -> NoReturn:
    raise StaleJob(f"job {job.id} was changed or deleted meanwhile: read it again")
