"""The log of one of several jobs that share a worker."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import datetime

from jobctl.runtime.streams import Lines, write_all
from jobctl.services import logfile


class Own:
    """The log of one of several jobs that share a worker. It is made when it is written to."""

    def __init__(self, path: str, attempt: int, began: datetime, limit: int) -> None:
        self.lines = Lines(self._put)
        self._path = path
        self._header = (attempt, began)
        self._limit = limit
        self._fd = -1
        self._unpunched = 0
        self._closed = False
        self._lock = threading.Lock()  # a handler may print from several threads
        #: The last lines, once it is closed; None if nothing was written.
        self.tail: tuple[str, ...] | None = None

    def close(self) -> None:
        """Put the log in order."""
        self._closed = True
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
                logfile.finish(self._path, self._limit)
            self.tail = logfile.tail(self._path)

    def _put(self, fd: int, data: bytes) -> None:
        if self._closed:
            return  # a task that outlives its job
        with self._lock, suppress(OSError):
            if self._fd < 0:
                self._fd = logfile.open_log(self._path)
                logfile.begin(self._fd, *self._header)
            write_all(self._fd, data)
            self._unpunched += len(data)
            if self._unpunched > self._limit:
                self._unpunched = 0
                logfile.punch(self._path, self._limit)
