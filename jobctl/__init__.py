"""jobctl: background jobs and schedules for one machine, with no server.

The public names are found when they are first used: a worker must not pay for a store,
nor an `add` for the handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobctl.api import AsyncQueue, Queue
    from jobctl.core.cron import CronPatterns
    from jobctl.core.declaring import ScheduleOptions
    from jobctl.core.job import Attempt, Job, Outcome, Status
    from jobctl.core.options import JobOptions
    from jobctl.core.retry import Fail, Retry, RetryPolicy, Snooze
    from jobctl.core.schedule import Schedule
    from jobctl.core.standing import Tick
    from jobctl.core.store import Stats
    from jobctl.errors import (
        ConfigError,
        Conflict,
        Duplicate,
        HandlerError,
        InvalidFilter,
        InvalidJob,
        JobctlError,
        NotFound,
        StaleJob,
        StoreBusy,
        StoreCorrupt,
        StoreError,
        StoreFull,
        StoreTooNew,
        StoreUnwritable,
        WrongStatus,
    )
    from jobctl.runtime.declaring import schedule
    from jobctl.runtime.handlers import handler
    from jobctl.runtime.interrupts import JobCancelled, JobTimeout
    from jobctl.scheduler import Scheduler

__version__ = "0.1.0"

_HOMES = {
    "api": ("Queue", "AsyncQueue"),
    "scheduler": ("Scheduler",),
    "core.job": ("Job", "Status", "Outcome", "Attempt"),
    "core.options": ("JobOptions",),
    "core.retry": ("Retry", "Fail", "Snooze", "RetryPolicy"),
    "core.store": ("Stats",),
    "core.cron": ("CronPatterns",),
    "core.schedule": ("Schedule",),
    "core.standing": ("Tick",),
    "core.declaring": ("ScheduleOptions",),
    "runtime.handlers": ("handler",),
    "runtime.declaring": ("schedule",),
    "runtime.interrupts": ("JobTimeout", "JobCancelled"),
    "errors": (
        "JobctlError",
        "ConfigError",
        "InvalidFilter",
        "InvalidJob",
        "HandlerError",
        "NotFound",
        "Conflict",
        "Duplicate",
        "WrongStatus",
        "StaleJob",
        "StoreError",
        "StoreFull",
        "StoreCorrupt",
        "StoreTooNew",
        "StoreUnwritable",
        "StoreBusy",
    ),
}
_home_of = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AsyncQueue",
    "Attempt",
    "ConfigError",
    "Conflict",
    "CronPatterns",
    "Duplicate",
    "Fail",
    "HandlerError",
    "InvalidFilter",
    "InvalidJob",
    "Job",
    "JobCancelled",
    "JobOptions",
    "JobTimeout",
    "JobctlError",
    "NotFound",
    "Outcome",
    "Queue",
    "Retry",
    "RetryPolicy",
    "Schedule",
    "ScheduleOptions",
    "Scheduler",
    "Snooze",
    "StaleJob",
    "Stats",
    "Status",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreTooNew",
    "StoreUnwritable",
    "Tick",
    "WrongStatus",
    "__version__",
    "handler",
    "schedule",
]


def __getattr__(name: str) -> Any:
    home = _home_of.get(name)
    if home is None:
        raise AttributeError(f"module 'jobctl' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"jobctl.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
