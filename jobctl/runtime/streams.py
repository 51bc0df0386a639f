"""The streams of a handler: what it prints and logs, each line with its time and level."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from jobctl.clock import SystemClock
from jobctl.services import logfile

_ENCODING = "utf-8"
_clock = SystemClock()


class Lines:
    """Where lines go: `put` is given the descriptor that was written to, and the bytes."""

    def __init__(self, put: Callable[[int, bytes], None]) -> None:
        self.put = put
        self._last: object = None  # who wrote last, and ended no line

    def begin(self) -> None:
        """Begin on a line of its own."""
        self._last = None

    def write(self, writer: object, fd: int, level: str, text: str) -> None:
        """Write text of one level. A failure loses the text, and never a job."""
        if not text:
            return
        lines = text.split("\n")
        whole = lines.pop()
        going_on = self._last is writer
        prefix = "" if going_on and not lines else f"{logfile.stamp(_clock.now())} {level} "
        out = ["\n"] if self._last is not None and not going_on else []
        for line in lines:
            out.append(f"{'' if going_on else prefix}{line}\n")
            going_on = False
        if whole:
            out.append(f"{'' if going_on else prefix}{whole}")
        self._last = writer if whole or (going_on and not lines) else None
        self.put(fd, "".join(out).encode(_ENCODING, "backslashreplace"))


#: Where the task that runs writes, if several share the worker.
own_lines: ContextVar[Lines | None] = ContextVar("jobctl_lines", default=None)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it; a full disk or a closed descriptor loses the rest."""
    with suppress(OSError):
        while data:
            data = data[os.write(fd, data) :]


def flush() -> None:
    """Write out what handlers have printed."""
    for stream in (sys.stdout, sys.stderr):
        # A handler may have closed or replaced it: its output is lost, not its job.
        with suppress(Exception):
            stream.flush()


class LineWriter(io.TextIOBase):
    """A text stream that holds nothing back; `lines` are for who has no lines of his own."""

    def __init__(self, lines: Lines, fd: int, level: str, name: str) -> None:
        self._lines = lines
        self._fd = fd
        self._level = level
        self.name = name
        self.mode = "w"
        self.line_buffering = True
        #: For who writes bytes: they go into the log as they are.
        self.buffer = _Bytes(lines, fd)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        """Always UTF-8."""
        return _ENCODING

    @property
    def errors(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        """Half of a surrogate pair is written as an escape."""
        return "backslashreplace"

    def write(self, text: str) -> int:
        """Write text; return how many characters."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        (own_lines.get() or self._lines).write(self, self._fd, self._level, text)
        return len(text)

    def reconfigure(self, **options: object) -> None:
        """Do nothing: each line goes out at once, as UTF-8."""

    def fileno(self) -> int:
        """Return the descriptor that subprocesses inherit."""
        return self._fd

    def writable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing: the next job writes here too."""


class _Bytes(io.RawIOBase):
    """The bytes of a stream."""

    def __init__(self, lines: Lines, fd: int) -> None:
        self._lines = lines
        self._fd = fd

    def write(self, data: Any) -> int:
        content = bytes(data)
        (own_lines.get() or self._lines).put(self._fd, content)
        return len(content)

    def fileno(self) -> int:
        return self._fd

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: the next job writes here too."""


class JobHandler(logging.Handler):
    """Writes the records of logging into the log of the job that runs."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record: its level, its logger's name unless that is root, its text."""
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        name = "" if record.name == "root" else f"{record.name}: "
        lines = own_lines.get() or self._lines
        lines.write(self, 2, record.levelname.lower(), f"{name}{text}\n")


def take_logging(lines: Lines) -> None:
    """Let the root logger write to `lines`, and no more to the standard streams."""
    root = logging.getLogger()
    streams = (sys.__stdout__, sys.__stderr__)
    if not root.handlers and root.level == logging.WARNING:
        root.setLevel(logging.INFO)  # nobody has configured it
    for known in list(root.handlers):
        if isinstance(known, logging.StreamHandler) and known.stream in streams:
            root.removeHandler(known)  # what it writes would come without time and level
    root.addHandler(JobHandler(lines))
