"""Bytes that cannot be trusted are kept apart, never thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from jobctl.core.unreadable import UNREADABLE
from jobctl.errors import StoreError
from jobctl.stores.directory.layout import open_file, read_file, sync_folder
from jobctl.stores.directory.segments import Line

#: Why bytes were kept apart of which nobody was ever told that they had been written.
UNFINISHED = "unfinished write"


class Kept(msgspec.Struct, omit_defaults=True):
    """What a note beside kept bytes says. `seen` is set when a repair has told of them."""

    segment: int
    offset: int
    length: int
    reason: str
    seen: bool = False


def keep_apart(folder: Path, line: Line, reason: str, *, sync: bool = False) -> None:
    """Keep bad bytes apart, with a note of where they were, if that can be done."""
    try:
        keep_safe(folder, line, reason, sync=sync)
    except (OSError, StoreError):
        pass  # the bytes stay where they are; a full disk must not stop the rest


def keep_safe(folder: Path, line: Line, reason: str, *, sync: bool = True) -> None:
    """Keep bad bytes apart, durably with `sync`. Raises OSError or StoreError."""
    place = line.place
    name = f"{place.segment:08d}-{place.offset}-{place.length}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if sync or not _holds(folder / f"{name}.bin", line.text):
        _write(folder / f"{name}.bin", line.text, sync=sync)
        _write(folder / f"{name}.json", msgspec.json.encode(Kept(*place, reason)) + b"\n", sync)
    if sync:
        sync_folder(folder)
        sync_folder(folder.parent)


def kept(folder: Path) -> Iterator[tuple[Path, Kept]]:
    """Yield the notes that can be read, in the order of their places."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return
    for name in names:
        try:
            yield folder / name, msgspec.json.decode(read_file(folder / name), type=Kept)
        except (OSError, StoreError, *UNREADABLE):
            continue


def mark_seen(path: Path, note: Kept) -> None:
    """Write into a note that a repair has told of it. Raises OSError."""
    note.seen = True
    _write(path, msgspec.json.encode(note) + b"\n", sync=True)


def move_away(root: Path, name: str) -> None:
    """Move something that should not be there, and is called so in a store, to quarantine."""
    folder = root / "quarantine"
    if name == folder.name:
        (root / name).rename(root / "quarantine.old")
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    base = folder / name.replace("/", "-")
    target, n = base, 0
    while os.path.lexists(target):
        n += 1
        target = base.with_name(f"{base.name}.{n}")
    (root / name).rename(target)
    sync_folder(folder)
    sync_folder((root / name).parent)


def _holds(path: Path, text: bytes) -> bool:
    try:
        return (
            read_file(path, limit=len(text) + 1) == text and path.with_suffix(".json").exists()
        )
    except (OSError, StoreError):
        return False


def _write(path: Path, content: bytes, sync: bool) -> None:
    fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(fd)
