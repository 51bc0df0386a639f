"""The daemon: one process that claims jobs, has workers run them, and writes how they ended.

It never imports user code. The loop is thin: it waits for whichever comes first (a wake-up,
a report, a reply of the store's thread, a signal, a deadline) and hands it on.
"""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jobctl.clock import Clock
from jobctl.core.job import Ending, Job, JobError, Options, Outcome, Status, resolve
from jobctl.core.store import Seat, Store
from jobctl.errors import HandlerError, JobctlError, StoreUnwritable
from jobctl.runtime.channel import Forked, Ready, Setup, Unforked
from jobctl.runtime.family import Family
from jobctl.runtime.generations import Generations, News
from jobctl.runtime.keeper import Keeper, Reply, Request, Settlement
from jobctl.runtime.log import Log
from jobctl.runtime.pool import Pool
from jobctl.runtime.report import Reporter
from jobctl.runtime.server import Server
from jobctl.runtime.signals import Signals
from jobctl.runtime.slots import Slots
from jobctl.runtime.start import handler_options, recover_all, write_handlers
from jobctl.runtime.systemd import Manager

AnyJob = Job[Any]

#: Seconds between looks at the store when nobody wakes the daemon: only a fallback.
POLL = 5.0
#: Seconds between steps of housekeeping when there is nothing else to do.
_HOUSEKEEPING = 60.0
#: Seconds to wait after the store has refused.
_STORE_PAUSE = 1.0
#: Seconds until another fork server is tried, after one that did not import its handlers.
_RESTART = 5.0
#: Seconds between two looks for cancelled jobs while nothing else is asked of the store.
_LOOK = 0.1


class Settings(msgspec.Struct, frozen=True):
    """What a daemon is told. Durations are seconds, sizes bytes."""

    entries: list[str] = []
    folder: str = "."
    path: list[str] = []
    processes: list[str] = []
    concurrency: int = 10
    options: Options = Options()
    limits: Mapping[str, Mapping[str, Any]] = {}
    shutdown_timeout: float = 30.0
    kill_after: float = 5.0
    max_result: int = 1 << 20
    stop_on_eof: bool = False


