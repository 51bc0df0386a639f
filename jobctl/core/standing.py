"""Where a schedule stands: what the store's note of it holds, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from jobctl.core.due import Missed, Span
from jobctl.core.note import SCHEDULE, TICK, Note
from jobctl.core.schedule import Schedule, next_tick, tick_id

#: How many jobs of a schedule that may overlap are looked after at most.
OPEN = 100
#: A clock that is so many seconds behind what was handled was ahead then, and put right.
AHEAD = 300.0


class TickOutcome(StrEnum):
    """What became of a tick."""

    FIRED = "fired"
    LATE = "late"  # fired over a minute after its time
    SKIPPED = "skipped"  # an earlier job was unfinished
    MISSED = "missed"  # nobody was there, and nothing made up for it


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a tick, or of a run of missed ones: `count` of them, up to `last`."""

    schedule: str
    at: datetime
    outcome: TickOutcome
    reason: str | None = None
    job_id: str | None = None
    count: int = 1
    last: datetime | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a schedule stands.

    `handled` is the moment up to which its ticks are decided, `timing` what it was decided
    by. `switch` is what enable and disable say, None where the file decides; `on` whether it
    was on when it was last looked at. `open` are jobs that were unfinished then. `since` is
    when it came on: from there, or from the last success, `expect_within` counts. `owed`
    is when ticks came that a clock which had stepped did not let fire; they are decided on
    once more when it is trusted again.
    """

    handled: datetime | None = None
    timing: str = ""
    switch: bool | None = None
    on: bool = True
    since: datetime | None = None
    last_tick: Tick | None = None
    last_run: datetime | None = None
    run_count: int = 0
    open: tuple[str, ...] = ()
    last_success: datetime | None = None
    owed: tuple[Span, ...] = ()
    overdue: datetime | None = None  # since when it is, as far as that was announced

    def enabled(self, schedule: Schedule) -> bool:
        """Return whether it is on: the switch beats what the file says."""
        return schedule.enabled if self.switch is None else self.switch


def standing_of(note: Note | None) -> Standing:
    """Return what a note holds; a new one where there is none."""
    return Standing() if note is None else msgspec.convert(note.value, Standing, strict=False)


def note_of(name: str, standing: Standing, now: datetime) -> Note:
    """Return the note that keeps where a schedule stands."""
    value = msgspec.to_builtins(standing)
    # What is as by default is not written: there may be thousands of them.
    slim = {key: item for key, item in value.items() if item != _DEFAULTS[key]}
    return Note(SCHEDULE, name, now, slim)


_DEFAULTS = msgspec.to_builtins(Standing())


def tick_note(tick: Tick) -> Note:
    """Return the note that keeps the record of a tick."""
    value = msgspec.to_builtins(tick)
    slim = {key: value[key] for key in ("outcome", "reason", "job_id", "last") if value[key]}
    if tick.count != 1:
        slim["count"] = tick.count
    return Note(TICK, tick_id(tick.schedule, tick.at), tick.last or tick.at, slim)


def tick_of_note(note: Note, schedule: str, at: datetime) -> Tick:
    """Return the record that a note keeps."""
    return msgspec.convert({**note.value, "schedule": schedule, "at": at}, Tick)


def missed_tick(schedule: Schedule, run: Missed, reason: str) -> Tick:
    """Return the record of a run of ticks that nobody fired."""
    return Tick(
        schedule=schedule.name,
        at=run.first,
        outcome=TickOutcome.MISSED,
        reason=reason,
        count=run.count,
        last=run.last if run.count > 1 else None,
    )


def remembered(standing: Standing, job_id: str) -> Standing:
    """Return the standing with one job more that is unfinished."""
    kept: Sequence[str] = [one for one in standing.open if one != job_id]
    return msgspec.structs.replace(standing, open=(*kept, job_id)[-OPEN:])


def seen(schedule: Schedule, standing: Standing, now: datetime) -> Standing:
    """Return the standing of a schedule as it is declared now.

    One that is new, that was off until now, or whose timing was edited owes nothing from
    before now. One that was handled up to a moment far ahead, by a clock that was wrong,
    goes on from now: that each tick has a record is what keeps it from firing twice.
    """
    on = standing.enabled(schedule)
    handled, owed = standing.handled, standing.owed
    if handled is None or (handled - now).total_seconds() > AHEAD:
        handled = now
        owed = tuple(Span(one.after, min(one.until, now)) for one in owed if one.after < now)
    if schedule.timing != standing.timing or (on and not standing.on):
        handled, owed = max(handled, now), ()
    since = now if on and (not standing.on or standing.since is None) else standing.since
    return msgspec.structs.replace(
        standing,
        handled=handled,
        timing=schedule.timing,
        on=on,
        since=since,
        owed=owed,
        overdue=standing.overdue if on and schedule.expect_within is not None else None,
    )


def deadline(schedule: Schedule, standing: Standing) -> datetime | None:
    """Return when the next success is expected at the latest, None if none is."""
    if schedule.expect_within is None or not standing.enabled(schedule):
        return None
    starts = [at for at in (standing.since, standing.last_success) if at is not None]
    if not starts:
        return None
    try:
        return max(starts) + timedelta(seconds=schedule.expect_within)
    except OverflowError:
        return None


def shown(schedule: Schedule, standing: Standing, now: datetime) -> Schedule:
    """Return the schedule with how it stands filled in."""
    on = standing.enabled(schedule)
    last = standing.last_tick
    handled = standing.handled or now
    if (handled - now).total_seconds() > AHEAD:
        handled = now
    return msgspec.structs.replace(
        schedule,
        enabled=on,
        next_run=next_tick(schedule, max(now, handled)) if on else None,
        last_run=standing.last_run,
        last_outcome=None if last is None else str(last.outcome),
        run_count=standing.run_count,
    )
