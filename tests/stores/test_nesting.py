"""A thread must not wait for itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import make_job, put


def test_a_transaction_in_a_transaction_is_refused(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    with (
        pytest.raises(RuntimeError, match="a transaction of this store is open"),
        store.transaction(),
        store.transaction(),
    ):
        pass
    put(store, make_job("a"))  # and the store goes on
    assert store.stats().pending == 1


def test_reading_behind_ones_own_transaction_is_refused(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    with store.transaction() as tx:
        tx.lock()
        # The index is behind, and only a transaction can bring it up.
        with pytest.raises(RuntimeError, match="read through it"):
            store.stats()
    assert store.stats().pending == 1


def test_reading_while_another_reader_waits_for_ones_transaction_is_refused(
    tmp_path: Path,
) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    waiting = threading.Thread(target=store.stats)
    with store.transaction() as tx:
        tx.lock()
        waiting.start()
        with pytest.raises(RuntimeError, match="read through it"):
            store.stats()
    waiting.join(timeout=10)
    assert not waiting.is_alive()
