"""Where what a handler prints and logs goes: into the log of its job.

The descriptors 1 and 2 of a worker lead to a file, so that subprocesses and C code write
there too, as they are, and nothing is lost when the worker dies. A job that has the worker
to itself writes into its own log. Short jobs, one after the other, write into the worker's
spool, and what one wrote is moved into its log when it ends: one that prints nothing costs
a look at the size of the spool. Async jobs that share a worker are told apart by a context
variable; what their subprocesses write cannot be, and goes where the daemon's output goes.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import msgspec

from jobctl.runtime.ownlog import Own
from jobctl.runtime.process import children
from jobctl.runtime.streams import Lines, LineWriter, flush, own_lines, take_logging, write_all
from jobctl.runtime.usage import QUICK, Meter
from jobctl.services import logfile, spool
from jobctl.services.spool import Begun

#: A descriptor, and the file that it leads to.
_Kept = tuple[int, tuple[int, int] | None]
#: What `os.waitid` is asked: whether there is any child, and nothing of it.
_LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT


class Output:
    """The output of one worker process."""

    def __init__(self, folder: str, limit: int) -> None:
        """Make descriptors 1 and 2, sys.stdout, sys.stderr and logging lead to logs.

        `folder` is that of the logs, `limit` is in bytes. Raises OSError if the folder
        cannot be written.
        """
        self._folder = folder
        self._limit = limit
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._pid = os.getpid()
        self._before = [_kept(_dup(fd)) for fd in (1, 2)]
        self._open_spool()
        self._alone: tuple[_Kept, int] | None = None  # its log, and where it began there
        self._task: Begun | None = None
        self._children: set[int] = set()  # who may write into an earlier spool
        #: Where those write that have the worker to themselves.
        self.lines = Lines(write_all)
        self._streams = (
            LineWriter(self.lines, 1, "info", "<stdout>"),
            LineWriter(self.lines, 2, "warning", "<stderr>"),
        )
        self._point(self._spool[0])
        self._take_streams()
        take_logging(self.lines)

    def _open_spool(self) -> None:
        self._spool = _kept(spool.create(self._folder, self._pid))
        self._head = mmap.mmap(self._spool[0], spool.START)

    # -- a job that has the worker to itself -------------------------------------------

    def begin(
        self, job_id: str, attempt: int, began: datetime, meter: Meter, *, alone: bool
    ) -> None:
        """Let what is written from now on belong to a job; `alone` if it may take long.

        `meter` says what the worker has used so far; its peak is forgotten if `alone`.
        """
        self._take_streams()
        self.lines.begin()
        start, target = 0, self._spool[0]
        if alone:
            with suppress(OSError):
                log = logfile.open_log(logfile.path_in(self._folder, job_id))
                start = logfile.begin(log, attempt, began)
                self._alone = _kept(log), start
                target = log
        # Each time: the handler before may have closed them, or led them elsewhere.
        self._point(target)
        peak = meter.child_peak if alone else max(meter.child_peak, meter.peak)
        task = self._task = Begun(job_id, attempt, began, meter.cpu, peak, start)
        spool.say(self._head, task)

    def end(self, seconds: float) -> bool:
        """Let what was written be in the job's log; return whether there was anything.

        `seconds` is how long the job took. A failure loses output, never a job.
        """
        if os.getpid() != self._pid:
            return False  # a handler forked, and its child came back
        task, self._task = self._task, None
        if (sys.stdout, sys.stderr) != self._streams:
            flush()
        if task is None:
            return False
        wrote = False
        try:
            if self._alone is not None:
                wrote = self._end_alone(task)
            wrote = self._empty_spool(task) or wrote
            if not task.start and seconds >= QUICK and self._has_children():
                self._renew_spool()
        except OSError:
            pass
        return wrote

    def tail(self, job_id: str) -> tuple[str, ...] | None:
        """Return the last lines of the last attempt that has written any."""
        return logfile.tail(logfile.path_in(self._folder, job_id))

    def _end_alone(self, task: Begun) -> bool:
        assert self._alone is not None
        log, start = self._alone
        self._alone = None
        path = logfile.path_in(self._folder, task.job_id)
        if _is_there(log):
            os.close(log[0])
        wrote = os.stat(path).st_size > start
        logfile.finish(path, self._limit)
        return wrote

    def _empty_spool(self, task: Begun) -> bool:
        fd = self._spool[0]
        if _holds(fd, self._head[:]):
            return False
        size = _size(self._spool)
        if size is None:
            return self._find_spool(task)
        wrote = size > spool.START
        if wrote:
            spool.move(fd, self._folder, task, self._limit)
        return wrote

    def _find_spool(self, task: Begun) -> bool:
        """Empty the spool, and make another, after a handler has closed our descriptors."""
        left = spool.recover(self._folder, self._pid, self._limit)
        wrote = left is not None and left.log_tail is not None
        self._open_spool()
        # Without its channel this worker cannot report: whoever looks why finds the log.
        task = msgspec.structs.replace(task, start=max(task.start, int(wrote)))
        spool.say(self._head, task)
        return wrote

    def _has_children(self) -> bool:
        try:
            os.waitid(os.P_ALL, 0, _LOOK)
        except ChildProcessError:
            return False
        return True

    def _renew_spool(self) -> None:
        """Let processes that a short job has left running not write into another's log."""
        now = set(children())
        if now - self._children:
            os.unlink(spool.path_of(self._folder, self._pid))
            os.close(self._spool[0])
            self._open_spool()
        self._children = now

    # -- jobs that share the worker ----------------------------------------------------

    def share(self) -> None:
        """Be told that from now on several jobs share the worker: the spool is nobody's.

        What none of them can be known to have written goes where the daemon's output goes.
        """
        self._point_back()
        spool.clear(self._head)

    @contextmanager
    def writing_for(self, job_id: str, attempt: int, began: datetime) -> Iterator[Own]:
        """Let what this task, and those that it starts, print and log belong to a job.

        For each of several jobs that run in this worker at once; gives its Own.
        """
        own = Own(logfile.path_in(self._folder, job_id), attempt, began, self._limit)
        token = own_lines.set(own.lines)
        self._take_streams()
        try:
            yield own
        finally:
            own_lines.reset(token)
            own.close()

    # -- the worker itself -------------------------------------------------------------

    def close(self, *, in_order: bool) -> None:
        """Put the streams back, for what is not a job's to say.

        A worker that leaves `in_order` has no use for its spool any more; that of another
        says what it was at.
        """
        self._point_back()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        if in_order:
            with suppress(OSError):
                os.unlink(spool.path_of(self._folder, self._pid))

    def _point_back(self) -> None:
        for fd, before in enumerate(self._before, 1):
            if _is_there(before):
                os.dup2(before[0], fd)

    def _point(self, fd: int) -> None:
        try:
            os.dup2(fd, 1)
            os.dup2(fd, 2)
        except OSError:
            pass  # a handler has closed it: see _find_spool

    def _take_streams(self) -> None:
        sys.stdout, sys.stderr = self._streams


def _file(fd: int) -> tuple[int, int] | None:
    try:
        info = os.fstat(fd)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _kept(fd: int) -> _Kept:
    """Return a descriptor with what tells whether it still is ours."""
    return fd, _file(fd)


def _size(kept: _Kept) -> int | None:
    """Return how many bytes a file has, None if the descriptor leads elsewhere by now."""
    try:
        info = os.fstat(kept[0])
    except OSError:
        return None
    return info.st_size if (info.st_dev, info.st_ino) == kept[1] else None


def _holds(fd: int, content: bytes) -> bool:
    """Return whether this is all that a file holds: less to do than for `_size`."""
    try:
        return os.pread(fd, len(content) + 1, 0) == content
    except OSError:
        return False


def _is_there(kept: _Kept) -> bool:
    # A handler may close every descriptor: what has the number then is a file of its own.
    return _file(kept[0]) == kept[1]


def _dup(fd: int) -> int:
    """Return a copy of a descriptor; of one that is closed, a way to nowhere."""
    try:
        return os.dup(fd)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
