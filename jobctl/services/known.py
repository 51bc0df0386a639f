"""handlers.json: what the last daemon of a store knew of its handlers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobctl.services.whole import read_whole, write_whole

_FILE = "handlers.json"


def write_handlers(
    handlers: dict[str, dict[str, Any]],
    folder: Path,
    schedules: Sequence[dict[str, Any]] = (),
) -> None:
    """Write it, for `add` and completion. Raises OSError."""
    write_whole(folder / _FILE, {"handlers": handlers, "schedules": schedules})


def read_handlers(folder: Path) -> dict[str, Any] | None:
    """Return the handlers by name, None if they are not known."""
    known = _read(folder).get("handlers")
    return known if isinstance(known, dict) else None


def read_schedules(folder: Path) -> list[dict[str, Any]]:
    """Return the schedules that the handlers declare, as far as they are known."""
    known = _read(folder).get("schedules")
    return [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []


def _read(folder: Path) -> dict[str, Any]:
    return read_whole(folder / _FILE, dict[str, Any]) or {}
