"""What people type: filters, durations, sizes, times, cron expressions, names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core import cron, units
from jobctl.core.filters import Filter, with_name, with_status
from jobctl.core.intake import check_id, check_name, check_schedule_name
from jobctl.core.options import parse_time
from jobctl.errors import InvalidFilter, InvalidJob
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.memory import MemoryStore
from tests.fuzz.mutating import mutated, tries
from tests.helpers import NOON, ids
from tests.stores.tools import live_a_little

FILTERS = [
    "status:failed name:send-* age>2h priority>=5 data.to=a@b.c error~timeout",
    'data.user.id:42 data["a b"].c!=x tag:t,u id:a*',
    "created<2026-11-24T12:00:00Z started>=2026-11-24 run_at:* finished!=*",
    "attempts>0 duration<1.5h key:k data~'x y' name!=a,b",
    'data.n>=-1.5e3 data.list[0]:true error~"quo\\"te"',
]
DURATIONS = ["90s", "2h30m", "1.5d", "7d", "350ms", "5", "0", "100w", "1h1h"]
SIZES = ["1MiB", "64k", "10", "1.5 GB", "0b", "9999T"]
CRONS = [
    "*/15 0-5,22 1,15 * MON-FRI", "0 3 * * *", "59/15 6/1 L * *", "0 0 29 2 *", "@daily",
    "DAILY_3AM", "30 1 * * 7", "0 12 * * MON#2", "* * 31 2 *",
]  # fmt: skip
TIMES = [
    "2026-11-24T12:00:00Z",
    "2026-11-24",
    "2026-W48-2",
    "0001-01-01T00:00+23:59",
    "20261124",
]
NAMES = ["send-email", "a@2026-11-24T03:00:00Z", "stats", "status:x", "a" * 128, "data.x:1"]


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[MemoryStore | DirectoryStore]]:
    path: Path = tmp_path_factory.mktemp("fuzz") / "store"
    pair: list[MemoryStore | DirectoryStore] = [MemoryStore(), DirectoryStore(path)]
    for store in pair:
        live_a_little(store)  # type: ignore[arg-type]
    yield pair
    for store in pair:
        store.close()


@given(text=mutated(FILTERS))
@tries
def test_a_filter_is_refused_at_a_place_or_asked(
    text: str, stores: list[MemoryStore | DirectoryStore]
) -> None:
    try:
        wanted = Filter.parse(text)
    except InvalidFilter as err:
        assert 1 <= err.column <= len(text) + 1
        assert str(err).isprintable() or "\n" in str(err)
        return
    chosen = [ids(store.select(wanted, NOON, limit=100).jobs) for store in stores]
    assert chosen[0] == chosen[1]
    tallies = [store.tally(wanted, NOON) for store in stores]
    assert tallies[0] == tallies[1]
    assert tallies[0].total == len(chosen[0])


@given(text=mutated(["failed,pending", "send-*", "a,b"]))
@tries
def test_status_and_name_as_options(text: str) -> None:
    with_name(text)
    try:
        with_status(text)
    except InvalidJob:
        pass


@given(text=mutated(DURATIONS))
@tries
def test_durations(text: str) -> None:
    try:
        assert 0 <= units.seconds(text) <= units.LONGEST
    except InvalidJob:
        pass


@given(value=st.floats(0, units.LONGEST))
@tries
def test_a_duration_that_is_shown_can_be_typed(value: float) -> None:
    shown = units.human_duration(value)
    if shown:
        # Two units are shown: what is left out is less than one of the second.
        assert abs(units.seconds(shown) - value) <= max(0.0501, value / 20)


@given(text=mutated(SIZES))
@tries
def test_sizes(text: str) -> None:
    try:
        assert 0 <= units.size(text) < 2**63
    except InvalidJob:
        pass


@given(value=st.one_of(st.integers(), st.floats(), st.none(), st.booleans(), st.binary()))
@tries
def test_numbers_of_any_kind(value: object) -> None:
    for read in (units.seconds, units.size):
        try:
            read(value)
        except InvalidJob:
            pass


@given(text=mutated(CRONS), day=st.dates(), minute=st.integers(0, 1439))
@tries
def test_cron_expressions(text: str, day: object, minute: int) -> None:
    try:
        found = cron.parse(text)
    except InvalidJob:
        return
    moment: datetime | None = datetime.combine(day, datetime.min.time())  # type: ignore[arg-type]
    assert moment is not None
    moment += timedelta(minutes=minute)
    for _ in range(3):
        following = found.next(moment)
        if following is None:
            break
        assert following > moment
        assert following.minute in found.minutes
        assert following.hour in found.hours
        assert found.names(following.date())
        moment = following
    assert cron.parse(text) == found


@given(text=mutated(TIMES))
@tries
def test_times(text: str) -> None:
    try:
        moment = parse_time(text)
    except InvalidJob:
        return
    assert moment.utcoffset() == timedelta()
    assert parse_time(moment.isoformat()) == moment


@given(text=mutated(NAMES))
@tries
def test_names_and_ids(text: str) -> None:
    for check in (check_name, check_id, check_schedule_name):
        try:
            check(text)
        except InvalidJob:
            continue
        assert text.isascii()
        assert text.isprintable()
        assert 0 < len(text) <= 128
        assert not any(letter in text for letter in " /\\'\"")


def test_there_are_samples() -> None:
    """Each sample says what it is there for: not all are refused."""
    assert sum(1 for _ in islice(filter(None, map(_parses, FILTERS)), 9)) >= 3


def _parses(text: str) -> bool:
    try:
        return bool(Filter.parse(text).terms)
    except InvalidFilter:
        return False
