"""What a monitor asks of any store: its daemon, its disk, the job that waits longest."""

from __future__ import annotations

import os
import threading
from datetime import timedelta

from jobctl.core.job import Outcome
from jobctl.core.note import PAUSE, Note
from jobctl.core.store import Pulse, Store
from tests.helpers import NOON, after, claim, end, eventually, make_job, put


def test_nobody_is_the_daemon(store: Store) -> None:
    assert store.pulse(0.0) == Pulse(None, moving=False)
    with store.seat():
        pass
    assert store.pulse(0.0) == Pulse(None, moving=False)


def test_a_daemon_that_takes_no_note(store: Store) -> None:
    with store.seat():
        assert store.pulse(0.0) == Pulse(os.getpid(), moving=False)
        # Not even one that wakes up full.
        for _ in range(70_000):
            store.wake()
        assert store.pulse(0.0).moving is False


def test_a_daemon_that_moves(store: Store) -> None:
    found: list[Pulse] = []
    with store.seat() as seat:
        asking = threading.Thread(target=lambda: found.append(store.pulse(30.0)))
        asking.start()

        def answered() -> bool:
            seat.drain()
            return bool(found)

        # The clock of the directory store stands still here: only the answer ends this.
        eventually(answered)
        asking.join()
    assert found == [Pulse(os.getpid(), moving=True)]


def test_asking_keeps_no_daemon_from_starting(store: Store) -> None:
    store.pulse(0.0)
    with store.seat():
        store.pulse(0.0)
    with store.seat() as seat:
        assert seat.folder.is_dir()


def test_probe_leaves_nothing(store: Store) -> None:
    with store.seat() as seat:
        before = sorted(seat.folder.rglob("*"))
        store.probe()
        assert sorted(seat.folder.rglob("*")) == before


def test_oldest_due_of_many_names(store: Store) -> None:
    put(store, *(make_job(f"{name}2", name=name, created_at=after(2)) for name in "abc"))
    put(store, make_job("b1", name="b", created_at=after(1)))
    put(store, make_job("x", name="x", created_at=NOON, after=("a2",)))

    def oldest() -> str:
        job = store.oldest_due(after(9))
        assert job is not None
        return job.id

    assert oldest() == "b1"
    with store.transaction() as tx:
        tx.put(Note(PAUSE, "b", NOON))
    assert oldest() == "a2"
    [job] = claim(store)
    assert job.id == "a2"
    assert oldest() == "c2"
    end(store, job)
    assert oldest() == "x"


def test_oldest_due(store: Store) -> None:
    def oldest(seconds: float = 0.0) -> str | None:
        job = store.oldest_due(after(seconds))
        return job.id if job else None

    assert oldest() is None
    put(store, make_job("later", run_at=after(60)), make_job("at-thirty", run_at=after(30)))
    assert oldest() is None
    assert oldest(30) == "at-thirty"
    put(store, make_job("at-ten", created_at=after(10), name="other"))
    put(store, make_job("at-five", created_at=after(5), concurrency_key="k"))
    assert oldest(40) == "at-five"
    urgent = make_job("urgent", created_at=after(50), priority=9)
    put(store, urgent)
    assert oldest(50) == "at-five"
    put(store, make_job("at-one", run_at=after(1)))
    assert oldest(50) == "at-one"


def test_what_runs_or_ended_is_not_due(store: Store) -> None:
    put(store, make_job("a", created_at=NOON - timedelta(days=1)))
    [job] = claim(store)
    assert store.oldest_due(NOON) is None
    end(store, job)
    assert store.oldest_due(NOON) is None


def test_one_that_runs_again_is_due_from_then(store: Store) -> None:
    put(store, make_job("a"))
    [job] = claim(store)
    again = end(store, job, Outcome.ERROR)
    assert again.run_at is not None
    assert store.oldest_due(again.run_at - timedelta(seconds=0.001)) is None
    found = store.oldest_due(again.run_at)
    assert found == again
