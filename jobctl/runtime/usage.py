"""What the jobs of a worker use of the processor."""

from __future__ import annotations

import resource
import time

_SELF, _CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


class Meter:
    """Counts from `start` to `stop`, again and again; it costs a few microseconds."""

    def __init__(self) -> None:
        theirs = resource.getrusage(_CHILDREN)
        self._theirs = theirs.ru_utime + theirs.ru_stime
        self._own = 0.0
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
        own = resource.getrusage(_SELF)
        self._own = own.ru_utime + own.ru_stime
        self.peak = own.ru_maxrss * 1024

    def stop(self) -> float:
        """Return the CPU seconds since `start`, those of children that have ended included."""
        theirs = resource.getrusage(_CHILDREN)
        before, self._theirs = self._theirs, theirs.ru_utime + theirs.ru_stime
        self.child_peak = theirs.ru_maxrss * 1024
        return round(time.process_time() - self._own + self._theirs - before, 6)
