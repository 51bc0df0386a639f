"""The index: a SQLite file over the journal, derived from it and replaceable at any time.

It knows of each job what claims, lists and counts need, and where its record stands. A
status is kept as a number; `ready` says what a job waits for: 1 to be claimed now, 2 for
its run_at, 3 to be stopped by its daemon. Times are microseconds since the epoch.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobctl.stores.directory.layout import store_error
from jobctl.stores.directory.queries import Queries
from jobctl.stores.directory.rows import Old, Position, Row, columns
from jobctl.stores.directory.schema import STATEMENTS, VERSION
from jobctl.stores.directory.segments import Place

_INSERT = "INSERT INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_UPDATE = (
    "UPDATE jobs SET rev=?, status=?, ready=?, due=?, since=?, finished=?, "
    "segment=?, offset=?, length=? WHERE seq=?"
)
_MOVE = "UPDATE jobs SET segment=?, offset=?, length=? WHERE seq=?"
_OLD = "SELECT seq, rev, status, segment, length, name, key, rank FROM jobs WHERE id=?"
_COUNT = "INSERT INTO counters VALUES (?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
_LIVE = (
    "INSERT INTO segments VALUES (?,?) ON CONFLICT DO UPDATE SET live = live + excluded.live"
)


def remove(path: Path) -> None:
    """Delete an index. The write lock is held."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def is_damaged(err: sqlite3.Error) -> bool:
    """Return whether an index that gave this error has to be built anew.

    Others (busy, full, read-only, an I/O error) do not tell of what stands in the file.
    """
    return not isinstance(err, sqlite3.OperationalError) or (
        getattr(err, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR  # a table is missing
    )


def _present(path: Path) -> int:
    """Return the inode of the file; make it, empty, if it is not there."""
    while True:
        try:
            return path.stat().st_ino
        except FileNotFoundError:
            # SQLite would make it 0644; -wal and -shm follow the mode of the file.
            try:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            except OSError as err:
                raise store_error(err, path) from err


class Index(Queries):
    """One connection to the index. A `path` of None keeps it in memory."""

    def __init__(self, path: Path | None, store_id: str) -> None:
        self._path = path
        self._store_id = store_id
        # Asked before it is opened: if it is replaced in between, it is opened once more.
        self._inode = _present(path) if path else 0
        self._db = sqlite3.connect(
            path or ":memory:", timeout=30, isolation_level=None, check_same_thread=False
        )
        self.execute = self._db.execute
        try:
            # WAL with NORMAL never waits for the disk at a commit: the journal is the truth.
            self.execute("PRAGMA journal_mode=WAL")
            self.execute("PRAGMA synchronous=NORMAL")
            self.execute("PRAGMA cache_size=-16000")
        except sqlite3.Error:
            self._db.close()
            raise

    def replaced(self) -> bool:
        """Return whether the file is no longer the one that was opened."""
        try:
            return self._path is not None and self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def position(self) -> Position | None:
        """Return how far the index has come; None if it is not one of this store."""
        try:
            row = self.execute("SELECT * FROM meta").fetchone()
        except sqlite3.OperationalError as err:
            if "no such table" in str(err) or "no such column" in str(err):
                return None
            raise
        if row is None or row[0] != VERSION or row[1] != self._store_id:
            return None
        return Position(*row[2:])

    def look(self) -> None:
        """See from now on what stands in the index now, and nothing newer, until `rest`."""
        self.rest()
        if self._path is not None:
            self.execute("BEGIN")

    def rest(self) -> None:
        """Let go of what `look` held."""
        if self._db.in_transaction:
            self.execute("COMMIT")

    def begin(self) -> None:
        """Start to write."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what was written."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Forget what was written."""
        if self._db.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def reset(self) -> None:
        """Begin anew, with nothing folded in."""
        for (name,) in self.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            self.execute(f'DROP TABLE "{name}"')
        for statement in STATEMENTS:
            self.execute(statement)
        self.execute("INSERT INTO meta VALUES (?,?,0,0,'',0)", (VERSION, self._store_id))

    # -- folding -----------------------------------------------------------------------

    def fold(self, found: Sequence[tuple[Any, Place]]) -> tuple[list[Any], list[Place]]:
        """Take in new lines, in their order.

        A line is a Job, or anything with its fields and a `kind` of "tombstone". Returns
        those that change a job (a copy does not), and the places of those that must not
        count: a second add of a known id, a seq that is another job's, a state older than
        the known one.
        """
        known: dict[str, Old | None] = {}
        latest: dict[str, tuple[Any, Place] | None] = {}
        news: list[Any] = []
        refused: list[Place] = []
        seen: dict[str, tuple[int, int]] = {}  # seq and rev as of this fold
        owners: dict[int, str] = {}  # of the seqs that are new in this fold
        for entry, place in found:
            key = entry.id
            if key not in known:
                row = self.execute(_OLD, (key,)).fetchone()
                known[key] = old = Old(*row) if row else None
                if old:
                    seen[key] = (old.seq, old.rev)
            before = seen.get(key)
            if getattr(entry, "kind", "job") == "tombstone":
                if before and before[0] == entry.seq:
                    latest[key] = None
                    del seen[key]
                    news.append(entry)
            elif before and (entry.seq != before[0] or entry.rev < before[1]):
                refused.append(place)
            elif before is None and self._owner(entry.seq, owners, key) != key:
                refused.append(place)
            else:
                latest[key] = (entry, place)
                seen[key] = (entry.seq, entry.rev)
                if before is None or entry.rev > before[1]:
                    news.append(entry)
        self._write(known, latest)
        return news, refused

    def _owner(self, seq: int, owners: dict[int, str], new: str) -> str:
        owner = owners.get(seq)
        if owner is None:
            row = self.execute("SELECT id FROM jobs WHERE seq=?", (seq,)).fetchone()
            owner = owners[seq] = row[0] if row else new
        return owner

    def _write(
        self,
        known: dict[str, Old | None],
        latest: dict[str, tuple[Any, Place] | None],
    ) -> None:
        counts: Counter[tuple[str, int]] = Counter()
        live: Counter[int] = Counter()
        deletes, inserts, updates, moves = [], [], [], []
        for job_id, new in latest.items():
            old = known[job_id]
            if old:
                counts[old.name, old.status] -= 1
                live[old.segment] -= old.length
            if new is None:
                if old:
                    deletes.append((old.seq,))
                continue
            entry, place = new
            values = columns(entry)
            name, key, status, ready, rank, due, since, finished = values
            counts[name, status] += 1
            live[place.segment] += place.length
            if old and (old.seq, old.name, old.key, old.rank) != (entry.seq, name, key, rank):
                deletes.append((old.seq,))
                old = None
            if old is None:
                inserts.append((entry.seq, job_id, entry.rev, *values, *place))
            elif old.rev == entry.rev:
                moves.append((*place, old.seq))
            else:
                updates.append(
                    (entry.rev, status, ready, due, since, finished, *place, old.seq)
                )
        many = self._db.executemany
        many("DELETE FROM jobs WHERE seq=?", deletes)
        many(_INSERT, inserts)
        many(_UPDATE, updates)
        many(_MOVE, moves)
        many(_COUNT, [(*key, n) for key, n in counts.items() if n])
        many(_LIVE, [(segment, n) for segment, n in live.items() if n])

    def set_position(self, position: Position) -> None:
        """Write down how far the journal has been folded in."""
        self.execute("UPDATE meta SET segment=?, offset=?, crc=?, length=?", position)

    def promote(self, now: int, limit: int) -> list[tuple[str, str, int, int, int]]:
        """Make delayed jobs ready that are due; return their lanes and orders."""
        return self.execute(
            "UPDATE jobs SET ready=1 WHERE seq IN (SELECT seq FROM jobs INDEXED BY waiting "
            "WHERE ready=2 AND due<=? ORDER BY due LIMIT ?) "
            "RETURNING name, key, rank, due, seq",
            (now, limit),
        ).fetchall()

    def drop(self, row: Row) -> None:
        """Forget a job whose record cannot be read any more."""
        old = Old(*self.execute(_OLD, (row.id,)).fetchone())
        self._write({row.id: old}, {row.id: None})
