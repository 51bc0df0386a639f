"""What a store in memory holds, and the orders of its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import inf

import msgspec

from jobctl.core.job import Status
from jobctl.core.note import EVERYTHING, PAUSE, Note
from jobctl.core.store import AnyJob

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyJob).decode
_decode_note = msgspec.json.Decoder(Note).decode


class State(msgspec.Struct):
    """All that a transaction may change."""

    jobs: dict[str, AnyJob] = {}
    notes: dict[tuple[str, str], Note] = {}  # by topic and key
    seq: int = 0  # of the last add
    claims: int = 0  # ever made, for the tenth

    def copy(self) -> State:
        return State(dict(self.jobs), dict(self.notes), self.seq, self.claims)

    def due(self, now: datetime) -> Iterator[AnyJob]:
        """Yield the pending jobs that nothing but a gate holds back."""
        paused = {key for topic, key in self.notes if topic == PAUSE}
        for job in self.jobs.values():
            if job.status is not Status.PENDING or self.blocked(job):
                continue
            if EVERYTHING in paused or job.name in paused:
                continue
            if job.run_at is None or job.run_at <= now:
                yield job

    def blocked(self, job: AnyJob) -> bool:
        """Return whether a job waits for others."""
        others = (self.jobs.get(job_id) for job_id in job.after)
        return any(job is not None and job.status is not Status.COMPLETED for job in others)


def copy_job(job: AnyJob) -> AnyJob:
    """Return a job through JSON, as on disk: nobody outside holds what the store holds."""
    return _decode(_encode(job))


def copy_note(note: Note) -> Note:
    """Return a note through JSON."""
    return _decode_note(_encode(note))


def by_priority(job: AnyJob) -> tuple[int, float, int]:
    """Return where a job stands among those that are due."""
    return -job.priority, job.run_at.timestamp() if job.run_at else -inf, job.seq


def by_waiting(job: AnyJob) -> tuple[datetime, int]:
    """Return where a job stands among those that have waited."""
    return max(job.created_at, job.run_at or job.created_at), job.seq
