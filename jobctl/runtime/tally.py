"""The daemon's own counting, for the figures that a dashboard shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobctl.clock import Clock
from jobctl.core.job import Job
from jobctl.services import figures

#: Seconds between two writes, while there is something to write.
EVERY = 2.0


_NOTHING = figures.Tally()


class Counting:
    """Counts attempts as they end, and writes that down from time to time."""

    def __init__(self, files: str, clock: Clock) -> None:
        """Count for the store with this folder of files; "" has none."""
        self._folder = figures.folder_in(Path(files)) if files else None
        self._clock = clock
        self._tallies: dict[str, figures.Tally] = {}
        self._write_at = clock.monotonic()
        self._day: object = None

    def ended(self, job: Job[Any]) -> None:
        """Count the attempt of a job that has just ended."""
        tally = self._tallies.get(job.name)
        if tally is None:
            tally = self._tallies[job.name] = figures.Tally()
        tally.count(job)

    def tick(self) -> float | None:
        """Write if it is time; return after how many seconds to come again."""
        if not self._tallies:
            return None
        now = self._clock.monotonic()
        if now < self._write_at:
            return self._write_at - now
        self._write_at = now + EVERY
        self.save()
        return None

    def save(self) -> None:
        """Write what has been counted."""
        counted, self._tallies = self._tallies, {}
        # Of what was only given back, or put off, there is nothing to tell.
        tallies = {name: tally for name, tally in counted.items() if tally != _NOTHING}
        if not tallies or self._folder is None:
            return
        now = self._clock.now()
        try:
            figures.append(self._folder, now, tallies)
            if now.date() != self._day:
                self._day = now.date()
                figures.forget(self._folder, now)
        except OSError:
            pass  # a full disk must not stop the queue: a plot has a gap
