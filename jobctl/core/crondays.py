"""The days that a cron expression names, as crontab(5) combines its fields."""

from __future__ import annotations

import copy
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from jobctl.core.cronfield import DAY, MONTH, WEEKDAY, Values
from jobctl.errors import InvalidJob

# A leap year has the longest months; day 0 of no month.
_LENGTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MIDNIGHT = time()
_SECOND = timedelta(seconds=1)
# Where the search for a day that an expression can name begins: any day does, since the
# calendar repeats.
_SOMEDAY = date(2000, 1, 1)


class Days(msgspec.Struct, frozen=True):
    """The day of month, month and day of week of an expression.

    `ways` are alternatives, each in the form that croniter takes, all at midnight; a day
    matches if one of them does. With none, every day matches.
    """

    ways: tuple[str, ...] = ()

    @classmethod
    def of(cls, day: Values, month: Values, weekday: Values) -> Days:
        """Return the days for these fields. Raises InvalidJob if there are none."""
        # crontab(5): if neither field begins with *, a day matches that suits either.
        either = not day.star and not weekday.star
        months = _listed(month, MONTH.low, MONTH.high)
        on_days = _of_month(day, month)
        on_weekdays = _of_week(weekday)
        if either:
            pairs = [(on, "*") for on in on_days] + [("*", on) for on in on_weekdays]
        else:
            pairs = [(first, second) for first in on_days for second in on_weekdays]
        if not on_days and not (either and pairs):
            raise InvalidJob(f"day of month: no {_words(month)} has {_these(day)}")
        ways = tuple(f"0 0 {on} {months} {at}" for on, at in pairs)
        if any(way == "0 0 * * *" for way in ways):
            return cls()
        if not either and weekday.nth:
            ways = tuple(way for way in ways if _next_day(way, _SOMEDAY) is not None)
            if not ways:
                raise InvalidJob(
                    f"day of month and {WEEKDAY.name} never meet: no day suits both"
                )
        return cls(ways)

    def first(self, day: date) -> date | None:
        """Return the first matching day, `day` itself or later; None within 50 years."""
        if not self.ways:
            return day
        found = [match for way in self.ways if (match := _next_day(way, day)) is not None]
        return min(found, default=None)


def _of_month(day: Values, month: Values) -> list[str]:
    """Return the day-of-month field, without the days that none of the months has."""
    longest = max(_LENGTHS[number] for number in month.values)
    values = tuple(value for value in day.values if value <= longest)
    if not values and not day.last:
        return []
    text = _listed(Values(values, day.star), DAY.low, DAY.high)
    if day.last and text != "*":
        text = ",".join(part for part in (text, "l") if part)
    return [text]


def _of_week(weekday: Values) -> list[str]:
    """Return the day-of-week fields: croniter does not take plain days and # in one."""
    plain = _listed(weekday, WEEKDAY.low, WEEKDAY.high)
    if plain == "*":
        return ["*"]
    nth = ",".join(f"{day}#{week}" if week else f"l{day}" for day, week in weekday.nth)
    return [text for text in (plain, nth) if text]


def _listed(field: Values, low: int, high: int) -> str:
    """Return the values one by one: croniter reads 5-5 as the whole field."""
    if len(field.values) == high - low + 1:
        return "*"
    return ",".join(str(value) for value in field.values)


def _words(month: Values) -> str:
    names = list(MONTH.names)
    return " or ".join(names[number - 1] for number in month.values)


def _these(day: Values) -> str:
    return "day " + " or ".join(str(value) for value in day.values)


@lru_cache(maxsize=8192)
def _next_day(way: str, day: date) -> date | None:
    # A croniter keeps its place in itself; the copy is for threads.
    search = copy.copy(_search(way))
    try:
        found = search.get_next(start_time=datetime.combine(day, _MIDNIGHT) - _SECOND)
    except (ValueError, OverflowError):
        # CroniterBadDateError is a ValueError, and so is what lies beyond the year 9999.
        return None
    assert isinstance(found, datetime)
    return found.date()


@lru_cache(maxsize=8192)
def _search(way: str) -> Any:
    # Here, since most schedules name every day, and `jobctl add` needs no schedule at all.
    from croniter import croniter

    start = datetime.combine(_SOMEDAY, _MIDNIGHT)
    return croniter(way, start, ret_type=datetime, day_or=False)
