"""Handing out: which worker is given which of the jobs that were claimed."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterable

from jobctl.core.job import AnyJob, Options
from jobctl.runtime import judge
from jobctl.runtime.channel import Task
from jobctl.runtime.crew import Crew
from jobctl.runtime.member import Given, PoolWorker
from jobctl.runtime.plan import IN_HAND, MOST, Durations
from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Slots

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

    def add(self, jobs: Iterable[tuple[AnyJob, Options]]) -> None:
        """Take in jobs; they are handed out by `work`."""
        self._held.extend(jobs)

    def recall(self, worker: PoolWorker) -> None:
        """Take back what a worker has not yet read: it comes first again."""
        back = [(given.job, given.options) for given in worker.take_back()]
        self._held.extendleft(reversed(back))

    def clear(self) -> list[tuple[AnyJob, Options]]:
        """Take out all jobs that wait, and return them."""
        taken = list(self._held)
        self._held.clear()
        return taken

    def work(self, terms: Terms) -> None:
        """Hand out what can be."""
        held = self._held
        if not held:
            return
        sharing, now = terms.sharing, self._monotonic()
        while held:
            job, options = held[0]
            shared = job.name in sharing and job.shell is None and not judge.alone(job)
            hand = self._hand_shared if shared else self._hand
            if not hand(job, options, terms, now):
                return
            held.popleft()

    def _hand(self, job: AnyJob, options: Options, terms: Terms, now: float) -> bool:
        cost = self._durations.cost(job.name)
        worker = self._worker_for(cost, terms.max_jobs)
        return worker is not None and self._send(worker, Given(job, options, now), cost)

    def _hand_shared(self, job: AnyJob, options: Options, terms: Terms, now: float) -> bool:
        worker = self._shared_worker(terms)
        place = None if worker is None else self._crew.places.take()
        if worker is None or place is None:
            return False
        return self._send(worker, Given(job, options, now, place), None)

    def _worker_for(self, cost: float | None, max_jobs: int | None) -> PoolWorker | None:
        running, idle, best = 0, None, None
        # This is done for each short job: one look at each worker, no lists, no lambdas.
        for worker in self._crew.workers.values():
            given = worker.given
            if not given:
                if idle is None and worker.usable:
                    idle = worker
            elif worker.sharing:
                running += len(given)
            else:
                running += 1
                if (best is None or worker.cost < best.cost) and worker.usable:
                    best = worker
        if running < self._crew.concurrency:
            found = idle or self._crew.start(max_jobs)
            if found is not None:
                return found
        if cost is None or best is None:
            return None
        if best.cost + cost > IN_HAND * 2 or len(best.given) >= MOST * 2:
            return None
        return best

    def _shared_worker(self, terms: Terms) -> PoolWorker | None:
        """Return the worker for a job that shares one: the fullest that takes it."""
        if not self._crew.open:
            return None
        takers = [worker for worker in self._crew if worker.takes_fellow(terms.share)]
        fullest = max(takers, key=lambda worker: len(worker.given), default=None)
        return self._crew.start(terms.max_jobs) if fullest is None else fullest

    def _send(self, worker: PoolWorker, given: Given, cost: float | None) -> bool:
        job, place = given.job, given.place
        self._slots.forget_stop(worker.slot if place is None else place, job.id)
        task = Task(job, given.options.timeout, cost is None and place is None, place)
        try:
            worker.channel.send(task)
        except OSError as err:
            if place is not None:
                self._crew.places.free(place)
            # The socket has no room, or this process none for one more memfd.
            if err.errno not in _NO_ROOM:
                raise
            worker.full = bool(worker.given)  # then it is asked again when it reports
            return False
        worker.hold(given, IN_HAND if cost is None else cost)
        return True
