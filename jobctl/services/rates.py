"""rates.json: when the next job of each name with a rate may begin, over a restart too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jobctl.services.whole import read_whole, write_whole

_FILE = "rates.json"


def write_rates(folder: Path, rates: Mapping[str, float]) -> None:
    """Write it; after a power cut a rate begins anew. Raises OSError."""
    write_whole(folder / _FILE, rates)


def read_rates(folder: Path) -> dict[str, float]:
    """Return the moments of the wall clock by name, nothing if they are not known."""
    return read_whole(folder / _FILE, dict[str, float]) or {}
