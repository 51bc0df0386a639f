"""Handing out: which worker is given which of the jobs that were claimed."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import Any

from jobctl.core.job import Job, Options
from jobctl.runtime.channel import Task
from jobctl.runtime.crew import Crew
from jobctl.runtime.member import Given, PoolWorker
from jobctl.runtime.plan import IN_HAND, MOST, Durations
from jobctl.runtime.slots import Slots

AnyJob = Job[Any]

_NO_ROOM = (errno.EAGAIN, errno.ENOBUFS, errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS)


class Handout:
    """The claimed jobs that no worker has yet, in their order."""

    def __init__(
        self, crew: Crew, slots: Slots, durations: Durations, monotonic: Callable[[], float]
    ) -> None:
        self._crew = crew
        self._slots = slots
        self._durations = durations
        self._monotonic = monotonic
        self._held: deque[tuple[AnyJob, Options]] = deque()

    def __len__(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._held)

    def add(self, job: AnyJob, options: Options) -> None:
        """Take in a job; it is handed out by `work`."""
        self._held.append((job, options))

    def recall(self, worker: PoolWorker) -> None:
        """Take back what a worker has not yet read: it comes first again."""
        back = [(given.job, given.options) for given in worker.take_back()]
        self._held.extendleft(reversed(back))

    def clear(self) -> list[tuple[AnyJob, Options]]:
        """Take out all jobs that wait, and return them."""
        taken = list(self._held)
        self._held.clear()
        return taken

    def work(self, max_jobs: int | None) -> None:
        """Hand out what can be; a worker that is started for it runs at most `max_jobs`."""
        while self._held:
            job, options = self._held[0]
            cost = self._durations.cost(job.name)
            worker = self._worker_for(cost, max_jobs)
            if worker is None or not self._send(worker, job, options, cost):
                return
            self._held.popleft()

    def _worker_for(self, cost: float | None, max_jobs: int | None) -> PoolWorker | None:
        usable = [worker for worker in self._crew if worker.usable]
        for worker in usable:
            if not worker.given:
                return worker
        started = self._crew.start(max_jobs)
        if started is not None or cost is None:
            return started
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
        worker.hold(given, IN_HAND if cost is None else cost)
        return True
