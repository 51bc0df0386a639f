"""What becomes of a local time when the clocks change.

A schedule whose minute or hour field begins with `*` follows elapsed time: it fires at
every instant whose local time it names, so twice in an hour that comes twice and never in
one that is left out. Any other fires once for each local time that it names: where that
time is absent at the first instant after the gap (several absent times merge into one, and
so does a day that a zone skips), where it comes twice at the first of the two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from jobctl.core.cron import Cron
from jobctl.core.data import show
from jobctl.errors import InvalidJob

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)
_SHOWN = 2


class Reading(StrEnum):
    """How often a local time comes on its day, and which of them is meant."""

    PLAIN = "plain"
    ABSENT = "absent"
    FIRST = "first"
    SECOND = "second"


class Moment(msgspec.Struct, frozen=True):
    """A tick: the instant in UTC, and the naive local time that the expression names."""

    at: datetime
    named: datetime
    reading: Reading


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name such as Europe/Berlin. Raises InvalidJob."""
    from zoneinfo import ZoneInfo  # not for those who know of schedules and have none

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # a path, a folder; no such zone
        raise InvalidJob(
            f"timezone {show(name)} is unknown: use a name such as Europe/Berlin or UTC"
        ) from None


def next_moment(cron: Cron, tz: ZoneInfo, after: datetime) -> Moment | None:
    """Return the first tick after the instant `after`, None if there is none."""
    try:
        return (_elapsed if cron.wildcard else _fixed)(cron, tz, after)
    except OverflowError:  # beyond the year 9999
        return None


def _fixed(cron: Cron, tz: ZoneInfo, after: datetime) -> Moment | None:
    named = cron.next(_local(after, tz))
    while named is not None:
        moment = resolve(named, tz)
        if moment.at > after:
            return moment
        # Only where `after` stands in the second pass of an hour that comes twice.
        named = cron.next(named)
    return None


def _elapsed(cron: Cron, tz: ZoneInfo, after: datetime) -> Moment | None:
    local = after.astimezone(tz)
    moment = _pass(cron, tz, local.replace(tzinfo=None, fold=0), after)
    if local.fold == 1:
        return moment
    before, later = _offsets(local.replace(tzinfo=None), tz)
    if before <= later:
        return moment
    # The local time of `after` comes again, and with it times that lie before it.
    back = _change(tz, after, after + (before - later))
    if moment is not None and moment.at < back:
        return moment
    return _pass(cron, tz, _local(back, tz) - _SECOND, back - _SECOND)


def _pass(cron: Cron, tz: ZoneInfo, local: datetime, after: datetime) -> Moment | None:
    """Return the first instant after `after` whose local time is named and beyond `local`."""
    named = cron.next(local)
    while named is not None:
        moment = resolve(named, tz)
        if moment.reading is Reading.ABSENT:
            named = cron.next(_local(moment.at, tz) - _SECOND)
            continue
        if moment.at > after:
            return moment
        return Moment(_instant(named, _offsets(named, tz)[1]), named, Reading.SECOND)
    return None


def resolve(named: datetime, tz: ZoneInfo) -> Moment:
    """Return when a naive local time comes: the first of two, or the end of its gap."""
    before, later = _offsets(named, tz)
    if before == later:
        return Moment(_instant(named, before), named, Reading.PLAIN)
    if before > later:
        return Moment(_instant(named, before), named, Reading.FIRST)
    end = _change(tz, _instant(named, later), _instant(named, before))
    return Moment(end, named, Reading.ABSENT)


def note(cron: Cron, tz: ZoneInfo, moment: Moment, before: datetime) -> str | None:
    """Return what is odd about a tick, None if nothing is.

    `before` is the tick that came before it, or where the plan began.
    """
    if moment.reading is Reading.ABSENT:
        return _absent(cron, tz, moment, moment)
    if moment.reading is Reading.SECOND:
        return f"{moment.named:%H:%M} comes twice, this is the second"
    if moment.reading is Reading.FIRST:
        which = "this is the first" if cron.wildcard else "runs at the first"
        return f"{moment.named:%H:%M} comes twice, {which}"
    if cron.wildcard and (named := cron.next(_local(before, tz))) is not None:
        left_out = resolve(named, tz)
        if left_out.reading is Reading.ABSENT and before < left_out.at <= moment.at:
            return _absent(cron, tz, left_out, moment)
    return None


def _absent(cron: Cron, tz: ZoneInfo, absent: Moment, tick: Moment) -> str:
    """Return which of the named times a gap holds, and what becomes of them at `tick`."""
    times = [absent.named]
    while (named := cron.next(times[-1])) is not None:
        following = resolve(named, tz)
        if following.reading is not Reading.ABSENT or following.at != absent.at:
            break
        times.append(named)
    local = _local(tick.at, tz)
    same = times[0].date() == local.date()
    text = f"{times[0]:%H:%M}" if same else f"{times[0]:%Y-%m-%d %H:%M}"
    runs, does = "runs", "does"
    if len(times) > 1:
        text += f" {'and' if len(times) == _SHOWN else 'to'} {times[-1]:%H:%M}"
        runs, does = "run once", "do"
    where = " on this day" if same else ""
    if cron.wildcard:
        return f"{text} {does} not exist{where}, left out"
    at = f"{local:%H:%M}" if same else f"{local:%Y-%m-%d %H:%M}"
    return f"{text} {does} not exist{where}, {runs} at {at}"


def _local(at: datetime, tz: ZoneInfo) -> datetime:
    return at.astimezone(tz).replace(tzinfo=None, fold=0)


def _instant(named: datetime, offset: timedelta) -> datetime:
    return (named - offset).replace(tzinfo=UTC)


def _offsets(named: datetime, tz: ZoneInfo) -> tuple[timedelta, timedelta]:
    """Return a local time's offset before and after a change of the clocks.

    They differ only where the time is absent (then the first is smaller) or comes twice.
    """
    aware = named.replace(tzinfo=tz, fold=0)
    before, later = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert before is not None
    assert later is not None
    return before, later


def _change(tz: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """Return the instant in (low, high] at which the offset of `low` ends, to the second."""
    old = low.astimezone(tz).utcoffset()
    low = low.replace(microsecond=0)
    seconds = -((low - high) // _SECOND)  # rounded up
    first, last = 0, seconds
    while last - first > 1:
        middle = (first + last) // 2
        if (low + timedelta(seconds=middle)).astimezone(tz).utcoffset() == old:
            first = middle
        else:
            last = middle
    return low + timedelta(seconds=last)
