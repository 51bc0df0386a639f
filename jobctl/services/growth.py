"""What was written into the log of a job since one looked last.

What a short job writes stands in the spool of its worker before it is moved into the log, and
a log that is too long loses its middle when the attempt ends. Whoever follows a log notices
neither: nothing comes twice, and nothing is missing that was there when he looked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from jobctl.services import logfile, logread, spool
from jobctl.services.spool import Begun

#: Bytes that are looked at together with the next ones, for a header that is cut in two.
_CARRY = 80


class Growth:
    """The log of a job, and how far one has read it."""

    def __init__(self, files: Path, job_id: str, *, once: bool = False) -> None:
        """`files` is the store's folder of files; `once` promises to call `more` once."""
        self._folder = logfile.folder_in(files)
        self._path = logfile.path_in(self._folder, job_id)
        self._job_id = job_id
        self._once = once
        self._restart()

    def _restart(self) -> None:
        self._file: tuple[int, int] | None = None
        self._at = 0  # how far the log has been read
        self._shift = 0  # how many bytes its middle has lost before that
        self._end = b""  # the last bytes before that place
        self._attempt = b""  # the last header before it
        self._spooled = b""  # the header of the attempt that was last read in a spool
        self._shown = 0  # how many of its bytes
        self._pending = (b"", 0)  # how that begins in the log, and goes on for so many bytes
        self._owed = 0  # bytes of it that the log does not have yet

    def skip_to_last(self, count: int) -> None:
        """Begin where the log has at least `count` more lines. Raises OSError."""
        fd = logread.open_file(self._path)
        if fd is not None:
            try:
                self._at = logread.near_end(fd, self._look(fd), count)
                if not self._once:
                    self._shift = _lost(fd)[1]
            finally:
                os.close(fd)

    def more(self) -> Iterator[bytes]:
        """Return what has come since the last call, in pieces. Raises OSError."""
        yield from self._from_log()
        for pid in spool.pids(self._folder):
            found = spool.open_spool(self._folder, pid)
            if found is None:
                continue
            fd, begun = found
            try:
                if begun.job_id == self._job_id:
                    yield from self._from_spool(fd, begun)
            finally:
                os.close(fd)

    # -- the log -----------------------------------------------------------------------

    def _from_log(self) -> Iterator[bytes]:
        fd = logread.open_file(self._path)
        if fd is None:
            if self._file is not None:
                self._restart()  # it was deleted: another job may come to have this id
            return
        try:
            size = self._look(fd)
            self._find_place(fd, size)
            for length, content in logread.parts(fd, self._at, size):
                self._at += length
                if content is None:
                    yield logread.gap(length)
                else:
                    self._take_note(content)
                    yield content
        finally:
            os.close(fd)

    def _look(self, fd: int) -> int:
        """Return the size of the log; begin anew if it is another file by now."""
        info = os.fstat(fd)
        file = info.st_dev, info.st_ino
        if self._file != file:
            if self._file is not None:
                self._restart()
            self._file = file
        return info.st_size

    def _find_place(self, fd: int, size: int) -> None:
        """Pass over what was read in a spool, and find the place in a log that was cut."""
        prefix = self._pending[0]
        moved = prefix != b"" and os.pread(fd, len(prefix), self._at) == prefix
        if moved:
            self._take_moved()
        before, wanted = self._at, self._at + self._owed
        known = os.pread(fd, len(self._end), before - len(self._end)) == self._end
        if moved or not known or wanted > size or (prefix and size > wanted):
            mark, shift = _lost(fd)
            if shift != self._shift:
                self._take_moved()
                unread = size + shift - (before + self._owed + self._shift)
                wanted, self._shift = max(mark, size - max(0, unread)), shift
        # A log that is shorter than it was has lost a header without lines.
        self._at = min(wanted, size)
        self._owed = max(0, wanted - size) if before <= size else 0
        if self._at != before or not known:
            start = max(0, self._at - _CARRY)
            self._end = os.pread(fd, self._at - start, start)

    def _take_moved(self) -> None:
        """Take it that what was read in a spool stands in the log now."""
        prefix, count = self._pending
        self._pending = (b"", 0)
        self._owed += count
        self._attempt = prefix.lstrip(b"\n") or self._attempt

    def _take_note(self, content: bytes) -> None:
        text = self._end + content
        header = logfile.HEADER.match(text, max(0, text.rfind(b"--- attempt ")))
        if header is not None:
            self._attempt = header[0]
        if not self._shift and (mark := logfile.MARK.search(text)):
            self._shift = int(mark[1]) - len(mark[0])
        self._end = text[-_CARRY:]

    # -- the spool ---------------------------------------------------------------------

    def _from_spool(self, fd: int, begun: Begun) -> Iterator[bytes]:
        header = logfile.header(begun.attempt, begun.began)
        if header != self._spooled:
            # What comes before it; this may have been moved there by now.
            yield from self._from_log()
        size = os.fstat(fd).st_size
        start = spool.START if header != self._spooled else spool.START + self._shown
        if header == self._attempt or size <= start:
            return
        for length, content in logread.parts(fd, start, size):
            if spool.said(fd) != begun:
                return  # what was read may be the next job's
            if header != self._spooled:
                prefix = header if self._end[-1:] in (b"", b"\n") else b"\n" + header
                self._spooled, self._shown = header, 0
                self._pending = (prefix, len(prefix))
                yield prefix
            self._shown += length
            self._pending = (self._pending[0], self._pending[1] + length)
            yield logread.gap(length) if content is None else content


def _lost(fd: int) -> tuple[int, int]:
    """Return where the mark of what was left out of a log stands, and how much that was.

    The length of the mark itself is taken off; (0, 0) if there is none.
    """
    at, before = 0, b""
    while content := os.pread(fd, logread.PIECE, at):
        text = before + content
        mark = logfile.MARK.search(text)
        if mark is not None:
            return at - len(before) + mark.start(), int(mark[1]) - len(mark[0])
        at += len(content)
        before = text[-_CARRY:]
    return 0, 0
