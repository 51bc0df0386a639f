"""A daemon at work: its loop, and what follows from what.

The loop is thin: it waits for whichever comes first (a wake-up, a report, a reply of the
store's thread, a signal, a deadline) and hands it on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from jobctl.clock import Clock
from jobctl.core.job import AnyJob, Ending, Options
from jobctl.core.store import Seat, Store
from jobctl.core.units import counted
from jobctl.errors import StoreBusy, StoreError, StoreFull
from jobctl.runtime import judge
from jobctl.runtime.agenda import Agenda
from jobctl.runtime.channel import Forked, Ready, Unforked
from jobctl.runtime.clockwork import Clockwork
from jobctl.runtime.edits import Edits
from jobctl.runtime.estate import Estate
from jobctl.runtime.family import Family
from jobctl.runtime.generations import Generations, News
from jobctl.runtime.inuse import InUse
from jobctl.runtime.keeper import Keeper, Reply, Request, Settlement
from jobctl.runtime.log import Log
from jobctl.runtime.loop import Loop
from jobctl.runtime.plan import Plan
from jobctl.runtime.pool import Pool
from jobctl.runtime.report import Reporter
from jobctl.runtime.server import Server
from jobctl.runtime.signals import Signals
from jobctl.runtime.slots import Slots
from jobctl.runtime.stop import Stop
from jobctl.runtime.systemd import Manager
from jobctl.runtime.tally import Counting
from jobctl.runtime.teller import Teller
from jobctl.runtime.throttle import Throttle
from jobctl.services.telling import Trouble

#: Seconds for which the loop does nothing but to take what comes, while the store is at work.
AT_REPORTS = 0.005


class Serving:
    """The loop of a daemon that has its seat. `slots_fd` holds the settings' slots."""

    def __init__(
        self,
        store: Store,
        seat: Seat,
        family: Family,
        in_use: InUse,
        slots_fd: int,
        *,
        clock: Clock,
        log: Log,
        manager: Manager,
        teller: Teller,
    ) -> None:
        count = in_use.settings.slots
        self._seat = seat
        self._family = family
        self._in_use = in_use
        self._slots = Slots(slots_fd, count)
        self._clock = clock
        self._log = log
        self._manager = manager
        self._teller = teller
        self._reporter = Reporter(log)
        self._counting = Counting(in_use.settings.files, clock)
        self._loop = Loop()
        self._agenda = Agenda()
        self._stop = Stop(log, manager)
        self._signals = Signals()
        self._throttle = Throttle(in_use.settings.limits, seat.folder, clock)
        self._keeper = Keeper(store, clock)
        self._clockwork = Clockwork(clock, log, seat.folder)
        self._edits = Edits(in_use.settings.chores.watched)
        self._pool: Pool
        self._burst = False
        self.servers = Generations(
            family,
            slots_fd,
            count,
            watch=self._loop.watch,
            forget=self._loop.forget,
            on_news=self._on_news,
            on_ready=self._on_new_server,
            on_broken=lambda err: in_use.refuse(err, self.servers),
            on_death=self._on_server_death,
            check=in_use.check,
        )

    def recovered(self, jobs: Iterable[AnyJob]) -> None:
        """Take note of the jobs of an earlier daemon: some may be dead now."""
        self._use_chores()
        for job in jobs:
            self._clockwork.ended(job)

    def serve(self, server: Server, burst: bool) -> None:
        """Serve until a stop, with `burst` until nothing is due. Raises StoreError."""
        self._burst = burst
        settings = self._in_use.settings
        self._pool = Pool(
            server,
            self._slots,
            concurrency=settings.concurrency,
            terms=self._in_use.terms,
            remains=Estate(settings.files, settings.max_log).of,
            settle=self._settle,
            watch=self._loop.watch,
            forget=self._loop.forget,
            now=self._clock.now,
            monotonic=self._clock.monotonic,
        )
        self._loop.watch(self._seat, self._on_wake)
        self._loop.watch(self._keeper, self._on_reply)
        self._loop.watch(self._signals, self._signals.drain)
        if settings.stop_on_eof:
            self._loop.watch(0, self._on_input)
        self._clockwork.use(settings.chores, self._in_use.declared)
        self._keeper.room = settings.room
        self._keeper.start()
        try:
            with self._signals.catch():
                self._say_ready()
                while not self._finished(burst):
                    self.step()
        finally:
            self._keeper.stop()
            self._pool.crew.close()
            self._throttle.save()
            self._counting.save()
            self._clockwork.close()
        self._reporter.summary()

    def _say_ready(self) -> None:
        handlers, concurrency = self._in_use.handlers, self._in_use.settings.concurrency
        self._manager.ready()
        self._log.info(
            f"ready: {counted(len(handlers), 'handler')}, concurrency {concurrency}",
            handlers=sorted(handlers),
            pid=os.getpid(),
        )

    def step(self) -> None:
        """Wait for something to happen, and do what follows from it."""
        self._ask()
        self._wait()
        self.servers.release(self._pool.crew.uses)
        for number in self._signals.take():
            self._on_signal(number)
        now = self._clock.monotonic()
        self._agenda.tick(now)
        self._in_use.tick(now, self.servers)
        self._clockwork.tick(now)
        if self._edits.changed(now) and self._in_use.reread():
            self._use_chores()
        if self._stop.over(now):
            self._pool.release_running()

    def _wait(self) -> None:
        """Sleep until more is to be done than to ask the store, or to take reports."""
        now = began = self._clock.monotonic()
        until = began + self._patience()
        again = True
        while again:
            busy = self._keeper.busy
            came = self._loop.wait(max(0.0, until - now))
            # After a wake-up that was answered with a request nothing is due any sooner, and
            # the store's thread has to wait for as long as this one goes on. While it is at
            # work reports come by the handful: all else is looked at once in a while.
            if busy or came > 1:
                until = min(until, began + AT_REPORTS)
            now = self._clock.monotonic()
            again = came > 0 and self._keeper.busy and now < until

    def _patience(self) -> float:
        """Return how many seconds the loop may sleep."""
        now = self._clock.monotonic()
        waits = [
            *self._agenda.waits(now, busy=self._keeper.busy),
            self._pool.tick(),
            self._throttle.tick(),
            self._counting.tick(),
            self._in_use.wait(now),
            self._clockwork.wait(now),
            self._edits.wait(now),
            self._manager.tick(now, self._status),
            self._stop.wait(now),
        ]
        return max(0.0, min(wait for wait in waits if wait is not None))

    def _status(self) -> str:
        """Return what `systemctl status` shows of us in one line."""
        refused = "the store refuses, jobs wait; " if self._agenda.refused else ""
        stopping = "stopping; " if self._stop.wanted else ""
        return f"{stopping}{refused}{self._pool.crew.at_once} running, {self._reporter.line()}"

    def _finished(self, burst: bool) -> bool:
        if self._keeper.busy or self._agenda.settlements or self._pool.busy:
            return False
        if self._stop.wanted:
            return True
        drained = self._agenda.drained and not self._agenda.hungry
        return burst and drained and not self._clockwork.due

    def _ask(self) -> None:
        if self._keeper.busy:
            return
        now, idle = self._clock.monotonic(), not self._pool.busy
        errand = None if self._stop.wanted else self._clockwork.errand(now)
        if errand is not None:
            self._keeper.ask(Request([], None, errand=errand))
            return
        wanted = not self._stop.wanted
        request = self._agenda.next_request(
            now,
            self._plan,
            claim=wanted,
            idle=idle,
            supplied=wanted and self._pool.crew.supplied,
        )
        if request is not None:
            self._keeper.ask(request)

    def _plan(self) -> Plan:
        now = self._clock.now().timestamp()
        return self._pool.plan(self._in_use.handlers, self._throttle.snapshot(), now)

    # -- what happens ------------------------------------------------------------------

    def _on_wake(self) -> None:
        self._seat.drain()
        self._agenda.wake()
        self._ask()

    def _on_reply(self) -> None:
        reply = self._keeper.answer()
        if reply.bug is not None:
            raise reply.bug
        now = self._clock.monotonic()
        if reply.request.errand is not None:
            self._clockwork.back(now, reply.brought)
            if reply.brought:
                self._agenda.wake()
        if reply.error is not None:
            self._on_store_error(reply, now)
            return
        if reply.claimed:
            self._start(reply.claimed)
        refused = self._agenda.refused
        self._agenda.take(reply, now, self._clock.now())
        if reply.full is not None:
            self._say_refused("no new jobs are started", reply.full, said=refused)
            self._despair(reply.full)
        elif refused and not self._agenda.refused:
            self._log.info("the store can be used again")
            self._teller.over(Trouble.STORE)
        for job in reply.settled:
            self._reporter.ended(job)
            self._counting.ended(job)
            self._clockwork.ended(job)
        for job in reply.cancelled:
            self._reporter.dropped(job)
        for job_id in reply.cancelling:
            self._pool.cancel(job_id)

    def _on_store_error(self, reply: Reply, now: float) -> None:
        assert reply.error is not None
        said = self._agenda.refused
        self._say_refused("the store refuses, jobs wait", reply.error, said=said)
        self._agenda.refuse(reply, now)
        if self._stop.hopeless(now):
            raise reply.error
        if not reply.request.settlements:
            self._despair(reply.error)

    def _despair(self, why: StoreError) -> None:
        """End a burst that has nothing to do but to wait for somebody to mend the store."""
        mends_itself = isinstance(why, (StoreFull, StoreBusy))
        if self._burst and not mends_itself and not self._pool.busy:
            raise why

    def _say_refused(self, what: str, why: StoreError, *, said: bool) -> None:
        if not said:
            self._log.error(f"{what}: {why}")
            self._teller.trouble(Trouble.STORE, why)

    def _start(self, jobs: list[AnyJob]) -> None:
        now = self._clock.now()
        # Not when it was claimed: a slow disk must not bring two beginnings together.
        self._throttle.begin(jobs, now)
        handlers, default = self._in_use.handlers, self._in_use.settings.options
        given: list[tuple[AnyJob, Options]] = []
        for job in jobs:
            if self._stop.wanted:
                self._settle(job, judge.released(now), default)
            elif job.shell is not None or job.name in handlers:
                given.append((job, self._in_use.options(job)))
            else:
                self._settle(job, judge.unknown(job.name, sorted(handlers), now), default)
        self._pool.give(given)

    def _settle(self, job: AnyJob, ending: Ending, options: Options) -> None:
        self._throttle.end(job)
        self._agenda.settlements.append(Settlement(job, ending, options))
        self._agenda.place_free()

    def _on_news(self, news: News) -> None:
        if isinstance(news, Forked):
            self._teller.over(Trouble.WORKERS)
            self._family.add(news.pid)
            self._pool.forked(news.slot, news.pid)
            return
        if isinstance(news, Unforked):
            self._log.error(f"a worker could not be started, its jobs wait: {news.message}")
            self._teller.trouble(Trouble.WORKERS, news.message)
            self._pool.unforked(news.slot)
        else:
            self._family.remove(news.pid)
            self._pool.exited(news)
        self._agenda.place_free()

    def _on_new_server(self, server: Server, ready: Ready) -> None:
        self._in_use.take_over(ready)
        self._throttle.use(self._in_use.settings.limits)
        self._keeper.room = self._in_use.settings.room
        self._use_chores()
        self._pool.use(server, self._in_use.terms)
        self._agenda.hungry = True

    def _use_chores(self) -> None:
        chores = self._in_use.settings.chores
        self._clockwork.use(chores, self._in_use.declared)
        self._edits.watch(chores.watched)

    def _on_server_death(self) -> None:
        self._log.error("the fork server died; its workers are ended and a new one is started")
        settings = self._in_use.settings
        self._pool.server_died(Estate(settings.files, settings.max_log).recover())
        self._in_use.prepare(self.servers)

    def _on_input(self) -> None:
        if not os.read(0, 4096):
            self._loop.forget(0)
            self._signals.add(signal.SIGTERM)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            if not self._stop.wanted:
                self._in_use.reload(self.servers)
            return
        patience = self._in_use.settings.shutdown_timeout
        self._stop.ask(number, patience, self._clock.monotonic())
        self._teller.stopping()
        self._pool.release_waiting()
