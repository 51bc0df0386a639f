"""Where the notes of a store stand, as the index keeps it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from jobctl.core.note import PAUSE
from jobctl.stores.directory.rows import micros
from jobctl.stores.directory.segments import Place, Where

_PUT = "INSERT OR REPLACE INTO notes VALUES (?,?,?,?,?,?)"
_WHAT = "SELECT segment, offset, length FROM notes"


class Notes:
    """The table of notes."""

    execute: Callable[..., sqlite3.Cursor]

    def fold_notes(self, found: Sequence[tuple[Any, Where]], live: Counter[int]) -> None:
        """Take in lines of notes, in their order, and count the bytes that count in `live`."""
        latest = {(entry.kind, entry.key): (entry, place) for entry, place in found}
        for (topic, key), (entry, place) in latest.items():
            old = self.note_place(topic, key)
            if old is not None:
                live[old.segment] -= old.length
            if entry.gone:
                self.execute("DELETE FROM notes WHERE topic=? AND key=?", (topic, key))
            else:
                segment, _, length = place
                live[segment] += length
                self.execute(_PUT, (topic, key, micros(entry.at), *place))

    def note_place(self, topic: str, key: str) -> Place | None:
        """Return where a note stands."""
        row = self.execute(f"{_WHAT} WHERE topic=? AND key=?", (topic, key)).fetchone()
        return Place(*row) if row else None

    def note_places(
        self, topic: str, prefix: str, *, newest: bool, limit: int | None
    ) -> list[Place]:
        """Return where the notes of a topic stand whose keys begin with `prefix`."""
        order = "DESC" if newest else "ASC"
        rows = self.execute(
            f"{_WHAT} WHERE topic=? AND key>=? AND key<? ORDER BY key {order} LIMIT ?",
            (topic, prefix, prefix + "\x7f", -1 if limit is None else limit),
        )
        return [Place(*row) for row in rows]

    def note_places_before(self, topic: str, before: int, limit: int) -> list[Place]:
        """Return where notes stand that tell of a time before this one, the oldest first."""
        rows = self.execute(
            f"{_WHAT} INDEXED BY by_at WHERE topic=? AND at<? ORDER BY at, key LIMIT ?",
            (topic, before, limit),
        )
        return [Place(*row) for row in rows]

    def paused(self) -> set[str]:
        """Return the names that are paused."""
        rows = self.execute("SELECT key FROM notes WHERE topic=?", (PAUSE,))
        return {row[0] for row in rows}
