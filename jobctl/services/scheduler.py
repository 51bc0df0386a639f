"""Schedules as people see them: what is declared, how it stands, and the switches."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice

import msgspec

from jobctl.clock import Clock
from jobctl.core.data import show
from jobctl.core.note import SCHEDULE, TICK
from jobctl.core.schedule import Planned, Schedule, plan, tick_of, ticks
from jobctl.core.standing import (
    Standing,
    Tick,
    note_of,
    seen,
    shown,
    standing_of,
    tick_of_note,
)
from jobctl.core.store import Store
from jobctl.core.text import meant
from jobctl.errors import NotFound
from jobctl.services.marks import gone, standing_in
from jobctl.services.ticking import trigger


class SchedulerService:
    """All that can be done to schedules from outside.

    `declared` are the schedules of the configuration and of the handlers. All methods may
    raise StoreError.
    """

    def __init__(self, store: Store, clock: Clock, declared: Mapping[str, Schedule]) -> None:
        self._store = store
        self._clock = clock
        self._declared = declared

    def schedules(self) -> list[Schedule]:
        """Return all schedules and how they stand, by name."""
        now = self._clock.now()
        notes = {note.key: note for note in self._store.notes(SCHEDULE)}
        return [
            shown(schedule, standing_of(notes.get(name)), now)
            for name, schedule in sorted(self._declared.items())
        ]

    def get(self, name: str) -> Schedule | None:
        """Return a schedule and how it stands, None if there is none of that name."""
        schedule = self._declared.get(name)
        if schedule is None:
            return None
        standing = standing_in(self._store, name) or Standing()
        return shown(schedule, standing, self._clock.now())

    def required(self, name: str) -> Schedule:
        """Return a schedule and how it stands. Raises NotFound."""
        found = self.get(name)
        if found is None:
            hint = meant(name, self._declared, "`jobctl schedule list` shows them")
            raise NotFound(f"there is no schedule {show(name)[1:-1]}: {hint}")
        return found

    def enable(self, name: str) -> Schedule:
        """Switch a schedule on, whatever the file says. It owes no tick from before now."""
        return self._switch(name, on=True)

    def disable(self, name: str) -> Schedule:
        """Switch a schedule off, whatever the file says."""
        return self._switch(name, on=False)

    def trigger(self, name: str) -> str:
        """Make a job of a schedule now, also while it is off, and return its id.

        Raises NotFound.
        """
        self.required(name)
        with self._store.transaction() as tx:
            job = trigger(tx, self._declared[name], self._clock.now())
        self._store.wake()
        return job.id

    def history(self, name: str, limit: int = 20) -> list[Tick]:
        """Return what became of the last ticks of a schedule, the newest first."""
        if name not in self._declared and not self._store.notes(TICK, f"{name}@", limit=1):
            self.required(name)
        found = []
        for note in self._store.notes(TICK, f"{name}@", newest=True, limit=limit):
            of = tick_of(note.key)
            if of is not None and of[0] == name:
                found.append(tick_of_note(note, *of))
        return found

    def plan(self, name: str | None, after: datetime | None, count: int) -> list[Planned]:
        """Return the next `count` ticks, of one schedule or of all that are on.

        They come after the moment `after`, by default now. Raises NotFound.
        """
        after = after or self._clock.now()
        if name is not None:
            self.required(name)
            return plan(self._declared[name], after, count)
        on = [one for one in self.schedules() if one.enabled]
        coming = heapq.merge(*(_coming(one, after) for one in on))
        counts: dict[str, int] = {}
        for _, one in islice(coming, count):
            counts[one] = counts.get(one, 0) + 1
        rows = [row for one, n in counts.items() for row in plan(self._declared[one], after, n)]
        return sorted(rows, key=lambda row: (row.at, row.schedule))

    def forget(self, name: str) -> None:
        """Take note that a schedule is gone: one that comes back owes nothing."""
        with self._store.transaction() as tx:
            gone(tx, name, self._clock.now())
        self._store.wake()

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _switch(self, name: str, *, on: bool) -> Schedule:
        self.required(name)
        schedule, now = self._declared[name], self._clock.now()
        with self._store.transaction() as tx:
            old = standing_of(tx.note(SCHEDULE, name))
            new = seen(schedule, msgspec.structs.replace(old, switch=on), now)
            tx.put(note_of(name, new, now))
        self._store.wake()
        return shown(schedule, new, now)


def _coming(schedule: Schedule, after: datetime) -> Iterator[tuple[datetime, str]]:
    return ((at, schedule.name) for at in ticks(schedule, after, cap=None))
