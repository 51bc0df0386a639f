"""What a schedule declares, when its ticks come, and what the plan says of them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core.schedule import (
    CatchUp,
    Overlap,
    Schedule,
    declare,
    delay,
    is_late,
    next_tick,
    plan,
    tick_id,
    tick_of,
    ticks,
)
from jobctl.errors import InvalidJob

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NEW_YORK = "America/New_York"


def schedule(timezone: str = "UTC", **table: Any) -> Schedule:
    return declare("nightly", {"job": "clean", **table}, timezone=timezone)


def utc(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def test_the_defaults() -> None:
    plain = schedule(cron="DAILY_3AM")
    assert plain == Schedule(
        name="nightly",
        cron="DAILY_3AM",
        every=None,
        timezone="UTC",
        job="clean",
        data={},
        priority=0,
        max_retries=None,
        enabled=True,
        overlap=Overlap.SKIP,
        catch_up=CatchUp.LATEST,
        catch_up_window=24 * 3600,
        jitter=0,
        expect_within=None,
        start=None,
        end=None,
    )


def test_the_table_goes_before_the_machines_zone() -> None:
    table = {"cron": "@daily", "job": "j", "timezone": "Asia/Tokyo"}
    assert declare("s", table, timezone="Europe/Berlin").timezone == "Asia/Tokyo"
    del table["timezone"]
    assert declare("s", table, timezone="Europe/Berlin").timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({}, "cron or every: give one"),
        ({"cron": "@daily", "every": 90}, "cron or every: give one"),
        ({"cron": "0 0 31 2 *"}, "day of month: no FEB has day 31"),
        ({"every": 0}, "every 0 is refused"),
        ({"every": 0.5}, "every 0.5 is refused"),
        ({"every": 1.5}, "every 1.5 is refused"),
        ({"every": True}, "every True is refused"),
        ({"every": float("inf")}, "every inf is refused"),
        ({"every": 10**400}, "every "),
        ({"every": 90, "timezone": "Europe/Berlim"}, "timezone 'Europe/Berlim' is unknown"),
        ({"every": 90, "timezone": "../etc/passwd"}, "timezone '../etc/passwd' is unknown"),
        ({"every": 90, "timezone": ""}, "timezone '' is unknown"),
        ({"every": 90, "timezone": "Europe"}, "timezone 'Europe' is unknown"),
        ({"every": 90, "overlap": "maybe"}, "overlap"),
        ({"every": 90, "catch_up": "some"}, "catch_up"),
        ({"every": 90, "start": NOON, "end": NOON - timedelta(seconds=1)}, "end lies before"),
        ({"every": 90, "start": NOON.replace(tzinfo=None)}, "has no zone"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(table: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        schedule(**table)
    assert why in str(caught.value)


def test_every_counts_from_the_epoch() -> None:
    beat = schedule(every=90.0)
    assert next_tick(beat, NOON) == NOON + timedelta(seconds=90)
    assert next_tick(beat, NOON - timedelta(microseconds=1)) == NOON
    assert next_tick(schedule(every=7 * 86400), utc(2026, 11, 24)) == utc(2026, 11, 26)


def test_every_counts_from_start_and_start_is_a_tick() -> None:
    start = NOON + timedelta(seconds=17, microseconds=5)
    first = NOON + timedelta(seconds=18)
    beat = schedule(every=3600, start=start)
    assert next_tick(beat, utc(2000, 1, 1)) == first
    assert next_tick(beat, first) == first + timedelta(hours=1)
    assert next_tick(beat, first + timedelta(days=9)) == first + timedelta(days=9, hours=1)


@pytest.mark.parametrize("table", [{"cron": "0 * * * *"}, {"every": 3600}])
def test_start_and_end_are_ticks_themselves(table: dict[str, Any]) -> None:
    bounded = schedule(**table, start=NOON, end=NOON + timedelta(hours=2))
    want = [NOON + timedelta(hours=n) for n in range(3)]
    assert list(ticks(bounded, utc(2000, 1, 1))) == want
    assert next_tick(bounded, want[-1]) is None


def test_the_last_year_of_the_calendar() -> None:
    end = utc(9999, 12, 31, 23, 59, 59)
    assert next_tick(schedule(every=3600), end) is None
    for zone in ("UTC", NEW_YORK, "Pacific/Apia"):
        assert next_tick(schedule(zone, cron="30 2 1 1 *"), end) is None
        assert next_tick(schedule(zone, cron="* * * * *"), end) is None


def test_ticks_stop_at_the_bound_and_at_the_cap() -> None:
    hourly = schedule(cron="@hourly")
    assert len(list(ticks(hourly, NOON, cap=5))) == 5
    assert list(ticks(hourly, NOON, NOON + timedelta(hours=2))) == [
        NOON + timedelta(hours=1),
        NOON + timedelta(hours=2),
    ]


def test_an_id_tells_its_tick() -> None:
    assert tick_id("nightly", NOON) == "nightly@2026-11-24T12:00:00Z"
    assert tick_of("nightly@2026-11-24T12:00:00Z") == ("nightly", NOON)
    assert tick_of("a@b@2026-11-24T12:00:00Z") == ("a@b", NOON)
    for other in ("abcdefgh", "@2026-11-24T12:00:00Z", "nightly@noon", "nightly@2026-11-24"):
        assert tick_of(other) is None


def test_late_is_over_a_minute() -> None:
    assert not is_late(NOON, NOON + timedelta(seconds=60))
    assert is_late(NOON, NOON + timedelta(seconds=60, microseconds=1))


@given(st.integers(0, 10**6), st.floats(0.001, 10**6))
def test_jitter_is_the_ticks_own(n: int, jitter: float) -> None:
    jittery = schedule(cron="@hourly", jitter=jitter)
    at = NOON + timedelta(hours=n)
    assert 0 <= delay(jittery, at) < jitter
    assert delay(jittery, at) == delay(schedule(cron="@daily", jitter=jitter), at)


def test_jitter_spreads() -> None:
    jittery = schedule(cron="@hourly", jitter=60)
    waits = sorted(delay(jittery, NOON + timedelta(hours=n)) for n in range(200))
    assert waits[20] < 12 < 48 < waits[-20]
    assert delay(jittery, NOON) == 46.9718384990516  # the same in any process
    assert delay(schedule(cron="@hourly"), NOON) == 0


def test_an_edit_of_the_timing_shows() -> None:
    one = schedule(cron="@hourly")
    assert one.timing == schedule(cron="@hourly", jitter=5, data={"a": 1}).timing
    others = [
        schedule(cron="@daily"),
        schedule(every=3600),
        schedule(NEW_YORK, cron="@hourly"),
        schedule(cron="@hourly", start=NOON),
        schedule(cron="@hourly", end=NOON),
    ]
    assert len({one.timing, *(other.timing for other in others)}) == 6


def notes(zone: str, cron: str, begin: datetime, count: int = 8) -> list[str]:
    """Return the plan as local time and note, without the ticks that have none."""
    rows = plan(schedule(zone, cron=cron), begin, count)
    assert all(
        row.local.astimezone(UTC) == row.at and row.schedule == "nightly" for row in rows
    )
    return [f"{row.local:%d %H:%M%z} {row.note}" for row in rows if row.note]


@pytest.mark.parametrize(
    ("zone", "cron", "begin", "want"),
    [
        (NEW_YORK, "30 2 * * *", (2025, 3, 7),
         ["09 03:00-0400 02:30 does not exist on this day, runs at 03:00"]),
        (NEW_YORK, "0,30 2 * * *", (2025, 3, 8, 12),
         ["09 03:00-0400 02:00 and 02:30 do not exist on this day, run once at 03:00"]),
        (NEW_YORK, "0,20,40 2,3 * * *", (2025, 3, 8, 12),
         ["09 03:00-0400 02:00 to 02:40 do not exist on this day, run once at 03:00"]),
        (NEW_YORK, "30 1 * * *", (2025, 11, 1),
         ["02 01:30-0400 01:30 comes twice, runs at the first"]),
        (NEW_YORK, "*/30 1 * * *", (2025, 11, 2),
         ["02 01:00-0400 01:00 comes twice, this is the first",
          "02 01:30-0400 01:30 comes twice, this is the first",
          "02 01:00-0500 01:00 comes twice, this is the second",
          "02 01:30-0500 01:30 comes twice, this is the second"]),
        (NEW_YORK, "0 * * * *", (2025, 3, 9, 5),
         ["09 03:00-0400 02:00 does not exist on this day, left out"]),
        (NEW_YORK, "*/15 2 * * *", (2025, 3, 9),
         ["10 02:00-0400 2025-03-09 02:00 to 02:45 do not exist, left out"]),
        ("Pacific/Apia", "0 9 * * *", (2011, 12, 28),
         ["31 00:00+1400 2011-12-30 09:00 does not exist, runs at 2011-12-31 00:00"]),
        ("Australia/Lord_Howe", "15 2 * * *", (2025, 10, 2),
         ["05 02:30+1100 02:15 does not exist on this day, runs at 02:30"]),
        ("America/Santiago", "0 0 * * *", (2025, 9, 4),
         ["07 01:00-0300 00:00 does not exist on this day, runs at 01:00"]),
        ("Europe/London", "0 12 * * *", (2025, 3, 27), []),
        ("UTC", "30 2 * * *", (2025, 3, 7), []),
    ],
)  # fmt: skip
def test_the_plan_says_what_is_odd(
    zone: str,
    cron: str,
    begin: tuple[int, int, int] | tuple[int, int, int, int],
    want: list[str],
) -> None:
    assert notes(zone, cron, utc(*begin)) == want


def test_the_plan_of_an_interval_is_in_local_time() -> None:
    rows = plan(schedule(NEW_YORK, every=3600), utc(2025, 11, 2, 4, 30), 3)
    assert [f"{row.local:%H:%M%z}" for row in rows] == [
        "01:00-0400",
        "01:00-0500",
        "02:00-0500",
    ]


def test_a_plan_ends_with_the_schedule() -> None:
    assert len(plan(schedule(cron="@hourly", end=NOON), NOON - timedelta(hours=3), 10)) == 3


def test_croniter_is_imported_for_days_alone() -> None:
    """A schedule that names every day does without, and so does whoever only adds a job."""
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from jobctl.core import due\n"
        "from jobctl.core.schedule import declare, next_tick\n"
        "def tick(cron):\n"
        "    s = declare('s', {'cron': cron, 'job': 'j'}, timezone='UTC')\n"
        "    next_tick(s, datetime(2026, 1, 1, tzinfo=UTC))\n"
        "    return 'croniter' in sys.modules\n"
        "assert not tick('DAILY_3AM')\n"
        "assert tick('WEEKDAYS_9AM')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
