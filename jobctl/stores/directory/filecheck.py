"""The files of a store apart from what stands in them: what is no file, what was left over."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from jobctl.core.finding import Finding
from jobctl.stores.directory.layout import Layout
from jobctl.stores.directory.quarantine import UNFINISHED, kept

#: Seconds after which a draft is one that nobody will finish.
ABANDONED = 60.0
#: What has to be a folder if it is there, and what a file.
_FOLDERS = ("journal", "locks", "quarantine", "logs", "progress")
_FILES = re.compile(
    r"store\.json|index\.sqlite(-wal|-shm)?|journal/[0-9]{8,}\.jsonl"
    r"|locks/(write|daemon|maintenance)\.lock|locks/daemon\.pid"
)
_DRAFTS = re.compile(
    r"store\.json\.[0-9]+-.*|journal/[0-9]{8,}\.jsonl\.new|locks/probe\.[0-9]+"
    r"|[a-z]+\.json\.new|clock\.new"
)
_BROKEN = re.compile(r"(journal/([0-9]{8,})\.jsonl)\.broken")


def check_files(layout: Layout, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the files. Only a store's own names are looked at."""
    for name in _names(layout.root):
        path = layout.root / name
        try:
            info = path.lstat()
        except OSError:
            continue  # gone in between
        if name in _FOLDERS:
            if not stat.S_ISDIR(info.st_mode):
                yield _odd(name, "a folder", info)
        elif _FILES.fullmatch(name):
            if not stat.S_ISREG(info.st_mode):
                yield _odd(name, "a regular file", info)
        elif name == "wake":
            if not stat.S_ISFIFO(info.st_mode):
                yield _odd(name, "a FIFO", info)
        elif _DRAFTS.fullmatch(name):
            if now.timestamp() - info.st_mtime > ABANDONED:
                message = "somebody died before it was finished; nothing in it counts"
                yield Finding(code="leftover", path=name, message=message)
        elif match := _BROKEN.fullmatch(name):
            message = (
                "a write could not be made durable, and nothing more is written until a "
                "repair: check the disk first"
            )
            yield Finding(code="broken", path=match[1], message=message)


def check_quarantine(layout: Layout) -> Iterator[Finding]:
    """Yield what was kept apart and nobody has been told of."""
    for path, note in kept(layout.quarantine):
        # Who did not finish a write never said that he had: it is as it should be.
        if not note.seen and note.reason != UNFINISHED:
            yield Finding(
                code="quarantine",
                path=f"quarantine/{path.stem}.bin",
                message=f"kept apart: {note.reason}, from segment {note.segment}",
                offset=note.offset,
                length=note.length,
            )


def _names(root: Path) -> Iterator[str]:
    for name in sorted(os.listdir(root)):
        yield name
        if name in ("journal", "locks"):
            try:
                yield from (f"{name}/{one}" for one in sorted(os.listdir(root / name)))
            except OSError:
                continue


def _odd(name: str, wanted: str, info: os.stat_result) -> Finding:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFDIR: "a folder",
        stat.S_IFREG: "a file",
        stat.S_IFSOCK: "a socket",
    }
    found = kinds.get(stat.S_IFMT(info.st_mode), "a device")
    return Finding(code="file", path=name, message=f"it is {found} and should be {wanted}")
