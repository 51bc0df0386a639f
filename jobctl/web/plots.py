"""The figures of the last hour, day and week, added up from what daemons have written."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from jobctl.services.figures import Follower, Tally, folder_in

#: Seconds of a slot, and how many slots there are.
RANGES = {"hour": (60, 60), "day": (900, 96), "week": (7200, 84)}
#: Names that a plot tells of, those with the most attempts first.
NAMES = 50


class Series(msgspec.Struct):
    """What became of the jobs of a name, slot by slot and in all.

    The durations (seconds) are those that half of the attempts that completed, and 95 of a
    hundred, took at most; null where none did.
    """

    name: str | None  # null for all names together
    completed: list[int]
    failed: list[int]
    retried: list[int]
    p50: list[float | None]
    p95: list[float | None]
    total_completed: int
    total_failed: int
    total_retried: int
    total_p50: float | None
    total_p95: float | None


class Plot(msgspec.Struct):
    """A span of time in slots of `step` seconds, the first of which begins at `start`."""

    range: str
    start: datetime
    step: int
    all: Series
    names: list[Series]


class Figures:
    """What the files in a store's folder say, kept up to date as they grow."""

    def __init__(self, files: Path) -> None:
        self._follower = Follower(folder_in(files))
        self._lock = threading.Lock()
        self._slots: dict[str, dict[int, dict[str, Tally]]] = {key: {} for key in RANGES}
        self._totals: dict[str, Tally] = {}

    def totals(self) -> dict[str, Tally]:
        """Return all that was counted since the first file that was there, by name."""
        with self._lock:
            self._follow()
            return self._totals

    def plot(self, span: str, now: datetime) -> Plot:
        """Return the figures of the last hour, day or week."""
        step, count = RANGES[span]
        last = int(now.timestamp()) // step
        first = last - count + 1
        with self._lock:
            self._follow()
            kept = self._slots[span]
            for slot in [slot for slot in kept if slot < first]:
                del kept[slot]
            slots = [kept.get(slot, {}) for slot in range(first, last + 1)]
            every = _series(None, [_sum(slot.values()) for slot in slots])
            names = {name for slot in slots for name in slot}
            series = [
                _series(name, [slot.get(name, _NOTHING) for slot in slots]) for name in names
            ]
        series.sort(key=lambda one: (-one.total_completed - one.total_failed, one.name or ""))
        start = datetime.fromtimestamp(first * step, UTC)
        return Plot(span, start, step, every, series[:NAMES])

    def _follow(self) -> None:
        for line in self._follower.lines():
            self._totals.setdefault(line.name, Tally()).add(line.tally)
            for span, (step, _) in RANGES.items():
                names = self._slots[span].setdefault(line.at // step, {})
                names.setdefault(line.name, Tally()).add(line.tally)


_NOTHING = Tally()


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def _series(name: str | None, tallies: list[Tally]) -> Series:
    total = _sum(tallies)
    return Series(
        name=name,
        completed=[tally.completed for tally in tallies],
        failed=[tally.failed for tally in tallies],
        retried=[tally.retried for tally in tallies],
        p50=[tally.quantile(0.5) for tally in tallies],
        p95=[tally.quantile(0.95) for tally in tallies],
        total_completed=total.completed,
        total_failed=total.failed,
        total_retried=total.retried,
        total_p50=total.quantile(0.5),
        total_p95=total.quantile(0.95),
    )
