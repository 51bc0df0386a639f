"""What a process has used of the processor and of memory."""

from __future__ import annotations

import resource
from typing import NamedTuple


class Usage(NamedTuple):
    """CPU seconds of a process and of the children that it has waited for; their peaks.

    `peak` is the most memory that it has kept, `children` that one of its children has, in
    bytes: both for its whole life, but for what `reset_peak` forgets.
    """

    cpu: float
    peak: int
    children: int


def usage() -> Usage:
    """Return what this process has used so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime
    return Usage(cpu, own.ru_maxrss * 1024, theirs.ru_maxrss * 1024)
