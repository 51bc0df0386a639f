"""The directory store: the journal is the truth, the index knows where to look."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jobctl.clock import Clock, SystemClock
from jobctl.core.job import Status
from jobctl.core.note import Note
from jobctl.core.store import AnyJob, Page, Pulse, Stats
from jobctl.stores.directory import forks
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.layout import open_store, probe
from jobctl.stores.directory.locks import PATIENCE, WriteLock
from jobctl.stores.directory.opened import Opened, index_error
from jobctl.stores.directory.reader import Reader
from jobctl.stores.directory.rows import NUMBER, micros, moment
from jobctl.stores.directory.transaction import DirectoryTransaction
from jobctl.stores.directory.waker import Waker

if TYPE_CHECKING:
    from jobctl.core.filters import Filter
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.rows import Row
    from jobctl.stores.directory.seat import DirectorySeat

# Inside the class, `list` is the method.
_Jobs = list[AnyJob]
_Ids = list[str]
#: Said (RuntimeError) to a child that would end what its parent has begun.
FORKED = (
    "this process was forked within a transaction, which is its parent's alone: leave it "
    "before, or end the child by os._exit"
)
#: What a child does not touch, nor let go of.
_left: list[object] = []


class DirectoryStore:
    """A store in a folder of the local file system. One object serves all threads."""

    def __init__(
        self, root: Path, clock: Clock | None = None, *, patience: float = PATIENCE
    ) -> None:
        """Open the store, and create it if it is not there.

        `patience` is how many seconds a writer waits for the others. Raises StoreError.
        """
        self.layout, self.store_id = open_store(Path(root))
        self.clock = clock or SystemClock()
        self._patience = patience
        self._start()
        forks.watch(self)

    def _start(self) -> None:
        self.lock = WriteLock(self.layout.write_lock, self._patience, self.store_id)
        self.journal = Journal(self.layout, self.store_id)
        self.writing = threading.Lock()  # the right of a thread to write
        self._writing_thread = 0  # whose transaction is open
        self._writer: DirectoryTransaction | None = None
        self._reader = Reader(self)
        self._waker = Waker(self.layout, self.journal)
        #: The segment that is being compacted, and how far: see compact.py.
        self.compacting = (0, 0)
        self._rest = False  # whether nobody is at the store while this process forks

    @property
    def files(self) -> Path:
        """A folder for what goes with jobs and is no record: logs, progress."""
        return self.layout.root

    # -- writing -----------------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[DirectoryTransaction]:
        """Open a transaction; it takes the write lock when it first needs it."""
        return Opened(self)

    def begin(self) -> DirectoryTransaction:
        """Begin a transaction. The right to write is this thread's."""
        self._writing_thread = threading.get_ident()
        self._waker.begin()
        if self._writer is None:
            self._writer = DirectoryTransaction(self)
        return self._writer

    def end(self, tx: DirectoryTransaction, *, commit: bool) -> None:
        """End a transaction, after it was committed if that is asked."""
        try:
            if commit:
                if tx is not self._writer:
                    raise RuntimeError(FORKED)
                tx.commit()
        except sqlite3.Error as err:
            tx.distrust(err)
            raise index_error(err, self.layout.index) from err
        finally:
            if tx is self._writer:  # else it is the parent's
                self._writing_thread = 0
                tx.end()

    def abandon(self) -> None:
        """Leave no trace of a transaction that a signal's handler has interrupted."""
        self._writing_thread = 0
        if self._writer is not None:
            self._writer.end()

    def in_transaction(self) -> bool:
        """Return whether this thread has a transaction open: it must not wait for itself."""
        return self._writing_thread == threading.get_ident()

    def maintain(self) -> bool:
        """Compact a step of the oldest segment if it holds mostly what no longer counts."""
        from jobctl.stores.directory.compact import compact_step

        with self.transaction() as tx:
            return compact_step(tx)

    def catch_up(self) -> None:
        """Tell the index what it was not told while there was more to do."""
        if self._writer is not None and self._writer.writer.lag:
            with self.transaction() as tx:
                tx.index()

    # -- reading -----------------------------------------------------------------------

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job with exactly this id."""
        return self._reader.get(job_id)

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids that begin with `prefix`, in alphabetical order."""
        return self._reader.ask(lambda index: index.find(prefix, limit))

    def names(self, prefix: str, limit: int) -> Sequence[str]:
        """Return names that jobs have and that begin with `prefix`, in alphabetical order."""
        return self._reader.ask(lambda index: index.names(prefix, limit))

    def list(
        self,
        *,
        status: Status | None = None,
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> _Jobs:
        """Return jobs, the newest first. One whose record cannot be read is left out."""
        from jobctl.core.filters import NEVER, Filter

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
        from jobctl.stores.directory.choosing import Walk, select

        reader = self._reader
        walk = Walk(
            reader, wanted, now, newest=newest, after=after, offset=offset, bounded=bounded
        )
        return select(walk, limit)

    def tally(self, wanted: Filter, now: datetime) -> Stats:
        """Return how many of the jobs that pass a filter have each status."""
        from jobctl.stores.directory.choosing import tally

        return tally(self._reader, wanted, now)

    def finished(
        self, status: Status, before: datetime, limit: int = 1000, *, newest: bool = False
    ) -> _Jobs:
        """Return jobs of a finished status that ended before a time."""
        return self._reader.jobs(
            lambda index: index.finished(status, micros(before), limit, newest=newest)
        )

    def count_finished(
        self, status: Status, before: datetime, since: datetime | None = None
    ) -> int:
        """Return how many jobs of a finished status ended before a time, since another."""
        return self._reader.ask(
            lambda index: index.count_finished(status, micros(before), micros(since))
        )

    def count_added(self, after: int) -> int:
        """Return how many jobs are there that were added after the one with this seq."""
        return self._reader.ask(lambda index: index.count_added(after))

    def stats(self) -> Stats:
        """Return how many jobs have each status."""
        counts = self._reader.ask(lambda index: index.counts())
        return Stats(**{status.value: n for status, n in counts.items()})

    def oldest_due(self, now: datetime) -> AnyJob | None:
        """Return the pending job that has been due for longest, None if none is due."""

        def query(index: Index) -> Sequence[Row]:
            row = index.oldest_due(micros(now))
            return [row] if row else []

        return next(iter(self._reader.jobs(query)), None)

    def ahead(
        self, job: AnyJob, now: datetime, limit: int, without: Collection[str] = ()
    ) -> tuple[int, int]:
        """Return how many due jobs are claimed before this one: of its name, and of others."""
        order = (-job.priority, micros(job.run_at), job.seq)
        return self._reader.ask(
            lambda index: index.ahead(job.name, order, micros(now), limit, without)
        )

    def ended(self, status: Status, since: datetime, limit: int) -> Sequence[datetime]:
        """Return when jobs ended with a status, since a time, the newest first."""
        found = self._reader.ask(
            lambda index: index.ended(NUMBER[status], micros(since), limit)
        )
        return [moment(at) for at in found]

    def notes(
        self, topic: str, prefix: str = "", *, newest: bool = False, limit: int | None = None
    ) -> Sequence[Note]:
        """Return the notes of a topic whose keys begin with `prefix`, in the order of keys."""
        return self._reader.notes(
            lambda index: index.note_places(topic, prefix, newest=newest, limit=limit)
        )

    def notes_before(self, topic: str, before: datetime, limit: int) -> Sequence[Note]:
        """Return notes that tell of a time before this one, the oldest first."""
        return self._reader.notes(
            lambda index: index.note_places_before(topic, micros(before), limit)
        )

    def version(self) -> object:
        """Return something cheap that changes whenever anything was written."""
        return self._reader.version()

    def changed(self, since: object, limit: int) -> _Ids | None:
        """Return the ids of jobs that were changed after a version, None if not known."""
        return self._reader.changed(since, limit)

    # -- the daemon --------------------------------------------------------------------

    def wake(self) -> None:
        """Tell the daemon, if there is one, that there may be something to do."""
        self._waker.wake()

    def wake_early(self) -> None:
        """Tell it while the write lock is held for an add, so that `wake` need not."""
        self._waker.wake_early()

    def seat(self, *, wait: bool = False) -> AbstractContextManager[DirectorySeat]:
        """Become the store's daemon; StoreBusy names the one there is, unless `wait`."""
        from jobctl.stores.directory.seat import take_seat

        return take_seat(self.layout, wait=wait)

    def pulse(self, patience: float) -> Pulse:
        """Wake the daemon, and see whether it takes note within `patience` seconds."""
        from jobctl.stores.directory.seat import pulse

        return pulse(self.layout, self.clock, patience)

    def keep_room(self, size: int) -> None:
        """Be told how many bytes what runs may write; adds leave so much room from now on."""
        with self.writing:
            self.lock.acquire()
            try:
                self.lock.note_reserve(size)
            finally:
                self.lock.release()

    def probe(self) -> None:
        """Write, sync and remove a small file. Raises StoreError if that cannot be done."""
        probe(self.layout)

    def close(self) -> None:
        """Let go of everything that is open."""
        with self._reader.lock, self.writing:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self.journal.close()
            self.lock.close()
            self._waker.close()

    # -- forks: see forks.py -----------------------------------------------------------

    def before_fork(self) -> None:
        """Let nobody begin anything, and close the index, until the process has forked."""
        if self.in_transaction():
            return
        if self._reader.lock.acquire(timeout=self._patience):
            if not self._reader.asked and self.writing.acquire(timeout=self._patience):
                self._rest = True
                self._reader.drop()
                if self._writer is not None:
                    self._writer.close()
            else:
                self._reader.lock.release()

    def after_fork(self) -> None:
        """Go on in the process that has forked."""
        if self._rest:
            self._rest = False
            self.writing.release()
            self._reader.lock.release()

    def forked(self) -> None:
        """Begin anew in a child: with descriptors, locks and connections of its own."""
        self.lock.close()
        self._waker.close()
        if self._rest:
            self._reader.close()
            self.journal.close()
        else:
            # Somebody was at work with the rest: it stays as it is, with all that it leads to.
            from jobctl.stores.directory.index import leave

            _left.append((self._reader, self._writer, self.journal))
            leave(self.layout.index)
        self._start()
