"""Adds that wait for the write lock are written by its holder, with his own: one fdatasync.

This is flat combining (Hendler, Incze, Shavit and Tzafrir, SPAA 2010). Who has to wait posts
the open lines of his jobs in a slot of the lock's file, and waits on. Who has got the lock to
add jobs looks what is posted, writes it behind his own lines as transactions of their own,
and says so when all of it is durable. Nothing of this is ever synced, and nothing depends on
it: who is not answered adds by himself.

    64    the word of each slot: the number of what is posted in it, 0 if nothing is
    192   the answers, which the holder of the lock alone writes
    4096  the slots: number, length, checksum, and the open lines

A slot is its process's while that holds a record lock (OFD, fcntl(2)) on its word, which ends
with it. Who takes what is posted holds one on the first byte: who wants his post back waits
for that, and knows what became of it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobctl.errors import StoreError
from jobctl.stores.directory import lines
from jobctl.stores.directory.layout import open_file
from jobctl.stores.directory.locks import SLOTS, WIDTH, WORD

_WORD = struct.Struct("<Q")
_ANSWERS = WIDTH + WORD * SLOTS
_BODIES, _BODY = 4096, 8192
#: Which lines those are: other versions may make others.
_KIND = b"open lines 1 "
_TOP = struct.Struct("<QII")
#: The number that is answered, where its lines begin (segment and offset; or 0: they are
#: durable), and a checksum.
_ANSWER = struct.Struct("<QQQI4x")
_LOCK = struct.Struct("hhqqi")  # struct flock
#: How often, and after how many seconds each, it is looked whether a holder is done.
_LOOKS, _PAUSE = 100, 0.01


class Post:
    """The slot of one process, or of one of its stores."""

    def __init__(self, path: Path, store_id: str) -> None:
        self._path = path
        self._seed = _KIND + store_id.encode()
        self._fd = -1
        self._slot = 0
        self._number = 0
        self._durable: bytes | None = None
        self._accepted = False

    def put(self, adds: Sequence[bytes]) -> None:
        """Post open lines, if they are short and there is a slot for them."""
        self._number, self._durable, self._accepted = 0, None, False
        text = b"\n".join(adds)
        if len(text) > _BODY - _TOP.size:
            return
        try:
            if self._fd < 0 and not self._find_slot():
                return
            # By its number nothing that stands here from another time answers this.
            number = int.from_bytes(os.urandom(8), "little") | 1
            top = _TOP.pack(number, len(text), _checksum(self._seed, number, text))
            body = top + text
            if os.pwrite(self._fd, body, _BODIES + _BODY * self._slot) < len(body):
                return
            self._number, self._durable = number, _answer(number, 0, 0)
            self._say(number)
        except (OSError, StoreError):
            self.close()
            self._number = 0

    def accepted(self) -> bool:
        """Return whether what is posted is durable in the journal."""
        if not self._accepted:
            with suppress(OSError):
                at = _ANSWERS + _ANSWER.size * self._slot
                self._accepted = os.pread(self._fd, _ANSWER.size, at) == self._durable
        return self._accepted  # whatever becomes of the file

    def place(self) -> tuple[int, int] | None:
        """Return where it may stand, if somebody took it and has not said what became of it."""
        try:
            number, segment, offset, _ = found = _read_answer(self._fd, self._slot)
        except (OSError, struct.error):
            return None
        whole = found == _ANSWER.unpack(_answer(number, segment, offset))
        return (segment, offset) if whole and number == self._number and segment else None

    def withdraw(self) -> None:
        """Let nobody take it any more. The write lock is held, so nobody is at it."""
        try:
            self._say(0)
        except OSError:
            self.close()  # which has the same effect

    def call_off(self) -> bool:
        """Let nobody take it any more; return False if somebody may be at it none the less."""
        if not self._number:
            return True  # nothing is posted
        try:
            self._say(0)
            # The kernel's lock follows the word here, and goes before it where it is taken:
            # so that one has either seen that it is gone, or is done with it now, or dead.
            for _ in range(_LOOKS):
                with suppress(BlockingIOError):
                    _lock(self._fd, fcntl.F_OFD_SETLK, fcntl.F_RDLCK, 0)
                    _lock(self._fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0)
                    return True
                time.sleep(_PAUSE)  # the kernel would wait for as long as he is stopped
        except OSError:
            pass
        except BaseException:
            self.close()  # a signal's handler has raised: it is nobody's any more
            raise
        return False

    def close(self) -> None:
        """Give the slot up; after a fork this leaves the parent's alone."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _say(self, number: int) -> None:
        os.pwrite(self._fd, _WORD.pack(number), WIDTH + WORD * self._slot)

    def _find_slot(self) -> bool:
        fd = open_file(self._path, os.O_RDWR)
        try:
            # What somebody has left there who died must not be taken for this one's.
            _lock(fd, fcntl.F_OFD_SETLK, fcntl.F_RDLCK, 0)
            for slot in range(SLOTS):
                at = WIDTH + WORD * slot
                with suppress(BlockingIOError):
                    _lock(fd, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, at)
                    os.pwrite(fd, bytes(WORD), at)
                    _lock(fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0)
                    self._slot, self._fd = slot, fd
                    return True
        finally:
            if self._fd != fd:
                os.close(fd)
        return False


