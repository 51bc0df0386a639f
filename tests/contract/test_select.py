"""What a filter chooses: the same jobs as its predicate, in pages, from every store."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobctl.core import job as transitions
from jobctl.core.filters import EVERY, Filter
from jobctl.core.job import JobError, Options, Outcome
from jobctl.core.store import AnyJob, Store
from tests.helpers import NOON, after, claim, end, ids, make_job, put, there

NOW = after(1000)


def populate(store: Store, count: int = 120) -> None:
    """Add jobs that differ in all that filters ask for, and bring them into every status."""
    dice = random.Random(5)
    put(
        store,
        *(
            make_job(
                f"{dice.choice('ab')}{n:03}",
                name=dice.choice(["send-mail", "send-sms", "report", "Report"]),
                priority=dice.randrange(-2, 4),
                created_at=after(dice.randrange(500)),
                run_at=after(dice.randrange(100, 2000)) if dice.random() < 0.3 else None,
                tags=tuple(sorted(dice.sample(["eu", "us", "slow", "e"], dice.randrange(4)))),
                concurrency_key=dice.choice([None, "k", "Key 2"]),
                shell={"argv": ["true"]} if dice.random() < 0.2 else None,
                schedule=dice.choice([None, "nightly"]),
                data={"n": n, "who": dice.choice(["ann", "bob"])},
            )
            for n in range(count)
        ),
    )
    for n, job in enumerate(claim(store, count // 2, after(600))):
        if n % 7:
            error = JobError("TimeoutError", f"after {n}") if n % 3 else None
            outcome = dice.choice(list(Outcome)) if error else Outcome.COMPLETED
            options = Options(max_retries=n % 2)
            end(store, job, outcome, after(600 + n), options, error=error, worker=f"w{n % 3}")
    with store.transaction() as tx:
        for n in range(0, count, 9):
            one = tx.get(f"a{n:03}") or tx.get(f"b{n:03}")
            assert one is not None
            if not one.status.finished:
                tx.save(transitions.cancel(one, after(700 + n)))


def by_hand(store: Store, wanted: Filter, *, newest: bool = True) -> list[AnyJob]:
    """Return the jobs that pass, one after the other."""
    jobs = store.select(EVERY, NOW, newest=newest, limit=10_000).jobs
    return [job for job in jobs if wanted.predicate(NOW)(job)]


def in_pages(store: Store, wanted: Filter, size: int, *, newest: bool = True) -> list[AnyJob]:
    """Return all jobs that a store chooses, page after page."""
    found: list[AnyJob] = []
    after = None
    while True:
        page = store.select(wanted, NOW, newest=newest, limit=size, after=after)
        found += page.jobs
        after = page.after
        if after is None:
            return found
        assert len(page.jobs) == size


def check(store: Store, text: str) -> None:
    wanted = Filter.parse(text)
    right = by_hand(store, wanted)
    assert store.select(wanted, NOW, limit=1000).jobs == right
    assert in_pages(store, wanted, 7) == right
    assert in_pages(store, wanted, 7, newest=False) == by_hand(store, wanted, newest=False)
    assert store.select(wanted, NOW, limit=5, offset=3).jobs == right[3:8]
    counts = Counter(job.status.value for job in right)
    assert store.tally(wanted, NOW).as_dict() == {
        **dict.fromkeys(store.stats().as_dict(), 0),
        **counts,
        "total": len(right),
    }


FILTERS = [
    "", "status:failed", "status:pending,running", "status!=completed", "status:dead",
    "status:scheduled", "status:retrying,failed", "status!=scheduled", "status:*", "status!=*",
    "name:report", "name:send-*", "name:*-sms,report", "name~SEND", "name!=send-*", "name:x",
    "name:s*-*m*", "name:send-* status:failed,completed", "name!=report status!=pending",
    "id:a*", "id:a00*,b00*", "id:a000,b000,a001,b001,a002", "id~01", "id!=a*", "id:zz*",
    "id:[ab]*", "id:zz*,[ab]*", "id:a0?0", "id:*1", "id:*0*5*",
    "tag:eu", "tag:eu,us", "tag:eu,us,slow,e", "tag!=eu", "tag!=eu,slow", "tag:e*", "tag:*s",
    "tag:*l*", "tag:*", "tag!=*", "tag~E", "tag:u*s", "tag:none", 'tag:""', "tag:eu tag:us",
    "tag:eu name:report status:pending",
    "priority>1", "priority:0,3", "priority!=0", "priority<=-1", "priority>0.5",
    "priority<1e999", "priority>99999999999999999999999", "attempts:0", "attempts>0",
    "age>12m", "age<600", "created>2026-11-24T12:05:00Z", "created<=2026-11-24T12:05:00Z",
    "run_at<5m", "run_at>5m", "run_at:*", "run_at!=*", "started:*", "started<7m",
    "finished>6m", "finished!=*", "finished<2026-11-24T12:11:00Z", "duration>30",
    "duration<=30", "duration!=*", "timeout:*", "key:k", "key:K*", "key!=*", "key~KEY",
    "key!=k", "shell:*", "schedule:nightly", "schedule!=*", "after:*", "worker:w1",
    "outcome:error,timeout", "error~timeout", "error:TimeoutError", "error!=*",
    "data.who:ann", "data.n>=100", "data.n:5,50", "data.who:ann status:pending tag:eu",
    "name:report error~after priority>=0", "max_retries:*",
]  # fmt: skip


def test_all_filters(store: Store) -> None:
    populate(store)
    for text in FILTERS:
        try:
            check(store, text)
        except AssertionError as err:
            raise AssertionError(text) from err


terms = st.sampled_from([text for text in FILTERS if text])


@given(st.lists(terms, min_size=2, max_size=4))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_terms_together(store: Store, chosen: Sequence[str]) -> None:
    if not store.stats().total:
        populate(store)
    check(store, " ".join(chosen))


def test_many_names_are_no_longer_merged(store: Store) -> None:
    put(store, *(make_job(f"j{n}", name=f"n{n % 70}") for n in range(140)))
    put(store, make_job("other", name="x"))
    for text in ("name:n*", "name:*1*", "name:*n* priority:0", "name~N1 status:pending"):
        check(store, text)


def test_a_page_shows_what_there_is_when_it_is_read(store: Store) -> None:
    put(store, *(make_job(f"j{n}") for n in range(6)))
    first = store.select(EVERY, NOON, limit=2)
    assert ids(first.jobs) == ["j5", "j4"]
    put(store, make_job("new"))
    gone = [there(store, "j3"), there(store, "j4")]
    with store.transaction() as tx:
        for job in gone:
            tx.delete(job)
    assert ids(store.select(EVERY, NOON, limit=2, after=first.after).jobs) == ["j2", "j1"]


def test_the_last_page_says_so(store: Store) -> None:
    put(store, *(make_job(f"j{n}", data=n) for n in range(4)))
    for text, size in [("", 4), ("data>=0", 4), ("data>0", 3), ("id:j*", 4), ("name:x", 1)]:
        assert store.select(Filter.parse(text), NOON, limit=size).after is None, text
    assert store.select(EVERY, NOON, limit=3).after is not None
    assert store.select(EVERY, NOON, limit=0).jobs == []


def test_tags_follow_their_jobs(store: Store) -> None:
    put(store, make_job("a", tags=("x", "y")), make_job("b", tags=("y",)))

    def tagged(tag: str) -> list[str]:
        return ids(store.select(Filter.any_of("tag", [tag]), NOON).jobs)

    assert (tagged("x"), tagged("y")) == (["a"], ["b", "a"])
    old, gone = there(store, "a"), there(store, "b")
    with store.transaction() as tx:
        tx.save(transitions.replace(old, make_job("a", tags=("z",))))
        tx.delete(gone)
    assert (tagged("x"), tagged("y"), tagged("z")) == ([], [], ["a"])
    put(store, make_job("b"))
    claim(store, 2)
    assert (tagged("y"), tagged("z")) == ([], ["a"])


def test_a_job_that_is_replaced_and_goes_on_at_once_is_the_new_one(store: Store) -> None:
    put(store, make_job("a", tags=("old",)), make_job("b"))
    old = there(store, "a")
    new = transitions.replace(old, make_job("a", tags=("new",), created_at=after(50)))
    with store.transaction() as tx:
        tx.save(new)
        tx.save(transitions.cancel(new, after(60)))
    for text in ("tag!=new", "tag!=old", "tag:n*", "age<16m", "created:*"):
        check(store, text)


def test_a_job_that_takes_a_deleted_ones_id_has_tags_of_its_own(store: Store) -> None:
    put(store, make_job("a", tags=("x",)), make_job("b"))
    old = there(store, "a")
    with store.transaction() as tx:
        tx.delete(old)
        tx.add([make_job("a", tags=("x",))])
    for text in ("tag:x", "tag!=x", "tag:*"):
        check(store, text)
    assert ids(store.select(Filter.parse("tag:x"), NOW).jobs) == ["a"]


def test_an_offset_is_skipped_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobctl.stores.directory.choosing.STEP", 4)
    put(store, *(make_job(f"j{n:02}", data=n) for n in range(20)))
    for text in ("", "data>=0"):
        found = store.select(Filter.parse(text), NOW, limit=10, offset=6)
        assert ids(found.jobs) == [f"j{n:02}" for n in range(13, 3, -1)], text


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize(
    "text",
    ["", "data.who:ann", "data.n>=119", "priority>2", "tag:eu,us", "status:failed,pending",
     "name:send-* error~after", "name:nobody", "error~nothing"],
)  # fmt: skip
def test_bounded_pages_come_to_all_jobs_in_the_end(
    store: Store, newest: bool, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(store)
    wanted = Filter.parse(text)
    right = by_hand(store, wanted, newest=newest)
    for step, window in ((3, 7), (7, 3), (1000, 64), (2, 1000)):
        monkeypatch.setattr("jobctl.stores.directory.choosing.FEW", step)
        monkeypatch.setattr("jobctl.stores.directory.choosing.WINDOW", window)
        found: list[AnyJob] = []
        page = store.select(wanted, NOW, newest=newest, limit=5, bounded=True)
        while page.after is not None:
            assert len(page.jobs) <= 5
            found += page.jobs
            page = store.select(
                wanted, NOW, newest=newest, limit=5, after=page.after, bounded=True
            )
        assert found + page.jobs == right, (step, window)
