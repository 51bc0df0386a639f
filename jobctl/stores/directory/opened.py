"""A transaction as a context, and what an error of the index within it is called."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from jobctl.core.store import NESTED
from jobctl.errors import StoreError, StoreFull, StoreUnwritable
from jobctl.stores.directory.room import no_room

if TYPE_CHECKING:
    from jobctl.stores.directory.store import DirectoryStore
    from jobctl.stores.directory.transaction import DirectoryTransaction


class Opened:
    """A transaction as a context: a generator's would take longer than most of an add."""

    __slots__ = ("_store", "_tx", "_writing")

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store

    def __enter__(self) -> DirectoryTransaction:
        if self._store.in_transaction():
            raise RuntimeError(NESTED)
        self._writing = self._store.writing  # a child that is forked has another one
        self._writing.acquire()
        try:
            self._tx = self._store.begin()
        except BaseException:
            self._abandon()
            self._writing.release()
            raise
        return self._tx

    def __exit__(self, kind: object, err: BaseException | None, trace: object) -> None:
        try:
            if isinstance(err, sqlite3.Error):
                self._tx.distrust(err)
                self._store.end(self._tx, commit=False)
                raise index_error(err, self._store.layout.index) from err
            self._store.end(self._tx, commit=err is None)
        except BaseException:
            self._abandon()
            raise
        finally:
            self._writing.release()

    def _abandon(self) -> None:
        if self._writing is self._store.writing:  # else it is the parent's
            self._store.abandon()


def index_error(err: sqlite3.Error, path: Path) -> StoreError:
    """Return the StoreError that says what SQLite said of the index."""
    text = str(err)
    if "full" in text or no_room(path.parent):  # SQLite often says "disk I/O error"
        return StoreFull(f"{path}: {text}. Nothing was written; free some space")
    return StoreUnwritable(f"{path}: {text}")
