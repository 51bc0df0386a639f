"""Secrets in job data, hidden before anything is shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jobctl.core.job import Job
    from jobctl.core.schedule import Schedule

HIDDEN = "***"


def redacted(value: Any, keys: Collection[str]) -> Any:
    """Return `value` with the values of `keys` hidden, at any depth and in any case."""
    return _hide(value, frozenset(key.casefold() for key in keys)) if keys else value


def job_record(job: Job[Any], keys: Collection[str]) -> dict[str, Any]:
    """Return a job's public record with the values of `keys` hidden."""
    record = job.record()
    for field in ("data", "result", "shell"):
        record[field] = redacted(record[field], keys)
    return record


def schedule_record(schedule: Schedule, keys: Collection[str]) -> dict[str, Any]:
    """Return a schedule's public record with the values of `keys` hidden."""
    record: dict[str, Any] = msgspec.to_builtins(schedule)
    record["data"] = redacted(record["data"], keys)
    return record


def _hide(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: HIDDEN if key.casefold() in keys else _hide(item, keys)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide(item, keys) for item in value]
    return value
