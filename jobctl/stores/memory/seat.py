"""The seat of the one daemon of a store in memory."""

from __future__ import annotations

import os
from pathlib import Path


class MemorySeat:
    """A Seat: a folder that goes when the store is closed, and a pipe."""

    def __init__(self, folder: Path, reader: int) -> None:
        self._folder = folder
        self._reader = reader

    @property
    def folder(self) -> Path:
        """A folder for what one daemon leaves for the next."""
        return self._folder

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a wake-up."""
        return self._reader

    def drain(self) -> None:
        """Take the wake-ups that have come."""
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            pass
