"""A claim finds new jobs in their order, wherever they are known."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Job, Outcome, Status
from jobctl.core.note import PAUSE, Note
from jobctl.core.store import Verdict
from jobctl.stores.directory import lag
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.memory import MemoryStore
from tests.helpers import NOON, after, claim, ids, make_job, put, there
from tests.stores.fresh import done, shut, told, waiting
from tests.stores.tools import (
    picture,
    reasons,
    rebuilt,
)


@pytest.mark.parametrize("replaced", [False, True])
def test_verbs_on_a_new_job(
    daemon: DirectoryStore, user: DirectoryStore, replaced: bool
) -> None:
    """Those of one transaction hold for the claim within it."""
    put(user, *(make_job(f"new{n}", priority=9 - n) for n in range(5)))
    assert claim(daemon, gate=shut) == []
    assert len(waiting(daemon)) == 5
    with daemon.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "new0"), NOON))
        tx.delete(there(tx, "new1"))
        if replaced:
            tx.save(transitions.replace(there(tx, "new2"), make_job(run_at=after(60))))
        assert ids(tx.claim(1, NOON)) == ["new3" if replaced else "new2"]
        assert tx.next_run_at() == (after(60) if replaced else None)
    assert there(daemon, "new0").status is Status.CANCELLED
    assert daemon.get("new1") is None
    left = ["new4"] if replaced else ["new3", "new4"]
    assert ids(claim(daemon, 9)) == [*left, "old1", "old2", "old3"]
    assert ids(claim(daemon, 9, after(60))) == ["new2"][:replaced]
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_it_is_told_when_it_is_much(
    daemon: DirectoryStore, user: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "MOST", 3)
    for n in range(3):
        assert len(waiting(daemon)) == n
        put(user, make_job(f"new{n}"))
        assert claim(daemon, gate=shut) == []
    assert waiting(daemon) == []
    assert told(daemon, "new2")
    assert daemon.stats().pending == 6
    assert len(claim(daemon, 9)) == 6
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_what_was_claimed_is_forgotten_without_a_rest(
    daemon: DirectoryStore, user: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not be remembered for as long as jobs come and go."""
    monkeypatch.setattr(lag, "MOST", 30)
    running: list[Job[Any]] = []
    gone = []
    for n in range(40):
        put(user, *(make_job(f"n{n}-{k}") for k in range(5)))
        with daemon.transaction() as tx:
            assert tx.settle([done(job) for job in running]) == []
            running = tx.claim(9, NOON)
        assert daemon._writer is not None
        lanes = daemon._writer.writer._lanes
        assert lanes is not None
        gone.append(sum(len(name.gone) for name in lanes._names.all()))
    assert max(gone) < 3 * lag.MOST
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_the_longest_waiting_is_from_before_all_times(
    daemon: DirectoryStore, user: DirectoryStore
) -> None:
    """A clock showed a time before 1970: the index says that it waits since then."""
    put(user, make_job("early", created_at=NOON.replace(year=1960)))
    put(user, *(make_job(f"high{n}", priority=5) for n in range(12)))
    assert "early" in ids(claim(daemon, 12))


