"""The drop-ins: files of one schedule each, written by `schedule add` and by programs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobctl.errors import ConfigError

#: How a file that we wrote begins: others are hand-written, and left alone.
MARK = "# Written by jobctl; `jobctl schedule remove` takes it away.\n"


def path_of(folder: Path, name: str) -> Path:
    """Return the drop-in of a schedule."""
    return folder / f"{name}.toml"


def is_ours(path: Path, folder: Path, name: str) -> bool:
    """Return whether a file is the drop-in of this schedule, and written by us."""
    if path != path_of(folder, name):
        return False
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline() == MARK
    except (OSError, UnicodeDecodeError):
        return False


def write(folder: Path, name: str, table: Mapping[str, Any]) -> Path:
    """Write the drop-in of a schedule, in place of the one that is there; return its path.

    Raises ConfigError if that cannot be done.
    """
    import tomli_w

    path = path_of(folder, name)
    draft = folder / f".{name}.toml.new"  # hidden files are not read
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with open(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o644)
            file.write(MARK + tomli_w.dumps({"schedules": {name: dict(table)}}))
            file.flush()
            os.fsync(fd)
        draft.rename(path)
        _sync(folder)
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror}") from None
    return path


def remove(folder: Path, name: str) -> None:
    """Remove the drop-in of a schedule. Raises ConfigError."""
    path = path_of(folder, name)
    try:
        path.unlink(missing_ok=True)
        _sync(folder)
    except OSError as err:
        raise ConfigError(f"{path} cannot be removed: {err.strerror}") from None


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
