"""A thread must not wait for itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import eventually, make_job, put


def test_reading_behind_ones_own_transaction_is_refused(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    with store.transaction() as tx:
        tx.lock()
        # The index is behind, and only a transaction can bring it up.
        with pytest.raises(RuntimeError, match="read through it"):
            store.stats()
    assert store.stats().pending == 1
    store.close()


@pytest.mark.parametrize("method", ["stats", "version", "list"])
def test_reading_while_another_reader_waits_for_ones_transaction_is_refused(
    tmp_path: Path, method: str
) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    waiting = threading.Thread(target=store.stats, daemon=True)
    said: list[str] = []

    def held() -> bool:
        free = store._reader.lock.acquire(blocking=False)
        if free:
            store._reader.lock.release()
        return not free

    def read() -> None:
        with store.transaction() as tx:
            tx.lock()
            waiting.start()
            eventually(held)
            try:
                getattr(store, method)()
            except RuntimeError as err:
                said.append(str(err))

    # In a thread of its own, so that waiting for ever fails instead of hanging the tests.
    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(timeout=10)
    assert not reading.is_alive(), f"{method} waits for its own transaction"
    assert len(said) == 1
    assert "read through it" in said[0]
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    store.close()
