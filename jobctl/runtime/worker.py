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
from jobctl.runtime.plan import SHORT
from jobctl.runtime.process import peak, reset_peak
from jobctl.runtime.slots import Slots
from jobctl.runtime.surroundings import Surroundings
from jobctl.runtime.validation import InvalidData

#: The signal by which the daemon asks a worker to stop the job named in its slot.
STOP_SIGNAL = signal.SIGUSR1
_MESSAGE_LENGTH = 4_000
_TRACEBACK_LENGTH = 16_000


class Worker:
    """The state of one worker process."""

    def __init__(self, channel: Channel, slots: Slots, slot: int, max_result: int) -> None:
        self._channel = channel
        self._slots = slots
        self._slot = slot
        self._max_result = max_result
        self._clock = SystemClock()
        self._pid = os.getpid()
        self._name = str(self._pid)
        self._lasted = True  # whether the last job may have moved the peak of memory
        self._current: str | None = None  # the job that an exception may be raised in
        self._stop_async: Callable[[], None] | None = None
        self._runner: Any = None

    def serve(self) -> None:
        """Run tasks until the daemon closes the channel, or the process cannot go on."""
        self._listen()
        surroundings = Surroundings()
        while (received := self._channel.receive()) is not None:
            report = self.run(decode_task(received[0]))
            if os.getpid() != self._pid:
                os._exit(0)  # a handler forked and its child came back: one may go on
            self._channel.send(report)
            if not surroundings.restore():
                return  # what it has not read yet goes to another worker

    def _listen(self) -> None:
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.signal(STOP_SIGNAL, self._on_stop)

    def run(self, task: Task) -> Report:
        """Run one task and return how it ended."""
        job = task.job
        self._slots.begin(self._slot, job.id, self._clock.monotonic())
        if task.alone:
            self._listen()  # 7 us, because an earlier handler may have taken these signals
        if task.alone or self._lasted:
            reset_peak()
        began, start = self._clock.now(), self._clock.monotonic()
        result, changes = self._attempt(task)
        seconds = self._clock.monotonic() - start
        # What is over at once cannot use much memory: a run of short jobs has one peak.
        self._lasted = task.alone or seconds > SHORT
        ending = Ending(
            started_at=began,
            finished_at=began + timedelta(seconds=seconds),
            worker=self._name,
            max_rss=peak() if self._lasted else None,
            **changes,
        )
        _flush()
        return Report(job.id, ending, result, seconds)

    def _attempt(self, task: Task) -> tuple[bytes | None, dict[str, Any]]:
        handler = find(task.job.name)
        if handler is None:
            raise LookupError(task.job.name)  # the daemon hands over known names only
        try:
            value = self._call(handler, task)
        except Retry as err:
            return None, {
                "outcome": Outcome.ERROR,
                "after": err.after,
                "error": _describe(err),
            }
        except Snooze as err:
            return None, {"outcome": Outcome.SNOOZED, "after": err.after}
        except (Fail, InvalidData) as err:
            return None, {
                "outcome": Outcome.ERROR,
                "final": True,
                "error": _describe(err),
            }
        except JobTimeout as err:
            return None, {"outcome": Outcome.TIMEOUT, "error": _describe(err)}
        except JobCancelled:
            return None, {"outcome": Outcome.CANCELLED}
        except BaseException as err:  # a handler's SystemExit or GeneratorExit ends no worker
            return None, {"outcome": Outcome.ERROR, "error": _describe(err)}
        return self._result(value)

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
                    raise JobTimeout(_too_long(task.timeout)) from None
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

    def _result(self, value: Any) -> tuple[bytes | None, dict[str, Any]]:
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


def _too_long(timeout: float | None) -> str:
    return f"the job ran longer than its timeout of {timeout:g} s"


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


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A handler may have closed or replaced it: its output is lost, not its job.
        with suppress(Exception):
            stream.flush()
