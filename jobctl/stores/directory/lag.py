"""What this process knows of the journal's end and has not yet told the index.

A daemon that is busy writes two lines of each job, one as it is claimed and one as it ends,
and before them it has found that of the add (see fresh.py). Told to the index together they
change it once: of each job it is told the last line.
"""

from __future__ import annotations

from collections.abc import KeysView, Sequence
from typing import Any

from jobctl.core.job import Status
from jobctl.core.store import AnyJob
from jobctl.stores.directory.segments import Where

#: How many jobs, and bytes of their lines, the index may be behind.
MOST = 1000
BYTES = 2 << 20
_PENDING = Status.PENDING
_NONE: tuple[Where, bytes] = ((0, 0, 0), b"")


class Lag:
    """Lines up to the end of the journal: each job's last one."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[AnyJob, Where]] = {}
        #: Those that nobody has claimed yet, by seq.
        self.waiting: dict[int, AnyJob] = {}
        #: The last line: its place and its text.
        self.last: tuple[Where, bytes] = _NONE
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._latest)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._latest

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job as it stands here, None if it does not."""
        found = self._latest.get(job_id)
        return None if found is None else found[0]

    @property
    def ids(self) -> KeysView[str]:
        """The ids of the jobs."""
        return self._latest.keys()

    @property
    def lines(self) -> list[tuple[AnyJob, Where]]:
        """The jobs, and the places of their lines."""
        return list(self._latest.values())

    @property
    def end(self) -> tuple[int, int] | None:
        """The segment and offset behind the last line, None if there is none."""
        if not self._latest:
            return None
        segment, offset, length = self.last[0]
        return segment, offset + length

    @property
    def full(self) -> bool:
        """Whether it is time to tell the index."""
        return len(self._latest) >= MOST or self._bytes >= BYTES

    def add(self, jobs: Sequence[Any], places: Sequence[Where], last: bytes) -> None:
        """Take in what transactions have written; `last` is the text of the last line."""
        latest, waiting = self._latest, self.waiting
        for both in zip(jobs, places, strict=True):
            job = both[0]
            latest[job.id] = both
            if job.status is _PENDING:
                waiting[job.seq] = job
            elif waiting:
                waiting.pop(job.seq, None)
        self._bytes += sum([length for _, _, length in places])
        self.last = places[-1], last

    def clear(self) -> None:
        """Forget all: the index knows it, or will read it in the journal."""
        self._latest.clear()
        self.waiting.clear()
        self.last = _NONE
        self._bytes = 0
