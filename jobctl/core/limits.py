"""How many jobs of a name may run, and how often one may begin. Pure; times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Limit(msgspec.Struct, frozen=True):
    """The limits of one name: `concurrency` at once, and `rate` as (count, seconds)."""

    concurrency: int | None = None
    rate: tuple[int, float] | None = None

    @property
    def interval(self) -> float:
        """Seconds between two beginnings, 0 without a rate."""
        return 0.0 if self.rate is None else self.rate[1] / self.rate[0]


def by_name(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Limit]:
    """Return the limits that the configuration's tables ask for."""
    wanted = {name: (t.get("concurrency"), t.get("rate")) for name, t in tables.items()}
    return {
        name: Limit(concurrency, None if rate is None else (rate[0], rate[1]))
        for name, (concurrency, rate) in wanted.items()
        if concurrency is not None or rate is not None
    }


class Limits:
    """What runs and what began, by name and by concurrency key.

    A rate is smooth: beginnings of a name are at least period/count apart, so 100/m is one
    every 0.6 s and never a burst of a hundred. Jobs that share a concurrency key run one
    after the other, whatever their names.
    """

    def __init__(self, by_name: dict[str, Limit]) -> None:
        self._by_name = by_name
        self._running: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        #: When the next job of a name may begin, of the wall clock: kept over a restart.
        self.next_at: dict[str, float] = {}

    def copy(self) -> Limits:
        """Return limits that count for themselves from here on."""
        other = Limits(self._by_name)
        other._running = self._running.copy()
        other._keys = self._keys.copy()
        other.next_at = self.next_at.copy()
        return other

    def use(self, by_name: dict[str, Limit]) -> None:
        """Let other limits hold from now on, for what runs already too."""
        self._by_name = by_name

    def rates(self) -> dict[str, float]:
        """Return when the next job of each name with a rate may begin."""
        limited = (name for name, limit in self._by_name.items() if limit.rate is not None)
        return {name: self.next_at[name] for name in limited if name in self.next_at}

    def name_open(self, name: str, now: float) -> bool:
        """Return whether a job of this name may begin now."""
        limit = self._by_name.get(name)
        if limit is None:
            return True
        if limit.concurrency is not None and self._running.get(name, 0) >= limit.concurrency:
            return False
        return now >= self._next(name, limit, now)

    def key_open(self, key: str | None) -> bool:
        """Return whether a job with this concurrency key may begin now."""
        return key is None or not self._keys.get(key)

    def begin(self, name: str, key: str | None, now: float) -> None:
        """Count a job that begins."""
        running = self._running
        running[name] = running.get(name, 0) + 1
        if key is not None:
            self._keys[key] = self._keys.get(key, 0) + 1
        limit = self._by_name.get(name)
        if limit is not None and limit.rate is not None:
            self.next_at[name] = max(now, self._next(name, limit, now)) + limit.interval

    def end(self, name: str, key: str | None) -> None:
        """Count a job that ended."""
        _decrease(self._running, name)
        if key is not None:
            _decrease(self._keys, key)

    def opens_at(self, now: float) -> float | None:
        """Return when the next name opens that its rate holds back now, None if none does."""
        ahead = [
            at
            for name, limit in self._by_name.items()
            if limit.rate is not None and (at := self._next(name, limit, now)) > now
        ]
        return min(ahead, default=None)

    def _next(self, name: str, limit: Limit, now: float) -> float:
        # Nothing that began can be so far ahead: the wall clock was set back, or the rate was
        # another one. That must not close a name until then.
        at = self.next_at.get(name, 0.0)
        return at if at <= now + 2 * limit.interval else now


def _decrease(counts: dict[str, int], key: str) -> None:
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
