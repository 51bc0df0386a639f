"""Two who open a store that is not there yet get one store, and no complaint."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from jobctl.errors import StoreCorrupt
from jobctl.stores.directory.store import DirectoryStore


def test_a_store_that_another_makes_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "store"
    root.mkdir()
    others: list[DirectoryStore] = []
    listdir = os.listdir

    def slow(path: Any) -> list[str]:
        # No store.json was found; before the folder is listed another process has it all.
        monkeypatch.setattr(os, "listdir", listdir)
        others.append(DirectoryStore(root))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", slow)
    mine = DirectoryStore(root)
    assert mine.store_id == others[0].store_id


def test_what_is_no_store_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(StoreCorrupt, match=r"no store\.json"):
        DirectoryStore(tmp_path)


def test_threads_that_open_a_new_store_at_once(tmp_path: Path) -> None:
    for n in range(20):
        root = tmp_path / f"{n}"
        found: list[str] = []
        start = threading.Barrier(4)

        def open_it(root: Path = root, found: list[str] = found, start: Any = start) -> None:
            start.wait(timeout=10)
            found.append(DirectoryStore(root).store_id)

        threads = [threading.Thread(target=open_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
        assert len(found) == 4
        assert len(set(found)) == 1
        assert [name for name in os.listdir(root) if name.startswith("store.json")] == [
            "store.json"
        ]
