"""The pool: it hands jobs to workers, and takes back how they ended."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from jobctl.core.job import Ending, Job, Options, Outcome
from jobctl.core.limits import Limits
from jobctl.runtime import judge
from jobctl.runtime.channel import STOP_SIGNAL, Exited, Report
from jobctl.runtime.crew import Crew
from jobctl.runtime.deadlines import PATIENCE, idle_left, kill_due
from jobctl.runtime.estate import NOBODY, NOTHING_LEFT, Remains
from jobctl.runtime.handout import Handout
from jobctl.runtime.member import Given, PoolWorker
from jobctl.runtime.plan import IN_HAND, Durations, Plan
from jobctl.runtime.server import Server
from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Slots

AnyJob = Job[Any]


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
        settle: Callable[[AnyJob, Ending, Options], None],
        watch: Callable[[socket.socket, Callable[[], None]], None],
        forget: Callable[[socket.socket], None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._slots = slots
        self._terms = terms
        self._settle = settle
        self._now = now
        self._monotonic = monotonic
        self.durations = Durations()

        def listen(worker: PoolWorker) -> None:
            watch(worker.channel.sock, lambda: self.read(worker))

        self.crew = Crew(
            server, slots, concurrency, listen=listen, forget=forget, monotonic=monotonic
        )
        self._handout = Handout(self.crew, slots, self.durations, monotonic)

    # -- handing out -------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether any job is in its hands."""
        return bool(self._handout) or self.at_work > 0

    @property
    def at_work(self) -> int:
        """How many workers hold a job."""
        return sum(1 for worker in self.crew if worker.given)

    def plan(self, names: Collection[str], limits: Limits, now: float) -> Plan:
        """Return what fits now; `limits` are the plan's own, `now` is of the wall clock."""
        free = self.crew.vacancies + self.crew.idle() - len(self._handout)
        rooms = [IN_HAND - w.cost for w in self.crew if w.given and w.takes_more]
        return Plan(self.durations, max(0, free), rooms, names, limits, now)

    def give(self, job: AnyJob, options: Options) -> None:
        """Hand a job to a worker; hold it if there is none that may take it now."""
        self._handout.add(job, options)
        self._hand_out()

    def _hand_out(self) -> None:
        self._handout.work(self._terms.max_jobs)

    # -- what comes back ---------------------------------------------------------------

    def read(self, worker: PoolWorker) -> None:
        """Take the reports that a worker has sent."""
        try:
            for report in worker.reports():
                self._take(worker, report)
        except msgspec.MsgspecError:
            self._kill(worker)  # a handler wrote into our socket: nothing can be trusted
        self._hand_out()

    def _take(self, worker: PoolWorker, report: Report) -> None:
        self.crew.proven()
        given = worker.reported_on(report.job_id, self._monotonic())
        if given is None:
            return
        self.durations.note(given.job.name, report.seconds)
        if worker.given:
            cost = self.durations.cost(given.job.name) or IN_HAND
            worker.cost = max(0.0, worker.cost - cost)
        ending = report.ending
        if report.result is not None:
            ending = msgspec.structs.replace(ending, result=msgspec.Raw(report.result))
        self._settle(given.job, ending, given.options)
        self._replace(worker)

    def _replace(self, worker: PoolWorker) -> None:
        """Dismiss a worker that has run enough jobs, or keeps too much memory."""
        if worker.leaving:
            return
        if worker.grew_over(self._terms.max_rss):
            self._handout.recall(worker)
            worker.dismiss()
        elif worker.spent and not worker.given:
            worker.dismiss()

    def forked(self, slot: int, pid: int) -> None:
        """Be told the pid of a worker that was started."""
        if slot in self.crew.workers:
            self.crew.workers[slot].pid = pid

    def exited(self, news: Exited) -> None:
        """Judge a dead worker: a result always wins, only what was begun is charged."""
        worker = self.crew.by_pid(news.pid)
        if worker is not None:
            self._bury(worker, news)

    def unforked(self, slot: int) -> None:
        """Be told that a worker could not be started: another try is made in a while."""
        if slot in self.crew.workers:
            self._bury(self.crew.workers[slot], None)

    def server_died(self, remains: Mapping[str, Remains]) -> None:
        """Judge all workers: the kernel has killed them with their server.

        `remains` is what is left of the jobs that they were at.
        """
        for worker in self.crew.use(None):
            self._bury(worker, None, remains)

    def _bury(
        self,
        worker: PoolWorker,
        news: Exited | None,
        remains: Mapping[str, Remains] = NOBODY,
    ) -> None:
        self.read(worker)
        self._handout.recall(worker)
        at = worker.at(self._slots)
        self.crew.remove(worker, in_vain=not (worker.leaving or worker.reported or at))
        for given in worker.given.values():
            if at is not None and given is at[0]:
                left = remains.get(given.job.id, NOTHING_LEFT)
                ending = judge.begun(given.killed, news, self._now(), left)
            else:
                ending = judge.released(self._now())
            self._settle(given.job, ending, given.options)
        self._hand_out()

    # -- time --------------------------------------------------------------------------

    def tick(self) -> float | None:
        """Do what is due; return after how many seconds to come again, None for whenever."""
        now = self._monotonic()
        waits = [self._check(worker, now) for worker in self.crew]
        self._hand_out()
        if self._handout and self.crew.start_at > now:
            waits.append(self.crew.start_at - now)
        return min((wait for wait in waits if wait is not None), default=None)

    def _check(self, worker: PoolWorker, now: float) -> float | None:
        if not worker.given:
            return None if worker.leaving else self._check_idle(worker, now)
        at = worker.at(self._slots)
        if at is None:
            return PATIENCE
        given, since = at
        worker.slow = now - since >= PATIENCE
        wait = self._check_deadline(worker, given, since, now)
        if len(worker.given) > 1:
            if worker.slow and self.crew.room_beside(worker):
                self._handout.recall(worker)
            return PATIENCE
        return wait

    def _check_deadline(
        self, worker: PoolWorker, given: Given, since: float, now: float
    ) -> float | None:
        due = kill_due(given, since, self._terms.kill_after)
        if due is None:
            return None
        deadline, outcome = due
        if now < deadline:
            return deadline - now
        if given.killed is None:
            given.killed = outcome
            self._kill(worker)
        return None

    def _check_idle(self, worker: PoolWorker, now: float) -> float | None:
        left = idle_left(worker.idle_since, self.crew.idle() - 1, now)
        if left == 0.0:
            worker.dismiss()
            return None
        return left

    def _kill(self, worker: PoolWorker) -> None:
        if worker.pid is not None:
            worker.server.kill(worker.pid)

    # -- cancel, stop and reload -------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """Ask a running job to end, and kill it when it does not."""
        for worker in self.crew:
            given = worker.given.get(job_id)
            if given is not None and given.stop_at is None:
                given.stop_at = self._monotonic() + self._terms.kill_after
                self._slots.ask_to_stop(worker.slot, job_id)
                if worker.pid is not None:
                    worker.server.signal(worker.pid, STOP_SIGNAL)
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
                self._kill(worker)

    def use(self, server: Server, terms: Terms) -> None:
        """Start workers on another fork server, and under these terms, from now on.

        Those of the one before end what they have begun, and leave.
        """
        self._terms = terms
        for worker in self.crew.use(server):
            if not worker.leaving:
                self._handout.recall(worker)
                worker.dismiss()
        self._hand_out()
