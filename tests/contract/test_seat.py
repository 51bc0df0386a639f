"""The daemon's seat, and how it is woken."""

from __future__ import annotations

import select
import threading

import pytest

from jobctl.core.store import Seat, Store
from jobctl.errors import StoreBusy
from tests.helpers import eventually


def is_readable(seat: Seat) -> bool:
    return bool(select.select([seat.fileno()], [], [], 0)[0])


def test_there_is_one_seat(store: Store) -> None:
    with store.seat():
        with pytest.raises(StoreBusy, match=r"process \d+"), store.seat():
            pass
    with store.seat():
        pass


def test_a_seat_is_given_up_when_something_goes_wrong(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.seat():
        raise ZeroDivisionError
    with store.seat():
        pass


def test_what_one_daemon_leaves_the_next_one_finds(store: Store) -> None:
    with store.seat() as seat:
        (seat.folder / "family.json").write_text("mine")
    with store.seat() as seat:
        assert (seat.folder / "family.json").read_text() == "mine"


def test_a_wake_up_can_be_seen_and_taken(store: Store) -> None:
    with store.seat() as seat:
        seat.drain()
        assert not is_readable(seat)
        store.wake()
        store.wake()
        assert is_readable(seat)
        seat.drain()
        assert not is_readable(seat)
        for _ in range(100_000):  # more than a pipe holds
            store.wake()
        assert is_readable(seat)
        seat.drain()
        assert not is_readable(seat)


def test_a_second_daemon_may_wait_for_the_seat(store: Store) -> None:
    seated = threading.Event()

    def wait_for_it() -> None:
        with store.seat(wait=True):
            seated.set()

    with store.seat():
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        assert not seated.is_set()
    eventually(seated.is_set)
    thread.join()
