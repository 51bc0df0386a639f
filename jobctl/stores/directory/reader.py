"""How a store is read: a snapshot of the index, and the journal where it leads.

No lock is needed. A reader that finds the index behind becomes a writer for as long as it
takes to bring it up to date; who cannot do that scans the journal.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

from jobctl.core.note import Note
from jobctl.core.store import NESTED, AnyJob
from jobctl.errors import StoreBusy, StoreCorrupt, StoreFull, StoreUnwritable
from jobctl.stores.directory import lines
from jobctl.stores.directory.journal import Journal

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.layout import Layout
    from jobctl.stores.directory.rows import Row
    from jobctl.stores.directory.segments import Place
    from jobctl.stores.directory.store import DirectoryStore

T = TypeVar("T")

#: Lines that are looked at for each id that is asked for: a job has several in its life.
_LINES = 8
#: Seconds that a question waits for the write lock after one that waited in vain.
_BRIEFLY = 0.1


def damaged(layout: Layout, row: Row) -> NoReturn:
    """Say that a job's record cannot be read."""
    raise StoreCorrupt(
        f"the record of job {row.id} cannot be read: {layout.segment(row.place.segment)} is "
        f"damaged at byte {row.place.offset}. The rest of the store is not affected"
    )


class Reader:
    """The reading side of a store, for one thread at a time."""

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self._journal = Journal(store.layout, store.store_id)  # with descriptors of its own
        self.lock = threading.RLock()
        self.asked = 0  # how many questions are open
        self._index: Index | None = None
        self._scan: Index | None = None  # in memory, for who may not write
        self._scan_version: object = None
        self._turned_away = False  # whether the write lock could not be had the last time

    def ask(self, question: Callable[[Index], T]) -> T:
        """Return what one snapshot of the index answers; it knows all that is written."""
        with self._alone():
            try:
                return self._answer(question)
            except StoreBusy:
                # Who holds the lock may be stopped: the next question waits less for him.
                self._turned_away = True
                self.drop()
                return question(self._scanned())
            except (sqlite3.Error, StoreUnwritable, StoreFull):
                # It cannot be brought up to date: slower, but all there is can be read.
                self.drop()
                return question(self._scanned())
            finally:
                if self._index is not None:
                    self._index.rest()

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job with exactly this id. Raises StoreCorrupt if it is damaged."""

        def read(index: Index) -> AnyJob | None:
            found = index.get(job_id)
            for _ in range(5):  # it may move while it is read
                if found is None:
                    return None
                job = self._record(found[0])
                if job is not None:
                    return job
                last = found[0]
                index.look()
                found = index.get(job_id)
            damaged(self._store.layout, last)

        return self.ask(read)

    def jobs(self, query: Callable[[Index], Sequence[Row]]) -> list[AnyJob]:
        """Return the jobs that a query finds, without those that are damaged."""

        def read(index: Index) -> list[AnyJob]:
            found = []
            for row in query(index):
                job = self._record(row)
                if job is None:  # moved since: ask for this one again
                    index.look()
                    again = index.get(row.id)
                    job = self._record(again[0]) if again else None
                if job is not None:
                    found.append(job)
            return found

        return self.ask(read)

    def notes(self, query: Callable[[Index], Sequence[Place]]) -> list[Note]:
        """Return the notes that a query finds, without those that are damaged."""

        def read(index: Index) -> list[Note]:
            found = [self._journal.note(place) for place in query(index)]
            if None in found:  # some moved since: ask for all again
                index.look()
                found = [self._journal.note(place) for place in query(index)]
            return [note for note in found if note is not None]

        return self.ask(read)

    def version(self) -> object:
        """Return something cheap that changes whenever anything was written."""
        with self._alone():
            segments = self._journal.segments()
            return (segments[-1], self._journal.end(segments[-1])) if segments else None

    def changed(self, since: object, limit: int) -> list[str] | None:
        """Return the ids in the lines that were written after a version; None if not known."""
        if not isinstance(since, tuple):
            return None
        found: set[str] = set()
        with self._alone():
            segments = self._journal.segments()
            if since[0] not in segments:
                return None  # compacted meanwhile
            for segment in segments[segments.index(since[0]) :]:
                offset = since[1] if segment == since[0] else 0
                for count, line in enumerate(self._journal.scan(segment, offset)):
                    if job_id := lines.job_id(line.text):
                        found.add(job_id)
                    if len(found) > limit or count > _LINES * limit:
                        return None
        return sorted(found)

    def close(self) -> None:
        """Let go of everything that is open. The lock is held."""
        self.drop()
        if self._scan is not None:
            self._scan.close()
            self._scan = None
        self._journal.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Who reads within his own transaction may meet a reader that waits for its end.
        if not self.lock.acquire(timeout=1.0 if self._store.in_transaction() else -1):
            raise RuntimeError(NESTED)
        self.asked += 1
        try:
            yield
        finally:
            self.asked -= 1
            self.lock.release()

    def _record(self, row: Row) -> AnyJob | None:
        job = self._journal.job(row.place)
        return job if job is not None and job.id == row.id else None

    def _answer(self, question: Callable[[Index], T]) -> T:
        try:
            return question(self._caught_up())
        except sqlite3.Error as err:
            if not self._rebuilt(err):
                raise
            return question(self._caught_up())

    def _caught_up(self) -> Index:
        """Return the index, with all that the journal holds, and look at it."""
        index = self._current()
        while index is None:
            with self._store.transaction() as tx:
                reached = tx.fold_all(_BRIEFLY if self._turned_away else None)
            self._turned_away = False
            index = self._current(reached)  # none if it was made anew meanwhile
        return index

    def _rebuilt(self, err: sqlite3.Error) -> bool:
        """Build the index anew if the error tells that it is damaged; return if it was."""
        from jobctl.stores.directory.index import is_damaged

        self.drop()
        if not is_damaged(err):
            return False
        with self._store.transaction() as tx:
            tx.lock()
            tx.distrust(err)
            tx.fold_all()
        return True

    def _current(self, reached: tuple[int, int] | None = None) -> Index | None:
        """Return the index if it has come to `reached`, or else to the journal's end."""
        from jobctl.stores.directory.fold import is_current
        from jobctl.stores.directory.index import Index, hangs

        if self._index is not None and self._index.replaced():
            self.drop()
            self._journal.forget_all()  # a restore replaces the segments as well
        if self._index is None:
            path = self._store.layout.index
            if not os.path.exists(path):
                return None
            if hangs(path):
                raise StoreUnwritable(f"{path} cannot be read on a disk that is read-only")
            self._index = Index(path, self._store.store_id)
        self._index.look()
        position = self._index.position()
        if reached is None:
            known = is_current(self._journal, position)
        else:
            known = position is not None and not position.bare and position[:2] >= reached
        return self._index if known else None

    def _scanned(self) -> Index:
        """Return an index in memory, for one who may read but not write."""
        from jobctl.stores.directory.fold import fold_all
        from jobctl.stores.directory.index import Index

        version = self.version()
        if self._scan is None or self._scan_version != version:
            index = Index(None, self._store.store_id)
            try:
                index.reset()
                fold_all(self._journal, index)
            except BaseException:
                index.close()
                raise
            if self._scan is not None:
                self._scan.close()
            self._scan, self._scan_version = index, version
        return self._scan

    def drop(self) -> None:
        """Close the index. The lock is held."""
        if self._index is not None:
            self._index.close()
            self._index = None
