"""The writing side of the FIFO that wakes the daemon; seat.py has the other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jobctl.clock import SystemClock
from jobctl.stores.directory.journal import TICKS

if TYPE_CHECKING:
    from jobctl.stores.directory.journal import Journal
    from jobctl.stores.directory.layout import Layout

#: Seconds without an add after which the daemon is woken early.
RARE = 0.01
_now = SystemClock().monotonic


class Waker:
    """Who has written into a store wakes its daemon."""

    def __init__(self, layout: Layout, journal: Journal) -> None:
        self._path = layout.wake
        self._root = str(layout.root)
        self._journal = journal
        self._fd = -1
        #: When the folder had changed last, as nobody listened.
        self._nobody_at: int | None = None
        #: Whether it was woken since a transaction of this process began last.
        self._early = False
        self._added_at = 0.0

    def wake(self) -> None:
        """Tell the daemon, if there is one, that there may be something to do."""
        if self._early:
            self._early = False
        else:
            self._say()

    def begin(self) -> None:
        """Be told that a transaction begins: what the daemon has heard is not of this one."""
        self._early = False

    def wake_early(self) -> None:
        """Tell it with the write lock in hand, before anything is written.

        It has to wait for the lock before it looks for jobs, so it will find what is written
        now. But to wake up and to come that far takes it as long as the disk does. After each
        of many adds it would have the lock before the next one, and claim each job by itself.
        """
        now = _now()
        self._early = now - self._added_at > RARE
        self._added_at = now
        if self._early:
            self._say()

    def _say(self) -> None:
        if self._fd < 0 and not self._open():
            return
        try:
            os.write(self._fd, b"\0")
        except BlockingIOError:
            pass  # it is full of wake-ups
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the FIFO; it is opened again when it is needed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        """Open the daemon's FIFO; return whether anybody listens."""
        # A daemon touches the store's folder after it has begun to listen, and looks for jobs
        # after that: while the folder is as it was when nobody listened, nobody does.
        try:
            seen = os.stat(self._root).st_mtime_ns
        except OSError:
            return False  # it is a hint: what was added is durable already
        if seen == self._nobody_at:
            return False
        # A time that is not older than a tick may be that of two changes.
        settled = self._journal.written_at() > seen + TICKS
        try:
            # Without a reader this fails, so nobody waits and nothing is left behind.
            self._fd = os.open(
                self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            )
        except OSError:
            self._nobody_at = seen if settled else None
            return False
        return True
