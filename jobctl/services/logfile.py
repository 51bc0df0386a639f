"""The log of a job: what its handlers print and log, in a file of its own.

An attempt begins with a header line; what follows is what it wrote. A file that grew beyond
its limit keeps its beginning and its end, with one line between them that counts the bytes
left out. While it is written to, the middle is a hole instead (no disk space, read as a gap).
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from jobctl.services.logread import seek
from jobctl.services.whole import OURS

#: Lines of the log, and characters of each, that the record of a failed attempt keeps.
TAIL_LINES = 20
TAIL_WIDTH = 500
_TAIL_BYTES = 64 * 1024
_PAGE = 4096
_CLOCK_TICK = 0.01  # seconds by which the kernel's times of files lag behind, at most
#: The line that begins an attempt: its number and its time.
HEADER = re.compile(rb"(?m)^--- attempt (\d+) at ([0-9T:.Z-]+) ---\n")
#: The line that stands for what was left out.
MARK = re.compile(rb"--- (\d+) bytes left out ---\n")
_MARK_ROOM = 64
_PUNCH = 0x03  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


def folder_in(files: Path) -> str:
    """Return the folder of the logs, in a store's folder of files."""
    return str(files / "logs")


def path_in(folder: str | Path, job_id: str) -> str:
    """Return the path of a job's log in the folder of the logs."""
    return f"{folder}/{job_id}.log"


def path_of(files: Path, job_id: str) -> Path:
    """Return the path of a job's log, in a store's folder of files."""
    return Path(path_in(folder_in(files), job_id))


def stamp(moment: datetime) -> str:
    """Return a time as the lines of a log show it: UTC, to the millisecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def header(attempt: int, began: datetime) -> bytes:
    """Return the line that begins an attempt."""
    return f"--- attempt {attempt} at {stamp(began)} ---\n".encode()


def open_log(path: str) -> int:
    """Open a log to append to, and make it if it is not there. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o600)


def begin(fd: int, attempt: int, began: datetime, lines: bytes = b"") -> int:
    """Write the header of an attempt, on a line of its own, and lines; return the end."""
    size = os.fstat(fd).st_size
    fresh = size == 0 or os.pread(fd, 1, size - 1) == b"\n"
    text = (b"" if fresh else b"\n") + header(attempt, began) + lines
    os.write(fd, text)
    return size + len(text)


def finish(path: str, limit: int) -> None:
    """Put a log in order at the end of an attempt.

    A header without lines goes, and so does the middle of what is longer than `limit`
    bytes. A log in which nothing is left is removed.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        size = os.fstat(fd).st_size
        end = os.pread(fd, 80, max(0, size - 80))
        found = [match for match in HEADER.finditer(end) if match.end() == len(end)]
        if found:
            size -= len(end) - found[-1].start()
            os.ftruncate(fd, size)
        if size == 0:
            os.unlink(path)
        elif size > limit:
            _shorten(fd, size, limit)
    finally:
        os.close(fd)


def _shorten(fd: int, size: int, limit: int) -> None:
    half = max(1, limit // 2)
    start = os.pread(fd, half + _MARK_ROOM, 0)
    mark = MARK.search(start)
    if mark is not None:  # it was shortened before: the beginning stays as it is
        head, rest, out = mark.start(), mark.end(), int(mark[1])
    else:
        # Between two lines, unless that one is too long to be left out.
        head = rest = start.rfind(b"\n", max(0, half - _PAGE), half) + 1 or half
        out = 0
    cut = max(rest, size - half)
    tail = os.pread(fd, size - cut, cut)
    line = tail.find(b"\n", 0, _PAGE) + 1
    if 0 < line < len(tail):
        cut, tail = cut + line, tail[line:]
    middle = b"--- %d bytes left out ---\n" % (out + cut - rest)
    if mark is None and start[head - 1 : head] != b"\n":
        middle = b"\n" + middle
    # In place: a process that the handler has left running may still append to it.
    content = middle + tail
    with open(fd, "r+b", buffering=0, closefd=False) as file:
        file.seek(head)
        file.write(content)
    os.ftruncate(fd, head + len(content))


def punch(path: str, limit: int) -> None:
    """Give back the disk space of the middle of a log that is still being written."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        info = os.fstat(fd)
        if info.st_blocks * 512 > limit + 8 * _PAGE:
            first = -(-(limit // 2 + _MARK_ROOM) // _PAGE) * _PAGE
            last = (info.st_size - limit // 2) // _PAGE * _PAGE
            if last > first:
                _punch(fd, first, last - first)
    finally:
        os.close(fd)


def _punch(fd: int, offset: int, length: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    # Where the file system knows no holes the log is shortened at the end of the attempt only.
    libc.fallocate(fd, _PUNCH, ctypes.c_int64(offset), ctypes.c_int64(length))


def copy(source: int, path: str, start: int) -> None:
    """Append a file from `start` on to a log; holes stay holes. Raises OSError."""
    size = os.fstat(source).st_size
    fd = os.open(path, os.O_WRONLY | OURS)
    try:
        shift = os.fstat(fd).st_size - start
        at = start
        while at < size:
            data = seek(source, at, os.SEEK_DATA, size)
            at = seek(source, data, os.SEEK_HOLE, size)
            while data < at and (part := os.pread(source, min(at - data, 1 << 20), data)):
                data += os.pwrite(fd, part, data + shift)
        os.ftruncate(fd, size + shift)
    finally:
        os.close(fd)


def tail(path: str | Path, since: datetime | None = None) -> tuple[str, ...] | None:
    """Return the last lines of the newest attempt that wrote any; None if there are none.

    With `since`, None too if nothing was written after that time.
    """
    try:
        fd = os.open(path, os.O_RDONLY | OURS)
    except OSError:
        return None
    try:
        info = os.fstat(fd)
        if since is not None and info.st_mtime + _CLOCK_TICK < since.timestamp():
            return None
        content = os.pread(fd, _TAIL_BYTES, max(0, info.st_size - _TAIL_BYTES))
    except OSError:
        return None
    finally:
        os.close(fd)
    for mark in list(HEADER.finditer(content))[-1:]:
        content = content[mark.end() :]
    lines = content.rstrip(b"\n").decode("utf-8", "replace").split("\n")[-TAIL_LINES:]
    return tuple(line[:TAIL_WIDTH] for line in lines) if content.strip() else None
