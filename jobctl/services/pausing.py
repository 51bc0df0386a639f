"""Pausing: the jobs of a name, or all, rest until they are resumed.

What runs goes on. A pause is kept in the store: it outlives daemons and reboots.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from jobctl.core.intake import check_name
from jobctl.core.note import EVERYTHING, PAUSE, Note
from jobctl.core.store import Store


class Pause(msgspec.Struct, frozen=True):
    """What rests: the jobs of `name` (None: all jobs), since a time in UTC."""

    name: str | None
    since: datetime


def pause(store: Store, name: str | None, now: datetime) -> Pause:
    """Let the jobs of a name rest, None for all. One that rests already keeps its time.

    Raises InvalidJob for what cannot be a name.
    """
    key = _key(name)
    with store.transaction() as tx:
        note = tx.note(PAUSE, key)
        if note is None:
            note = Note(PAUSE, key, now)
            tx.put(note)
    return _pause(note)


def resume(store: Store, name: str | None) -> list[Pause]:
    """End the pause of a name, None for every pause; return those that ended.

    Raises InvalidJob for what cannot be a name.
    """
    key = _key(name)
    ended = [p for p in paused(store) if name is None or _key(p.name) == key]
    if ended:
        with store.transaction() as tx:
            for one in ended:
                tx.drop(PAUSE, _key(one.name))
        store.wake()
    return ended


def paused(store: Store) -> list[Pause]:
    """Return what rests: all jobs first, then by name."""
    return [_pause(note) for note in store.notes(PAUSE)]


def subject(pause: Pause) -> str:
    """Return what rests, as the beginning of a sentence."""
    return "all jobs rest" if pause.name is None else f"jobs of {pause.name} rest"


def undo(pause: Pause) -> str:
    """Return the command that ends a pause."""
    return "jobctl resume" if pause.name is None else f"jobctl resume {pause.name}"


def _key(name: str | None) -> str:
    if name is None:
        return EVERYTHING
    check_name(name)
    return name


def _pause(note: Note) -> Pause:
    return Pause(None if note.key == EVERYTHING else note.key, note.at)
