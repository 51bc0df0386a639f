"""What the jobs do, whatever the tool: write down when they began, and sleep if they shall.

Job n writes CLOCK_MONOTONIC into the nth place of a shared file: no lock, no system call, a
fraction of a microsecond. So a measurement knows when each job began and asks no tool.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from pathlib import Path

#: The environment variable with the path of the file.
STAMPS = "BENCH_STAMPS"
_WIDTH = struct.calcsize("d")
_map: mmap.mmap | None = None


def work(n: int, seconds: float = 0.0, **_: object) -> None:
    """Be job n, which takes so many seconds."""
    _began(n)
    if seconds:
        time.sleep(seconds)  # that is the job


async def awork(n: int, seconds: float = 0.0, **_: object) -> None:
    """Be job n as a coroutine."""
    _began(n)
    if seconds:
        await asyncio.sleep(seconds)


def job(n: int, seconds: float = 0.0) -> dict[str, object]:
    """Return the data of job n: the same for every tool, as long as an ordinary job's."""
    return {"n": n, "seconds": seconds, "to": "user@example.com"}


def _began(n: int) -> None:
    global _map  # noqa: PLW0603  # a process opens it with its first job
    if _map is None:
        with open(os.environ[STAMPS], "r+b") as file:
            _map = mmap.mmap(file.fileno(), 0)
    struct.pack_into("d", _map, n * _WIDTH, time.monotonic())


class Stamps:
    """When each of `count` jobs began, as whoever measures reads it; 0 is not yet."""

    def __init__(self, path: Path, count: int) -> None:
        path.write_bytes(bytes(_WIDTH * count))
        os.environ[STAMPS] = str(path)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.times = memoryview(self._map).cast("d")
        self._seen = 0

    def all(self, count: int) -> bool:
        """Return whether the first `count` jobs have begun."""
        while self._seen < count and self.times[self._seen]:
            self._seen += 1
        return self._seen >= count
