"""Jobs run: drained, mixed, one now and then, and the first after a start."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.kit import Figure, percentile
from benchmarks.peers.peer import NotThereError, Peer, Work
from benchmarks.peers.work import Stamps, job
from benchmarks.processes import running, until

#: Jobs that are run before one is timed: workers start, imports are done.
FIRST = 20
#: Seconds between two jobs of which each shall find the workers idle.
REST = 0.01
#: Seconds of a job at half load, and between two: half of what two workers can do.
NAP = 0.005
#: Of the mixed jobs so many are long; one worker more runs them.
LONG, LONG_SECONDS = 3, 2.0


def put(peer: Peer, jobs: Sequence[Work], *, asynchronous: bool = False) -> None:
    """Add jobs the fastest way that there is: it is not timed."""
    try:
        peer.add_many(jobs, asynchronous=asynchronous)
    except NotThereError:
        for one in jobs:
            peer.add(one, asynchronous=asynchronous)


def drain(
    peer: Peer, size: int, concurrency: int, *, seconds: float = 0.0, asynchronous: bool = False
) -> Iterator[Figure]:
    """Yield how many jobs a second are run, of those that wait as the workers start.

    The clock runs from the start of the first job until the last has ended and, where that
    can be told, is durably so.
    """
    stamps = Stamps(peer.folder / "stamps", size)
    lines = peer.workers(concurrency, asynchronous=asynchronous)
    peer.open()
    put(peer, [job(n, seconds) for n in range(size)], asynchronous=asynchronous)
    with running(lines, peer.folder / "worker.log"):
        until(lambda: stamps.all(size), "the last job", 0.01)
        time.sleep(seconds)  # the last one has begun and not ended
        until(peer.all_ended, "the end of the last job", 0.01)
    end = max(max(stamps.times) + seconds, peer.settled())
    kind = "async" if asynchronous else "nap" if seconds else "drain"
    yield Figure(f"{kind} {concurrency}", size / (end - min(stamps.times)), "jobs/s")


@contextmanager
def at_work(peer: Peer, concurrency: int, count: int) -> Iterator[Stamps]:
    """Have workers that have run some jobs; the next are `count`, from number FIRST on."""
    stamps = Stamps(peer.folder / "stamps", FIRST + count)
    peer.open()
    with running(peer.workers(concurrency), peer.folder / "worker.log"):
        put(peer, [job(n) for n in range(FIRST)])
        until(lambda: stamps.all(FIRST), "the first jobs")
        time.sleep(0.3)  # what a start still has to do is done
        yield stamps


def mixed(peer: Peer, size: int) -> Iterator[Figure]:
    """Yield how long the last of many short jobs waits while a few long ones run.

    All have one name and come at once, in an order drawn beforehand. One worker is always
    free of long jobs, so one that waits for seconds waits behind a long one for nothing.
    """
    dice = random.Random(7)
    naps = [LONG_SECONDS] * LONG + [dice.uniform(0.0001, 0.001) for _ in range(size - LONG)]
    dice.shuffle(naps)
    with at_work(peer, LONG + 1, size) as stamps:
        put(peer, [job(FIRST + n, nap) for n, nap in enumerate(naps)])
        added = time.monotonic()
        until(lambda: stamps.all(FIRST + size), "the last job")
        waits = [
            stamps.times[FIRST + n] - added for n, nap in enumerate(naps) if nap < LONG_SECONDS
        ]
    yield Figure("mixed worst", max(waits) * 1000, "ms")


def latency(peer: Peer, size: int) -> Iterator[Figure]:
    """Yield the milliseconds from the return of an add to the start of its job.

    First of jobs that find all idle, then at half load: one of 5 ms every 5 ms, for two
    workers. Below zero the job began before the add had returned.
    """
    with at_work(peer, 2, 3 * size) as stamps:
        yield from _percentiles("idle", list(_idle(peer, stamps, range(FIRST, FIRST + size))))
        half = range(FIRST + size, FIRST + 3 * size)
        yield from _percentiles("half", list(_loaded(peer, stamps, half)))


def _idle(peer: Peer, stamps: Stamps, numbers: range) -> Iterator[float]:
    for n in numbers:
        peer.add(job(n))
        returned = time.monotonic()
        until(lambda: stamps.times[n], "a job", 0.0005)  # noqa: B023  # called before n is another one
        yield (stamps.times[n] - returned) * 1000
        time.sleep(REST)  # each finds the workers idle


def _loaded(peer: Peer, stamps: Stamps, numbers: range) -> Iterator[float]:
    returned, begun = [], time.monotonic()
    for count, n in enumerate(numbers):
        # One each NAP seconds, however long the last add took: half of what two workers can.
        time.sleep(max(0.0, begun + count * NAP - time.monotonic()))
        peer.add(job(n, NAP))
        returned.append(time.monotonic())
    until(lambda: stamps.all(numbers.stop), "the last job")
    for n, at in zip(numbers, returned, strict=True):
        yield (stamps.times[n] - at) * 1000


def _percentiles(name: str, waits: list[float]) -> Iterator[Figure]:
    yield Figure(f"{name} p50", percentile(waits, 0.5), "ms")
    yield Figure(f"{name} p99", percentile(waits, 0.99), "ms")
    yield Figure(f"{name} max", max(waits), "ms")


def shell(peer: Peer, size: int) -> Iterator[Figure]:
    """Yield how many command lines a second are run, from the end of the first to the last."""
    ran = peer.folder / "ran"
    ran.touch()
    peer.open()
    peer.add_commands(["sh", "-c", f"echo >> {ran}"], size)
    with peer.commands_run():
        until(lambda: ran.stat().st_size, "the first command", 0.001)
        first, begun = ran.stat().st_size, time.monotonic()
        until(lambda: ran.stat().st_size >= size, "the last command", 0.001)
        yield Figure("shell 2", (size - first) / (time.monotonic() - begun), "jobs/s")


def start(peer: Peer) -> Iterator[Figure]:
    """Yield the seconds from the start of the workers to that of a job that waits for them."""
    stamps = Stamps(peer.folder / "stamps", 1)
    peer.open()
    put(peer, [job(0)])
    begun = time.monotonic()
    with running(peer.workers(2), peer.folder / "worker.log"):
        until(lambda: stamps.all(1), "the first job")
    yield Figure("start 1", stamps.times[0] - begun, "s")
