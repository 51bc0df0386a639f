"""The daemon's requests to the store, and what it makes of an earlier daemon's jobs."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.job import Ending, Job, Options, Outcome, Status
from jobctl.errors import StoreBusy
from jobctl.runtime.keeper import Keeper, Request, Settlement, recover, serve
from jobctl.runtime.plan import Durations, Plan
from jobctl.stores.memory import MemoryStore
from tests.helpers import (
    NOON,
    FakeClock,
    after,
    cancel,
    claim,
    eventually,
    ids,
    make_job,
    put,
    there,
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def plan(free: int, *names: str) -> Plan:
    return Plan(Durations(), free, [], names or ("work",))


def done(job: Job[Any], outcome: Outcome = Outcome.COMPLETED) -> Settlement:
    return Settlement(job, Ending(outcome, after(1)), Options())


def test_a_request_settles_and_claims_as_the_plan_allows(store: MemoryStore) -> None:
    put(store, *(make_job(name) for name in "abc"), make_job("later", run_at=after(60)))
    first = serve(store, Request([], plan(2)), NOON)
    assert ids(first.claimed) == ["a", "b"]
    assert not first.exhausted
    second = serve(store, Request([done(first.claimed[0])], plan(2)), after(1))
    assert ids(second.settled) == ["a"]
    assert ids(second.claimed) == ["c"]
    assert second.exhausted
    assert (second.next_due, second.at) == (after(60), after(1))
    assert there(store, "a").status is Status.COMPLETED


def test_a_look_tells_of_cancelled_jobs_without_a_plan(store: MemoryStore) -> None:
    put(store, make_job("a"), make_job("b"))
    claim(store)
    cancel(store, "a")
    assert serve(store, Request([], None), NOON).cancelling == []
    reply = serve(store, Request([], None, look=True), NOON)
    assert (reply.cancelling, reply.claimed) == (["a"], [])
    assert not reply.exhausted


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.COMPLETED, Status.COMPLETED),  # it was quicker than the cancel
        (Outcome.ERROR, Status.CANCELLED),
        (Outcome.CANCELLED, Status.CANCELLED),
        (Outcome.RELEASED, Status.CANCELLED),
    ],
)
def test_a_job_that_was_cancelled_meanwhile(
    store: MemoryStore, outcome: Outcome, status: Status
) -> None:
    put(store, make_job("a"), make_job("b"))
    claimed = claim(store, 2)
    cancel(store, "a")
    reply = serve(store, Request([done(job, outcome) for job in claimed], None), NOON)
    assert sorted(ids(reply.settled)) == ["a", "b"]
    assert there(store, "a").status is status


def test_what_is_done_stays_so_when_housekeeping_fails(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> bool:
        raise StoreBusy("somebody holds it")

    monkeypatch.setattr(store, "maintain", refuse)
    put(store, make_job("a"))
    (job,) = claim(store)
    reply = serve(store, Request([done(job)], None, maintain=True), NOON)
    assert ids(reply.settled) == ["a"]
    with pytest.raises(StoreBusy):
        serve(store, Request([], None, maintain=True), NOON)


def test_a_result_of_another_attempt_changes_nothing(store: MemoryStore) -> None:
    put(store, make_job("a"))
    (old,) = claim(store)
    recover(store, set(), Options(), NOON)
    claim(store, now=after(5))
    assert serve(store, Request([done(old)], None), after(6)).settled == []
    assert there(store, "a").status is Status.RUNNING


def test_recovery_charges_only_what_had_begun(store: MemoryStore) -> None:
    put(store, *(make_job(name) for name in "abcd"))
    claim(store, 3)
    cancel(store, "c")
    found = recover(store, {"a"}, Options(), after(9), step=2)
    assert sorted(ids(found)) == ["a", "b", "c"]
    outcomes = {name: [x.outcome for x in there(store, name).history] for name in "abcd"}
    assert outcomes == {
        "a": [Outcome.LOST],
        "b": [Outcome.RELEASED],
        "c": [Outcome.RELEASED],
        "d": [],
    }
    assert [there(store, name).status for name in "abc"] == ["pending", "pending", "cancelled"]
    assert [there(store, name).attempts for name in "ab"] == [0, 0]
    assert recover(store, {"a"}, Options(), after(9)) == []


def test_a_job_that_took_three_daemons_along_is_dead(store: MemoryStore) -> None:
    put(store, make_job("a", max_retries=99))
    for _ in range(3):
        assert ids(claim(store)) == ["a"]
        recover(store, {"a"}, Options(max_crashes=3), NOON)
    assert there(store, "a").status is Status.FAILED


def test_the_thread_answers_and_hands_bugs_to_the_loop(
    store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, make_job("a"))
    keeper = Keeper(store, clock)
    keeper.start()
    keeper.ask(Request([], plan(1)))
    eventually(lambda: not keeper._replies.empty())
    reply = keeper.answer()
    assert ids(reply.claimed) == ["a"]
    assert not keeper.busy
    monkeypatch.setattr(store, "transaction", lambda: 1 / 0)
    keeper.ask(Request([done(reply.claimed[0])], None))
    eventually(lambda: not keeper._replies.empty())
    reply = keeper.answer()
    assert isinstance(reply.bug, ZeroDivisionError)
    assert len(reply.request.settlements) == 1
    keeper.stop()


def test_a_rest_is_used_for_what_was_put_off(
    store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[int] = []

    def catch_up() -> None:
        rests.append(1)
        raise StoreBusy("somebody else has it")

    monkeypatch.setattr(store, "catch_up", catch_up)
    monkeypatch.setattr("jobctl.runtime.keeper.REST", 0.001)
    put(store, make_job("a"))
    keeper = Keeper(store, clock)
    keeper.start()
    for _ in range(2):
        eventually(lambda: rests)
        rests.clear()
        keeper.ask(Request([], plan(1)))
        eventually(lambda: not keeper._replies.empty())
        assert keeper.answer().error is None
    eventually(lambda: rests)
    keeper.stop()
    assert rests == [1, 1]  # and once more at the end
