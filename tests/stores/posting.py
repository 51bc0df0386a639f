"""What tests of adds that wait for the write lock share: see combining.py."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from jobctl.core.job import Job
from jobctl.stores.directory import combining
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.locks import SLOTS, WIDTH, WORD
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, eventually, put


class Adding(threading.Thread):
    """A thread that adds jobs to a store of its own. `error` is what it was told."""

    def __init__(self, path: Path, *jobs: Job[object], patience: float = 60) -> None:
        super().__init__()
        self.store = DirectoryStore(path, patience=patience)
        self.jobs = jobs
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Add them."""
        try:
            put(self.store, *self.jobs)
        except BaseException as err:
            self.error = err

    def result(self) -> BaseException | None:
        """Wait for it and return what it was told, None if it was added."""
        self.join(60)
        assert not self.is_alive(), "it still waits"
        self.store.close()
        return self.error


def words(path: Path) -> list[int]:
    """Return what is posted: the numbers of the slots in use."""
    text = (path / "locks" / "write.lock").read_bytes()[WIDTH : WIDTH + WORD * SLOTS]
    found = (int.from_bytes(text[n : n + WORD], "little") for n in range(0, len(text), WORD))
    return [number for number in found if number]


def held(
    path: Path, *jobs: Job[object], patience: float = 60
) -> tuple[DirectoryStore, list[Adding]]:
    """Return a store that has the lock, and for each job somebody who has posted it.

    What the store adds next finds its lock free: it is the same open file.
    """
    store = DirectoryStore(path)
    store.lock.acquire()
    adding = []
    for n, job in enumerate(jobs, start=1):
        adding.append(Adding(path, job, patience=patience))
        eventually(partial(_posted, path, n))
    return store, adding


def _posted(path: Path, count: int) -> bool:
    return len(words(path)) == count


def healthy(path: Path) -> None:
    """See that nothing was kept apart but what nobody was told of, and the index agrees."""
    assert [one for one in examine(path, NOON).findings if one.code != "broken"] == []


def journal(path: Path) -> list[str]:
    """Return the ids of all whole lines, as they stand."""
    found = []
    for segment in sorted((path / "journal").glob("*.jsonl")):
        for line in segment.read_text().splitlines():
            if line.startswith('{"kind":"job"'):
                found.append(line.split('"')[7])
    return found


def body(slot: int) -> int:
    """Return where a slot begins in the lock's file."""
    return combining._BODIES + combining._BODY * slot
