"""How a schedule stands, and what is noted of it: a success, an open job, its end."""

from __future__ import annotations

from datetime import datetime

import msgspec

from jobctl.core.note import SCHEDULE
from jobctl.core.standing import Standing, note_of, remembered, standing_of
from jobctl.core.store import Store, Transaction


def standing_in(store: Store, name: str) -> Standing | None:
    """Return where a schedule stands, None if the store knows nothing of it."""
    # Of the keys that begin with a name it is the first itself.
    for note in store.notes(SCHEDULE, name, limit=1):
        if note.key == name:
            return standing_of(note)
    return None


def finished(tx: Transaction, name: str, at: datetime, now: datetime) -> Standing | None:
    """Take note of a success of a schedule; return how it stood before, None if unknown."""
    note = tx.note(SCHEDULE, name)
    if note is None:
        return None
    old = standing_of(note)
    # One that was after now was so by a clock that was wrong.
    known = old.last_success is not None and at <= old.last_success <= now
    if not known or old.overdue is not None:
        new = msgspec.structs.replace(old, last_success=at, overdue=None)
        tx.put(note_of(name, new, now))
    return old


def reopen(tx: Transaction, name: str, job_id: str, now: datetime) -> None:
    """Take note that a job of a schedule is unfinished again, or for the first time."""
    note = tx.note(SCHEDULE, name)
    if note is not None:
        tx.put(note_of(name, remembered(standing_of(note), job_id), now))


def gone(tx: Transaction, name: str, now: datetime) -> None:
    """Take note that a schedule is declared no longer: one that comes back owes nothing."""
    note = tx.note(SCHEDULE, name)
    if note is not None:
        old = standing_of(note)
        if old.on or old.overdue is not None:
            off = msgspec.structs.replace(old, on=False, overdue=None)
            tx.put(note_of(name, off, now))
