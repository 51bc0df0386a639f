"""Adds that wait for the write lock are added by its holder: all, once, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobctl.errors import StoreFull, StoreUnwritable
from jobctl.stores.directory import room
from jobctl.stores.directory.combining import Batch
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.locks import UNSURE, WIDTH, WriteLock
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ids, make_job, put
from tests.stores.posting import healthy, held, journal, words


def strike(monkeypatch: pytest.MonkeyPatch, name: str, *errors: int | None) -> list[int]:
    """Let the next calls of a function of `os` fail so, one after the other; count them all."""
    real: Callable[..., Any] = getattr(os, name)
    left, calls = list(errors), [0]

    def call(*args: Any) -> Any:
        calls[0] += 1
        code = left.pop(0) if left else None
        if code is not None:
            raise OSError(code, os.strerror(code))
        return real(*args)

    monkeypatch.setattr(os, name, call)
    return calls


def test_all_share_one_write_and_one_fdatasync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, adding = held(path, make_job("b"), make_job("c"), make_job("d"))
    alive: list[bool] = []
    writes = strike(monkeypatch, "write")
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        alive.extend(one.is_alive() for one in adding)
        real(fd)
        alive.extend(one.is_alive() for one in adding)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    put(store, make_job("a1"), make_job("a2"))
    assert [one.result() for one in adding] == [None] * 3
    assert alive == [True] * 6  # one call, and nobody was told before it had come back
    assert writes == [1]
    assert words(path) == []
    assert journal(path) == ["first", "a1", "a2", "b", "c", "d"]
    seqs = [job.seq for job in store.list()]
    assert seqs == sorted(set(seqs), reverse=True)
    text = (path / "journal" / "00000001.jsonl").read_text()
    assert [text.count(f'"tx":[{k},{n}]') for k, n in ((1, 2), (2, 2), (1, 1))] == [1, 1, 5]
    store.close()
    healthy(path)


def test_who_adds_alone_looks_for_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WriteLock, "batch", None)
    monkeypatch.setattr(WriteLock, "_hand_over", None)
    store = DirectoryStore(path)
    put(store, make_job("a"))
    assert (path / "locks" / "write.lock").stat().st_size == WIDTH
    store.close()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_failed_fdatasync_is_its_holders_only(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store, adding = held(path, make_job("b"), make_job("c"))
    strike(monkeypatch, "fdatasync", code)
    with pytest.raises(StoreUnwritable if code == errno.EIO else StoreFull):
        put(store, make_job("a"))
    assert [one.result() for one in adding] == [None] * 2
    assert sorted(ids(store.list())) == ["b", "c", "first"]
    store.close()
    healthy(path)


def test_a_disk_that_fails_is_everybodys(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, adding = held(path, make_job("b"), make_job("c"))
    strike(monkeypatch, "write", *[errno.EIO] * 3)
    with pytest.raises(StoreUnwritable):
        put(store, make_job("a"))
    assert all(isinstance(one.result(), StoreUnwritable) for one in adding)
    assert ids(store.list()) == ["first"]
    store.close()
    healthy(path)


@pytest.mark.parametrize("where", ["reserve", "write"])
def test_room_for_one_is_the_holders(
    path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    store, adding = held(path, make_job("b", data="x" * 3000))
    if where == "write":
        strike(monkeypatch, "write", errno.EFBIG)
    else:
        end = (path / "journal" / "00000001.jsonl").stat().st_size
        most = end + 2000 + room.LEAST

        def take(fd: int, need: int) -> room.Room:
            if need > most:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return room.Room(most, 0)

        monkeypatch.setattr(room, "take", take)
    put(store, make_job("a"))
    told = adding[0].result()
    assert isinstance(told, StoreFull) if where == "reserve" else told is None
    assert ids(store.list())[-2:] == ["a", "first"]
    assert len(store.list()) == (2 if where == "reserve" else 3)
    store.close()
    healthy(path)


def test_a_part_that_cannot_be_cut_off_does_not_count(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold whole transactions, which the next writer would not cut off."""
    store, adding = held(path, make_job("b", data="x" * 3000))
    real = os.write
    strike(monkeypatch, "ftruncate", errno.EIO)
    calls = 0

    def write(fd: int, data: memoryview) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, bytes(data)[:1000] if calls == 1 else data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StoreFull):
        put(store, make_job("a"))
    assert adding[0].result() is None
    assert ids(store.list()) == ["b", "first"]
    store.close()
    healthy(path)


def test_who_was_taken_and_not_answered_is_not_taken_again(path: Path) -> None:
    store, (adding,) = held(path, make_job("b"))
    batch = Batch(store.lock._fd, store.store_id)
    assert len(batch.take(1, 5000)) == 1
    batch.let_go()
    again = Batch(store.lock._fd, store.store_id)
    assert again.take(1, 6000) == []
    again.let_go()
    store.lock.release()
    assert adding.result() is None
    assert journal(path) == ["first", "b"]
    store.close()


def test_answers_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He looks into the journal himself, and finds it there."""
    monkeypatch.setattr(Batch, "end", lambda self, *, durable: None)
    syncs = strike(monkeypatch, "fdatasync")
    store, (adding,) = held(path, make_job("b"))
    put(store, make_job("a"))
    adding.join(60)
    assert syncs == [2]  # who was to answer may have died before his
    assert journal(path) == ["first", "a", "b"]
    monkeypatch.setattr(Journal, "holds", None)
    put(adding.store, make_job("c"))  # who adds alone need not look
    assert adding.result() is None
    store.close()
    healthy(path)


def test_what_is_void_is_not_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines stand where they were put, and do not count."""
    monkeypatch.setattr(Batch, "end", lambda self, *, durable: None)
    store, (adding,) = held(path, make_job("b"))
    strike(monkeypatch, "fdatasync", errno.EIO)
    with pytest.raises(StoreUnwritable):
        put(store, make_job("a"))
    assert adding.result() is None
    assert ids(store.list()) == ["b", "first"]
    store.close()
    healthy(path)


def test_what_may_not_be_durable_is_not_said_to_be_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fdatasync nobody knows what stands before the void part either.

    Nor is it added again: of two lines of one id the first counts, which may be lost yet.
    """
    monkeypatch.setattr(Batch, "end", lambda self, *, durable: None)
    store, (adding,) = held(path, make_job("b"))
    monkeypatch.setattr(store.lock, "release", lambda: None)
    put(store, make_job("a"))
    monkeypatch.undo()
    strike(monkeypatch, "fdatasync", errno.EIO)
    with pytest.raises(StoreUnwritable):
        put(store, make_job("c"))
    told = adding.result()
    assert isinstance(told, StoreUnwritable)
    assert str(told).endswith(UNSURE)
    assert journal(path) == ["first", "a", "b", "c"]
    store.close()


def test_a_disk_that_fails_him_who_looks_whether_he_was_added(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Batch, "end", lambda self, *, durable: None)
    store, (adding,) = held(path, make_job("b"))
    strike(monkeypatch, "fdatasync", None, errno.EIO)
    put(store, make_job("a"))
    told = adding.result()
    assert isinstance(told, StoreUnwritable)
    assert str(told).endswith(UNSURE)
    store.close()
