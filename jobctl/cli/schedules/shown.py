"""A schedule as people and programs see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from jobctl.cli.options import Session
from jobctl.core.redact import schedule_record
from jobctl.core.units import human_duration

AnySchedule = Any

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of schedules.")]


def record(here: Session, schedule: AnySchedule) -> dict[str, Any]:
    """Return a schedule's public record, with what the configuration redacts hidden."""
    return schedule_record(schedule, here.config.redact)


def when(schedule: AnySchedule) -> str:
    """Return when it ticks, as it is written: `0 3 * * *`, `every 90s`."""
    if schedule.every is not None:
        return f"every {human_duration(float(schedule.every))}"
    return str(schedule.cron)


def zoned(
    moment: datetime | None, schedule: AnySchedule, *, sep: str = " ", offset: bool = True
) -> str:
    """Return a moment in the schedule's own zone, with its offset; None is empty."""
    if moment is None:
        return ""
    from jobctl.core.dst import zone

    local = moment.astimezone(zone(schedule.timezone))
    if not offset:
        local = local.replace(tzinfo=None)
    return local.isoformat(sep=sep, timespec="seconds")
