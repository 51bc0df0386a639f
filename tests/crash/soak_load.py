"""The load of the soak: jobs of all kinds, and how each has to end."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobctl import Queue
from jobctl.core.job import Job, Outcome, Status
from jobctl.errors import WrongStatus
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.table import MIB, OOM, ROWS, Row

#: Of so many jobs one misbehaves; the others are the innocent.
ONE_IN = 8
#: Those who use up a processor come less often than the others.
HEAVY = {"spin": 0.2, "c-loop": 0.2, "regex": 0.2, "big": 0.3, "hungry": 0.05}
#: Seconds between two looks at what has ended, and after which an ended job is deleted.
LOOK, KEEP = 2.0, 30.0


class Load:
    """Adds jobs, cancels some of them, and judges how each has ended."""

    def __init__(self, folder: Path, chance: random.Random, rate: int, hungry: bool) -> None:
        self._folder, self._chance, self._rate = folder, chance, rate
        store = folder / ".jobctl"
        self.queue = Queue(config=str(folder / "jobs.toml"), store=str(store))
        self._store = DirectoryStore(store)
        rows = [row for row in ROWS if not row.before]
        self._rows = [replace(row, data={"mib": 32} if row.data else {}) for row in rows]
        self._rows += [OOM] if hungry else []
        self._weights = [HEAVY.get(row.handler, 1.0) for row in self._rows]
        self.open: dict[str, Row | None] = {}
        self._cancels: list[tuple[float, str]] = []
        self._owed, self._look_at = 0.0, 0.0
        self._last: float | None = None
        self._deaths: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._wrong: list[str] = []
        self._count = 0
        self._disk = 0

    def step(self, now: float, add: bool = True) -> None:
        """Do what is due at this moment."""
        if self._last is not None and add:
            self._owed += (now - self._last) * self._rate
            # After a long break (a stopped machine) there is no rush.
            self._owed = min(self._owed, self._rate * 10.0)
        self._last = now
        for _ in range(int(self._owed)):
            self._owed -= 1
            self._add(now)
        while self._cancels and self._cancels[0][0] <= now:
            self._cancel(self._cancels.pop(0)[1])
        if now >= self._look_at:
            self._look_at = now + LOOK
            self.judge()
            self._tidy()

    def _add(self, now: float) -> None:
        self._count += 1
        if self._chance.randrange(ONE_IN):
            self.open[self.queue.add("work", {"n": self._count})] = None
            return
        row = self._chance.choices(self._rows, self._weights)[0]
        job_id = self.queue.add(row.handler, row.data, **row.options)
        self.open[job_id] = row
        if row.cancel:
            self._cancels.append((now + 0.5, job_id))

    def _cancel(self, job_id: str) -> None:
        try:
            self.queue.cancel(job_id)
        except WrongStatus:
            pass  # its daemons died so often that it is dead already

    def judge(self) -> None:
        """Look at every job that was open when last seen."""
        for job_id, row in list(self.open.items()):
            job = self.queue.get(job_id)
            if job is None:
                self._wrong.append(f"{job_id} ({row.what if row else 'work'}) is lost")
            elif job.status.finished:
                self._judge(job, row)
                (self._folder / "locks" / job_id).unlink(missing_ok=True)
            else:
                continue
            del self.open[job_id]

    def _judge(self, job: Job[Any], row: Row | None) -> None:
        outcomes = Counter(attempt.outcome for attempt in job.history)
        lost = outcomes[Outcome.LOST]
        name = row.what if row else "an innocent job"
        ended = f"{job.status}, {job.history[-1].outcome if job.history else 'no attempt'}"
        self._ends[f"{name}: {ended}"] += 1
        self._deaths["lost with a daemon"] += lost
        if lost and job.crashes >= 3:
            return  # dead by its daemons' deaths, and by its own
        status, outcome = Status.COMPLETED, Outcome.COMPLETED
        if row is not None:
            status, outcome = row.status, row.outcome or Outcome.COMPLETED
        late = row is not None and row.cancel and not outcomes[Outcome.CANCELLED]
        fits = job.status is status and (late or outcomes[outcome] > 0)
        others = outcomes.keys() - {outcome, Outcome.LOST, Outcome.RELEASED}
        if not fits or others:
            story = [attempt.outcome.value for attempt in job.history]
            self._wrong.append(f"{job.id} ({name}) is {job.status} after {story}")

    def _tidy(self) -> None:
        # Not what ended just now: it may not have been seen, and would look lost.
        self.queue.cleanup(datetime.now(UTC) - timedelta(seconds=KEEP))
        while self._store.maintain():
            pass
        files = (self._folder / ".jobctl").rglob("*")
        used = 0
        for path in files:
            try:
                used += path.stat().st_blocks * 512
            except FileNotFoundError:
                pass
        self._disk = max(self._disk, used)

    def faults(self) -> list[str]:
        """Return what is wrong with the jobs, one sentence each."""
        found = list(self._wrong)
        twice = self._folder / "twice"
        if twice.exists():
            lines = twice.read_text().splitlines()
            found += [f"{line} ran while it ran" for line in lines]
        for job_id, row in self.open.items():
            job = self.queue.get(job_id)
            what = row.what if row else "an innocent job"
            found.append(f"{job_id} ({what}) has not ended: {job and job.status}")
        quarantine = self._folder / ".jobctl/quarantine"
        if quarantine.exists():
            found += [f"{name} is in quarantine" for name in os.listdir(quarantine)]
        return found

    def summary(self) -> str:
        """Return how many jobs there were, and how they ended."""
        lines = [f"{count:>8}  {name}" for name, count in sorted(self._ends.items())]
        head = (
            f"jobs: {self._count} added, {sum(self._ends.values())} ended, {len(self.open)} "
            f"open; {self._deaths['lost with a daemon']} attempts lost with a daemon; at "
            f"most {self._disk / MIB:.0f} MiB on disk"
        )
        return "\n".join([head, *lines])

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
        self.queue.close()
