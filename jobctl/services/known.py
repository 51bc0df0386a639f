"""handlers.json: what the last daemon of a store knew of its handlers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

_FILE = "handlers.json"


def write_handlers(
    handlers: dict[str, dict[str, Any]],
    folder: Path,
    schedules: Sequence[dict[str, Any]] = (),
) -> None:
    """Write it, for `add` and completion. Raises OSError."""
    text = msgspec.json.encode({"handlers": handlers, "schedules": schedules})
    draft = folder / f"{_FILE}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(text)
    draft.rename(folder / _FILE)


def read_handlers(folder: Path) -> dict[str, Any] | None:
    """Return the handlers by name, None if they are not known."""
    known = _read(folder).get("handlers")
    return known if isinstance(known, dict) else None


def read_schedules(folder: Path) -> list[dict[str, Any]]:
    """Return the schedules that the handlers declare, as far as they are known."""
    known = _read(folder).get("schedules")
    return [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode((folder / _FILE).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
