"""Jobs that wait for others: whom they may name, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Job, JobError, Options, Outcome, Status
from jobctl.errors import InvalidJob, JobctlError, NotFound, WrongStatus
from jobctl.runtime.keeper import Request, Settlement, recover, serve
from jobctl.services.queue import QueueService
from jobctl.stores.memory import MemoryStore
from tests.helpers import NOON, FakeClock, claim


class Bench:
    """A queue whose store is at hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.queue = QueueService(self.store, self.clock)

    def add(self, job_id: str, *after: str, **options: Any) -> Job[Any]:
        return self.queue.add("x", None, {"id": job_id, "after": list(after), **options}).job

    def there(self, job_id: str) -> Job[Any]:
        job = self.store.get(job_id)
        assert job is not None
        return job

    def status(self, job_id: str) -> str:
        job = self.store.get(job_id)
        return job.status if job else "gone"

    def end(self, job_id: str, outcome: Outcome, **ending: Any) -> Any:
        """Run the next job, which is this one, and let the daemon's keeper settle it."""
        [job] = claim(self.store)
        assert job.id == job_id
        done = Settlement(job, Ending(outcome, NOON, **ending), Options(max_retries=0))
        return serve(self.store, Request([done], None), NOON)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_record_names_whom_a_job_waits_for(bench: Bench) -> None:
    bench.add("a")
    assert bench.add("b", "a", "a").record()["after"] == ("a",)
    assert bench.queue.add("x", None, {"after": "a"}).job.after == ("a",)


@pytest.mark.parametrize(
    ("after", "error"),
    [
        (["none"], NotFound),
        (["a", "none"], NotFound),
        ([7], InvalidJob),
        (b"a", InvalidJob),
        (["a b"], InvalidJob),
        (7, InvalidJob),
        ([f"j{n}" for n in range(1001)], InvalidJob),
        (["dead"], WrongStatus),
        (["stopped"], WrongStatus),
        (["me"], NotFound),
    ],
)
def test_whom_nobody_may_wait_for(bench: Bench, after: Any, error: type[JobctlError]) -> None:
    bench.add("dead")
    bench.end("dead", Outcome.ERROR)
    bench.add("stopped")
    bench.queue.cancel("stopped")
    bench.add("a")
    with pytest.raises(error):
        bench.queue.add("x", None, {"id": "me", "after": after})
    with pytest.raises(error):
        bench.queue.add_many([{"name": "x"}, {"name": "x", "id": "me", "after": after}])
    assert bench.queue.stats().total == 3


def test_a_circle_cannot_be_made(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    bench.add("c", "b")
    for after in ("a", "b", "c"):
        with pytest.raises(InvalidJob, match="wait for itself"):
            bench.add("a", after, if_exists="replace")
    bench.add("a", if_exists="replace")


def test_a_circle_cannot_be_made_by_way_of_one_that_was_gone(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a", delay=60)
    bench.end("a", Outcome.COMPLETED)
    bench.queue.delete("a")
    with pytest.raises(InvalidJob, match="wait for itself"):
        bench.add("a", "b")


def test_a_failure_cancels_all_that_wait_and_says_why(bench: Bench) -> None:
    for job_id, after in (("a", ""), ("b", "a"), ("c", "b"), ("d", "a"), ("e", "")):
        bench.add(job_id, *after)
    reply = bench.end("a", Outcome.ERROR)
    assert sorted(job.id for job in reply.cancelled) == ["b", "c", "d"]
    assert [bench.status(one) for one in "abcde"] == ["failed", *["cancelled"] * 3, "pending"]
    assert bench.there("b").error == JobError(
        "DependencyFailed", "it waited for job a (x), which failed"
    )
    assert bench.there("c").error == JobError(
        "DependencyFailed", "it waited for job b (x), which was cancelled"
    )
    assert bench.there("b").finished_at == NOON


def test_a_cancel_cancels_those_that_wait(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    bench.queue.cancel("a")
    assert bench.status("b") == "cancelled"


def test_a_running_job_that_is_cancelled_takes_them_along_when_it_ends(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    [running] = claim(bench.store)
    bench.queue.cancel("a")
    assert bench.status("b") == "pending"
    done = Settlement(running, Ending(Outcome.CANCELLED, NOON), Options())
    assert [job.id for job in serve(bench.store, Request([done], None), NOON).cancelled] == [
        "b"
    ]
    assert bench.status("b") == "cancelled"


def test_a_delete_of_one_that_did_not_complete_cancels_them(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    bench.queue.delete("a")
    error = bench.there("b").error
    assert error is not None
    assert "was deleted before it completed" in error.message


def test_a_delete_of_one_that_completed_changes_nothing(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    assert bench.end("a", Outcome.COMPLETED).freed
    bench.queue.delete("a")
    assert bench.status("b") == "pending"


def test_one_that_runs_again_keeps_them_waiting(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    [running] = claim(bench.store)
    done = Settlement(running, Ending(Outcome.ERROR, NOON), Options(max_retries=1))
    reply = serve(bench.store, Request([done], None), NOON)
    assert (reply.cancelled, reply.freed, bench.status("b")) == ([], False, "pending")


def test_what_waited_in_vain_is_retried_after_what_it_waited_for(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    bench.end("a", Outcome.ERROR)
    with pytest.raises(WrongStatus, match="retry that one first"):
        bench.queue.retry("b")
    bench.queue.retry("a")
    bench.queue.retry("b")
    bench.end("a", Outcome.COMPLETED)
    bench.end("b", Outcome.COMPLETED)


def test_a_dead_daemon_s_poison_takes_them_along(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", "a")
    claim(bench.store)
    recover(bench.store, {"a"}, Options(max_crashes=1), NOON)
    assert (bench.status("a"), bench.status("b")) == ("failed", "cancelled")


def test_a_chain_runs_in_its_order(bench: Bench) -> None:
    ids = bench.queue.chain(["x", ("y", {"n": 1}), {"name": "z", "priority": 9}])
    for job_id, name in zip(ids, "xyz", strict=True):
        [job] = claim(bench.store, 9)
        assert (job.id, job.name) == (job_id, name)
        done = Settlement(job, Ending(Outcome.COMPLETED, NOON), Options())
        serve(bench.store, Request([done], None), NOON)


def test_a_chain_is_added_whole_or_not_at_all(bench: Bench) -> None:
    lasts: list[Any] = [
        {"name": "z", "after": ["none"]},
        ("z", {}, {"priority": "high"}),
        "no name!",
    ]
    for last in lasts:
        with pytest.raises((NotFound, InvalidJob)):
            bench.queue.chain(["x", last])
    assert bench.queue.stats().total == 0
    assert bench.queue.chain([]) == []


def test_a_chain_may_name_ids_and_others_to_wait_for(bench: Bench) -> None:
    bench.add("a")
    ids = bench.queue.chain([("x", {}, {"id": "first"}), {"name": "y", "after": "a"}])
    assert bench.there(ids[1]).after == ("a", "first")
    assert bench.there("first").status is Status.PENDING


def test_a_reason_is_only_for_those_that_nobody_asked_about() -> None:
    job: Job[Any] = Job(id="a", name="x", data={}, created_at=NOON)
    assert transitions.cancel(job, NOON).error is None
