"""Makes tests/data/store-v1 and what it holds. Run once; the result is never made again.

A store of format 1 must load for ever, so a failing test_frozen.py is a bug in jobctl.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from jobctl.core.job import Status
from jobctl.stores.directory import journal
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import after, claim, make_job, put
from tests.stores.tools import drop_index, live_a_little, picture

HERE = Path(__file__).parent


def contents(store: DirectoryStore) -> object:
    """Return all that the store tells, as JSON has it."""
    found = picture(store)
    return msgspec.to_builtins(
        {**found, "finished": [[j.id for j in f] for f in found["finished"]]}
    )


def main() -> None:
    path = HERE / "store-v1"
    shutil.rmtree(path, ignore_errors=True)
    journal.SEGMENT_SIZE = 10_000
    store = DirectoryStore(path)
    live_a_little(store)
    put(store, make_job("unicode", data={"text": "\u00fc\u4e16\U0001f600\n"}, tags=("x", "y")))
    put(store, make_job("later", run_at=after(86400), timeout=5.0, concurrency_key="k"))
    claim(store, 2)
    assert len(store.journal.segments()) == 2
    assert all(store.stats().as_dict()[status] for status in Status)
    text = msgspec.json.format(msgspec.json.encode(contents(store)), indent=1)
    store.close()
    (HERE / "store-v1.json").write_bytes(text + b"\n")
    drop_index(path)
    shutil.rmtree(path / "locks")
    shutil.rmtree(path / "quarantine", ignore_errors=True)


if __name__ == "__main__":
    main()
