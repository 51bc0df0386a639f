"""The index as a store's one writer keeps it in this process, and the lanes that follow it.

It is closed, or open: then it knows all that the journal holds but what `lag` has, in a
SQLite transaction that is still to be committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobctl.core.job import Status
from jobctl.errors import StoreError
from jobctl.stores.directory import lines
from jobctl.stores.directory.journal import REFUSED, SEGMENT_SIZE
from jobctl.stores.directory.lag import Lag
from jobctl.stores.directory.segments import Line, Where

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.lane import Source
    from jobctl.stores.directory.lanes import Lanes
    from jobctl.stores.directory.store import DirectoryStore
    from jobctl.stores.directory.table import Folded

_RUNNING = Status.RUNNING
#: An add folds a step when so many bytes of the journal are not in the index.
_UNFOLDED = 4 << 20
#: How many lines such a step takes: all others who add wait for it.
_SHORT = 500
#: Bytes of what others have added that the index need not know before a claim.
_NEW = 64 << 10
#: Delayed jobs that become ready at a time.
PROMOTED = 1000


class IndexWriter:
    """The writing side of the index. The write lock is held in every method but `close`."""

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self.index: Index | None = None
        self._spare: Index | None = None
        self.open = False
        self.lag = Lag()
        self._lanes: Lanes | None = None
        self._position: tuple[int, int] | None = None  # where this process left the index
        self._unsynced = False  # it holds lines that nobody has made durable yet

    def step(self, most: int | None = None) -> bool:
        """Open it and fold in a step of the journal; return whether there is more."""
        from jobctl.stores.directory.fold import fold_step

        index = self._begin()
        more, folded = fold_step(self._store.journal, index, most)
        self._follow(folded)
        self._unsynced = bool(folded.news)
        return more

    def resume(self, tail: int, size: int) -> bool:
        """Open it if it knows all but the lag, and return whether it does.

        `tail` and `size` are where the journal ends. Only a segment's number and two sizes
        are compared: if others have written or folded meanwhile, they differ. A few new jobs
        that others have added go into the lag, if this process claims.
        """
        end = self.lag.end or self._position
        if self.index is None or end is None or end[0] != tail:
            return False
        claims = self._lanes is not None and self._lanes.active
        if not 0 <= size - end[1] <= (_NEW if claims else 0):
            return False
        position = self._open_index().position()
        self.open = True
        if position is None or position.bare or position[:2] != self._position:
            self.forget()
            return False
        if size > end[1] and not self._take_new(end, size):
            self.index.rollback()
            self.open = False
            return False
        return True

    def _take_new(self, end: tuple[int, int], size: int) -> bool:
        """Take what stands in the journal behind `end` into the lag; return whether it may.

        Whoever added it may have died before it was durable. Before the lag is relied on it
        will be: by the fdatasync of a claim, which stands behind it, or by `finish`.
        """
        from jobctl.stores.directory.fresh import find_new

        assert self.index is not None
        assert self._lanes is not None
        found = find_new(self._store.journal, self.index, self.lag, end, size)
        if found is None:
            return False
        jobs = [job for job, _ in found]
        places = [line.place for _, line in found]
        self.lag.add(jobs, places, found[-1][1].text)
        self._lanes.follow_all(jobs, ())
        self._unsynced = True
        if self.lag.full:
            self.catch_up()
            self._lanes.settled()  # nothing has been claimed in this transaction yet
        return True

    def catch_up(self) -> None:
        """Fold in the lag."""
        if self.lag:
            assert self.index is not None
            written = self.lag.lines
            self.index.fold(written, skipped=self.lag)  # the lanes have followed: see put_off
            self.index.expect(one for one in written if one[0].status is _RUNNING)
            self._reach(*self.lag.last)
            self.lag.clear()

    def put_off(self, jobs: Sequence[Any], places: Sequence[Where], last: bytes) -> bool:
        """Let the index lag behind by these jobs' lines, commit and close; return if it may.

        They were claimed, or had been, and have ended: the lanes know. Only who claims has
        them often enough for it. `last` is the text of the last line.
        """
        if self._lanes is None or not self._lanes.active:
            return False
        self.lag.add(jobs, places, last)
        self._unsynced = False
        try:
            if self.lag.full:
                self.catch_up()
            self.finish(0)
        except sqlite3.Error as err:
            with suppress(StoreError):
                self.distrust(err, locked=True)
        return True

    def finish(self, size: int) -> tuple[int, int]:
        """Commit it and close it; return where it has come to.

        `size` is that of the journal's tail: what was found there is made durable first.
        """
        assert self.index is not None
        if self._unsynced:
            self._store.journal.sync(size)
            self._unsynced = False
        position = self.index.position()
        assert position is not None
        self.index.commit()
        self.open = False
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        if self._position != position[:2]:
            self._position = position[:2]
            self._store.lock.note_folded(*self._position)
        if self._lanes is not None and not self.lag:
            self._lanes.settled()
        return self._position

    def take(
        self, entries: Sequence[Any], places: Sequence[Where], texts: Sequence[bytes]
    ) -> None:
        """Fold in what has just been appended and made durable, commit and close.

        Lines of the store's own housekeeping stand behind those of the `entries`.

        An error is no failure of the call: the next one folds the lines in.
        """
        assert self.index is not None
        try:
            self.catch_up()
            folded = self.index.fold(list(zip(entries, places, strict=False)))
            for place in folded.refused:
                text = texts[places.index(place)]
                self._store.journal.quarantine(Line(place, text), REFUSED)
            self._follow(folded)
            self._reach(places[-1], texts[-1])
            self._unsynced = False
            self.finish(0)
        except sqlite3.Error as err:
            with suppress(StoreError):
                self.distrust(err, locked=True)

    def step_if_far_behind(self, tail: int, size: int) -> None:
        """Fold in a step after an add, when much has come since somebody did.

        The add has made durable what stands before it, so nothing is left to be synced; and
        whatever goes wrong here is no failure of it.
        """
        segment, offset = self._store.lock.folded
        behind = (tail - max(segment, 1)) * SEGMENT_SIZE + size - offset
        if behind > _UNFOLDED:
            try:
                self.step(_SHORT)
                self._unsynced = False
                self.finish(size)
            except sqlite3.Error as err:
                with suppress(StoreError):
                    self.distrust(err, locked=True)
            except StoreError:
                self.forget()

    def claiming(self) -> Lanes:
        """Return the lanes, which follow the index from now on."""
        assert self.index is not None
        if self._lanes is None:
            # Not each time: an import costs a daemon that has slept 20 us of its claim.
            from jobctl.stores.directory.lanes import Lanes

            self._lanes = Lanes()
        if not self._lanes.active:
            self._lanes.load(self.index)
        return self._lanes

    @property
    def source(self) -> Source:
        """What lanes ask."""
        assert self.index is not None
        assert self._lanes is not None
        return self._lanes.source(self.index, self.lag.waiting)

    def promote(self, limit: int, now: int) -> bool:
        """Make due delayed jobs ready, enough for `limit`; return whether more may be due."""
        index, lanes = self.index, self._lanes
        assert index is not None
        assert lanes is not None
        for _ in range(0, limit, PROMOTED):
            at = index.next_due()
            if at is None or at > now:
                return False
            due = index.promote(now, PROMOTED)
            for name, key, rank, run_at, seq in due:
                lanes.ready(name, key, rank, run_at, seq)
            if len(due) < PROMOTED:
                return False
        return True

    def distrust(self, err: sqlite3.Error, *, locked: bool) -> None:
        """Close the index after an error, and remove it if that is what is wrong."""
        from jobctl.stores.directory.index import is_damaged, is_full, remove

        # Opened anew it would need more room than it has, on a full disk.
        self.forget(close=not is_full(err))
        if locked and is_damaged(err):
            remove(self._store.layout.index)

    def spare(self) -> Index:
        """Return an index in memory that knows all, while the one on the disk cannot be used.

        It is for questions: what is written is not folded into it before it is asked again.
        """
        from jobctl.stores.directory.fold import fold_all
        from jobctl.stores.directory.index import Index

        if self._spare is None:
            self._spare = Index(None, self._store.store_id)
            self._spare.reset()
        fold_all(self._store.journal, self._spare)
        return self._spare

    def forget(self, *, close: bool = True) -> None:
        """Keep nothing that was not committed, and close it; the lanes begin anew."""
        self.open = False
        self._unsynced = False
        self._position = None
        self.lag.clear()
        if self._lanes is not None:
            self._lanes.reset()
        if self.index is not None:
            try:
                self.index.rollback()
            except sqlite3.Error:
                close = True  # which has the same effect
            if close:
                index, self.index = self.index, None
                index.close()

    def close(self) -> None:
        """Let go of the index."""
        if self._spare is not None:
            self._spare.close()
            self._spare = None
        if self.index is not None:
            self.index.close()
            self.index = None

    def _reach(self, place: Where, text: bytes) -> None:
        """Write down that the index has come to the end of a line."""
        from jobctl.stores.directory.rows import Position

        assert self.index is not None
        segment, offset, length = place
        crc = lines.checksum(text)
        self.index.set_position(Position(segment, offset + length, crc, length))

    def _follow(self, folded: Folded) -> None:
        if self._lanes is not None and self._lanes.active:
            self._lanes.follow_all(folded.news, folded.moved)

    def _begin(self) -> Index:
        """Open the index and a SQLite transaction; begin anew if it is of another journal."""
        from jobctl.stores.directory.fold import agrees

        journal = self._store.journal
        self.lag.clear()  # the journal has it
        index = self._open_index()
        index.seen.clear()
        self.open = True
        position = index.position()
        if position is None or not agrees(journal, position):
            index.reset()
            position = index.position()
        assert position is not None
        if self._lanes is not None and (position.bare or position[:2] != self._position):
            self._lanes.reset()  # somebody else has folded: what he saw is not known here
        return index

    def _open_index(self) -> Index:
        if self.index is not None and self.index.replaced():
            self.forget()
            self._store.journal.forget_all()  # a restore replaces the segments as well
        try:
            return self._opened()
        except sqlite3.Error as err:
            from jobctl.stores.directory.index import is_damaged

            self.distrust(err, locked=True)
            if not is_damaged(err):
                raise
            return self._opened()  # anew

    def _opened(self) -> Index:
        if self.index is None:
            from jobctl.stores.directory.index import Index

            self.index = Index(self._store.layout.index, self._store.store_id)
        self.index.begin()
        self.index.position()
        return self.index
