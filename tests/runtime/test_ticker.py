"""Schedules -> jobs, step by step, on a fake clock."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Outcome, Status
from jobctl.core.note import SCHEDULE, TICK
from jobctl.core.schedule import Schedule, declare
from jobctl.core.standing import Standing, note_of, standing_of
from jobctl.errors import StoreFull
from jobctl.runtime.log import Log
from jobctl.runtime.ticker import SEEN, Ticker
from jobctl.runtime.trust import PROBATION, Trust
from jobctl.services.clockfile import check_clock, confirm
from jobctl.stores.memory import MemoryStore
from tests.helpers import NOON, FakeClock, after, claim, end, ids, there

DAY = 86400


def hourly(name: str = "s", **fields: Any) -> Schedule:
    timing = {} if "every" in fields else {"cron": "0 * * * *"}
    return declare(name, {**timing, "job": "j", **fields}, timezone="UTC")


class Bench:
    """Daemons, one after the other, on one store and one clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.said = io.StringIO()
        self.schedules: dict[str, Schedule] = {}
        self.trusted = True
        self.start()

    def start(self, *schedules: Schedule, alive: datetime | None = None) -> None:
        """Start a daemon; what ran before is gone."""
        self.ticker = Ticker(Log(self.clock, self.said), up_since=self.clock.now(), alive=alive)
        self.use(*schedules)

    def use(self, *schedules: Schedule) -> None:
        self.schedules = {one.name: one for one in schedules} or self.schedules
        self.ticker.use(self.schedules)
        self.run()

    def run(self) -> None:
        while self.ticker.due(self.clock.now()):
            self.ticker.step(self.store, self.clock.now(), trusted=self.trusted)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and do all that is due on the way."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while True:
            self.run()
            left = (until - self.clock.now()).total_seconds()
            wait = self.ticker.wait(self.clock.now())
            if wait is None or wait > left:
                break
            self.clock.advance(wait)
        self.clock.advance(left)
        self.run()

    def ticks(self) -> list[str]:
        """Return the records: `13:00 fired`, with the count and the reason if there are."""
        return [
            " ".join(
                [
                    note.key.partition("@")[2][8:16].replace("T", " "),
                    note.value["outcome"],
                    *([f"x{note.value['count']}"] if "count" in note.value else []),
                    *([f"({note.value['reason']})"] if "reason" in note.value else []),
                ]
            )
            for note in self.store.notes(TICK)
        ]

    def jobs(self) -> list[str]:
        return sorted(job.id for job in self.store.list(limit=10_000))

    def standing(self, name: str = "s") -> Standing:
        (note,) = [note for note in self.store.notes(SCHEDULE) if note.key == name]
        return standing_of(note)

    def finish(self) -> None:
        """Run all jobs that are due."""
        while claimed := claim(self.store, 100, self.clock.now()):
            for job in claimed:
                end(self.store, job, at=self.clock.now())


@pytest.fixture
def bench(clock: FakeClock) -> Iterator[Bench]:
    bench = Bench(clock)
    yield bench
    bench.store.close()


def test_a_tick_makes_one_job_and_one_record(bench: Bench) -> None:
    bench.start(hourly(data={"n": 1}, priority=4, max_retries=2))
    bench.pass_time(3600)
    assert bench.jobs() == ["s@2026-11-24T13:00:00Z"]
    job = there(bench.store, "s@2026-11-24T13:00:00Z")
    assert (job.name, job.data, job.priority, job.max_retries) == ("j", {"n": 1}, 4, 2)
    assert (job.schedule, job.run_at, job.created_at) == ("s", None, after(3600))
    assert bench.ticks() == ["24 13:00 fired"]
    bench.run()
    bench.start()
    assert bench.jobs() == ["s@2026-11-24T13:00:00Z"]
    standing = bench.standing()
    assert (standing.run_count, standing.last_run) == (1, after(3600))
    assert standing.last_tick is not None
    assert standing.last_tick.job_id == "s@2026-11-24T13:00:00Z"


def test_a_schedule_seen_for_the_first_time_owes_nothing(bench: Bench) -> None:
    bench.start(hourly(catch_up="all", start=after(-10 * DAY)))
    assert (bench.jobs(), bench.ticks()) == ([], [])


def test_jitter_puts_the_job_off(bench: Bench) -> None:
    bench.start(hourly(jitter=600))
    bench.pass_time(3600)
    (job,) = bench.store.list()
    assert job.run_at is not None
    assert after(3600) < job.run_at < after(4200)


