"""Room on the disk that is the store's own before anything is written into it.

Blocks behind the end of the newest segment (fallocate(2), its size stays) are taken in large
steps, so that it is one call in thousands of adds. An add leaves a reserve of them behind
its own bytes, for the records and results of what runs; these may use it up.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

#: Bytes that are asked for beyond what is needed.
STEP = 1 << 20
#: The reserve that is kept while no daemon has said what it needs, in bytes.
LEAST = 16 << 10
_KEEP_SIZE = 1
_BLOCK = 512
#: What a file system says that cannot do it: then there is no reserve.
_UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV)
#: More than any segment will ever have.
_ENDLESS = 1 << 62


class Room(NamedTuple):
    """So many bytes of a file have room on the disk, for as long as it has so many blocks."""

    end: int
    blocks: int


NONE = Room(0, 0)


def take(fd: int, need: int) -> Room:
    """Have room for the first `need` bytes of a file; return for how many there is.

    Raises OSError, with ENOSPC if the disk is full.
    """
    info = os.fstat(fd)
    there = info.st_blocks * _BLOCK
    if there >= need:
        return Room(there, info.st_blocks)
    for end in (need + STEP, need):
        code = _allocate(fd, info.st_size, end - info.st_size)
        if not code or code in _UNABLE:
            return Room(_ENDLESS if code else end, os.fstat(fd).st_blocks)
    raise OSError(code, os.strerror(code))


def give_back(fd: int) -> None:
    """Give back what lies behind the end of a file that takes no more. Raises OSError."""
    os.ftruncate(fd, os.fstat(fd).st_size)


def no_room(path: str | os.PathLike[str]) -> bool:
    """Return whether a disk has no block left, or can take no more files."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return False
    return not disk.f_bavail or bool(disk.f_files and not disk.f_favail)


def _allocate(fd: int, offset: int, length: int) -> int:
    """Call fallocate(2), which Python does not know with a size that stays; 0 or an errno."""
    # Imported here: most processes that add a job find room, and need it not.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    while call(fd, _KEEP_SIZE, offset, length):
        code = ctypes.get_errno()
        if code != errno.EINTR:
            return code
    return 0