class Batch:
    """What others have posted, while the holder of the lock writes it. `fd` is the lock's."""

    def __init__(self, fd: int, store_id: str) -> None:
        self._fd = fd
        self._seed = _KIND + store_id.encode()
        self._taken: dict[int, int] = {}  # slots and numbers
        self._taking = False

    def take(self, segment: int, offset: int) -> list[bytes]:
        """Return the whole lines of what is posted, for this place in the journal."""
        found: list[bytes] = []
        places: dict[int, bytes] = {}
        try:
            self._taking = True
            _lock(self._fd, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, 0)
            for slot, (number,) in enumerate(
                _WORD.iter_unpack(os.pread(self._fd, WORD * SLOTS, WIDTH))
            ):
                adds = self._open_lines(slot, number) if number else []
                if adds:
                    places[slot] = _answer(number, segment, offset)
                    self._taken[slot] = number
                    texts = lines.seal_all(adds, (segment << 32) | offset)
                    offset += sum(map(len, texts))
                    found += texts
            # Before anything is written: should this process die, they look there.
            self._tell(places)
        except (OSError, struct.error):
            self._taken.clear()
            return []
        return found

    def end(self, *, durable: bool) -> None:
        """Say that all is durable, or that nothing of it is there."""
        numbers = ((slot, number if durable else 0) for slot, number in self._taken.items())
        with suppress(OSError):
            self._tell({slot: _answer(number, 0, 0) for slot, number in numbers})

    def let_go(self) -> None:
        """Let those go on who want to know what became of theirs."""
        if self._taking:
            self._taking = False
            with suppress(OSError):  # what is durable stays so
                _lock(self._fd, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0)

    def _open_lines(self, slot: int, number: int) -> list[bytes]:
        """Return what is posted in a slot; nothing if it is not, or was taken before."""
        if not _is_owned(self._fd, slot):
            os.pwrite(self._fd, bytes(WORD), WIDTH + WORD * slot)
            return []
        if _read_answer(self._fd, slot)[0] == number:
            return []  # he has not looked yet, or has to see for himself
        body = os.pread(self._fd, _BODY, _BODIES + _BODY * slot)
        there, length, crc = _TOP.unpack_from(body)
        text = body[_TOP.size : _TOP.size + length]
        if (there, crc) != (number, _checksum(self._seed, number, text)):
            return []
        return text.split(b"\n")

    def _tell(self, answers: dict[int, bytes]) -> None:
        """Write answers; those to others stay."""
        if answers:
            told = bytearray(os.pread(self._fd, _ANSWER.size * SLOTS, _ANSWERS))
            told = told.ljust(_ANSWER.size * SLOTS, b"\0")
            for slot, answer in answers.items():
                told[_ANSWER.size * slot : _ANSWER.size * (slot + 1)] = answer
            os.pwrite(self._fd, told, _ANSWERS)


def _answer(number: int, segment: int, offset: int) -> bytes:
    crc = zlib.crc32(_ANSWER.pack(number, segment, offset, 0))
    return _ANSWER.pack(number, segment, offset, crc)


def _read_answer(fd: int, slot: int) -> tuple[int, int, int, int]:
    found = os.pread(fd, _ANSWER.size, _ANSWERS + _ANSWER.size * slot)
    number, segment, offset, crc = _ANSWER.unpack(found)
    return number, segment, offset, crc


def _checksum(seed: bytes, number: int, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(_WORD.pack(number), zlib.crc32(seed)))


def _lock(fd: int, how: int, kind: int, start: int) -> None:
    fcntl.fcntl(fd, how, _LOCK.pack(kind, os.SEEK_SET, start, 1, 0))


def _is_owned(fd: int, slot: int) -> bool:
    asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, WIDTH + WORD * slot, 1, 0)
    kind, *_ = _LOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    return bool(kind != fcntl.F_UNLCK)