@pytest.mark.parametrize(
    ("catch_up", "fired", "missed"),
    [
        ("none", 0, "24 13:00 missed x3 (no daemon ran for 3h)"),
        ("latest", 1, "24 13:00 missed x2 (no daemon ran for 3h)"),
        ("all", 3, None),
    ],
)
def test_after_downtime_catch_up_decides(
    bench: Bench, catch_up: str, fired: int, missed: str | None
) -> None:
    bench.start(hourly(catch_up=catch_up))
    bench.clock.advance(3 * 3600 + 1800)
    bench.start(alive=after(1800))
    assert len(bench.jobs()) == fired
    assert [one for one in bench.ticks() if "missed" in one] == ([missed] if missed else [])
    late = [one for one in bench.ticks() if "late" in one]
    assert len(late) == fired
    if late:
        assert late[-1] == "24 15:00 late (by 30m)"


def test_catch_up_all_runs_them_one_after_the_other(bench: Bench) -> None:
    bench.start(hourly(catch_up="all"))
    bench.clock.advance(3 * 3600)
    bench.start()
    keys = {job.concurrency_key for job in bench.store.list()}
    assert keys == {"schedule:s"}
    assert len(bench.jobs()) == 3


def test_catch_up_all_has_a_cap_and_says_so(bench: Bench) -> None:
    bench.start(hourly(every=60, catch_up="all"))
    bench.clock.advance(500 * 60)
    bench.start()
    assert len(bench.jobs()) == 100
    (missed,) = [one for one in bench.ticks() if "missed" in one]
    assert "x400" in missed
    assert "400 of them were left out because too many would fire at once" in missed
    assert "400 ticks were left out" in bench.said.getvalue()


def test_a_late_tick_says_by_how_much(bench: Bench) -> None:
    bench.start(hourly())
    bench.clock.advance(3600 + 61)
    bench.run()
    assert bench.ticks() == ["24 13:00 late (by 1m1s)"]


def test_a_machine_that_slept_is_not_a_daemon_that_was_down(bench: Bench) -> None:
    bench.start(hourly(catch_up="none"))
    bench.clock.advance(3600 + 600)
    bench.run()
    assert bench.ticks() == [
        "24 13:00 missed (the daemon came to it 10m too late: it was held up, or the machine "
        "slept)"
    ]


# --- overlap -----------------------------------------------------------------------------


def test_skip_says_behind_which_job(bench: Bench) -> None:
    bench.start(hourly())
    bench.pass_time(2 * 3600)
    first = "s@2026-11-24T13:00:00Z"
    assert bench.jobs() == [first]
    assert bench.ticks()[1:] == [f"24 14:00 skipped (an earlier job was unfinished: {first})"]
    bench.finish()
    bench.pass_time(3600)
    assert bench.jobs() == [first, "s@2026-11-24T15:00:00Z"]
    assert bench.standing().run_count == 2


def test_allow_runs_beside_it(bench: Bench) -> None:
    bench.start(hourly(overlap="allow"))
    bench.pass_time(3 * 3600)
    assert len(bench.jobs()) == 3


def test_allow_edited_to_skip_knows_all_that_is_unfinished(bench: Bench) -> None:
    bench.start(hourly(overlap="allow"))
    bench.pass_time(2 * 3600)
    first, second = bench.jobs()
    bench.use(hourly(overlap="skip"))
    # The newest ends, the oldest goes on.
    (running, last) = claim(bench.store, 2, bench.clock.now())
    assert (running.id, last.id) == (first, second)
    end(bench.store, last)
    bench.pass_time(3600)
    assert len(bench.jobs()) == 2
    assert first in bench.ticks()[-1]


def test_replace_cancels_the_earlier_one(bench: Bench) -> None:
    bench.start(hourly(overlap="replace"))
    bench.pass_time(3600)
    claim(bench.store, 1, bench.clock.now())
    bench.pass_time(3600)
    first, second = bench.jobs()
    assert there(bench.store, first).cancelling
    bench.pass_time(3600)
    assert there(bench.store, second).status is Status.CANCELLED
    assert bench.ticks()[1] == f"24 14:00 fired (replaces {first}, which was unfinished)"


def test_a_job_that_was_retried_counts_as_unfinished(bench: Bench) -> None:
    from jobctl.services.queue import QueueService

    bench.start(hourly(max_retries=0))
    bench.pass_time(3600)
    (job,) = claim(bench.store, 1, bench.clock.now())
    end(bench.store, job, Outcome.ERROR, options=transitions.Options(max_retries=0))
    bench.pass_time(3600)
    (second,) = claim(bench.store, 1, bench.clock.now())
    end(bench.store, second)
    QueueService(bench.store, bench.clock).retry(job.id)
    bench.pass_time(3600)
    assert len(bench.jobs()) == 2
    assert bench.ticks()[-1] == f"24 15:00 skipped (an earlier job was unfinished: {job.id})"


