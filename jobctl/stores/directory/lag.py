"""What this process has written last and has not yet told the index.

A daemon that is busy writes two lines of each job, one as it is claimed and one as it ends.
Told to the index together they change it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobctl.core.store import AnyJob
from jobctl.stores.directory.segments import Line, Place

#: How many lines, and bytes of them, the index may be behind.
MOST = 2000
BYTES = 2 << 20


class Lag:
    """Lines that are durable, in their order, up to the end of the journal."""

    def __init__(self) -> None:
        self.lines: list[tuple[AnyJob, Place]] = []
        #: The jobs as they stand in these lines last.
        self.jobs: dict[str, AnyJob] = {}
        self.last: Line | None = None
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self.lines)

    @property
    def end(self) -> tuple[int, int] | None:
        """The segment and offset behind the last line, None if there is none."""
        if self.last is None:
            return None
        place = self.last.place
        return place.segment, place.offset + place.length

    @property
    def full(self) -> bool:
        """Whether it is time to tell the index."""
        return len(self.lines) >= MOST or self._bytes >= BYTES

    def add(self, jobs: Sequence[Any], written: Sequence[Line]) -> None:
        """Take in what a transaction has written."""
        for job, line in zip(jobs, written, strict=True):
            self.lines.append((job, line.place))
            self.jobs[job.id] = job
            self._bytes += line.place.length
        self.last = written[-1]

    def clear(self) -> None:
        """Forget all: the index knows it, or will read it in the journal."""
        self.lines.clear()
        self.jobs.clear()
        self.last = None
        self._bytes = 0
