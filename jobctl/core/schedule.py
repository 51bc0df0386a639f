"""Schedules: what one declares, and when its ticks come.

Times are UTC. A tick is one due moment; its job has the id NAME@2026-11-24T03:00:00Z, and
that an id is taken once is what makes a tick fire once. jobctl/core/due.py decides which
of the ticks that have come do fire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

from jobctl.core import cron as crons
from jobctl.core import dst
from jobctl.core.data import show
from jobctl.core.units import LONGEST
from jobctl.errors import InvalidJob

#: A tick is late when its job is made this many seconds after it, or later still.
LATE = 60.0
#: How many ticks an iterator gives unless told otherwise.
CAP = 1000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_ID_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Overlap(StrEnum):
    """What a tick does while an earlier job of its schedule is unfinished."""

    SKIP = "skip"  # nothing; its record says behind which job
    ALLOW = "allow"  # runs beside it
    REPLACE = "replace"  # cancels it


class CatchUp(StrEnum):
    """Which of the ticks that came while no daemon ran are made up for."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule declares. Durations are seconds; `declare` checks what fits together.

    Exactly one of `cron` (as it was written) and `every` is set. `timezone` is an IANA
    name. No tick comes before `start` or after `end`.

    The last five fields tell how it stands, for those who show it: the next tick, when a
    job was last made, what became of the last tick (fired, late, skipped, missed), how many
    jobs were made, and the file and line where it is declared.
    """

    name: str
    cron: str | None = None
    every: int | None = None
    timezone: str
    job: str
    data: Any = {}
    priority: int = 0
    max_retries: int | None = None
    enabled: bool = True
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.LATEST
    catch_up_window: float = 86400.0
    jitter: float = 0.0
    expect_within: float | None = None
    start: datetime | None = None
    end: datetime | None = None
    next_run: datetime | None = None
    last_run: datetime | None = None
    last_outcome: str | None = None
    run_count: int = 0
    source: str | None = None

    @property
    def timing(self) -> str:
        """What decides when the ticks come. A schedule whose timing was edited owes no
        tick from before the edit, like one that is seen for the first time."""
        rule = f"every {self.every}" if self.cron is None else self.cron
        return f"{rule} | {self.timezone} | {self.start} | {self.end}"


class Planned(msgspec.Struct, frozen=True):
    """A tick to come: in UTC, in the schedule's zone, and what is odd about it."""

    schedule: str
    at: datetime
    local: datetime
    note: str | None = None


def declare(name: str, table: Mapping[str, Any], *, timezone: str) -> Schedule:
    """Return the schedule for what a table in jobs.toml, or a call, says.

    The keys are the fields of Schedule, their values of the right types; `timezone` holds
    where the table has none. Raises InvalidJob naming the key that does not fit.
    """
    values = {"timezone": timezone, **table, "name": name}
    if values.get("every") is not None:
        values["every"] = _whole_seconds(values["every"])
    try:
        schedule = msgspec.convert(values, Schedule)
    except msgspec.ValidationError as err:
        raise InvalidJob(f"schedule {show(name)}: {err}") from None
    _check(schedule)
    return schedule


def _check(schedule: Schedule) -> None:
    if (schedule.cron is None) == (schedule.every is None):
        raise InvalidJob("cron or every: give one of them, not none and not two")
    if schedule.cron is not None:
        crons.parse(schedule.cron)
    dst.zone(schedule.timezone)
    for key, moment in (("start", schedule.start), ("end", schedule.end)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidJob(f"{key} {show(str(moment))} has no zone: write ...Z or +01:00")
    if schedule.start and schedule.end and schedule.end < schedule.start:
        raise InvalidJob("end lies before start: no tick would ever come")


def _whole_seconds(value: object) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if 1 <= value <= LONGEST and value == int(value):
            return int(value)
    raise InvalidJob(
        f"every {show(value)} is refused: use whole seconds, from one to a hundred years"
    )


def next_tick(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first tick after the instant `after`, in UTC; None if there is none."""
    if schedule.start is not None and after < schedule.start:
        after = schedule.start - _MICROSECOND
    found: datetime | None
    if schedule.every is not None:
        found = _next_beat(schedule.every, first_beat(schedule), after)
    else:
        moment = _moment(schedule, after)
        found = None if moment is None else moment.at
    if found is None or (schedule.end is not None and found > schedule.end):
        return None
    return found


def first_beat(schedule: Schedule) -> datetime:
    """Return where `every` counts from: `start` in whole seconds, else the epoch."""
    if schedule.start is None:
        return _EPOCH
    start = schedule.start.astimezone(UTC)
    # Ids have no fractions of a second, so ticks have none.
    return start if not start.microsecond else start.replace(microsecond=0) + _SECOND


def _next_beat(every: int, base: datetime, after: datetime) -> datetime | None:
    step = timedelta(seconds=every)
    try:
        return base + ((after - base) // step + 1) * step
    except OverflowError:  # beyond the year 9999
        return None


def _moment(schedule: Schedule, after: datetime) -> dst.Moment | None:
    assert schedule.cron is not None
    return dst.next_moment(crons.parse(schedule.cron), dst.zone(schedule.timezone), after)


def ticks(
    schedule: Schedule, after: datetime, until: datetime | None = None, cap: int | None = CAP
) -> Iterator[datetime]:
    """Yield the ticks after `after` and up to `until`, at most `cap` of them (None: all)."""
    return islice(_ticks(schedule, after, until), cap)


def _ticks(schedule: Schedule, after: datetime, until: datetime | None) -> Iterator[datetime]:
    found = next_tick(schedule, after)
    while found is not None and (until is None or found <= until):
        yield found
        found = next_tick(schedule, found)


def plan(schedule: Schedule, after: datetime, count: int) -> list[Planned]:
    """Return the next `count` ticks after `after`, with what is odd about each."""
    tz = dst.zone(schedule.timezone)
    rows = []
    before = after
    for at in ticks(schedule, after, cap=count):
        note = None
        # A moment beyond `end`, or none at all, is no tick; so there is one here.
        if schedule.cron is not None and (moment := _moment(schedule, at - _MICROSECOND)):
            note = dst.note(crons.parse(schedule.cron), tz, moment, before)
        rows.append(Planned(schedule.name, at, at.astimezone(tz), note))
        before = at
    return rows


def tick_id(name: str, at: datetime) -> str:
    """Return the id of a tick's job: NAME@2026-11-24T03:00:00Z."""
    return f"{name}@{at.astimezone(UTC).strftime(_ID_TIME)}"


def tick_of(job_id: str) -> tuple[str, datetime] | None:
    """Return the schedule's name and the moment that a tick's id tells, None if it is none."""
    name, _, text = job_id.rpartition("@")
    try:
        at = datetime.strptime(text, _ID_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (name, at) if name else None


def is_late(at: datetime, now: datetime) -> bool:
    """Return whether a tick that fires `now` fires late."""
    return (now - at).total_seconds() > LATE


def delay(schedule: Schedule, at: datetime) -> float:
    """Return the seconds by which the tick's job is put off: its share of `jitter`.

    The same tick always gets the same, whoever asks, so that making its job again after a
    crash changes nothing.
    """
    if not schedule.jitter:
        return 0.0
    from hashlib import blake2b  # brings OpenSSL, and jitter is rare

    digest = blake2b(tick_id(schedule.name, at).encode(), digest_size=8).digest()
    return schedule.jitter * (int.from_bytes(digest) / 2**64)
