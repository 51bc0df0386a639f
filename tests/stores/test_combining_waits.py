"""Who has posted what he adds, and waits too long, is interrupted, forks or dies."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from jobctl.errors import StoreBusy, StoreUnwritable
from jobctl.stores.directory import combining
from jobctl.stores.directory.combining import Batch, Post
from jobctl.stores.directory.locks import UNSURE, WriteLock
from jobctl.stores.directory.store import DirectoryStore
from tests.children import Child, open_files
from tests.helpers import eventually, ids, make_job, put
from tests.stores.posting import healthy, held, journal, words


def test_who_waits_too_long_was_not_added(path: Path) -> None:
    store, (adding,) = held(path, make_job("b"), patience=0.01)
    told = adding.result()
    assert isinstance(told, StoreBusy)
    assert str(os.getpid()) in str(told)
    assert words(path) == []
    put(store, make_job("a"))
    assert ids(store.list()) == ["a", "first"]
    store.close()


def test_who_could_post_nothing_was_not_added(path: Path) -> None:
    holder, other = DirectoryStore(path), DirectoryStore(path, patience=0.01)
    holder.lock.acquire()
    with pytest.raises(StoreBusy, match=r"or end it$"):
        put(other, make_job("long", data="x" * 20_000))
    holder.close()
    other.close()


@pytest.mark.parametrize("fails", [False, True])
def test_who_waits_too_long_for_a_holder_who_has_it_in_hand(
    path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """He is told what became of it, and not that nothing did."""
    real, called_off = os.fdatasync, threading.Event()
    real_say = Post._say

    def say(self: Post, number: int) -> None:
        real_say(self, number)
        if not number:
            called_off.set()

    def fdatasync(fd: int) -> None:
        monkeypatch.setattr(os, "fdatasync", real)
        assert called_off.wait(60)
        assert adding.is_alive()
        if fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    store, (adding,) = held(path, make_job("b"), patience=0.3)
    monkeypatch.setattr(Post, "_say", say)
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    if fails:
        with pytest.raises(StoreUnwritable):
            put(store, make_job("a"))
    else:
        put(store, make_job("a"))
    told = adding.result()
    assert isinstance(told, StoreBusy) if fails else told is None
    assert ids(store.list()) == (["first"] if fails else ["b", "a", "first"])
    store.close()
    healthy(path)


def test_a_holder_who_stands_still_with_it_in_hand(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and nobody is told that nothing was done."""
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        monkeypatch.setattr(os, "fdatasync", real)
        adding.join(60)
        assert not adding.is_alive()
        real(fd)

    monkeypatch.setattr(combining, "_LOOKS", 2)
    store, (adding,) = held(path, make_job("b"), patience=0.3)
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    put(store, make_job("a"))
    told = adding.error
    assert isinstance(told, StoreBusy)
    assert str(told).endswith(UNSURE)
    assert ids(store.list()) == ["b", "a", "first"]
    again = DirectoryStore(path)
    put(again, make_job("c"))
    assert adding.result() is told
    assert ids(again.list()) == ["c", "b", "a", "first"]
    again.close()
    store.close()
    healthy(path)


def test_who_is_interrupted_was_not_added(path: Path) -> None:
    holder, other = DirectoryStore(path), DirectoryStore(path)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        holder.lock.acquire()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            put(other, make_job("never"))
    finally:
        signal.signal(signal.SIGALRM, old)
    assert words(path) == []
    put(holder, make_job("a"))
    put(other, make_job("b"))
    assert ids(holder.list()) == ["b", "a", "first"]
    holder.close()
    other.close()


def test_what_a_dead_process_has_posted_is_not_added(path: Path) -> None:
    store = DirectoryStore(path)
    store.lock.acquire()
    other = DirectoryStore(path)
    child = Child(lambda: put(other, make_job("dead")))
    eventually(lambda: words(path))
    os.kill(child.pid, signal.SIGKILL)
    assert child.told() is None
    assert len(words(path)) == 1
    put(store, make_job("a"))
    assert words(path) == []
    assert ids(store.list()) == ["a", "first"]
    store.close()
    other.close()


def test_a_child_has_a_slot_of_its_own(path: Path) -> None:
    store, (adding,) = held(path, make_job("b"))
    adding.store._patience = 0.05  # of the fork; the lock's own is longer

    def work() -> list[str]:
        found = open_files(path)
        put(adding.store, make_job("child"))
        return found

    child = Child(work)
    eventually(lambda: len(words(path)) == 2)
    put(store, make_job("a"))
    assert adding.result() is None
    assert child.result() == []
    assert journal(path) == ["first", "a", "b", "child"]
    store.close()
    healthy(path)


@pytest.mark.parametrize("given_up", [False, True])
def test_who_may_have_been_added_is_not_told_that_the_store_is_busy(
    path: Path, given_up: bool
) -> None:
    """Who took it has died, and somebody else keeps the lock, for a while or for ever."""
    store, (adding,) = held(path, make_job("b"), patience=0.05 if given_up else 1)
    batch = Batch(store.lock._fd, store.store_id)
    assert batch.take(1, 5000)
    batch.let_go()
    eventually(lambda: not words(path))  # it has lost its patience
    if given_up:
        adding.join(60)
    else:
        assert adding.is_alive()
    store.lock.release()
    told = adding.result()
    assert str(told).endswith(UNSURE) if given_up else told is None
    assert journal(path) == (["first"] if given_up else ["first", "b"])
    store.close()


@pytest.mark.parametrize("how", ["no thread", "no lock"])
def test_who_cannot_wait_or_call_off_is_not_told_that_nothing_was_done(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """There is no thread left to wait with, or the kernel has no locks to ask by."""
    real, real_lock, taken = os.fdatasync, combining._lock, threading.Event()

    def refuse(*_: object) -> None:
        assert taken.wait(60)
        raise RuntimeError("can't start new thread")

    def no_lock(fd: int, how: int, kind: int, start: int) -> None:
        if taken.is_set() and kind == fcntl.F_RDLCK:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        real_lock(fd, how, kind, start)

    def fdatasync(fd: int) -> None:
        monkeypatch.setattr(os, "fdatasync", real)
        taken.set()
        if how == "no lock":
            adding.join(60)
        real(fd)

    if how == "no thread":
        monkeypatch.setattr(WriteLock, "_try_again", lambda self, post=None: False)
        monkeypatch.setattr(WriteLock, "_wait", refuse)
    else:
        monkeypatch.setattr(combining, "_lock", no_lock)
    store, (adding,) = held(path, make_job("b"), patience=0.3)
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    put(store, make_job("a"))
    told = adding.result()
    assert str(told).endswith(UNSURE) if how == "no lock" else told is None
    assert ids(store.list()) == ["b", "a", "first"]
    store.close()
    healthy(path)


def test_who_waits_in_the_kernel_is_told(path: Path) -> None:
    """He need not have the lock for it, which others may keep for long."""
    store, (adding,) = held(path, make_job("b"))
    eventually(lambda: any(one.name == "jobctl-lock" for one in threading.enumerate()))
    batch = Batch(store.lock._fd, store.store_id)
    batch.take(1, 5000)
    batch.end(durable=True)
    batch.let_go()
    assert adding.result() is None
    store.lock.release()
    put(store, make_job("a"))  # his thread gives the lock back
    other = DirectoryStore(path)
    put(other, make_job("c"))
    assert journal(path) == ["first", "a", "c"]
    store.close()
    other.close()
