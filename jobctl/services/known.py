"""handlers.json: what the last daemon of a store knew of its handlers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

_FILE = "handlers.json"


def write_handlers(handlers: dict[str, dict[str, Any]], folder: Path) -> None:
    """Write it, for `add` and completion. Raises OSError."""
    text = msgspec.json.encode({"handlers": handlers, "schedules": []})
    draft = folder / f"{_FILE}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(text)
    draft.rename(folder / _FILE)


def read_handlers(folder: Path) -> dict[str, Any] | None:
    """Return the handlers by name, None if they are not known."""
    try:
        known = msgspec.json.decode((folder / _FILE).read_bytes())["handlers"]
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        return None
    return known if isinstance(known, dict) else None
