"""The limits of a running daemon, and the file that keeps its rates over a restart."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from jobctl.clock import Clock
from jobctl.core.job import Job
from jobctl.core.limits import Limit, Limits

AnyJob = Job[Any]

#: Seconds between two writes of the file.
EVERY = 1.0
_FILE = "rates.json"


def by_name(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Limit]:
    """Return the limits that the configuration's tables ask for."""
    wanted = {name: (t.get("concurrency"), t.get("rate")) for name, t in tables.items()}
    return {
        name: Limit(concurrency, None if rate is None else (rate[0], rate[1]))
        for name, (concurrency, rate) in wanted.items()
        if concurrency is not None or rate is not None
    }


class Throttle:
    """What runs and what began, counted against the limits."""

    def __init__(
        self, tables: Mapping[str, Mapping[str, Any]], folder: Path, clock: Clock
    ) -> None:
        self._path = folder / _FILE
        self._clock = clock
        self._limits = Limits(by_name(tables))
        self._limits.next_at.update(read(self._path))
        self._written = self._limits.rates()
        self._write_at = 0.0

    def use(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Let other limits hold from now on."""
        self._limits.use(by_name(tables))

    def snapshot(self) -> Limits:
        """Return the limits as they are, for a plan to count on by itself."""
        return self._limits.copy()

    def begin(self, job: AnyJob, at: datetime) -> None:
        """Count a job that was claimed."""
        self._limits.begin(job.name, job.concurrency_key, at.timestamp())

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
        draft = self._path.with_suffix(".new")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(msgspec.json.encode(rates))
            draft.rename(self._path)
        except OSError:
            pass  # the worst that follows is one job that comes an interval early


def read(path: Path) -> dict[str, float]:
    """Return what an earlier daemon wrote, nothing if that is missing or broken."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
