"""The pool: it hands jobs to workers, and takes back how they ended."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import msgspec

from jobctl.core.job import AnyJob, Ending, Options, Outcome
from jobctl.core.limits import Limits
from jobctl.runtime import judge
from jobctl.runtime.channel import STOP_SIGNAL, Exited, Report
from jobctl.runtime.crew import Crew
from jobctl.runtime.deadlines import Deadlines
from jobctl.runtime.estate import RemainsOf, nothing
from jobctl.runtime.handout import Handout
from jobctl.runtime.member import PoolWorker
from jobctl.runtime.plan import IN_HAND, Durations, Plan
from jobctl.runtime.server import Server
from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Slots


class Pool:
    """All workers of a daemon, and the jobs in their hands.

    `settle` is called with each job, its ending and its options; `watch` and `forget` with
    the sockets that the loop shall listen to.
    """

    def __init__(
        self,
        server: Server,
        slots: Slots,
        *,
        concurrency: int,
        terms: Terms,
        remains: RemainsOf = nothing,
        settle: Callable[[AnyJob, Ending, Options], None],
        watch: Callable[[socket.socket, Callable[[], None]], None],
        forget: Callable[[socket.socket], None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._slots = slots
        self._terms = terms
        self._settle = settle
        self._remains = remains
        self._now = now
        self._monotonic = monotonic
        self.durations = Durations(terms.sharing)

        def listen(worker: PoolWorker) -> None:
            watch(worker.channel.sock, lambda: self.read(worker))

        self.crew = Crew(
            server, slots, concurrency, listen=listen, forget=forget, monotonic=monotonic
        )
        self._handout = Handout(self.crew, slots, self.durations, monotonic)
        self._deadlines = Deadlines(self.crew, slots, self._handout)

    # -- handing out -------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether any job is in its hands."""
        return bool(self._handout) or self.crew.at_once > 0

    def plan(self, names: Collection[str], limits: Limits, now: float) -> Plan:
        """Return what fits now; `limits` are the plan's own, `now` is of the wall clock."""
        free = self.crew.room - len(self._handout)
        rooms = [IN_HAND - w.cost for w in self.crew if w.given and w.takes_more]
        return Plan(self.durations, max(0, free), rooms, names, limits, now)

    def give(self, jobs: Iterable[tuple[AnyJob, Options]]) -> None:
        """Hand jobs to workers; hold those that none may take now."""
        self._handout.add(jobs)
        self._hand_out()

    def _hand_out(self) -> None:
        self._handout.work(self._terms)

    # -- what comes back ---------------------------------------------------------------

    def read(self, worker: PoolWorker) -> None:
        """Take the reports that a worker has sent."""
        now = self._monotonic()
        try:
            for report in worker.reports():
                self._take(worker, report, now)
        except msgspec.MsgspecError:
            worker.kill()  # a handler wrote into our socket: nothing can be trusted
        self._hand_out()

    def _take(self, worker: PoolWorker, report: Report, now: float) -> None:
        self.crew.proven()
        given = worker.reported_on(report.job_id, now)
        if given is None:
            return
        job, durations = given.job, self.durations
        durations.note(job.name, report.seconds)
        if worker.given:
            left = worker.cost - (durations.cost(job.name) or IN_HAND)
            worker.cost = left if left > 0.0 else 0.0
        ending = report.ending
        if report.result is not None:
            ending = msgspec.structs.replace(ending, result=msgspec.Raw(report.result))
        self._settle(job, ending, given.options)
        if not worker.leaving and (worker.left is not None or self._terms.max_rss is not None):
            self._replace(worker)

    def _replace(self, worker: PoolWorker) -> None:
        """Dismiss a worker that has run enough jobs, or keeps too much memory."""
        if worker.grew_over(self._terms.max_rss):
            self._handout.recall(worker)
            worker.dismiss()
        elif worker.spent and not worker.given:
            worker.dismiss()

    def forked(self, slot: int, pid: int) -> None:
        """Be told the pid of a worker that was started."""
        worker = self.crew.workers.get(slot)
        if worker is not None:
            worker.pid = pid
            if worker.doomed:
                worker.kill()

    def exited(self, news: Exited) -> None:
        """Judge a dead worker: a result always wins, only what was begun is charged."""
        worker = self.crew.by_pid(news.pid)
        if worker is not None:
            self._bury(worker, news)

    def unforked(self, slot: int) -> None:
        """Be told that a worker could not be started: another try is made in a while."""
        if slot in self.crew.workers:
            self._bury(self.crew.workers[slot], None)

    def server_died(self, remains: RemainsOf = nothing) -> None:
        """Judge all workers: the kernel has killed them with their server.

        `remains` tells what is left of the jobs that they were at.
        """
        for worker in self.crew.use(None):
            self._bury(worker, None, remains)

    def _bury(
        self,
        worker: PoolWorker,
        news: Exited | None,
        remains: RemainsOf | None = None,
    ) -> None:
        remains = remains or self._remains
        self.read(worker)
        self._handout.recall(worker)
        begun = [given for given, _ in worker.begun(self._slots)]
        self.crew.remove(worker, in_vain=not (worker.leaving or worker.reported or begun))
        held = worker.given.values()
        for given, ending in judge.death(held, begun, news, self._now(), remains):
            self._settle(given.job, ending, given.options)
        self._hand_out()

    # -- time --------------------------------------------------------------------------

    def tick(self) -> float | None:
        """Do what is due; return after how many seconds to come again, None for whenever."""
        now = self._monotonic()
        terms = self._terms
        waits = [self._deadlines.check(worker, terms, now) for worker in self.crew]
        self._hand_out()
        if self._handout and self.crew.start_at > now:
            waits.append(self.crew.start_at - now)
        return min((wait for wait in waits if wait is not None), default=None)

    # -- cancel, stop and reload -------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """Ask a running job to end, and kill it when it does not."""
        for worker in self.crew:
            given = worker.given.get(job_id)
            if given is not None and given.stop_at is None:
                given.stop_at = self._monotonic() + self._terms.kill_after
                place = worker.slot if given.place is None else given.place
                self._slots.ask_to_stop(place, job_id)
                worker.signal(STOP_SIGNAL)
                return

    def release_waiting(self) -> None:
        """Give back every job that has not begun."""
        for worker in self.crew:
            self._handout.recall(worker)
        for job, options in self._handout.clear():
            self._settle(job, judge.released(self._now()), options)

    def release_running(self) -> None:
        """Kill what still runs, and give it back."""
        for worker in self.crew:
            for given in worker.given.values():
                if given.killed is None:
                    given.killed = Outcome.RELEASED
            if worker.given:
                worker.kill()

    def use(self, server: Server, terms: Terms) -> None:
        """Start workers on another fork server, and under these terms, from now on.

        Those of the one before end what they have begun, and leave.
        """
        self._terms = terms
        self.durations.apart = terms.sharing
        for worker in self.crew.use(server):
            if not worker.leaving:
                self._handout.recall(worker)
                worker.dismiss()
        self._hand_out()
