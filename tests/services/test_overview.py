"""One look at a store after the other: what has happened in between."""

from __future__ import annotations

import pytest

from jobctl.core.job import Options, Outcome, Status
from jobctl.core.store import Pulse
from jobctl.services.overview import Rates
from jobctl.services.queue import QueueService
from jobctl.services.telling import Rules, State, Told, write_told
from jobctl.stores.memory import MemoryStore
from tests.helpers import FakeClock, claim, end, ids, make_job, put, there

DEAD = Options(max_retries=0)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_what_happens_between_two_looks_is_counted_once(
    store: MemoryStore, clock: FakeClock
) -> None:
    put(store, make_job("before"))
    watch = QueueService(store, clock).overview()
    first = watch.look()
    assert (first.last, first.since) == (None, None)
    put(store, make_job("a"), make_job("b"), make_job("c"))
    for job in claim(store, 3):
        outcome = Outcome.ERROR if job.id == "a" else Outcome.COMPLETED
        end(store, job, outcome, at=clock.now(), options=DEAD)
    clock.advance(2)
    second = watch.look()
    assert second.last == second.since == Rates(2.0, 3, 2, 1)
    assert second.last is not None
    assert second.last.per_minute(3) == 90
    clock.advance(4)
    third = watch.look()
    assert (third.last, third.since) == (Rates(4.0, 0, 0, 0), Rates(6.0, 3, 2, 1))


def test_an_end_that_comes_late_into_the_store_is_counted_by_the_next_look(
    store: MemoryStore, clock: FakeClock
) -> None:
    put(store, make_job("a"))
    claim(store)
    watch = QueueService(store, clock).overview()
    watch.look()
    clock.advance(2)
    ended = clock.now()
    clock.advance(0.5)
    assert watch.look().last == Rates(2.5, 0, 0, 0)
    end(store, there(store, "a"), at=ended)
    clock.advance(2)
    assert watch.look().last == Rates(2.0, 0, 1, 0)


def test_a_job_that_was_added_last_may_be_deleted(store: MemoryStore, clock: FakeClock) -> None:
    put(store, make_job("a"), make_job("b"))
    watch = QueueService(store, clock).overview()
    watch.look()
    with store.transaction() as tx:
        tx.delete(there(tx, "b"))
    clock.advance(1)
    assert watch.look().last == Rates(1.0, 0, 0, 0)


def test_a_clock_that_goes_back_counts_nothing_twice(
    store: MemoryStore, clock: FakeClock
) -> None:
    put(store, make_job("a"))
    watch = QueueService(store, clock).overview()
    watch.look()
    end(store, claim(store)[0], at=clock.now())
    clock.advance(5)
    watch.look()
    clock.advance(-4)
    clock.seconds += 6
    assert watch.look().since == Rates(7.0, 0, 1, 0)


class Served(MemoryStore):
    """A store with a daemon."""

    daemon = Pulse()

    def pulse(self, patience: float) -> Pulse:
        return self.daemon


@pytest.mark.parametrize(
    ("pid", "state"), [(7, State.READY), (0, State.READY), (8, None), (None, None)]
)
def test_what_a_daemon_told_is_shown_while_it_runs(
    pid: int | None, state: State | None, clock: FakeClock
) -> None:
    store = Served()
    store.daemon = Pulse(pid, moving=True)
    write_told(store.files, Told(7, State.READY, clock.now(), Rules()))
    assert QueueService(store, clock).overview().look().state is state


def test_what_runs_and_what_failed(store: MemoryStore, clock: FakeClock) -> None:
    put(store, *(make_job(f"f{n}") for n in range(5)))
    for job in claim(store, 5):
        clock.advance(1)
        end(store, job, Outcome.ERROR, at=clock.now(), options=DEAD)
    put(store, make_job("due"), make_job("r1", priority=1), make_job("r2", priority=1))
    claim(store, now=clock.now())
    clock.advance(1)
    claim(store, now=clock.now())
    found = QueueService(store, clock).overview().look()
    assert ids(found.failed) == ["f4", "f3", "f2"]
    assert ids(found.running) == ["r1", "r2"]
    assert found.oldest is not None
    assert found.oldest.id == "due"
    assert (found.counts.failed, found.counts.running) == (5, 2)
    assert (found.daemon.pid, found.state, found.paused) == (None, None, [])
    assert found.running[0].status is Status.RUNNING
