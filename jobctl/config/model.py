"""What the configuration says, once it has been read and found right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.core.retry import RetryPolicy
from jobctl.core.text import clean

if TYPE_CHECKING:
    from jobctl.core.schedule import Schedule

#: Where a value stands: the names of the tables around it, and its own.
Key = tuple[str, ...]

DAY = 86400.0
MIB = 1024 * 1024


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: in which file, on which line, under which dotted key.

    `line` is None where the file as a whole is meant, `key` is then empty.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        return self._said(clean(self.message))

    def block(self) -> str:
        """Return it with the lines of its message, which may be a traceback."""
        return self._said(clean(self.message, lines=True))

    def _said(self, message: str) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (clean(place), clean(self.key), message) if part)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The table [run]: how the daemon works, and what holds for jobs that say nothing.

    Durations are seconds, sizes are bytes. None is no timeout and no limit.
    """

    handlers: tuple[str, ...] = ()
    concurrency: int = 10
    timeout: float | None = 300.0
    max_retries: int = 3
    backoff: RetryPolicy = RetryPolicy()
    shutdown_timeout: float = 30.0
    kill_after: float = 5.0
    max_crashes: int = 3
    async_concurrency: int = 1
    max_jobs_per_worker: int | None = None
    max_worker_rss: int | None = None
    max_data: int = MIB
    max_result: int = MIB
    max_log: int = MIB


#: How long things are kept unless [retention] says otherwise, in seconds; None is for ever.
RETENTION: dict[str, float | None] = {
    "completed": 7 * DAY,
    "failed": 30 * DAY,
    "cancelled": 30 * DAY,
    "ticks": 90 * DAY,
    "logs": None,  # as long as their jobs
}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    `file` is the jobs.toml that was found. Handlers are found from `folder`: the file's, or
    the current one. `store` is the absolute path of a directory, or a postgresql:// URL.
    `drop_ins` is the folder whose *.toml files hold more schedules; it need not exist.

    `retention` has the ages by status, and `keep_newest` how many of a name are kept at
    most. `limits` has a mapping of options for a job's name: `rate` is (jobs, seconds),
    durations are seconds. `schedules`, `alerts` and `dashboard` hold only what was written,
    `homes` has the file of each schedule, and `declared` what the schedules come to, for
    those who asked for it.
    """

    file: Path | None
    folder: Path
    store: str
    drop_ins: Path
    run: Run = Run()
    retention: dict[str, float | None] = msgspec.field(default_factory=RETENTION.copy)
    keep_newest: dict[str, int] = {}
    limits: dict[str, dict[str, Any]] = {}
    redact: tuple[str, ...] = ()
    schedules: dict[str, dict[str, Any]] = {}
    homes: dict[str, Path] = {}
    declared: dict[str, Schedule] = {}
    alerts: dict[str, Any] = {}
    dashboard: dict[str, Any] = {}
