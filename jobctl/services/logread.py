"""How a log is read: in pieces, so that one of a gigabyte costs no memory.

Its holes are what was left out while it was written; they are read as a line that counts them.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jobctl.services.whole import OURS

#: The most that is read at once, and the longest line that is kept in one, in bytes.
PIECE = 64 * 1024
LONGEST_LINE = 1024 * 1024


class Part(NamedTuple):
    """A part of a file: so many bytes of it, and what stands there; None for a hole."""

    length: int
    content: bytes | None


def gap(length: int) -> bytes:
    """Return the lines that stand for a hole."""
    return b"\n--- %d bytes left out ---\n" % length


def open_file(path: str) -> int | None:
    """Open a file to read, and return its descriptor; None if it is not there.

    Raises OSError if it is there and cannot be read.
    """
    try:
        return os.open(path, os.O_RDONLY | OURS)
    except FileNotFoundError:
        return None


def parts(fd: int, start: int, size: int) -> Iterator[Part]:
    """Return what stands in a file from `start` up to `size`. Raises OSError."""
    at = start
    while at < size:
        data = seek(fd, at, os.SEEK_DATA, size)
        if data > at:
            yield Part(data - at, None)
        at = seek(fd, data, os.SEEK_HOLE, size)
        while data < at:
            content = os.pread(fd, min(PIECE, at - data), data)
            if not content:  # it was shortened meanwhile
                return
            yield Part(len(content), content)
            data += len(content)


def seek(fd: int, at: int, how: int, size: int) -> int:
    """Return where the next data or the next hole begins, `size` at most. Raises OSError."""
    if at >= size:
        return size
    try:
        return min(size, os.lseek(fd, at, how))
    except OSError as err:
        if err.errno != errno.ENXIO:  # there is no more data
            raise
        return size


def near_end(fd: int, size: int, count: int) -> int:
    """Return a place from which on there are `count` whole lines, or the file's beginning."""
    found, at = 0, size
    while at > 0 and found <= count:
        start = max(0, at - PIECE)
        found += os.pread(fd, at - start, start).count(b"\n")
        at = start
    return at


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines of a text that comes in pieces, with their ends.

    One that is longer than LONGEST_LINE comes as several.
    """
    begun: list[bytes] = []
    length = 0
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield b"".join((*begun, line, b"\n"))
            begun, length = [], 0
        if rest:
            begun.append(rest)
            length += len(rest)
        if length > LONGEST_LINE:
            yield b"".join(begun)
            begun, length = [], 0
    if begun:
        yield b"".join(begun)


def last(found: Iterable[bytes], count: int) -> Iterable[bytes]:
    """Return the last `count` of some lines."""
    return deque(found, maxlen=count)
