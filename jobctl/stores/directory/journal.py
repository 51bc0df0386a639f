"""The journal: numbered segments of JSON lines, only ever appended to.

All methods that write want the write lock to be held.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from jobctl.errors import StoreCorrupt, StoreTooNew, StoreUnwritable
from jobctl.stores.directory import lines
from jobctl.stores.directory.layout import (
    FORMAT,
    Layout,
    open_file,
    store_error,
    sync_folder,
)

#: A segment that has reached this many bytes is followed by a new one.
SEGMENT_SIZE = 64 << 20
_CHUNK = 1 << 20
_MAX_OPEN = 32


class Place(NamedTuple):
    """Where a line stands. `offset` and `length` are bytes; the newline counts."""

    segment: int
    offset: int
    length: int


class Line(NamedTuple):
    """A line of the journal with its newline, as it was found."""

    place: Place
    text: bytes


class Journal:
    """The segments of one store, as one process sees them."""

    def __init__(self, layout: Layout, store_id: str) -> None:
        self._layout = layout
        self._store_id = store_id
        self._tail = 0  # the segment that is written to, and its descriptor
        self._fd = -1
        self._readers: dict[int, int] = {}
        self._ends: dict[int, int] = {}  # of segments that are followed by another one
        self._synced = False  # whether all that stands in the tail is durable

    # -- writing, under the lock -------------------------------------------------------

    def open_tail(self) -> tuple[int, int]:
        """Open the newest segment, cut off what was never acknowledged, roll if it is full.

        Returns its number and its size in bytes.
        """
        try:
            self._find_tail()
            size = self._trim()
            if size >= SEGMENT_SIZE:
                size = self._roll()
        except OSError as err:
            raise store_error(err, self._layout.journal) from err
        return self._tail, size

    def append(self, texts: list[bytes], size: int) -> list[Place]:
        """Append whole lines at `size`, the end of the tail, and make them durable.

        After an error nothing of it is there: the bytes are cut off again or, when it was
        the fdatasync that failed, void (see _give_up).
        """
        view = memoryview(b"".join(texts))
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as err:
            self._cut(size)
            raise store_error(err, self._layout.segment(self._tail)) from err
        self.sync(size)
        places, offset = [], size
        for text in texts:
            places.append(Place(self._tail, offset, len(text)))
            offset += len(text)
        return places

    def sync(self, good: int) -> None:
        """Make the tail durable. `good` is the length that is known to be so already."""
        try:
            os.fdatasync(self._fd)
        except OSError as err:
            self._give_up(good)
            raise store_error(err, self._layout.segment(self._tail)) from err

    def retire(self, segment: int) -> None:
        """Remove a segment that nothing points to any more."""
        try:
            os.unlink(self._layout.segment(segment))
            sync_folder(self._layout.journal)
        except FileNotFoundError:
            pass
        except OSError as err:
            raise store_error(err, self._layout.segment(segment)) from err
        self._forget(segment)

    def _find_tail(self) -> None:
        number = self._tail
        if number and not self._same_file():
            number = 0
            self.close()
        if not number:
            number = max(self.segments(), default=0)
        while os.path.exists(self._layout.segment(number + 1)):
            number += 1
        if not number:
            self._create(1, None)
        elif number != self._tail:
            self._open(number)

    def _same_file(self) -> bool:
        try:
            there = os.stat(self._layout.segment(self._tail))
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def _open(self, number: int) -> None:
        path = self._layout.segment(number)
        if os.path.exists(f"{path}.broken"):
            raise StoreUnwritable(
                f"{path}: an earlier write could not be made durable, so nothing more is "
                "written: check the disk, then run jobctl doctor"
            )
        fd = open_file(path, os.O_RDWR | os.O_APPEND)
        self._close_tail()
        self._fd, self._tail = fd, number
        first = os.pread(fd, 4096, 0).partition(b"\n")
        if not first[1]:
            # A writer died while he made this segment: nothing in it was acknowledged.
            os.ftruncate(fd, 0)
            self._write_header(None)
        else:
            self._check_header(first[0] + b"\n", path)

    def _check_header(self, line: bytes, path: str) -> None:
        try:
            header = lines.decode_header(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            header = None
        if header is None or not lines.intact(line) or header.store != self._store_id:
            raise StoreCorrupt(
                f"{path} does not begin as a segment of this store: restore it from a backup, "
                "or move it away"
            )
        if header.format > FORMAT:
            raise StoreTooNew(f"{path} was written in format {header.format}, not {FORMAT}")

    def _trim(self) -> int:
        """Return the size of the tail, after cutting off an unfinished transaction."""
        size = os.fstat(self._fd).st_size
        end = os.pread(self._fd, lines.END_LENGTH, max(0, size - lines.END_LENGTH))
        if end.endswith(b"\n"):
            place = lines.place_in_transaction(end)
            if place is None or place[0] == place[1]:
                return size
        good = self._last_good(size)
        bad = os.pread(self._fd, size - good, good)
        self.quarantine(Line(Place(self._tail, good, size - good), bad), "unfinished write")
        os.ftruncate(self._fd, good)
        return good

    def _last_good(self, size: int) -> int:
        """Return where the last whole transaction of the tail ends."""
        window = _CHUNK
        while True:
            start = max(0, size - window)
            head, newline, _ = os.pread(self._fd, size - start, start).rpartition(b"\n")
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

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            pass  # it is an unfinished transaction: the next writer cuts it off

    def _give_up(self, good: int) -> None:
        # After a failed fdatasync the kernel may have dropped the pages and call the next
        # one a success (Rebello et al., ATC'20), so this segment takes nothing more.
        try:
            self._roll(void=good)
        except OSError as err:
            path = f"{self._layout.segment(self._tail)}.broken"
            try:
                os.close(open_file(path, os.O_WRONLY | os.O_CREAT))
            except OSError:
                pass
            raise store_error(err, self._layout.journal) from err

    def _roll(self, void: int | None = None) -> int:
        if void is None:
            os.fdatasync(self._fd)
        return self._create(self._tail + 1, void)

    def _create(self, number: int, void: int | None) -> int:
        fd = open_file(
            self._layout.segment(number), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
        )
        self._close_tail()
        self._fd, self._tail = fd, number
        size = self._write_header(void)
        sync_folder(self._layout.journal)
        return size

    def _write_header(self, void: int | None) -> int:
        header = lines.SegmentHeader(FORMAT, self._store_id, self._tail, void)
        text = lines.seal(lines.encode(header), 1, 1)
        if os.write(self._fd, text) < len(text):
            raise OSError(28, "No space left on device")
        os.fdatasync(self._fd)
        return len(text)

    def quarantine(self, line: Line, reason: str) -> None:
        """Keep bad bytes apart, with a note of where they were."""
        place = line.place
        name = f"{self._layout.quarantine}/{place.segment:08d}-{place.offset}-{place.length}"
        note = {"segment": place.segment, "offset": place.offset, "length": place.length}
        try:
            self._layout.quarantine.mkdir(mode=0o700, exist_ok=True)
            for suffix, content in (
                (".bin", line.text),
                (".json", msgspec.json.encode({**note, "reason": reason}) + b"\n"),
            ):
                fd = open_file(name + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.write(fd, content)
                os.close(fd)
        except OSError:
            pass  # the bytes stay where they are; a full disk must not stop the rest

    # -- reading, without a lock -------------------------------------------------------

    def segments(self) -> list[int]:
        """Return the numbers of the segments that are there, in order."""
        try:
            names = os.listdir(self._layout.journal)
        except FileNotFoundError:
            return []
        except OSError as err:
            raise store_error(err, self._layout.journal) from err
        return sorted(int(n[:-6]) for n in names if n.endswith(".jsonl") and n[:-6].isdigit())

    def end(self, segment: int) -> int | None:
        """Return how many bytes of a segment count, None if it is gone."""
        known = self._ends.get(segment)
        if known is not None:
            return known
        try:
            size = os.stat(self._layout.segment(segment)).st_size
        except FileNotFoundError:
            return None
        following = self._header(segment + 1)
        if following is None:
            return size
        # Nothing is appended to a segment that has a successor.
        self._ends[segment] = size if following.void is None else min(size, following.void)
        return self._ends[segment]

    def _header(self, segment: int) -> lines.SegmentHeader | None:
        try:
            fd = self._reader(segment)
            return lines.decode_header(os.pread(fd, 4096, 0).partition(b"\n")[0])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def read(self, place: Place) -> bytes | None:
        """Return the line at `place` if one stands there, intact."""
        try:
            text = os.pread(self._reader(place.segment), place.length, place.offset)
        except FileNotFoundError:
            return None
        except OSError as err:
            raise store_error(err, self._layout.segment(place.segment)) from err
        return text if len(text) == place.length and lines.intact(text) else None

    def scan(self, segment: int, offset: int) -> Iterator[Line]:
        """Yield the lines of one segment from `offset` to its end, as it is now."""
        end = self.end(segment)
        if end is None:
            return
        rest = b""
        fd = self._reader(segment)
        while offset + len(rest) < end:
            at = offset + len(rest)
            chunk = os.pread(fd, min(_CHUNK, end - at), at)
            if not chunk:
                break
            found = (rest + chunk).splitlines(keepends=True) if b"\r" not in chunk else None
            if found is None:  # splitlines knows more line ends than we write
                found = [part + b"\n" for part in (rest + chunk).split(b"\n")]
                found[-1] = found[-1][:-1]
                found = [part for part in found if part]
            rest = found.pop() if not found[-1].endswith(b"\n") else b""
            for text in found:
                yield Line(Place(segment, offset, len(text)), text)
                offset += len(text)

    def _reader(self, segment: int) -> int:
        fd = self._readers.get(segment)
        if fd is None:
            if len(self._readers) >= _MAX_OPEN:
                self._forget(next(iter(self._readers)))
            fd = open_file(self._layout.segment(segment), os.O_RDONLY)
            self._readers[segment] = fd
        return fd

    def _forget(self, segment: int) -> None:
        fd = self._readers.pop(segment, None)
        if fd is not None:
            os.close(fd)

    def _close_tail(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._tail = -1, 0

    def close(self) -> None:
        """Close every descriptor."""
        self._close_tail()
        for segment in list(self._readers):
            self._forget(segment)
        self._ends.clear()
