"""How a transaction is written: one append, one fdatasync, then the index.

The order is the promise: append, fdatasync, index commit, release. The index is never
ahead of what is durable; once the append is, the call has succeeded, even if the index
commit then fails: the next one folds the lines in.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from jobctl.errors import StoreError, StoreFull
from jobctl.stores.directory import lines, room
from jobctl.stores.directory.draft import Draft
from jobctl.stores.directory.locks import UNSURE
from jobctl.stores.directory.segments import Place
from jobctl.stores.directory.writer import IndexWriter

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.store import DirectoryStore


class Commit:
    """What a transaction has of the store (lock, end of journal, index), and how it ends."""

    def __init__(self, store: DirectoryStore) -> None:
        self.store = store
        self.writer = IndexWriter(store)
        self._draft = Draft()
        self._reset()

    def _reset(self) -> None:
        self._locked = False
        self._tail = 0
        self._size = 0
        if not self._draft.empty:
            self._draft = Draft()
        self._without_index = False
        self._grows = False  # it adds jobs or claims them: then more room will be needed
        self._settles = False  # it ends jobs, for which the room is
        self._plain = True  # all it does is to claim, and to write how what was claimed ended

    def lock(self, patience: float | None = None) -> None:
        """Take the write lock and find the end of the journal. See WriteLock.acquire."""
        if not self._locked:
            self.store.lock.acquire(patience)
            self._locked = True
            self._tail, self._size = self.store.journal.open_tail(self._whole_reserve)

    def index(self, *, behind: bool = False) -> Index:
        """Return an index that knows all that the journal holds, to be asked.

        With `behind` it need not know what the lag has. It is the store's own, or one in memory
        while that cannot be written: how jobs ended can be written down on a full disk, even
        without an index.
        """
        self.lock()
        if not self._without_index:
            try:
                return self._own_index(behind=behind)
            except sqlite3.Error as err:
                self.distrust(err)
            except StoreFull:
                self.writer.forget()
            self._without_index = True
        return self.writer.spare()

    def fold_all(self, patience: float | None = None) -> tuple[int, int]:
        """Fold all that the journal holds into the index, in steps, and commit it.

        The lock is given up between the steps, so that writers need not wait for all of
        them. Returns the segment and the offset where the index has come to.
        """
        self.lock(patience)
        self._fold(letting_others_write=True)
        return self.writer.finish(self._size)

    def commit(self) -> None:
        """Make the transaction durable."""
        if self._draft.empty:
            if self.writer.open:
                self._keep_folded()
            return
        adds = None if self._locked else self._draft.encoded_adds()
        if adds is None:
            self._number()
            texts = self._draft.seal()
        elif self._lock_to_add(adds):
            texts = lines.seal_all(adds, self._base)
        else:
            self._draft = Draft()
            return
        entries = self._draft.writes
        may_wait = self.writer.open and self._may_wait()
        if adds is not None and self.store.lock.posted:
            self._append_with_others(texts)
        else:
            self.store.journal.append(texts, self._size, self._reserve)
        self._draft = Draft()
        if self.writer.open:
            places = self.store.journal.places(texts, self._size)
            if not (may_wait and self.writer.put_off(entries, places, texts[-1])):
                self.writer.take(entries, places, texts)
        else:
            self.writer.step_if_far_behind(self._tail, self._size)

    def end(self) -> None:
        """Leave no trace of an unfinished transaction, and let the next one write."""
        try:
            if self.writer.open:
                self.writer.forget()
        finally:
            self._reset()
            self.store.lock.release()

    def distrust(self, err: sqlite3.Error) -> None:
        """Close the index after an error, and remove it if that is what is wrong."""
        self.writer.distrust(err, locked=self._locked)

    def close(self) -> None:
        """Let go of the index."""
        self.writer.close()

    def _own_index(self, *, behind: bool = False) -> Index:
        """Return the store's index with all that the journal holds, in a SQLite transaction.

        The lock is held until the end: nobody may write in between.
        """
        self.lock()
        if not self.writer.open and not self.writer.resume(self._tail, self._size):
            self._fold(letting_others_write=False)
        if not behind:
            self.writer.catch_up()
        assert self.writer.index is not None
        return self.writer.index

    def _fold(self, *, letting_others_write: bool) -> None:
        self.lock()
        if self.writer.resume(self._tail, self._size):
            self.writer.catch_up()
            return
        while self.writer.step():
            self.writer.finish(self._size)
            if letting_others_write:
                self._locked = False
                self.store.lock.release()
                self.lock()

    def _number(self) -> None:
        self.lock()
        self._draft.number(self._base)

    @property
    def _base(self) -> int:
        """The seq of a job that is added at the end of the journal."""
        return (self._tail << 32) | self._size

    def _lock_to_add(self, adds: list[bytes]) -> bool:
        """Take the write lock; return False if another writer has added these meanwhile."""
        lock = self.store.lock
        try:
            if not lock.acquire(adds=adds):
                return False
            self._locked = True
            self.store.wake_early()
            self._tail, self._size = self.store.journal.open_tail(self._whole_reserve)
            return lock.left_at is None or not self._are_at(*lock.left_at, adds)
        except StoreError as err:
            if lock.left_at is None:
                raise
            raise type(err)(f"{err}. {UNSURE}") from err

    def _are_at(self, segment: int, offset: int, adds: list[bytes]) -> bool:
        text = b"".join(lines.seal_all(adds, (segment << 32) | offset))
        place = Place(segment, offset, len(text))
        return self.store.journal.holds(place, text, self._size)

    def _append_with_others(self, texts: list[bytes]) -> None:
        """Append these lines and what others have posted, or these alone if room lacks."""
        journal, batch = self.store.journal, self.store.lock.batch()
        try:
            others = batch.take(self._tail, self._size + sum(map(len, texts)))
            try:
                journal.append(texts, self._size, self._reserve, others)
            except StoreError as err:
                batch.end(durable=False)
                if not others or not isinstance(err, StoreFull):
                    raise
                # After a failed fdatasync the tail is another one.
                if journal.open_tail(self._whole_reserve) != (self._tail, self._size):
                    raise
                journal.append(texts, self._size, self._reserve)
            else:
                batch.end(durable=True)
        finally:
            batch.let_go()

    def _may_wait(self) -> bool:
        """Return whether the index need not know at once what is written."""
        if not self._plain or self.writer.index is None:
            return False
        try:
            return not self.writer.index.any_waits()
        except sqlite3.Error:
            return False  # it will say so again when it is told

    def _keep_folded(self) -> None:
        from jobctl.stores.directory.index import is_damaged

        try:
            self.writer.finish(self._size)
        except sqlite3.Error as err:
            if is_damaged(err):
                raise
            self.distrust(err)  # whoever asked has his answer: it can be folded again

    @property
    def _whole_reserve(self) -> int:
        return max(room.LEAST, self.store.lock.reserve)

    @property
    def _reserve(self) -> int:
        """How many bytes have to be free behind those of this transaction."""
        if self._grows:
            return self._whole_reserve
        # Deletes and cancels help against a full disk, but must not leave nothing.
        return 0 if self._settles else self._whole_reserve // 2
