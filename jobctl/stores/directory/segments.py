"""The journal as a reader sees it: numbered segments of JSON lines. No lock is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import accumulate, islice, repeat
from typing import Any, NamedTuple

from jobctl.core.job import Job
from jobctl.core.note import Note
from jobctl.core.unreadable import UNREADABLE
from jobctl.errors import StoreError
from jobctl.stores.directory import lines
from jobctl.stores.directory.layout import Layout, open_file, store_error

_CHUNK = 1 << 20
#: So many bytes between two records cost less to read than to skip.
_GAP = 4096
#: So many bytes of lines are read at a time.
_LINES = 256 << 10
_MAX_OPEN = 32
_SEGMENT = re.compile(r"([0-9]{8,})\.jsonl")


class Place(NamedTuple):
    """Where a line stands. `offset` and `length` are bytes; the newline counts."""

    segment: int
    offset: int
    length: int


class Line(NamedTuple):
    """A line of the journal with its newline, as it was found."""

    place: Place
    text: bytes


#: A Place, or the same as a plain tuple: the garbage collector looks at such a one but once.
Where = tuple[int, int, int]
#: The places and the texts of some lines.
Some = tuple[list[Where], list[bytes]]

# Their own constructors are Python functions, which is a second for a million lines.
place_of = partial(tuple.__new__, Place)
_line = partial(tuple.__new__, Line)


class Segments:
    """The segments of one store, for one thread at a time."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._readers: dict[int, int] = {}
        self._ends: dict[int, int] = {}  # of segments that are followed by another one

    def segments(self) -> list[int]:
        """Return the numbers of the segments that are there, in order."""
        try:
            names = os.listdir(self._layout.journal)
        except FileNotFoundError:
            return []
        except OSError as err:
            raise store_error(err, self._layout.journal) from err
        return sorted(int(match[1]) for match in map(_SEGMENT.fullmatch, names) if match)

    def end(self, segment: int) -> int | None:
        """Return how many bytes of a segment count, None if it is gone."""
        known = self._ends.get(segment)
        if known is not None:
            return known
        # Nothing is appended to a segment that has a successor, so this is asked first.
        following = self._header(segment + 1)
        try:
            size = os.stat(self._layout.segment(segment)).st_size
        except FileNotFoundError:
            return None
        except OSError as err:
            raise store_error(err, self._layout.segment(segment)) from err
        if following is not None:
            if following.void is not None:
                size = min(size, following.void)
            self._ends[segment] = size
        return size

    def _header(self, segment: int) -> lines.SegmentHeader | None:
        try:
            return self._header_in(first_line(self._reader(segment)))
        except (OSError, StoreError):
            return None

    def _header_in(self, line: bytes) -> lines.SegmentHeader | None:
        try:
            return lines.decode_header(line) if lines.intact(line) else None
        except UNREADABLE:
            return None

    def read(self, place: Place) -> bytes | None:
        """Return the line at `place` if one stands there, intact."""
        text = self.read_raw(place)
        return text if len(text) == place.length and lines.intact(text) else None

    def read_raw(self, place: Place) -> bytes:
        """Return the bytes at `place`, whatever they are; fewer if there are not so many."""
        try:
            return os.pread(self._reader(place.segment), place.length, place.offset)
        except FileNotFoundError:
            return b""
        except OSError as err:
            raise store_error(err, self._layout.segment(place.segment)) from err

    def job(self, place: Place) -> Job[Any] | None:
        """Return the job whose record stands at `place`, None if it is not there, intact."""
        return _job(self.read_raw(place), place)

    def jobs(self, places: Sequence[Place]) -> list[Job[Any] | None]:
        """Return what `job` returns for each place; those close together are read at once."""
        found: list[Job[Any] | None] = []
        window, segment, begin = b"", 0, 0
        for k, place in enumerate(places):
            at = place.offset - begin
            if place.segment != segment or at < 0 or at + place.length > len(window):
                segment, begin, at = place.segment, place.offset, 0
                window = self.read_raw(Place(segment, begin, _reach(places, k) - begin))
            found.append(_job(window[at : at + place.length], place))
        return found

    def note(self, place: Place) -> Note | None:
        """Return the note that stands at `place`, None if it is not there, intact."""
        text = self.read(place)
        try:
            return None if text is None else lines.decode_note(text)
        except UNREADABLE:
            return None

    def scan(self, segment: int, offset: int) -> Iterator[Line]:
        """Yield the lines of one segment from `offset` to its end, as it is now.

        Of a segment that takes no more, what follows the last newline comes as a line too.
        """
        for places, texts in self.scan_many(segment, offset):
            yield from map(_line, zip(map(place_of, places), texts, strict=True))

    def scan_many(self, segment: int, offset: int) -> Iterator[Some]:
        """Yield the places and the texts of the same lines, many at a time."""
        end = self.end(segment)
        if end is None:
            return
        rest = b""
        while (at := offset + len(rest)) < end:
            # A line that is longer than a chunk is not copied again and again.
            size = max(_LINES, len(rest))
            chunk = self.read_raw(Place(segment, at, min(size, end - at)))
            if not chunk:
                break
            texts = BytesIO(chunk).readlines()
            texts[0] = rest + texts[0]
            rest = b"" if texts[-1].endswith(b"\n") else texts.pop()
            lengths = list(map(len, texts))
            offsets = list(accumulate(lengths, initial=offset))
            yield list(zip(repeat(segment), offsets, lengths, strict=False)), texts
            offset = offsets[-1]
        if rest and segment in self._ends:
            yield [(segment, offset, len(rest))], [rest]

    def _reader(self, segment: int) -> int:
        fd = self._readers.get(segment)
        if fd is None:
            self._forget_removed()
            if len(self._readers) >= _MAX_OPEN:
                self.forget(next(iter(self._readers)))
            fd = open_file(self._layout.segment(segment), os.O_RDONLY)
            self._readers[segment] = fd
        return fd

    def _forget_removed(self) -> None:
        # Others compact too. A file that is open keeps its space on the disk.
        for segment, fd in list(self._readers.items()):
            if os.fstat(fd).st_nlink == 0:
                self.forget(segment)

    def forget(self, segment: int) -> None:
        """Close a segment."""
        fd = self._readers.pop(segment, None)
        if fd is not None:
            os.close(fd)

    def forget_all(self) -> None:
        """Close them all, and read anew what they hold: others may stand in their place."""
        for segment in list(self._readers):
            self.forget(segment)
        self._ends.clear()

    def close(self) -> None:
        """Close every descriptor."""
        self.forget_all()


