"""A store that an earlier version wrote loads for ever."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import msgspec

from jobctl.core.job import Status
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.store import DirectoryStore
from tests.data.make_store_v1 import contents
from tests.helpers import NOON, ids, make_job, put

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


def test_any_other_byte_of_it_is_noticed(tmp_path: Path) -> None:
    """A frozen store that somebody makes anew, or mends, is another one."""
    wanted = msgspec.json.decode((DATA / "store-v1.json").read_bytes())
    luck = random.Random(1)
    for file in sorted((DATA / "store-v1" / "journal").iterdir()):
        text = file.read_bytes()
        for at in luck.sample(range(len(text)), 12):
            path = tmp_path / f"{file.stem}-{at}"
            shutil.copytree(DATA / "store-v1", path)
            changed = bytearray(text)
            changed[at] ^= 1 << luck.randrange(8)
            (path / "journal" / file.name).write_bytes(changed)
            assert examine(path, NOON).findings != [], (file.name, at)
            store = DirectoryStore(path)
            stored = msgspec.json.decode(msgspec.json.encode(contents(store)))
            known = {job["id"]: job for job in wanted["jobs"]}
            for job in stored["jobs"]:
                # One of an earlier moment, or the same; never another.
                assert job["rev"] <= known.get(job["id"], job)["rev"]
            store.close()


def test_it_holds_what_the_format_knows_of_jobs() -> None:
    files = sorted((DATA / "store-v1" / "journal").iterdir())
    found = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    assert {line["kind"] for line in found} >= {"segment", "job", "tombstone"}
    statuses = {line["status"] for line in found if line["kind"] == "job"}
    assert statuses == {str(status) for status in Status}
    assert {line["tx"][1] for line in found} >= {1, 2}
