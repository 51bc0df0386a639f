"""What the tests of the directory store share."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from jobctl.core import job as transitions
from jobctl.core.job import FINISHED, Job, Options, Outcome, Status
from jobctl.stores.directory import lines
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, after, claim, end, ids, make_job, next_run_at, put


def segment(path: Path, number: int = 1) -> Path:
    return path / "journal" / f"{number:08d}.jsonl"


def records(path: Path, number: int = 1) -> list[bytes]:
    """Return the lines of a segment."""
    return segment(path, number).read_bytes().splitlines(keepends=True)


def drop_index(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}/index.sqlite{suffix}").unlink(missing_ok=True)


def reasons(path: Path) -> list[str]:
    """Return why bytes went to quarantine."""
    notes = sorted((path / "quarantine").glob("*.json"))
    return [msgspec.json.decode(note.read_bytes())["reason"] for note in notes]


def quarantined(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted((path / "quarantine").glob("*.bin")))


def picture(store: DirectoryStore) -> dict[str, Any]:
    """Return all that readers are told, and check that it agrees with itself."""
    jobs = store.list(limit=10_000)
    stats = store.stats()
    assert stats.total == len(jobs) == len({job.id for job in jobs})
    for status in Status:
        some = store.list(status=status, limit=10_000)
        assert some == [job for job in jobs if job.status is status]
        assert len(some) == stats.as_dict()[status]
    for name in {job.name for job in jobs}:
        assert store.list(name=name, limit=10_000) == [j for j in jobs if j.name == name]
    for job in jobs:
        assert store.get(job.id) == job
    return {
        "jobs": jobs,
        "stats": stats,
        "next": next_run_at(store),
        "finished": [store.finished(status, after(1e6)) for status in FINISHED],
    }


def rebuilt(path: Path) -> dict[str, Any]:
    """Return the picture of a store whose index is made anew from its journal."""
    drop_index(path)
    store = DirectoryStore(path)
    found = picture(store)
    store.close()
    return found


def claim_order(path: Path, at: float = 1000) -> list[str]:
    store = DirectoryStore(path)
    found = [job.id for job in claim(store, 1000, after(at))]
    store.close()
    return found


def live_a_little(store: DirectoryStore) -> None:
    """Bring jobs of two names into every status, with deleted, replaced and retried ones."""
    put(store, *(make_job(f"a{n}", priority=n % 3) for n in range(16)))
    put(store, *(make_job(f"b{n}", name="other", run_at=after(60 - n)) for n in range(4)))
    for job, outcome in zip(claim(store, 9), Outcome, strict=False):
        end(store, job, outcome, options=Options(max_retries=0))
    pending = ids(store.list(status=Status.PENDING, name="work"))
    for job_id in pending[:2]:
        _change(store, job_id, lambda job: transitions.cancel(job, NOON))
    _change(store, pending[0], transitions.retry)
    _change(store, pending[2], lambda job: transitions.replace(job, make_job(name="other")))
    for job_id in pending[3:5]:
        with store.transaction() as tx:
            found = tx.get(job_id)
            assert found is not None
            tx.delete(found)
    put(store, make_job(pending[3], data="again"))
    assert all(store.stats().as_dict()[status] for status in Status)


def _change(store: DirectoryStore, job_id: str, how: Callable[[Job[Any]], Job[Any]]) -> None:
    with store.transaction() as tx:
        job = tx.get(job_id)
        assert job is not None
        tx.save(how(job))


def line(job: Job[Any], k: int = 1, n: int = 1) -> bytes:
    """Return the whole line of a job, as the journal has it."""
    return lines.seal(lines.encode(job), k, n)


@contextmanager
def failing(name: str, nth: int, code: int = errno.EIO) -> Iterator[list[int]]:
    """Make the nth call of an os function fail; yields a list with the calls so far."""
    real: Callable[..., Any] = getattr(os, name)
    calls: list[int] = []

    def call(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == nth:
            raise OSError(code, os.strerror(code))
        return real(*args, **options)

    setattr(os, name, call)
    try:
        yield calls
    finally:
        setattr(os, name, real)
