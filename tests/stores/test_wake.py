"""A daemon is woken, however long nobody was there."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from jobctl.core.store import Seat
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import make_job, put
from tests.stores.tools import segment


def woken(seat: Seat) -> bool:
    return bool(select.select([seat], [], [], 0)[0])


def lonely(path: Path) -> DirectoryStore:
    """A store whose folder has long been as it is, and that knows that nobody listens."""
    store = DirectoryStore(path)
    put(store, make_job("first"))
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
