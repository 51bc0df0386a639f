"""How often something may be done: so many at once, and so many in a time."""

from __future__ import annotations

import math
import threading

from jobctl.clock import Clock


class Rate:
    """Lets `count` things pass in `seconds`, all of them at once or spread out."""

    def __init__(self, clock: Clock, count: int, seconds: float) -> None:
        self._clock = clock
        self._count = count
        self._per_second = count / seconds
        self._left = float(count)
        self._at = clock.monotonic()
        self._lock = threading.Lock()

    def take(self) -> int:
        """Let one pass and return 0, or return in how many whole seconds one may."""
        with self._lock:
            now = self._clock.monotonic()
            grown = self._left + (now - self._at) * self._per_second
            self._left, self._at = min(float(self._count), grown), now
            if self._left >= 1:
                self._left -= 1
                return 0
            return math.ceil((1 - self._left) / self._per_second)
