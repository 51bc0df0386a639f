"""The dead-man alarm: a schedule that has had no success for longer than it may.

What a deadline says is a time of the wall clock; how long it is until then is told by the clock
of the boot, which does not jump: a wall clock that is set right makes nobody late.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime

import msgspec

from jobctl.core.note import SCHEDULE
from jobctl.core.schedule import Schedule
from jobctl.core.standing import Standing, deadline, note_of, standing_of
from jobctl.core.store import Store, Transaction
from jobctl.services.marks import finished
from jobctl.services.ticking import Ticked

#: Schedules that one step looks at.
STEP = 200


class Alarm(msgspec.Struct, frozen=True):
    """A schedule is overdue since `since`, or no longer (`recovered`)."""

    schedule: str
    since: datetime
    recovered: bool
    last_success: datetime | None


class Overdue:
    """When each schedule's next success is expected at the latest."""

    def __init__(self) -> None:
        self._known: dict[str, Schedule] = {}
        self._deadlines: dict[str, tuple[datetime, float]] = {}  # on both clocks
        self._heap: list[tuple[float, str]] = []
        self._successes: dict[str, datetime] = {}

    def follow(
        self, done: Iterable[Ticked], now: datetime, boot: float, *, trusted: bool = True
    ) -> None:
        """Take note of how schedules stand after a step of the ticker.

        `boot` is the time of the boot's clock here and below, in seconds. Of a wall clock that
        is not `trusted` nobody knows how long ago a success was: then it counts from now.
        """
        for one in done:
            name = one.schedule.name
            if one.schedule.expect_within is None:
                self._drop(name)
                continue
            self._known[name] = one.schedule
            self._plan(one.schedule, one.standing, now, boot, trusted=trusted)
            if one.success is not None:
                self.success(name, one.success)

    def forget_all_but(self, names: Iterable[str]) -> None:
        """Expect nothing of schedules that are gone."""
        for name in self._known.keys() - set(names):
            self._drop(name)

    def success(self, name: str, at: datetime) -> None:
        """Take note of a success, to be written in the next step."""
        if name in self._known:
            self._successes[name] = at

    def wait(self, boot: float) -> float | None:
        """Return after how many seconds there is something to do, None if never."""
        if self._successes:
            return 0.0
        return max(0.0, self._heap[0][0] - boot) if self._heap else None

    def step(self, store: Store, now: datetime, boot: float) -> list[Alarm]:
        """Write down what came, in one transaction; return what is to be announced."""
        successes = dict(list(self._successes.items())[:STEP])
        late = heapq.nsmallest(STEP, (one for one in self._heap if one[0] <= boot))
        for name in successes:
            self._deadlines.pop(name, None)  # it counts anew, whatever the wall clock says
        known = self._deadlines
        reached = {name for at, name in late if name in known and known[name][1] == at}
        alarms = []
        standings: list[tuple[str, Standing]] = []
        with store.transaction() as tx:
            for name, at in successes.items():
                before = finished(tx, name, at, now)
                if before is not None and before.overdue is not None:
                    alarms.append(Alarm(name, before.overdue, True, at))
            for name in dict.fromkeys((*successes, *sorted(reached))):
                standing, alarm = self._look(tx, name, now, reached=name in reached)
                standings.append((name, standing))
                if alarm is not None:
                    alarms.append(alarm)
        for name, at in successes.items():
            if self._successes.get(name) == at:
                del self._successes[name]
        gone = set(late)
        if gone:
            self._heap = [one for one in self._heap if one not in gone]
            heapq.heapify(self._heap)
        for name, standing in standings:
            if name in self._known:
                self._plan(self._known[name], standing, now, boot)
        return alarms

    def _look(
        self, tx: Transaction, name: str, now: datetime, *, reached: bool
    ) -> tuple[Standing, Alarm | None]:
        standing = standing_of(tx.note(SCHEDULE, name))
        at = deadline(self._known[name], standing)
        planned = self._deadlines.get(name)
        late = reached if planned and planned[0] == at else at is not None and at <= now
        if at is None or not late or standing.overdue is not None:
            return standing, None
        standing = msgspec.structs.replace(standing, overdue=at)
        tx.put(note_of(name, standing, now))
        return standing, Alarm(name, at, False, standing.last_success)

    def _plan(
        self,
        schedule: Schedule,
        standing: Standing,
        now: datetime,
        boot: float,
        *,
        trusted: bool = True,
    ) -> None:
        name = schedule.name
        at = None if standing.overdue is not None else deadline(schedule, standing)
        if at is None:
            self._deadlines.pop(name, None)
        elif self._deadlines.get(name, (None, None))[0] != at:
            # Never longer: what is said to have been after now was said by a wrong clock.
            longest = schedule.expect_within or 0.0
            left = min(max(0.0, (at - now).total_seconds()), longest)
            reached = boot + (left if trusted else longest)
            self._deadlines[name] = at, reached
            heapq.heappush(self._heap, (reached, name))

    def _drop(self, name: str) -> None:
        self._known.pop(name, None)
        self._deadlines.pop(name, None)
        self._successes.pop(name, None)
