"""The limits of a running daemon, and the file that keeps its rates over a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from jobctl.clock import Clock
from jobctl.core.job import AnyJob
from jobctl.core.limits import Limits, by_name
from jobctl.services.rates import read_rates, write_rates

#: Seconds between two writes of the file.
EVERY = 1.0


class Throttle:
    """What runs and what began, counted against the limits."""

    def __init__(
        self, tables: Mapping[str, Mapping[str, Any]], folder: Path, clock: Clock
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._limits = Limits(by_name(tables))
        self._limits.next_at.update(read_rates(folder))
        self._written = self._limits.rates()
        self._write_at = 0.0

    def use(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Let other limits hold from now on."""
        self._limits.use(by_name(tables))

    def snapshot(self) -> Limits:
        """Return the limits as they are, for a plan to count on by itself."""
        return self._limits.copy()

    def begin(self, jobs: Iterable[AnyJob], at: datetime) -> None:
        """Count jobs that were claimed."""
        now, begin = at.timestamp(), self._limits.begin
        for job in jobs:
            begin(job.name, job.concurrency_key, now)

    def end(self, job: AnyJob) -> None:
        """Count a claimed job that ended."""
        self._limits.end(job.name, job.concurrency_key)

    def tick(self) -> float | None:
        """Write the file if it is time; return after how many seconds to come again."""
        if self._limits.rates() == self._written:
            return None
        now = self._clock.monotonic()
        if now >= self._write_at:
            self._write_at = now + EVERY
            self.save()
            return None
        return self._write_at - now

    def save(self) -> None:
        """Write the file. It is not synced: after a power cut a rate begins anew."""
        rates = self._limits.rates()
        if rates == self._written:
            return
        self._written = rates
        with suppress(OSError):  # the worst that follows is a job that comes an interval early
            write_rates(self._folder, rates)
