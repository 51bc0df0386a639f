"""Async jobs: one call of an async handler, and the shift of a worker that several share."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from jobctl.core.job import Ending, Outcome
from jobctl.runtime.channel import DONT_WAIT, STOP_SIGNAL, Report, Task
from jobctl.runtime.context import Context, decode_task
from jobctl.runtime.describe import Ended, raised, too_long
from jobctl.runtime.handlers import handler_of
from jobctl.runtime.interrupts import JobCancelled, JobTimeout
from jobctl.runtime.ownlog import Own
from jobctl.runtime.streams import flush
from jobctl.runtime.worker import WENT_WRONG

if TYPE_CHECKING:
    from jobctl.runtime.worker import Worker


class AsyncCall:
    """One call of an async handler, in the asyncio task that runs it.

    `call` makes the awaitable, `timeout` is in seconds.
    """

    def __init__(self, call: Callable[[], Any], timeout: float | None) -> None:
        self._call = call
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._own = asyncio.current_task()
        self._stopped = False

    async def run(self) -> Any:
        """Await the handler. Raises JobTimeout, JobCancelled, and what the handler raises."""
        try:
            async with asyncio.timeout(self._timeout) as scope:
                return await self._call()
        except asyncio.CancelledError:
            if self._stopped:
                raise JobCancelled from None
            raise
        except TimeoutError:
            if scope.expired():
                raise JobTimeout(too_long(self._timeout)) from None
            raise

    def stop(self) -> None:
        """Cancel the task, once."""
        if not self._stopped and self._own is not None:
            self._stopped = True
            self._own.cancel()

    def stop_soon(self) -> None:
        """Cancel the task; call this one in a signal handler."""
        self._loop.call_soon_threadsafe(self.stop)


class Beside(NamedTuple):
    """One of several jobs that run in a worker at once, and its log if there are logs."""

    context: Context
    own: Own | None

    def tail(self, outcome: Outcome) -> tuple[str, ...] | None:
        """Return the last lines that it wrote, if its record is to have them."""
        return self.own.tail if self.own is not None and outcome in WENT_WRONG else None


@contextmanager
def beside(worker: Worker, task: Task, began: datetime) -> Iterator[Beside]:
    """Let what this asyncio task prints, logs and tells belong to its own job."""
    job, place = task.job, task.place
    assert place is not None

    def cancelled(asked: str) -> bool:
        return worker.slots.to_stop(place) == asked

    with ExitStack() as stack:
        own, lines = None, worker.lines
        if worker.output is not None:
            own = stack.enter_context(worker.output.writing_for(job.id, job.attempts, began))
            lines = own.lines
        with Context(job.id, began, lines, worker.progress, cancelled) as context:
            yield Beside(context, own)
    if worker.output is None:
        flush()


async def share(worker: Worker, first: Task) -> Task | None:
    """Run jobs side by side; see Shift.serve."""
    return await Shift(worker).serve(first)


class Shift:
    """The time in which jobs run side by side in a worker, until one comes that may not.

    How many there are at once is for the daemon to say: each that comes is begun.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, tuple[str, AsyncCall]] = {}  # by place, with the job's id
        self._tasks: set[asyncio.Task[None]] = set()
        self._next: Task | None = None  # the one that ends the shift
        self._closing = False  # whether no more is read
        self._over = asyncio.Event()
        self._broken: BaseException | None = None

    async def serve(self, first: Task) -> Task | None:
        """Run `first` and all that come after it until one has no place, and return that.

        Returns None when the daemon has closed the channel. The rest is run to its end.
        """
        before = signal.signal(STOP_SIGNAL, self._on_stop)
        sock = self._worker.channel.sock
        self._loop.add_reader(sock, self._read)
        try:
            self._start(first)
            await self._over.wait()
        finally:
            self._loop.remove_reader(sock)
            signal.signal(STOP_SIGNAL, before)
        if self._broken is not None:
            raise self._broken
        return self._next

    def _read(self) -> None:
        while not self._closing:
            try:
                received = self._worker.channel.receive(DONT_WAIT)
            except BlockingIOError:
                return
            task = None if received is None else decode_task(received[0])
            if task is not None and task.place is not None:
                self._start(task)
                continue
            self._next, self._closing = task, True
            self._loop.remove_reader(self._worker.channel.sock)
            self._end_if_done()

    def _start(self, task: Task) -> None:
        running = self._loop.create_task(self._run(task))
        self._tasks.add(running)
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._tasks.discard(running)
        if not running.cancelled() and running.exception() is not None:
            self._broken = running.exception()
            self._over.set()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._closing and not self._tasks:
            self._over.set()

    async def _run(self, task: Task) -> None:
        """Run one job from its beginning to its report.

        This is an asyncio task of its own: a context variable that is set here is seen by
        this job's handler, and by no other.
        """
        worker, job = self._worker, task.job
        began, start = worker.clock.now(), worker.clock.monotonic()
        assert task.place is not None
        # Its worker's slot too: it says to the fork server that this one is at something.
        worker.slots.begin(worker.slot, job.id, start)
        worker.slots.begin_beside(task.place, job.id, start)
        with beside(worker, task, began) as its:
            outcome, result, more = await self._attempt(task, task.place)
        seconds = worker.clock.monotonic() - start
        ending = Ending(
            outcome,
            began + timedelta(0, seconds),
            began,
            worker.name,
            log_tail=its.tail(outcome),
            progress=its.context.progress,
        )
        if more:
            ending = msgspec.structs.replace(ending, **more)
        worker.report(Report(job.id, ending, result, seconds))

    async def _attempt(self, task: Task, place: int) -> Ended:
        job = task.job
        handler = handler_of(job.name)

        slots = self._worker.slots
        calling = AsyncCall(lambda: handler.call(job), task.timeout)
        self._calls[place] = (job.id, calling)
        telling = None
        if task.timeout is not None:  # a blocked loop does not come to it
            telling = self._loop.call_later(task.timeout, slots.tell, place)
        try:
            if slots.to_stop(place) == job.id:
                raise JobCancelled
            value = await calling.run()
        except BaseException as err:  # a handler's SystemExit or GeneratorExit ends no worker
            return raised(err)
        finally:
            del self._calls[place]
            if telling is not None:
                telling.cancel()
        return self._worker.result(value)

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop_asked)

    def _stop_asked(self) -> None:
        for place, (job_id, calling) in self._calls.items():
            if self._worker.slots.to_stop(place) == job_id:
                self._worker.slots.tell(place)
                calling.stop()
