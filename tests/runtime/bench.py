"""A pool with a server that starts no processes, and a clock that is told the time."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any, cast

from jobctl.core.job import Ending, Job, Options, Outcome
from jobctl.runtime.channel import Channel, Exited, Report, Task, decode_task
from jobctl.runtime.pool import Pool
from jobctl.runtime.server import Server
from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Slots
from tests.helpers import NOON, FakeClock, make_job


class FakeServer:
    """Keeps the sockets that it is sent, as the workers would."""

    def __init__(self) -> None:
        self.workers: dict[int, Channel] = {}
        self.forks = 0
        self.signals: list[tuple[int, int]] = []

    def fork(self, slot: int, fd: int) -> None:
        self.forks += 1
        if slot in self.workers:
            self.workers[slot].close()
        self.workers[slot] = Channel(socket.socket(fileno=os.dup(fd)))

    def kill(self, pid: int) -> None:
        self.signals.append((pid, signal.SIGKILL))

    def signal(self, pid: int, number: int) -> None:
        self.signals.append((pid, number))


class Bench:
    """A pool and all that it is connected to."""

    def __init__(self, slots: Slots, clock: FakeClock, concurrency: int, terms: Terms) -> None:
        self.server, self.slots, self.clock = FakeServer(), slots, clock
        self.settled: list[tuple[str, Outcome]] = []
        self.endings: list[Ending] = []
        self.pool = Pool(
            cast(Server, self.server),
            slots,
            concurrency=concurrency,
            terms=terms,
            settle=self._settle,
            watch=lambda *_: None,
            forget=lambda *_: None,
            now=clock.now,
            monotonic=clock.monotonic,
        )

    def _settle(self, job: Job[Any], ending: Ending, _: Options) -> None:
        self.settled.append((job.id, ending.outcome))
        self.endings.append(ending)

    def give(self, *job_ids: str, timeout: float | None = None) -> None:
        for job_id in job_ids:
            self.pool.give([(make_job(job_id), Options(timeout=timeout))])

    def fork(self, slot: int = 0) -> None:
        self.pool.forked(slot, 100 + slot)

    def take(self, slot: int = 0) -> Task | None:
        """Read a task, as the worker does."""
        try:
            received = self.server.workers[slot].receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        return None if received is None else decode_task(received[0])

    def begin(self, slot: int = 0) -> str:
        task = self.take(slot)
        assert task is not None
        place = slot if task.place is None else task.place
        self.slots.begin(place, task.job.id, self.clock.monotonic())
        return task.job.id

    def report(self, job_id: str, slot: int = 0, seconds: float = 0.0) -> None:
        ending = Ending(Outcome.COMPLETED, NOON)
        self.server.workers[slot].send(Report(job_id, ending, None, seconds))
        self.pool.read(self.pool.crew.workers[slot])

    def die(self, slot: int = 0, status: int = 9) -> None:
        self.pool.exited(Exited(100 + slot, status, 0, NOON))

    def close(self) -> None:
        self.pool.crew.close()
        for channel in self.server.workers.values():
            channel.close()
