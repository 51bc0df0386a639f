"""What each worker is at, in memory that outlives it.

A file that the daemon, its workers and the next daemon map: one slot a worker, with the
job that it has begun, when, and the job that it shall stop. After those of the workers
come as many for jobs that share a worker: each of these has one of its own. The file is
never synced: it matters after a crash of processes, and after one of the machine nobody
is charged.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct
from pathlib import Path

from jobctl.services.whole import OURS

_SIZE = 320
_ID_BYTES = 128
_BEGUN = struct.Struct("<dH")
_say_begun = _BEGUN.pack_into
_LENGTH = struct.Struct("<H")
_length = _LENGTH.unpack_from
_TOLD = 144  # whether a job that shares its worker was told to end
_STOP = 160  # where the second half begins


class Slots:
    """All slots of a daemon."""

    def __init__(self, fd: int, count: int) -> None:
        self.count = count
        self._map = mmap.mmap(fd, count * _SIZE)
        self._stopping: set[int] = set()  # where this process has named a job to stop

    @staticmethod
    def create(path: Path, count: int) -> int:
        """Make the file, empty, and return its descriptor."""
        # Appending: workers inherit the descriptor, and a handler that writes into all that
        # it finds must not write into what the daemon believes of the others.
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | OURS, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                what = "it is not a regular file, move it away"
                raise OSError(errno.EINVAL, what, str(path))
            os.ftruncate(fd, 0)
            # With its blocks: on a full disk a write into a hole would be a SIGBUS.
            os.posix_fallocate(fd, 0, count * _SIZE)
        except OSError:
            os.close(fd)
            raise
        return fd

    @staticmethod
    def read_begun(path: Path) -> set[str]:
        """Return the jobs that the workers of an earlier daemon had begun."""
        try:
            with open(os.open(path, os.O_RDONLY | OURS), "rb") as file:
                content = file.read() or b""  # None of a FIFO that nobody writes to
        except OSError:
            return set()
        found = (_text(content, at + 8) for at in range(0, len(content) - _SIZE + 1, _SIZE))
        return {job_id for job_id in found if job_id}

    def begin(self, slot: int, job_id: str, at: float) -> None:
        """Say that a worker begins a job, at a time of the monotonic clock."""
        text, memory, base = job_id.encode(), self._map, slot * _SIZE
        # Nothing, while the name is half written: the daemon may look at any moment.
        _say_begun(memory, base, 0.0, 0)
        memory[base + 10 : base + 10 + len(text)] = text
        _say_begun(memory, base, at, len(text))

    def begin_beside(self, slot: int, job_id: str, at: float) -> None:
        """Say that a job begins that shares its worker; nobody has told it to end."""
        self._map[slot * _SIZE + _TOLD] = 0
        self.begin(slot, job_id, at)

    def tell(self, slot: int) -> None:
        """Say that the job there was told to end: its loop was not blocked then."""
        self._map[slot * _SIZE + _TOLD] = 1

    def told(self, slot: int) -> bool:
        """Return whether the job there was told to end."""
        return self._map[slot * _SIZE + _TOLD] == 1

    def clear(self, slot: int) -> None:
        """Say that a worker is at nothing."""
        _BEGUN.pack_into(self._map, slot * _SIZE, 0.0, 0)

    def begun(self, slot: int) -> tuple[str, float] | None:
        """Return what a worker is at, and since when."""
        base = slot * _SIZE
        while True:  # the worker may write meanwhile: two equal readings are a true one
            at, _ = _BEGUN.unpack_from(self._map, base)
            job_id = _text(self._map, base + 8)
            if _BEGUN.unpack_from(self._map, base)[0] == at:
                return (job_id, at) if job_id else None

    def ask_to_stop(self, slot: int, job_id: str) -> None:
        """Name the job that a worker shall stop, before it is sent the signal."""
        text = job_id.encode()
        base = slot * _SIZE + _STOP
        self._stopping.add(slot)
        self._map[base + 2 : base + 2 + len(text)] = text
        _LENGTH.pack_into(self._map, base, len(text))

    def forget_stop(self, slot: int, job_id: str) -> None:
        """Take back what an earlier run of this job was asked."""
        if slot in self._stopping and self.to_stop(slot) == job_id:
            _LENGTH.pack_into(self._map, slot * _SIZE + _STOP, 0)

    def to_stop(self, slot: int) -> str:
        """Return the job that a worker was last asked to stop."""
        return _text(self._map, slot * _SIZE + _STOP)


class Places:
    """The slots from `first` on, for jobs that share a worker."""

    def __init__(self, first: int, count: int) -> None:
        self._free = list(reversed(range(first, count)))

    def take(self) -> int | None:
        """Return one that is free, None if there is none."""
        return self._free.pop() if self._free else None

    def free(self, place: int) -> None:
        """Be given one back."""
        self._free.append(place)


def _text(content: bytes | mmap.mmap, at: int) -> str:
    (length,) = _length(content, at)
    if not length:
        return ""
    return content[at + 2 : at + 2 + min(length, _ID_BYTES)].decode("ascii", "replace")