# --- edits and switches ------------------------------------------------------------------


def test_edited_timing_owes_nothing_from_before(bench: Bench) -> None:
    bench.start(hourly())
    bench.clock.advance(3 * 3600 + 60)
    bench.start(hourly(cron="30 * * * *", catch_up="all"))
    assert (bench.jobs(), bench.ticks()) == ([], [])
    bench.pass_time(1800)
    assert bench.jobs() == ["s@2026-11-24T15:30:00Z"]


def test_other_edits_owe_what_was_due(bench: Bench) -> None:
    bench.start(hourly())
    bench.clock.advance(3 * 3600 + 60)
    bench.start(hourly(job="other"))
    assert ids(bench.store.list(name="other")) == ["s@2026-11-24T15:00:00Z"]


def test_a_removed_schedule_fires_no_more(bench: Bench) -> None:
    bench.start(hourly("a"), hourly("b"))
    bench.use(hourly("b"))
    bench.pass_time(3600)
    assert bench.jobs() == ["b@2026-11-24T13:00:00Z"]


def test_an_edit_takes_the_place_of_what_was_planned(bench: Bench) -> None:
    bench.start(hourly())
    bench.use(hourly(every=86400))
    bench.pass_time(3 * 3600)
    assert bench.jobs() == []


def test_one_that_is_off_fires_nothing_and_owes_nothing(bench: Bench) -> None:
    bench.start(hourly(enabled=False, catch_up="all"))
    bench.pass_time(5 * 3600)
    bench.use(hourly(catch_up="all"))
    assert (bench.jobs(), bench.ticks()) == ([], [])
    bench.pass_time(3600)
    assert bench.jobs() == ["s@2026-11-24T18:00:00Z"]


@pytest.mark.parametrize("declared", [True, False])
def test_the_switch_beats_the_file(bench: Bench, declared: bool) -> None:
    bench.start(hourly(enabled=declared))
    with bench.store.transaction() as tx:
        standing = standing_of(tx.note(SCHEDULE, "s"))
        changed = Standing(
            handled=standing.handled, timing=standing.timing, switch=not declared
        )
        tx.put(note_of("s", changed, NOON))
    bench.pass_time(3600)
    assert bool(bench.jobs()) is not declared


# --- clocks ------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [True, False])
def test_a_clock_that_goes_back_fires_nothing_twice(bench: Bench, restart: bool) -> None:
    bench.start(hourly(overlap="allow", catch_up="all"))
    bench.pass_time(3 * 3600)
    made = bench.jobs()
    bench.clock.time -= timedelta(hours=2, minutes=30)
    if restart:
        bench.start()
    bench.ticker.look_again()
    bench.pass_time(2 * 3600)
    assert bench.jobs() == made
    bench.pass_time(2 * 3600)
    assert len(bench.jobs()) == 4


def test_a_clock_that_was_years_ahead_hides_nothing(bench: Bench) -> None:
    bench.start(hourly(overlap="allow"))
    bench.clock.time += timedelta(days=3650)
    bench.trusted = False
    bench.run()
    bench.clock.time -= timedelta(days=3650)
    bench.ticker.look_again()
    bench.pass_time(3600)
    assert "s@2026-11-24T13:00:00Z" in bench.jobs()


def test_days_that_a_clock_jumped_over_are_one_record(bench: Bench) -> None:
    bench.start(hourly(catch_up="all", catch_up_window=30 * DAY))
    bench.clock.time += timedelta(days=10, minutes=30)
    bench.trusted = False
    bench.run()
    assert bench.jobs() == []
    assert bench.ticks() == [
        "24 13:00 missed x240 (the clock had stepped past it, and is not trusted yet)"
    ]
    bench.pass_time(1800)
    assert bench.jobs() == ["s@2026-12-04T13:00:00Z"]


def believe(bench: Bench) -> None:
    """Have the clock trusted again."""
    bench.trusted = True
    bench.ticker.look_again()
    bench.run()


