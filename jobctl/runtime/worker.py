"""A worker: takes one task after the other, runs its handler, reports how it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import msgspec

from jobctl.clock import SystemClock
from jobctl.core.data import plain
from jobctl.core.job import Ending, JobError, Outcome
from jobctl.core.retry import Fail, Retry, Snooze
from jobctl.runtime.channel import Channel, Report, Task, decode_task
from jobctl.runtime.handlers import Handler, find
from jobctl.runtime.interrupts import JobCancelled, JobTimeout
from jobctl.runtime.process import peak, reset_peak
from jobctl.runtime.slots import Slots
from jobctl.runtime.validation import InvalidData

#: The signal by which the daemon asks a worker to stop the job named in its slot.
STOP_SIGNAL = signal.SIGUSR1
_MESSAGE_LENGTH = 4_000
_TRACEBACK_LENGTH = 16_000

#: A result as JSON, and the fields of an ending.
Ended = tuple[bytes | None, dict[str, Any]]


class Worker:
    """The state of one worker process."""

    def __init__(self, channel: Channel, slots: Slots, slot: int, max_result: int) -> None:
        self.channel = channel
        self.slots = slots
        self.slot = slot
        self._max_result = max_result
        self.clock = SystemClock()
        self._pid = os.getpid()
        self.name = str(self._pid)
        self._current: str | None = None  # the job that an exception may be raised in
        self._stop_async: Callable[[], None] | None = None
        self._runner: Any = None

    def serve(self) -> None:
        """Run tasks until the daemon closes the channel."""
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.signal(STOP_SIGNAL, self._on_stop)
        task = self._next()
        while task is not None:
            if task.place is None:
                self.report(self.run(task))
                task = self._next()
            else:
                task = self._share(task)

    def _next(self) -> Task | None:
        received = self.channel.receive()
        return None if received is None else decode_task(received[0])

    def _share(self, first: Task) -> Task | None:
        """Run jobs side by side, and return the first that has this worker to itself."""
        from jobctl.runtime.sharing import share

        after: Task | None = self._loop().run(share(self, first))
        return after

    def report(self, report: Report) -> None:
        """Send a report."""
        if os.getpid() != self._pid:
            os._exit(0)  # a handler forked and its child came back: one may go on
        self.channel.send(report)

    def run(self, task: Task) -> Report:
        """Run one task and return how it ended."""
        job = task.job
        self.slots.begin(self.slot, job.id, self.clock.monotonic())
        if task.alone:
            reset_peak()
        began, start = self.clock.now(), self.clock.monotonic()
        result, changes = self._attempt(task)
        seconds = self.clock.monotonic() - start
        ending = Ending(
            started_at=began,
            finished_at=began + timedelta(seconds=seconds),
            worker=self.name,
            max_rss=peak() if task.alone else None,
            **changes,
        )
        flush()
        return Report(job.id, ending, result, seconds)

    def _attempt(self, task: Task) -> Ended:
        handler = handler_of(task)
        try:
            value = self._call(handler, task)
        except BaseException as err:  # a handler's SystemExit or GeneratorExit ends no worker
            return None, raised(err)
        return self.result(value)

    def _call(self, handler: Handler, task: Task) -> Any:
        arguments = handler.bind(task.job)
        if handler.is_async:
            return self._call_async(lambda: handler.function(*arguments), task)
        self._current = task.job.id
        try:
            if task.timeout is not None:
                signal.setitimer(signal.ITIMER_REAL, task.timeout)
            self._check_stop()
            value = handler.function(*arguments)
        finally:
            self._current = None
            if task.timeout is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)
        if hasattr(value, "__await__"):
            # A plain function around an async one: its work has not been done yet.
            return self._call_async(lambda: value, task)
        return value

    def _call_async(self, call: Callable[[], Any], task: Task) -> Any:
        from jobctl.runtime.sharing import AsyncCall

        async def run() -> Any:
            calling = AsyncCall(call, task.timeout)
            self._stop_async = calling.stop_soon
            self._current = task.job.id
            try:
                self._check_stop()
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

    def _check_stop(self) -> None:
        if self.slots.to_stop(self.slot) == self._current:
            raise JobCancelled

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self._current is not None:
            raise JobTimeout("the job ran longer than its timeout")

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        if self._current is None or self.slots.to_stop(self.slot) != self._current:
            return  # it came too late: another job is running by now
        if self._stop_async is not None:
            self._stop_async()
        else:
            raise JobCancelled

    def result(self, value: Any) -> Ended:
        """Return the ending of a handler that returned `value`."""
        done: dict[str, Any] = {"outcome": Outcome.COMPLETED}
        if value is None:
            return None, done
        try:
            result = msgspec.json.encode(plain(value, "result", self._max_result))
        except Exception as err:  # whatever a foreign type's encoding raises
            # The work is done: to run it again for the sake of its result would do it twice.
            message = _text(f"the job completed, but its result was not kept: {err}")
            return None, {**done, "error": JobError("ResultNotKept", message)}
        return result, done


def handler_of(task: Task) -> Handler:
    """Return the handler that a task is for; the daemon hands over known names only."""
    handler = find(task.job.name)
    if handler is None:
        raise LookupError(task.job.name)
    return handler


def raised(err: BaseException) -> dict[str, Any]:
    """Return the fields of the ending of a handler that raised `err`."""
    if isinstance(err, Retry):
        return {"outcome": Outcome.ERROR, "after": err.after, "error": _describe(err)}
    if isinstance(err, Snooze):
        return {"outcome": Outcome.SNOOZED, "after": err.after}
    if isinstance(err, (Fail, InvalidData)):
        return {"outcome": Outcome.ERROR, "final": True, "error": _describe(err)}
    if isinstance(err, JobTimeout):
        return {"outcome": Outcome.TIMEOUT, "error": _describe(err)}
    if isinstance(err, JobCancelled):
        return {"outcome": Outcome.CANCELLED}
    return {"outcome": Outcome.ERROR, "error": _describe(err)}


def _describe(err: BaseException) -> JobError:
    import traceback

    frames = err.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frames = frames.tb_next  # begin where the handler's own code begins
    if frames is None:
        text = "".join(traceback.format_exception_only(err))
    else:
        text = "".join(traceback.format_exception(type(err), err, frames))
    if len(text) > _TRACEBACK_LENGTH:
        text = f"[…]\n{text[-_TRACEBACK_LENGTH:]}"
    kind = type(err)
    module = str(kind.__module__)
    own = module == "builtins" or module.startswith("jobctl.")
    name = kind.__qualname__ if own else f"{module}.{kind.__qualname__}"
    return JobError(name, _text(err)[:_MESSAGE_LENGTH], _text(text))


_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def _text(value: object) -> str:
    """Return text that UTF-8 can hold, whatever a foreign __str__ does."""
    try:
        text = str(value)
    except Exception as err:
        text = f"<its text cannot be had: {type(err).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def flush() -> None:
    """Write out what handlers have printed."""
    for stream in (sys.stdout, sys.stderr):
        # A handler may have closed or replaced it: its output is lost, not its job.
        with suppress(Exception):
            stream.flush()
