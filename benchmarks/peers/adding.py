"""Adds: one at a time, from eight processes at once, and in bulk."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue as Results
from multiprocessing.synchronize import Barrier

from benchmarks.kit import Figure, timed
from benchmarks.peers.peer import Peer
from benchmarks.peers.work import job

#: Processes that add at once.
CROWD = 8
#: Adds between two looks at the clock, and before it runs: a first one opens files.
SOME = 20
#: When adds began and ended, and how many seconds each took.
Adds = tuple[float, float, list[float]]


def add(peer: Peer, seconds: float, size: int) -> Iterator[Figure]:
    """Yield how many jobs a second one process adds, one after the other and in bulk."""
    peer.open()
    begun, ended, took = _keep_adding(peer, seconds, lambda: None)
    yield Figure("add", len(took) / (ended - begun), "jobs/s")
    yield Figure("add worst", max(took) * 1000, "ms")
    many, calls = [job(n) for n in range(size)], 1
    first = timed(lambda: peer.add_many(many))
    yield Figure("bulk", size / first, "jobs/s")
    # What one call leaves to be done later, the next ones have to do.
    total = first
    while total < seconds:
        total += timed(lambda: peer.add_many(many))
        calls += 1
    yield Figure("bulk on", calls * size / total, "jobs/s")


def add8(peer: Peer, seconds: float) -> Iterator[Figure]:
    """Yield how many jobs a second eight processes add together, and the longest single add."""
    fork = multiprocessing.get_context("fork")
    together, results = fork.Barrier(CROWD, timeout=30), fork.Queue()
    first = fork.Process(target=peer.open)  # makes tables, which several at once cannot
    first.start()
    first.join()
    args = (peer, seconds, together, results)
    crowd = [fork.Process(target=_one_of, args=args, daemon=True) for _ in range(CROWD)]
    for process in crowd:
        process.start()
    found = [results.get(timeout=seconds + 60) for _ in crowd]
    for process in crowd:
        process.join()
    begun, ended, took = zip(*found, strict=True)
    rate = sum(map(len, took)) / (max(ended) - min(begun))
    yield Figure("add8", rate, "jobs/s")
    yield Figure("add8 worst", max(map(max, took)) * 1000, "ms")


def _one_of(peer: Peer, seconds: float, together: Barrier, results: Results[Adds]) -> None:
    peer.open()
    results.put(_keep_adding(peer, seconds, together.wait))


def _keep_adding(peer: Peer, seconds: float, ready: Callable[[], object]) -> Adds:
    """Add jobs for some seconds, once a first few are added and `ready` has returned."""
    jobs, took = [job(n) for n in range(SOME)], list[float]()
    peer.add_each(jobs, [])
    ready()
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        peer.add_each(jobs, took)
    return begun, time.monotonic(), took
