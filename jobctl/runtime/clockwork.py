"""What a daemon does by the clock, on the store's thread, a bounded step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from jobctl.clock import Clock
from jobctl.core.job import Job, Status
from jobctl.core.schedule import Schedule
from jobctl.core.standing import TickOutcome
from jobctl.core.store import Store
from jobctl.core.units import counted, human_duration
from jobctl.runtime.alerts import TAG, Alerts
from jobctl.runtime.keeper import Errand
from jobctl.runtime.log import Log
from jobctl.runtime.overdue import Alarm, Overdue
from jobctl.runtime.retention import Retention
from jobctl.runtime.settings import Chores
from jobctl.runtime.ticker import Ticker
from jobctl.runtime.trust import Trust
from jobctl.services.clockfile import STEP
from jobctl.services.health import due_since
from jobctl.services.putoff import bring_forward
from jobctl.services.ticking import Ticked

#: Seconds between two looks at the clocks, and at the job that has been due for longest.
LOOK, LOOK_AT_OLDEST = 1.0, 60.0
_COMPLETED = Status.COMPLETED


class Clockwork:
    """The chores of a daemon. The loop asks for errands; they run on the store's thread.

    While one is under way the loop leaves all this alone.
    """

    def __init__(self, clock: Clock, log: Log, folder: Path) -> None:
        self._clock = clock
        self._log = log
        self._trust = Trust(clock, folder, log)
        self._ticker = Ticker(log, up_since=clock.now(), alive=self._trust.alive)
        self._overdue = Overdue()
        self._alerts = Alerts(log, folder)
        self._retention = Retention(log, clock.monotonic())
        self._max_wait: float | None = None
        self._oldest_at = 0.0
        self._stuck: dict[str, str] | None = None  # the job that was announced
        self._away = False
        self._rest_until = 0.0
        self._look_at = 0.0
        self._putting_right = False  # whether retries are looked for that a clock put off
        self._so_far: int | None = None

    def use(self, chores: Chores, declared: Mapping[str, Schedule]) -> None:
        """Have these chores; the schedules that handlers declare are beside them."""
        schedules = {**declared, **chores.schedules}
        self._ticker.use(schedules)
        self._overdue.forget_all_but(schedules)
        self._alerts.use(chores.alerting)
        self._retention.use(chores.cleaner)
        asked = "waiting" in chores.alerting.actions
        self._max_wait = chores.alerting.max_wait if asked else None

    def ended(self, job: Job[Any]) -> None:
        """Take note of how a job ended."""
        if job.status is _COMPLETED:
            if job.schedule is not None and job.finished_at is not None:
                self._overdue.success(job.schedule, job.finished_at)
        elif job.status is Status.FAILED and TAG not in job.tags:
            error = None if job.error is None else f"{job.error.type}: {job.error.message}"
            self._alerts.add(
                "dead",
                {
                    "id": job.id,
                    "name": job.name,
                    "schedule": job.schedule,
                    "attempts": job.attempts,
                    "error": error and error[:500],
                },
            )

    def tick(self, now: float) -> None:
        """Look at the clocks from time to time."""
        if now >= self._look_at and not self._away:
            self._look_at = now + LOOK
            self._look()

    def wait(self, now: float) -> float | None:
        """Return after how many seconds there is something to do, None if that is unknown."""
        if self._away:
            return None
        wait = self._wait(now)
        return None if wait is None else max(wait, self._rest_until - now, 0.0)

    @property
    def due(self) -> bool:
        """Whether there is something to do that a burst should not end before."""
        now = self._clock.now()
        return (
            self._away
            or self._was_ahead
            or self._ticker.due(now)
            or self._overdue.wait(self._clock.boot()) == 0
        )

    def errand(self, now: float) -> Errand | None:
        """Return what to do with the store now, None if there is nothing."""
        if now < self._rest_until or self._wait(now) != 0:
            return None
        self._away = True
        return self._step

    def back(self, now: float, made: int | None) -> None:
        """Take note that the errand is done; `made` jobs, None if the store refused it."""
        self._away = False
        self._rest_until = now + 1.0 if made is None else self._rest_until

    def close(self) -> None:
        """Write down what the next daemon should know."""
        self._trust.save()
        self._alerts.close()

    def _wait(self, now: float) -> float | None:
        """Return after how many seconds some chore is due, None if none is."""
        wall = self._clock.now()
        waits = [
            self._ticker.wait(wall),
            self._overdue.wait(self._clock.boot()),
            self._alerts.wait(wall),
            self._retention.wait(now),
            None if self._max_wait is None else max(0.0, self._oldest_at - now),
            0.0 if self._was_ahead else None,
        ]
        return min((wait for wait in waits if wait is not None), default=None)

    @property
    def _was_ahead(self) -> bool:
        return self._trust.was_ahead or self._putting_right

    def _look(self) -> None:
        before = self._trust.trusted
        if self._trust.look() or self._trust.trusted != before:
            self._ticker.look_again()

    def _step(self, store: Store) -> int:
        begun = self._clock.monotonic()
        self._look()
        made = self._do_next(store, begun)
        # Half of the store's time at most: claims and results wait no longer than a step.
        end = self._clock.monotonic()
        self._rest_until = end + (end - begun)
        return made

    def _do_next(self, store: Store, now: float) -> int:
        """Do one step of the first chore that is due; return how many jobs it made."""
        wall = self._clock.now()
        if self._ticker.due(wall):
            trusted = self._trust.trusted
            done = self._ticker.step(store, wall, trusted=trusted)
            self._overdue.follow(done, wall, self._clock.boot(), trusted=trusted)
            self._report(done)
            return sum(one.made for one in done)
        if self._overdue.wait(self._clock.boot()) == 0:
            for alarm in self._overdue.step(store, wall, self._clock.boot()):
                self._announce(alarm)
            return 0
        if self._was_ahead:
            return self._put_right(store, wall)
        if self._alerts.wait(wall) == 0:
            return self._alerts.step(store, wall)
        if self._max_wait is not None and now >= self._oldest_at:
            self._look_at_oldest(store, wall, self._max_wait)
            self._oldest_at = now + LOOK_AT_OLDEST
            return 0
        if self._retention.wait(now) == 0:
            self._retention.step(now, trusted=self._trust.trusted)
        return 0

    def _put_right(self, store: Store, wall: datetime) -> int:
        """Bring retries forward that wait for a time which the clock showed too soon."""
        if self._trust.was_ahead:  # from the beginning, also if it stepped back once more
            self._trust.was_ahead, self._so_far, self._putting_right = False, None, True
        changed, self._so_far = bring_forward(store, wall, STEP, self._so_far)
        self._putting_right = self._so_far is not None
        if changed:
            self._log.info(
                f"{counted(changed, 'job')} waited for a time that the clock showed too soon: "
                "brought forward",
                changed=changed,
            )
        return changed

    def _announce(self, alarm: Alarm) -> None:
        item = {
            "schedule": alarm.schedule,
            "since": alarm.since,
            "last_success": alarm.last_success,
        }
        if alarm.recovered:
            self._log.info(
                f"schedule {alarm.schedule} has recovered: a job of it succeeded",
                schedule=alarm.schedule,
            )
        else:
            last = alarm.last_success
            when = "none yet" if last is None else f"the last one {last.isoformat()}"
            self._log.error(
                f"schedule {alarm.schedule} is overdue: no success in time, {when}",
                schedule=alarm.schedule,
                overdue=True,
            )
        self._alerts.add("overdue", msgspec.to_builtins(item), recovered=alarm.recovered)

    def _look_at_oldest(self, store: Store, now: datetime, max_wait: float) -> None:
        job = store.oldest_due(now)
        waited = 0.0 if job is None else (now - due_since(job)).total_seconds()
        if job is not None and waited > max_wait:
            if self._stuck is None:
                self._stuck = {"id": job.id, "name": job.name}
                length = human_duration(round(waited))
                self._log.warning(f"{job.name} {job.id} has been due for {length}", job=job.id)
                self._alerts.add("waiting", {**self._stuck, "waited": round(waited)})
        elif self._stuck is not None:
            self._alerts.add("waiting", self._stuck, recovered=True)
            self._stuck = None

    def _report(self, done: list[Ticked]) -> None:
        for one in done:
            for tick in one.ticks:
                if tick.outcome is TickOutcome.FIRED and not self._log.verbose:
                    continue
                often = f" {tick.count} times" if tick.count > 1 else ""
                reason = f": {tick.reason}" if tick.reason else ""
                write = (
                    self._log.info if tick.outcome is TickOutcome.FIRED else self._log.warning
                )
                write(
                    f"schedule {tick.schedule} {tick.outcome}{often}{reason}",
                    schedule=tick.schedule,
                    at=tick.at,
                    outcome=tick.outcome,
                    job=tick.job_id,
                )
