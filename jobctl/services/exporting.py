"""What is taken from the line of an exported job when it is added again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobctl.core.job import RECORD_FIELDS, Status

#: The fields of a record that ask for something; the others say what became of it.
ASKING = (
    "id", "name", "data", "priority", "max_retries", "run_at", "timeout", "backoff", "tags",
    "after", "concurrency_key", "shell",
)  # fmt: skip


def is_record(spec: Mapping[str, Any]) -> bool:
    """Return whether this is a whole record, and no job as one asks for it."""
    return "status" in spec and set(spec) <= set(RECORD_FIELDS)


def spec_of(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what adds a job again, None for one that is not pending: it has been run."""
    if record["status"] != Status.PENDING:
        return None
    return {name: record[name] for name in ASKING if record.get(name) not in (None, [])}
