"""Two years of random schedules: daemons die and start, and the clock jumps.

Each due tick fires at most once, and has a record. JOBCTL_FULL=1 runs 10,000 of them.
"""

from __future__ import annotations

import io
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from jobctl.core.job import Job, Status
from jobctl.core.note import TICK, Note
from jobctl.core.schedule import Schedule, declare, tick_of, ticks
from jobctl.core.standing import standing_of
from jobctl.core.store import Store
from jobctl.runtime import trust
from jobctl.runtime.log import Log
from jobctl.runtime.ticker import Ticker
from jobctl.runtime.trust import Trust
from tests.helpers import NOON, FakeClock

COUNT = 10_000 if os.environ.get("JOBCTL_FULL") else 200
YEARS = timedelta(days=730)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")


class Killed(Exception):
    """The daemon died."""


class Shelf:
    """What the ticker needs of a store, without copies: the last writes are kept apart."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.jobs: dict[str, Job[Any]] = {}
        self.notes_: dict[str, dict[str, Note]] = defaultdict(dict)
        self.unfinished: set[str] = set()
        self.made = 0
        self._jobs: dict[str, Job[Any]] = {}
        self._notes: dict[tuple[str, str], Note] = {}

    @contextmanager
    def transaction(self) -> Iterator[Shelf]:
        self._jobs, self._notes = {}, {}
        yield self
        fate = self.dice.random()
        if fate < 0.0005:
            raise Killed  # before the commit
        self.jobs.update(self._jobs)
        for (topic, key), note in self._notes.items():
            self.notes_[topic][key] = note
        self.unfinished.update(job.id for job in self._jobs.values() if not job.status.finished)
        if fate < 0.001:
            raise Killed  # after it: the daemon never learned

    def add(self, jobs: Iterable[Job[Any]]) -> None:
        for job in jobs:
            assert job.id not in self.jobs, f"{job.id} fires twice"
            assert job.id not in self._jobs, f"{job.id} fires twice"
            self._jobs[job.id] = job
            self.made += 1

    def save(self, job: Job[Any]) -> None:
        self._jobs[job.id] = job

    def get(self, job_id: str) -> Job[Any] | None:
        return self._jobs.get(job_id) or self.jobs.get(job_id)

    def put(self, note: Note) -> None:
        self._notes[note.topic, note.key] = note

    def note(self, topic: str, key: str) -> Note | None:
        return self._notes.get((topic, key)) or self.notes_[topic].get(key)

    def any_waiting(self) -> bool:
        return False

    def notes(self, topic: str) -> list[Note]:
        return list(self.notes_[topic].values())

    def finish_some(self) -> None:
        for job_id in list(self.unfinished):
            job = self.jobs[job_id]
            if job.status.finished or self.dice.random() < 0.7:
                self.jobs[job_id] = msgspec.structs.replace(job, status=Status.COMPLETED)
                self.unfinished.discard(job_id)


def random_schedule(number: int, dice: random.Random) -> Schedule:
    minute, hour = dice.randrange(60), dice.randrange(24)
    timing: dict[str, Any] = dice.choice(
        [
            {"cron": f"{minute} {hour} {dice.randrange(1, 29)} * *"},
            {"cron": f"{minute} {hour} * * {dice.randrange(7)}"},
            {"cron": f"{minute} {hour} {dice.randrange(1, 32)} {dice.choice((1, 3, 5, 7))} *"},
            {"cron": f"{minute} {hour} L */2 *"},
            {"cron": f"{minute} {hour} * * MON#{dice.randrange(1, 5)}"},
            {"every": dice.randrange(4 * 86400, 90 * 86400)},
        ]
    )
    # A few of them tick often.
    if number % 100 == 0:
        timing = {"cron": f"{minute} */{dice.randrange(1, 13)} * * *"}
    return declare(
        f"s{number}",
        {
            **timing,
            "job": "j",
            "overlap": dice.choice(("skip", "allow", "replace")),
            "catch_up": dice.choice(("none", "latest", "all")),
            "catch_up_window": dice.choice((3600.0, 86400.0, 30 * 86400.0)),
        },
        timezone=dice.choice(ZONES),
    )


class World:
    """The clock, the store, and the daemon of the moment."""

    def __init__(self, schedules: dict[str, Schedule], seed: int, folder: Path) -> None:
        self.dice = random.Random(seed)
        self.clock = FakeClock()
        self.shelf = Shelf(self.dice)
        self.schedules = schedules
        self.folder = folder
        self.deaths = self.jumps = 0
        self.start()

    def start(self) -> None:
        log = Log(self.clock, io.StringIO())
        self.trust = Trust(self.clock, self.folder, log, "boot")
        self.ticker = Ticker(log, up_since=self.clock.now(), alive=self.trust.alive)
        self.ticker.use(self.schedules)
        self.run()

    def run(self) -> None:
        """Do all that is due, by one daemon or by those after it."""
        while True:
            try:
                before = self.trust.trusted
                if self.trust.look() or self.trust.trusted != before:
                    self.ticker.look_again()
                while self.ticker.due(self.clock.now()):
                    self.ticker.step(
                        cast("Store", self.shelf), self.clock.now(), trusted=self.trust.trusted
                    )
                return
            except Killed:
                self.deaths += 1
                log = Log(self.clock, io.StringIO())
                self.trust = Trust(self.clock, self.folder, log, "boot")
                self.ticker = Ticker(log, up_since=self.clock.now(), alive=self.trust.alive)
                self.ticker.use(self.schedules)

    def live(self, until: Any) -> None:
        """Let time pass until the wall clock shows `until`."""
        event_at = self.clock.now()
        while self.clock.now() < until:
            if self.clock.now() >= event_at:
                self.happen()
                event_at = self.clock.now() + timedelta(days=self.dice.uniform(2, 20))
            wait = self.ticker.wait(self.clock.now())
            self.clock.advance(min(86400.0, (wait or 0.0) + self.dice.uniform(0, 900)))
            self.run()
            self.shelf.finish_some()

    def happen(self) -> None:
        kind = self.dice.choice(("down", "down", "kill", "ahead", "back", "sleep", "wrong"))
        if kind == "down":  # no daemon for a while
            self.trust.save()
            self.clock.advance(self.dice.choice((30.0, 3600.0, 86400.0, 9 * 86400.0)))
            self.start()
        elif kind == "kill":
            self.start()
        elif kind == "sleep":  # the daemon is held up
            self.clock.advance(self.dice.choice((120.0, 36000.0)))
        elif kind == "ahead":
            self.jumps += 1
            self.clock.time += timedelta(hours=self.dice.uniform(0.1, 100))
        elif kind == "back":
            self.jumps += 1
            self.clock.time -= timedelta(hours=self.dice.uniform(0.01, 100))
        else:  # far ahead for a moment, and put right
            away = timedelta(days=self.dice.uniform(1, 400))
            self.jumps += 1
            self.clock.time += away
            self.run()
            self.clock.time -= away
        self.run()


@pytest.mark.parametrize("seed", [1, 2])
def test_two_years(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "EVERY", 43200.0)  # two years have many half minutes
    dice = random.Random(seed)
    schedules = {one.name: one for one in (random_schedule(n, dice) for n in range(COUNT // 2))}
    world = World(schedules, seed, tmp_path)
    world.live(NOON + YEARS)
    now = world.clock.now()
    runs: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    single: set[tuple[str, Any]] = set()
    for note in world.shelf.notes(TICK):
        of = tick_of(note.key)
        assert of is not None
        name, at = of
        last = note.value.get("last")
        if last is None:
            single.add((name, at))
        else:
            runs[name].append((at, msgspec.convert(last, type(at))))
        if note.value["outcome"] in ("fired", "late"):
            assert note.value["job_id"] == note.key
            assert note.key in world.shelf.jobs
    due = 0
    for name, schedule in schedules.items():
        for at in ticks(schedule, NOON, now, cap=None):
            due += 1
            covered = (name, at) in single or any(a <= at <= b for a, b in runs[name])
            assert covered, f"{name} has no record of {at}: {schedule}"
    assert world.deaths
    assert world.jumps > 5
    assert world.shelf.made > due / 4
    assert all(standing_of(note).run_count <= due for note in world.shelf.notes("schedule"))
