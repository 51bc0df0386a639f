"""How the rows of jobs come into the index.

SQLite takes as long to be told a value as to write it, and to begin a statement as to write a
row. Most jobs are new, and their rows differ in few columns: these are told it for many rows
at once, the others stand in the statement.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from jobctl.core.job import Status
from jobctl.stores.directory.rows import NUMBER, columns
from jobctl.stores.directory.segments import Where

Found = tuple[Any, Where]

_INSERT = "INSERT INTO jobs VALUES "
_ANY = f"{_INSERT}(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
#: A job that was only added, and may be claimed: see `insert` for what is told of it.
_NEW = "(?,?,1,?,?,0,1,?,0,?,NULL,NULL,0,?,NULL,?,?,?)"
_TOLD = _NEW.count("?")
_PENDING = NUMBER[Status.PENDING]
#: Rows of one statement.
_ROWS = 40
_MANY = _INSERT + ",".join([_NEW] * _ROWS)


class Inserts:
    """The table of jobs, as it grows."""

    execute: Callable[..., sqlite3.Cursor]
    executemany: Callable[..., sqlite3.Cursor]

    def insert(
        self,
        fresh: Iterable[Found],
        counts: Counter[tuple[str, int]],
        live: Counter[int],
    ) -> None:
        """Write the rows of jobs, counting each in `counts` and its bytes in `live`."""
        new: list[Any] = []
        others: list[tuple[Any, ...]] = []
        names: list[str] = []
        for entry, (segment, offset, length) in fresh:
            live[segment] += length
            values = columns(entry)
            name, key, status, ready, rank, _, since, ended, begun, tries, created, tags = (
                values
            )
            only_added = entry.rev == 1 and tries == 0 and ended is None and begun is None
            if ready == 1 and only_added and tags is None:
                names.append(name)
                new += (
                    entry.seq, entry.id, name, key, rank, since, created,
                    segment, offset, length,
                )  # fmt: skip
            else:
                counts[name, status] += 1
                others.append(
                    (entry.seq, entry.id, entry.rev, *values, segment, offset, length)
                )
        for name, count in Counter(names).items():
            counts[name, _PENDING] += count
        step = _ROWS * _TOLD
        rest = len(new) - len(new) % step
        for begin in range(0, rest, step):
            self.execute(_MANY, new[begin : begin + step])
        one_by_one = iter(new[rest:])
        self.executemany(_INSERT + _NEW, zip(*[one_by_one] * _TOLD, strict=True))
        self.executemany(_ANY, others)
