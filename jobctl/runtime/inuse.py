"""The settings and handlers in use, and how others take their place while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jobctl.clock import Clock
from jobctl.core.job import Job, Options, resolve
from jobctl.core.schedule import Schedule
from jobctl.errors import JobctlError
from jobctl.runtime.channel import Ready
from jobctl.runtime.generations import Generations
from jobctl.runtime.log import Log
from jobctl.runtime.server import Server
from jobctl.runtime.settings import Settings, Terms
from jobctl.runtime.start import check_schedules, handler_options, tell_handlers
from jobctl.runtime.systemd import Manager
from jobctl.runtime.teller import Teller
from jobctl.runtime.ticker import declared
from jobctl.services.telling import Trouble

#: Seconds until another fork server is tried, after one that did not import its handlers.
_RESTART = 5.0


class InUse:
    """What holds now: `settings`, and `handlers` with what each says of its jobs.

    `reread` reads the settings anew, `folder` is where handlers.json goes.
    """

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        *,
        folder: Path,
        clock: Clock,
        log: Log,
        manager: Manager,
        teller: Teller,
    ) -> None:
        self.settings = settings
        self.handlers: dict[str, dict[str, Any]] = {}
        self._asynchronous: frozenset[str] = frozenset()
        self._resolved: dict[str, Options] = {}  # for jobs that say nothing themselves
        self.declared: dict[str, Schedule] = {}  # by the handlers
        self._next_settings = settings
        self._reread = reread
        self._folder = folder
        self._clock = clock
        self._log = log
        self._manager = manager
        self._teller = teller
        self._restart_at: float | None = None

    def start(self, servers: Generations, meanwhile: Callable[[], None]) -> Server:
        """Start the first fork server and wait for its handlers; call `meanwhile` before.

        Raises HandlerError, or ConfigError for a schedule of a job that none of them runs.
        """
        server = servers.start(self.settings.setup)
        servers.use(server)
        meanwhile()
        ready = server.wait_ready()
        self.check(ready)
        self._adopt(ready)
        return server

    def check(self, ready: Ready) -> None:
        """Raise ConfigError if a schedule's job has no handler among these."""
        check_schedules(self._next_settings.chores, ready.handlers)

    def reread(self) -> bool:
        """Take up what the chores have become in the configuration; return whether it fits."""
        try:
            chores = self._reread().chores
            check_schedules(chores, self.handlers)
        except JobctlError as err:
            self._log.error(f"the edit is not taken up, the old schedules stay: {err}")
            return False
        self.settings = msgspec.structs.replace(self.settings, chores=chores)
        self._next_settings = msgspec.structs.replace(self._next_settings, chores=chores)
        self._log.info(f"the configuration was edited: {len(chores.schedules)} schedules")
        return True

    def reload(self, servers: Generations) -> None:
        """Read the configuration anew and import the handlers anew, beside those in use."""
        self._manager.reloading(self._clock.monotonic())
        try:
            self._next_settings = self._reread()
        except JobctlError as err:
            self._log.error(f"not reloaded, the old configuration stays: {err}")
            self._teller.trouble(Trouble.RELOAD, err)
            self._manager.ready()
            return
        self._log.info("reloading")
        self.prepare(servers)

    def prepare(self, servers: Generations) -> None:
        """Have the next fork server get ready; the loop goes on meanwhile."""
        self._restart_at = None
        if not servers.preparing:
            servers.prepare(self._next_settings.setup)

    def take_over(self, ready: Ready) -> None:
        """Let the next settings hold, and the handlers that its fork server has imported."""
        # As many workers as there are slots; another concurrency takes a restart.
        self.settings = msgspec.structs.replace(
            self._next_settings, concurrency=self.settings.concurrency
        )
        self._adopt(ready)
        self._manager.ready()
        self._log.info(
            f"{len(self.handlers)} handlers are in use", handlers=sorted(ready.handlers)
        )

    def refuse(self, err: JobctlError, servers: Generations) -> None:
        """Keep what is in use; without anything in use, try again in a while."""
        if servers.current is not None:
            self._log.error(f"not reloaded, the old handlers stay: {err}")
            self._teller.trouble(Trouble.RELOAD, err)
            self._next_settings = self.settings
            self._manager.ready()
        else:
            self._log.error(f"the handlers do not import any more, jobs wait: {err}")
            self._teller.trouble(Trouble.HANDLERS, err)
            self._restart_at = self._clock.monotonic() + _RESTART

    def tick(self, now: float, servers: Generations) -> None:
        """Try again, if it is time."""
        if self._restart_at is not None and now >= self._restart_at:
            self.prepare(servers)

    def wait(self, now: float) -> float | None:
        """Return after how many seconds to call `tick`, None for never."""
        return None if self._restart_at is None else self._restart_at - now

    def options(self, job: Job[Any]) -> Options:
        """Return what holds for a run of a job whose handler is known, or of a shell job."""
        plain = job.timeout is None and job.max_retries is None and job.backoff is None
        known = self._resolved.get(job.name) if plain else None
        if known is None:
            known = self._resolve(job)
            if plain:
                self._resolved[job.name] = known
        return known

    def _resolve(self, job: Job[Any]) -> Options:
        layers = (self.settings.limits.get(job.name, {}), self.handlers.get(job.name, {}))
        return resolve(job, *layers, default=self.settings.options)

    @property
    def terms(self) -> Terms:
        """What holds for workers."""
        return msgspec.structs.replace(self.settings.terms, asynchronous=self._asynchronous)

    def _adopt(self, ready: Ready) -> None:
        self.handlers = handler_options(ready)
        self._resolved.clear()
        self._asynchronous = frozenset(
            n for n, about in ready.handlers.items() if about["async"]
        )
        self.declared = declared(ready.schedules)
        tell_handlers(ready, self._folder, self._log)
        self._teller.use(self.settings)
