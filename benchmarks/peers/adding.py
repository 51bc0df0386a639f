"""Adds: one at a time, from eight processes at once, and in bulk."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue as Results
from multiprocessing.synchronize import Barrier

from benchmarks.kit import Figure, timed
from benchmarks.peers.peer import Peer
from benchmarks.peers.work import job

#: Processes that add at once.
CROWD = 8
#: A bulk add has so many times the jobs.
BULK = 5
#: Adds before the clock runs: a first one makes tables and opens files.
FIRST = 3


def add(peer: Peer, size: int) -> Iterator[Figure]:
    """Yield how many jobs a second one process adds, one after the other and with one call."""
    peer.open()
    peer.add_each([job(n) for n in range(FIRST)], [])
    jobs, took = [job(n) for n in range(size)], list[float]()
    seconds = timed(lambda: peer.add_each(jobs, took))
    yield Figure("add", size / seconds, "jobs/s")
    yield Figure("add worst", max(took) * 1000, "ms")
    many = [job(n) for n in range(size * BULK)]
    yield Figure("bulk", len(many) / timed(lambda: peer.add_many(many)), "jobs/s")


def add8(peer: Peer, size: int) -> Iterator[Figure]:
    """Yield how many jobs a second eight processes add together, and the longest single add."""
    fork = multiprocessing.get_context("fork")
    together, results = fork.Barrier(CROWD, timeout=30), fork.Queue()
    first = fork.Process(target=peer.open)  # makes tables, which several at once cannot
    first.start()
    first.join()
    crowd = [
        fork.Process(target=_one_of, args=(peer, size // CROWD, together, results), daemon=True)
        for _ in range(CROWD)
    ]
    for process in crowd:
        process.start()
    found = [results.get(timeout=60) for _ in crowd]
    for process in crowd:
        process.join()
    begun, ended, worst = zip(*found, strict=True)
    rate = size // CROWD * CROWD / (max(ended) - min(begun))
    yield Figure("add8", rate, "jobs/s")
    yield Figure("add8 worst", max(worst) * 1000, "ms")


def _one_of(
    peer: Peer, count: int, together: Barrier, results: Results[tuple[float, float, float]]
) -> None:
    peer.open()
    peer.add_each([job(n) for n in range(FIRST)], [])
    jobs, took = [job(n) for n in range(count)], list[float]()
    together.wait()
    begun = time.monotonic()
    peer.add_each(jobs, took)
    results.put((begun, time.monotonic(), max(took)))
