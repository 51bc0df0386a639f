"""Examine a store: read all there is, change nothing, and say what is wrong.

What is judged while others write is judged as they see it: the index as one snapshot, the
end of the journal under the write lock, so that a write on its way is no torn one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from jobctl.core.finding import Examined, Finding
from jobctl.errors import StoreBusy, StoreError
from jobctl.stores.directory.filecheck import check_files, check_quarantine
from jobctl.stores.directory.fold import fold_all
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.indexcheck import check_index
from jobctl.stores.directory.inspection import Inspected
from jobctl.stores.directory.layout import Layout, look_at_store
from jobctl.stores.directory.locks import PATIENCE, WriteLock
from jobctl.stores.directory.segments import Segments

#: How often the examination begins anew because segments were retired meanwhile; then it
#: lets nobody write.
_TRIES = 5


def examine(root: Path, now: datetime, *, patience: float = PATIENCE) -> Examined:
    """Read all of the store at `root` and return what is wrong with it.

    `patience` is how many seconds the write lock is waited for. Raises StoreUnwritable if
    there is no store there or it may not be read, StoreTooNew.
    """
    layout, store_id = look_at_store(root)
    found = list(check_files(layout, now))
    if store_id is None:
        store_id = told_id(layout)
        found.append(_headless(store_id))
    for nth in range(_TRIES):
        before = Segments(layout).segments()[:1]
        journal = Inspected(layout, store_id or "")
        read = list(_read(layout, journal, patience, alone=nth == _TRIES - 1))
        if before == Segments(layout).segments()[:1]:
            break
    odd = {one.path for one in found}
    read = [one for one in read if one.code != "unreadable" or one.path not in odd]
    return Examined(
        [*found, *read, *check_quarantine(layout)], len(journal.segments()), journal.lines
    )


def told_id(layout: Layout) -> str | None:
    """Return the store's id as its segments tell it, None if they do not agree."""
    told = set()
    journal = Inspected(layout, "")
    for segment in journal.segments():
        header = journal.header(segment)
        if header is not None:
            told.add(header.store)
    journal.close()
    return told.pop() if len(told) == 1 else None


def _headless(store_id: str | None) -> Finding:
    message = "it is missing or cannot be read"
    if store_id is None:
        message += ", and no segment tells whose it is: put it back from a backup"
    return Finding(
        code="store", path="store.json", message=message, repairable=store_id is not None
    )


def _read(
    layout: Layout, journal: Inspected, patience: float, *, alone: bool
) -> Iterator[Finding]:
    """Read journal and index; with `alone` all of it under the write lock."""
    fresh = Index(None, journal.store_id)
    lock = WriteLock(layout.write_lock, patience)
    try:
        fresh.reset()
        if alone:
            yield from _lock(lock)
        yield from check_index(layout, journal, fresh)
        fold_all(journal, fresh)
        if not alone:
            yield from _lock(lock)
        fold_all(journal, fresh)
        yield from journal.unfinished()
        missing = journal.missing()
    finally:
        lock.release()
        lock.close()
        fresh.close()
    yield from journal.findings()
    for segment in missing:
        message = "missing or empty: what stood in it is lost, and jobs may show an older state"
        yield Finding(code="missing", path=journal.name(segment), message=message)
    journal.close()


def _lock(lock: WriteLock) -> Iterator[Finding]:
    try:
        lock.acquire()
    except StoreBusy as err:
        why = str(err)
        yield Finding(code="lock", path="locks/write.lock", message=why, repairable=False)
    except StoreError:
        pass  # who may not write is content with what stands there
