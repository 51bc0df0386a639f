"""The store in memory."""

from __future__ import annotations

import os
import select
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from jobctl.core.filters import NEVER, Filter
from jobctl.core.job import Status
from jobctl.core.note import Note
from jobctl.core.store import NESTED, AnyJob, Page, Pulse, Stats
from jobctl.errors import StoreBusy
from jobctl.stores.memory.seat import MemorySeat
from jobctl.stores.memory.state import State, by_priority, by_waiting, copy_job, copy_note
from jobctl.stores.memory.transaction import MemoryTransaction

#: Seconds between two looks at whether a wake-up was taken.
_PULSE_STEP = 0.01
#: Versions of which the changes are known.
_REMEMBERED = 1000

# Inside the class, `list` is the method.
_Jobs = list[AnyJob]
_Ids = list[str]
_Notes = list[Note]


class MemoryStore:
    """A Store in memory, for tests and for trying things out."""

    def __init__(self) -> None:
        self._state = State()
        self._version = 0
        self._changes: deque[set[str]] = deque(maxlen=_REMEMBERED)  # of the last versions
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
                    old, new = self._state.jobs, state.jobs
                    ids = old.keys() | new.keys()
                    self._changes.append({i for i in ids if old.get(i) is not new.get(i)})
                    self._state = state
                    self._version += 1
            finally:
                self._writing_thread = 0

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job with exactly this id."""
        job = self._state.jobs.get(job_id)
        return copy_job(job) if job else None

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids that begin with `prefix`, in alphabetical order."""
        found = [job_id for job_id in self._state.jobs if job_id.startswith(prefix)]
        return sorted(found)[:limit]

    def names(self, prefix: str, limit: int) -> Sequence[str]:
        """Return names that jobs have and that begin with `prefix`, in alphabetical order."""
        return sorted({job.name for job in self._jobs() if job.name.startswith(prefix)})[:limit]

    def list(
        self,
        *,
        status: Status | None = None,
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[AnyJob]:
        """Return jobs, the newest first."""
        wanted = Filter.having(status, name)
        return self.select(wanted, NEVER, limit=limit, offset=offset).jobs

    def select(
        self,
        wanted: Filter,
        now: datetime,
        *,
        newest: bool = True,
        limit: int = 50,
        offset: int = 0,
        after: int | None = None,
        bounded: bool = False,
    ) -> Page:
        """Return jobs that pass a filter, the newest or the oldest first."""
        jobs = self._jobs(wanted.predicate(now))
        jobs.sort(key=lambda job: job.seq, reverse=newest)
        if after is not None:
            jobs = [job for job in jobs if (job.seq < after if newest else job.seq > after)]
        page = jobs[offset : offset + limit]
        more = len(jobs) > offset + limit and page
        return Page([copy_job(job) for job in page], page[-1].seq if more else None)

    def tally(self, wanted: Filter, now: datetime) -> Stats:
        """Return how many of the jobs that pass a filter have each status."""
        return _count(self._jobs(wanted.predicate(now)))

    def finished(
        self, status: Status, before: datetime, limit: int = 1000, *, newest: bool = False
    ) -> _Jobs:
        """Return jobs of a finished status that ended before a time."""
        jobs = self._ended(status, before)
        jobs.sort(key=lambda job: (job.finished_at or before, job.seq), reverse=newest)
        return [copy_job(job) for job in jobs[:limit]]

    def count_finished(
        self, status: Status, before: datetime, since: datetime | None = None
    ) -> int:
        """Return how many jobs of a finished status ended before a time, since another."""
        jobs = self._ended(status, before)
        return sum(since is None or (job.finished_at or since) >= since for job in jobs)

    def count_added(self, after: int) -> int:
        """Return how many jobs are there that were added after the one with this seq."""
        return len(self._jobs(lambda job: job.seq > after))

    def stats(self) -> Stats:
        """Return how many jobs have each status."""
        return _count(self._jobs())

    def oldest_due(self, now: datetime) -> AnyJob | None:
        """Return the pending job that has been due for longest, None if none is due."""
        job = min(self._state.due(now), key=by_waiting, default=None)
        return copy_job(job) if job else None

    def ahead(
        self, job: AnyJob, now: datetime, limit: int, without: Collection[str] = ()
    ) -> tuple[int, int]:
        """Return how many due jobs are claimed before this one: of its name, and of others."""
        due = (one for one in self._state.due(now) if one.name not in without)
        before = [one for one in due if by_priority(one) < by_priority(job)]
        own = sum(one.name == job.name for one in before)
        return min(own, limit), min(len(before) - own, limit)

    def ended(self, status: Status, since: datetime, limit: int) -> Sequence[datetime]:
        """Return when jobs ended with a status, since a time, the newest first."""
        found = [
            job.finished_at
            for job in self._jobs(lambda job: job.status is status)
            if job.finished_at is not None and job.finished_at >= since
        ]
        return sorted(found, reverse=True)[:limit]

    def notes(
        self, topic: str, prefix: str = "", *, newest: bool = False, limit: int | None = None
    ) -> Sequence[Note]:
        """Return the notes of a topic whose keys begin with `prefix`, in the order of keys."""
        notes = self._notes(lambda note: note.topic == topic and note.key.startswith(prefix))
        notes.sort(key=lambda note: note.key, reverse=newest)
        return [copy_note(note) for note in notes[:limit]]

    def notes_before(self, topic: str, before: datetime, limit: int) -> Sequence[Note]:
        """Return notes that tell of a time before this one, the oldest first."""
        notes = self._notes(lambda note: note.topic == topic and note.at < before)
        notes.sort(key=lambda note: (note.at, note.key))
        return [copy_note(note) for note in notes[:limit]]

    def version(self) -> object:
        """Return something cheap that changes whenever anything was written."""
        return self._version

    def changed(self, since: object, limit: int) -> _Ids | None:
        """Return the ids of jobs that were changed after a version, None if not known."""
        ago = self._version - since if isinstance(since, int) else -1
        if not 0 <= ago <= len(self._changes):
            return None
        found = set[str]().union(*(self._changes[-n] for n in range(1, ago + 1)))
        return sorted(found) if len(found) <= limit else None

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

    def catch_up(self) -> None:
        """Do nothing: nothing is put off."""

    def pulse(self, patience: float) -> Pulse:
        """Wake the daemon, and see whether it takes note within `patience` seconds."""
        if not self._taken.locked():
            return Pulse()
        self.wake()
        for _ in range(int(patience / _PULSE_STEP) + 1):
            if not select.select([self._reader], [], [], 0)[0]:
                return Pulse(os.getpid(), moving=True)
            time.sleep(_PULSE_STEP)  # as with the FIFO of a directory store
        return Pulse(os.getpid())

    def keep_room(self, size: int) -> None:
        """Be told how many bytes what runs may write: here there is no disk to be full."""

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

    def _notes(self, chosen: Callable[[Note], bool]) -> _Notes:
        return [note for note in self._state.notes.values() if chosen(note)]


def _count(jobs: _Jobs) -> Stats:
    return Stats(**{status: sum(job.status is status for job in jobs) for status in Status})
