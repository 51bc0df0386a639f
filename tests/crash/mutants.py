"""The directory store with one protection taken out of it: each must be found out by a test.

A function changes the process that calls it, which plays a scenario or looks at what is left.
All of them say so, loudly, when what they take out is no longer there.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobctl.stores.directory import backup, compact, fold, layout, lines, restore
from jobctl.stores.directory.commit import Commit
from jobctl.stores.directory.draft import Draft
from jobctl.stores.directory.inserts import Found
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.rows import Position
from jobctl.stores.directory.segments import Where
from jobctl.stores.directory.transaction import DirectoryTransaction
from tests.crash.kill_mutants import _replace, fdatasync_again, torn_tail_kept


def no_fdatasync() -> None:
    """An add is acknowledged before it is on the disk."""
    _replace(Journal, "sync", lambda real: lambda self, good: None)


def no_folder_fsync() -> None:
    """The name of a new segment may not be on the disk when somebody relies on it."""
    _replace(Journal, "_sync_names", lambda real: lambda self: None)


def index_first() -> None:
    """The index is committed before the lines that it points to are appended."""

    def commit(self: Commit) -> None:
        if self._draft.empty or not self.writer.open:
            real(self)
            return
        self._number()
        entries, texts = self._draft.writes, self._draft.seal()
        self.writer.take(entries, self.store.journal.places(texts, self._size), texts)
        self.store.journal.append(texts, self._size, self._reserve)
        self._draft = Draft()

    real = Commit.commit
    _replace(Commit, "commit", lambda real: commit)


def early_unlink() -> None:
    """An old segment is removed when its lines are copied, but not yet on the disk."""

    def change(real: Any) -> Any:
        def compact_step(tx: DirectoryTransaction, worth: float = compact.WORTH) -> bool:
            more: bool = real(tx, worth)
            journal = tx.store.journal
            oldest, offset = tx.store.compacting

            def sync(good: int) -> None:
                del vars(journal)["sync"]
                journal.retire(oldest)
                journal.sync(good)

            if more and oldest and offset == journal.end(oldest):
                vars(journal)["sync"] = sync  # for the commit of the last copies
            return more

        return compact_step

    assert "sync" in vars(Journal), "the journal has no sync any more: mend the mutant"
    _replace(compact, "compact_step", change)


def early_tombstone() -> None:
    """A segment is compacted that is not the oldest, and its tombstones go with it."""

    def change(real: Any) -> Any:
        def compact_step(tx: DirectoryTransaction, worth: float = compact.WORTH) -> bool:
            tx.index()
            journal = tx.store.journal
            there = journal.segments
            vars(journal)["segments"] = lambda: there()[1:]
            try:
                more: bool = real(tx, worth)
            finally:
                del vars(journal)["segments"]
            return more

        return compact_step

    _replace(compact, "compact_step", change)


def half_transaction() -> None:
    """Each line counts, whether or not the others of its transaction are there."""

    def _take(
        journal: Journal, position: Position, most: int
    ) -> tuple[list[Found], Where | None, bool]:
        taken: list[Found] = []
        last: Where | None = None
        for segment in journal.segments():
            if segment >= position.segment:
                start = position.offset if segment == position.segment else 0
                for last, text in journal.scan(segment, start):
                    entry = lines.read_entry(text)
                    if entry:
                        taken.append((entry, last))
        return taken, last, False

    _replace(fold, "_take", lambda real: _take)


def _no_fsync(module: ModuleType) -> None:
    """Let a module wait for the disk no more."""

    class Os:
        def fsync(self, fd: int) -> None:
            pass

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    assert "os.fsync(" in inspect.getsource(module), f"{module} has no fsync: mend the mutant"
    _replace(module, "os", lambda real: Os())


def header_not_synced() -> None:
    """A new store's store.json may be empty when an add to it is acknowledged."""
    _no_fsync(layout)


def backup_not_synced() -> None:
    """A backup gets its name before it is on the disk."""
    _no_fsync(backup)


def restore_not_synced() -> None:
    """A restored store takes the place of the old one before it is on the disk."""
    _no_fsync(restore)


#: By name.
MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        no_fdatasync,
        no_folder_fsync,
        index_first,
        early_unlink,
        early_tombstone,
        torn_tail_kept,
        half_transaction,
        fdatasync_again,
        header_not_synced,
        backup_not_synced,
        restore_not_synced,
    )
}
