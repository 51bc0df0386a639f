"""A worker process, as the daemon sees it: what it holds, and what passes to and fro."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from jobctl.core.job import Job, Options, Outcome
from jobctl.runtime.channel import Channel, Report, decode_report, decode_task, pair
from jobctl.runtime.plan import IN_HAND, MOST
from jobctl.runtime.server import Server

AnyJob = Job[Any]


class Given:
    """A job that a worker holds."""

    __slots__ = ("at", "job", "killed", "options", "stop_at")

    def __init__(self, job: AnyJob, options: Options, at: float) -> None:
        self.job = job
        self.options = options
        self.at = at  # a begin before this was that of an earlier attempt
        self.stop_at: float | None = None  # when a cancelled one is killed
        self.killed: Outcome | None = None  # what a kill of ours makes of it


class PoolWorker:
    """A worker process, seen from the daemon."""

    def __init__(self, slot: int, server: Server, now: float) -> None:
        ours, theirs = pair()
        ours.setblocking(False)
        self.slot = slot
        self.server = server
        self.channel = Channel(ours)
        # The daemon keeps the worker's end too: what the worker has not yet read can be
        # read back, and whoever reads a packet has it alone.
        self.back = Channel(theirs)
        self.pid: int | None = None
        self.given: dict[str, Given] = {}
        self.cost = 0.0
        self.idle_since = now
        self.leaving = False
        self.full = False
        self.reported = False
        self.slow = False  # what it is at takes longer than a short job

    @property
    def takes_more(self) -> bool:
        """Whether it may be given another short job beside those that it holds."""
        room = self.cost < IN_HAND and len(self.given) < MOST
        return room and not (self.leaving or self.full or self.slow)

    def take_back(self) -> list[Given]:
        """Read back what it has not yet read, and return it in its order."""
        back = []
        while (received := _next(self.back)) is not None:
            given = self.given.pop(decode_task(received).job.id, None)
            if given is not None:
                back.append(given)
        self.full = False
        return back

    def reports(self) -> Iterator[Report]:
        """Yield the reports that it has sent. Raises MsgspecError if it sent anything else."""
        while (received := _next(self.channel)) is not None:
            yield decode_report(received)

    def dismiss(self) -> None:
        """Have it leave when it has run what it holds."""
        self.leaving = True
        self.channel.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both ends."""
        self.channel.close()
        self.back.close()


def _next(channel: Channel) -> memoryview | bytes | None:
    try:
        received = channel.receive(socket.MSG_DONTWAIT)
    except (BlockingIOError, ConnectionResetError):
        return None
    return None if received is None else received[0]
