"""Back up a store into one file: a tar of its journal and logs, with a manifest at its end.

The write lock is held for as long as it takes to open the segments: what stands in them is
appended to and never changed, and an open file stays readable when it is removed. So the
file holds the store as it was at one moment, between two transactions.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from jobctl.errors import Conflict, StoreError, StoreUnwritable
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.layout import (
    Layout,
    look_at_store,
    open_file,
    read_file,
    store_error,
    sync_folder,
)
from jobctl.stores.directory.locks import WriteLock
from jobctl.stores.directory.segments import last_good

#: The manifest, and the format of the file that it tells of.
MANIFEST = "backup.json"
FORMAT = 1


class Member(msgspec.Struct):
    """A file of the backup: its name within the store, bytes, and SHA-256."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct):
    """What a backup holds. It comes last, so a file without it is not whole."""

    format: int
    store: str
    made_at: datetime
    members: list[Member]

    @property
    def size(self) -> int:
        """The bytes of all members."""
        return sum(member.size for member in self.members)


class _Counted(io.RawIOBase):
    """What is read from a file, up to `size` bytes, and its SHA-256."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        text = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(text)
        self.digest.update(text)
        return text


def backup(
    root: Path, target: Path, now: datetime, *, logs: bool = True, force: bool = False
) -> Manifest:
    """Write the store at `root` into the file `target`, durably, 0600.

    Raises Conflict if it is there already, unless `force`; StoreError.
    """
    layout, store_id = look_at_store(root)
    if store_id is None:
        raise StoreUnwritable(
            f"{layout.header} cannot be read: run jobctl doctor --repair first"
        )
    if not force and os.path.lexists(target):
        raise Conflict(f"{target} is there already: name another file, or say --force")
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        made = _write(layout, store_id, draft, now, logs=logs)
        if force:
            draft.replace(target)
        else:
            _link(draft, target)
        sync_folder(target.absolute().parent)
    except OSError as err:
        raise store_error(err, err.filename or target) from err
    finally:
        draft.unlink(missing_ok=True)
    return made


def _link(draft: Path, target: Path) -> None:
    try:
        os.link(draft, target)  # fails where a rename would replace what came meanwhile
    except FileExistsError:
        raise Conflict(f"{target} has come meanwhile: it was left as it is") from None


def _write(
    layout: Layout, store_id: str, draft: Path, now: datetime, *, logs: bool
) -> Manifest:
    manifest = Manifest(FORMAT, store_id, now, [])
    with ExitStack() as stack:
        segments = _open_segments(layout, store_id, stack)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = stack.enter_context(os.fdopen(fd, "wb"))
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:

            def put(name: str, source: BinaryIO, size: int) -> None:
                counted = _Counted(source, size)
                tar.addfile(_info(name, size, now), counted)
                manifest.members.append(Member(name, size, counted.digest.hexdigest()))

            header = read_file(layout.header)
            put(layout.header.name, io.BytesIO(header), len(header))
            for name, source, size in segments:
                put(name, source, size)
            for name, text in _logs(layout) if logs else ():
                put(name, io.BytesIO(text), len(text))
            text = msgspec.json.encode(manifest) + b"\n"
            tar.addfile(_info(MANIFEST, len(text), now), io.BytesIO(text))
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _open_segments(
    layout: Layout, store_id: str, stack: ExitStack
) -> list[tuple[str, BinaryIO, int]]:
    journal = Journal(layout, store_id)
    stack.callback(journal.close)
    lock = WriteLock(layout.write_lock)
    stack.callback(lock.close)
    try:
        lock.acquire()
        journal.open_tail()  # cuts off what was never finished
    except StoreUnwritable:
        pass  # who may not write takes what stands there, up to the last whole transaction
    try:
        _allow_files(len(journal.segments()))
        found: list[tuple[str, BinaryIO, int]] = []
        for number in journal.segments():
            path = layout.segment(number)
            source: BinaryIO = os.fdopen(open_file(path, os.O_RDONLY), "rb")
            stack.callback(source.close)
            size = os.fstat(source.fileno()).st_size
            found.append((f"journal/{number:08d}.jsonl", source, size))
        if found:
            name, source, size = found[-1]
            found[-1] = (name, source, last_good(source.fileno(), size))
        return found
    finally:
        lock.release()


def _allow_files(count: int) -> None:
    """Let this process have so many files open, as far as it may."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _logs(layout: Layout) -> Iterator[tuple[str, bytes]]:
    folder = layout.root / "logs"
    if not folder.is_dir():
        return
    for name in sorted(os.listdir(folder)):
        try:
            fd = open_file(folder / name, os.O_RDONLY)
        except (OSError, StoreError):
            continue  # gone with its job, or nothing of ours
        with os.fdopen(fd, "rb") as file:
            yield f"logs/{name}", file.read()


def _info(name: str, size: int, now: datetime) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(now.timestamp())
    return info
