"""What the routes work with: the services, on one store, as the configuration has them now."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from litestar.di import NamedDependency

from jobctl import bootstrap, scheduling
from jobctl import config as configuration
from jobctl.clock import SystemClock
from jobctl.config import Config
from jobctl.core.data import show
from jobctl.core.redact import job_record, schedule_record
from jobctl.core.store import Store
from jobctl.errors import ConfigError, NotFound
from jobctl.services.queue import QueueService
from jobctl.services.scheduler import SchedulerService
from jobctl.web.plots import Figures
from jobctl.web.rates import Rate

#: Jobs that may be added, and in how many seconds, unless [dashboard] add_rate says it.
ADD_RATE = (600, 60.0)
#: Seconds between two looks at whether the configuration was edited.
LOOK = 1.0


class Backend:
    """The services of one store, for routes that run in threads.

    `reread` reads the configuration anew. It is asked when a file was edited: what is right
    holds from then on, what is wrong leaves all as it was.
    """

    def __init__(self, store: Store, config: Config, reread: Callable[[], Config]) -> None:
        self.store = store
        self.clock = SystemClock()
        self.figures = Figures(store.files)
        #: Set when the server ends: whoever streams shall end too.
        self.closing = threading.Event()
        #: Streams that are open.
        self.streams = 0
        self._reread = reread
        self._lock = threading.Lock()
        self._looked = self.clock.monotonic()
        self._use(config)

    def _use(self, config: Config) -> None:
        self._config = config
        self._stamp = self._stamps()
        self._queue = bootstrap.queue_on(self.store, config)
        self._scheduler = scheduling.scheduler_on(self.store, config)
        self._add_rate = Rate(self.clock, *config.dashboard.get("add_rate", ADD_RATE))

    @property
    def config(self) -> Config:
        """The configuration that holds."""
        self._look()
        return self._config

    @property
    def queue(self) -> QueueService:
        """The jobs."""
        self._look()
        return self._queue

    @property
    def scheduler(self) -> SchedulerService:
        """The schedules that the files and the handlers declare."""
        self._look()
        return self._scheduler

    def may_add(self) -> int:
        """Return 0 if one more job may be added now, or in how many seconds it may."""
        return self._add_rate.take()

    def required(self, job_id: str) -> Any:
        """Return the job with exactly this id. Raises NotFound."""
        job = self.queue.get(job_id)
        if job is None:
            raise NotFound(f"there is no job {show(job_id)[1:-1]}")
        return job

    def record(self, job: Any) -> dict[str, Any]:
        """Return a job's public record, with what the configuration redacts hidden."""
        return job_record(job, self._config.redact)

    def records(self, jobs: Iterable[Any]) -> list[dict[str, Any]]:
        """Return the public records of some jobs."""
        return [self.record(job) for job in jobs]

    def schedule(self, schedule: Any) -> dict[str, Any]:
        """Return a schedule's public record, with what the configuration redacts hidden."""
        return schedule_record(schedule, self._config.redact)

    def _look(self) -> None:
        with self._lock:
            now = self.clock.monotonic()
            if now < self._looked + LOOK:
                return
            self._looked = now
            if self._stamps() == self._stamp:
                return
            try:
                self._use(self._reread())
            except ConfigError:
                self._stamp = (
                    self._stamps()
                )  # `jobctl run` and `config check` say what is wrong

    def _stamps(self) -> list[tuple[str, int, int]]:
        files = [
            *configuration.watched(self._config),
            Path(self._config.store, "handlers.json"),
        ]
        return [(str(path), *_stamp(path)) for path in files]


#: How a route asks for it.
Services = NamedDependency[Backend]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        info = os.stat(path)
    except OSError:
        return (0, -1)
    return (info.st_mtime_ns, info.st_size)
