"""Verbs for all jobs that a filter chooses, on every store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobctl.core import job as transitions
from jobctl.core.filters import Filter
from jobctl.core.job import Options, Outcome, Status
from jobctl.core.store import AnyJob, Store, Transaction
from jobctl.errors import InvalidFilter, InvalidJob
from jobctl.services import bulk as bulk_module
from jobctl.services import verbs
from jobctl.services.queue import QueueService
from tests.helpers import FakeClock, after, claim, end, ids, make_job, put, there

DEAD = Options(max_retries=0)


@pytest.fixture(autouse=True)
def jobs(store: Store, clock: FakeClock) -> None:
    """Three jobs of each status, named after it; a minute has passed."""
    for status in ("completed", "failed", "running"):
        put(store, *(make_job(f"{status}{n}", name=status, data=n) for n in range(3)))
        running = claim(store, 3)
        if status != "running":
            outcome = Outcome.COMPLETED if status == "completed" else Outcome.ERROR
            for n, job in enumerate(running):
                end(store, job, outcome, after(n), DEAD)
    put(store, *(make_job(f"cancelled{n}", name="cancelled", data=n) for n in range(3)))
    with store.transaction() as tx:
        for n in range(3):
            one = tx.get(f"cancelled{n}")
            assert one is not None
            tx.save(transitions.cancel(one, after(n)))
    put(store, *(make_job(f"pending{n}", name="pending", data=n) for n in range(3)))
    clock.advance(60)


def statuses(store: Store) -> dict[str, str]:
    """Return the statuses of the jobs that are no longer as they are named."""
    found = store.list(limit=1000)
    return {job.id: str(job.status) for job in found if job.status != job.name}


@pytest.mark.parametrize(
    ("verb", "fits"),
    [
        ("retry", ("failed", "cancelled")),
        ("cancel", ("pending", "running")),
        ("delete", ("pending", "completed", "failed", "cancelled")),
        ("cleanup", ("completed", "failed", "cancelled")),
    ],
)
def test_a_verb_is_for_those_that_it_fits(
    verb: str, fits: tuple[str, ...], queue: QueueService, store: Store
) -> None:
    before = {job.id: job for job in store.list()}
    chosen = [job for job in before.values() if job.name in fits and job.data != 1]
    bulk = queue.bulk(verb, "data!=1")
    dry = bulk.run(dry_run=True)
    assert (dry.matched, dry.changed, dry.skipped) == (len(chosen), 0, 0)
    assert ids(dry.jobs) == ids(chosen)[:10]
    assert {job.id: job for job in store.list()} == before
    done = bulk.run()
    assert (done.matched, done.changed, done.skipped) == (len(chosen), len(chosen), 0)
    now = {job.id: job for job in store.list()}
    touched = {key for key, job in before.items() if now.get(key) != job}
    assert touched == set(ids(chosen))
    for job in chosen:
        if verb == "retry":
            assert now[job.id] == transitions.retry(job)
        elif verb == "cancel":
            assert now[job.id] == transitions.cancel(job, after(60))
        else:
            assert job.id not in now


def test_it_goes_in_steps_the_oldest_first(
    queue: QueueService, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "STEP", 4)
    steps: list[list[str]] = []
    seen: list[int] = []
    for step in queue.bulk("cleanup", "name:*").steps(lambda: seen.append(len(steps))):
        steps.append(ids(step.changed))
        assert store.stats().total == 15 - sum(map(len, steps))
    assert [len(step) for step in steps] == [4, 4, 1]
    assert seen == [0, 1, 2]
    assert steps[0] == ["completed0", "completed1", "completed2", "failed0"]


def test_what_is_added_meanwhile_is_left_alone(
    queue: QueueService, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "STEP", 2)
    for n, step in enumerate(queue.bulk("cancel", "status:pending").steps()):
        assert step.changed
        put(store, make_job(f"new{n}"), make_job(f"newer{n}"))
    assert store.stats().pending == 4


def meddling(
    monkeypatch: pytest.MonkeyPatch, verb: str, meddle: Callable[[Transaction], None]
) -> None:
    """Have somebody change jobs after they were read and before they are acted on."""
    real = verbs.VERBS[verb]
    meddled: list[bool] = []

    def act(tx: Transaction, job: AnyJob, now: Any) -> AnyJob:
        if not meddled:
            meddled.append(True)
            meddle(tx)
        return real.act(tx, job, now)

    changed = verbs.Verb(act, real.follow, real.statuses, real.removes)
    monkeypatch.setitem(verbs.VERBS, verb, changed)


def test_who_changed_meanwhile_is_read_again(
    queue: QueueService, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meddle(tx: Transaction) -> None:
        for name in ("pending0", "pending1", "pending2"):
            job = tx.get(name)
            assert job is not None
            if name == "pending0":
                tx.delete(job)
            elif name == "pending1":
                tx.save(transitions.cancel(job, after(5)))
            else:
                tx.save(transitions.claim(job, after(5)))

    meddling(monkeypatch, "cancel", meddle)
    done = queue.bulk("cancel", "name:pending").run()
    assert (done.matched, done.changed, done.skipped) == (3, 1, 2)
    assert ids(done.jobs) == ["pending2"]
    assert there(store, "pending2").cancelling
    assert there(store, "pending1").finished_at == after(5)


def test_who_matches_no_more_is_passed_over(
    queue: QueueService, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meddle(tx: Transaction) -> None:
        job = tx.get("failed1")
        assert job is not None
        tx.save(transitions.replace(job, make_job("failed1", name="other")))

    meddling(monkeypatch, "delete", meddle)
    done = queue.bulk("delete", "name:failed").run()
    assert (done.changed, done.skipped) == (2, 1)
    assert there(store, "failed1").name == "other"


def test_a_job_that_waits_in_vain_is_not_retried(queue: QueueService, store: Store) -> None:
    put(store, make_job("second", name="link", after=("failed0",)))
    with store.transaction() as tx:
        job = tx.get("second")
        assert job is not None
        tx.save(transitions.cancel(job, after(1)))
    [step] = queue.bulk("retry", "name:link").steps()
    assert step.changed == []
    assert step.refused == [
        "job second comes after failed0, which failed: retry that one first"
    ]
    assert queue.bulk("retry", "id:second,failed0").run().changed == 2  # the first comes first


@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_those_that_wait_for_them_are_cancelled(
    verb: str, queue: QueueService, store: Store
) -> None:
    put(store, make_job("b", name="link", after=("pending0",)), make_job("c", after=("b",)))
    assert queue.bulk(verb, "name:pending").run().changed == 3
    assert [there(store, one).status for one in "bc"] == [Status.CANCELLED] * 2
    error = there(store, "b").error
    assert error is not None
    assert error.type == "DependencyFailed"


def test_the_files_of_deleted_jobs_go(queue: QueueService, store: Store) -> None:
    path = queue.log_path("failed0")
    path.parent.mkdir()
    path.write_text("x")
    queue.log_path("failed1").write_text("x")
    queue.bulk("cleanup", "id:failed0").run()
    assert not path.exists()
    assert queue.log_path("failed1").exists()


def test_cleanup_takes_a_filter_and_a_time(queue: QueueService, store: Store) -> None:
    assert queue.cleanup(after(2), "name:failed,completed") == 4
    assert queue.cleanup(filter="name:cancelled data:0,1") == 2
    assert queue.cleanup(filter="name:pending,running") == 0
    assert store.stats().total == 9


@pytest.mark.parametrize("text", ["", "  "])
def test_a_bulk_needs_a_filter(text: str, queue: QueueService) -> None:
    with pytest.raises(InvalidJob, match="delete needs a filter"):
        queue.bulk("delete", text)
    with pytest.raises(InvalidJob, match="verb 'remove' is unknown: use retry, cancel"):
        queue.bulk("remove", "name:x")
    with pytest.raises(InvalidFilter):
        queue.bulk("delete", "nam:x")
    assert queue.bulk("delete", Filter.parse("name:nobody")).run().matched == 0
