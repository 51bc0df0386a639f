"""Schedules put together: from configuration, drop-ins and handlers to the service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from jobctl import bootstrap
from jobctl import config as configuration
from jobctl.clock import SystemClock, local_zone
from jobctl.config import Config, dropins
from jobctl.core.declaring import as_table, declaration
from jobctl.core.schedule import Schedule
from jobctl.core.store import Store
from jobctl.errors import Conflict
from jobctl.services.known import read_schedules
from jobctl.services.scheduler import SchedulerService


def open_scheduler(config: Config) -> SchedulerService:
    """Return the service of the schedules; the configuration was read with them."""
    return scheduler_on(bootstrap.open_store(config), config)


def scheduler_on(store: Store, config: Config) -> SchedulerService:
    """Return the service of the schedules, on a store that is open."""
    return SchedulerService(store, SystemClock(), declared(config))


def declared(config: Config) -> dict[str, Schedule]:
    """Return all schedules, each with its file and line: one in a file beats one in code."""
    places = configuration.places(config)
    written = {
        name: msgspec.structs.replace(schedule, source=places[name])
        for name, schedule in config.declared.items()
    }
    return {**in_code(config), **written}


def known(config: Config) -> dict[str, Schedule]:
    """Return all schedules; where those in files stand is not looked for."""
    return {**in_code(config), **config.declared}


def in_code(config: Config) -> dict[str, Schedule]:
    """Return the schedules that the handlers of the last daemon declare."""
    found = {}
    for table in read_schedules(Path(config.store)):
        try:
            schedule = msgspec.convert(table, Schedule)
        except msgspec.ValidationError:
            continue  # of another version
        found[schedule.name] = schedule
    return found


def add(
    config: Config,
    name: str,
    job: str,
    *,
    environ: Mapping[str, str],
    cron: str | None = None,
    every: Any = None,
    options: Mapping[str, Any],
) -> Path:
    """Write a schedule as a drop-in, in place of one that was written so; return its path.

    Raises InvalidJob, ConfigError, or Conflict for one that is written by hand.
    """
    schedule = declaration(
        name, job, cron=cron, every=every, options=options, timezone=local_zone(environ)
    )
    _refuse_hand_written(config, name)
    table = as_table(schedule)
    if options.get("timezone") is None:
        del table["timezone"]
    return dropins.write(config.drop_ins, name, table)


def remove(config: Config, scheduler: SchedulerService, name: str) -> None:
    """Remove a schedule that stands in a drop-in of ours.

    Raises NotFound, ConfigError, or Conflict for one that is written by hand.
    """
    schedule = scheduler.required(name)
    _refuse_hand_written(config, name)
    if name not in config.homes:
        raise Conflict(
            f"schedule {name} is declared in code, {schedule.source}: remove it there"
        )
    dropins.remove(config.drop_ins, name)
    if name not in in_code(config):
        scheduler.forget(name)


def _refuse_hand_written(config: Config, name: str) -> None:
    home = config.homes.get(name)
    if home is not None and not dropins.is_ours(home, config.drop_ins, name):
        file, line = configuration.place(config, "schedules", name)
        raise Conflict(f"schedule {name} is written by hand, {file}:{line}: edit it there")
