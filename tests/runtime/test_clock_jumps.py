"""The wall clock jumps by a year, there and back, between any two steps of jobs and schedules.

Whatever it shows, time passes: what is a day for the schedules is a day of the boot's clock.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobctl.core.job import Job, Options, Outcome, Status
from jobctl.core.limits import Limit, Limits
from jobctl.core.note import TICK
from jobctl.core.schedule import Schedule, declare, tick_of
from jobctl.runtime import retention, trust
from jobctl.runtime.clockwork import Clockwork
from jobctl.runtime.log import Log
from jobctl.runtime.settings import Chores
from jobctl.services import putoff
from jobctl.services.cleaning import Keep
from jobctl.services.queue import QueueService
from jobctl.stores.memory import MemoryStore
from tests.helpers import FakeClock, claim, end, make_job, put

FULL = bool(os.environ.get("JOBCTL_FULL"))
HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0
KEPT = 7 * DAY
EXPECTED = 26 * HOUR
LONGEST_WAIT = HOUR + 600.0  # a backoff, and what no step is
SCHEDULES = {
    "daily": {"cron": "0 13 * * *", "catch_up": "latest", "expect_within": EXPECTED},
    "hourly": {"every": HOUR, "catch_up": "none"},
    "all": {"cron": "30 2 * * *", "catch_up": "all", "catch_up_window": 3 * DAY},
}


def declared() -> dict[str, Schedule]:
    return {
        name: declare(name, {"job": name, **about}, timezone="UTC")
        for name, about in SCHEDULES.items()
    }


class Jumping(RuleBasedStateMachine):
    """A daemon's chores, its clock, and what has truly happened, by the clock of the boot."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.folder = Path(tempfile.mkdtemp(prefix="jobctl-test-"))
        self.store = MemoryStore()
        self.said = io.StringIO()
        self.ended: dict[str, float] = {}  # when jobs ended, in true time
        self.stepped = -1e9  # when the clock jumped last, in true time
        self.jumps = 0
        self.begun = self.clock.boot()
        self.success = self.begun  # of the daily schedule
        self.made: Counter[str] = Counter()
        self.seen: set[str] = set()
        self.last_run: dict[str, float] = dict.fromkeys(SCHEDULES, self.begun)
        self.added = self.alarms = 0
        self.waits: dict[str, float] = {}  # since when retries wait, in true time
        self.idle = False  # whether nobody runs the jobs
        self.start()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    # -- the world ---------------------------------------------------------------------

    def start(self) -> None:
        keep = Keep(ages={status: KEPT for status in Status if status.finished})
        queue = QueueService(self.store, self.clock, keep=keep)
        self.work = Clockwork(self.clock, Log(self.clock, self.said), self.folder)
        self.work.use(Chores(schedules=declared(), cleaner=queue.retain), {})
        self.work._retention._at = 0.0
        self.run()

    def run(self) -> None:
        """Do all that is due now."""
        self.work.tick(self.clock.monotonic())
        for _ in range(200):
            errand = self.work.errand(self.clock.monotonic())
            if errand is None:
                break
            self.work.back(self.clock.monotonic(), errand(self.store))
        else:
            raise AssertionError("there is no end of chores")
        self.look()

    def look(self) -> None:
        """See what was made, what is gone, and what was said."""
        self.the_alarm_is_right()
        jobs = self.store._state.jobs  # without a copy of each
        now = self.clock.boot()
        for job in jobs.values():
            if job.schedule is not None and job.id not in self.seen:
                self.seen.add(job.id)
                self.made[job.schedule] += 1
                self.last_run[job.schedule] = now
        for job_id in [one for one in self.ended if one not in jobs]:
            self.gone(job_id, now - self.ended.pop(job_id))

    def gone(self, job_id: str, age: float) -> None:
        quiet = self.clock.boot() - self.stepped
        assert quiet >= trust.PROBATION, f"{job_id} was deleted {quiet:.0f} s after a jump"

    def spent(self, job: Job[Any], outcome: Outcome = Outcome.COMPLETED) -> None:
        done = end(self.store, job, outcome, self.clock.now(), Options(max_retries=0))
        self.ended[job.id] = self.clock.boot()
        self.work.ended(done)
        if done.schedule == "daily" and done.status is Status.COMPLETED:
            self.success = self.clock.boot()

    # -- what happens ------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1.0, 600.0, HOUR, 6 * HOUR, DAY, 3 * DAY]))
    def wait(self, seconds: float) -> None:
        """Let time pass; the daemon wakes for whatever is next."""
        left = seconds
        while left > 0:
            due = self.work.wait(self.clock.monotonic())
            step = min(left, HOUR, HOUR if due is None else max(due, 1.0))
            self.clock.advance(step)
            left -= step
            self.run()
            if not self.idle:
                self.work_off()

    @rule(by=st.sampled_from([YEAR, -YEAR, YEAR, -YEAR, DAY, -DAY, 3 * HOUR, -3 * HOUR]))
    def jump(self, by: float) -> None:
        self.clock.time += timedelta(seconds=by)
        self.stepped = self.clock.boot()
        self.jumps += 1
        self.clock.advance(1.0)  # so often a daemon looks at the clocks
        self.run()

    @rule(by=st.sampled_from([YEAR, -YEAR]))
    def jump_there_and_back(self, by: float) -> None:
        """As a clock that is wrong for a moment."""
        self.jump(by)
        self.jump(-by)

    @rule()
    def restart(self) -> None:
        """Another daemon; the last one was killed."""
        self.work._trust.save()  # it does so every 30 s, and at each step
        self.start()

    @rule()
    def work_off(self) -> None:
        """Jobs run, and complete."""
        for job in claim(self.store, 100, self.clock.now()):
            self.waits.pop(job.id, None)
            self.spent(job)
        self.run()

    @rule()
    def fail(self) -> None:
        """Jobs run, fail, and wait for their next attempt."""
        for job in claim(self.store, 1, self.clock.now()):
            end(self.store, job, Outcome.ERROR, self.clock.now(), Options(max_retries=99))
            self.waits[job.id] = self.clock.boot()
        self.run()

    @rule()
    def add(self) -> None:
        self.added += 1
        put(self.store, make_job(f"j{self.added}", created_at=self.clock.now()))

    # -- what must hold ----------------------------------------------------------------

    @invariant()
    def what_is_to_run_at_once_runs_at_once(self) -> None:
        jobs = self.store._state.jobs.values()
        if any(job.status is Status.PENDING and job.run_at is None for job in jobs):
            assert self.store.oldest_due(self.clock.now()) is not None

    @invariant()
    def no_retry_waits_for_a_time_that_was_shown_too_soon(self) -> None:
        for job_id, since in self.waits.items():
            job = self.store.get(job_id)
            if job is None or job.status is not Status.PENDING or job.run_at is None:
                continue
            # At a step its wait may begin anew.
            at_most = max(since, self.stepped) + LONGEST_WAIT
            left = (job.run_at - self.clock.now()).total_seconds()
            assert self.clock.boot() + left <= at_most, f"{job_id} waits for {left:.0f} s"

    @invariant()
    def no_schedule_fires_too_often(self) -> None:
        """Each tick of true time, and what may be made up for after each jump."""
        days = (self.clock.boot() - self.begun) / DAY
        for name, per_day, extra in (("daily", 1, 2), ("hourly", 24, 2), ("all", 1, 6)):
            most = (days + 1) * per_day + (self.jumps + 1) * extra
            assert self.made[name] <= most, f"{name} fired too often: {most} at most"

    @invariant()
    def no_schedule_is_silent(self) -> None:
        """A clock that shows another year hides no tick for longer than it lasts."""
        now = self.clock.boot()
        for name, length in (("daily", DAY), ("hourly", HOUR), ("all", DAY)):
            quiet = now - max(self.last_run[name], self.stepped)
            if quiet > length and self.ran_before(name, length):
                continue
            assert quiet <= 2 * length + HOUR, f"{name} has been silent for {quiet:.0f} s"

    def ran_before(self, name: str, length: float) -> bool:
        """Whether what is due by the clock ran when it showed this time before: none twice."""
        wall = self.clock.now()
        for note in self.store.notes(TICK, f"{name}@"):
            found = tick_of(note.key)
            if found and note.value.get("job_id"):
                if 0 <= (wall - found[1]).total_seconds() <= 2 * length:
                    return True
        return False

    def the_alarm_is_right(self) -> None:
        """It is given when there was no success for so long, in true time, and not before."""
        log = [json.loads(line) for line in self.said.getvalue().splitlines()]
        self.said.truncate(0)
        self.said.seek(0)
        for line in log:
            if line.get("overdue"):
                self.alarms += 1
                away = self.clock.boot() - self.success
                assert away >= EXPECTED - HOUR, f"a false alarm {away:.0f} s after a success"

    @invariant()
    def a_tick_has_one_record(self) -> None:
        for note in self.store.notes(TICK):
            assert tick_of(note.key) is not None


