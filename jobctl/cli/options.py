"""The options that several commands share, and the session that they leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from jobctl.services.queue import QueueService
    from jobctl.services.scheduler import SchedulerService


class Session:
    """Where this call finds its jobs. Configuration and store are opened when asked for."""

    def __init__(self) -> None:
        self.store_flag: str | None = None
        self.config_flag: str | None = None
        self._config: Any = None
        self._deep: Any = None
        self._queue: QueueService | None = None
        self._scheduler: SchedulerService | None = None

    @property
    def config(self) -> Any:
        """The jobctl.config.Config that holds. Raises ConfigError."""
        if self._config is None:
            from jobctl import bootstrap

            self._config = bootstrap.open_config(self.config_flag, self.store_flag)
        return self._config

    @property
    def deep_config(self) -> Any:
        """The configuration, its schedules read to the end. Raises ConfigError."""
        if self._deep is None:
            from jobctl import bootstrap

            self._deep = bootstrap.open_config(self.config_flag, self.store_flag, deep=True)
            self._config = self._deep
        return self._deep

    @property
    def scheduler(self) -> SchedulerService:
        """The schedules, the store opened. Raises ConfigError or StoreError."""
        if self._scheduler is None:
            from jobctl import scheduling

            self._scheduler = scheduling.open_scheduler(self.deep_config)
        return self._scheduler

    @property
    def queue(self) -> QueueService:
        """The queue, its store opened. Raises ConfigError or StoreError."""
        if self._queue is None:
            from jobctl import bootstrap

            self._queue = bootstrap.open_queue(self.config)
        return self._queue

    def record(self, job: Any) -> dict[str, Any]:
        """Return a job's public record, with what the configuration redacts hidden."""
        from jobctl.core.redact import job_record

        return job_record(job, self.config.redact)

    def records(self, jobs: list[Any]) -> list[dict[str, Any]]:
        """Return the public records of some jobs."""
        return [self.record(job) for job in jobs]


def session(ctx: typer.Context) -> Session:
    """Return the session of this call."""
    return ctx.ensure_object(Session)


def _take_store(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        session(ctx).store_flag = value


def _take_config(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        session(ctx).config_flag = value


# Accepted before and after the command: the value goes into the session from either place.
StoreFlag = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR|URL",
        help="Where the jobs are kept. Also JOBCTL_STORE.",
        callback=_take_store,
        expose_value=False,
    ),
]
ConfigFlag = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The jobs.toml to use. Also JOBCTL_CONFIG.",
        callback=_take_config,
        expose_value=False,
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Raw = Annotated[
    bool, typer.Option("--raw", help="Print the bytes as they are, into a pipe or a file.")
]
JobId = Annotated[
    str, typer.Argument(metavar="ID", help="An id, or a beginning that only one has.")
]
