"""The index: a SQLite file over the journal, derived from it and replaceable at any time.

It knows of each job what claims, lists and counts need, and where its record stands. A
status is kept as a number; `ready` says what a job waits for: 1 to be claimed now, 2 for
its run_at, 3 to be stopped by its daemon, 4 for other jobs. Times are microseconds since
the epoch.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from jobctl.errors import StoreError
from jobctl.stores.directory.bare import Bare
from jobctl.stores.directory.layout import read_file, store_error
from jobctl.stores.directory.recall import Recall
from jobctl.stores.directory.rows import Position
from jobctl.stores.directory.schema import INDEXES, TABLES, VERSION
from jobctl.stores.directory.table import JobTable

#: Indexes that were in use as this process was forked: see forks.py.
_left: set[Path] = set()


def leave(path: Path) -> None:
    """Do not open an index any more: this process cannot lock it."""
    _left.add(path)


def remove(path: Path) -> None:
    """Delete an index. The write lock is held. Raises StoreError if it cannot be deleted."""
    for suffix in ("", "-wal", "-shm"):
        try:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        except OSError as err:
            raise store_error(err, path) from err


def is_damaged(err: sqlite3.Error) -> bool:
    """Return whether an index that gave this error has to be built anew.

    Others (busy, full, read-only, an I/O error) do not tell of what stands in the file.
    """
    return not isinstance(err, sqlite3.OperationalError) or (
        getattr(err, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR  # a table is missing
    )


def is_full(err: sqlite3.Error) -> bool:
    """Return whether the error says that there is no room left on the disk."""
    return getattr(err, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def hangs(path: Path) -> bool:
    """Return whether SQLite would wait ten seconds, in vain, for an index to be written.

    So it does on a disk that cannot be written when the -wal has no frame of its own yet,
    as after a power cut: nothing there tells that the writer is gone.
    """
    if os.access(path, os.W_OK):
        return False
    try:
        head = read_file(f"{path}-wal", limit=56)
    except (OSError, StoreError):
        return False
    # sqlite.org/fileformat2.html: the salts of the file, and those of its first frame.
    return bool(head) and head[16:24] != head[40:48]


def _present(path: Path) -> int:
    """Return the inode of the file; make it, empty, if it is not there.

    Raises sqlite3.OperationalError for a FIFO, a folder or a link: SQLite would follow it, and
    what it leads to may be somebody else's.
    """
    while True:
        try:
            info = path.lstat()
        except FileNotFoundError:
            # SQLite would make it 0644; -wal and -shm follow the mode of the file.
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            try:
                os.close(os.open(path, flags, 0o600))
            except OSError as err:
                raise store_error(err, path) from err
            continue
        except OSError as err:
            raise store_error(err, path) from err
        if not stat.S_ISREG(info.st_mode):
            raise sqlite3.OperationalError("it is not a regular file: move it away")
        return info.st_ino


class Index(JobTable, Bare):
    """One connection to the index. A `path` of None keeps it in memory."""

    def __init__(self, path: Path | None, store_id: str) -> None:
        if path in _left:
            raise sqlite3.OperationalError(
                "it was in use by another thread when this process was forked: fork while no "
                "thread is at work with the store, or start a new program"
            )
        self._path = path
        self._store_id = store_id
        # Asked before it is opened: if it is replaced in between, it is opened once more.
        self._inode = _present(path) if path else 0
        self._db = sqlite3.connect(
            path or ":memory:",
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
            uri=path is None,  # others are attached to it by a URI: see indexcheck.py
        )
        self.seen = {}
        self._writing = False
        self.recall = Recall(self._db)
        self._at: Position | None = None  # as this connection has seen it last
        self.execute = self._db.execute
        self.executemany = self._db.executemany
        try:
            # WAL with NORMAL never waits for the disk at a commit: the journal is the truth.
            self.execute("PRAGMA journal_mode=WAL")
            self.execute("PRAGMA synchronous=NORMAL")
            self.execute("PRAGMA cache_size=-16000")
            # The -wal of a rebuild does not stay as large as its largest SQLite index.
            self.execute("PRAGMA journal_size_limit=16000000")
        except sqlite3.Error:
            self._db.close()
            raise

    @property
    def on_disk(self) -> bool:
        """Whether it is a file."""
        return self._path is not None

    def replaced(self) -> bool:
        """Return whether the file is no longer the one that was opened."""
        try:
            return self._path is not None and self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True
        except OSError as err:
            raise store_error(err, self._path) from err

    def position(self) -> Position | None:
        """Return how far the index has come; None if it is not one of this store."""
        if self._writing and self._at is not None:
            return self._at
        try:
            row = self.execute("SELECT * FROM meta").fetchone()
        except sqlite3.OperationalError as err:
            if "no such table" in str(err) or "no such column" in str(err):
                return None
            raise
        if row is None or row[0] != VERSION or row[1] != self._store_id:
            return None
        found = Position(*row[2:])
        if self._writing:
            self._at = found
        return found

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
        self._writing = True
        if self.recall.begin():
            self._at = None

    def begin_anew(self) -> None:
        """Go on to write, with nothing folded in, after an error."""
        if not self._db.in_transaction:
            self.begin()  # SQLite ended it itself
        self.reset()

    def commit(self) -> None:
        """Keep what was written."""
        self._writing = self.recall.on = False
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Forget what was written."""
        self._writing, self._at = False, None
        self.recall.forget()
        if self._db.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def reset(self) -> None:
        """Begin anew, with nothing folded in."""
        self._at = None
        self.seen.clear()
        for (name,) in self.execute(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            self.execute(f'DROP TABLE "{name}"')
        for statement in (*TABLES, *INDEXES.values()):
            self.execute(statement)
        self.execute("INSERT INTO meta VALUES (?,?,0,0,'',0,0)", (VERSION, self._store_id))

    def set_position(self, position: Position) -> None:
        """Write down how far the journal has been folded in."""
        self.execute("UPDATE meta SET segment=?, offset=?, crc=?, length=?, bare=?", position)
        self._at = position if self._writing else None

    def promote(self, now: int, limit: int) -> list[tuple[str, str, int, int, int]]:
        """Make delayed jobs ready that are due; return their lanes and orders."""
        return self.execute(
            "UPDATE jobs SET ready=1 WHERE seq IN (SELECT seq FROM jobs INDEXED BY waiting "
            "WHERE ready=2 AND due<=? ORDER BY due LIMIT ?) "
            "RETURNING name, key, rank, due, seq",
            (now, limit),
        ).fetchall()
