"""The spool of a worker: where its jobs write, and what it says of the one that does.

It begins with the job, so that whoever finds it after a crash can put what is in it where it
belongs. A job that has the worker to itself writes into its own log, and the spool says so.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from datetime import UTC, datetime
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

import msgspec

from jobctl.services import logfile
from jobctl.services.whole import OURS

_FOLDER = ".spools"  # in that of the logs, of which there may be a million
_HEAD = struct.Struct("<ddqIqH128s")  # began, CPU and peak before, attempt, start, length, id
_pack = _HEAD.pack_into
_FEW = 16 * 1024
#: Where what was written begins.
START = 256


class Begun(msgspec.Struct, frozen=True):
    """What a worker is at. `start` is where its lines begin in its own log, 0 for the spool."""

    job_id: str
    attempt: int
    began: datetime
    cpu: float  # what the worker had used before, in seconds
    peak: int  # memory that a higher peak is the job's own above, in bytes
    start: int = 0


class Left(NamedTuple):
    """What a dead worker has left of the job that it was at."""

    begun: Begun
    log_tail: tuple[str, ...] | None


def say(head: mmap, begun: Begun) -> None:
    """Write the beginning of a spool, which `head` maps."""
    name = begun.job_id.encode()
    began, length = begun.began.timestamp(), len(name)
    _pack(head, 0, began, begun.cpu, begun.peak, begun.attempt, begun.start, length, name)


def clear(head: mmap) -> None:
    """Write that no job has begun."""
    head[: _HEAD.size] = bytes(_HEAD.size)


def unpack(content: bytes) -> Begun | None:
    """Return what a spool's beginning says; None if no job has begun."""
    if len(content) < _HEAD.size:
        return None
    began, cpu, peak, attempt, start, length, name = _HEAD.unpack_from(content)
    if not length:
        return None
    moment = datetime.fromtimestamp(began, UTC)
    job_id = name[:length].decode("ascii", "replace")
    return Begun(job_id, attempt, moment, cpu, peak, start)


def path_of(folder: str, pid: int) -> str:
    """Return the path of a worker's spool, for the folder of the logs."""
    return f"{folder}/{_FOLDER}/{pid}"


def create(folder: str, pid: int) -> int:
    """Make a worker's spool, empty, and return its descriptor. Raises OSError."""
    with suppress(FileExistsError):
        os.mkdir(f"{folder}/{_FOLDER}", mode=0o700)
    fd = logfile.open_log(path_of(folder, pid))
    try:
        os.ftruncate(fd, 0)  # a worker with this pid may have died long ago
        # With its blocks: on a full disk a write into a mapped hole would be a SIGBUS.
        os.posix_fallocate(fd, 0, START)
    except OSError:
        os.close(fd)
        raise
    return fd


def move(fd: int, folder: str, begun: Begun, limit: int) -> None:
    """Move what stands in a spool into the log of its job. Raises OSError."""
    path = logfile.path_in(folder, begun.job_id)
    log = logfile.open_log(path)
    try:
        # The usual few lines go in one write.
        content = os.pread(fd, _FEW, START)
        few = len(content) < _FEW
        size = logfile.begin(log, begun.attempt, begun.began, content if few else b"")
        if not few:
            logfile.copy(fd, path, START)
    finally:
        os.close(log)
        os.ftruncate(fd, START)
    if not few or size > limit:
        logfile.finish(path, limit)


def recover(folder: str, pid: int, limit: int) -> Left | None:
    """Put what a dead worker printed into the log of its job; return what it was at."""
    path = path_of(folder, pid)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    begun, tail = None, None
    try:
        begun = unpack(os.pread(fd, START, 0))
        if begun is not None and _settle(fd, folder, begun, limit):
            tail = logfile.tail(logfile.path_in(folder, begun.job_id))
        os.unlink(path)
    except OSError:
        pass  # a full disk: what was printed is lost
    finally:
        os.close(fd)
    return None if begun is None else Left(begun, tail)


def _settle(fd: int, folder: str, begun: Begun, limit: int) -> bool:
    """Put a log in order; return whether this attempt has written anything."""
    wrote = False
    if begun.start:
        log = logfile.path_in(folder, begun.job_id)
        with suppress(FileNotFoundError):
            wrote = os.stat(log).st_size > begun.start
        logfile.finish(log, limit)
    if os.fstat(fd).st_size > START:
        move(fd, folder, begun, limit)
        wrote = True
    return wrote


def recover_all(folder: str, limit: int) -> dict[str, Left]:
    """Recover the spools of workers that are all dead; return what they left, by job."""
    found = {}
    for pid in pids(folder):
        left = recover(folder, pid, limit)
        if left is not None:
            found[left.begun.job_id] = left
    return found


def pids(folder: str) -> list[int]:
    """Return the processes that have a spool, for the folder of the logs."""
    try:
        return sorted(int(name) for name in os.listdir(f"{folder}/{_FOLDER}") if name.isdigit())
    except OSError:
        return []


def open_spool(folder: str, pid: int) -> tuple[int, Begun] | None:
    """Open a worker's spool to read; return its descriptor and the job that it is at."""
    try:
        fd = os.open(path_of(folder, pid), os.O_RDONLY | OURS)
    except OSError:
        return None
    begun = said(fd)
    if begun is None:
        os.close(fd)
        return None
    return fd, begun


def said(fd: int) -> Begun | None:
    """Return what the beginning of an open spool says now."""
    try:
        return unpack(os.pread(fd, START, 0))
    except OSError:
        return None


def limit_running(folder: str, pid: int, limit: int) -> None:
    """Keep what a worker has on disk now within bounds."""
    with suppress(OSError):
        logfile.punch(path_of(folder, pid), limit)
        begun = _begun(folder, pid)
        if begun is not None and begun.start:
            logfile.punch(logfile.path_in(folder, begun.job_id), limit)


def workers(files: Path) -> dict[str, int]:
    """Return the processes that run a job each, by its id; not those that share one."""
    folder = logfile.folder_in(files)
    found = {}
    for pid in pids(folder):
        begun = _begun(folder, pid)
        if begun is not None:
            found[begun.job_id] = pid
    return found


def _begun(folder: str, pid: int) -> Begun | None:
    found = open_spool(folder, pid)
    if found is None:
        return None
    os.close(found[0])
    return found[1]
