"""Small files that a daemon leaves for others: they are read whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def write_whole(path: Path, value: Any) -> None:
    """Write a value as JSON in place of what is there, 0600 and not synced. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(msgspec.json.encode(value))
    draft.rename(path)


def read_whole(path: Path, kind: type[T]) -> T | None:
    """Return what stands in a file, None if it is missing, broken, or of another version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
