"""The crew: which workers there are, how one is started, and how it is let go."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

from jobctl.runtime.member import PoolWorker
from jobctl.runtime.server import Server
from jobctl.runtime.slots import Places, Slots

#: Seconds between two tries to start a worker, when the ones before came to nothing.
LONGEST_PAUSE = 5.0


class Crew:
    """The workers of a daemon, at most `concurrency` of them.

    New ones come from the fork server in use; without one nobody is started. `listen` and
    `forget` connect the loop with a worker that comes, and with the socket of one that went.
    """

    def __init__(
        self,
        server: Server,
        slots: Slots,
        concurrency: int,
        *,
        listen: Callable[[PoolWorker], None],
        forget: Callable[[socket.socket], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._server: Server | None = server
        self._slots = slots
        self.concurrency = concurrency
        self._listen = listen
        self._forget = forget
        self._monotonic = monotonic
        self._failures = 0  # workers in a row that ended before they had begun a job
        self.places = Places(concurrency + 1, slots.count)
        self.start_at = 0.0  # until then no worker is started
        self.workers: dict[int, PoolWorker] = {}

    def __iter__(self) -> Iterator[PoolWorker]:
        """All workers; any of them may go meanwhile."""
        return iter(list(self.workers.values()))

    @property
    def vacancies(self) -> int:
        """How many more workers may be started; 0 without a fork server."""
        return 0 if self._server is None else self.concurrency - len(self.workers)

    def start(self, max_jobs: int | None) -> PoolWorker | None:
        """Start a worker that runs at most `max_jobs`; None if that cannot be done now."""
        now = self._monotonic()
        if self._server is None or not self.vacancies or now < self.start_at:
            return None
        slot = next(n for n in range(self._slots.count) if n not in self.workers)
        self._slots.clear(slot)
        worker = self.workers[slot] = PoolWorker(slot, self._server, now, max_jobs, self.places)
        self._server.fork(slot, worker.back.sock.fileno())
        self._listen(worker)
        return worker

    def proven(self) -> None:
        """Be told that a worker has run a job: workers can be started."""
        self._failures = 0

    def remove(self, worker: PoolWorker, *, in_vain: bool) -> None:
        """Strike off a worker that has ended; `in_vain` if it came to nothing."""
        self._forget(worker.channel.sock)
        del self.workers[worker.slot]
        if in_vain:
            self._failures += 1
            self.start_at = self._monotonic() + min(LONGEST_PAUSE, 0.05 * 2**self._failures)
        self._slots.clear(worker.slot)
        for given in worker.given.values():
            if given.place is not None:
                self._slots.clear(given.place)
                self.places.free(given.place)
        worker.close()

    def by_pid(self, pid: int) -> PoolWorker | None:
        """Return the worker with this pid."""
        return next((w for w in self.workers.values() if w.pid == pid), None)

    @property
    def at_once(self) -> int:
        """How many jobs run at once."""
        return sum(worker.at_once for worker in self.workers.values())

    @property
    def open(self) -> bool:
        """Whether one more job may run beside all others."""
        return self.at_once < self.concurrency

    @property
    def room(self) -> int:
        """How many more jobs may run beside all others, and have a worker."""
        return min(self.vacancies + self.idle(), self.concurrency - self.at_once)

    @property
    def supplied(self) -> bool:
        """Whether there are all workers, and each has enough to do for a while."""
        workers = self.workers.values()
        return len(workers) == self.concurrency and all(w.supplied for w in workers)

    def idle(self) -> int:
        """Return how many workers wait for a job."""
        return sum(1 for w in self.workers.values() if not (w.given or w.leaving))

    def room_beside(self, worker: PoolWorker, share: int) -> bool:
        """Return whether another worker could take what waits in this one."""
        others = (other for other in self.workers.values() if other is not worker)
        if worker.sharing:
            return self.vacancies > 0 or any(other.takes_fellow(share) for other in others)
        return (self.vacancies > 0 and self.open) or any(other.takes_more for other in others)

    def use(self, server: Server | None) -> list[PoolWorker]:
        """Start workers on this fork server from now on; return those of another one."""
        self._server = server
        return [w for w in self.workers.values() if w.server is not server]

    def uses(self, server: Server) -> bool:
        """Return whether any worker comes from this fork server."""
        return any(worker.server is server for worker in self.workers.values())

    def close(self) -> None:
        """Let all workers go."""
        for worker in self.workers.values():
            self._forget(worker.channel.sock)
            worker.close()
        self.workers.clear()
