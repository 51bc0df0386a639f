"""The pool: worker processes, what each of them holds, and how they end."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from jobctl.core.job import Ending, Job, Options, Outcome
from jobctl.runtime import judge
from jobctl.runtime.channel import Exited, Report, Task
from jobctl.runtime.member import Given, PoolWorker
from jobctl.runtime.plan import IN_HAND, MOST, Durations, Plan
from jobctl.runtime.server import Server
from jobctl.runtime.slots import Slots
from jobctl.runtime.worker import STOP_SIGNAL

AnyJob = Job[Any]

#: Seconds after which an idle worker leaves; the last one stays.
IDLE = 30.0
#: Seconds between two tries to start a worker, when the ones before came to nothing.
LONGEST_PAUSE = 5.0
#: Seconds that a job may run before what waits behind it goes elsewhere.
_PATIENCE = 0.015


_NO_ROOM = (errno.EAGAIN, errno.ENOBUFS, errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS)


class Pool:
    """All workers of a daemon, on one fork server.

    `settle` is called with each job, its ending and its options; `watch` and `forget` with
    the sockets that the loop shall listen to.
    """

    def __init__(
        self,
        server: Server,
        slots: Slots,
        *,
        concurrency: int,
        kill_after: float,
        settle: Callable[[AnyJob, Ending, Options], None],
        watch: Callable[[socket.socket, Callable[[], None]], None],
        forget: Callable[[socket.socket], None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._server: Server | None = server
        self._slots = slots
        self._concurrency = concurrency
        self._kill_after = kill_after
        self._settle = settle
        self._watch = watch
        self._forget = forget
        self._now = now
        self._monotonic = monotonic
        self._workers: dict[int, PoolWorker] = {}
        self._held: deque[tuple[AnyJob, Options]] = deque()
        self._failures = 0  # workers in a row that ended before they had begun a job
        self._start_at = 0.0  # until then no worker is started
        self.durations = Durations()

    # -- handing out -------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether any job is in its hands."""
        return bool(self._held) or any(worker.given for worker in self._workers.values())

    @property
    def at_work(self) -> int:
        """How many workers hold a job."""
        return sum(1 for worker in self._workers.values() if worker.given)

    def plan(self, names: Any) -> Plan:
        """Return what fits now."""
        free = 0 if self._server is None else self._concurrency - len(self._workers)
        rooms = []
        for worker in self._workers.values():
            if worker.leaving:
                continue
            if not worker.given:
                free += 1
            elif worker.takes_more:
                rooms.append(IN_HAND - worker.cost)
        return Plan(self.durations, max(0, free - len(self._held)), rooms, names)

    def give(self, job: AnyJob, options: Options) -> None:
        """Hand a job to a worker; hold it if there is none that may take it now."""
        self._held.append((job, options))
        self._hand_out()

    def _hand_out(self) -> None:
        while self._held:
            job, options = self._held[0]
            cost = self.durations.cost(job.name)
            worker = self._worker_for(cost)
            if worker is None or not self._send(worker, job, options, cost):
                return
            self._held.popleft()

    def _worker_for(self, cost: float | None) -> PoolWorker | None:
        usable = [w for w in self._workers.values() if not (w.leaving or w.full or w.slow)]
        for worker in usable:
            if not worker.given:
                return worker
        if len(self._workers) < self._concurrency and self._server is not None:
            if self._monotonic() >= self._start_at:
                return self._start(self._server)
        if cost is None:
            return None
        best = min(usable, key=lambda worker: worker.cost, default=None)
        if best is None or best.cost + cost > IN_HAND * 2 or len(best.given) >= MOST * 2:
            return None
        return best

    def _send(
        self, worker: PoolWorker, job: AnyJob, options: Options, cost: float | None
    ) -> bool:
        self._slots.forget_stop(worker.slot, job.id)
        given = Given(job, options, self._monotonic())
        try:
            worker.channel.send(Task(job, options.timeout, alone=cost is None))
        except OSError as err:
            # The socket has no room, or this process none for one more memfd.
            if err.errno not in _NO_ROOM:
                raise
            worker.full = bool(worker.given)  # then it is asked again when it reports
            return False
        worker.given[job.id] = given
        worker.cost += IN_HAND if cost is None else cost
        return True

    def _start(self, server: Server) -> PoolWorker:
        slot = next(n for n in range(self._slots.count) if n not in self._workers)
        self._slots.clear(slot)
        worker = self._workers[slot] = PoolWorker(slot, server, self._monotonic())
        server.fork(slot, worker.back.sock.fileno())
        self._watch(worker.channel.sock, lambda: self.read(worker))
        return worker

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
        worker.full = False
        worker.reported = True
        worker.slow = False
        self._failures = 0
        given = worker.given.pop(report.job_id, None)
        if given is None:
            return
        self.durations.note(given.job.name, report.seconds)
        if not worker.given:
            worker.cost = 0.0
            worker.idle_since = self._monotonic()
        else:
            cost = self.durations.cost(given.job.name) or IN_HAND
            worker.cost = max(0.0, worker.cost - cost)
        ending = report.ending
        if report.result is not None:
            ending = msgspec.structs.replace(ending, result=msgspec.Raw(report.result))
        self._settle(given.job, ending, given.options)

    def forked(self, slot: int, pid: int) -> None:
        """Be told the pid of a worker that was started."""
        if slot in self._workers:
            self._workers[slot].pid = pid

    def exited(self, news: Exited) -> None:
        """Judge a dead worker: a result always wins, only what was begun is charged."""
        worker = next((w for w in self._workers.values() if w.pid == news.pid), None)
        if worker is not None:
            self._bury(worker, news)

    def unforked(self, slot: int) -> None:
        """Be told that a worker could not be started: another try is made in a while."""
        if slot in self._workers:
            self._bury(self._workers[slot], None)

    def server_died(self) -> None:
        """Judge all workers: the kernel has killed them with their server."""
        self._server = None
        for worker in list(self._workers.values()):
            self._bury(worker, None)

    def _bury(self, worker: PoolWorker, news: Exited | None) -> None:
        self.read(worker)
        self._recall(worker)
        self._forget(worker.channel.sock)
        del self._workers[worker.slot]
        at = self._begun(worker)
        if not (worker.leaving or worker.reported or at):
            self._failures += 1
            self._start_at = self._monotonic() + min(LONGEST_PAUSE, 0.05 * 2**self._failures)
        self._slots.clear(worker.slot)
        worker.close()
        for given in worker.given.values():
            if given is at:
                ending = judge.begun(given.killed, news, self._now())
            else:
                ending = judge.released(self._now())
            self._settle(given.job, ending, given.options)
        self._hand_out()

    def _begun(self, worker: PoolWorker) -> Given | None:
        """Return what a worker is at."""
        begun = self._slots.begun(worker.slot)
        if begun is None:
            return None
        given = worker.given.get(begun[0])
        return given if given is not None and begun[1] >= given.at else None

    # -- time --------------------------------------------------------------------------

    def tick(self) -> float | None:
        """Do what is due; return after how many seconds to come again, None for whenever."""
        now = self._monotonic()
        waits = [self._check(worker, now) for worker in list(self._workers.values())]
        self._hand_out()
        if self._held and self._start_at > now:
            waits.append(self._start_at - now)
        return min((wait for wait in waits if wait is not None), default=None)

    def _check(self, worker: PoolWorker, now: float) -> float | None:
        if not worker.given:
            return self._check_idle(worker, now)
        begun = self._slots.begun(worker.slot)
        given = None if begun is None else worker.given.get(begun[0])
        if begun is None or given is None or begun[1] < given.at:
            return _PATIENCE
        since = begun[1]
        worker.slow = now - since >= _PATIENCE
        wait = self._check_deadline(worker, given, since, now)
        if len(worker.given) > 1:
            if worker.slow and self._has_room_beside(worker):
                self._recall(worker)
            return _PATIENCE
        return wait

    def _check_deadline(
        self, worker: PoolWorker, given: Given, since: float, now: float
    ) -> float | None:
        deadline, outcome = given.stop_at, Outcome.CANCELLED
        if deadline is None:
            if given.options.timeout is None:
                return None
            deadline = since + given.options.timeout + self._kill_after
            outcome = Outcome.TIMEOUT
        if now < deadline:
            return deadline - now
        if given.killed is None:
            given.killed = outcome
            self._kill(worker)
        return None

    def _check_idle(self, worker: PoolWorker, now: float) -> float | None:
        idle = [w for w in self._workers.values() if not w.given and not w.leaving]
        left = worker.idle_since + IDLE - now
        if worker.leaving or len(idle) < 2:
            return None
        if left > 0:
            return left
        worker.dismiss()
        return None

    def _has_room_beside(self, worker: PoolWorker) -> bool:
        return len(self._workers) < self._concurrency or any(
            other.takes_more for other in self._workers.values() if other is not worker
        )

    def _recall(self, worker: PoolWorker) -> None:
        """Take back what a worker has not yet read."""
        back = [(given.job, given.options) for given in worker.take_back()]
        self._held.extendleft(reversed(back))

    def _kill(self, worker: PoolWorker) -> None:
        if worker.pid is not None:
            worker.server.kill(worker.pid)

    # -- cancel and stop ---------------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """Ask a running job to end, and kill it when it does not."""
        for worker in self._workers.values():
            given = worker.given.get(job_id)
            if given is not None and given.stop_at is None:
                given.stop_at = self._monotonic() + self._kill_after
                self._slots.ask_to_stop(worker.slot, job_id)
                if worker.pid is not None:
                    worker.server.signal(worker.pid, STOP_SIGNAL)
                return

    def release_waiting(self) -> None:
        """Give back every job that has not begun."""
        for worker in self._workers.values():
            self._recall(worker)
        while self._held:
            job, options = self._held.popleft()
            self._settle(job, judge.released(self._now()), options)

    def release_running(self) -> None:
        """Kill what still runs, and give it back."""
        for worker in self._workers.values():
            for given in worker.given.values():
                if given.killed is None:
                    given.killed = Outcome.RELEASED
            if worker.given:
                self._kill(worker)

    def use(self, server: Server) -> None:
        """Start workers on another fork server from now on.

        Those of the one before end what they have begun, and leave.
        """
        self._server = server
        for worker in self._workers.values():
            if worker.server is not server and not worker.leaving:
                self._recall(worker)
                worker.dismiss()
        self._hand_out()

    def uses(self, server: Server) -> bool:
        """Return whether any worker comes from this fork server."""
        return any(worker.server is server for worker in self._workers.values())

    def close(self) -> None:
        """Let all workers go."""
        for worker in self._workers.values():
            self._forget(worker.channel.sock)
            worker.close()
        self._workers.clear()
