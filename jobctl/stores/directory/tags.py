"""Which jobs have a tag, as the index keeps it: a row for each, and none without tags."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from jobctl.stores.directory.rows import Old, labels, tags_of

_TAG = "INSERT OR IGNORE INTO tags VALUES (?,?)"
_UNTAG = "DELETE FROM tags WHERE tag=? AND seq=?"


class Tags:
    """The table of tags."""

    executemany: Callable[..., sqlite3.Cursor]

    def follow_tags(self, changes: Iterable[tuple[Old | None, Any]]) -> None:
        """Take in what jobs were and the lines that they are now; None is not there."""
        gone: list[tuple[str, int]] = []
        new: list[tuple[str, int]] = []
        for old, entry in changes:
            before = (old.seq, old.labels) if old else None
            if entry is not None and before == (entry.seq, labels(entry.tags)):
                continue  # most changes of a job leave its tags
            if old:
                gone.extend((tag, old.seq) for tag in tags_of(old.labels))
            if entry is not None:
                new.extend((tag, entry.seq) for tag in entry.tags)
        self.executemany(_UNTAG, gone)
        self.executemany(_TAG, new)
