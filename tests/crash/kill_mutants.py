"""Stores with a protection taken out, for the kills and the errors: each must be found out.

Each function takes one out of the process that calls it, and says so, loudly, when what it
takes out is no longer there.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from jobctl.errors import StoreError, StoreFull
from jobctl.stores.directory import compact, journal, layout
from jobctl.stores.directory.commit import Commit
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.layout import FORMAT, Header, Layout
from jobctl.stores.directory.rows import Position
from jobctl.stores.directory.transaction import DirectoryTransaction
from jobctl.stores.directory.writer import IndexWriter


def _replace(owner: Any, name: str, change: Callable[[Any], Any]) -> None:
    """Replace a function or method of a class or module by what `change` makes of it."""
    assert name in vars(owner), f"{owner} has no {name} any more: mend the mutant"
    setattr(owner, name, change(vars(owner)[name]))


def early_acknowledgement() -> None:
    """A change is acknowledged, and written when the next one comes."""
    later: list[bytes] = []

    def append(self: Journal, texts: list[bytes], size: int, reserve: int = 0) -> None:
        later.extend(texts)

    def open_tail(real: Any) -> Any:
        def opened(self: Journal, reserve: int = 0) -> tuple[int, int]:
            tail, size = real(self, reserve)
            texts, later[:] = list(later), []
            if texts:
                written(self, texts, size)
                tail, size = real(self, reserve)
            return tail, size

        return opened

    written = Journal.append
    _replace(Journal, "append", lambda real: append)
    _replace(Journal, "open_tail", open_tail)


def piecemeal() -> None:
    """A transaction is written line by line, not all or nothing."""

    def apart(real: Any) -> Any:
        def change(self: DirectoryTransaction, *arguments: Any) -> Any:
            result = real(self, *arguments)
            self.commit()
            return result

        return change

    def add(self: DirectoryTransaction, jobs: Any) -> None:
        for job in jobs:
            single(self, [job])
            self.commit()

    single = DirectoryTransaction.add
    _replace(DirectoryTransaction, "add", lambda real: add)
    for name in ("save", "put", "settle"):
        _replace(DirectoryTransaction, name, apart)


def torn_tail_kept() -> None:
    """What a writer that died has left at the end of a segment is not cut off."""
    _replace(Journal, "_trim", lambda real: lambda self: os.fstat(self._fd).st_size)


def failed_append_kept() -> None:
    """What a failed append has left is taken for whole by the process that left it."""

    def change(real: Any) -> Any:
        def append(self: Journal, *arguments: Any) -> None:
            try:
                real(self, *arguments)
            except StoreError:
                self._whole = os.fstat(self._fd).st_size
                raise

        return append

    _replace(Journal, "append", change)
    _replace(Journal, "_cut", lambda real: lambda self, size, **how: None)


def half_write_acknowledged() -> None:
    """A write that wrote only a part is taken for whole."""

    def append(self: Journal, texts: list[bytes], size: int, reserve: int = 0) -> None:
        os.write(self._fd, b"".join(texts))
        self.sync(size)

    _replace(Journal, "append", lambda real: append)


def full_disk_ignored() -> None:
    """There is no room: nobody is told."""

    def change(real: Any) -> Any:
        def append(self: Journal, *arguments: Any) -> None:
            with suppress(StoreFull):
                real(self, *arguments)

        return append

    _replace(Journal, "append", change)


def fdatasync_again() -> None:
    """A failed fdatasync is tried again, and believed."""

    def sync(self: Journal, good: int) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:
            os.fdatasync(self._fd)

    _replace(Journal, "sync", lambda real: sync)


def index_must_follow() -> None:
    """A change is durable, and yet it fails, for the index could not be written."""

    def distrust(self: IndexWriter, err: Exception, *, locked: bool) -> None:
        raise OSError(errno.EIO, str(err))

    _replace(IndexWriter, "distrust", lambda real: distrust)


def error_let_through() -> None:
    """What the system says is not made a StoreError of."""

    def unchanged(err: OSError, what: object) -> OSError:
        return err

    _replace(journal, "store_error", lambda real: unchanged)


def header_in_place() -> None:
    """store.json is written where it stands, so it may be there before it is whole."""

    def create_header(where: Layout, store_id: str) -> Header:
        fd = layout.open_file(where.header, os.O_WRONLY | os.O_CREAT)
        os.write(fd, msgspec.json.encode(Header(FORMAT, store_id)))
        os.fsync(fd)
        os.close(fd)
        return Header(FORMAT, store_id)

    _replace(layout, "create_header", lambda real: create_header)


def old_index_believed() -> None:
    """An index of another version is used as it is."""

    def change(real: Any) -> Any:
        def position(self: Index) -> Position | None:
            found: Position | None = real(self)
            if found is None:
                with suppress(sqlite3.OperationalError):
                    found = Position(*self.execute("SELECT * FROM meta").fetchone()[2:])
            return found

        return position

    _replace(Index, "position", change)


def segment_gone_first() -> None:
    """Compaction removes a segment before its last lines are written again."""

    def change(real: Any) -> Any:
        def compact_step(tx: DirectoryTransaction, worth: float = compact.WORTH) -> bool:
            more: bool = real(tx, worth)
            oldest, offset = tx.store.compacting
            if more and oldest and offset == tx.store.journal.end(oldest):
                tx.store.journal.retire(oldest)
            return more

        return compact_step

    _replace(compact, "compact_step", change)


def deleted_in_the_index_only() -> None:
    """A job that is deleted leaves no tombstone in the journal."""

    def delete(self: DirectoryTransaction, job: Any) -> None:
        self.index().execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    _replace(DirectoryTransaction, "delete", lambda real: delete)


def no_reserve_for_ends() -> None:
    """What runs needs as much room to end as an add does to begin."""
    reserve = property(lambda self: self._whole_reserve)
    _replace(Commit, "_reserve", lambda real: reserve)


def no_reserve() -> None:
    """An add takes the last room there is."""
    _replace(Commit, "_reserve", lambda real: property(lambda self: 0))


def exit_code_of_a_bug() -> None:
    """A store that cannot be used ends a command as a bug does."""
    _replace(StoreError, "exit_code", lambda real: 1)


def traceback_shown() -> None:
    """A command that fails shows where, as a bug does."""
    from jobctl.cli import render

    def error(err: Exception | str) -> None:
        raise RuntimeError("not shown") from (err if isinstance(err, Exception) else None)

    _replace(render, "error", lambda real: error)


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        early_acknowledgement,
        piecemeal,
        torn_tail_kept,
        failed_append_kept,
        half_write_acknowledged,
        full_disk_ignored,
        fdatasync_again,
        index_must_follow,
        error_let_through,
        header_in_place,
        old_index_believed,
        segment_gone_first,
        deleted_in_the_index_only,
        no_reserve_for_ends,
        no_reserve,
        exit_code_of_a_bug,
        traceback_shown,
    )
}
