"""Scheduler, as a program opens it: the same schedules as the terminal's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Unpack

    from jobctl.api import Queue
    from jobctl.config import Config
    from jobctl.core.declaring import Duration, ScheduleOptions
    from jobctl.core.schedule import Schedule
    from jobctl.core.standing import Tick
    from jobctl.services.scheduler import SchedulerService

Function = Callable[..., Any]


class Scheduler:
    """The schedules of a store: declare them, look at them, switch and trigger them.

    `config` is the jobs.toml to use and `store` where the jobs are kept; without them they
    are found as the `jobctl` command finds them. The schedules are read anew by each call.

    Every method may raise ConfigError or StoreError.
    """

    def __init__(self, config: str | None = None, store: str | None = None) -> None:
        self._config_flag = None if config is None else str(config)
        self._store_flag = None if store is None else str(store)
        self._queue: Queue | None = None

    def schedule(
        self,
        name: str,
        cron: str | None,
        handler: Function | str,
        /,
        *,
        every: Duration | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Have a handler run by the clock: a function that can be imported, or a job's name.

        `cron` has five fields or is one of CronPatterns; or it is None, and `every` is a
        duration. In a module of handlers this declares the schedule; elsewhere it is written
        as a drop-in (jobs.d/NAME.toml), in place of one of that name.

        Raises InvalidJob, HandlerError for a closure, a lambda or a method, and Conflict if
        a schedule of that name is written by hand.
        """
        from jobctl.runtime import declaring

        job = declaring.job_of(name, handler)
        if declaring.importing():
            caller = sys._getframe(1)
            source = f"{caller.f_code.co_filename}:{caller.f_lineno}"
            declaring.declare(name, job, cron, every, options, source)
            return
        from jobctl import scheduling

        scheduling.add(
            self._config,
            name,
            job,
            environ=os.environ,
            cron=cron,
            every=every,
            options=options,
        )

    def unschedule(self, name: str) -> None:
        """Remove a schedule that was written as a drop-in.

        Raises NotFound, and Conflict for one that is written by hand or in code.
        """
        from jobctl import scheduling

        config = self._config
        with self._opened(config) as service:
            scheduling.remove(config, service, name)

    def schedules(self) -> list[Schedule]:
        """Return all schedules, and how each stands."""
        with self._opened() as service:
            return service.schedules()

    def get(self, name: str) -> Schedule | None:
        """Return the schedule of this name and how it stands, or None."""
        with self._opened() as service:
            return service.get(name)

    def enable(self, name: str) -> Schedule:
        """Switch a schedule on, whatever its file says. Raises NotFound."""
        with self._opened() as service:
            return service.enable(name)

    def disable(self, name: str) -> Schedule:
        """Switch a schedule off, whatever its file says. Raises NotFound."""
        with self._opened() as service:
            return service.disable(name)

    def trigger(self, name: str) -> str:
        """Make a job of a schedule now, and return its id. Raises NotFound."""
        with self._opened() as service:
            return service.trigger(name)

    def history(self, name: str, limit: int = 20) -> list[Tick]:
        """Return what became of the last ticks, the newest first. Raises NotFound."""
        with self._opened() as service:
            return service.history(name, limit)

    def start(self, timeout: float = 60.0) -> None:
        """Start the daemon, which fires the schedules and runs all jobs: see Queue.start."""
        from jobctl.api import Queue

        if self._queue is None:
            self._queue = Queue(self._config_flag, self._store_flag)
        self._queue.start(timeout)

    def stop(self) -> None:
        """Stop the daemon that `start` started."""
        if self._queue is not None:
            self._queue.close()
            self._queue = None

    def __enter__(self) -> Scheduler:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def _config(self) -> Config:
        from jobctl import bootstrap

        return bootstrap.open_config(self._config_flag, self._store_flag, deep=True)

    def _opened(self, config: Config | None = None) -> closing[SchedulerService]:
        from jobctl import scheduling

        return closing(scheduling.open_scheduler(config or self._config))
