"""A worker process, as the daemon sees it: what it holds, and what passes to and fro."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import msgspec

from jobctl.core.job import AnyJob, Options, Outcome
from jobctl.runtime.channel import DONT_WAIT, Channel, Report, decode_report, decode_task, pair
from jobctl.runtime.plan import IN_HAND, MOST
from jobctl.runtime.process import resident
from jobctl.runtime.server import Server
from jobctl.runtime.slots import Places, Slots


class Given(msgspec.Struct, eq=False):
    """A job that a worker holds."""

    job: AnyJob
    options: Options
    at: float  # a begin before this was that of an earlier attempt
    place: int | None = None  # the slot of one that runs beside others
    since: float | None = None  # when one that has a place was seen to have begun
    beside: bool = False  # whether it ever had a fellow in its worker
    blocked: bool = False  # whether its loop was, when it was killed
    stop_at: float | None = None  # when a cancelled one is killed
    killed: Outcome | None = None  # what a kill of ours makes of it

    def begun(self, slots: Slots) -> float | None:
        """Return since when one that has a place runs, None if it has not begun."""
        if self.since is None and self.place is not None:
            begun = slots.begun(self.place)
            if begun is not None and begun[0] == self.job.id and begun[1] >= self.at:
                self.since = begun[1]
        return self.since


class PoolWorker:
    """A worker process, seen from the daemon. It is given at most `max_jobs`.

    Jobs that share it come from `places` and go back there.
    """

    def __init__(
        self, slot: int, server: Server, now: float, max_jobs: int | None, places: Places
    ) -> None:
        ours, theirs = pair()
        ours.setblocking(False)
        self.slot = slot
        self.server = server
        self._places = places
        self.channel = Channel(ours)
        # The daemon keeps the worker's end too: what the worker has not yet read can be
        # read back, and whoever reads a packet has it alone.
        self.back = Channel(theirs)
        self.pid: int | None = None
        self.given: dict[str, Given] = {}
        self.cost = 0.0
        self.sharing = False  # whether what it holds runs side by side
        self.idle_since = now
        self.left = max_jobs  # how many jobs more it may be given
        self.leaving = False
        self.doomed = False  # it is to be killed
        self.full = False
        self.reported = False
        self.slow = False  # what it is at takes longer than a short job

    @property
    def usable(self) -> bool:
        """Whether it may be given anything at all."""
        left = self.left  # as in `spent`: this is asked of each worker for each job
        return not (self.leaving or self.full or self.slow or (left is not None and left <= 0))

    @property
    def takes_more(self) -> bool:
        """Whether it may be given another short job beside those that it holds."""
        return self.cost < IN_HAND and len(self.given) < MOST and self.usable

    @property
    def supplied(self) -> bool:
        """Whether it has enough short jobs in hand to wait for more."""
        enough = self.cost >= IN_HAND / 2 or len(self.given) >= MOST / 2
        return enough and len(self.given) > 1 and not self.slow

    def takes_fellow(self, share: int) -> bool:
        """Whether it may be given a job that runs beside those that it holds, or alone yet."""
        return self.usable and (not self.given or (self.sharing and len(self.given) < share))

    @property
    def at_once(self) -> int:
        """How many jobs run in it at once."""
        return len(self.given) if self.sharing else min(1, len(self.given))

    @property
    def spent(self) -> bool:
        """Whether it has been given as many jobs as it may."""
        return self.left is not None and self.left <= 0

    def grew_over(self, limit: int | None) -> bool:
        """Whether it keeps more memory than so many bytes."""
        if limit is None or self.pid is None:
            return False
        size = resident(self.pid)
        return size is not None and size > limit

    def at(self, slots: Slots) -> tuple[Given, float] | None:
        """Return which job it is at, and since when."""
        begun = slots.begun(self.slot)
        given = None if begun is None else self.given.get(begun[0])
        if begun is None or given is None or begun[1] < given.at:
            return None
        return given, begun[1]

    def begun(self, slots: Slots) -> list[tuple[Given, float]]:
        """Return which jobs it is at, and since when; more than one if they share it."""
        if not self.sharing:
            at = self.at(slots)
            return [] if at is None else [at]
        every = ((given, given.begun(slots)) for given in self.given.values())
        return [(given, since) for given, since in every if since is not None]

    def hold(self, given: Given, cost: float) -> None:
        """Take note of a job that it was sent."""
        self.sharing = given.place is not None
        held = self.given
        if self.sharing and held:
            given.beside = True
            if len(held) == 1:
                next(iter(held.values())).beside = True
        held[given.job.id] = given
        self.cost += cost
        if self.left is not None:
            self.left -= 1

    def reported_on(self, job_id: str, now: float) -> Given | None:
        """Take note of a report, and return the job that it is about."""
        self.full = self.slow = False
        self.reported = True
        given = self._drop(job_id)
        if given is not None and not self.given:
            self.cost = 0.0
            self.idle_since = now
        return given

    def _drop(self, job_id: str) -> Given | None:
        given = self.given.pop(job_id, None)
        if given is not None and given.place is not None:
            self._places.free(given.place)
        if not self.given:
            self.sharing = False
        return given

    def take_back(self) -> list[Given]:
        """Read back what it has not yet read, and return it in its order."""
        back = []
        while (received := _next(self.back)) is not None:
            given = self._drop(decode_task(received).job.id)
            if given is not None:
                back.append(given)
        self.full = False
        if self.left is not None:
            self.left += len(back)
        return back

    def reports(self) -> Iterator[Report]:
        """Yield the reports that it has sent. Raises MsgspecError if it sent anything else."""
        channel = self.channel
        while (received := _next(channel)) is not None:
            yield decode_report(received)

    def kill(self) -> None:
        """Kill it and what it started; if its pid is not known yet, when it is."""
        self.doomed = True
        if self.pid is not None:
            self.server.kill(self.pid)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self.pid is not None:
            self.server.signal(self.pid, number)

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
        received = channel.receive(DONT_WAIT)
    except (BlockingIOError, ConnectionResetError):
        return None
    return None if received is None else received[0]
