"""Repair a store: what cannot be read is kept apart, what can be read counts again.

Each step leaves a store that works, so a repair that is killed is begun anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import msgspec

from jobctl.core.finding import Examined, Finding
from jobctl.stores.directory.compact import compact_through
from jobctl.stores.directory.doctor import examine, told_id
from jobctl.stores.directory.fold import fold_all
from jobctl.stores.directory.index import Index, remove
from jobctl.stores.directory.inspection import Inspected
from jobctl.stores.directory.layout import (
    Layout,
    create_header,
    look_at_store,
    read_file,
    store_error,
)
from jobctl.stores.directory.quarantine import keep_safe, kept, mark_seen, move_away
from jobctl.stores.directory.salvage import salvage
from jobctl.stores.directory.seat import maintenance
from jobctl.stores.directory.segments import Line, last_good
from jobctl.stores.directory.store import DirectoryStore

#: What is wrong with files, and needs no look into the journal.
_OUTSIDE = ("leftover", "quarantine", "lock")


def repair(root: Path, now: datetime) -> Examined:
    """Mend what can be mended; return what was found, each marked if it is so no longer.

    Raises StoreBusy while a daemon runs, StoreError if the store cannot be written.
    """
    layout, _ = look_at_store(root)
    with maintenance(layout):
        before = examine(root, now)
        if not before.findings:
            return before
        try:
            fates = _mend(layout, before.findings, now)
        except OSError as err:
            raise store_error(err, err.filename or root) from err
        left = {_key(one) for one in examine(root, now).findings}
    findings = []
    for one in before.findings:
        fate = fates.get(one.job or "")
        message = f"{one.message}; {fate}" if fate else one.message
        mended = _key(one) not in left
        findings.append(msgspec.structs.replace(one, message=message, repaired=mended))
    return msgspec.structs.replace(before, findings=findings)


def _key(one: Finding) -> tuple[str, str, int | None]:
    return one.code, one.path, one.offset


def _mend(layout: Layout, found: Collection[Finding], now: datetime) -> dict[str, str]:
    """Do all of it; return what became of the jobs whose newest record is lost, by id."""
    fates: dict[str, str] = {}
    for one in found:
        if one.code in ("file", "foreign"):
            move_away(layout.root, one.path)
        elif one.code == "leftover":
            (layout.root / one.path).unlink(missing_ok=True)
        elif one.code == "store":
            _put_header_back(layout)
    if any(one.code not in _OUTSIDE for one in found):
        lost = {one.job for one in found if one.job is not None}
        store = DirectoryStore(layout.root)
        try:
            for one in found:
                if one.code == "broken":
                    _go_on(store, layout.root / one.path)
            fates = _mend_journal(store, lost, now)
        finally:
            store.close()
    for path, note in kept(layout.quarantine):
        if not note.seen:
            mark_seen(path, note)
    return fates


def _put_header_back(layout: Layout) -> None:
    store_id = told_id(layout)
    if store_id is not None:
        if os.path.lexists(layout.header):
            move_away(layout.root, layout.header.name)
        create_header(layout, store_id)


def _go_on(store: DirectoryStore, path: Path) -> None:
    """Begin a new segment after one of which a write could not be made durable."""
    marker = Path(f"{path}.broken")
    number = int(path.stem)
    store.lock.acquire()
    try:
        if store.journal.segments()[-1:] == [number]:
            with path.open("rb") as file:
                good = last_good(file.fileno(), path.stat().st_size)
            # Without its newline the number may be the beginning of a larger one.
            told = re.fullmatch(rb"([0-9]+)\n", read_file(marker))
            store.journal.go_on(min(int(told[1]), good) if told else good)
        marker.unlink()
    finally:
        store.lock.release()


def _mend_journal(store: DirectoryStore, lost: set[str], now: datetime) -> dict[str, str]:
    bad = _keep_bad_lines(store)
    _rebuild(store)
    fates = salvage(store, bad.bad, lost, now)
    if bad.bad:
        compact_through(store, max(one.place.segment for one in bad.bad))
    with store.transaction() as tx:
        for segment in bad.missing():
            tx.append_raw({"kind": "lost", "segment": segment})
    bad.close()
    return fates


def _keep_bad_lines(store: DirectoryStore) -> Inspected:
    """Keep apart, durably, all that does not count; what is left of it says what that is."""
    with store.transaction() as tx:
        tx.lock()  # cuts off what was never finished
    journal = Inspected(store.layout, store.store_id)
    index = Index(None, store.store_id)
    try:
        index.reset()
        fold_all(journal, index)
    finally:
        index.close()
    for one in journal.bad:
        line = Line(one.place, journal.read_raw(one.place))
        keep_safe(store.layout.quarantine, line, one.reason)
    return journal


def _rebuild(store: DirectoryStore) -> None:
    with store.transaction() as tx:
        tx.lock()
        tx.writer.forget()
        remove(store.layout.index)
        tx.fold_all()
