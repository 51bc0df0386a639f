"""What the index knows of jobs, and how it writes statuses and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from jobctl.core.job import Status
from jobctl.stores.directory.segments import Place

#: A status is kept as its place here.
STATUSES = tuple(Status)
NUMBER = {status: number for number, status in enumerate(STATUSES)}
_PENDING = Status.PENDING
_RUNNING = Status.RUNNING
#: What `ready` is of a pending job that waits for others.
BLOCKED = 4
#: Before, between and after the tags of a job; none of them can contain it.
BETWEEN = "\x1f"
#: With it begins the key of a lane of shell jobs; no concurrency key of a user's can.
SHELL = "\x01"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LATEST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


class Position(NamedTuple):
    """How far the journal has been folded in, and the last line before that place.

    `bare` is 1 of an index that nobody may ask anything yet: see bare.py.
    """

    segment: int = 0
    offset: int = 0
    crc: str = ""
    length: int = 0
    bare: int = 0


class Old(NamedTuple):
    """What the index knew of a job."""

    seq: int
    rev: int
    status: int
    segment: int
    length: int
    name: str
    key: str
    rank: int
    labels: str | None


class Row(NamedTuple):
    """A job and the place of its record."""

    id: str
    seq: int
    place: Place


# Their own constructors are Python functions: see segments.py.
old_of = partial(tuple.__new__, Old)
row_of = partial(tuple.__new__, Row)


def micros(when: datetime | None) -> int:
    """Return a time as microseconds since the epoch, 0 for None."""
    return 0 if when is None else (when - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return the time of so many microseconds since the epoch."""
    # In UTC a time of the year 9999 may be one of the next year, and a time of the year 1 one
    # of the year before: no datetime can say that.
    return _EPOCH + timedelta(microseconds=max(_EARLIEST, min(value, _LATEST)))


def lane_key(entry: Any) -> str:
    """Return the key of a job's lane: shell jobs stand in lanes of their own."""
    key: str = entry.concurrency_key or ""
    return key if entry.shell is None else f"{SHELL}{key}"


def labels(tags: Sequence[str]) -> str | None:
    """Return the tags of a job as one text, None if it has none."""
    return f"{BETWEEN}{BETWEEN.join(tags)}{BETWEEN}" if tags else None


def tags_of(text: str | None) -> list[str]:
    """Return the tags in such a text."""
    return text[1:-1].split(BETWEEN) if text else []


def columns(entry: Any) -> tuple[Any, ...]:
    """Return what the index knows of a job's line, from its name to its tags."""
    status, run_at, created_at = entry.status, entry.run_at, entry.created_at
    started, finished = entry.started_at, entry.finished_at
    # It is asked for each line of a journal: a call costs as much as most of it.
    created = 0 if created_at is None else (created_at - _EPOCH) // _MICROSECOND
    due = 0 if run_at is None else micros(run_at)
    ready = number = 0
    if status is _PENDING:
        ready = 2 if due else 1
    else:
        number = NUMBER[status]
        if status is _RUNNING and entry.cancelling:
            ready = 3
    return (
        entry.name,
        (entry.concurrency_key or "") if entry.shell is None else lane_key(entry),
        number,
        ready,
        -entry.priority,
        due,
        created if created > due else due,
        finished and micros(finished),
        started and micros(started),
        entry.attempts,
        created,
        labels(entry.tags) if entry.tags else None,
    )
