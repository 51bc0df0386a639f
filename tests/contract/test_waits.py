"""Jobs that wait for other jobs."""

from __future__ import annotations

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Options, Outcome
from jobctl.core.store import Store
from tests.helpers import NOON, after, claim, end, ids, make_job, next_run_at, put, there


def complete(store: Store, *names: str) -> None:
    for job in claim(store, len(names)):
        assert job.id in names
        end(store, job)


def delete(store: Store, name: str) -> None:
    job = there(store, name)
    with store.transaction() as tx:
        tx.delete(job)


def test_a_job_waits_until_all_before_it_have_completed(store: Store) -> None:
    put(store, make_job("a"), make_job("b"), make_job("c", after=("a", "b"), priority=9))
    running = claim(store, 9)
    assert ids(running) == ["a", "b"]
    end(store, running[1])
    assert claim(store, 9) == []
    end(store, running[0])
    assert ids(claim(store, 9)) == ["c"]


def test_a_chain_goes_step_by_step(store: Store) -> None:
    put(store, make_job("a"))
    assert claim(store, 0) == []
    put(store, make_job("b", after=("a",)), make_job("c", after=("b",)))
    for name in "abc":
        running = claim(store, 9)
        assert ids(running) == [name]
        end(store, running[0])
    assert claim(store, 9) == []


def test_a_job_waits_through_the_retries_of_the_one_before(store: Store) -> None:
    put(store, make_job("a"), make_job("b", after=("a",)))
    for outcome in (Outcome.ERROR, Outcome.RELEASED, Outcome.SNOOZED):
        [job] = claim(store, 9, after(99))
        assert job.id == "a"
        end(store, job, outcome, after=0.0)
    assert there(store, "a").status == "pending"
    complete(store, "a")
    assert ids(claim(store, 9)) == ["b"]


def test_what_comes_after_a_completed_or_an_unknown_job_does_not_wait(store: Store) -> None:
    put(store, make_job("a"))
    complete(store, "a")
    put(store, make_job("b", after=("a",)), make_job("c", after=("gone",)))
    assert ids(claim(store, 9)) == ["b", "c"]


def test_a_deleted_job_is_not_waited_for(store: Store) -> None:
    put(store, make_job("a"), make_job("b", after=("a",)))
    assert ids(claim(store, 0)) == []
    delete(store, "a")
    assert ids(claim(store, 9)) == ["b"]


def test_a_job_that_is_there_again_is_waited_for_again(store: Store) -> None:
    put(store, make_job("b", after=("a",)))
    put(store, make_job("a", priority=-1))
    assert ids(claim(store, 1)) == ["a"]
    assert claim(store, 9) == []
    end(store, there(store, "a"))
    put(store, make_job("c"))
    assert ids(claim(store, 9)) == ["b", "c"]


def test_a_delay_counts_beside_the_others(store: Store) -> None:
    put(store, make_job("a"), make_job("b", after=("a",), run_at=after(30)))
    assert next_run_at(store) is None
    [job] = claim(store, 9, after(40))
    assert job.id == "a"
    end(store, job)
    assert next_run_at(store) == after(30)
    assert claim(store, 9, after(29)) == []
    assert ids(claim(store, 9, after(30))) == ["b"]


def test_who_waits_for_others_is_not_due(store: Store) -> None:
    put(store, make_job("a", run_at=after(90)), make_job("b", after=("a",)))
    assert store.oldest_due(after(9)) is None


def test_dependents_are_the_pending_ones(store: Store) -> None:
    put(store, make_job("a"), make_job("b", after=("a",)), make_job("c", after=("a", "b")))
    put(store, make_job("d", after=("b",)), make_job("e", after=("a",)))
    e = there(store, "e")
    with store.transaction() as tx:
        tx.save(transitions.cancel(e, NOON))
        tx.add([make_job("f", after=("a",))])
        assert ids(tx.dependents("a")) == ["b", "c", "f"]
        assert ids(tx.dependents("b")) == ["c", "d"]
        assert tx.dependents("d") == tx.dependents("none") == []
    with store.transaction() as tx:
        assert ids(tx.dependents("a")) == ["b", "c", "f"]


def test_a_replaced_job_waits_for_what_the_new_one_names(store: Store) -> None:
    put(store, make_job("a"), make_job("z"), make_job("b", after=("a",)))
    assert ids(claim(store, 2)) == ["a", "z"]
    b = transitions.replace(there(store, "b"), make_job("b"))
    with store.transaction() as tx:
        tx.save(b)
    assert ids(claim(store, 9)) == ["b"]
    put(store, make_job("c"))
    c = transitions.replace(there(store, "c"), make_job("c", after=("a",)))
    with store.transaction() as tx:
        tx.save(c)
    assert claim(store, 9) == []
    end(store, there(store, "a"))
    assert ids(claim(store, 9)) == ["c"]


def test_a_cancelled_dependent_that_is_retried_waits_again(store: Store) -> None:
    put(store, make_job("a"), make_job("b", after=("a",)))
    b = transitions.cancel(there(store, "b"), NOON)
    with store.transaction() as tx:
        tx.save(b)
        tx.save(transitions.retry(b))
    assert ids(claim(store, 9)) == ["a"]


def test_what_a_transaction_has_ended_frees_others_in_it(store: Store) -> None:
    put(store, make_job("a"), make_job("b"), make_job("c", after=("a",)))
    put(store, make_job("d", after=("b",)))
    running = claim(store, 9)
    assert ids(running) == ["a", "b"]
    done = transitions.finish(running[0], Ending(Outcome.COMPLETED, NOON), Options())
    with store.transaction() as tx:
        assert tx.settle([done]) == []
        assert ids(tx.claim(9, NOON)) == ["c"]
    end(store, running[1], Outcome.RELEASED)
    b = there(store, "b")
    with store.transaction() as tx:
        tx.delete(b)
        assert ids(tx.claim(9, NOON)) == ["d"]


def test_nobody_waits_when_all_have_run(store: Store) -> None:
    put(store, make_job("a"), make_job("b", after=("a",)), make_job("c", after=("b",)))
    with store.transaction() as tx:
        assert tx.any_waiting()
    for _ in range(3):
        for job in claim(store, 9):
            end(store, job)
    with store.transaction() as tx:
        assert not tx.any_waiting()
        tx.add([make_job("d", after=("a",))])
        assert tx.any_waiting()


def test_who_waits_is_not_in_front_of_others(store: Store) -> None:
    put(store, make_job("a", priority=-1))
    put(store, *(make_job(f"w{n}", after=("a",), priority=9) for n in range(3000)))
    put(store, make_job("open"))
    assert ids(claim(store, 9)) == ["open", "a"]
    end(store, there(store, "a"))
    assert len(claim(store, 9999)) == 3000
