"""How many ticks a cron expression has between two instants, without walking through them.

On a day in which the clocks stand still the ticks are the times that are named. The few
others are walked through.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from jobctl.core import dst
from jobctl.core.cron import Cron
from jobctl.core.crondays import Days

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


def count(cron: Cron, tz: ZoneInfo, after: datetime, until: datetime) -> int:
    """Return how many ticks come after `after` and up to `until`."""
    if until <= after:
        return 0
    begin, end = after.astimezone(tz), until.astimezone(tz)
    first, last = begin.date(), end.date()
    changing = [
        day
        for year in range(first.year, last.year + 1)
        for day in _changing(tz, year)
        if first <= day <= last
    ]
    even = _named_between(cron.days, first, last) - sum(cron.names(day) for day in changing)
    total = even * cron.per_day + sum(_walk(cron, tz, day, after, until) for day in changing)
    if first not in changing and cron.names(first):
        total -= _up_to(cron, begin)
    if last not in changing and cron.names(last):
        total -= cron.per_day - _up_to(cron, end)
    return total


def _up_to(cron: Cron, local: datetime) -> int:
    """Return how many times of the day are named up to this one."""
    hour = bisect_left(cron.hours, local.hour)
    full = hour * len(cron.minutes)
    if hour < len(cron.hours) and cron.hours[hour] == local.hour:
        full += bisect_right(cron.minutes, local.minute)
    return full


def _walk(cron: Cron, tz: ZoneInfo, day: date, after: datetime, until: datetime) -> int:
    """Count the ticks of a day in which the clocks change, as far as they lie between."""
    begin, end = _midnight(day, tz).at, _midnight(day + _DAY, tz).at
    if after < begin and end <= until:
        return _ticks(cron, tz, begin, end)
    # A tick at `until` itself counts, one at `after` does not.
    return _ticks(cron, tz, max(after + _MICROSECOND, begin), min(until + _MICROSECOND, end))


@lru_cache(maxsize=4096)
def _ticks(cron: Cron, tz: ZoneInfo, begin: datetime, end: datetime) -> int:
    """Count the ticks from `begin` on and before `end`, one by one."""
    total, at = 0, begin - _MICROSECOND
    while (moment := dst.next_moment(cron, tz, at)) is not None and moment.at < end:
        total, at = total + 1, moment.at
    return total


def _named_between(days: Days, first: date, last: date) -> int:
    if not days.ways:
        return (last - first).days + 1
    total = 0
    for year in range(first.year, last.year + 1):
        named = _named(days, year)
        low = bisect_left(named, first.toordinal())
        total += bisect_right(named, last.toordinal()) - low
    return total


@lru_cache(maxsize=2048)
def _named(days: Days, year: int) -> tuple[int, ...]:
    """Return the ordinals of the days that are named in a year."""
    found = []
    day = days.first(date(year, 1, 1))
    while day is not None and day.year == year:
        found.append(day.toordinal())
        day = days.first(day + _DAY) if day < date.max else None
    return tuple(found)


@lru_cache(maxsize=4096)
def _changing(tz: ZoneInfo, year: int) -> tuple[date, ...]:
    """Return the days of a year in which, or as one of which opens, the clocks change."""
    day = date(year, 1, 1)
    found = []
    opens = _midnight(day, tz)
    while day.year == year and day < date.max:
        closes = _midnight(day + _DAY, tz)
        # What the evening before left out comes as this day opens: Apia skipped a day.
        evening = dst.resolve(datetime.combine(day, time()) - _SECOND, tz)
        if (
            closes.at - opens.at != _DAY
            or opens.at.astimezone(tz).utcoffset() != closes.at.astimezone(tz).utcoffset()
            or closes.reading is not dst.Reading.PLAIN
            or evening.reading is dst.Reading.ABSENT
        ):
            found.append(day)
        day, opens = day + _DAY, closes
    return tuple(found)


def _midnight(day: date, tz: ZoneInfo) -> dst.Moment:
    return dst.resolve(datetime.combine(day, time()), tz)
