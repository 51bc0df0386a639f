"""Small files that a daemon leaves for others: they are read whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jobctl.core.unreadable import UNREADABLE

T = TypeVar("T")
#: What stands there may be a FIFO or a link: nobody waits for the one or follows the other.
OURS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def write_whole(path: Path, value: Any) -> None:
    """Write a value as JSON in place of what is there, 0600 and not synced. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | OURS, 0o600)
    with open(fd, "wb") as file:
        file.write(msgspec.json.encode(value))
    draft.rename(path)


def read_whole(path: Path, kind: type[T]) -> T | None:
    """Return what stands in a file, None if it is missing, broken, or of another version."""
    try:
        fd = os.open(path, os.O_RDONLY | OURS)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            return msgspec.json.decode(file.read(), type=kind)
    except (OSError, *UNREADABLE):
        return None
