"""The daemon's log: lines for people on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from jobctl.clock import Clock
from jobctl.core.text import clean

_COLOURS = {"error": "\x1b[31m", "warning": "\x1b[33m"}
# Read off each line by the journal: sd-daemon(3).
_JOURNAL = {"error": "<3>", "warning": "<4>", "info": "<6>"}


class Log:
    """Where a daemon says what it does. `verbose` says it of each completed job too."""

    def __init__(
        self, clock: Clock, stream: TextIO | None = None, *, colour: bool = True
    ) -> None:
        self._clock = clock
        self._stream = stream or sys.stderr
        self._people = self._stream.isatty()
        self._colour = colour and self._people
        self._journal = is_journal(self._stream, os.environ)
        self.verbose = self._people

    def info(self, message: str, **fields: Any) -> None:
        """Say what happened."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Say what somebody may want to look at."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Say what somebody must look at."""
        self._write("error", message, fields)

    def _write(self, level: str, message: str, fields: dict[str, Any]) -> None:
        now = self._clock.now()
        if self._people:
            time = now.astimezone().strftime("%H:%M:%S")
            text = clean(message, lines=True)
            if self._colour and level in _COLOURS:
                text = f"{_COLOURS[level]}{text}\x1b[0m"
            line = f"{time} {text}"
        else:
            line = _json({"time": now, "level": level, "message": message, **fields})
            if self._journal:
                line = _JOURNAL[level] + line
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a closed terminal or a full disk must not stop the queue


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream leads to the journal: JOURNAL_STREAM in systemd.exec(5)."""
    said = environ.get("JOURNAL_STREAM")
    if not said:
        return False
    try:
        info = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return said == f"{info.st_dev}:{info.st_ino}"


def _json(record: dict[str, Any]) -> str:
    import json

    import msgspec

    # json escapes all that is not ASCII, so nothing in a job can steer who reads the log.
    return json.dumps(msgspec.to_builtins(record))
