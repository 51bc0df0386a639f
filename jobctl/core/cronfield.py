"""One field of a cron expression: names, lists, ranges, steps, L and #."""

from __future__ import annotations

import re
from typing import NoReturn

import msgspec

from jobctl.core.data import show
from jobctl.errors import InvalidJob

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_LAST_WEEKDAY = r"L([0-7])|([0-7]|[A-Z]{3})L"  # seldom used: compiled when it is
_WEEKS = 5
_LAST = "L"


class Field(msgspec.Struct, frozen=True):
    """What a field is called, its bounds, and the names that stand for its numbers.

    `high` is where `*` and a start with a step end; `top` is the largest number that may
    be written, 7 for the weekday, where it is Sunday like 0.
    """

    name: str
    low: int
    high: int
    names: dict[str, int] = {}
    top: int = 0

    @property
    def largest(self) -> int:
        """The largest number that may be written."""
        return max(self.top, self.high)


class Values(msgspec.Struct, frozen=True):
    """What a field says.

    `values` is sorted. `star` says that it begins with `*`, `last` that it has the last
    day of the month. `nth` holds weekdays of a month: (5, 2) is its second Friday, (5, 0)
    its last.
    """

    values: tuple[int, ...]
    star: bool
    last: bool = False
    nth: tuple[tuple[int, int], ...] = ()


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, {name: i + 1 for i, name in enumerate(_MONTHS)})
WEEKDAY = Field("day of week", 0, 6, {name: i for i, name in enumerate(_WEEKDAYS)}, 7)
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


def read(field: Field, text: str) -> Values:
    """Return what `text`, in capitals, says as this field. Raises InvalidJob naming both."""
    values: set[int] = set()
    nth: set[tuple[int, int]] = set()
    last = False
    for item in text.split(","):
        if field is DAY and item == _LAST:
            last = True
        elif field is WEEKDAY and "#" in item:
            nth.update(_nth(field, item))
        elif field is WEEKDAY and (found := re.fullmatch(_LAST_WEEKDAY, item)):
            nth.add((_number(field, found[1] or found[2]) % 7, 0))
        else:
            values.update(_range(field, item))
    if field is WEEKDAY:
        values = {value % 7 for value in values}
    return Values(tuple(sorted(values)), text.startswith("*"), last, tuple(sorted(nth)))


def _range(field: Field, item: str) -> range:
    span, slash, step_text = item.partition("/")
    step = 1
    if slash:
        if not _NUMBER.fullmatch(step_text) or int(step_text) == 0:
            _refuse(field, item, f"{show(step_text)} is no step: write a number from 1")
        step = int(step_text)
    if span == "*":
        return range(field.low, field.high + 1, step)
    first, dash, end = span.partition("-")
    low = _number(field, first)
    if not dash:
        # A start with a step, such as 5/15, goes on to the end of the field.
        return range(low, max(field.high, low) + 1, step) if slash else range(low, low + 1)
    high = field.high if field is DAY and end == _LAST else _number(field, end)
    if field is WEEKDAY and end in ("SUN", "0") and low > 0:
        high = field.largest  # FRI-SUN ends with the Sunday that comes after
    if low > high:
        _refuse(field, item, f"the range is empty: {_turned(field, low, high)}")
    return range(low, high + 1, step)


def _turned(field: Field, low: int, high: int) -> str:
    return f"write {low}-{field.high},{field.low}-{high} to go over the end"


def _nth(field: Field, item: str) -> list[tuple[int, int]]:
    days, _, week = item.partition("#")
    if not _NUMBER.fullmatch(week) or not 1 <= int(week) <= _WEEKS:
        _refuse(field, item, f"{show(week)} is no week of a month: use 1 to {_WEEKS}")
    return [(day % 7, int(week)) for day in _range(field, days)]


def _number(field: Field, text: str) -> int:
    if text in field.names:
        return field.names[text]
    if not _NUMBER.fullmatch(text):
        _refuse(field, text, _why_not(field, text))
    value = int(text)
    if not field.low <= value <= field.largest:
        _refuse(field, text, f"use {field.low} to {field.largest}")
    return value


def _why_not(field: Field, text: str) -> str:
    if text == "":
        return "a number is missing"
    if text == "?":
        return "write * for any"
    if field is WEEKDAY and text == _LAST:
        return "write 5L for the last Friday of the month"
    names = f" or {next(iter(field.names))} to {list(field.names)[-1]}" if field.names else ""
    return f"use {field.low} to {field.largest}{names}"


def _refuse(field: Field, item: str, why: str) -> NoReturn:
    raise InvalidJob(f"{field.name} {show(item)} is refused: {why}")
