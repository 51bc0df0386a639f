"""The store in memory: the reference for what a store does. It lives as long as its object.

Simple before fast: a dict of jobs, one lock, and a walk over all of them to answer a
question. A transaction works on a copy and puts it in place at the end.
"""

from __future__ import annotations

import os
import select
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from typing import NoReturn

import msgspec

from jobctl.core import job as transitions
from jobctl.core.job import Status
from jobctl.core.store import NESTED, AnyJob, Gate, Pulse, Stats, Verdict, open_gate
from jobctl.errors import StaleJob, StoreBusy

#: Each claim whose number divides by this goes to the longest waiting.
FAIR = 10
#: Seconds between two looks at whether a wake-up was taken.
_PULSE_STEP = 0.01

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyJob).decode

_Jobs = list[AnyJob]


class _State(msgspec.Struct):
    """All that a transaction may change."""

    jobs: dict[str, AnyJob] = {}
    seq: int = 0  # of the last add
    claims: int = 0  # ever made, for the tenth

    def copy(self) -> _State:
        return _State(dict(self.jobs), self.seq, self.claims)


class MemoryTransaction:
    """A Transaction on a copy of the state."""

    def __init__(self, state: _State) -> None:
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
        return _copy(job) if job else None

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
            claimed.append(_copy(running))
        return claimed

    def cancelling(self) -> list[str]:
        """Return the ids of running jobs that were cancelled and shall end."""
        jobs = self._state.jobs.values()
        return [job.id for job in jobs if job.status is Status.RUNNING and job.cancelling]

    def delete(self, job: AnyJob) -> None:
        """Remove a job. Raises StaleJob if it was changed meanwhile."""
        if not self._is_at(job.id, job.rev):
            _refuse_stale(job)
        del self._state.jobs[job.id]
        self.changed = True

    def _best(self, now: datetime, shut: set[object]) -> AnyJob | None:
        due = [
            job
            for job in _due(self._state.jobs.values(), now)
            if _name(job) not in shut and _lane(job) not in shut
        ]
        fair = (self._state.claims + 1) % FAIR == 0
        return min(due, key=_by_waiting if fair else _by_priority, default=None)

    def _is_at(self, job_id: str, rev: int) -> bool:
        job = self._state.jobs.get(job_id)
        return job is not None and job.rev == rev

    def _write(self, job: AnyJob) -> None:
        self._state.jobs[job.id] = _copy(job)
        self.changed = True


def _name(job: AnyJob) -> tuple[str, bool]:
    return job.name, job.shell is not None


def _lane(job: AnyJob) -> tuple[str, bool, str | None]:
    return *_name(job), job.concurrency_key


def _copy(job: AnyJob) -> AnyJob:
    # Through JSON, as on disk: nobody outside holds what the store holds.
    return _decode(_encode(job))


def _due(jobs: Iterable[AnyJob], now: datetime) -> Iterator[AnyJob]:
    return (
        job
        for job in jobs
        if job.status is Status.PENDING and (job.run_at is None or job.run_at <= now)
    )


def _by_priority(job: AnyJob) -> tuple[int, float, int]:
    return -job.priority, job.run_at.timestamp() if job.run_at else -inf, job.seq


def _by_waiting(job: AnyJob) -> tuple[datetime, int]:
    return max(job.created_at, job.run_at or job.created_at), job.seq


def _refuse_stale(job: AnyJob) -> NoReturn:
    raise StaleJob(f"job {job.id} was changed or deleted meanwhile: read it again")


