"""A busy daemon lets the index lag behind what it claims and ends: nobody sees a difference."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Job, Options, Outcome, Status, finish
from jobctl.core.store import AnyJob, Stats
from jobctl.stores.directory import lag
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, after, claim, ids, make_job, put, there
from tests.stores.tools import picture, reasons, rebuilt


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    """A store of a hundred jobs whose daemon has begun to claim."""
    store = DirectoryStore(tmp_path / "store")
    put(store, *(make_job(f"j{n:03}") for n in range(100)))
    claim(store, 2)
    yield store
    store.close()


def behind(store: DirectoryStore) -> int:
    """Return of how many jobs the index does not know the last lines."""
    assert store._writer is not None
    return len(store._writer.writer.lag)


def settle(store: DirectoryStore, *jobs: AnyJob, outcome: Outcome = Outcome.COMPLETED) -> None:
    ended = [finish(job, Ending(outcome, NOON), Options(max_retries=0)) for job in jobs]
    with store.transaction() as tx:
        assert tx.settle(ended) == []


def other(store: DirectoryStore) -> DirectoryStore:
    return DirectoryStore(store.layout.root)


def test_claims_and_ends_are_told_together(store: DirectoryStore) -> None:
    assert behind(store) == 2
    jobs = claim(store, 3)
    settle(store, *jobs)
    assert behind(store) == 5
    with store.transaction() as tx:
        assert there(tx, jobs[0].id).status is Status.COMPLETED
        assert there(tx, "j000").status is Status.RUNNING
        assert there(tx, "j099").status is Status.PENDING
    assert behind(store) == 5
    assert store.stats() == Stats(pending=95, running=2, completed=3)
    assert behind(store) == 0
    with closing(sqlite3.connect(store.layout.index)) as index:
        assert index.execute("SELECT segment, offset FROM meta").fetchone() == store.version()
    assert picture(store) == rebuilt(store.layout.root)


def test_others_see_it(store: DirectoryStore) -> None:
    settle(store, *claim(store, 3))
    with_it = other(store)
    assert with_it.stats() == Stats(pending=95, running=2, completed=3)
    assert there(with_it, "j002").status is Status.COMPLETED
    with_it.close()
    # The index has been told by somebody else, and the lanes begin anew.
    assert ids(claim(store, 2)) == ["j005", "j006"]
    assert behind(store) == 2
    assert picture(store) == rebuilt(store.layout.root)


def test_what_others_write_meanwhile_counts(store: DirectoryStore) -> None:
    jobs = claim(store, 4)
    others = other(store)
    with others.transaction() as tx:
        tx.save(transitions.cancel(there(tx, jobs[0].id), NOON))
        tx.save(transitions.cancel(there(tx, "j007"), NOON))
        tx.delete(there(tx, "j006"))
    put(others, make_job("first", priority=9))
    ended = [finish(job, Ending(Outcome.COMPLETED, NOON), Options()) for job in jobs]
    with store.transaction() as tx:
        assert ids(tx.settle(ended)) == [jobs[0].id]
        assert tx.cancelling() == [jobs[0].id]
        assert ids(tx.claim(3, NOON)) == ["first", "j008", "j009"]
    assert picture(store) == rebuilt(store.layout.root)
    others.close()


def test_a_plain_add_of_others_does_not_hide_it(store: DirectoryStore) -> None:
    jobs = claim(store, 4)
    others = other(store)
    put(others, make_job("more"))
    settle(store, *jobs)
    assert there(store, jobs[0].id).status is Status.COMPLETED
    assert store.stats().total == 101
    others.close()


def test_a_job_is_claimed_once_however_far_the_index_is_behind(store: DirectoryStore) -> None:
    seen = ids(claim(store, 10))
    for _ in range(6):
        seen += ids(claim(store, 13))
    assert behind(store) > 80
    seen += ids(claim(store, 99))
    assert sorted(seen) == [f"j{n:03}" for n in range(2, 100)]
    assert behind(store) == 100
    store.catch_up()
    assert behind(store) == 0
    assert picture(store) == rebuilt(store.layout.root)


def test_it_is_told_when_it_is_much(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "MOST", 6)
    jobs = claim(store, 3)
    assert behind(store) == 5
    settle(store, *jobs)
    assert behind(store) == 5
    jobs = claim(store, 1)
    assert behind(store) == 0
    monkeypatch.setattr(lag, "BYTES", 800)
    settle(store, *jobs)
    assert behind(store) == 1
    claim(store, 1)
    assert behind(store) == 0
    assert picture(store) == rebuilt(store.layout.root)


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.RELEASED, Outcome.SNOOZED])
def test_a_job_that_runs_again_is_told_at_once(store: DirectoryStore, outcome: Outcome) -> None:
    [job] = claim(store)
    ending = Ending(outcome, NOON, after=1.0 if outcome is Outcome.SNOOZED else None)
    with store.transaction() as tx:
        assert tx.settle([finish(job, ending, Options(max_retries=3))]) == []
    assert behind(store) == 0
    assert job.id in ids(claim(store, 200, after(10_000)))


def test_where_jobs_wait_for_others_nothing_lags(store: DirectoryStore) -> None:
    put(store, make_job("waits", after=("j000",), priority=9))
    [job] = claim(store)
    assert job.id == "j002"
    assert behind(store) == 0
    settle(store, there(store, "j000"))
    assert ids(claim(store)) == ["waits"]


def test_the_end_of_a_job_that_shall_end_is_known(store: DirectoryStore) -> None:
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "j000"), NOON))
    assert claim(store)
    with store.transaction() as tx:
        assert tx.cancelling() == ["j000"]
    settle(store, there(store, "j000"), outcome=Outcome.CANCELLED)
    with store.transaction() as tx:
        assert behind(store) == 1
        assert tx.cancelling() == []


def test_what_is_abandoned_leaves_no_trace(store: DirectoryStore) -> None:
    jobs = claim(store, 4)

    def abandon() -> None:
        with store.transaction() as tx:
            tx.claim(2, NOON)
            raise KeyError

    with pytest.raises(KeyError):
        abandon()
    settle(store, *jobs)
    assert ids(claim(store, 2)) == ["j006", "j007"]
    assert store.stats() == Stats(pending=92, running=4, completed=4)


def test_a_daemon_that_dies_loses_nothing(store: DirectoryStore) -> None:
    settle(store, *claim(store, 4))
    assert behind(store) == 6
    after_it = other(store)  # it was never closed, nor did it tell the index
    assert after_it.stats() == Stats(pending=94, running=2, completed=4)
    assert picture(after_it) == rebuilt(after_it.layout.root)
    after_it.close()


def test_compaction_copies_nothing_that_the_lag_has_newer(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("jobctl.stores.directory.journal.SEGMENT_SIZE", 1)
        claim(store, 1)
    with store.transaction() as tx:
        for n in range(30, 100):
            tx.delete(there(tx, f"j{n:03}"))
    settle(store, *claim(store, 9))
    assert behind(store) == 9
    assert store.maintain()
    assert behind(store) == 0
    while store.maintain():
        pass
    assert store.journal.segments()[0] > 1
    assert reasons(store.layout.root) == []
    assert store.stats() == Stats(pending=18, running=3, completed=9)
    assert picture(store) == rebuilt(store.layout.root)


@pytest.mark.parametrize("seed", range(8))
def test_a_long_life_of_two_who_write(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One claims and ends, the other one adds, cancels, deletes and reads now and then."""
    dice = random.Random(seed)
    monkeypatch.setattr(lag, "MOST", dice.choice([5, 40, 2000]))
    daemon, user = (DirectoryStore(tmp_path / "store") for _ in range(2))
    running: list[Job[object]] = []
    seen: set[str] = set()
    count = 0
    for _ in range(150):
        step = dice.random()
        if step < 0.15 or not count:
            jobs = [make_job(f"n{count + k}", name=dice.choice("abc")) for k in range(20)]
            count += 20
            put(dice.choice([daemon, user]), *jobs)
        elif step < 0.25:
            with user.transaction() as tx:
                job = tx.get(f"n{dice.randrange(count)}")
                if job is not None and not job.status.finished:
                    tx.save(transitions.cancel(job, NOON))
        elif step < 0.3:
            assert user.stats().running == len(running)
        else:
            ended, running = running[:4], running[4:]
            with daemon.transaction() as tx:
                outcome = dice.choice([Outcome.COMPLETED] * 9 + [Outcome.RELEASED])
                changed = [finish(job, Ending(outcome, NOON), Options()) for job in ended]
                for stale in tx.settle(changed):
                    tx.save(finish(there(tx, stale.id), Ending(outcome, NOON), Options()))
                claimed = tx.claim(dice.randrange(1, 9), NOON)
                if outcome is Outcome.RELEASED:
                    seen -= set(ids(ended))
            assert not seen & set(ids(claimed))
            seen |= set(ids(claimed))
            running += claimed
    assert user.stats().running == len(running)
    assert picture(user) == picture(daemon) == rebuilt(daemon.layout.root)
    daemon.close()
    user.close()
