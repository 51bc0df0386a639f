"""What a cron expression may say, and what is refused."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest

from jobctl.core.cron import ALIASES, PRESETS, CronPatterns, parse
from jobctl.errors import InvalidJob

NEW_YEAR = datetime(2025, 1, 1)  # noqa: DTZ001 - a Wednesday; cron's times are naive


def days(text: str, count: int = 3) -> list[str]:
    """Return the first days of 2025 that an expression names."""
    found, day = [], date(2024, 12, 31)
    cron = parse(text)
    for _ in range(count):
        following = cron.days.first(date.fromordinal(day.toordinal() + 1))
        assert following is not None
        found.append(f"{following:%m-%d}")
        day = following
    return found


def test_the_thirteen_presets_go_by_name() -> None:
    assert len(PRESETS) == 13
    for name, text in PRESETS.items():
        assert getattr(CronPatterns, name) == text
        one, other = parse(name), parse(text)
        assert (one.minutes, one.hours, one.days) == (other.minutes, other.hours, other.days)
    assert parse("DAILY_3AM").hours == (3,)
    assert parse("BUSINESS_HOURS").hours == tuple(range(9, 18))


def test_the_aliases() -> None:
    assert set(ALIASES) == {
        "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually",
    }  # fmt: skip
    assert parse("@Hourly").wildcard
    assert days("@weekly") == ["01-05", "01-12", "01-19"]
    assert days("@monthly") == ["01-01", "02-01", "03-01"]
    assert days("@yearly", 1) == days("@annually", 1) == ["01-01"]


@pytest.mark.parametrize(
    ("field", "want"),
    [
        ("7", (7,)),
        ("5-5", (5,)),
        ("59/15", (59,)),
        ("5/15", (5, 20, 35, 50)),
        ("*/20", (0, 20, 40)),
        ("10-20/4", (10, 14, 18)),
        ("30,5,5,10-12", (5, 10, 11, 12, 30)),
        ("*/99", (0,)),
    ],
)
def test_minutes(field: str, want: tuple[int, ...]) -> None:
    assert parse(f"{field} 3 * * *").minutes == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0 0 * * MON", ["01-06", "01-13", "01-20"]),
        ("0 0 * * mon", ["01-06", "01-13", "01-20"]),
        ("0 0 * * 0", ["01-05", "01-12", "01-19"]),
        ("0 0 * * 7", ["01-05", "01-12", "01-19"]),
        ("0 0 * * FRI-SUN", ["01-03", "01-04", "01-05"]),
        ("0 0 * * 5-7", ["01-03", "01-04", "01-05"]),
        ("0 0 * * 6-0", ["01-04", "01-05", "01-11"]),
        ("0 0 * * */2", ["01-02", "01-04", "01-05"]),
        ("0 0 * JAN,jul-sep 1", ["01-06", "01-13", "01-20"]),
        ("0 0 L * *", ["01-31", "02-28", "03-31"]),
        ("0 0 15,L * *", ["01-15", "01-31", "02-15"]),
        ("0 0 30-L * *", ["01-30", "01-31", "03-30"]),
        ("0 0 31 * *", ["01-31", "03-31", "05-31"]),
        ("0 0 30,31 2,3 *", ["03-30", "03-31"]),
        ("0 0 * * 5#1", ["01-03", "02-07", "03-07"]),
        ("0 0 * * FRI#5", ["01-31", "05-30", "08-29"]),
        ("0 0 * * 5L", ["01-31", "02-28", "03-28"]),
        ("0 0 * * L5", ["01-31", "02-28", "03-28"]),
        ("0 0 * * FRIL", ["01-31", "02-28", "03-28"]),
        ("0 0 * * MON,FRI#1", ["01-03", "01-06", "01-13"]),
        ("0 0 * * MON-TUE#1", ["01-06", "01-07", "02-03"]),
        # crontab(5): if neither day field begins with *, either will do.
        ("0 0 4 * MON", ["01-04", "01-06", "01-13"]),
        ("0 0 4 * MON#1", ["01-04", "01-06", "02-03"]),
        ("0 0 1-31 * MON", ["01-01", "01-02", "01-03"]),
        ("0 0 31 2 MON", ["02-03", "02-10", "02-17"]),
        ("0 0 */2 * MON", ["01-13", "01-27", "02-03"]),
        ("0 0 4 * */3", ["01-04", "05-04", "06-04"]),
    ],
)
def test_days(text: str, want: list[str]) -> None:
    assert days(text, len(want)) == want


@pytest.mark.parametrize(
    ("text", "wildcard"),
    [
        ("* 3 * * *", True),
        ("*/5 3 * * *", True),
        ("0 * * * *", True),
        ("0 */2 * * *", True),
        ("*,5 3 * * *", True),
        ("0 0-23 * * *", False),
        ("0-59 3 * * *", False),
        ("0 3 * * *", False),
        ("5,*/7 3 * * *", False),
    ],
)
def test_what_counts_as_a_wildcard(text: str, wildcard: bool) -> None:
    assert parse(text).wildcard is wildcard


def test_seven_is_sunday_and_adds_no_eighth_day() -> None:
    assert parse("0 3 * * 0-7").days == parse("0 3 * * *").days
    assert parse("0 3 * * 0,7").days == parse("0 3 * * 0").days


def test_threads_do_not_disturb_each_other() -> None:
    cron = parse("0 3 * * TUE#2")
    want = {}
    for day in range(730_000, 730_600):
        start = date.fromordinal(day)
        want[start] = next(
            found
            for found in (start + timedelta(days=n) for n in range(60))
            if found.weekday() == 1 and 8 <= found.day <= 14
        )
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert dict(zip(want, pool.map(cron.days.first, want), strict=True)) == want
    finally:
        sys.setswitchinterval(before)


def test_blanks_do_not_matter() -> None:
    assert parse("  0\t3  * * *  ").hours == (3,)


@pytest.mark.parametrize(
    ("text", "field", "why"),
    [
        ("60 * * * *", "minute '60'", "use 0 to 59"),
        ("a * * * *", "minute 'A'", "use 0 to 59"),
        ("-1 * * * *", "minute ''", "a number is missing"),
        ("1,,2 * * * *", "minute ''", "a number is missing"),
        ("5-2 * * * *", "minute '5-2'", "the range is empty: write 5-59,0-2"),
        ("*/0 * * * *", "minute '*/0'", "is no step"),
        ("*/ * * * *", "minute '*/'", "is no step"),
        ("0 24 * * *", "hour '24'", "use 0 to 23"),
        ("0 22-2 * * *", "hour '22-2'", "write 22-23,0-2"),
        ("0 0 0 * *", "day of month '0'", "use 1 to 31"),
        ("0 0 32 * *", "day of month '32'", "use 1 to 31"),
        ("0 0 ? * *", "day of month '?'", "write * for any"),
        ("0 0 15W * *", "day of month '15W'", "use 1 to 31"),
        ("0 0 31 2 *", "day of month", "no FEB has day 31"),
        ("0 0 30,31 FEB *", "day of month", "no FEB has day 30 or 31"),
        ("0 0 31 4,6 *", "day of month", "no APR or JUN has day 31"),
        ("0 0 * 13 *", "month '13'", "use 1 to 12"),
        ("0 0 * FOO *", "month 'FOO'", "use 1 to 12 or JAN to DEC"),
        ("0 0 * * 8", "day of week '8'", "use 0 to 7"),
        ("0 0 * * XYZ", "day of week 'XYZ'", "SUN to SAT"),
        ("0 0 * * L", "day of week 'L'", "write 5L"),
        ("0 0 * * 5#6", "day of week '5#6'", "use 1 to 5"),
        ("0 0 */16 * MON#2", "day of month and day of week", "never meet"),
        ("0 0 * * \u0663", "day of week", "use 0 to 7"),
    ],
)
def test_a_bad_field_is_named(text: str, field: str, why: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse(text)
    message = str(caught.value)
    assert f": {field}" in message
    assert why in message
    assert message.isascii()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 0 3 * * *", "there are no seconds here"),
        ("0 0 3 * * * 2026", "has 7 fields"),
        ("0\u00a03 * * *", "has 4 fields"),
        ("DAILY_3", "did you mean DAILY_3AM?"),
        ("FOO_BAR_BAZ", "there are EVERY_MINUTE"),
        ("@reboot", "there are @hourly"),
        ("1," * 300 + "1 * * * *", "use 500 at most"),
        ("\x1b[2J * * * *", r"\x1b"),
    ],
)
def test_a_bad_expression_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse(text)
    assert why in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_end_of_the_calendar_is_no_error() -> None:
    assert parse("0 0 1 1 *").next(datetime(9999, 6, 1)) is None  # noqa: DTZ001 - as above
    assert parse("* * * * *").next(datetime(9999, 12, 31, 23, 59)) is None  # noqa: DTZ001 - as above
    assert parse("0 3 * * *").next(NEW_YEAR) == NEW_YEAR.replace(hour=3)
    assert parse("0 3 * * *").next(NEW_YEAR.replace(hour=3)) == NEW_YEAR.replace(day=2, hour=3)
