"""Dramatiq: processes with threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware.asyncio import AsyncIO

from benchmarks.peers.onredis import FSYNCS, OnRedis, socket
from benchmarks.peers.peer import Work
from benchmarks.peers.protocol import here, script, speak
from benchmarks.peers.work import awork, work

#: Processes: as many as there are cores; the rest are threads of these.
PROCESSES = 2


def connect(folder: Path) -> tuple[Any, Any, Any]:
    """Return the broker, the actor and the asynchronous one."""
    broker: Any = RedisBroker(url=f"unix://{socket(folder)}")
    broker.add_middleware(AsyncIO())
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(work), dramatiq.actor(awork)


if place := here():
    broker, *_ = connect(place[1])


class Dramatiq(OnRedis):
    """A job is acknowledged when it has ended."""

    def open(self) -> None:
        _, self.actor, self.coroutine = connect(self.folder)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return (self.coroutine if asynchronous else self.actor).send(**job)

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        processes = min(concurrency, PROCESSES)
        size = ["-p", str(processes), "-t", str(concurrency // processes)]
        line = [script("dramatiq"), "benchmarks.peers.dramatiq:broker", "--skip-logging"]
        return [[*line, *size]]


if __name__ == "__main__":
    speak(Dramatiq, FSYNCS)