def test_a_lane_is_refilled_with_new_ones(
    daemon: DirectoryStore, user: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.lane._REFILL", 3)
    monkeypatch.setattr("jobctl.stores.directory.lane._MOST", 9)
    monkeypatch.setattr("jobctl.stores.directory.lanes.ELDERS", 3)
    new = [f"new{n:02}" for n in range(60)]
    put(user, *(make_job(one, priority=1) for one in new))
    found = ids(claim(daemon, 63))
    assert sorted(found) == [*new, "old1", "old2", "old3"]
    assert [one for one in found if one in new] == new
    assert not told(daemon, "new00")


@pytest.mark.parametrize("many", [30, 500, 1250])
def test_none_is_lost_behind_a_backlog(tmp_path: Path, many: int) -> None:
    """Lanes keep a part of the jobs in memory: they find the rest wherever it is known."""
    model, daemon = MemoryStore(), DirectoryStore(tmp_path / "store")
    user = DirectoryStore(tmp_path / "store")
    backlog = [make_job(f"j{n:04}", priority=n % 3) for n in range(many)]
    stores: tuple[Any, ...] = (model, daemon)
    for store in stores:
        put(store, *backlog)
    assert ids(claim(daemon, 20)) == ids(claim(model, 20))
    for n in range(80):
        new = make_job(
            f"new{n}",
            priority=n % 5 - 1,
            name=["work", "another"][n % 7 == 0],
            shell={"argv": ["true"]} if n % 11 == 0 else None,
            created_at=after(-n),
        )
        put(user, new)
        put(model, new)
        if n % 9 == 0:
            assert ids(claim(daemon, 5)) == ids(claim(model, 5))
    while expected := ids(claim(model, 70)):
        assert ids(claim(daemon, 70)) == expected
    assert claim(daemon) == []
    assert daemon.stats() == model.stats()
    assert picture(daemon) == rebuilt(daemon.layout.root)
    user.close()
    daemon.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_long_life_as_the_reference_store(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One claims and ends, the other adds and changes; they are looked at seldom."""
    dice = random.Random(seed)
    monkeypatch.setattr(lag, "MOST", dice.choice([5, 40, 2000]))
    monkeypatch.setattr("jobctl.stores.directory.lane._REFILL", dice.choice([3, 400]))
    monkeypatch.setattr("jobctl.stores.directory.lane._MOST", dice.choice([9, 1200]))
    model = MemoryStore()
    daemon, user = (DirectoryStore(tmp_path / "store") for _ in range(2))
    stores: tuple[Any, ...] = (model, daemon)
    running: list[Job[Any]] = []
    count, now = 0, NOON
    for _ in range(250):
        step, writer = dice.random(), dice.choice([daemon, user, user])
        if step < 0.4:
            new = []
            for _ in range(dice.choice([1, 1, 2, 9])):
                count += 1
                rare = dice.random() < 0.04
                new.append(
                    make_job(
                        f"n{count}",
                        name=dice.choice("abc"),
                        priority=dice.randrange(3),
                        created_at=after(dice.randrange(900)),
                        concurrency_key=dice.choice([None, None, "k"]),
                        shell={"argv": ["x"]} if dice.random() < 0.1 else None,
                        run_at=after(dice.randrange(900)) if rare else None,
                        after=(f"n{dice.randrange(count)}",) if step < 0.01 else (),
                    )
                )
            put(writer, *new)
            put(model, *new)
        elif step < 0.45 and count:
            chosen, verb = f"n{dice.randrange(1, count + 1)}", dice.random()
            for store in (model, writer):
                with store.transaction() as tx:
                    job = tx.get(chosen)
                    if job is not None and job.status is Status.PENDING and verb < 0.5:
                        tx.delete(job)
                    elif job is not None and not job.status.finished:
                        tx.save(transitions.cancel(job, NOON))
        elif step < 0.47:
            on, name = dice.random() < 0.5, dice.choice("ab")
            for store in (model, writer):
                with store.transaction() as tx:
                    tx.put(Note(PAUSE, name, NOON, {})) if on else tx.drop(PAUSE, name)
        elif step < 0.49:
            assert writer.stats() == model.stats()
        else:
            ended, running = running[:4], running[4:]
            outcome = dice.choice([Outcome.COMPLETED] * 19 + [Outcome.RELEASED])
            limit, now = dice.randrange(9), now + timedelta(seconds=dice.randrange(9))
            closed = dice.choice(["", "", "", "b"])

            def gate(name: str, key: str | None, shell: bool, closed: str = closed) -> Verdict:
                return Verdict.NAME_CLOSED if name == closed else Verdict.TAKE

            found = []
            for store in stores:
                with store.transaction() as tx:
                    current = [there(tx, job.id) for job in ended]
                    assert tx.settle([done(job, outcome) for job in current]) == []
                    claimed = tx.claim(limit, now, gate)
                    found.append([msgspec.structs.replace(job, seq=0) for job in claimed])
            assert found[0] == found[1]
            running += claimed
    assert daemon.stats() == user.stats() == model.stats()
    jobs = picture(daemon)["jobs"]
    assert jobs == picture(user)["jobs"] == rebuilt(daemon.layout.root)["jobs"]
    assert reasons(daemon.layout.root) == []
    daemon.close()
    user.close()
