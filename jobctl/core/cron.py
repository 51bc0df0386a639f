"""Cron expressions: what they may say, and which local times they name.

Everything here is naive local time; jobctl/core/dst.py says what becomes of a time that
a zone leaves out or has twice. Days are asked of croniter, hours and minutes are ours.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import msgspec

from jobctl.core import cronfield
from jobctl.core.crondays import Days
from jobctl.core.data import show
from jobctl.core.text import meant
from jobctl.errors import InvalidJob

#: Longer than any expression that people write.
LONGEST = 500

_MINUTE = timedelta(minutes=1)


class CronPatterns:
    """The usual schedules, by name. In jobs.toml the name alone does: cron = "DAILY_3AM"."""

    EVERY_MINUTE = "* * * * *"
    EVERY_5_MINUTES = "*/5 * * * *"
    EVERY_15_MINUTES = "*/15 * * * *"
    EVERY_30_MINUTES = "*/30 * * * *"
    EVERY_HOUR = "0 * * * *"
    EVERY_2_HOURS = "0 */2 * * *"
    EVERY_6_HOURS = "0 */6 * * *"
    DAILY = "0 0 * * *"
    DAILY_3AM = "0 3 * * *"
    WEEKLY = "0 0 * * 0"
    MONTHLY = "0 0 1 * *"
    BUSINESS_HOURS = "0 9-17 * * 1-5"
    WEEKDAYS_9AM = "0 9 * * 1-5"


#: The presets by name: what CronPatterns says, for a text such as "DAILY_3AM".
PRESETS: dict[str, str] = {
    name: text for name, text in vars(CronPatterns).items() if name.isupper()
}

ALIASES: dict[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Cron(msgspec.Struct, frozen=True):
    """A parsed expression.

    `minutes` and `hours` are sorted. `wildcard` says that the minute or the hour field
    begins with `*`: such a schedule follows elapsed time when the clocks change.
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    wildcard: bool

    def next(self, after: datetime) -> datetime | None:
        """Return the first naive local time after `after` that is named, None if none is."""
        try:
            return self._next(after)
        except OverflowError:  # beyond the year 9999
            return None

    def _next(self, after: datetime) -> datetime | None:
        start = after.replace(second=0, microsecond=0) + _MINUTE
        day, moment = start.date(), self._time(start.hour, start.minute)
        if moment is None:
            day, moment = day + timedelta(days=1), self._first
        found = self.days.first(day)
        if found is None:
            return None
        return datetime.combine(found, moment if found == day else self._first)

    def names(self, day: date) -> bool:
        """Return whether the expression names times on `day`."""
        return self.days.first(day) == day

    @property
    def per_day(self) -> int:
        """How many times it names on each of its days."""
        return len(self.minutes) * len(self.hours)

    @property
    def _first(self) -> time:
        return time(self.hours[0], self.minutes[0])

    def _time(self, hour: int, minute: int) -> time | None:
        """Return the first time of a day, from hour:minute on; None if the day is over."""
        at = bisect_left(self.hours, hour)
        if at < len(self.hours) and self.hours[at] == hour:
            rest = bisect_left(self.minutes, minute)
            if rest < len(self.minutes):
                return time(hour, self.minutes[rest])
            at += 1
        return time(self.hours[at], self.minutes[0]) if at < len(self.hours) else None


@lru_cache(maxsize=16384)
def parse(text: str) -> Cron:
    """Return what a text says: five fields, a preset such as DAILY_3AM, or @daily.

    Raises InvalidJob naming the field and what is wrong with it, also where no day can
    ever match, such as the 31st of February.
    """
    given = text
    if len(text) > LONGEST:
        raise InvalidJob(f"cron has {len(text)} characters: use {LONGEST} at most")
    text = _expression(text.strip())
    # Cron knows blanks and tabs; str.split() would take a no-break space for one as well.
    fields = text.upper().replace("\t", " ").split(" ")
    fields = [field for field in fields if field]
    if len(fields) != len(cronfield.FIELDS):
        raise InvalidJob(_wrong_count(given, len(fields)))
    try:
        minute, hour, day, month, weekday = (
            cronfield.read(field, text)
            for field, text in zip(cronfield.FIELDS, fields, strict=True)
        )
        days = Days.of(day, month, weekday)
    except InvalidJob as err:
        raise InvalidJob(f"cron {show(given)}: {err}") from None
    return Cron(
        text=given,
        minutes=minute.values,
        hours=hour.values,
        days=days,
        wildcard=minute.star or hour.star,
    )


def _expression(text: str) -> str:
    """Return the five fields that a preset or an alias stands for, or the text itself."""
    if text in PRESETS:
        return PRESETS[text]
    if text.startswith("@"):
        found = ALIASES.get(text.lower())
        if found is None:
            raise InvalidJob(f"cron {show(text)} is refused: there are {', '.join(ALIASES)}")
        return found
    if "_" in text and " " not in text:
        hint = meant(text.upper(), PRESETS, f"there are {', '.join(PRESETS)}")
        raise InvalidJob(f"cron {show(text)} is no preset: {hint}")
    return text


def _wrong_count(text: str, count: int) -> str:
    names = ", ".join(field.name for field in cronfield.FIELDS)
    hint = "give five"
    if count == 6:
        hint = 'there are no seconds here: drop that field, or write every = "10s" instead'
    return f"cron {show(text)} has {count} fields, not the five of {names}: {hint}"
