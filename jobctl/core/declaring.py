"""A schedule as a program or a command declares it, and as a table of TOML holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

import msgspec

from jobctl.core import options as opts
from jobctl.core.data import plain, show
from jobctl.core.intake import MAX_DATA, check_name, check_schedule_name
from jobctl.core.schedule import CatchUp, Overlap, Schedule, declare
from jobctl.core.text import meant
from jobctl.errors import InvalidJob

Duration = float | str | timedelta


class ScheduleOptions(TypedDict, total=False):
    """What may be said of a schedule beside its name, its job and when it ticks.

    Durations are seconds, `90s`-like text or a timedelta. `overlap` is skip, allow or
    replace, `catch_up` none, latest or all.
    """

    timezone: str
    data: Any
    priority: int
    max_retries: int
    enabled: bool
    overlap: str
    catch_up: str
    catch_up_window: Duration
    jitter: Duration
    expect_within: Duration
    start: datetime | str
    end: datetime | str


_OPTIONS = tuple(ScheduleOptions.__annotations__)
_DURATIONS = ("catch_up_window", "jitter", "expect_within", "every")
_TIMES = ("start", "end")
_CHOICES: dict[str, Sequence[str]] = {
    "overlap": tuple(map(str, Overlap)),
    "catch_up": tuple(map(str, CatchUp)),
}


def declaration(
    name: str,
    job: str,
    *,
    cron: str | None = None,
    every: Duration | None = None,
    options: Mapping[str, Any],
    timezone: str,
) -> Schedule:
    """Return the schedule that a call declares; `timezone` holds unless it names one.

    Raises InvalidJob naming what does not fit.
    """
    check_schedule_name(name)
    check_name(job)
    given = opts.saying(options, _OPTIONS)
    table = {key: _checked(key, value) for key, value in given.items()}
    table["job"] = job
    if cron is not None:
        if not isinstance(cron, str):
            raise InvalidJob(f"cron {show(cron)} is refused: write it as text")
        table["cron"] = cron
    if every is not None:
        table["every"] = _checked("every", every)
    return declare(name, table, timezone=timezone)


def _checked(key: str, value: Any) -> Any:
    if key in _DURATIONS:
        return _seconds(key, value)
    if key in _TIMES:
        return opts.parse_time(value, what=key)
    if key in _CHOICES:
        return _choice(key, value)
    if key == "data":
        return plain(value, "data", MAX_DATA)
    if key == "priority":
        return opts.priority(value)
    if key == "max_retries":
        return opts.max_retries(value)
    if key == "enabled" and not isinstance(value, bool):
        raise InvalidJob(f"enabled {show(value)} is refused: use true or false")
    return value


def _seconds(key: str, value: Any) -> float:
    length = opts.duration(key, value)
    if key == "expect_within" and not length:
        raise InvalidJob("expect_within must be more than nothing")
    return length


def _choice(key: str, value: Any) -> str:
    words = _CHOICES[key]
    if value not in words:
        said = value if isinstance(value, str) else ""
        hint = meant(said, words, f"use {' or '.join(words)}")
        raise InvalidJob(f"{key} {show(value)} is refused: {hint}")
    return str(value)


def as_table(schedule: Schedule) -> dict[str, Any]:
    """Return what a table of TOML says of a schedule; what is as by default is left out.

    Raises InvalidJob for data that TOML does not have: null.
    """
    table: dict[str, Any] = {}
    for field in ("cron", "every", "timezone", "job", *_OPTIONS):
        value = getattr(schedule, field)
        if value != _DEFAULTS.get(field):
            table[field] = value if field in ("data", *_TIMES) else msgspec.to_builtins(value)
    if _has_null(schedule.data):
        raise InvalidJob("data has null in it, which TOML does not have: leave it out")
    return table


_FIELDS = Schedule.__struct_fields__[-len(Schedule.__struct_defaults__) :]
_DEFAULTS = dict(zip(_FIELDS, Schedule.__struct_defaults__, strict=True)) | {"data": {}}


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    if isinstance(value, list):
        return any(map(_has_null, value))
    return value is None
