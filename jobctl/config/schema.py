"""Which keys a configuration may have, and what each may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jobctl.config import kinds
from jobctl.config.kinds import Kind, Report, choice, duration, named, one, table, whole
from jobctl.config.model import Key
from jobctl.core import options
from jobctl.core.data import plain, show
from jobctl.core.intake import MAX_DATA, check_name, check_schedule_name


def _job_name(value: Any) -> str:
    check_name(value)
    return str(value)


def _modules(value: Any) -> tuple[str, ...]:
    for name in kinds.read_texts(value):
        if not name.endswith(".py") and not all(p.isidentifier() for p in name.split(".")):
            raise ValueError(
                f"{show(name)} is no module: write a dotted name, or the path of a .py file"
            )
    return tuple(value)


def _address(*schemes: str) -> Kind:
    def parse(value: Any) -> str:
        # What stands there is not shown: it may hold a password.
        if not isinstance(value, str) or not value.startswith(schemes):
            raise ValueError(f'is refused: write "{schemes[0]}..."')
        return kinds.read_text(value)

    return one(parse)


def _command(value: Any) -> tuple[str, ...]:
    words = kinds.read_texts(value)
    if not words:
        raise ValueError('the list is empty: write ["program", "argument"]')
    return words


def _exactly_one(*names: str) -> Callable[[Mapping[str, Any]], None]:
    def rule(value: Mapping[str, Any]) -> None:
        if sum(name in value for name in names) != 1:
            raise ValueError(f"give one of {', '.join(names)}, not none and not two")

    return rule


def _one_place(value: Mapping[str, Any]) -> None:
    if "path" in value and "url" in value:
        raise ValueError("path and url name two stores: give one of them")


def _due_and_job(value: Mapping[str, Any]) -> None:
    _exactly_one("cron", "every")(value)
    if "job" not in value:
        raise ValueError('job is missing: write job = "NAME", the job that each tick adds')


_of_jobs: dict[str, Kind] = {
    "max_retries": one(options.max_retries),
    "backoff": one(options.backoff),
}
_count = whole(1, 100_000)

_store = table({"path": kinds.text, "url": _address("postgresql://")}, _one_place)

_run = table(
    {
        **_of_jobs,
        "handlers": one(_modules),
        "concurrency": _count,
        "timeout": duration(zero=False, word="none"),
        "shutdown_timeout": duration(),
        "kill_after": duration(),
        "max_crashes": _count,
        "async_concurrency": _count,
        "max_jobs_per_worker": whole(1, 2**31),
        "max_worker_rss": kinds.size,
        "max_data": kinds.size,
        "max_result": kinds.size,
        "max_log": kinds.size,
    }
)

_keep = duration(word="forever")
_age_and_count = table({"age": _keep, "count": whole(0, 2**31)})


def _keep_jobs(value: Any, key: Key, report: Report) -> Any:
    """A duration, or { age = ..., count = ... } with the newest so many of each name."""
    return (
        _age_and_count(value, key, report)
        if isinstance(value, dict)
        else _keep(value, key, report)
    )


_retention = table(
    {
        "completed": _keep_jobs,
        "failed": _keep_jobs,
        "cancelled": _keep_jobs,
        "ticks": _keep,
        "logs": _keep,
    }
)

_limits = named(
    table(
        {
            **_of_jobs,
            "timeout": one(options.timeout),
            "concurrency": _count,
            "rate": kinds.rate,
        }
    ),
    check_name,
)

_schedules = named(
    table(
        {
            "cron": kinds.text,
            "every": duration(zero=False),
            "timezone": kinds.zone,
            "job": one(_job_name),
            "data": one(lambda value: plain(value, "data", MAX_DATA)),
            "priority": one(options.priority),
            "max_retries": one(options.max_retries),
            "enabled": kinds.yes_or_no,
            "overlap": choice("allow", "skip", "replace"),
            "catch_up": choice("none", "latest", "all"),
            "catch_up_window": duration(),
            "jitter": duration(),
            "expect_within": duration(zero=False),
            "start": kinds.moment,
            "end": kinds.moment,
        },
        _due_and_job,
    ),
    check_schedule_name,
)

_action = table(
    {
        "job": one(_job_name),
        "command": one(_command),
        "webhook": _address("https://", "http://"),
    },
    _exactly_one("job", "command", "webhook"),
)
_alerts = table(
    {
        "on_dead": _action,
        "on_overdue": _action,
        "on_waiting": _action,
        "every": duration(),
        "max_wait": duration(zero=False),
    }
)

_dashboard = table(
    {
        "host": kinds.text,
        "port": whole(0, 65535),
        "hosts": kinds.texts,
        "allow_shell": kinds.yes_or_no,
        "allow_remote": kinds.yes_or_no,
        "add_rate": kinds.rate,
    }
)

#: A jobs.toml.
FILE = table(
    {
        "store": _store,
        "run": _run,
        "retention": _retention,
        "limits": _limits,
        "redact": table({"keys": kinds.texts}),
        "schedules": _schedules,
        "alerts": _alerts,
        "dashboard": _dashboard,
    }
)

#: A file of jobs.d.
DROP_IN = table({"schedules": _schedules})
