"""A daemon claims what others have just added, and tells the index later: nobody sees it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Status
from jobctl.core.store import Stats, Verdict
from jobctl.errors import StoreError
from jobctl.stores.directory import lag
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, claim, ids, make_job, put, there
from tests.stores.fresh import end_of, settle, shut, told, waiting, write
from tests.stores.tools import (
    drop_index,
    failing,
    line,
    picture,
    rebuilt,
    segment,
)


def test_it_is_told_of_the_end_only(daemon: DirectoryStore, user: DirectoryStore) -> None:
    put(user, make_job("new", priority=1), make_job("urgent", priority=2))
    jobs = claim(daemon, 2)
    assert ids(jobs) == ["urgent", "new"]
    settle(daemon, *jobs)
    assert not told(daemon, "new")
    assert daemon._writer is not None
    index = daemon._writer.writer.index
    assert index is not None
    statements: list[str] = []
    index._db.set_trace_callback(statements.append)
    daemon.catch_up()
    assert told(daemon, "new")
    assert sum("INSERT INTO jobs" in one for one in statements) == 2
    assert not [one for one in statements if "UPDATE jobs" in one]
    assert daemon.stats() == user.stats() == Stats(pending=3, running=1, completed=2)
    assert picture(daemon) == picture(user) == rebuilt(daemon.layout.root)


def test_others_see_it_at_once(daemon: DirectoryStore, user: DirectoryStore) -> None:
    put(user, make_job("new"), make_job("more"))
    assert claim(daemon, gate=shut) == []
    assert waiting(daemon) == ["new", "more"]
    assert there(user, "new").status is Status.PENDING
    assert user.stats() == Stats(pending=5, running=1)
    assert ids(claim(daemon, 9)) == ["old1", "old2", "old3", "new", "more"]
    assert picture(user) == picture(daemon) == rebuilt(daemon.layout.root)


@pytest.mark.parametrize("claims", [0, 4, 9])
def test_its_own_readers_see_it(
    daemon: DirectoryStore, user: DirectoryStore, claims: int
) -> None:
    put(user, *(make_job(f"new{n}") for n in range(3)))
    assert len(claim(daemon, claims)) == min(claims, 6)
    assert len(waiting(daemon)) == max(0, 3 - max(0, claims - 3))
    with daemon.transaction() as tx:
        assert there(tx, "new2").status is (Status.RUNNING if claims == 9 else Status.PENDING)
        assert tx.next_run_at() is None
        assert tx.cancelling() == []
        assert not tx.any_waiting()
    assert daemon.stats().total == 7
    assert waiting(daemon) == []
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_what_it_adds_itself_is_claimed_so(daemon: DirectoryStore) -> None:
    put(daemon, make_job("own", priority=1))
    assert ids(claim(daemon)) == ["own"]
    assert not told(daemon, "own")


def test_before_the_first_claim_it_is_folded(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    assert store.stats().pending == 1
    put(store, make_job("b"))
    with store.transaction() as tx:
        assert tx.get("b") is not None
    assert told(store, "b")
    store.close()


# -- durability ----------------------------------------------------------------------------


def test_a_line_that_nobody_has_synced_is_durable_before_its_claim_is_acknowledged(
    daemon: DirectoryStore, user: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(user, line(make_job("new", priority=1, seq=end_of(user))))
    sizes: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        sizes.append(os.fstat(fd).st_size)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    assert ids(claim(daemon)) == ["new"]
    assert sizes == [segment(daemon.layout.root).stat().st_size]


def test_it_is_durable_before_anybody_is_told_of_it(
    daemon: DirectoryStore, user: DirectoryStore
) -> None:
    write(user, line(make_job("new", priority=1, seq=end_of(user))))
    with failing("fdatasync", 99) as calls:
        assert claim(daemon, gate=shut) == []
        assert len(calls) == 1
        assert daemon.stats().pending == 4
        assert len(calls) == 1
    write(user, line(make_job("more", priority=1, seq=end_of(user))))
    with failing("fdatasync", 99) as calls:
        assert daemon.stats().pending == 5
        assert len(calls) == 1


@pytest.mark.parametrize("gate", [shut, lambda *_: Verdict.TAKE])
def test_a_failed_fdatasync_leaves_the_store_as_it_was(
    daemon: DirectoryStore, user: DirectoryStore, gate: Any
) -> None:
    put(user, make_job("new", priority=1))
    with failing("fdatasync", 1), pytest.raises(StoreError):
        claim(daemon, gate=gate)
    assert waiting(daemon) == []
    assert there(user, "new").rev == 1
    assert daemon.journal.segments() == [1, 2]
    assert ids(claim(daemon, 9)) == ["new", "old1", "old2", "old3"]
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_a_claim_that_is_abandoned_leaves_no_trace(
    daemon: DirectoryStore, user: DirectoryStore
) -> None:
    put(user, make_job("new", priority=1))

    def abandon() -> None:
        with daemon.transaction() as tx:
            assert ids(tx.claim(1, NOON)) == ["new"]
            raise KeyError

    with pytest.raises(KeyError):
        abandon()
    assert ids(claim(daemon, 2)) == ["new", "old1"]


def test_an_index_that_cannot_be_written_stops_no_claim(
    daemon: DirectoryStore, user: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "MOST", 3)
    put(user, make_job("new", priority=1))

    def full(self: Index, *_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "fold", full)
        jobs = claim(daemon, 2)
        assert ids(jobs) == ["new", "old1"]
        settle(daemon, jobs[0])
        put(user, make_job("more", priority=1))
    assert there(daemon, "new").status is Status.COMPLETED
    assert ids(claim(daemon, 9)) == ["more", "old2", "old3"]
    assert picture(daemon) == rebuilt(daemon.layout.root)


def test_an_index_that_is_gone_is_made_anew(
    daemon: DirectoryStore, user: DirectoryStore
) -> None:
    put(user, make_job("new", priority=1))
    assert claim(daemon, gate=shut) == []
    drop_index(daemon.layout.root)
    put(user, make_job("more", priority=2))
    assert ids(claim(daemon, 9)) == ["more", "new", "old1", "old2", "old3"]


def test_a_daemon_that_dies_loses_nothing(daemon: DirectoryStore, user: DirectoryStore) -> None:
    put(user, make_job("new", priority=1), make_job("more"))
    settle(daemon, *claim(daemon))
    assert not told(daemon, "new")
    assert user.stats() == Stats(pending=4, running=1, completed=1)
    assert picture(user) == rebuilt(daemon.layout.root)
