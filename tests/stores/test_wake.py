"""A daemon is woken, however long nobody was there."""

from __future__ import annotations

import fcntl
import itertools
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobctl.core.store import Seat
from jobctl.errors import StoreFull
from jobctl.stores.directory import waker
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.directory.waker import Waker
from tests.helpers import cancel, make_job, put
from tests.stores.tools import segment


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second go by between two adds."""
    seconds = itertools.count(1.0)
    monkeypatch.setattr(waker, "_now", lambda: next(seconds))


def woken(seat: Seat) -> bool:
    return bool(select.select([seat], [], [], 0)[0])


def lonely(path: Path) -> DirectoryStore:
    """A store whose folder has long been as it is, and that knows that nobody listens."""
    store = DirectoryStore(path)
    put(store, make_job("first"))
    store.wake()
    os.utime(path, ns=(10**18, 10**18))
    store.wake()
    return store


def test_nobody_is_looked_for_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = lonely(tmp_path / "store")
    monkeypatch.setattr(os, "open", None)  # would be called, and fail
    for _ in range(3):
        store.wake()


@pytest.mark.parametrize("known_fifo", [False, True])
def test_a_daemon_that_comes_later_is_woken(tmp_path: Path, *, known_fifo: bool) -> None:
    path = tmp_path / "store"
    store = lonely(path)
    if known_fifo:  # one was here before
        with store.seat():
            pass
        os.utime(path, ns=(10**18, 10**18))
        store.wake()
    other = DirectoryStore(path)
    with other.seat() as seat:
        assert not woken(seat)
        store.wake()
        assert woken(seat)
        seat.drain()
        store.wake()
        assert woken(seat)


def test_one_daemon_after_the_other_is_woken(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    for n in range(5):
        put(store, make_job(f"{n}"))
        store.wake()
        with DirectoryStore(tmp_path / "store").seat() as seat:
            store.wake()
            assert woken(seat)
        store.wake()
        store.wake()


def test_a_daemon_that_comes_within_a_tick_of_the_clock_is_woken(tmp_path: Path) -> None:
    """The folder's time tells nothing of it: it is the same before and after."""
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("first"))
    tick = segment(path).stat().st_mtime_ns
    os.utime(path, ns=(tick, tick))
    store.wake()
    with DirectoryStore(path).seat() as seat:
        os.utime(path, ns=(tick, tick))
        store.wake()
        assert woken(seat)


@contextmanager
def listening(path: Path) -> Iterator[Seat]:
    with DirectoryStore(path).seat() as seat:
        yield seat


def heard(seat: Seat) -> int:
    """Return how many wake-ups there are, and take them."""
    return len(os.read(seat.fileno(), 100)) if woken(seat) else 0


def test_an_add_wakes_once_and_while_it_has_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path)
    locked: list[bool] = []
    durable: list[int] = []
    say, sync = Waker._say, Journal.sync

    def look(self: Waker) -> None:
        with open(store.layout.write_lock, "rb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked.append(False)
            except BlockingIOError:
                locked.append(True)
        say(self)

    def look_first(self: Journal, good: int) -> None:
        durable.append(heard(seat))
        sync(self, good)

    monkeypatch.setattr(Waker, "_say", look)
    monkeypatch.setattr(Journal, "sync", look_first)
    with listening(tmp_path) as seat:
        for name in "ab":
            put(store, make_job(name))
            store.wake()
        assert not woken(seat)
    assert (locked, durable) == ([True, True], [1, 1])


def test_of_many_adds_each_wakes_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Woken before, the daemon would have the lock before the next one."""
    store = DirectoryStore(tmp_path)
    put(store, make_job("first"))
    store.wake()
    monkeypatch.setattr(waker, "_now", lambda: 1.0 + waker.RARE / 2)
    with listening(tmp_path) as seat:
        for name in "ab":
            put(store, make_job(name))
            assert not woken(seat)
            store.wake()
            assert heard(seat) == 1


def test_what_is_no_add_wakes_when_it_is_done(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    with listening(tmp_path) as seat:
        put(store, make_job("a"))  # and whoever added it has not come to wake anybody
        assert heard(seat) == 1
        cancel(store, "a")
        assert not woken(seat)
        store.wake()
        assert heard(seat) == 1
        store.wake()  # without a transaction
        assert heard(seat) == 1
    store.close()


def test_an_add_that_fails_leaves_nothing_to_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path)
    put(store, make_job("a"))
    with listening(tmp_path) as seat, monkeypatch.context() as patched:

        def fail(*_: object) -> None:
            raise StoreFull("no room")

        patched.setattr(Journal, "append", fail)
        with pytest.raises(StoreFull):
            put(store, make_job("b"))
        heard(seat)
        patched.undo()
        cancel(store, "a")
        store.wake()
        assert heard(seat) == 1
    store.close()


def test_a_daemon_that_came_after_the_early_wake_up_is_woken_by_the_next(
    tmp_path: Path,
) -> None:
    store = DirectoryStore(tmp_path)
    put(store, make_job("a"))
    with listening(tmp_path) as seat:
        # It looks for jobs after it has begun to listen: "a" needs no other word.
        store.wake()
        put(store, make_job("b"))
        assert heard(seat) == 1
