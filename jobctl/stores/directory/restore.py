"""Restore a store from a backup: the old one stays until the new one is whole, and after.

All is checked and written beside the store; then the two folders are exchanged, which is
one step of the file system: whenever a restore is killed, the one or the other is there.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import IO, BinaryIO, NoReturn

import msgspec

from jobctl.core.finding import Examined
from jobctl.core.unreadable import UNREADABLE
from jobctl.errors import ConfigError, Conflict, StoreCorrupt, StoreTooNew, StoreUnwritable
from jobctl.stores.directory.backup import FORMAT, MANIFEST, Manifest, Member
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.layout import (
    Layout,
    look_at_store,
    open_store,
    store_error,
    sync_folder,
)
from jobctl.stores.directory.locks import WriteLock
from jobctl.stores.directory.seat import maintenance

_NAME = re.compile(r"store\.json|journal/[0-9]{8,}\.jsonl|logs/[A-Za-z0-9][A-Za-z0-9._:@-]*")
_CHUNK = 1 << 20
#: renameat2(2).
_AT_FDCWD, _EXCHANGE = -100, 2


class Restored(msgspec.Struct, frozen=True):
    """What a restore did: the backup's manifest, what was found in it, where the old one is."""

    manifest: Manifest
    examined: Examined
    aside: Path | None


def restore(root: Path, source: Path, now: datetime, *, force: bool = False) -> Restored:
    """Put the store of a backup at `root`; with `force` in place of one that is there.

    Raises Conflict without it; StoreCorrupt if the backup is not as it was written,
    StoreTooNew, StoreBusy while a daemon runs, StoreError.
    """
    old = _there(root)
    if old is not None and not force:
        raise Conflict(
            f"there is a store at {root} already: name another one with --store, or say "
            "--force to keep it aside"
        )
    draft = root.with_name(f"{root.name}.restoring-{os.getpid()}")
    try:
        try:
            root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            manifest = _unpack(source, draft)
            open_store(draft)
            found = examine(draft, now)
            aside = _put_in_place(root, draft, old, now)
        except OSError as err:
            raise store_error(err, err.filename or root) from err
    finally:
        with suppress(OSError):
            if (draft / MANIFEST).exists():  # else it is the old store
                rmtree(draft)
    return Restored(manifest, found, aside)


def check(source: Path) -> Manifest:
    """Return what a backup holds. Raises StoreCorrupt if it is not as it was written."""
    return _read(source, None)


def _there(root: Path) -> Layout | None:
    """Return the layout of the store that is there. Raises StoreUnwritable for other things."""
    if not os.path.lexists(root) or (root.is_dir() and not os.listdir(root)):
        return None
    return look_at_store(root)[0]


def _unpack(source: Path, draft: Path) -> Manifest:
    draft.mkdir(mode=0o700)
    # The mark of what may be removed: it goes before the folder gets the store's name.
    (draft / MANIFEST).touch(mode=0o600)
    for folder in ("journal", "logs"):
        (draft / folder).mkdir(mode=0o700)
    manifest = _read(source, draft)
    for folder in ("journal", "logs", "."):
        sync_folder(draft / folder)
    return manifest


def _read(source: Path, draft: Path | None) -> Manifest:
    """Read all of a backup, compare it with its manifest, and write it to `draft` if given."""
    found: list[Member] = []
    manifest: Manifest | None = None
    try:
        with _open(source) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                content = tar.extractfile(info) if info.isreg() else None
                if content is None or manifest is not None:
                    _refuse(source, f"{info.name!r} does not belong into a backup")
                if info.name == MANIFEST:
                    manifest = msgspec.json.decode(content.read(), type=Manifest)
                elif not _NAME.fullmatch(info.name):
                    _refuse(source, f"{info.name!r} does not belong into a backup")
                else:
                    found.append(_copy(info, content, draft))
    except FileExistsError as err:
        _refuse(source, f"{err.filename} stands in it twice")
    except (tarfile.TarError, *UNREADABLE, EOFError) as err:
        _refuse(source, str(err))
    if manifest is None:
        _refuse(source, "it has no end")
    if manifest.format > FORMAT:
        raise StoreTooNew(f"{source} is a backup of format {manifest.format}, not {FORMAT}")
    for wanted, got in zip(manifest.members, found, strict=False):
        if wanted != got:
            _refuse(source, f"{wanted.name} is not as it was written")
    if len(manifest.members) != len(found):
        _refuse(source, f"it holds {len(found)} of {len(manifest.members)} files")
    return manifest


def _open(source: Path) -> BinaryIO:
    if source.exists() and not source.is_file():
        raise ConfigError(f"{source} is no file: name one that `jobctl backup` has written")
    try:
        return source.open("rb")
    except OSError as err:
        raise ConfigError(f"{source} cannot be read: {err.strerror}") from None


def _copy(info: tarfile.TarInfo, content: IO[bytes], draft: Path | None) -> Member:
    digest, size = hashlib.sha256(), 0
    target = os.devnull if draft is None else draft / info.name
    flags = os.O_WRONLY if draft is None else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(target, flags | os.O_CLOEXEC, 0o600), "wb") as out:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
        out.flush()
        if draft is not None:
            os.fsync(out.fileno())
    return Member(info.name, size, digest.hexdigest())


def _refuse(source: Path, why: str) -> NoReturn:
    raise StoreCorrupt(f"{source} is no whole backup ({why}): nothing was changed, use another")


def _put_in_place(root: Path, draft: Path, old: Layout | None, now: datetime) -> Path | None:
    if old is None:
        _become(draft, lambda: draft.rename(root))  # onto nothing, or an empty folder
        return None
    aside = root.with_name(f"{root.name}.{now:%Y%m%dT%H%M%SZ}.old")
    if os.path.lexists(aside):
        raise Conflict(f"{aside} is there already: move it away, or wait a second")
    lock = WriteLock(old.write_lock)
    with maintenance(old):
        try:
            lock.acquire()
            _keep(old, draft)
            _become(draft, lambda: _exchange(draft, root))
            draft.rename(aside)
            sync_folder(root.parent)
        finally:
            lock.release()
            lock.close()
    return aside


def _become(draft: Path, move: Callable[[], object]) -> None:
    """Give the new store its name. What stands in its place has no mark: it must stay."""
    (draft / MANIFEST).unlink()
    sync_folder(draft)
    try:
        move()
    except BaseException:
        (draft / MANIFEST).touch(mode=0o600)
        raise
    sync_folder(draft.parent)


def _keep(old: Layout, draft: Path) -> None:
    """Give the new store the lock files of the old one: who has one open holds it in both."""
    for path in (old.write_lock, old.daemon_lock, old.maintenance_lock, old.root / "token"):
        there = draft / path.relative_to(old.root)
        if path.exists():
            there.unlink(missing_ok=True)
            os.link(path, there)
    sync_folder(draft / "locks")


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE):
        code = ctypes.get_errno()
        why = os.strerror(code)
        raise StoreUnwritable(
            f"{other} cannot be exchanged for the restored store ({why}): nothing was changed. "
            "Restore into a new folder, and name that with --store or in jobs.toml"
        )
