"""No tool at all: append and fdatasync of as many bytes as a job has, the limit of the disk.

Its jobs are run by bareloop.py, the limit of the language.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from benchmarks.kit import Figure, timed
from benchmarks.peers.jobctl import Jobctl
from benchmarks.peers.peer import Peer, Work
from benchmarks.peers.protocol import speak
from benchmarks.peers.work import job
from jobctl import Queue

#: Turns of each in a pair.
TURNS = 20


class Bare(Peer):
    """A file, and two system calls."""

    _fifo = 0  # that of the loop, once there is one

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Learn how long the line of a job is: that of a second one, the first has a header."""
        with Queue(store=str(self.folder / "probe")) as queue:
            segment = self.folder / "probe/journal/00000001.jsonl"
            queue.add("work", job(1000))
            before = segment.stat().st_size
            queue.add("work", job(1000))
            size = segment.stat().st_size - before
        self._size = size
        self._line = b"x" * (size - 1) + b"\n"
        yield

    def open(self) -> None:
        path = self.folder / "bare"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        os.write(self._file, self._text(job) if self._fifo else self._line)
        os.fdatasync(self._file)
        self._wake()
        return None

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        os.write(self._file, b"".join(map(self._text, jobs)))
        os.fdatasync(self._file)
        self._wake()
        return None

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        self.no_coroutines(asynchronous)
        path = self.folder / "wake"
        os.mkfifo(path)
        (self.folder / "bare").touch()
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        loop = "benchmarks.peers.bareloop"
        return [[sys.executable, "-m", loop, str(self.folder), str(concurrency)]]

    def _text(self, job: Work) -> bytes:
        return msgspec.json.encode({"data": job}).ljust(self._size - 1) + b"\n"

    def _wake(self) -> None:
        if self._fifo:
            os.write(self._fifo, b"\0")


def pair(bare: Bare, size: int) -> Iterator[Figure]:
    """Yield jobctl's adds a second as a share of the bare calls', in short turns.

    A disk changes its pace within seconds: what is compared to the hundredth takes turns
    within them.
    """
    ours = Jobctl("default", bare.folder)
    seconds: dict[Peer, float] = {}
    for one in (bare, ours):
        one.open()
        one.add_each([job(0)], [])
        seconds[one] = 0.0
    each = max(size // TURNS, 1)
    for _ in range(TURNS):
        for peer in seconds:
            jobs = [job(n) for n in range(each)]
            seconds[peer] += timed(partial(peer.add_each, jobs, []))
    yield Figure("add of bare", seconds[bare] / seconds[ours], "times")


if __name__ == "__main__":
    speak(Bare, ["default"], {"pair": lambda peer, args: pair(peer, args.size)})
