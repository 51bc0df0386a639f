"""Schedules -> jobs: which schedule is due next, and its ticks when they are.

Runs on the store's thread, a bounded step at a time. A heap holds the next tick of each
schedule, so a step costs what is due and not what is declared.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from jobctl.core.note import SCHEDULE
from jobctl.core.schedule import Schedule
from jobctl.core.store import Store
from jobctl.runtime.log import Log
from jobctl.services.marks import gone
from jobctl.services.presence import Presence
from jobctl.services.ticking import Ticked, look, tick

#: Schedules that are looked at in one transaction: as they are taken up, as they are due.
SEEN, DUE = 500, 200


class Ticker:
    """The schedules of a daemon."""

    def __init__(self, log: Log, *, up_since: datetime, alive: datetime | None = None) -> None:
        self.schedules: dict[str, Schedule] = {}
        self._log = log
        self._up_since = up_since
        self._alive = alive
        self._unseen: dict[str, None] = {}
        self._next: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._gone: set[str] | None = None  # None: those of earlier daemons are not known

    def use(self, schedules: Mapping[str, Schedule]) -> None:
        """Have these instead; those that are new or edited are looked at in the next step."""
        before, self.schedules = self.schedules, dict(schedules)
        for name in before.keys() - schedules.keys():
            self._next.pop(name, None)
            self._unseen.pop(name, None)
            if self._gone is not None:
                self._gone.add(name)
        for name, schedule in schedules.items():
            if before.get(name) != schedule:
                self._unseen[name] = None

    def look_again(self) -> None:
        """Look at all of them again: the clock has stepped, or is trusted again."""
        self._unseen = dict.fromkeys(self.schedules)

    def due(self, now: datetime) -> bool:
        """Return whether there is something to do."""
        planned = bool(self._heap and self._heap[0][0] <= now)
        return planned or bool(self._unseen) or self._gone is None or bool(self._gone)

    def wait(self, now: datetime) -> float | None:
        """Return after how many seconds there is something to do, None if never."""
        if self._unseen or self._gone is None or self._gone:
            return 0.0
        return max(0.0, (self._heap[0][0] - now).total_seconds()) if self._heap else None

    def step(self, store: Store, now: datetime, *, trusted: bool = True) -> list[Ticked]:
        """Do what is next, in one transaction, and return what came of it.

        If the store refuses, the same is to be done in the next step.
        """
        # A clock that went back was never before the daemon's start.
        self._up_since = min(self._up_since, now)
        if self._gone is None or self._gone:
            self._forget_gone(store, now)
            return []
        if self._unseen:
            return self._take_up(store, now, trusted)
        due = self._take_due(now)
        presence = Presence(self._up_since, self._alive, trusted)
        try:
            with store.transaction() as tx:
                done = [tick(tx, self.schedules[name], now, presence) for name in due]
        except BaseException:
            for name, at in due.items():
                self._put(name, at)
            raise
        for one in done:
            self._plan(one)
            if one.capped:
                self._log.warning(
                    f"schedule {one.schedule.name}: {one.capped} ticks were left out, or too "
                    "many would have fired at once",
                    schedule=one.schedule.name,
                    left_out=one.capped,
                )
        return done

    def _take_up(self, store: Store, now: datetime, trusted: bool) -> list[Ticked]:
        names = [name for name, _ in zip(self._unseen, range(SEEN), strict=False)]
        with store.transaction() as tx:
            done = [look(tx, self.schedules[name], now, trusted=trusted) for name in names]
        for one in done:
            del self._unseen[one.schedule.name]
            self._plan(one)
        return done

    def _forget_gone(self, store: Store, now: datetime) -> None:
        names = self._gone
        if names is None:
            names = {note.key for note in store.notes(SCHEDULE) if note.value.get("on", True)}
        missing = sorted(names - self.schedules.keys())[:SEEN]
        if missing:
            with store.transaction() as tx:
                for name in missing:
                    gone(tx, name, now)
        self._gone = names - self.schedules.keys() - set(missing)

    def _take_due(self, now: datetime) -> dict[str, datetime]:
        due: dict[str, datetime] = {}
        while self._heap and self._heap[0][0] <= now and len(due) < DUE:
            at, name = heapq.heappop(self._heap)
            # What was edited, removed or planned anew stands there with its old time.
            if self._next.get(name) == at:
                due[name] = self._next.pop(name)
        return due

    def _plan(self, one: Ticked) -> None:
        if one.next is None:
            self._next.pop(one.schedule.name, None)
        elif one.schedule.name in self.schedules:
            self._put(one.schedule.name, one.next)

    def _put(self, name: str, at: datetime) -> None:
        if self._next.get(name) != at:
            self._next[name] = at
            heapq.heappush(self._heap, (at, name))


def declared(tables: Iterable[Mapping[str, object]]) -> dict[str, Schedule]:
    """Return the schedules that handlers declare, by name."""
    found = msgspec.convert(list(tables), list[Schedule])
    return {schedule.name: schedule for schedule in found}
