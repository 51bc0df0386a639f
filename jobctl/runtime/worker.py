"""A worker: takes one task after the other, runs its handler, reports how it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from signal import ITIMER_REAL, setitimer
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from jobctl.clock import SystemClock
from jobctl.core.job import Ending, Outcome
from jobctl.runtime.channel import STOP_SIGNAL, Channel, Report, Task
from jobctl.runtime.context import Context, decode_task
from jobctl.runtime.describe import Ended, kept_result, raised, too_long
from jobctl.runtime.handlers import Handler, handler_of
from jobctl.runtime.interrupts import JobCancelled, JobTimeout
from jobctl.runtime.joblog import Output
from jobctl.runtime.plan import SHORT
from jobctl.runtime.process import peak, reset_peak
from jobctl.runtime.slots import Slots
from jobctl.runtime.streams import Lines, flush, write_all
from jobctl.runtime.surroundings import Surroundings
from jobctl.runtime.usage import Meter

if TYPE_CHECKING:
    from jobctl.runtime.shell import Command

#: The outcomes whose attempts keep the end of what they printed.
WENT_WRONG = (Outcome.ERROR, Outcome.TIMEOUT, Outcome.CANCELLED)


class Worker:
    """The state of one worker process.

    `output` takes what handlers print, `progress` is the folder of progress files.
    """

    def __init__(
        self,
        channel: Channel,
        slots: Slots,
        slot: int,
        max_result: int,
        output: Output | None = None,
        progress: str | None = None,
    ) -> None:
        self.output = output
        self.lines = Lines(write_all) if output is None else output.lines
        self.progress = progress
        self._meter = Meter()
        self.channel = channel
        self.slots = slots
        self.slot = slot
        self._max_result = max_result
        self.clock = SystemClock()
        self._pid = os.getpid()
        self.name = str(self._pid)
        self._lasted = True  # whether the last job may have moved the peak of memory
        self._current: str | None = None  # the job that an exception may be raised in
        self._timeout: float | None = None  # of the last job that had one
        self._stop_async: Callable[[], None] | None = None
        self._runner: Any = None
        self._command: Command | None = None  # the last one

    def serve(self) -> None:
        """Run tasks until the daemon closes the channel, or the process cannot go on."""
        self._listen()
        surroundings = Surroundings()
        task = self._next()
        while task is not None:
            shared = task.place is not None
            if shared:
                task = self._share(task)
            else:
                self.report(self.run(task))
            if not surroundings.restore():
                return  # what it has not begun yet goes to another worker
            if not shared:
                task = self._next()

    def _next(self) -> Task | None:
        received = self.channel.receive()
        return None if received is None else decode_task(received[0])

    def _share(self, first: Task) -> Task | None:
        """Run jobs side by side, and return the first that has this worker to itself."""
        from jobctl.runtime.sharing import share

        if self.output is not None:
            self.output.share()
        self._lasted = True
        after: Task | None = self._loop().run(share(self, first))
        self._listen()
        return after

    def report(self, report: Report) -> None:
        """Send a report."""
        if os.getpid() != self._pid:
            os._exit(0)  # a handler forked and its child came back: one may go on
        self.channel.send(report)

    def _listen(self) -> None:
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.signal(STOP_SIGNAL, self._on_stop)

    def run(self, task: Task) -> Report:
        """Run one task and return how it ended."""
        job = task.job
        self.slots.begin(self.slot, job.id, self.clock.monotonic())
        # What a command leaves running shall not write into the log of another job.
        alone = task.alone or job.shell is not None
        if alone:
            self._listen()  # 7 us, because an earlier handler may have taken these signals
        fresh = alone or self._lasted
        if fresh:
            reset_peak()
        self._meter.start()
        began = self.clock.now()
        if self.output is not None:
            self.output.begin(job.id, job.attempts, began, self._meter, alone=fresh)
        start = self.clock.monotonic()
        with Context(job.id, began, self.lines, self.progress, self._told_to_stop) as context:
            outcome, result, more = self._attempt(task)
        seconds = self.clock.monotonic() - start
        # What is over at once cannot use much memory: a run of short jobs has one peak.
        self._lasted = alone or seconds > SHORT
        tail = self._end_output(job.id, outcome, seconds)
        ending = Ending(
            outcome,
            began + timedelta(0, seconds),
            began,
            self.name,
            max_rss=self._peak(task),
            cpu_seconds=self._meter.stop(seconds),
            log_tail=tail,
            progress=context.progress,
        )
        if more:
            ending = msgspec.structs.replace(ending, **more)
        return Report(job.id, ending, result, seconds)

    def _end_output(
        self, job_id: str, outcome: Outcome, seconds: float
    ) -> tuple[str, ...] | None:
        if self.output is None:
            flush()
        elif self.output.end(seconds) and outcome in WENT_WRONG:
            return self.output.tail(job_id)
        return None

    def _attempt(self, task: Task) -> Ended:
        try:
            value = self._value(task)
        except BaseException as err:  # a handler's SystemExit or GeneratorExit ends no worker
            return raised(err)
        return self.result(value)

    def result(self, value: Any) -> Ended:
        """Return the ending of a handler that returned `value`."""
        return kept_result(value, self._max_result)

    def _value(self, task: Task) -> Any:
        if task.job.shell is not None:
            return self._call_command(task)
        return self._call(handler_of(task.job.name), task)

    def _call_command(self, task: Task) -> Any:
        from jobctl.runtime.shell import Command

        self._command = None
        self._command = command = Command(task.job)
        try:
            return self._call_sync(command.result, (), task)
        except (JobTimeout, JobCancelled):
            command.end()
            raise

    def _peak(self, task: Task) -> int | None:
        if task.job.shell is not None:
            return None if self._command is None else self._command.max_rss
        return peak() if self._lasted else None

    def _call(self, handler: Handler, task: Task) -> Any:
        arguments = handler.bind(task.job)
        if handler.is_async:
            return self._call_async(lambda: handler.function(*arguments), task)
        value = self._call_sync(handler.function, arguments, task)
        if hasattr(value, "__await__"):
            # A plain function around an async one: its work has not been done yet.
            return self._call_async(lambda: value, task)
        return value

    def _call_sync(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], task: Task
    ) -> Any:
        self._current = job_id = task.job.id
        timeout = task.timeout
        try:
            if timeout is not None:
                self._timeout = timeout
                setitimer(ITIMER_REAL, timeout)
            if self._told_to_stop(job_id):
                raise JobCancelled
            return function(*arguments)
        finally:
            self._current = None
            if timeout is not None:
                setitimer(ITIMER_REAL, 0)

    def _call_async(self, call: Callable[[], Any], task: Task) -> Any:
        from jobctl.runtime.sharing import AsyncCall

        async def run() -> Any:
            calling = AsyncCall(call, task.timeout)
            self._stop_async = calling.stop_soon
            self._current = job_id = task.job.id
            try:
                if self._told_to_stop(job_id):
                    raise JobCancelled
                return await calling.run()
            finally:
                self._current = self._stop_async = None

        return self._loop().run(run())

    def _loop(self) -> Any:
        """Return the runner of the one event loop that all async jobs of this worker have."""
        import asyncio

        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner

    def _told_to_stop(self, job_id: str) -> bool:
        return self.slots.to_stop(self.slot) == job_id

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self._current is not None:
            raise JobTimeout(too_long(self._timeout))

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        if self._current is None or self.slots.to_stop(self.slot) != self._current:
            return  # it came too late: another job is running by now
        if self._stop_async is not None:
            self._stop_async()
        else:
            raise JobCancelled
