"""What a handler can do with its job while it runs: log, tell its progress, see a cancel."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from jobctl.core.job import Job
from jobctl.runtime.channel import Task
from jobctl.runtime.streams import Lines
from jobctl.services import progress

T = TypeVar("T")

#: Characters of a progress note that are kept.
NOTE = 500
_NUMBERS = (int, float)
_MOST = 1 << 63

#: Those of the jobs that run in this process, by id.
_running: dict[str, Context] = {}


class Context(msgspec.Struct, eq=False):
    """A job that runs in this process: within `with`, its handler's Job leads here.

    `asked` says of an id whether its cancel was recorded, `lines` is where it logs to,
    `folder` the folder of progress files; without one its progress shows at the end only.
    `said` is the last that was said of that, None if nothing was.
    """

    _job_id: str
    _began: datetime
    _lines: Lines
    _folder: str | None
    _asked: Callable[[str], bool]
    _cancelled: bool = False
    _map: mmap.mmap | None = None
    said: tuple[float, float | None, str | None] | None = None

    def __enter__(self) -> Context:
        _running[self._job_id] = self
        return self

    def __exit__(self, *exception: object) -> None:
        del _running[self._job_id]

    @property
    def progress(self) -> dict[str, Any] | None:
        """The last progress, as the record has it."""
        return None if self.said is None else _record(*self.said)

    @property
    def cancelled(self) -> bool:
        """Whether a cancel of this job was recorded."""
        self._cancelled = self._cancelled or self._asked(self._job_id)
        return self._cancelled

    def log(self, text: object) -> None:
        """Write a line into the job's log."""
        self._lines.write(self, 1, "info", f"{text}\n")

    def tell(self, done: float, total: float | None, note: str | None) -> None:
        """Let others see how far it has come. Raises TypeError or ValueError."""
        _check("done", done)
        if total is not None:
            _check("total", total)
        if note is not None:
            if not isinstance(note, str):
                raise TypeError(f"note must be text, not {type(note).__name__}")
            note = note[:NOTE].encode("utf-8", "backslashreplace").decode()
        first, self.said = self.said is None, (done, total, note)
        if first and self._folder is not None:
            self._open(self._folder)
        if self._map is not None:
            said = progress.encode(_record(done, total, note))
            text = progress.pack(self._began.timestamp(), said)
            self._map[: len(text)] = text

    def _open(self, folder: str) -> None:
        try:
            fd = progress.create(folder, self._job_id)
        except OSError:
            return  # a full disk: the record has it when the attempt ends
        try:
            self._map = mmap.mmap(fd, progress.SIZE)
        finally:
            os.close(fd)


def _check(name: str, value: object) -> None:
    if type(value) not in _NUMBERS:
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    assert isinstance(value, _NUMBERS)
    if not (-_MOST < value < _MOST) or not math.isfinite(value):
        raise ValueError(f"{name} {value} is refused: use a number below 2**63")


def _record(done: float, total: float | None, note: str | None) -> dict[str, Any]:
    return {"done": done, "total": total, "note": note}


class Running(Job[T], Generic[T], frozen=True):
    """The job as its handler gets it: its progress can be told here, not read.

    Any thread may use it. Once the handler has returned nothing comes of it.
    """

    def progress(  # type: ignore[misc]  # in the record it is what was told
        self, done: float, total: float | None = None, note: str | None = None
    ) -> None:
        """Say how far the job has come; others see it at once, at no cost to speak of.

        `done` and `total` are numbers of whatever is counted, `note` is text. Raises
        TypeError or ValueError for what is none.
        """
        context = _running.get(self.id)
        if context is not None:
            context.tell(done, total, note)

    def log(self, text: object) -> None:
        """Write a line into the job's log, as logging at level info does."""
        context = _running.get(self.id)
        if context is not None:
            context.log(text)

    @property
    def cancelled(self) -> bool:
        """Whether a cancel of this job was recorded: end soon, or it will be killed."""
        context = _running.get(self.id)
        return self.cancelling if context is None else context.cancelled


class RunningTask(Task):
    """A task as a worker reads it: with the job as handlers get it."""

    job: Running[Any]


decode_task = msgspec.msgpack.Decoder(RunningTask).decode
