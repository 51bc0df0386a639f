"""What a process does to a store, step by step, until it is killed.

Run with a store, a scenario and a segment size; each acknowledged step prints a line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Job, Options, Outcome, finish
from jobctl.stores.directory import journal
from jobctl.stores.directory.store import DirectoryStore

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _job(job_id: str) -> Job[object]:
    return Job(id=job_id, name="work", data={"fill": "x" * 40}, created_at=NOON)


def add(store: DirectoryStore) -> Iterator[None]:
    for n in range(3):
        with store.transaction() as tx:
            tx.add([_job(f"new{n}")])
        yield


def add_many(store: DirectoryStore) -> Iterator[None]:
    for n in range(2):
        with store.transaction() as tx:
            tx.add([_job(f"new{n}-{k}") for k in range(3)])
        yield


def work(store: DirectoryStore) -> Iterator[None]:
    with store.transaction() as tx:
        claimed = tx.claim(2, NOON)
    yield
    ended = [finish(job, Ending(Outcome.COMPLETED, NOON), Options()) for job in claimed]
    with store.transaction() as tx:
        assert tx.settle(ended) == []
        tx.claim(1, NOON)
    yield


def delete(store: DirectoryStore) -> Iterator[None]:
    for job_id in ("old1", "old2"):
        with store.transaction() as tx:
            job = tx.get(job_id)
            assert job is not None
            tx.delete(job)
        yield


def change(store: DirectoryStore) -> Iterator[None]:
    for n in range(6):
        with store.transaction() as tx:
            job = tx.get("old3")
            assert job is not None
            tx.save(transitions.retry(job) if n % 2 else transitions.cancel(job, NOON))
        yield


def compact(store: DirectoryStore) -> Iterator[None]:
    more = True
    while more:
        more = store.maintain()
        yield


def rebuild(store: DirectoryStore) -> Iterator[None]:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{store.layout.index}{suffix}").unlink(missing_ok=True)
    store.stats()
    yield


SCENARIOS: dict[str, Callable[[DirectoryStore], Iterator[None]]] = {
    "add": add,
    "add_many": add_many,
    "work": work,
    "delete": delete,
    "change": change,
    "compact": compact,
    "rebuild": rebuild,
}


def main() -> None:
    path, scenario, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    journal.SEGMENT_SIZE = size
    store = DirectoryStore(path)
    for _ in SCENARIOS[scenario](store):
        os.write(1, b"done\n")
    os._exit(0)


if __name__ == "__main__":
    main()
