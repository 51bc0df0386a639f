"""Which lines of a log are shown: those of one attempt, those since a time, the last ones.

A line that a Python handler prints or logs begins with its time; what a command prints does
not. Such a line was written after the last time before it, a header's or a line's, and that is
all that is known of it: so it is left out only if a later line is older than asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from jobctl.services import logread
from jobctl.services.logfile import HEADER, stamp

_TIME = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ")


class Choice(msgspec.Struct, frozen=True):
    """What is wanted of a log; None is no wish. `attempt` is the number in the headers."""

    tail: int | None = None
    attempt: int | None = None
    since: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether all attempts and all times are wanted."""
        return self.attempt is None and self.since is None


def of_attempt(lines: Iterable[bytes], number: int) -> Iterator[bytes]:
    """Return the lines of the attempts with a number, headers included.

    There are several after a job was retried by hand, or given back by a daemon that stopped.
    """
    wanted = False
    for line in lines:
        header = HEADER.match(line)
        if header is not None:
            wanted = int(header[1]) == number
        if wanted:
            yield line


def older(lines: Iterable[bytes], since: datetime) -> int:
    """Return how many lines go up to the last one that is known to be from before a time."""
    limit = stamp(since).encode()
    count = 0
    for number, line in enumerate(lines, 1):
        at = time_of(line)
        if at is not None and at < limit:
            count = number
    return count


def without(lines: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Return what follows the first `count` lines, under the header of its attempt."""
    header = b""
    for number, line in enumerate(lines, 1):
        if HEADER.match(line):
            header = line
        if number > count:
            if header and header is not line:
                yield header
            header = b""
            yield line


def time_of(line: bytes) -> bytes | None:
    """Return the time that a line begins with, or that a header names, as a log writes it."""
    found = _TIME.match(line)
    if found is not None:
        return found[1]
    header = HEADER.match(line)
    return None if header is None else header[2]


def chosen(lines: Iterable[bytes], choice: Choice, skip: int) -> Iterable[bytes]:
    """Return the lines that are wanted; `skip` is what `older` has counted, 0 without."""
    if skip:
        lines = without(lines, skip)
    if choice.attempt is not None:
        lines = of_attempt(lines, choice.attempt)
    if choice.tail is not None:
        lines = logread.last(lines, choice.tail)
    return lines
