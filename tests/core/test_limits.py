"""Limits by name, by key and by rate."""

from __future__ import annotations

from itertools import pairwise

from jobctl.core.limits import Limit, Limits

NOW = 1_000_000.0


def test_concurrency_of_a_name() -> None:
    limits = Limits({"mail": Limit(concurrency=2)})
    for _ in range(2):
        assert limits.name_open("mail", NOW)
        limits.begin("mail", None, NOW)
    assert not limits.name_open("mail", NOW)
    assert limits.name_open("other", NOW)
    limits.end("mail", None)
    assert limits.name_open("mail", NOW)


def test_jobs_of_one_key_run_one_after_the_other_whatever_their_names() -> None:
    limits = Limits({})
    limits.begin("mail", "customer-1", NOW)
    assert not limits.key_open("customer-1")
    assert limits.key_open("customer-2")
    assert limits.key_open(None)
    limits.end("mail", "customer-1")
    assert limits.key_open("customer-1")


def test_a_rate_is_smooth() -> None:
    limits = Limits({"mail": Limit(rate=(100, 60.0))})
    began = []
    now = NOW
    while now < NOW + 6:
        if limits.name_open("mail", now):
            limits.begin("mail", None, now)
            limits.end("mail", None)
            began.append(now)
        now += 0.05
    assert len(began) in (10, 11)
    assert min(b - a for a, b in pairwise(began)) >= 0.6 - 1e-6


def test_a_rate_is_no_burst_after_a_pause() -> None:
    limits = Limits({"mail": Limit(rate=(1, 1.0))})
    limits.begin("mail", None, NOW)
    later = NOW + 100
    limits.begin("mail", None, later)
    assert not limits.name_open("mail", later + 0.9)
    assert limits.name_open("mail", later + 1.0)


def test_when_a_name_opens_again() -> None:
    limits = Limits({"mail": Limit(rate=(1, 10.0)), "free": Limit(concurrency=1)})
    assert limits.opens_at(NOW) is None
    limits.begin("mail", None, NOW)
    assert limits.opens_at(NOW + 1) == NOW + 10
    assert limits.opens_at(NOW + 10) is None


def test_a_clock_set_back_closes_no_name() -> None:
    """It was closed until the clock came there again: each look put it off by an interval."""
    limits = Limits({"mail": Limit(rate=(1, 10.0))})
    limits.begin("mail", None, NOW)
    before = NOW - 86_400
    assert limits.opens_at(before) is None
    assert limits.name_open("mail", before)
    limits.begin("mail", None, before)
    assert limits.opens_at(before) == before + 10
    assert not limits.name_open("mail", before + 9)
    assert limits.name_open("mail", before + 10)


def test_a_copy_counts_for_itself() -> None:
    limits = Limits({"mail": Limit(concurrency=1, rate=(1, 10.0))})
    copy = limits.copy()
    copy.begin("mail", "key", NOW)
    assert (copy.name_open("mail", NOW), copy.key_open("key")) == (False, False)
    assert (limits.name_open("mail", NOW), limits.key_open("key")) == (True, True)
    assert limits.next_at == {}


def test_other_limits_count_what_runs_already() -> None:
    limits = Limits({})
    limits.begin("mail", None, NOW)
    limits.use({"mail": Limit(concurrency=1)})
    assert not limits.name_open("mail", NOW)


def test_rates_are_those_of_names_that_have_one() -> None:
    limits = Limits({"mail": Limit(rate=(1, 10.0)), "free": Limit(concurrency=1)})
    limits.next_at["gone"] = NOW
    for name in ("mail", "free"):
        limits.begin(name, None, NOW)
    assert limits.rates() == {"mail": NOW + 10}
