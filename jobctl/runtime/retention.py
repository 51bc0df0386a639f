"""Housekeeping by the clock: what is old enough goes, in steps that delay no claim."""

from __future__ import annotations

from collections.abc import Callable

from jobctl.runtime.log import Log

#: Removes at most so many things, and returns how many went; 0 when nothing is left.
Cleaner = Callable[[int], int]

#: Seconds from the start of a daemon to the first look, and between two of them.
FIRST, EVERY = 60.0, 600.0
#: Things that one step removes at most.
STEP = 200


class Retention:
    """When to clean up next."""

    def __init__(self, log: Log, now: float) -> None:
        self._log = log
        self._cleaner: Cleaner | None = None
        self._at = now + FIRST
        self._removed = 0

    def use(self, cleaner: Cleaner | None) -> None:
        """Have this remove what the retention says."""
        self._cleaner = cleaner

    def wait(self, now: float) -> float | None:
        """Return after how many seconds there is something to do, None if never."""
        return None if self._cleaner is None else max(0.0, self._at - now)

    def step(self, now: float, *, trusted: bool) -> None:
        """Remove a little; nothing while the clock is not trusted. Raises StoreError."""
        gone = self._cleaner(STEP) if self._cleaner is not None and trusted else 0
        self._removed += gone
        if gone:
            return
        self._at = now + EVERY
        if self._removed:
            self._log.info(
                f"cleaned up: {self._removed} jobs, records of ticks and logs were old enough",
                removed=self._removed,
            )
            self._removed = 0
