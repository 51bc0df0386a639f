"""The index against the journal: an index made anew must say the same."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

from jobctl.core.finding import Finding
from jobctl.stores.directory.fold import agrees, fold_all
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.inspection import Inspected
from jobctl.stores.directory.layout import Layout
from jobctl.stores.directory.rows import Position
from jobctl.stores.directory.schema import VERSION
from jobctl.stores.directory.segments import Place

#: How many of several are named.
NAMED = 5
_JOBS = (
    "id, seq, rev, name, key, status, rank, due, since, finished, created, started, attempts, "
    # A delayed job that has become due is ready in one and waits in the other.
    "labels, segment, offset, length, CASE WHEN ready=1 AND due<>0 THEN 2 ELSE ready END"
)
#: What is compared besides jobs: a table, its columns (the first names a row), which rows.
_TABLES = (
    ("notes", "topic||' '||key, at, segment, offset, length", "1"),
    ("tags", "tag, seq", "1"),
    ("deps", "dep, seq", "1"),
    ("counters", "name, status, n", "n<>0"),
    ("segments", "segment, live", "live<>0"),
)


def check_index(layout: Layout, journal: Inspected, fresh: Index) -> Iterator[Finding]:
    """Fold the journal into `fresh` as far as the index has come, and compare the two.

    The journal's limit is where that is.
    """
    try:
        info = os.lstat(layout.index)
    except OSError:
        return  # whoever needs it makes it anew
    if not stat.S_ISREG(info.st_mode) or not info.st_size:
        return
    mode = "rw"
    if not os.access(layout.root, os.W_OK):
        if _size(f"{layout.index}-wal"):
            return  # nobody can read it here: who asks scans the journal
        mode = "ro&immutable=1"
    try:
        fresh.execute("ATTACH ? AS disk", (f"file:{quote(str(layout.index))}?mode={mode}",))
    except sqlite3.Error as err:
        yield _fault(f"it cannot be opened: {err}")
        return
    try:
        yield from _compare(journal, fresh)
    except sqlite3.Error as err:
        yield _fault(f"it cannot be read: {err}")
    finally:
        journal.limit = None
        fresh.rest()
        with suppress(sqlite3.Error):  # it may be in use by a question that came to no end
            fresh.execute("DETACH disk")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _compare(journal: Inspected, fresh: Index) -> Iterator[Finding]:
    fresh.execute("BEGIN")
    try:
        row = fresh.execute("SELECT * FROM disk.meta").fetchone()
    except sqlite3.OperationalError as err:
        if "no such table" in str(err):
            return  # it has yet to be made
        raise
    if row is None or row[0] != VERSION:
        return  # one of another version is made anew
    if row[1] != journal.store_id:
        yield _fault("it is one of another store")
        return
    faults = [text for (text,) in fresh.execute("PRAGMA disk.integrity_check(5)")]
    if faults != ["ok"]:
        yield _fault(f"SQLite finds it damaged: {'; '.join(faults)}"[:300])
        return
    position = Position(*row[2:])
    if position.bare:
        return  # whoever needs it goes on to make it
    if not agrees(journal, position):
        yield _ahead(journal, position)
        yield from _unreadable(journal, fresh, "disk.jobs")
        return
    journal.limit = position[:2]
    fold_all(journal, fresh)
    lost = list(_unreadable(journal, fresh, _different("jobs", _JOBS, "1")))
    yield from lost
    yield from _differences(journal, fresh, rest=not lost)


def _ahead(journal: Inspected, position: Position) -> Finding:
    name = journal.name(position.segment)
    end = journal.end(position.segment)
    if end is None or end < position.offset:
        what = "is gone" if end is None else f"ends at byte {end}"
        message = f"the index has read up to byte {position.offset} of it, and it {what}"
        return Finding(code="lost", path=name, message=message, offset=end)
    return _fault(f"it was made from other bytes than {name} has now")


def _different(table: str, columns: str, where: str) -> str:
    return (
        f"(SELECT {columns} FROM disk.{table} WHERE {where} EXCEPT "
        f"SELECT {columns} FROM main.{table} WHERE {where})"
    )


def _unreadable(journal: Inspected, fresh: Index, source: str) -> Iterator[Finding]:
    """Yield the jobs of the index whose newest record is not where the index has it."""
    rows = fresh.execute(f"SELECT id, segment, offset, length FROM {source}")
    for job_id, *where in rows:
        place = Place(*where)
        job = journal.job(place)
        if job is None or job.id != job_id:
            yield Finding(
                code="record",
                path=journal.name(place.segment),
                message=f"the newest record of job {job_id} cannot be read",
                offset=place.offset,
                length=place.length,
                job=job_id,
            )


def _differences(journal: Inspected, fresh: Index, *, rest: bool) -> Iterator[Finding]:
    """Yield what the index says of jobs that can be read, with `rest` of all else too."""
    bad: list[str] = []
    for job_id, *where in fresh.execute(
        f"SELECT id, segment, offset, length FROM {_different('jobs', _JOBS, '1')}"
    ):
        job = journal.job(Place(*where))
        if job is not None and job.id == job_id:
            bad.append(job_id)
    missing = [
        row[0]
        for row in fresh.execute(
            "SELECT id FROM main.jobs WHERE id NOT IN (SELECT id FROM disk.jobs)"
        )
    ]
    if bad:
        yield _fault(f"it does not have {_some(bad, 'job')} as the journal has")
    if missing:
        yield _fault(f"it does not have {_some(missing, 'job')} that the journal has")
    if bad or missing or not rest:
        return  # what follows from jobs differs too
    for table, columns, where in _TABLES:
        names = []
        for one, other in (("disk", "main"), ("main", "disk")):
            rows = fresh.execute(
                f"SELECT {columns} FROM {one}.{table} WHERE {where} EXCEPT "
                f"SELECT {columns} FROM {other}.{table} WHERE {where}"
            )
            names += [str(row[0]) for row in rows]
        if names:
            what = _some(sorted(set(names)), "row")
            yield _fault(f"its {table} are not as the journal has them: {what}")


def _some(names: list[str], what: str) -> str:
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(names)} {what}{'s' * (len(names) > 1)} ({', '.join(names[:NAMED])}{more})"


def _fault(message: str) -> Finding:
    return Finding(code="index", path="index.sqlite", message=message)