def test_what_a_jump_left_out_is_made_up_for_once_the_clock_is_trusted(bench: Bench) -> None:
    bench.start(hourly(every=DAY, catch_up="all", catch_up_window=3 * DAY, overlap="allow"))
    bench.clock.time += timedelta(days=5)
    bench.trusted = False
    bench.run()
    assert bench.ticks() == [
        "25 00:00 missed x5 (the clock had stepped past it, and is not trusted yet)"
    ]
    bench.pass_time(DAY)
    assert bench.jobs() == ["s@2026-11-30T00:00:00Z"]
    believe(bench)
    # The window reaches back three days from now: those before stay missed.
    assert bench.ticks() == [
        "25 00:00 missed x3 (the clock had stepped past it, and is not trusted yet)",
        "28 00:00 late (by 2d12h)",
        "29 00:00 late (by 1d12h)",
        "30 00:00 fired",
    ]
    assert len(bench.jobs()) == 3
    standing = bench.standing()
    assert (standing.run_count, standing.owed) == (3, ())
    assert standing.last_run == after(5.5 * DAY)
    assert standing.last_tick is not None
    assert standing.last_tick.outcome == "fired"
    believe(bench)
    assert len(bench.jobs()) == 3


def test_all_that_was_put_off_may_fire(bench: Bench) -> None:
    bench.start(hourly(every=DAY, catch_up="all", catch_up_window=9 * DAY, overlap="allow"))
    bench.clock.time += timedelta(days=2)
    bench.trusted = False
    bench.run()
    believe(bench)
    assert bench.ticks() == ["25 00:00 late (by 1d12h)", "26 00:00 late (by 12h)"]


@pytest.mark.parametrize(
    ("catch_up", "later", "fired"),
    [("none", 0, 0), ("latest", 0, 1), ("latest", DAY, 1), ("all", 0, 5), ("all", DAY, 6)],
)
def test_put_off_ticks_follow_catch_up(
    bench: Bench, catch_up: str, later: int, fired: int
) -> None:
    bench.start(hourly(every=DAY, catch_up=catch_up, catch_up_window=30 * DAY, overlap="allow"))
    bench.clock.time += timedelta(days=5)
    bench.trusted = False
    bench.run()
    bench.pass_time(later)
    believe(bench)
    # "latest" has had a run since; with none between, it is the newest that was put off.
    assert len(bench.jobs()) == fired + (later > 0 and catch_up == "none")
    if catch_up == "latest":
        last = after(4.5 * DAY + (DAY if later else 0))
        assert bench.standing().last_run == last


def test_runs_that_were_put_off_one_after_the_other(bench: Bench) -> None:
    bench.start(hourly(every=DAY, catch_up="all", catch_up_window=30 * DAY, overlap="allow"))
    bench.trusted = False
    bench.clock.time += timedelta(days=2)
    bench.run()
    bench.pass_time(DAY)
    bench.clock.advance(2 * DAY)
    bench.start()  # nobody was there, and the clock is still in doubt
    assert [line.split()[2:4] for line in bench.ticks()] == [
        ["missed", "x2"],
        ["fired"],
        ["missed", "x2"],
    ]
    believe(bench)
    assert [line.split()[2] for line in bench.ticks()] == ["late"] * 2 + ["fired"] + [
        "late"
    ] * 2


def test_never_more_than_a_burst_is_made_up_for(bench: Bench) -> None:
    bench.start(hourly(catch_up="all", catch_up_window=30 * DAY, overlap="allow"))
    bench.clock.time += timedelta(days=10, minutes=30)
    bench.trusted = False
    bench.run()
    believe(bench)
    assert len(bench.jobs()) == 100
    assert bench.ticks()[0].startswith("24 13:00 missed x140")
    assert "140 ticks were left out" in bench.said.getvalue()


@pytest.mark.parametrize("change", ["timing", "off"])
def test_an_edited_schedule_owes_nothing_of_what_was_put_off(bench: Bench, change: str) -> None:
    fields: dict[str, Any] = {"catch_up": "all", "catch_up_window": 30 * DAY}
    bench.start(hourly(**fields))
    bench.clock.time += timedelta(days=1, minutes=30)
    bench.trusted = False
    bench.run()
    if change == "off":
        bench.use(hourly(**fields, enabled=False))
        believe(bench)
        assert bench.jobs() == []
        bench.use(hourly(**fields))
    else:
        bench.use(hourly(**{**fields, "every": 7200}))
    believe(bench)
    assert bench.jobs() == []
    assert bench.standing().owed == ()


def test_a_jump_that_is_taken_back_is_not_made_up_for(bench: Bench) -> None:
    bench.start(hourly(catch_up="all", catch_up_window=30 * DAY, overlap="allow"))
    bench.clock.time += timedelta(days=9, minutes=30)
    bench.trusted = False
    bench.run()
    bench.clock.time -= timedelta(days=9, minutes=30)
    bench.ticker.look_again()
    bench.pass_time(3600)
    believe(bench)
    assert bench.jobs() == ["s@2026-11-24T13:00:00Z"]


