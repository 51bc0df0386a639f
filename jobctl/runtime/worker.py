"""A worker: takes one task after the other, runs its handler, reports how it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

from jobctl.clock import SystemClock
from jobctl.core.job import Ending, Outcome
from jobctl.core.retry import Fail, Retry, Snooze
from jobctl.runtime.channel import STOP_SIGNAL, Channel, Report, Task
from jobctl.runtime.context import Context, decode_task
from jobctl.runtime.describe import describe, kept_result, too_long
from jobctl.runtime.handlers import Handler, find
from jobctl.runtime.interrupts import JobCancelled, JobTimeout, ShellError
from jobctl.runtime.joblog import Output
from jobctl.runtime.process import peak, reset_peak
from jobctl.runtime.slots import Slots
from jobctl.runtime.streams import Lines, write_all
from jobctl.runtime.usage import Meter
from jobctl.runtime.validation import InvalidData

if TYPE_CHECKING:
    from jobctl.runtime.shell import Command

#: The outcomes whose attempts keep the end of what they printed.
_WENT_WRONG = (Outcome.ERROR, Outcome.TIMEOUT, Outcome.CANCELLED)


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
        self._output = output
        self._lines = Lines(write_all) if output is None else output.lines
        self._progress = progress
        self._meter = Meter()
        self._channel = channel
        self._slots = slots
        self._slot = slot
        self._max_result = max_result
        self._clock = SystemClock()
        self._pid = os.getpid()
        self._name = str(self._pid)
        self._current: str | None = None  # the job that an exception may be raised in
        self._stop_async: Callable[[], None] | None = None
        self._runner: Any = None
        self._command: Command | None = None  # the last one

    def serve(self) -> None:
        """Run tasks until the daemon closes the channel."""
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.signal(STOP_SIGNAL, self._on_stop)
        while (received := self._channel.receive()) is not None:
            report = self.run(decode_task(received[0]))
            if os.getpid() != self._pid:
                os._exit(0)  # a handler forked and its child came back: one may go on
            self._channel.send(report)

    def run(self, task: Task) -> Report:
        """Run one task and return how it ended."""
        job = task.job
        self._slots.begin(self._slot, job.id, self._clock.monotonic())
        # What a command leaves running shall not write into the log of another job.
        alone = task.alone or job.shell is not None
        if alone:
            reset_peak()
        self._meter.start()
        began = self._clock.now()
        if self._output is not None:
            self._output.begin(job.id, job.attempts, began, self._meter, alone=alone)
        start = self._clock.monotonic()
        with self._context(job.id, began) as context:
            result, changes = self._attempt(task)
        seconds = self._clock.monotonic() - start
        tail = self._end_output(job.id, changes["outcome"])
        ending = Ending(
            started_at=began,
            finished_at=began + timedelta(seconds=seconds),
            worker=self._name,
            max_rss=self._peak(task),
            cpu_seconds=self._meter.stop(),
            log_tail=tail,
            progress=context.progress,
            **changes,
        )
        return Report(job.id, ending, result, seconds)

    def _context(self, job_id: str, began: datetime) -> Context:
        return Context(
            job_id,
            began,
            lines=self._lines,
            folder=self._progress,
            cancelled=self._is_cancelled,
        )

    def _is_cancelled(self, job_id: str) -> bool:
        return self._slots.to_stop(self._slot) == job_id

    def _end_output(self, job_id: str, outcome: Outcome) -> tuple[str, ...] | None:
        if self._output is None:
            _flush()
        elif self._output.end() and outcome in _WENT_WRONG:
            return self._output.tail(job_id)
        return None

    def _attempt(self, task: Task) -> tuple[bytes | None, dict[str, Any]]:
        try:
            value = self._value(task)
        except Retry as err:
            return None, {
                "outcome": Outcome.ERROR,
                "after": err.after,
                "error": describe(err),
            }
        except Snooze as err:
            return None, {"outcome": Outcome.SNOOZED, "after": err.after}
        except (Fail, InvalidData) as err:
            return None, {
                "outcome": Outcome.ERROR,
                "final": True,
                "error": describe(err),
            }
        except JobTimeout as err:
            return None, {"outcome": Outcome.TIMEOUT, "error": describe(err)}
        except JobCancelled:
            return None, {"outcome": Outcome.CANCELLED}
        except ShellError as err:
            return None, {"outcome": Outcome.ERROR, "error": describe(err), "exit": err.exit}
        except BaseException as err:  # a handler's SystemExit or GeneratorExit ends no worker
            return None, {"outcome": Outcome.ERROR, "error": describe(err)}
        return kept_result(value, self._max_result)

    def _value(self, task: Task) -> Any:
        if task.job.shell is not None:
            return self._call_command(task)
        handler = find(task.job.name)
        if handler is None:
            raise LookupError(task.job.name)  # the daemon hands over known names only
        return self._call(handler, task)

    def _call_command(self, task: Task) -> Any:
        from jobctl.runtime.shell import Command

        self._command = None
        self._command = command = Command(task.job)
        try:
            return self._call_sync(command.result, task)
        except (JobTimeout, JobCancelled):
            command.end()
            raise

    def _peak(self, task: Task) -> int | None:
        if task.job.shell is not None:
            return None if self._command is None else self._command.max_rss
        return peak() if task.alone else None

    def _call(self, handler: Handler, task: Task) -> Any:
        arguments = handler.bind(task.job)
        if handler.is_async:
            return self._call_async(lambda: handler.function(*arguments), task)
        value = self._call_sync(lambda: handler.function(*arguments), task)
        if hasattr(value, "__await__"):
            # A plain function around an async one: its work has not been done yet.
            return self._call_async(lambda: value, task)
        return value

    def _call_sync(self, call: Callable[[], Any], task: Task) -> Any:
        self._current = task.job.id
        try:
            if task.timeout is not None:
                signal.setitimer(signal.ITIMER_REAL, task.timeout)
            self._check_stop()
            return call()
        finally:
            self._current = None
            if task.timeout is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _call_async(self, call: Callable[[], Any], task: Task) -> Any:
        import asyncio

        if self._runner is None:
            self._runner = asyncio.Runner()

        async def run() -> Any:
            own = asyncio.current_task()
            loop = asyncio.get_running_loop()
            assert own is not None
            stopped = False

            def stop() -> None:
                nonlocal stopped
                stopped = True
                own.cancel()

            def stop_soon() -> None:
                loop.call_soon_threadsafe(stop)

            self._stop_async = stop_soon
            self._current = task.job.id
            try:
                self._check_stop()
                async with asyncio.timeout(task.timeout) as scope:
                    return await call()
            except asyncio.CancelledError:
                if stopped:
                    raise JobCancelled from None
                raise
            except TimeoutError:
                if scope.expired():
                    raise JobTimeout(too_long(task.timeout)) from None
                raise
            finally:
                self._current = self._stop_async = None

        return self._runner.run(run())

    def _check_stop(self) -> None:
        if self._slots.to_stop(self._slot) == self._current:
            raise JobCancelled

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self._current is not None:
            raise JobTimeout("the job ran longer than its timeout")

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        if self._current is None or self._slots.to_stop(self._slot) != self._current:
            return  # it came too late: another job is running by now
        if self._stop_async is not None:
            self._stop_async()
        else:
            raise JobCancelled


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A handler may have closed or replaced it: its output is lost, not its job.
        with suppress(Exception):
            stream.flush()