@pytest.fixture(autouse=True)
def _few_looks_for_old_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated months have many times ten minutes."""
    monkeypatch.setattr(retention, "EVERY", HOUR)


def test_jumps_by_a_year() -> None:
    run_state_machine_as_test(
        Jumping,
        settings=settings(
            max_examples=300 if FULL else 10,
            stateful_step_count=40 if FULL else 15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("again", [False, True], ids=["one daemon", "another daemon"])
@pytest.mark.parametrize("by", [YEAR, -YEAR, 0.0])
def test_the_alarm_comes_when_nothing_succeeds(by: float, again: bool) -> None:
    """Whatever the clock shows then, and once."""
    world = Jumping()
    try:
        world.wait(3 * DAY)
        world.jump(by)
        assert world.alarms == 0
        world.idle = True
        if again:
            world.restart()
        world.wait(2 * HOUR)  # the last success was 23 hours ago
        assert world.alarms == 0
        world.wait(EXPECTED + HOUR)
        assert world.alarms == 1
        world.wait(DAY)
        assert world.alarms == 1
    finally:
        world.teardown()


def test_no_alarm_for_a_success_that_was_written_a_year_ago() -> None:
    """By the clock of then; the daemon that was told of it is gone."""
    world = Jumping()
    try:
        for jump in (-YEAR, 3 * HOUR):
            world.jump(jump)
        world.wait(DAY)
        for jump in (YEAR, -3 * HOUR):
            world.jump(jump)
        world.restart()
        world.jump(-YEAR)
        world.wait(6 * HOUR)
        assert world.alarms == 0
    finally:
        world.teardown()


@pytest.mark.parametrize("who", ["one daemon", "another daemon", "after a boot"])
def test_retries_do_not_wait_for_a_year_that_never_was(
    who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putoff, "STEP", 3)
    world = Jumping()
    try:
        delayed = make_job("delayed", run_at=world.clock.now() + timedelta(days=30))
        put(world.store, delayed)
        for _ in range(8):
            world.add()
        world.jump(YEAR)
        for _ in range(7):
            world.fail()
        begun = claim(world.store, 1, world.clock.now())[0]
        world.work._trust.save()
        world.clock.time -= timedelta(seconds=YEAR)
        ended = end(world.store, begun, Outcome.ERROR, world.clock.now())
        if who == "one daemon":
            world.jump(0.0)
        else:
            if who == "after a boot":
                monkeypatch.setattr(trust, "read_boot_id", lambda: "another")
                world.clock.seconds = 20.0
            world.start()
        assert world.store.get(ended.id) == ended
        failed = [job for job in world.store.list(limit=20) if job.history and job != ended]
        assert len(failed) == 7
        latest = world.clock.now() + timedelta(seconds=2)  # the first backoff
        assert all(job.run_at and job.run_at <= latest for job in failed)
        assert all(job.status is Status.PENDING and job.rev == 4 for job in failed)
        assert world.store.get("delayed") == msgspec.structs.replace(delayed, seq=1)
    finally:
        world.teardown()


def test_a_rate_holds_a_name_back_for_an_interval_at_most() -> None:
    """Whatever the clock did since it was written down."""
    limits = Limits({"x": Limit(rate=(1, 60.0))})
    now = 1e9
    limits.begin("x", None, now)
    for jump in (YEAR, -YEAR, 2 * YEAR, -2 * YEAR):
        now += jump
        assert limits.name_open("x", now + 60.0)
        opens = limits.opens_at(now)
        assert opens is None or opens <= now + 60.0
        limits.begin("x", None, now + 60.0)