class Daemon:
    """One run of a daemon, from taking the seat to leaving it."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        log: Log,
        reread: Callable[[], Settings] | None = None,
    ) -> None:
        """Make a daemon of `store`. `reread` reads the settings anew, for a reload."""
        self._store = store
        self._settings = settings
        self._next_settings = settings
        self._reread = reread or (lambda: settings)
        self._clock = clock
        self._log = log
        self._reporter = Reporter(log)
        self._manager = Manager()
        self._selector = selectors.DefaultSelector()
        self._settlements: list[Settlement] = []
        self._handlers: dict[str, dict[str, Any]] = {}
        self._hungry = True  # whether there may be something to claim
        self._drained = False
        self._signals = Signals()
        self._stopping = False
        self._at_work = False
        self._woken = False  # whether there may be something to read: a cancelled job
        self._look_at = 0.0
        self._full = False  # whether what is due did not fit
        self._stop_at = 0.0
        self._poll_at = 0.0
        self._due_at: float | None = None
        self._pause_until = 0.0
        self._housekeeping_at = 0.0
        self._restart_at: float | None = None
        self._seat: Seat
        self._family: Family
        self._pool: Pool
        self._servers: Generations
        self._slots: Slots
        self._slots_fd = -1

    def run(self, *, burst: bool = False, standby: bool = False) -> None:
        """Serve until a signal asks to stop; with `burst`, until nothing more is due.

        Raises StoreBusy if there is a daemon already (unless `standby`: then wait for its
        end), HandlerError if the handlers do not import, StoreError if the store fails at
        the start.
        """
        with self._store.seat(wait=standby) as seat:
            self._seat = seat
            self._family = Family(seat.folder)
            begun = self._family.end_previous()
            self._open()
            try:
                server = self._servers.start(_setup(self._settings))
                self._servers.use(server)
                self._adopt(server.wait_ready())
                recover_all(
                    self._store, begun, self._settings.options, self._clock.now(), self._log
                )
                self._family.recovered()
                self._serve(server, burst)
            finally:
                self._servers.close()
                os.close(self._slots_fd)
                if not self._at_work:
                    self._family.clear()  # else jobs run in the store: see end_previous

    # -- start and reload --------------------------------------------------------------

    def _open(self) -> None:
        count = self._settings.concurrency + 1
        try:
            self._family.write()
            self._slots_fd = Slots.create(self._family.slots_path, count)
        except OSError as err:
            raise StoreUnwritable(
                f"{self._family.slots_path.parent} cannot be written: {err.strerror}"
            ) from err
        self._slots = Slots(self._slots_fd, count)
        self._servers = Generations(
            self._family,
            self._slots_fd,
            count,
            watch=self._watch,
            forget=self._forget,
            on_news=self._on_news,
            on_ready=self._on_new_server,
            on_broken=self._on_broken_server,
            on_death=self._on_server_death,
        )

    def _adopt(self, ready: Ready) -> None:
        self._handlers = handler_options(ready)
        write_handlers(ready, self._seat.folder, self._log)

    def _reload(self) -> None:
        """Read the configuration anew and import the handlers anew, beside those in use."""
        self._manager.reloading(self._clock.monotonic())
        try:
            self._next_settings = self._reread()
        except JobctlError as err:
            self._log.error(f"not reloaded, the old configuration stays: {err}")
            self._manager.ready()
            return
        self._log.info("reloading")
        self._prepare()

    def _prepare(self) -> None:
        self._restart_at = None
        if not self._servers.preparing:
            self._servers.prepare(_setup(self._next_settings))

    def _on_new_server(self, server: Server, ready: Ready) -> None:
        # As many workers as there are slots; another concurrency takes a restart.
        self._settings = msgspec.structs.replace(
            self._next_settings, concurrency=self._settings.concurrency
        )
        self._adopt(ready)
        self._pool.use(server)
        self._hungry = True
        self._manager.ready()
        self._log.info(
            f"{len(self._handlers)} handlers are in use", handlers=sorted(ready.handlers)
        )

    def _on_broken_server(self, err: HandlerError) -> None:
        if self._servers.current is not None:
            self._log.error(f"not reloaded, the old handlers stay: {err}")
            self._next_settings = self._settings
            self._manager.ready()
        else:
            self._log.error(f"the handlers do not import any more, jobs wait: {err}")
            self._restart_at = self._clock.monotonic() + _RESTART

    def _on_server_death(self) -> None:
        self._log.error("the fork server died; its workers are ended and a new one is started")
        self._pool.server_died()
        self._prepare()

    # -- the loop ----------------------------------------------------------------------

    def _serve(self, server: Server, burst: bool) -> None:
        keeper = self._keeper = Keeper(self._store, self._clock)
        self._pool = Pool(
            server,
            self._slots,
            concurrency=self._settings.concurrency,
            kill_after=self._settings.kill_after,
            settle=self._settle,
            watch=self._watch,
            forget=self._forget,
            now=self._clock.now,
            monotonic=self._clock.monotonic,
        )
        self._watch(self._seat, self._on_wake)
        self._watch(keeper, self._on_reply)
        self._watch(self._signals, self._signals.drain)
        if self._settings.stop_on_eof:
            self._watch(0, self._on_input)
        keeper.start()
        self._at_work = True
        try:
            self._loop(burst)
            self._at_work = False
        finally:
            keeper.stop()
            self._pool.close()
        self._reporter.summary()

    def _loop(self, burst: bool) -> None:
        with self._signals.catch():
            self._manager.ready()
            self._log.info(
                f"ready: {len(self._handlers)} handlers, "
                f"concurrency {self._settings.concurrency}",
                handlers=sorted(self._handlers),
                pid=os.getpid(),
            )
            while not self._finished(burst):
                self.step()

    def step(self) -> None:
        """Wait for something to happen, and do what follows from it."""
        self._ask()
        for key, _ in self._selector.select(self._patience()):
            # What came before it may have closed this one.
            if self._selector.get_map().get(key.fd) is key:
                key.data()
        self._servers.release(self._pool.uses)
        self._on_signals()
        now = self._clock.monotonic()
        if now >= self._poll_at or (self._due_at is not None and now >= self._due_at):
            self._hungry = self._woken = True
            self._due_at = None
            self._poll_at = now + POLL
        if self._restart_at is not None and now >= self._restart_at:
            self._prepare()
        if self._stopping and now >= self._stop_at:
            self._pool.release_running()

    def _patience(self) -> float:
        """Return how many seconds the loop may sleep."""
        now = self._clock.monotonic()
        waits = [
            self._poll_at - now,
            self._pool.tick(),
            self._manager.tick(now, self._status),
        ]
        if self._due_at is not None:
            waits.append(self._due_at - now)
        if self._restart_at is not None:
            waits.append(self._restart_at - now)
        if self._pause_until > now:
            waits.append(self._pause_until - now)
        if self._woken and not self._keeper.busy and self._look_at > now:
            waits.append(self._look_at - now)
        if self._stopping:
            waits.append(max(self._stop_at - now, 0.05))
        return max(0.0, min(wait for wait in waits if wait is not None))

    def _status(self) -> str:
        """Return what `systemctl status` shows of us in one line."""
        refused = "the store refuses, jobs wait; " if self._pause_until else ""
        stopping = "stopping; " if self._stopping else ""
        return f"{stopping}{refused}{self._pool.at_work} running, {self._reporter.line()}"

    def _finished(self, burst: bool) -> bool:
        if self._keeper.busy or self._settlements or self._pool.busy:
            return False
        return self._stopping or (burst and self._drained and not self._hungry)

    def _ask(self) -> None:
        now = self._clock.monotonic()
        if self._keeper.busy or now < self._pause_until:
            return
        plan = None
        if self._hungry and not self._stopping:
            plan = self._pool.plan(self._handlers)
            if not plan.room:
                plan = None
        idle = not self._hungry and not self._pool.busy and now >= self._housekeeping_at
        look = self._woken and now >= self._look_at
        if not self._settlements and plan is None and not idle and not look:
            return
        if plan is not None:
            self._hungry = False  # a wake-up that comes while the store looks counts anew
        self._woken = False
        self._look_at = now + _LOOK
        settlements, self._settlements = self._settlements, []
        if idle:
            self._housekeeping_at = now + _HOUSEKEEPING
        self._keeper.ask(Request(settlements, plan, look=look, maintain=idle))

    # -- what happens ------------------------------------------------------------------

    def _on_wake(self) -> None:
        self._seat.drain()
        self._hungry = self._woken = True

    def _on_reply(self) -> None:
        reply = self._keeper.answer()
        if reply.bug is not None:
            raise reply.bug
        if reply.error is not None:
            self._on_store_error(reply)
            return
        if self._pause_until:
            self._pause_until = 0.0
            self._log.info("the store can be used again")
        for job in reply.settled:
            self._reporter.ended(job)
            # What goes back may be due at once, or sooner than what was waited for.
            if job.status is Status.PENDING:
                self._hungry = True
        for job in reply.claimed:
            if self._stopping:
                ending = Ending(Outcome.RELEASED, self._clock.now())
                self._settle(job, ending, self._settings.options)
            else:
                self._start(job)
        for job_id in reply.cancelling:
            self._pool.cancel(job_id)
        if reply.request.plan is not None:
            self._drained = reply.exhausted and not reply.claimed
            if reply.claimed:
                self._hungry = True
            # What did not fit is asked for when a place becomes free, not again and again.
            self._full = not reply.exhausted
            due = reply.next_due
            if due is not None and due > reply.at:
                wait = (due - self._clock.now()).total_seconds()
                self._due_at = self._clock.monotonic() + max(0.0, wait)
        if reply.more_to_maintain:
            self._housekeeping_at = 0.0

    def _on_store_error(self, reply: Reply) -> None:
        if not self._pause_until:
            self._log.error(f"the store refuses, jobs wait: {reply.error}")
        # Nothing was done: the results are kept here and written when it can be.
        self._settlements = reply.request.settlements + self._settlements
        self._hungry = self._woken = True
        now = self._clock.monotonic()
        self._pause_until = now + _STORE_PAUSE
        if self._stopping and now >= self._stop_at + 5.0:
            assert reply.error is not None
            raise reply.error

    def _start(self, job: AnyJob) -> None:
        if job.name not in self._handlers:
            known = ", ".join(sorted(self._handlers)) or "none"
            error = JobError(
                "UnknownHandler", f"no handler is called {job.name!r}; there are: {known}"
            )
            ending = Ending(Outcome.ERROR, self._clock.now(), error=error, final=True)
            self._settle(job, ending, self._settings.options)
            return
        layers = (self._settings.limits.get(job.name, {}), self._handlers[job.name])
        self._pool.give(job, resolve(job, *layers, default=self._settings.options))

    def _settle(self, job: AnyJob, ending: Ending, options: Options) -> None:
        self._settlements.append(Settlement(job, ending, options))
        if self._full:
            self._hungry, self._full = True, False

    def _on_news(self, news: News) -> None:
        if isinstance(news, Unforked):
            self._log.error(f"a worker could not be started, its jobs wait: {news.message}")
            self._pool.unforked(news.slot)
        elif isinstance(news, Forked):
            self._family.add(news.pid)
            self._pool.forked(news.slot, news.pid)
        else:
            self._family.remove(news.pid)
            self._pool.exited(news)

    # -- signals -----------------------------------------------------------------------

    def _on_input(self) -> None:
        if not os.read(0, 4096):
            self._forget(0)
            self._signals.add(signal.SIGTERM)

    def _on_signals(self) -> None:
        for number in self._signals.take():
            now = self._clock.monotonic()
            if number == signal.SIGHUP:
                if not self._stopping:
                    self._reload()
                continue
            if self._stopping or number == signal.SIGQUIT:
                self._stop_at = now
            else:
                self._stop_at = now + self._settings.shutdown_timeout
                self._log.info(
                    f"stopping: running jobs have {self._settings.shutdown_timeout:g} s; "
                    "a second signal stops at once"
                )
            if not self._stopping:
                self._manager.stopping()
            self._stopping = True
            self._pool.release_waiting()

    # -- helpers -----------------------------------------------------------------------

    def _watch(self, what: Any, use: Callable[[], object]) -> None:
        self._selector.register(what, selectors.EVENT_READ, use)

    def _forget(self, what: Any) -> None:
        try:
            self._selector.unregister(what)
        except KeyError:
            pass


def _setup(settings: Settings) -> Setup:
    return Setup(
        entries=settings.entries,
        folder=settings.folder,
        processes=settings.processes,
        max_result=settings.max_result,
        path=settings.path,
    )
