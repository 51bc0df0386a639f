"""No tool at all: append and fdatasync of as many bytes as a job has, the limit of the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.kit import Figure, timed
from benchmarks.peers.jobctl import Jobctl
from benchmarks.peers.peer import NotThereError, Peer, Work
from benchmarks.peers.protocol import speak
from benchmarks.peers.work import job
from jobctl import Queue

#: Turns of each in a pair.
TURNS = 20


class Bare(Peer):
    """A file, and two system calls."""

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Learn how long the line of a job is: that of a second one, the first has a header."""
        with Queue(store=str(self.folder / "probe")) as queue:
            segment = self.folder / "probe/journal/00000001.jsonl"
            queue.add("work", job(1000))
            before = segment.stat().st_size
            queue.add("work", job(1000))
            size = segment.stat().st_size - before
        self._line = b"x" * (size - 1) + b"\n"
        yield

    def open(self) -> None:
        path = self.folder / "bare"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        os.write(self._file, self._line)
        os.fdatasync(self._file)
        return None

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        os.write(self._file, self._line * len(jobs))
        os.fdatasync(self._file)
        return None

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        raise NotThereError("it runs nothing")


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