class MemorySeat:
    """A Seat: a folder that goes when the store is closed, and a pipe."""

    def __init__(self, folder: Path, reader: int) -> None:
        self._folder = folder
        self._reader = reader

    @property
    def folder(self) -> Path:
        """A folder for what one daemon leaves for the next."""
        return self._folder

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a wake-up."""
        return self._reader

    def drain(self) -> None:
        """Take the wake-ups that have come."""
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            pass


class MemoryStore:
    """A Store in memory, for tests and for trying things out."""

    def __init__(self) -> None:
        self._state = _State()
        self._version = 0
        self._lock = threading.Lock()
        self._writing_thread = 0  # whose transaction is open
        self._taken = threading.Lock()
        self._folder: Path | None = None
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closed = False

    @property
    def files(self) -> Path:
        """A local folder for what goes with jobs; it goes when the store is closed."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="jobctl-"))
        return self._folder

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Open a transaction. An exception inside it leaves the store as it was."""
        if self._writing_thread == threading.get_ident():
            raise RuntimeError(NESTED)
        with self._lock:
            self._writing_thread = threading.get_ident()
            try:
                state = self._state.copy()
                tx = MemoryTransaction(state)
                yield tx
                if tx.changed:
                    self._state = state
                    self._version += 1
            finally:
                self._writing_thread = 0

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job with exactly this id."""
        job = self._state.jobs.get(job_id)
        return _copy(job) if job else None

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids that begin with `prefix`, in alphabetical order."""
        found = [job_id for job_id in self._state.jobs if job_id.startswith(prefix)]
        return sorted(found)[:limit]

    def list(
        self,
        *,
        status: Status | None = None,
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[AnyJob]:
        """Return jobs, the newest first."""
        jobs = self._jobs(lambda job: status in (None, job.status) and name in (None, job.name))
        jobs.sort(key=lambda job: job.seq, reverse=True)
        return [_copy(job) for job in jobs[offset : offset + limit]]

    def finished(self, status: Status, before: datetime, limit: int = 1000) -> _Jobs:
        """Return jobs of a finished status that ended before a time, the oldest first."""
        jobs = self._ended(status, before)
        jobs.sort(key=lambda job: (job.finished_at or before, job.seq))
        return [_copy(job) for job in jobs[:limit]]

    def count_finished(self, status: Status, before: datetime) -> int:
        """Return how many jobs of a finished status ended before a time."""
        return len(self._ended(status, before))

    def stats(self) -> Stats:
        """Return how many jobs have each status."""
        jobs = self._jobs()
        return Stats(**{s: sum(job.status is s for job in jobs) for s in Status})

    def next_run_at(self) -> datetime | None:
        """Return when the next delayed job is due, None if none waits."""
        waiting = self._jobs(lambda job: job.status is Status.PENDING)
        return min((job.run_at for job in waiting if job.run_at), default=None)

    def oldest_due(self, now: datetime) -> AnyJob | None:
        """Return the pending job that has been due for longest, None if none is due."""
        job = min(_due(self._jobs(), now), key=_by_waiting, default=None)
        return _copy(job) if job else None

    def version(self) -> object:
        """Return something cheap that changes whenever anything was written."""
        return self._version

    def wake(self) -> None:
        """Make the seat's descriptor readable."""
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:
            pass  # it is full of wake-ups already

    @contextmanager
    def seat(self, *, wait: bool = False) -> Iterator[MemorySeat]:
        """Become the store's daemon. Raises StoreBusy if there is one, unless `wait`."""
        if not self._taken.acquire(blocking=wait):
            raise StoreBusy(f"process {os.getpid()} runs this store's jobs already")
        try:
            yield MemorySeat(self.files, self._reader)
        finally:
            self._taken.release()

    def pulse(self, patience: float) -> Pulse:
        """Wake the daemon, and see whether it takes note within `patience` seconds."""
        if not self._taken.locked():
            return Pulse()
        self.wake()
        for _ in range(int(patience / _PULSE_STEP) + 1):
            if not select.select([self._reader], [], [], 0)[0]:
                return Pulse(os.getpid(), moving=True)
            time.sleep(_PULSE_STEP)
        return Pulse(os.getpid())

    def probe(self) -> None:
        """Do nothing: memory can always be written."""

    def maintain(self) -> bool:
        """Return False: there is nothing to keep house in."""
        return False

    def close(self) -> None:
        """Let go of the pipe and the folder. The jobs can still be read."""
        if not self._closed:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _ended(self, status: Status, before: datetime) -> _Jobs:
        return self._jobs(
            lambda job: job.status is status and (job.finished_at or before) < before
        )

    def _jobs(self, chosen: Callable[[AnyJob], bool] = lambda job: True) -> _Jobs:
        return [job for job in self._state.jobs.values() if chosen(job)]
