"""What is refused before anything is written, and what becomes of the rest."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core.filterfields import FILTER_FIELDS
from jobctl.core.intake import check_id, check_name, new_job, own_id, random_id, random_ids
from jobctl.core.job import Job, Status
from jobctl.core.options import parse_time
from jobctl.core.retry import RetryPolicy
from jobctl.errors import InvalidJob
from tests.helpers import NOON, after


def make(**options: Any) -> Job[Any]:
    return new_job("work", None, options, now=NOON)


@pytest.mark.parametrize("name", ["a", "Z9", "send-email", "a.b:c@d_e-f", "0" * 128])
def test_good_names(name: str) -> None:
    check_name(name)
    check_id(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "a b", "a\n", "\na", "a/b", "../x", "\u00e4", "\u0661", "a\x00", "x" * 129,
     None, 7, b"a", ["a"]],
)  # fmt: skip
def test_bad_names(name: Any) -> None:
    with pytest.raises(InvalidJob, match=r"^name "):
        check_name(name)
    with pytest.raises(InvalidJob, match=r"^id "):
        check_id(name)
    with pytest.raises(InvalidJob, match=r"^name "):
        new_job(name, None, {}, now=NOON)


@pytest.mark.parametrize("field", FILTER_FIELDS)
def test_ids_that_look_like_filters(field: str) -> None:
    with pytest.raises(InvalidJob, match="begins like the filter"):
        check_id(f"{field}:x")
    check_id(f"{field}x:y")
    check_id(f"x{field}:y")
    check_id(field)
    check_name(f"{field}:x")


@pytest.mark.parametrize("job_id", ["data.to:x", "data.a.b:x", "error.type:E", "data.:"])
def test_ids_that_look_like_filters_of_data(job_id: str) -> None:
    with pytest.raises(InvalidJob, match="begins like the filter"):
        check_id(job_id)


@pytest.mark.parametrize("job_id", ["stats", "cleanup"])
def test_ids_that_are_commands(job_id: str) -> None:
    with pytest.raises(InvalidJob, match="name of a command"):
        make(id=job_id)


@pytest.mark.parametrize(
    "ids", [[random_id() for _ in range(1000)], [*random_ids(1000)]], ids=["single", "many"]
)
def test_random_ids(ids: list[str]) -> None:
    assert len(set(ids)) == 1000
    assert all(re.fullmatch("[a-z2-7]{16}", one) for one in ids)
    letters = Counter("".join(ids))
    assert letters.keys() == set("abcdefghijklmnopqrstuvwxyz234567")
    assert max(letters.values()) < 750  # 500 are expected, give or take 22


def test_a_plain_job() -> None:
    job = new_job("work", None, {}, now=NOON)
    assert (job.name, job.data, job.status) == ("work", {}, Status.PENDING)
    assert (job.priority, job.max_retries, job.run_at, job.created_at) == (0, None, None, NOON)
    assert new_job("work", [], {}, now=NOON).data == []


def test_a_job_with_every_option() -> None:
    job = make(
        priority=-5, max_retries=0, delay="5m", job_id="mine", timeout="30s",
        backoff={"base": "2s", "cap": "1h", "jitter": 0}, tags=["b", "a", "b"],
        concurrency_key="customer 7", if_exists="replace",
    )  # fmt: skip
    assert (job.id, job.priority, job.max_retries, job.timeout) == ("mine", -5, 0, 30.0)
    assert job.run_at == after(300)
    assert job.backoff == RetryPolicy(base=2.0, cap=3600.0, jitter=0.0)
    assert (job.tags, job.concurrency_key) == (("b", "a"), "customer 7")


def test_none_means_not_given() -> None:
    names = ("priority", "max_retries", "delay", "run_at", "timeout", "backoff", "tags", "id")
    assert make(**dict.fromkeys(names)).priority == 0
    assert make(delay=None, run_at=after(5)).run_at == after(5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"priority": True}, "priority True"),
        ({"priority": 1.0}, "priority 1.0"),
        ({"priority": "5"}, "priority '5'"),
        ({"priority": 2**31}, "priority 2147483648"),
        ({"priority": -(2**31) - 1}, "priority"),
        ({"priority": 10**5000}, "priority a int"),
        ({"max_retries": -1}, "max_retries -1"),
        ({"max_retries": 1_000_001}, "max_retries"),
        ({"max_retries": False}, "max_retries False"),
        ({"delay": "soon"}, "delay 'soon'"),
        ({"delay": -1}, "delay -1"),
        ({"delay": float("nan")}, "delay nan"),
        ({"delay": 10**5000}, "delay a int"),
        ({"delay": 1, "run_at": after(5)}, "delay and run_at"),
        ({"run_at": after(5), "scheduled_for": after(5)}, "run_at and scheduled_for"),
        ({"run_at": "tomorrow"}, "run_at 'tomorrow'"),
        ({"run_at": 5}, "run_at 5"),
        ({"run_at": datetime(2027, 1, 1)}, "run_at .*no time zone"),  # noqa: DTZ001 - the case
        ({"scheduled_for": "2027-01-01T00:00:00"}, "scheduled_for .*no time zone"),
        ({"run_at": "9999-12-31T23:59:59-10:00"}, "run_at .*calendar"),
        ({"timeout": 0}, "timeout 0"),
        ({"timeout": "-1s"}, "timeout '-1s'"),
        ({"backoff": "5s"}, "backoff '5s'"),
        ({"backoff": []}, "backoff is a list of 1 to 100"),
        ({"backoff": [1] * 101}, "backoff is a list of 1 to 100"),
        ({"backoff": ["1s", "x"]}, r"backoff\[1\] 'x'"),
        ({"backoff": {"bas": 1}}, "backoff has no 'bas'"),
        ({"backoff": {"base": "x"}}, "backoff.base 'x'"),
        ({"backoff": {"jitter": 2}}, "backoff.jitter 2"),
        ({"backoff": {"jitter": True}}, "backoff.jitter True"),
        ({"backoff": RetryPolicy(base=-1)}, "backoff.base -1"),
        ({"tags": "urgent"}, "tags 'urgent'"),
        ({"tags": [""]}, r"tags\[0\] ''"),
        ({"tags": ["a", "b\n"]}, r"tags\[1\] 'b\\n'"),
        ({"tags": ["x" * 129]}, r"tags\[0\]"),
        ({"tags": [7]}, r"tags\[0\] 7"),
        ({"tags": [str(n) for n in range(51)]}, "tags has 51"),
        ({"concurrency_key": ""}, "concurrency_key ''"),
        ({"concurrency_key": "a\x1b[0m"}, "concurrency_key"),
        ({"concurrency_key": "a\ud800"}, "concurrency_key"),
        ({"if_exists": "maybe"}, "if_exists 'maybe'"),
        ({"id": "a b"}, "id 'a b'"),
        ({"id": "a", "job_id": "b"}, "id and job_id"),
        ({"prioritty": 1}, "'prioritty' is unknown: did you mean priority"),
        ({"zzz": 1}, "'zzz' is unknown: there are priority"),
        ({7: 1}, "option 7"),
    ],
)
def test_bad_options(options: dict[Any, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=f"^(option )?{message}") as caught:
        new_job("work", None, options, now=NOON)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("moment", [after(-1), after(0), "1999-01-01T00:00:00Z"])
def test_a_time_in_the_past_means_now(moment: Any) -> None:
    assert make(run_at=moment).run_at is None


def test_delays_and_times() -> None:
    assert make(delay=0).run_at is None
    assert make(delay=timedelta(hours=1)).run_at == after(3600)
    assert make(scheduled_for="2026-11-24T14:00:00+01:00").run_at == after(3600)
    assert make(backoff=["1s", 5, timedelta(minutes=1)]).backoff == RetryPolicy(
        delays=(1, 5, 60)
    )


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00Z", " 2026-11-24T13:00+01:00 "])
def test_times_become_utc(text: str) -> None:
    assert parse_time(text) == NOON
    assert parse_time(text).tzinfo is UTC


def test_a_naive_time_needs_a_zone() -> None:
    with pytest.raises(InvalidJob, match="no time zone"):
        parse_time("2026-11-24")


@given(st.datetimes(), st.integers(-1439, 1439))
def test_a_time_is_a_moment_or_refused(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    try:
        parsed = parse_time(zoned.isoformat())
    except InvalidJob:
        assert moment.year in (1, 9999)
    else:
        assert parsed == zoned


def test_own_id_says_whether_one_was_brought() -> None:
    assert own_id({}) is None
    assert own_id({"id": None, "job_id": "a"}) == "a"
    assert own_id({"id": "b"}) == "b"