def _job(text: bytes, place: Place) -> Job[Any] | None:
    """Return the job in what was read at a place, None if that is not it, intact."""
    try:
        whole = len(text) == place.length and lines.intact(text)
        return lines.decode_job(text) if whole else None
    except UNREADABLE:
        return None


def _reach(places: Sequence[Place], first: int) -> int:
    """Return where to end a reading that begins at the first of these places."""
    segment, begin, length = places[first]
    end = begin + length
    for place in islice(places, first + 1, None):
        behind = place.offset + place.length
        if place.segment != segment or not end <= place.offset <= end + _GAP:
            break
        if behind - begin > _CHUNK:
            break
        end = behind
    return end


def places_at(segment: int, offset: int, texts: Sequence[bytes]) -> list[Where]:
    """Return the places of lines that stand there, one behind the other."""
    lengths = list(map(len, texts))
    offsets = accumulate(lengths, initial=offset)
    return list(zip(repeat(segment), offsets, lengths, strict=False))


def first_line(fd: int) -> bytes:
    """Return the first line of a segment; empty if there is none in its first 4 KiB."""
    head, newline, _ = os.pread(fd, 4096, 0).partition(b"\n")
    return head + newline


def last_good(fd: int, size: int) -> int:
    """Return where the last whole transaction of a segment ends."""
    window = _CHUNK
    while True:
        start = max(0, size - window)
        head, newline, _ = os.pread(fd, size - start, start).rpartition(b"\n")
        found = (head + newline).splitlines(keepends=True)
        end = start + len(head) + len(newline)
        whole = found if start == 0 else found[1:]  # the first may be the end of a line
        for text in reversed(whole):
            place = lines.place_in_transaction(text)
            if place is None or place[0] == place[1]:
                return end
            end -= len(text)
        if start == 0:
            return end
        window *= 4
