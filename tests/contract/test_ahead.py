"""Who is claimed before a job, and how many have ended, of any store."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.job import Options as RunOptions
from jobctl.core.job import Outcome, Status
from jobctl.core.note import EVERYTHING, PAUSE, Note
from jobctl.core.store import Store
from tests.helpers import NOON, after, claim, end, make_job, put, there


def ahead(store: Store, job_id: str, seconds: float = 0.0, limit: int = 100) -> Any:
    return store.ahead(there(store, job_id), after(seconds), limit)


def test_nobody_is_ahead_of_one_alone(store: Store) -> None:
    put(store, make_job("a"))
    assert ahead(store, "a") == (0, 0)


def test_in_the_order_in_which_they_are_claimed(store: Store) -> None:
    put(store, *(make_job(f"first-{n}") for n in range(3)))
    put(store, make_job("urgent", priority=5, name="other"))
    put(store, make_job("keyed", concurrency_key="k"), make_job("it"))
    put(store, make_job("shell", shell={"argv": ["true"]}), make_job("low", priority=-1))
    assert ahead(store, "it") == (4, 1)
    assert ahead(store, "shell") == (5, 1)
    assert ahead(store, "low") == (6, 1)
    assert ahead(store, "urgent") == (0, 0)
    order = [job.id for job in claim(store, 8)]
    assert order.index("it") == 5


def test_what_is_not_due_is_not_ahead(store: Store) -> None:
    put(store, make_job("runs", priority=9))
    claim(store)
    put(store, make_job("dead", priority=9))
    end(store, claim(store)[0], Outcome.ERROR, options=RunOptions(max_retries=0))
    put(store, make_job("delayed", run_at=after(60), priority=9))
    put(store, make_job("blocked", after=("delayed",), priority=9))
    put(store, make_job("it"))
    assert ahead(store, "it") == (0, 0)
    assert ahead(store, "it", 59.9) == (0, 0)
    assert ahead(store, "it", 60) == (1, 0)


@pytest.mark.parametrize("promoted", [False, True])
def test_a_delayed_job_has_its_place_too(store: Store, promoted: bool) -> None:
    put(store, make_job("late", run_at=after(5)), make_job("other-late", name="x"))
    put(store, make_job("it", run_at=after(9)), make_job("later", run_at=after(10)))
    if promoted:  # a claim makes all ready that are due
        claim(store, 0, after(20))
    assert ahead(store, "it", 20) == (1, 1)


def test_what_rests_is_not_ahead(store: Store) -> None:
    put(store, *(make_job(f"{n}-{k}", name=n) for n in ("a", "m", "z") for k in range(2)))
    put(store, make_job("x", name="a", run_at=after(1), priority=1), make_job("it", name="m"))
    assert ahead(store, "it", 1) == (2, 5)
    with store.transaction() as tx:
        tx.put(Note(PAUSE, "a", NOON))
    assert ahead(store, "it", 1) == (2, 2)
    with store.transaction() as tx:
        tx.put(Note(PAUSE, "m", NOON))
    assert ahead(store, "it", 1) == (0, 2)
    with store.transaction() as tx:
        tx.put(Note(PAUSE, EVERYTHING, NOON))
    assert ahead(store, "it", 1) == (0, 0)


def test_names_that_are_passed_over_are_not_ahead(store: Store) -> None:
    put(store, *(make_job(f"{n}-{k}", name=n) for n in ("a", "m", "z") for k in range(2)))
    put(store, make_job("x", name="a", run_at=after(1), priority=1), make_job("it", name="m"))
    job = there(store, "it")
    assert store.ahead(job, after(1), 100, {"a"}) == (2, 2)
    assert store.ahead(job, after(1), 100, {"a", "m", "none"}) == (0, 2)


def test_no_more_than_the_limit_is_counted(store: Store) -> None:
    put(store, *(make_job(f"a{n}", concurrency_key=str(n % 7)) for n in range(20)))
    put(store, *(make_job(f"b{n}", name=f"n{n % 7}") for n in range(20)))
    put(store, *(make_job(f"c{n}", run_at=after(1), priority=1) for n in range(20)))
    put(store, make_job("it"))
    assert ahead(store, "it", 1, 100) == (40, 20)
    assert ahead(store, "it", 1, 25) == (25, 20)
    assert ahead(store, "it", 1, 8) == (8, 8)


def test_when_jobs_ended(store: Store) -> None:
    put(store, *(make_job(f"j{n}") for n in range(5)))
    for n, job in enumerate(claim(store, 4)):
        outcome = Outcome.ERROR if n == 3 else Outcome.COMPLETED
        end(store, job, outcome, at=after(n), options=RunOptions(max_retries=0))
    assert list(store.ended(Status.COMPLETED, NOON, 10)) == [after(2), after(1), after(0)]
    assert list(store.ended(Status.COMPLETED, after(1), 10)) == [after(2), after(1)]
    assert list(store.ended(Status.COMPLETED, NOON, 1)) == [after(2)]
    assert list(store.ended(Status.FAILED, NOON, 10)) == [after(3)]
