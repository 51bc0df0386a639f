"""Compaction: the oldest segment's live lines are written again, then it goes.

Only ever the oldest: a tombstone may go with it, for nothing older is left that it hides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobctl.core.note import TOPICS
from jobctl.stores.directory import lines

if TYPE_CHECKING:
    from jobctl.stores.directory.index import Index
    from jobctl.stores.directory.segments import Line
    from jobctl.stores.directory.store import DirectoryStore
    from jobctl.stores.directory.transaction import DirectoryTransaction

#: A segment is worth it when no more than this share of it still counts.
WORTH = 0.5
#: Lines that are looked at under one hold of the lock.
_BATCH = 2000


def compact_step(tx: DirectoryTransaction, worth: float = WORTH) -> bool:
    """Copy a batch of the oldest segment's live lines, or retire it; return if more is left.

    A segment of which a larger share than `worth` counts is left alone.
    """
    journal = tx.store.journal
    segments = journal.segments()
    if len(segments) < 2:
        return False
    oldest = segments[0]
    index = tx.index()
    size = journal.end(oldest)
    if size is None or oldest not in journal.segments():
        return False
    progress = tx.store.compacting
    if progress[0] != oldest:
        if index.live_bytes(oldest) > size * worth:
            return False
        progress = (oldest, 0)
    offset, seen = progress[1], 0
    for line in journal.scan(oldest, offset):
        offset = line.place.offset + line.place.length
        seen += 1
        entry = lines.read_entry(line.text)
        if entry is None:
            journal.quarantine(line, "damaged, found as its segment was compacted", sync=True)
        elif _counts(index, entry, line):
            live = journal.job(line.place) if entry.kind == "job" else journal.note(line.place)
            if live is not None:
                tx.copy(live)
            else:
                journal.quarantine(line, "a whole line that nobody can read", sync=True)
        if seen == _BATCH:
            break
    tx.store.compacting = (oldest, offset)
    if offset < size:
        return True
    if seen:
        return True  # the last copies become durable before the next step retires it
    tx.append_raw({"kind": "retired", "segment": oldest})
    tx.commit()
    journal.retire(oldest)
    tx.store.compacting = (0, 0)
    return True


def compact_through(store: DirectoryStore, last: int) -> None:
    """Write again what counts of all segments up to this one, and retire them."""
    with store.transaction() as tx:
        tx.lock()
        if store.journal.segments()[-1] <= last:
            store.journal.go_on()
    more = True
    while more and store.journal.segments()[0] <= last:
        with store.transaction() as tx:
            more = compact_step(tx, worth=1.0)


def _counts(index: Index, entry: lines.Entry, line: Line) -> bool:
    """Return whether the index still points to an intact line."""
    if entry.kind in TOPICS:
        return index.note_place(entry.kind, entry.key) == line.place
    found = index.get(entry.id) if entry.kind == "job" else None
    return found is not None and found[0].place == line.place
