"""The journal: numbered segments of JSON lines, only ever appended to.

All methods that write want the write lock to be held.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

from jobctl.errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnwritable
from jobctl.stores.directory import lines, room
from jobctl.stores.directory.layout import (
    FORMAT,
    FULL,
    Layout,
    id_of,
    is_there,
    open_file,
    store_error,
    sync_folder,
)
from jobctl.stores.directory.quarantine import UNFINISHED, keep_apart
from jobctl.stores.directory.segments import (
    Line,
    Place,
    Segments,
    Where,
    first_line,
    last_good,
    places_at,
)

#: A segment that has reached this many bytes is followed by a new one.
SEGMENT_SIZE = 64 << 20
_CHUNK = 1 << 20
#: Nanoseconds that are longer than any tick of a kernel's clock for files.
TICKS = 100_000_000
#: Why a line does not count although it is whole.
REFUSED = "a second add of a known id, or an older state of a job"


class Journal(Segments):
    """The segments of one store with the newest one, its tail, to be written to."""

    def __init__(self, layout: Layout, store_id: str) -> None:
        super().__init__(layout)
        self._folder = str(layout.journal)
        self.store_id = store_id
        self._tail = 0  # the segment that is written to, and its descriptor
        self._fd = -1
        self._whole = -1  # the size of the tail as this process left it, whole
        self._seen: tuple[int, int] | None = None  # the folder as it was when last looked at
        self._room = room.NONE

    def open_tail(self, reserve: int = 0) -> tuple[int, int]:
        """Open the newest segment, cut off what was never acknowledged, roll if it is full.

        It is not left before there is room for `reserve` bytes in the next one. Returns its
        number and its size in bytes.
        """
        try:
            self._find_tail()
            size = self._trim()
            if size >= SEGMENT_SIZE:
                self.sync(size)
                size = self._roll(size, reserve)
        except OSError as err:
            raise store_error(err, err.filename or self._layout.journal) from err
        return self._tail, size

    def append(
        self,
        texts: list[bytes],
        size: int,
        reserve: int = 0,
        others: Sequence[bytes] = (),
    ) -> None:
        """Append whole lines at `size`, the end of the tail, and make them durable.

        Raises StoreFull, before anything is written, unless there is room for `reserve` bytes
        behind them. After an error nothing of it is there: the bytes are cut off again or,
        when it was the fdatasync that failed, void (see _give_up). `others` are transactions
        of their own, behind this one.
        """
        whole = b"".join((*texts, *others))
        need = size + len(whole) + reserve
        try:
            if reserve and need > self._room.end:
                self._room = room.take(self._fd, need)
        except OSError as err:
            raise store_error(err, self._layout.segment(self._tail)) from err
        try:
            done = os.write(self._fd, whole)
            while done < len(whole):
                done += os.write(self._fd, memoryview(whole)[done:])
        except OSError as err:
            what = self._layout.segment(self._tail)
            if not self._cut(size, durably=bool(others)) and others:
                self._give_up(size)  # what is left may hold whole transactions
            raise store_error(err, what) from err
        self.sync(size)
        self._whole = size + len(whole)

    def places(self, texts: list[bytes], size: int) -> list[Where]:
        """Return where `append` has just written these lines at `size`."""
        return places_at(self._tail, size, texts)

    def sync(self, good: int) -> None:
        """Make the tail durable. `good` is the length that is known to be so already."""
        try:
            os.fdatasync(self._fd)
        except OSError as err:
            self._give_up(good)
            raise store_error(err, self._layout.segment(self._tail)) from err

    def holds(self, place: Place, text: bytes, size: int) -> bool:
        """Return whether these lines stand at a place and count, after making them durable.

        `size` is that of the tail. Nobody may have said of them that they are durable.
        Raises StoreError if that cannot be told.
        """
        if place.segment != self._tail:
            return self._held(place, text)
        try:
            found = os.pread(self._fd, place.length, place.offset)
        except OSError as err:
            raise store_error(err, self._layout.segment(self._tail)) from err
        if found == text:
            self.sync(size)
        return found == text

    def _held(self, place: Place, text: bytes) -> bool:
        end, following = self.end(place.segment), self._header(place.segment + 1)
        if end is not None and following is not None:
            there = place.offset + place.length <= end and self.read_raw(place) == text
            # A segment that was full is durable; one that was given up may not be.
            if following.void is None or not there:
                return there
        raise StoreUnwritable(
            f"{self._layout.segment(place.segment)}: the process that was to add the jobs of "
            "this call has died, and what it has written cannot be relied on or is gone"
        )

    def is_foreign(self, segment: int) -> bool:
        """Return whether a segment says that it is one of another store."""
        header = self._header(segment)
        return header is not None and header.store != self.store_id

    def go_on(self, void: int | None = None) -> None:
        """Begin a new segment. `void` is how many bytes of the one before it count."""
        number = max(self.segments(), default=0)
        try:
            self._create(number + 1, void)
        except OSError as err:
            raise store_error(err, err.filename or self._layout.journal) from err

    def retire(self, segment: int) -> None:
        """Remove a segment that nothing points to any more."""
        try:
            os.unlink(self._layout.segment(segment))
            sync_folder(self._layout.journal)
        except FileNotFoundError:
            pass
        except OSError as err:
            raise store_error(err, self._layout.segment(segment)) from err
        self.forget(segment)

    def _find_tail(self) -> None:
        stamp = self._folder_stamp()
        if stamp == self._seen and self._tail:
            return  # no name in the folder has changed: one look instead of four
        number = self._tail
        if number and not self._same_file():
            number = 0
            self.close()
        if not number:
            number = max(self.segments(), default=0)
        while is_there(self._layout.segment(number + 1)):
            number += 1
        self._refuse_broken(number)
        if not number:
            self._create(1, None)
        elif number != self._tail:
            self._open(number)
        # Two changes within one tick of the kernel's clock leave the same time behind, so a
        # time is trusted only when the tail was written a while after it.
        written = os.fstat(self._fd).st_mtime_ns
        self._seen = stamp if written > stamp[1] + TICKS else None

    def written_at(self) -> int:
        """Return when the tail was written, in nanoseconds of the file system's clock, or 0."""
        try:
            return os.fstat(self._fd).st_mtime_ns
        except OSError:
            return 0

    def _folder_stamp(self) -> tuple[int, int]:
        folder = os.stat(self._folder)
        return folder.st_ino, folder.st_mtime_ns

    def _same_file(self) -> bool:
        try:
            there = os.stat(self._layout.segment(self._tail))
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def _refuse_broken(self, number: int) -> None:
        path = self._layout.segment(number)
        if is_there(f"{path}.broken"):
            raise StoreUnwritable(
                f"{path}: an earlier write could not be made durable, so nothing more is "
                "written: check the disk, then run jobctl doctor"
            )

    def _open(self, number: int) -> None:
        path = self._layout.segment(number)
        fd = open_file(path, os.O_RDWR | os.O_APPEND)
        try:
            line = first_line(fd)
            header = self._header_in(line)
            self._refuse_others(path, header)
        except BaseException:
            os.close(fd)  # it must not be taken for the tail by the next one who asks
            raise
        self._close_tail()
        self._fd, self._tail = fd, number
        if header is None:
            # Damaged: what follows it may be whole, so the segment stays and takes no more.
            self._create(number + 1, None)
        elif os.fstat(fd).st_size == len(line):
            self._sync_names()  # who made it may have died before he did

    def _refuse_others(self, path: str, header: lines.SegmentHeader | None) -> None:
        if header is None:
            return
        if header.store != self.store_id:
            if id_of(self._layout) == header.store:
                raise StoreError(
                    f"{self._layout.root} has been replaced by another store: open it anew, "
                    "or start this program again"
                )
            raise StoreCorrupt(
                f"{path} does not begin as a segment of this store: move it away, or let "
                "jobctl doctor --repair do so"
            )
        if header.format > FORMAT:
            raise StoreTooNew(f"{path} was written in format {header.format}, not {FORMAT}")

    def _trim(self) -> int:
        """Return the size of the tail, after cutting off an unfinished transaction."""
        info = os.fstat(self._fd)
        size = info.st_size
        if info.st_blocks < self._room.blocks:
            self._room = room.NONE  # somebody has cut off what he wrote, and the room with it
        if size == self._whole:
            return size  # nothing was added since this process ended a transaction here
        end = os.pread(self._fd, lines.END_LENGTH, max(0, size - lines.END_LENGTH))
        if end.endswith(b"\n"):
            place = lines.place_in_transaction(end)
            if place is None or place[0] == place[1]:
                return size
        good = last_good(self._fd, size)
        bad = os.pread(self._fd, size - good, good)
        self.quarantine(Line(Place(self._tail, good, size - good), bad), UNFINISHED)
        self._cut(good)
        if os.fstat(self._fd).st_size != good:
            os.ftruncate(self._fd, good)  # to say why it cannot be
        return good

    def _roll(self, size: int, reserve: int) -> int:
        """Begin a new segment; return the size of the one that is written to."""
        full = os.dup(self._fd)
        try:
            size = self._create(self._tail + 1, None, reserve)
            room.give_back(full)
        except OSError as err:
            # What runs has its room in the old one, which grows until there is more.
            if self._fd < 0 or err.errno not in FULL:
                raise
        finally:
            os.close(full)
        return size

    def _cut(self, size: int, *, durably: bool = False) -> bool:
        self._room = room.NONE  # what lay behind goes as well
        try:
            os.ftruncate(self._fd, size)
            if durably:
                os.fdatasync(self._fd)
        except OSError:
            return False  # it is an unfinished transaction: the next writer cuts it off
        return True

    def _give_up(self, good: int) -> None:
        # After a failed fdatasync the kernel may have dropped the pages and call the next
        # one a success (Rebello et al., ATC'20), so this segment takes nothing more.
        tail, path = self._tail, f"{self._layout.segment(self._tail)}.broken"
        try:
            self._create(tail + 1, void=good)
        except OSError as err:
            if self._tail == tail:
                self._cut(good)
                self._close_tail()
                _mark_broken(path, good)
            raise store_error(err, self._layout.journal) from err

    def _create(self, number: int, void: int | None, reserve: int = 0) -> int:
        """Make a segment, which appears with its whole header or not at all, and its room."""
        header = lines.SegmentHeader(FORMAT, self.store_id, number, void)
        text = lines.seal(lines.encode(header), 1, 1)
        path = self._layout.segment(number)
        draft = f"{path}.new"
        fd = open_file(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
        try:
            if os.write(fd, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            there = room.take(fd, len(text) + reserve) if reserve else room.NONE
            os.fdatasync(fd)
            os.rename(draft, path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                os.unlink(draft)
            raise
        self._close_tail()
        self._fd, self._tail, self._room = fd, number, there
        self._sync_names()
        return len(text)

    def _sync_names(self) -> None:
        # If it fails the tail is opened anew, which tries again before anything is written.
        try:
            sync_folder(self._layout.journal)
            sync_folder(self._layout.root)
        except OSError:
            self._close_tail()
            raise

    def quarantine(self, line: Line, reason: str, *, sync: bool = False) -> None:
        """Keep bad bytes apart, with a note of where they were: durably with `sync`."""
        keep_apart(self._layout.quarantine, line, reason, sync=sync)

    def _close_tail(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._tail, self._whole, self._room = -1, 0, -1, room.NONE

    def close(self) -> None:
        """Close every descriptor."""
        self._close_tail()
        super().close()


def _mark_broken(path: str, good: int) -> None:
    """Let nobody write into a segment of which so many bytes count, until doctor has looked."""
    try:
        fd = open_file(path, os.O_WRONLY | os.O_CREAT)
        try:
            os.write(fd, b"%d\n" % good)
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(os.path.dirname(path))  # or what has failed counts after a power cut
    except OSError:
        pass
