"""The use cases over each store: what they promise does not depend on where jobs are kept."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core.job import Ending, Options, Outcome, Status, finish
from jobctl.core.store import Store
from jobctl.errors import Duplicate, InvalidJob, NotFound, WrongStatus
from jobctl.services.cleaning import Keep
from jobctl.services.queue import QueueService
from tests.helpers import FakeClock, after, claim, end, ids, there

FINAL = Options(max_retries=0)


def bring_to(queue: QueueService, store: Store, status: Status) -> str:
    """Add a job, bring it to a status, and return its id."""
    job_id = queue.add("work", "old", {"id": f"to-{status}"}).id
    if status is Status.CANCELLED:
        queue.cancel(job_id)
    elif status is not Status.PENDING:
        [job] = claim(store)
        if status is Status.COMPLETED:
            end(store, job)
        elif status is Status.FAILED:
            end(store, job, Outcome.ERROR, options=FINAL)
    assert there(store, job_id).status is status
    return job_id


def test_a_plain_add(queue: QueueService, store: Store) -> None:
    added = queue.add("send-email", {"to": "a@b.c"}, {"priority": 3})
    kept = there(store, added.id)
    assert (added.created, kept.name, kept.data) == (True, "send-email", {"to": "a@b.c"})
    assert (kept.priority, kept.status) == (3, Status.PENDING)
    assert queue.get(added.id) == kept
    assert queue.get("unknown") is None


@pytest.mark.parametrize("status", Status)
def test_an_id_that_is_taken(queue: QueueService, store: Store, status: Status) -> None:
    job_id = bring_to(queue, store, status)
    before = there(store, job_id)
    kept = queue.add("other", "new", {"id": job_id})
    assert (kept.id, kept.created, kept.job) == (job_id, False, before)
    with pytest.raises(Duplicate, match=f"{job_id} is there already.*{status}"):
        queue.add("other", "new", {"id": job_id, "if_exists": "error"})
    assert there(store, job_id) == before
    replace = {"id": job_id, "if_exists": "replace", "priority": 7}
    if status is Status.RUNNING:
        with pytest.raises(WrongStatus, match="running"):
            queue.add("other", "new", replace)
        assert there(store, job_id) == before
        return
    replaced = queue.add("other", "new", replace)
    after_all = there(store, job_id)
    assert (replaced.created, after_all.name, after_all.data) == (True, "other", "new")
    assert (after_all.status, after_all.priority, after_all.attempts) == ("pending", 7, 0)
    assert queue.stats().total == 1


def test_many_are_added_in_order(queue: QueueService, store: Store) -> None:
    added = queue.add_many(
        [
            {"name": "a", "data": [1], "priority": 2},
            ("b", {"x": 1}),
            ("c", None, {"job_id": "mine", "tags": ["t"]}),
            {"name": "d"},
            ["e"],
        ]
    )
    assert ids(store.list())[::-1] == added
    assert added[2] == "mine"
    jobs = [there(store, job_id) for job_id in added]
    assert [job.name for job in jobs] == ["a", "b", "c", "d", "e"]
    assert [job.data for job in jobs] == [[1], {"x": 1}, {}, {}, {}]
    assert (jobs[0].priority, jobs[2].tags) == (2, ("t",))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"name": "x", "data": float("nan")}, "data is nan"),
        ({"nme": "x"}, "name is missing"),
        ({"name": "x", "prio": 1}, "'prio' is unknown"),
        ({"name": "x", "id": "stats"}, "id 'stats'"),
        ("name", "it is no job"),
        (("x", {}, 7), "it is no job"),
        ((), "it is no job"),
        (None, "it is no job"),
    ],
)
def test_one_bad_spec_adds_nothing(queue: QueueService, bad: Any, message: str) -> None:
    with pytest.raises(InvalidJob, match=f"^job 2: .*{message}"):
        queue.add_many([("good",), bad])
    with pytest.raises(InvalidJob, match=message):
        queue.check(bad)
    assert queue.stats().total == 0


def test_one_clash_adds_nothing(queue: QueueService) -> None:
    queue.add("old", None, {"id": "taken"})
    with pytest.raises(Duplicate, match="taken"):
        queue.add_many([("a",), ("b",), ("c", None, {"id": "taken", "if_exists": "error"})])
    assert queue.stats().total == 1


def test_an_id_may_stand_twice_among_many(queue: QueueService, store: Store) -> None:
    replace = {"id": "x", "if_exists": "replace"}
    specs = [
        ("a", 1, {"id": "x"}),
        ("b", 2),
        ("c", 3, {"id": "x"}),
        ("d", 4, replace),
        ("e", 5),
    ]
    added = queue.add_many(specs)
    assert added[0] == added[2] == added[3] == "x"
    assert queue.stats().total == 3
    assert there(store, "x").name == "d"
    assert [job.name for job in store.list()] == ["e", "b", "d"]


def test_of_the_same_id_among_many_the_first_is_kept(queue: QueueService, store: Store) -> None:
    assert queue.add_many([("a", 1, {"id": "x"}), ("b", 2, {"id": "x"})]) == ["x", "x"]
    assert there(store, "x").name == "a"
    clash = {"id": "y", "if_exists": "error"}
    with pytest.raises(Duplicate, match="y"):
        queue.add_many([("a", 1, clash), ("b", 2, clash)])
    assert queue.stats().total == 1


def test_no_jobs_are_added_as_none(queue: QueueService) -> None:
    assert queue.add_many([]) == []


@pytest.mark.parametrize("status", Status)
def test_retry(queue: QueueService, store: Store, status: Status) -> None:
    job_id = bring_to(queue, store, status)
    if status in (Status.FAILED, Status.CANCELLED):
        changed = queue.retry(job_id)
        assert (changed.status, changed.attempts) == ("pending", 0)
        assert ids(claim(store)) == [job_id]
    else:
        with pytest.raises(WrongStatus):
            queue.retry(job_id)
        assert there(store, job_id).status is status


@pytest.mark.parametrize("status", Status)
def test_cancel(queue: QueueService, store: Store, status: Status) -> None:
    job_id = bring_to(queue, store, status)
    if status is Status.PENDING:
        assert queue.cancel(job_id).status is Status.CANCELLED
    elif status is Status.RUNNING:
        assert queue.cancel(job_id).cancelling
        assert queue.cancel(job_id).rev == there(store, job_id).rev
    else:
        with pytest.raises(WrongStatus):
            queue.cancel(job_id)
        assert there(store, job_id).status is status


@pytest.mark.parametrize("status", Status)
def test_delete(queue: QueueService, store: Store, status: Status) -> None:
    job_id = bring_to(queue, store, status)
    if status is Status.RUNNING:
        with pytest.raises(WrongStatus):
            queue.delete(job_id)
        assert there(store, job_id).status is status
    else:
        queue.delete(job_id)
        assert store.get(job_id) is None


def test_verbs_on_an_unknown_id(queue: QueueService) -> None:
    for verb in (queue.retry, queue.cancel, queue.delete, queue.resolve):
        with pytest.raises(NotFound, match="no job nothing"):
            verb("nothing")


def test_resolve_finds_by_prefix(queue: QueueService) -> None:
    for job_id in ("ab", "abc", "abd", "x1"):
        queue.add("work", None, {"id": job_id})
    assert queue.resolve("ab").id == "ab"
    assert queue.resolve("x").id == "x1"
    with pytest.raises(InvalidJob, match="'a' is the beginning of several ids: ab, abc, abd"):
        queue.resolve("a")


def test_cleanup_before_a_time(queue: QueueService, store: Store, clock: FakeClock) -> None:
    queue.add_many([("work", None, {"id": name}) for name in "abcdef"])
    for n, job in enumerate(claim(store, 4)):
        outcome = Outcome.COMPLETED if n % 2 else Outcome.ERROR
        end(store, job, outcome, after(10 + n), FINAL)
    clock.advance(60)
    queue.cancel("e")
    assert queue.cleanup_matches(after(12))[0] == 2
    count, rows = queue.cleanup_matches(after(60))
    assert (count, sorted(ids(rows))) == (4, ["a", "b", "c", "d"])
    assert queue.cleanup(after(12)) == 2
    assert sorted(ids(store.list())) == ["c", "d", "e", "f"]
    assert queue.cleanup(after(61)) == 3
    assert ids(store.list()) == ["f"]
    assert queue.cleanup(after(61)) == 0


def test_cleanup_by_retention(store: Store, clock: FakeClock) -> None:
    keep = Keep(ages={Status.COMPLETED: 100.0, Status.FAILED: 300.0})
    queue = QueueService(store, clock, keep=keep)
    queue.add_many([("work", None, {"id": name}) for name in "abc"])
    a, b, _ = claim(store, 3)
    end(store, a, at=after(0))
    end(store, b, Outcome.ERROR, after(0), FINAL)
    clock.advance(100)
    assert queue.cleanup() == 0
    clock.advance(1)
    assert queue.cleanup_matches()[0] == queue.cleanup() == 1
    clock.advance(10_000)
    assert queue.cleanup() == 1
    assert ids(store.list()) == ["c"]


def test_cleanup_goes_in_steps(queue: QueueService, store: Store) -> None:
    queue.add_many([("work",)] * 2500)
    while jobs := claim(store, 2500):
        for job in jobs[:1]:
            end(store, job)
        with store.transaction() as tx:
            done = Ending(Outcome.COMPLETED, finished_at=after(1))
            assert tx.settle([finish(job, done, FINAL) for job in jobs[1:]]) == []
    assert queue.cleanup_matches(after(2))[0] == 2500
    assert queue.cleanup(after(2)) == 2500
    assert queue.stats().total == 0
