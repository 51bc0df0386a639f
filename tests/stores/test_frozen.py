"""A store that an earlier version wrote loads for ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from jobctl.stores.directory.store import DirectoryStore
from tests.data.make_store_v1 import contents
from tests.helpers import ids, make_job, put

DATA = Path(__file__).parents[1] / "data"


def test_a_store_of_format_1_loads(tmp_path: Path) -> None:
    shutil.copytree(DATA / "store-v1", tmp_path / "store")
    wanted = msgspec.json.decode((DATA / "store-v1.json").read_bytes())
    store = DirectoryStore(tmp_path / "store")
    assert msgspec.json.decode(msgspec.json.encode(contents(store))) == wanted
    put(store, make_job("new"))
    assert ids(store.list(limit=1)) == ["new"]
    store.close()
    store = DirectoryStore(tmp_path / "store")
    assert store.stats().total == wanted["stats"]["pending"] + 1 + sum(
        n for status, n in wanted["stats"].items() if status != "pending"
    )
    store.close()
