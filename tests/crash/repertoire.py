"""All that is played on a disk whose power is cut, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from jobctl.stores.directory import lines
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.plays import Play, Stubborn
from tests.crash.store_steps import (
    SCENARIOS,
    SEGMENT,
    SMALL,
    Scenario,
    add,
    change,
    compact,
    waiting,
)
from tests.crash.upkeep_plays import Backup, Broken, Repair, Restore, RestoreAnew
from tests.helpers import make_job, put


def _torn(path: Path) -> None:
    """The last write, of three lines, has come to the disk by half."""
    waiting(path)
    store = DirectoryStore(path)
    put(store, *(make_job(f"half{n}") for n in range(3)))
    store.close()
    segment = path / "journal" / "00000001.jsonl"
    text = segment.read_bytes()
    whole = text.splitlines(keepends=True)
    assert lines.place_in_transaction(whole[-1]) == (3, 3)
    os.truncate(segment, len(text) - len(whole[-1]) - len(whole[-2]) // 2)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}/index.sqlite{suffix}").unlink(missing_ok=True)


def _forget(store: DirectoryStore) -> Iterator[None]:
    """Jobs are deleted, and what says so is compacted as soon as that may be."""
    with store.transaction() as tx:
        for n in (1, 2, 4, 5, 6):
            job = tx.get(f"old{n}")
            assert job is not None
            tx.delete(job)
    yield
    yield from change(store)
    yield from compact(store)


def _pages(store: DirectoryStore) -> Iterator[None]:
    """Transactions over several pages of the disk, which may be written in any order."""
    for n in range(3):
        put(store, *(make_job(f"new{n}-{k}", data="x" * 1500) for k in range(n + 2)))
        yield
    put(store, make_job("wide", data="x" * 6000))
    yield


SCENARIOS["after a torn write"] = Scenario(add, _torn)
SCENARIOS["forget"] = Scenario(_forget, waiting, {SEGMENT: SMALL})
SCENARIOS["pages"] = Scenario(_pages)

#: The longest come first: then several processes end together.
PLAYS: dict[str, Play] = {
    "repair": Repair(),
    "forget": Play("forget"),
    "change": Play("change"),
    "restore": Restore(),
    "restore anew": RestoreAnew(),
    "backup": Backup(),
    **{name: Play(name) for name in SCENARIOS},
    "stubborn": Stubborn(),
    "told it failed": Stubborn(late=True),
    "told that nothing works": Broken(),
}