def test_a_clock_that_is_trusted_is_caught_up_with(bench: Bench) -> None:
    bench.start(hourly(catch_up="latest"))
    bench.clock.time += timedelta(days=10, minutes=30)
    bench.run()
    assert bench.jobs() == ["s@2026-12-04T12:00:00Z"]


# --- the store ---------------------------------------------------------------------------


def test_what_the_store_refuses_is_done_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start(hourly())
    bench.clock.advance(3600)

    def full() -> Any:
        raise StoreFull("full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "transaction", full)
        with pytest.raises(StoreFull):
            bench.ticker.step(bench.store, bench.clock.now())
    assert bench.ticker.due(bench.clock.now())
    bench.run()
    assert len(bench.jobs()) == 1


def test_many_are_taken_up_in_steps(bench: Bench) -> None:
    bench.ticker.use({f"s{n}": hourly(f"s{n}") for n in range(SEEN + 1)})
    assert len(bench.ticker.step(bench.store, bench.clock.now())) == SEEN
    assert len(bench.ticker.step(bench.store, bench.clock.now())) == 1
    assert not bench.ticker.due(bench.clock.now())


# --- trust -------------------------------------------------------------------------------


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


def trust(clock: FakeClock, folder: Path, said: io.StringIO, boot: str = "one") -> Trust:
    return Trust(clock, folder, Log(clock, said), boot)


def test_a_step_is_believed_after_a_day(
    clock: FakeClock, tmp_path: Path, said: io.StringIO
) -> None:
    one = trust(clock, tmp_path, said)
    clock.time += timedelta(seconds=299)
    assert (one.look(), one.trusted) == (0, True)
    clock.time -= timedelta(seconds=301)
    assert (one.look(), one.trusted) == (-301, False)
    assert "the clock stepped back by 5m1s" in said.getvalue()
    clock.advance(PROBATION - 1)
    assert (one.look(), one.trusted) == (0, False)
    clock.advance(1)
    assert (one.look(), one.trusted) == (0, True)


def test_a_slow_drift_is_no_step(clock: FakeClock, tmp_path: Path, said: io.StringIO) -> None:
    one = trust(clock, tmp_path, said)
    for _ in range(100):
        clock.advance(3600)
        clock.time += timedelta(seconds=60)
        assert one.look() == 0


def test_what_is_known_outlives_the_daemon(
    clock: FakeClock, tmp_path: Path, said: io.StringIO
) -> None:
    one = trust(clock, tmp_path, said)
    one.save()
    clock.advance(100)
    clock.time += timedelta(hours=1)
    second = trust(clock, tmp_path, said)
    assert not second.trusted
    assert second.alive == NOON
    second.save()
    clock.advance(PROBATION / 2)
    second.look()
    second.save()
    clock.seconds = 5.0
    third = trust(clock, tmp_path, said, boot="two")
    assert not third.trusted
    clock.advance(PROBATION / 2)
    third.look()
    assert third.trusted


def test_a_boot_is_no_step(clock: FakeClock, tmp_path: Path, said: io.StringIO) -> None:
    trust(clock, tmp_path, said).save()
    clock.time += timedelta(days=3)
    clock.seconds = 5.0
    assert trust(clock, tmp_path, said, boot="two").trusted


def test_a_clock_that_somebody_confirms(
    clock: FakeClock, tmp_path: Path, said: io.StringIO
) -> None:
    one = trust(clock, tmp_path, said)
    confirm(tmp_path, clock)
    clock.time += timedelta(hours=3)
    # What was said of the clock before its step is not said of it now.
    assert (one.look(), one.trusted) == (3 * 3600, False)
    confirm(tmp_path, clock)
    assert (one.look(), one.trusted) == (0, True)
    assert "the clock was confirmed" in said.getvalue()
    clock.time -= timedelta(hours=3)
    assert (one.look(), one.trusted) == (-3 * 3600, False)  # it was said only once


def test_the_next_daemon_believes_it_too(
    clock: FakeClock, tmp_path: Path, said: io.StringIO
) -> None:
    one = trust(clock, tmp_path, said)
    clock.time += timedelta(hours=3)
    one.look()
    one.save()
    assert [found.code for found in check_clock(tmp_path)] == ["clock"]
    confirm(tmp_path, clock)
    assert not check_clock(tmp_path)
    assert trust(clock, tmp_path, said).trusted
    assert trust(clock, tmp_path, said).trusted


def test_a_broken_file_is_none(clock: FakeClock, tmp_path: Path, said: io.StringIO) -> None:
    (tmp_path / "clock.json").write_bytes(b"{\xff")
    assert trust(clock, tmp_path, said).alive is None
