"""Whether a file was edited: a look at a few of them every few seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

#: Seconds between two looks.
EVERY = 2.0

_Mark = tuple[str, int, int, int]


class Edits:
    """Tells when one of some files has changed, come or gone. `files` lists them anew."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        self._files = files
        self._look_at = 0.0
        self._known = self._marks()

    def watch(self, files: Callable[[], Iterable[Path]]) -> None:
        """Watch these from now on, as they are."""
        self._files = files
        self._known = self._marks()

    def changed(self, now: float) -> bool:
        """Return whether something has changed since the last time; look if it is time."""
        if now < self._look_at:
            return False
        self._look_at = now + EVERY
        before, self._known = self._known, self._marks()
        return before != self._known

    def wait(self, now: float) -> float:
        """Return after how many seconds to look again."""
        return self._look_at - now

    def _marks(self) -> list[_Mark]:
        try:
            files = list(self._files())
        except OSError:
            return []
        return [mark for file in files if (mark := _mark(file))]


def _mark(file: Path) -> _Mark | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino
