"""SAQ: coroutines; a function that is none runs in a thread."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from benchmarks.peers.onredis import FSYNCS, OnRedis, socket
from benchmarks.peers.peer import Work
from benchmarks.peers.protocol import here, script, speak
from benchmarks.peers.work import awork, work

#: Adds that are under way at once in a bulk add.
AT_ONCE = 100


def connect(folder: Path) -> Any:
    """Return the queue."""
    return RedisQueue(Redis(unix_socket_path=socket(folder)))


def _sync(_: object, **data: Any) -> None:
    work(**data)


async def _async(_: object, **data: Any) -> None:
    await awork(**data)


if place := here():
    settings = {
        "queue": connect(place[1]),
        "functions": [("work", _sync), ("awork", _async)],
        "concurrency": int(os.environ.get("BENCH_EACH", "1")),
    }


class Saq(OnRedis):
    """A job is taken up again when it has made no sound for its time-out."""

    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.queue = connect(self.folder)
        self.wait(self.queue.connect())

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.wait(self.queue.enqueue("awork" if asynchronous else "work", **job))

    def add_each(self, jobs: Sequence[Work], took: list[float]) -> None:
        """Add them within one coroutine, as an asynchronous program would."""

        async def each() -> None:
            for job in jobs:
                start = time.perf_counter()
                await self.queue.enqueue("work", **job)
                took.append(time.perf_counter() - start)

        self.wait(each())

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        name = "awork" if asynchronous else "work"

        async def some() -> None:
            for begin in range(0, len(jobs), AT_ONCE):
                part = jobs[begin : begin + AT_ONCE]
                await asyncio.gather(*(self.queue.enqueue(name, **job) for job in part))

        return self.wait(some())

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        # One process: two were no faster.
        os.environ["BENCH_EACH"] = str(concurrency)
        return [[script("saq"), "benchmarks.peers.saq.settings", "--quiet"]]


if __name__ == "__main__":
    speak(Saq, FSYNCS)
