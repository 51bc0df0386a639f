"""Schedules that stand in the code: @schedule on a handler, Scheduler.schedule beside one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from jobctl.clock import local_zone
from jobctl.errors import HandlerError, InvalidJob
from jobctl.runtime import handlers
from jobctl.runtime.parameters import Function, check_callable, location, title

if TYPE_CHECKING:
    from typing import Unpack

    from jobctl.core.declaring import Duration, ScheduleOptions

F = TypeVar("F", bound=Function)


class _Wanted(msgspec.Struct, frozen=True):
    """A schedule that was asked for; whose job it is may be known only later."""

    function: Function | None
    job: str | None
    name: str | None
    cron: str | None
    every: Any
    options: Mapping[str, Any]
    source: str


_wanted: list[_Wanted] = []


def schedule(
    cron: str | None = None,
    /,
    *,
    every: Duration | None = None,
    name: str | None = None,
    **options: Unpack[ScheduleOptions],
) -> Callable[[F], F]:
    """Have the daemon run a handler by the clock: `@schedule("0 3 * * *")` beside @handler.

    `cron` has five fields, or is a preset (CronPatterns); or else `every` is a duration.
    `name` is the schedule's, by default that of the handler. `options` are those of
    ScheduleOptions. Raises HandlerError, at the latest when all handlers are imported.
    """
    if cron is not None and not isinstance(cron, str):
        raise HandlerError('@schedule needs a time: @schedule("0 3 * * *")')

    def register(function: F) -> F:
        check_callable(function)
        where = location(function)
        _wanted.append(_Wanted(function, None, name, cron, every, options, where))
        return function

    return register


def declare(
    name: str, job: str, cron: str | None, every: Any, options: Mapping[str, Any], source: str
) -> None:
    """Declare a schedule for a job by its name."""
    _wanted.append(_Wanted(None, job, name, cron, every, options, source))


def importing() -> bool:
    """Return whether this process imports handlers: then a schedule is declared."""
    return "JOBCTL_IMPORTING" in os.environ


def job_of(name: str, handler: Function | str) -> str:
    """Return the name of the jobs that a schedule makes: its handler's, or its own.

    A function that is no handler becomes one. Raises HandlerError if workers cannot import
    it.
    """
    if isinstance(handler, str):
        return handler
    check_callable(handler)
    known = handlers.name_of(handler)
    if known is None:
        handlers.process(name, handler)
        return name
    return known


def declared() -> list[dict[str, Any]]:
    """Return all schedules that were declared, ready to be written as JSON.

    Raises HandlerError for one that cannot be, or that has no handler.
    """
    if not _wanted:
        return []
    from jobctl.core.declaring import declaration

    zone = local_zone(os.environ)
    found: dict[str, tuple[dict[str, Any], _Wanted]] = {}
    for wanted in _wanted:
        job = _job(wanted)
        name = wanted.name or job
        before = found.get(name)
        if before is not None and before[1].source != wanted.source:
            raise HandlerError(
                f"two schedules are called {name!r}: {before[1].source} and {wanted.source}. "
                "Give one of them another name="
            )
        if before is not None and not _same(before[1], wanted):
            raise HandlerError(
                f"two schedules are called {name!r} ({wanted.source}): give one of them name="
            )
        try:
            one = declaration(
                name,
                job,
                cron=wanted.cron,
                every=wanted.every,
                options=wanted.options,
                timezone=zone,
            )
        except InvalidJob as err:
            raise HandlerError(f"schedule {name!r} ({wanted.source}): {err}") from None
        told = msgspec.structs.replace(one, source=wanted.source)
        found[name] = (msgspec.to_builtins(told), wanted)
    return [table for table, _ in found.values()]


def _same(one: _Wanted, other: _Wanted) -> bool:
    # A module that is imported twice declares everything twice.
    return (one.cron, one.every, one.options) == (other.cron, other.every, other.options)


def _job(wanted: _Wanted) -> str:
    if wanted.job is not None:
        return wanted.job
    assert wanted.function is not None
    name = handlers.name_of(wanted.function)
    if name is None:
        raise HandlerError(
            f"{title(wanted.function)} has a schedule but is no handler: put @handler on it"
        )
    return name
