"""The filter language: what it means, and what it says of what it cannot read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobctl.core.filterfields import ALIASES, FIELDS, FILTER_FIELDS, OPERATORS, STATUSES, TAKES
from jobctl.core.filterparse import MAX_LENGTH, MAX_TERMS, MAX_VALUES
from jobctl.core.filters import Filter, with_name, with_status
from jobctl.core.filterterms import Pattern
from jobctl.core.job import Attempt, Job, JobError, Outcome, Status
from jobctl.errors import InvalidFilter, InvalidJob
from tests.helpers import NOON, after, make_job

NOW = after(86400)
BERLIN = ZoneInfo("Europe/Berlin")


def localize(moment: datetime) -> datetime:
    return moment.replace(tzinfo=BERLIN)


def passes(text: str, job: Job[Any], now: datetime = NOW) -> bool:
    return Filter.parse(text, localize).predicate(now)(job)


JOB = make_job(
    "abc123",
    name="send-email",
    status=Status.FAILED,
    priority=5,
    attempts=3,
    max_retries=2,
    timeout=90.0,
    started_at=after(60),
    finished_at=after(62.5),
    tags=("eu", "very slow"),
    concurrency_key="Customer 7",
    after=("first", "second"),
    schedule="nightly",
    error=JobError("SMTPTimeoutError", "no answer\nfrom mx1", "Traceback (line 7)"),
    history=(
        Attempt(Outcome.CRASHED, after(1), after(2), "w1"),
        Attempt(Outcome.TIMEOUT, after(60), after(62.5), "w2"),
    ),
    data={
        "user": {"id": 42, "name": "Ann"},
        "to": ["a@b.c", "d@e.f"],
        "items": [{"sku": "x1", "n": 2}, {"sku": "y2", "n": 30}],
        "a.b": {"c d": 1},
        "flag": True,
        "none": None,
        "ratio": 0.5,
        "day": "2026-11-24",
        "text": "42",
        "empty": "",
    },
    result={"rows": 0},
)
BARE = make_job("bare", run_at=after(2 * 86400), shell={"argv": ["rsync", "-a", "b c"]})

HOLDS = [
    "", "   ",
    "id:abc123", "id:abc*", "id:x,abc*", "id~BC12", "id!=abc,bare", "id:*",
    "name:send-email", "name=send-*", "name:*-email", "name:s*d-*l", "name~EMAIL", "name!=x*",
    "status:failed", "status:dead", "status:pending,failed", "status!=running,cancelled",
    "tag:eu", "tags:us,eu", 'tag:"very slow"', "tag:very*", "tag!=us", "tag~SLOW", "tag:*",
    "priority:5", "priority=4,5", "priority!=4", "priority>4.5", "priority>=5", "priority<6",
    "priority<=5", "priority>-1", "priority:+5", "priority:*", "attempts>1", "max_retries:2",
    "age>23h59m", "age<=1d", "age>=86400", "created>23h", "created_at<2d",
    "created:2026-11-24", "created>=2026-11-24", "created<=2026-11-24", "created<2026-11-25",
    "created>2026-11-23", "created!=2026-11-25", "created=2026-11-24T12:00:00Z",
    "created<2026-11-24T13:00:01", "started>2026-11-24T12:00:59.999999Z", "started:*",
    "finished>1h", "finished_at<24h", "duration>2", "duration<=2.5", "duration:2.5s",
    "timeout:90s", "timeout:1m30s", "timeout>1m", "timeout=90",
    'key:"Customer 7"', "key:Cust*", "concurrency_key~customer", "after:second",
    "schedule:nightly", "shell!=*", "outcome:timeout", "outcome!=crashed", "worker:w2",
    "error:SMTPTimeoutError", "error:SMTP*", "error~timeout", "error~MX1", "error!=Other",
    "error.type:*Error", "error.message~mx1", "error.traceback~'line 7'", "error:*",
    "data.user.id=42", "data.user.id:42.0", "data.user.id>41", "data.user.id<=42",
    "data.user.name:Ann", "data.user.name:A*", "data.user.name~aN", "data.user.name>=Ann",
    "data.to:d@e.f", "data.to:*@b.c", "data.to!=x@y.z", "data.to.0:a@b.c", "data.to.1~E.F",
    "data.items.sku:y2", "data.items.1.n>29", "data.items.n<3", 'data."a.b".\'c d\':1',
    "data.flag:true", "data.flag!=false", "data.none:null", "data.none:*", "data.ratio<1",
    "data.day>2026-11-01", "data.text:42", 'data.text:"42"', "data.text>41x", 'data.empty:""',
    "data.user~'\"id\":42'", "data~mx1,a@b.c", "data.missing!=5", "data.user.id:1,42",
    "data.user:{*}", "data.to.7!=*", "result.rows:0", "result:*", "result.rows<1",
    "status:failed name:send-* age>2h data.to:a@b.c error~timeout priority>=5",
    "\tstatus:failed\n name:send-email ",
]  # fmt: skip
FAILS = [
    "id:abc", "id:ABC123", "id~abc*", "id!=abc*", "id!=*",
    "name:send", "name:*mail-*", "name:send-email*email", "name~'send-*'", "name!=send-*",
    'name:"send-*"', "name:send-**x",
    "status:pending", "status!=dead", "status!=failed", "status:retrying", "status:scheduled",
    "tag:us", "tag!=eu", "tag:'very sl'", "tag:e*u*x", "tag!=*", 'tag:""',
    "priority:4", "priority!=5", "priority>5", "priority<5", "attempts>3", "priority!=*",
    "age>1d", "age<24h", "created:2026-11-25", "created>2026-11-24", "created<2026-11-24",
    "created>2026-11-24T12:00:00Z", "created<2026-11-24T13:00:00", "started!=*",
    "run_at:*", "run_at<1h", "run_at>0s", "finished<1h", "duration>2.5", "timeout<90",
    "key:customer*", "after:third", "schedule!=nightly", "shell:*", "shell~a",
    "outcome:crashed", "worker:w1",
    "error:Timeout", "error~traceback", "error.message:no*mx2", "error!=SMTP*", "error!=*",
    "data.user.id=43", "data.user.id>42", "data.user.id:4*2*2", "data.user.name:ann",
    "data.user.name>41", "data.user:Ann", "data.to.2:*", "data.to.user:x", "data.items.sku:z",
    "data.flag:1", "data.flag>0", "data.text>41", "data.text<43", "data.none!=*",
    "data.missing:*", "data.missing<5", "data.missing~x", "data.user.id.x:42", "result:null",
    "status:failed name:other",
]  # fmt: skip


@pytest.mark.parametrize("text", HOLDS)
def test_what_holds(text: str) -> None:
    assert passes(text, JOB)


@pytest.mark.parametrize("text", FAILS)
def test_what_does_not(text: str) -> None:
    assert not passes(text, JOB)


@pytest.mark.parametrize(
    "text",
    [
        "status:scheduled", "status:pending", "status!=retrying", "run_at<2d", "run_at>23h",
        "run_at:*", "run_at>=2026-11-26", "started!=*", "finished!=*", "duration!=*", "key!=*",
        "error!=*", "error!=x", "tag!=*", "tag!=x", "schedule!=*", "outcome!=*", "result!=*",
        "max_retries!=3", "timeout!=*", "worker!=w1", "after!=x", "shell:*", "shell~'A B C'",
        'shell:"rsync -a b c"', "data:{}", "data!=*x", "result!=null",
    ],
)  # fmt: skip
def test_what_holds_of_a_job_with_nothing(text: str) -> None:
    assert passes(text, BARE)


@pytest.mark.parametrize(
    "text",
    ["finished<1h", "finished>1h", "started>0s", "duration<9", "timeout<9", "key~x", "error~x",
     "result.x:1", "max_retries<9", "run_at<1d"],
)  # fmt: skip
def test_what_a_job_has_not_compares_with_nothing(text: str) -> None:
    assert not passes(text, BARE)


def test_words_beside_the_status() -> None:
    later = make_job(run_at=after(60), attempts=1)
    for text, at, right in [
        ("status:scheduled", 59, True),
        ("status:scheduled", 60, False),
        ("status:retrying", 60, True),
        ("status:retrying,dead", 0, True),
        ("status!=scheduled", 0, False),
        ("status!=scheduled", 60, True),
    ]:
        assert passes(text, later, after(at)) is right, (text, at)
    assert not passes("status:retrying", make_job(attempts=0))
    assert not passes("status:retrying", make_job(attempts=1, status=Status.RUNNING))


def test_a_day_is_one_of_the_zone_that_is_given() -> None:
    late = make_job(created_at=datetime(2026, 11, 24, 22, 59, 59, 999999, tzinfo=BERLIN))
    early = make_job(created_at=datetime(2026, 11, 25, tzinfo=BERLIN))
    assert passes("created:2026-11-24", late)
    assert not passes("created:2026-11-24", early)
    assert passes("created>2026-11-24", early)
    with pytest.raises(InvalidFilter, match="no time zone"):
        Filter.parse("created:2026-11-24")
    assert Filter.parse("created>=2026-11-24T23:00Z").predicate(NOW)(early)


def test_a_day_may_be_longer_than_others() -> None:
    late = make_job(created_at=datetime(2026, 10, 25, 23, 59, tzinfo=BERLIN))
    assert passes("created:2026-10-25", late)
    assert not passes("created:2026-10-26", late)


def test_the_order_of_terms_does_not_matter_and_all_must_hold() -> None:
    assert passes("name:x name:x", make_job(name="x"))
    assert not passes("name:x name:y", make_job(name="x"))
    both = Filter.parse("name:x") & Filter.parse("status:pending")
    assert both == Filter.parse("name:x status:pending")
    assert Filter.having("pending", "x") == Filter.parse("status:pending name:x")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("stauts:failed", 1, "there is no field 'stauts': did you mean status?"),
        ("name:x zzz=1", 8, "there is no field 'zzz': there are id, name, status"),
        ("Status:failed", 1, "did you mean status?"),
        ("status:faild", 8, "status 'faild' is unknown: did you mean failed?"),
        ("status:failed,?", 15, "status '?' is unknown: use pending, running"),
        ("status>failed", 7, "status takes : = != and not >"),
        ("outcome:timeuot", 9, "did you mean timeout?"),
        ("name>x", 5, "name takes : = != ~ and not >"),
        ("age:2h", 4, "age takes > >= < <= and not :"),
        ("created:2h", 9, "a duration needs < or >: <2h is less than 2h away"),
        ("age>soon", 5, "'soon' is not a duration"),
        ("created>soon", 9, "'soon' is neither a duration"),
        ("created>2026-02-30", 9, "neither a duration"),
        ("created>9999-12-31", 9, "beyond the calendar"),
        ("priority>high", 10, "'high' is not a number"),
        ("priority>1,2", 11, "> compares with one value"),
        ("priority:5,", 12, "a value is missing for priority"),
        ("name:", 6, "a value is missing for name"),
        ("name: x", 6, "a value is missing for name"),
        ("name:x,,y", 8, "a value is missing for name"),
        ("name", 5, "an operator is missing after name"),
        ("name x", 5, "an operator is missing after name"),
        ("error~connection reset", 18, "'reset' is no term"),
        ("status:failed or name:x", 15, "'or' is no term"),
        ("-name:x", 1, "there is no field '-name'"),
        (":x", 1, "':x' is no term"),
        ("name==x", 5, "there is no operator =="),
        ("name:=x", 5, "there is no operator :="),
        ("name!x", 5, "there is no operator !"),
        ("priority=>5", 9, "there is no operator =>"),
        ('error~"no end', 7, "the quote that begins here does not end"),
        ("name.first:x", 5, "name has no parts: only data, result, error have"),
        ("error.code:5", 7, "error has the parts type, message, traceback"),
        ("data.:x", 5, "an operator is missing after data"),
        ("timeout:soon", 9, "'soon' is not a duration"),
    ],
)
def test_an_error_points_at_its_place(text: str, column: int, problem: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse(text, localize)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith("filter: ")
    assert problem in first
    assert caught.value.column == column
    assert shown == f"  {text}"
    assert caret == " " * (column + 1) + "^"


def test_an_error_in_a_long_filter_shows_its_surroundings() -> None:
    text = "name:" + ",".join(["\x1b[31m"] * 200) + " oops:1"
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse(text)
    _, shown, caret = str(caught.value).split("\n")
    assert "\x1b" not in str(caught.value)
    assert shown[caret.index("^") :] == "oops:1"
    assert caught.value.column == text.index("oops") + 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name:" + "x" * MAX_LENGTH, "are allowed"),
        ("name:x " * (MAX_TERMS + 1), "terms at most"),
        ("name:x" + ",x" * MAX_VALUES, "values at most"),
    ],
)
def test_a_filter_has_its_limits(text: str, problem: str) -> None:
    with pytest.raises(InvalidFilter, match=problem):
        Filter.parse(text)
    Filter.parse("name:x" + ",x" * (MAX_VALUES - 1))
    Filter.parse("name:x " * MAX_TERMS)


def test_every_field_and_operator_is_known_to_the_other_parts() -> None:
    assert set(ALIASES.values()) <= FIELDS.keys()
    assert {op for takes in TAKES.values() for op in takes} == set(OPERATORS)
    assert tuple(Status) == STATUSES[:5]
    assert {"data", "result", "error", "tags", "created_at"} <= set(FILTER_FIELDS)
    for field, kind in FIELDS.items():
        for op in TAKES[kind]:
            value = {"status": "failed", "outcome": "error", "name": "x"}.get(field, "5")
            if kind == "time":
                value = "2026-11-24"
            Filter.parse(f"{field}{op}{value}", localize).predicate(NOW)(JOB)


words = st.text("ab*", max_size=6)


@given(st.lists(words, min_size=1, max_size=4), words)
def test_a_pattern_fits_as_a_regular_expression_does(pieces: list[str], text: str) -> None:
    import re

    right = re.fullmatch(".*".join(map(re.escape, pieces)), text) is not None
    assert Pattern(tuple(pieces)).fits(text) is right


@given(st.text(st.sampled_from("status:=!<>~,*\"' .age2hd\x1b\u00e4"), max_size=30))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    refused: InvalidFilter | None = None
    try:
        assert Filter.parse(text, localize).predicate(NOW)(JOB) in (True, False)
    except InvalidFilter as err:
        refused = err
    if refused is not None:
        assert 1 <= refused.column <= len(text) + 1
        assert "\x1b" not in str(refused)


def test_status_and_name_by_themselves() -> None:
    assert with_status("failed,scheduled") == Filter.parse("status:failed,scheduled")
    assert with_name("send-*,x") == Filter.parse("name:send-*,x")
    with pytest.raises(InvalidJob, match="status 'x' is unknown: use pending"):
        with_status("failed,x")


def test_durations_reach_as_far_as_any() -> None:
    assert not passes("age>36500d", JOB)
    assert passes("age<36500d", JOB, NOON + timedelta(days=1))
