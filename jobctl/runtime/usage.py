"""What the jobs of a worker use of the processor."""

from __future__ import annotations

import resource
import time

_SELF, _CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


#: A job that took less, in seconds, has started no process: that alone takes the system longer.
QUICK = 30e-6


class Meter:
    """Counts from `start` to `stop`, again and again; it costs a few microseconds."""

    def __init__(self) -> None:
        theirs = resource.getrusage(_CHILDREN)
        self._theirs = theirs.ru_utime + theirs.ru_stime
        self._own = 0.0
        self._stale = True  # whether `peak` may have been passed since it was read
        #: The most memory, in bytes, that this process had kept as it was started last, and
        #: that a child of it has.
        self.peak = 0
        self.child_peak = theirs.ru_maxrss * 1024

    @property
    def cpu(self) -> float:
        """CPU seconds of this process and its children, as it was started last."""
        return self._own + self._theirs

    def start(self) -> None:
        """Begin to count."""
        self._own = time.process_time()
        if self._stale:
            self.peak = resource.getrusage(_SELF).ru_maxrss * 1024

    def stop(self, seconds: float) -> float:
        """Return the CPU seconds since `start`, those of children that have ended included.

        `seconds` is how long that took.
        """
        self._stale = seconds >= QUICK
        if not self._stale:
            return int((time.process_time() - self._own) * 1e6) / 1e6
        theirs = resource.getrusage(_CHILDREN)
        before, self._theirs = self._theirs, theirs.ru_utime + theirs.ru_stime
        self.child_peak = theirs.ru_maxrss * 1024
        return round(time.process_time() - self._own + self._theirs - before, 6)
