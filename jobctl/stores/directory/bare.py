"""An index that is made of many lines: its SQLite indexes come after its rows.

Of all rows at once they cost a third of what they cost row by row. Until all are there the
index is bare, which its position says: then nobody asks it anything, and whoever folds goes
on with it, one SQLite index in a step. The RARE ones stay until a row may be in them.

While `by_id` is not there, what is known of a job is found by its seq. That is as good as
long as no two rows have one id. Rows only come while it is so: before the first one may go,
`by_id` is made. It is unique, so two rows of one id that there ever were are noticed then.
They make an odd index, as does any line that must not count; it is made anew, row by row.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable

from jobctl.stores.directory.schema import BY_ID, INDEXES

#: With so many jobs the rest is made row by row: nobody waits long for one SQLite index.
MANY = 4_000_000

#: With so many threads of its own SQLite sorts what goes into a SQLite index, so many KiB at a
#: time. With as much as it keeps of the file it would have less to do for them, in more memory.
_THREADS, _SORTED = 2, 4000

#: SQLite indexes of jobs that are delayed, or have begun. While there are none of these it
#: costs less to have them than to make them, which takes a look at every row.
RARE = {"by_end", "waiting", "stopping"}


class OddIndexError(Exception):
    """A bare index that cannot be made whole: it has to be made anew, row by row."""


class Bare:
    """What a connection to an index that may be bare can do to it."""

    execute: Callable[..., sqlite3.Cursor]

    def strip(self) -> None:
        """Make an index bare that has no rows yet."""
        for name in INDEXES.keys() - RARE:
            self.execute(f"DROP INDEX {name}")

    def strip_rare(self) -> None:
        """Drop the RARE ones before a row comes that may be in them."""
        missing = self.missing()
        if BY_ID in missing:  # else they may have rows, and are kept up row by row
            for name in RARE.difference(missing):
                self.execute(f"DROP INDEX {name}")

    def missing(self) -> list[str]:
        """Return the SQLite indexes that are still to be made."""
        rows = self.execute("SELECT name FROM sqlite_master WHERE type='index'")
        there = {row[0] for row in rows}
        return [name for name in INDEXES if name not in there]

    def find_by_id(self) -> None:
        """Let jobs be found by their ids from now on. May raise OddIndexError."""
        if BY_ID in self.missing():
            self._make(BY_ID)

    def dress(self) -> bool:
        """Make a SQLite index that is missing; return whether more are.

        Raises OddIndexError if it cannot be made.
        """
        missing = self.missing()
        for name in missing[:1]:
            self._make(name)
        return len(missing) > 1

    def has_many(self) -> bool:
        """Return whether there are so many jobs that it should not stay bare."""
        row = self.execute("SELECT SUM(n) FROM counters").fetchone()
        return (row[0] or 0) >= MANY

    def _make(self, name: str) -> None:
        (cache,) = self.execute("PRAGMA cache_size").fetchone()
        try:
            # With one processor they would only cost what they cost.
            if len(os.sched_getaffinity(0)) > 1:
                self.execute(f"PRAGMA threads={_THREADS}")
                self.execute(f"PRAGMA cache_size=-{_SORTED}")
            self.execute(INDEXES[name])
        except sqlite3.IntegrityError as err:
            raise OddIndexError("two rows have one id") from err
        except sqlite3.OperationalError as err:
            # It wants more room than row by row: what is sorted goes to files elsewhere.
            raise OddIndexError("there is no room to sort it") from err
        finally:
            self.execute("PRAGMA threads=0")
            self.execute(f"PRAGMA cache_size={cache}")
