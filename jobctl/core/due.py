"""Which of the ticks that have come make a job, and which are missed.

Nothing here walks through the ticks of a long absence: the newest are searched backwards
from now, and the rest are counted without being looked at.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from jobctl.core import croncount, dst
from jobctl.core.cron import parse
from jobctl.core.schedule import (
    LATE,
    CatchUp,
    Overlap,
    Schedule,
    first_beat,
    is_late,
    next_tick,
    ticks,
)

#: How many ticks of one schedule may fire at once.
BURST = 100

#: So many ticks are walked through before the newest are searched backwards.
_FEW = 4
_LOOK_BACK = timedelta(minutes=2)
_MICROSECOND = timedelta(microseconds=1)


class Firing(msgspec.Struct, frozen=True):
    """A tick that makes a job, `late` if it is over a minute late."""

    at: datetime
    late: bool


class Span(msgspec.Struct, frozen=True):
    """The time after one moment and up to another."""

    after: datetime
    until: datetime


class Missed(msgspec.Struct, frozen=True):
    """A run of ticks, one after another, that make no job.

    `capped` of the `count` are left out for no other reason than that too many would have
    fired at once.
    """

    first: datetime
    last: datetime
    count: int
    capped: int = 0


class Due(msgspec.Struct, frozen=True):
    """The verdict over the ticks that have come.

    `handled` is what the next call takes as `last`: up to there all is decided. The missed
    ticks come before those that fire.
    """

    fire: tuple[Firing, ...]
    missed: Missed | None
    handled: datetime


def due(
    schedule: Schedule,
    last: datetime | None,
    now: datetime,
    *,
    up_since: datetime | None = None,
    cap: int = BURST,
) -> Due:
    """Decide over the ticks after `last` and up to `now`.

    `last` is what was handled before, None for a schedule that is seen for the first time
    (it owes no past tick). `up_since` is when the daemon started, None if it ran all the
    time. A tick that is not late, and that came while a daemon ran, fires; `catch_up`
    decides over the others. Ticks that came in the past of `last` never fire again, even
    if the clock went back.
    """
    if last is None:
        return Due((), None, now)
    if now <= last:
        return Due((), None, last)
    first = next_tick(schedule, last)
    if first is None or first > now:
        return Due((), None, now)
    attended = max(last, now - timedelta(seconds=LATE) - _MICROSECOND)
    if up_since is not None:
        attended = min(max(attended, up_since), now)
    if first > attended:  # as it nearly always is: nothing was left out
        fire = tuple([first, *ticks(schedule, first, now, cap=None)][-cap:])
    else:
        fresh = newest_ticks(schedule, attended, now, cap)
        away = _made_up(schedule, last, attended, now, bool(fresh), cap - len(fresh))
        fire = (*away, *fresh)
    missed = None
    if not fire or fire[0] > first:
        until = fire[0] - _MICROSECOND if fire else now
        missed = _missed(schedule, last, until, now, capped=len(fire) >= cap)
    return Due(tuple(Firing(at, is_late(at, now)) for at in fire), missed, now)


def settle(
    schedule: Schedule,
    owed: Span,
    now: datetime,
    *,
    fired_since: bool = False,
    cap: int = BURST,
) -> Due:
    """Decide over ticks that were put off until the clock could be trusted.

    `fired_since` says that a later tick has fired; `cap` is how many may fire at most.
    """
    fire = _made_up(schedule, owed.after, owed.until, now, fired_since, cap)
    until = fire[0] - _MICROSECOND if fire else owed.until
    missed = _missed(schedule, owed.after, until, now, capped=len(fire) >= cap)
    return Due(tuple(Firing(at, late=True) for at in fire), missed, now)


def _made_up(
    schedule: Schedule,
    after: datetime,
    until: datetime,
    now: datetime,
    has_later: bool,
    room: int,
) -> list[datetime]:
    """Return the ticks after `after` and up to `until` that fire although they are late."""
    if schedule.catch_up is CatchUp.NONE:
        return []
    if schedule.catch_up is CatchUp.LATEST:
        # The newest of all is enough.
        room = 0 if has_later else min(room, 1)
    return newest_ticks(schedule, max(after, _window(schedule, now)), until, room)


def _window(schedule: Schedule, now: datetime) -> datetime:
    """Return the instant after which a tick lies in the catch_up_window."""
    return now - timedelta(seconds=schedule.catch_up_window) - _MICROSECOND


def _missed(
    schedule: Schedule, after: datetime, until: datetime, now: datetime, *, capped: bool
) -> Missed | None:
    """Return the run of ticks after `after` and up to `until`, None if there is none."""
    first = next_tick(schedule, after)
    if first is None or first > until:
        return None
    count = count_ticks(schedule, after, until)
    left_out = 0
    if schedule.catch_up is CatchUp.ALL and capped:
        left_out = count_ticks(schedule, max(after, _window(schedule, now)), until)
    newest = first if count == 1 else newest_ticks(schedule, first, until, 1)[0]
    return Missed(first, newest, count, left_out)


def newest_ticks(
    schedule: Schedule, after: datetime, until: datetime, count: int
) -> list[datetime]:
    """Return the newest `count` ticks after `after` and up to `until`, oldest first."""
    if count <= 0 or until <= after:
        return []
    if schedule.end is not None and schedule.end < until:
        until = schedule.end
    few = list(ticks(schedule, after, until, cap=_FEW))
    if len(few) < _FEW:
        return few[-count:]
    length = _LOOK_BACK
    while True:
        begin = max(after, until - length) if until - after > length else after
        found = deque(ticks(schedule, begin, until, cap=None), maxlen=count)
        if len(found) == count or begin == after:
            return list(found)
        length *= 4


def count_ticks(schedule: Schedule, after: datetime, until: datetime) -> int:
    """Return how many ticks come after `after` and up to `until`."""
    if schedule.start is not None:
        after = max(after, schedule.start - _MICROSECOND)
    if schedule.end is not None:
        until = min(until, schedule.end)
    if until <= after:
        return 0
    if schedule.every is not None:
        step, base = timedelta(seconds=schedule.every), first_beat(schedule)
        return (until - base) // step - (after - base) // step
    assert schedule.cron is not None
    return croncount.count(parse(schedule.cron), dst.zone(schedule.timezone), after, until)


class Action(StrEnum):
    """What a tick that is due does about an earlier job."""

    FIRE = "fire"
    SKIP = "skip"
    REPLACE = "replace"  # cancel the earlier job, and fire


class Verdict(msgspec.Struct, frozen=True):
    """What a tick does, behind which unfinished job, and the sentence that says why."""

    action: Action
    behind: str | None = None
    reason: str | None = None


def overlap(schedule: Schedule, unfinished: str | None) -> Verdict:
    """Decide what a due tick does; `unfinished` is the id of an earlier job, if any."""
    if unfinished is None or schedule.overlap is Overlap.ALLOW:
        return Verdict(Action.FIRE)
    if schedule.overlap is Overlap.REPLACE:
        reason = f"replaces {unfinished}, which was unfinished"
        return Verdict(Action.REPLACE, unfinished, reason)
    return Verdict(Action.SKIP, unfinished, f"{unfinished} is unfinished")
