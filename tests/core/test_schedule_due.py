"""Which ticks fire, which are missed, and what an unfinished job does to them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobctl.core.due import Action, Due, Missed, count_ticks, due, newest_ticks, overlap
from jobctl.core.schedule import Schedule, declare, ticks

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def schedule(cron: str | None = "0 * * * *", **fields: Any) -> Schedule:
    timing = {} if cron is None else {"cron": cron}
    return declare("s", {**timing, "job": "j", **fields}, timezone="UTC")


def fired(verdict: Due) -> list[str]:
    return [f"{tick.at:%d %H:%M:%S}{' late' if tick.late else ''}" for tick in verdict.fire]


def missed(verdict: Due) -> str | None:
    run = verdict.missed
    return None if run is None else f"{run.first:%d %H:%M} to {run.last:%d %H:%M}: {run.count}"


def test_a_tick_fires_once() -> None:
    first = due(schedule(), NOON - MINUTE, NOON)
    assert fired(first) == ["24 12:00:00"]
    assert first == Due(first.fire, None, NOON)
    again = due(schedule(), first.handled, NOON + MINUTE)
    assert (again.fire, again.missed) == ((), None)


def test_before_its_time_nothing_fires() -> None:
    early = due(schedule(), NOON - HOUR, NOON - timedelta(microseconds=1))
    assert (early.fire, early.missed) == ((), None)


def test_a_schedule_seen_for_the_first_time_owes_nothing() -> None:
    assert due(schedule(catch_up="all"), None, NOON) == Due((), None, NOON)


def test_a_clock_that_goes_back_fires_nothing_twice() -> None:
    handled = due(schedule(), NOON - MINUTE, NOON).handled
    back = due(schedule(), handled, NOON - 3 * HOUR)
    assert back == Due((), None, NOON)
    assert due(schedule(), back.handled, NOON) == Due((), None, NOON)
    assert fired(due(schedule(), back.handled, NOON + HOUR)) == ["24 13:00:00"]


@pytest.mark.parametrize(("seconds", "late"), [(0, ""), (60, ""), (60.001, " late")])
def test_late_is_over_a_minute(seconds: float, late: str) -> None:
    verdict = due(schedule(), NOON - MINUTE, NOON + timedelta(seconds=seconds))
    assert fired(verdict) == [f"24 12:00:00{late}"]


@pytest.mark.parametrize(
    ("catch_up", "fires", "misses"),
    [
        ("none", [], "24 09:00 to 24 12:00: 4"),
        ("latest", ["24 12:00:00 late"], "24 09:00 to 24 11:00: 3"),
        ("all", [f"24 {hour:02}:00:00 late" for hour in (9, 10, 11, 12)], None),
    ],
)
def test_after_downtime_catch_up_decides(
    catch_up: str, fires: list[str], misses: str | None
) -> None:
    verdict = due(
        schedule(catch_up=catch_up), NOON - 4 * HOUR, NOON + 5 * MINUTE, up_since=NOON + MINUTE
    )
    assert fired(verdict) == fires
    assert missed(verdict) == misses
    assert verdict.handled == NOON + 5 * MINUTE


@pytest.mark.parametrize(
    ("catch_up", "fires", "misses"),
    [
        ("none", ["24 12:00:00"], "24 09:00 to 24 11:00: 3"),
        # The newest of all fires already, so nothing has to be made up for.
        ("latest", ["24 12:00:00"], "24 09:00 to 24 11:00: 3"),
        ("all", [f"24 {at}" for at in ("09:00:00 late", "10:00:00 late", "11:00:00 late",
                                       "12:00:00")], None),
    ],
)  # fmt: skip
def test_a_tick_that_is_on_time_fires_whatever_was_missed(
    catch_up: str, fires: list[str], misses: str | None
) -> None:
    # A daemon that was up all the time, on a machine that slept.
    verdict = due(schedule(catch_up=catch_up), NOON - 4 * HOUR, NOON + timedelta(seconds=5))
    assert fired(verdict) == fires
    assert missed(verdict) == misses


@pytest.mark.parametrize(
    ("catch_up", "count"), [("none", 0), ("latest", 1), ("all", 5)]
)  # fmt: skip
def test_a_short_absence_is_an_absence(catch_up: str, count: int) -> None:
    """Five ticks of one second each came between the two daemons."""
    beat = schedule(None, every=1, catch_up=catch_up)
    came_up = NOON + timedelta(seconds=5.2)
    verdict = due(beat, NOON, came_up, up_since=came_up)
    assert len(verdict.fire) == count
    assert not any(tick.late for tick in verdict.fire)
    assert (verdict.missed.count if verdict.missed else 0) == 5 - count


def test_a_daemon_that_was_there_fires_each() -> None:
    verdict = due(schedule(None, every=1, catch_up="none"), NOON, NOON + timedelta(seconds=5))
    assert len(verdict.fire) == 5
    assert verdict.missed is None


@pytest.mark.parametrize(
    ("window", "fires", "misses"),
    [
        (3 * 3600, ["24 09:05:00 late", "24 10:05:00 late", "24 11:05:00 late"],
         "24 07:05 to 24 08:05: 2"),
        # The edge of the window belongs to it.
        (55 * 60, ["24 11:05:00 late"], "24 07:05 to 24 10:05: 4"),
        (55 * 60 - 1, [], "24 07:05 to 24 11:05: 5"),
        (0, [], "24 07:05 to 24 11:05: 5"),
    ],
)  # fmt: skip
def test_the_window(window: int, fires: list[str], misses: str) -> None:
    hourly = schedule("5 * * * *", catch_up="all", catch_up_window=window)
    verdict = due(hourly, NOON - 5 * HOUR, NOON)
    assert fired(verdict) == fires
    assert missed(verdict) == misses
    latest = due(
        schedule("5 * * * *", catch_up="latest", catch_up_window=window), NOON - 5 * HOUR, NOON
    )
    assert fired(latest) == fires[-1:]


def test_the_default_is_the_latest_of_a_day() -> None:
    assert fired(due(schedule("5 11 * * *"), NOON - 3 * DAY, NOON)) == ["24 11:05:00 late"]
    assert fired(due(schedule("5 12 * * *"), NOON - 3 * DAY, NOON)) == ["23 12:05:00 late"]
    assert fired(due(schedule("5 9 23 * *"), NOON - 3 * DAY, NOON)) == []


def test_too_many_never_fire_at_once() -> None:
    minutely = schedule("* * * * *", catch_up="all")
    verdict = due(minutely, NOON - 2 * DAY, NOON, cap=10)
    assert fired(verdict)[0] == "24 11:51:00 late"
    assert len(verdict.fire) == 10
    assert verdict.missed == Missed(
        NOON - 2 * DAY + MINUTE,
        NOON - 10 * MINUTE,
        2 * 24 * 60 - 10,
        # In the window of a day, its edge included, and left out for the cap alone.
        24 * 60 + 1 - 10,
    )
    assert due(minutely, NOON - 9 * MINUTE, NOON, cap=10).missed is None


def test_one_tick_after_start_and_none_after_end() -> None:
    bounded = schedule(start=NOON - 2 * HOUR, end=NOON - HOUR, catch_up="all")
    verdict = due(bounded, NOON - DAY, NOON)
    assert fired(verdict) == ["24 10:00:00 late", "24 11:00:00 late"]
    assert verdict.missed is None
    none = due(schedule(start=NOON + HOUR), NOON - DAY, NOON)
    assert (none.fire, none.missed) == ((), None)


@pytest.mark.parametrize("fields", [{"cron": "* * * * *"}, {"cron": None, "every": 60}])
def test_a_year_of_minutes_is_not_walked_through(fields: dict[str, Any]) -> None:
    began = time.perf_counter()
    verdict = due(schedule(**fields), NOON - 365 * DAY, NOON + timedelta(seconds=61))
    assert verdict.missed is not None
    assert verdict.missed.count == 365 * 24 * 60
    assert verdict.missed.last == NOON
    # Walking takes several seconds.
    assert time.perf_counter() - began < 1.5


TIMINGS: list[dict[str, Any]] = [
    {"cron": None, "every": 7},
    {"cron": None, "every": 3600, "start": NOON - DAY + timedelta(seconds=13)},
    {"cron": "*/5 * * * *"},
    {"cron": "0 9-17 * * 1-5"},
    {"cron": "30 1,2 * * *", "timezone": "America/New_York"},
    {"cron": "*/20 2 * * *", "timezone": "Europe/Berlin", "end": NOON - HOUR},
]


@given(
    st.sampled_from(TIMINGS),
    st.sampled_from(["none", "latest", "all"]),
    st.lists(st.tuples(st.integers(-7200, 90_000), st.booleans()), min_size=2, max_size=12),
    st.integers(1, 30),
)
@settings(max_examples=150, deadline=None)
def test_each_tick_is_decided_on_once(
    timing: dict[str, Any], catch_up: str, steps: list[tuple[int, bool]], cap: int
) -> None:
    """The clock jumps about, daemons end and start; whoever looks goes on from `handled`."""
    declared = schedule(**timing, catch_up=catch_up, catch_up_window=6 * 3600)
    last = now = up_since = datetime(2026, 10, 30, 3, 0, 30, tzinfo=UTC)
    fires: list[datetime] = []
    total = 0
    for seconds, restart in steps:
        now += timedelta(seconds=seconds)
        if restart:
            up_since = now
        verdict = due(declared, last, now, up_since=up_since, cap=cap)
        new = [tick.at for tick in verdict.fire]
        assert len(new) <= cap
        assert all(last < at <= now for at in new)
        if verdict.missed is not None:
            total += verdict.missed.count
            between = list(ticks(declared, last, now, cap=None))
            assert between[0] == verdict.missed.first
            assert between[verdict.missed.count - 1] == verdict.missed.last
        fires += new
        assert verdict.handled >= last
        last = verdict.handled
    begin = datetime(2026, 10, 30, 3, 0, 30, tzinfo=UTC)
    everything = list(ticks(declared, begin, last, cap=None))
    assert len(set(fires)) == len(fires)
    assert fires == sorted(fires)
    assert set(fires) <= set(everything)
    assert len(fires) + total == len(everything) == count_ticks(declared, begin, last)
    assert newest_ticks(declared, begin, last, cap) == everything[-cap:]


@pytest.mark.parametrize(
    ("rule", "unfinished", "action", "behind"),
    [
        ("skip", None, Action.FIRE, None),
        ("allow", None, Action.FIRE, None),
        ("replace", None, Action.FIRE, None),
        ("skip", "s@1", Action.SKIP, "s@1"),
        ("allow", "s@1", Action.FIRE, None),
        ("replace", "s@1", Action.REPLACE, "s@1"),
    ],
)
def test_overlap(rule: str, unfinished: str | None, action: Action, behind: str | None) -> None:
    verdict = overlap(schedule(overlap=rule), unfinished)
    assert (verdict.action, verdict.behind) == (action, behind)
    assert (behind is None) == (verdict.reason is None)
    assert behind is None or behind in str(verdict.reason)
