"""What the tests of new jobs share that are claimed before the index knows them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.core.store import AnyJob, Verdict
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, ids
from tests.stores.tools import segment


def waiting(store: DirectoryStore) -> list[str]:
    """Return which new jobs are known and the index does not know."""
    assert store._writer is not None
    return ids(store._writer.writer.lag.waiting.values())


def told(store: DirectoryStore, job_id: str) -> bool:
    """Return whether the index knows a job."""
    with closing(sqlite3.connect(store.layout.index)) as index:
        return bool(index.execute("SELECT 1 FROM jobs WHERE id=?", (job_id,)).fetchone())


def done(job: AnyJob, outcome: Outcome = Outcome.COMPLETED) -> AnyJob:
    return finish(job, Ending(outcome, NOON), Options(max_retries=0))


def settle(store: DirectoryStore, *jobs: AnyJob) -> None:
    with store.transaction() as tx:
        assert tx.settle([done(job) for job in jobs]) == []


def shut(name: str, key: str | None, shell: bool) -> Verdict:
    return Verdict.CLOSED


def write(store: DirectoryStore, *texts: bytes) -> None:
    """Append to the journal what nobody has made durable."""
    with segment(store.layout.root).open("ab") as file:
        file.write(b"".join(texts))


def end_of(store: DirectoryStore) -> int:
    """Return the seq of a job that is added now."""
    return (1 << 32) | segment(store.layout.root).stat().st_size
