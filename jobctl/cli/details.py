"""One job, laid out for people."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from jobctl.cli import render
from jobctl.cli.words import how_it_exited, local, moment, remark, took
from jobctl.core.job import AnyJob, Attempt
from jobctl.core.units import human_duration
from jobctl.core.wording import error_line, error_text, relative

#: The width of the column with the fields' names.
LABEL = 17


def show(job: AnyJob, record: dict[str, Any], now: datetime) -> None:
    """Print a job. `record` is its public record with secrets hidden."""
    for label, value in _fields(job, record, now):
        if value:
            _field(label, value)
    if job.history:
        render.block("\nattempts:")
        headers = ("OUTCOME", "STARTED", "TOOK", "WORKER", "EXIT", "ERROR")
        terminal = render.on_terminal(sys.stdout)
        render.table(
            headers,
            [_attempt(one, now, terminal) for one in job.history],
            shrink=((5, 20), (4, 8)),
        )
    if job.error is not None and job.error.traceback:
        render.block("\nlast traceback:")
        render.block(job.error.traceback, indent="  ")
    tail = job.history[-1].log_tail if job.history else None
    if tail:
        render.block("\nthe end of its log:")
        render.block("\n".join(tail), indent="  ")


def _fields(job: AnyJob, record: dict[str, Any], now: datetime) -> list[tuple[str, str]]:
    note = "" if job.error is not None else remark(job, now)
    return [
        ("id", job.id),
        ("name", job.name),
        ("status", f"{job.status} ({note})" if note else str(job.status)),
        ("data", _pretty(record["data"])),
        ("priority", str(job.priority)),
        ("attempts", _attempts(job)),
        ("created_at", moment(job.created_at, now)),
        ("run_at", moment(job.run_at, now)),
        ("started_at", moment(job.started_at, now)),
        ("finished_at", moment(job.finished_at, now)),
        ("timeout", human_duration(job.timeout) if job.timeout else ""),
        ("backoff", _pretty(job.backoff) if job.backoff else ""),
        ("tags", ", ".join(job.tags)),
        ("after", ", ".join(job.after)),
        ("concurrency_key", job.concurrency_key or ""),
        ("schedule", job.schedule or ""),
        ("shell", _pretty(record["shell"]) if job.shell else ""),
        ("progress", _pretty(job.progress) if job.progress else ""),
        ("result", "" if job.result is None else _pretty(record["result"])),
        ("error", error_text(job.error) if job.error else ""),
    ]


def _pretty(value: Any) -> str:
    return render.json_text(value, ascii_only=False)


def _attempts(job: AnyJob) -> str:
    if job.max_retries is None:
        return str(job.attempts)
    return f"{job.attempts} of at most {job.max_retries + 1}"


def _field(label: str, value: str) -> None:
    # Further lines are indented, so that none can pass for a field.
    first, *rest = value.split("\n")
    render.lines([f"{label:<{LABEL}}{first}", *(f"{'':<{LABEL}}{line}" for line in rest)])


def _attempt(one: Attempt, now: datetime, terminal: bool) -> tuple[str, ...]:
    began = one.started_at
    if terminal:
        started = relative(began, now) if began else ""
    else:
        started = local(began, sep="T")
    return (
        str(one.outcome),
        started,
        took(one),
        one.worker or "",
        how_it_exited(one),
        error_line(one.error),
    )
