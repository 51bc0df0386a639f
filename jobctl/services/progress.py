"""How far a running job has come, in a small file beside the store that is never synced.

Its handler writes there as often as it likes, into memory that both sides map; the record
has the last word when the attempt ends. {"done": 3, "total": 10, "note": "text"}
"""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from jobctl.core.job import Job
from jobctl.services.whole import OURS

#: Bytes of the file; a record never takes more.
SIZE = 4096
HEAD = struct.Struct("<dIH")  # began, checksum, length
_TRIES = 50

encode = msgspec.json.Encoder().encode


def folder_in(files: Path) -> str:
    """Return the folder of these files, in a store's folder of files."""
    return str(files / "progress")


def create(folder: str, job_id: str) -> int:
    """Make the file of a job, empty, and return its descriptor. Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(f"{folder}/{job_id}", flags, 0o600)
    try:
        # With its blocks: on a full disk a write into a mapped hole would be a SIGBUS.
        os.posix_fallocate(fd, 0, SIZE)
    except OSError:
        os.close(fd)
        raise
    return fd


def pack(began: float, body: bytes) -> bytes:
    """Return what stands in the file. A reader may find it half written: it has a checksum."""
    return HEAD.pack(began, crc32(body), len(body)) + body


def read(folder: str, job_id: str, since: datetime | None) -> dict[str, Any] | None:
    """Return what a job has said of its progress in an attempt that began after `since`."""
    try:
        fd = os.open(f"{folder}/{job_id}", os.O_RDONLY | OURS)
    except OSError:
        return None
    try:
        for _ in range(_TRIES):
            content = os.pread(fd, SIZE, 0)
            if len(content) < HEAD.size:
                return None
            began, checksum, length = HEAD.unpack_from(content)
            body = content[HEAD.size : HEAD.size + length]
            if crc32(body) == checksum:
                return _decoded(began, body, since)
    except OSError:
        pass
    finally:
        os.close(fd)
    return None


def _decoded(began: float, body: bytes, since: datetime | None) -> dict[str, Any] | None:
    if not body or (since is not None and datetime.fromtimestamp(began, UTC) < since):
        return None  # it is that of an earlier attempt
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def forget(folder: str, job_id: str) -> None:
    """Remove the file of a job, if it has one."""
    try:
        os.unlink(f"{folder}/{job_id}")
    except OSError:
        pass


def shown(files: Path, job: Job[Any]) -> Job[Any]:
    """Return a running job with the progress that it has now."""
    found = read(folder_in(files), job.id, job.started_at)
    return job if found is None else msgspec.structs.replace(job, progress=found)
