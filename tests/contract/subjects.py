"""The stores that the model test is about, and what may happen to each but for its verbs.

A new kind of store needs a subject, and a line at the end of test_model.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

from jobctl.clock import Clock
from jobctl.core.store import Store
from jobctl.stores.directory import journal, lines
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.directory.writer import IndexWriter
from jobctl.stores.memory import MemoryStore
from tests.helpers import make_job, put


class Killed(BaseException):
    """What a process feels that is killed: no handler of errors may see it."""


class Subject(Protocol):
    """A place where a store is kept."""

    #: What `harm` may be asked for: whatever it is, the store tells the same after it.
    harms: ClassVar[tuple[str, ...]]
    #: Whether a forked child is another process at the same store.
    forks: ClassVar[bool]

    def open(self) -> Store:
        """Open it: another object each time, as another process would."""

    def harm(self, what: str) -> None:
        """Let something happen to it while it is closed."""

    def killer(self, nth: int, half: bool) -> None:
        """Have this process killed at its nth write, of which `half` may be done."""

    def unindexed(self, store: Store, work: Callable[[], object]) -> None:
        """Do `work`, and die when it is durable, before anybody says so."""

    def remove(self) -> None:
        """Leave nothing."""


class InMemory:
    """One object for all: what would be lost with the process cannot be tried."""

    harms: ClassVar[tuple[str, ...]] = ()
    forks: ClassVar[bool] = False

    def __init__(self, clock: Clock) -> None:
        self._store = MemoryStore()

    def open(self) -> Store:
        return self._store

    def harm(self, what: str) -> None:
        raise NotImplementedError

    def killer(self, nth: int, half: bool) -> None:
        raise NotImplementedError

    def unindexed(self, store: Store, work: Callable[[], object]) -> None:
        work()

    def remove(self) -> None:
        self._store.close()


class InFolder:
    """A directory store with small segments."""

    harms: ClassVar[tuple[str, ...]] = (
        "no index",
        "old index",
        "empty index",
        "foreign index",
        "torn",
        "garbage",
        "zeros",
    )
    forks: ClassVar[bool] = True

    def __init__(self, clock: Clock) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="jobctl-test-"))
        self._clock = clock
        self._path = self._folder / "store"
        self._size, journal.SEGMENT_SIZE = journal.SEGMENT_SIZE, 20_000
        self._indexes: list[Path] = []

    def open(self) -> Store:
        return DirectoryStore(self._path, self._clock)

    def harm(self, what: str) -> None:
        tail = max((self._path / "journal").glob("*.jsonl"))
        with tail.open("ab") as file:
            if what == "torn":  # all of a transaction but its end: nobody was told of it
                text = b"".join(
                    lines.seal(lines.encode(make_job(f"torn{k}", seq=1 << 40)), k, 2)
                    for k in (1, 2)
                )
                file.write(text[: len(text) * 3 // 4])
            elif what == "zeros":
                file.write(bytes(700))
            elif what == "odd":
                # The next states of jobs, but for a checksum that fits.
                found = tail.read_bytes().splitlines(keepends=True)
                states = [line for line in found if b'"status":"' in line][-3:]
                for line in states:
                    rev = re.sub(rb'"rev":(\d+)', b'"rev":9\\1', line)
                    file.write(re.sub(rb'"status":"\w+"', b'"status":"failed"', rev))
                file.write(b"\xff\n")
        index = self._path / "index.sqlite"
        if what.endswith("index"):
            kept = self._keep_index(index)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{index}{suffix}").unlink(missing_ok=True)
            if what == "old index" and kept is not None:
                shutil.copy(kept, index)
            elif what == "empty index":
                index.touch(0o600)
            elif what == "foreign index":
                shutil.copy(self._foreign(), index)

    def _keep_index(self, index: Path) -> Path | None:
        """Keep the index for another time, and return one of an earlier time."""
        if index.exists() and not Path(f"{index}-wal").exists():
            copy = self._folder / f"index{len(self._indexes)}"
            shutil.copy(index, copy)
            self._indexes.append(copy)
        return self._indexes[len(self._indexes) // 2] if self._indexes else None

    def _foreign(self) -> Path:
        path = self._folder / "foreign"
        if not path.exists():
            store = DirectoryStore(path, self._clock)
            put(store, make_job("a1"), make_job("foreign"))
            store.stats()
            store.close()
        return path / "index.sqlite"

    def killer(self, nth: int, half: bool) -> None:
        left = [nth]

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                left[0] -= 1
                if not left[0]:
                    if half and real is write:
                        real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            return call

        write = os.write
        for name in ("write", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "mkdir"):
            setattr(os, name, dying(getattr(os, name)))
        # It is the last thing of a process that dies: nothing is put back.
        Index.commit = dying(Index.commit)  # type: ignore[method-assign]  # meant

    def unindexed(self, store: Store, work: Callable[[], object]) -> None:
        def take(*_: object) -> None:
            raise Killed

        # Of every store that the work opens, so no instance will do.
        real, IndexWriter.take = IndexWriter.take, take  # type: ignore[method-assign, assignment]
        try:
            work()
        except Killed:
            pass
        finally:
            IndexWriter.take = real  # type: ignore[method-assign]  # put back

    def remove(self) -> None:
        journal.SEGMENT_SIZE = self._size
        shutil.rmtree(self._folder)


SUBJECTS: dict[str, Callable[[Clock], Subject]] = {"memory": InMemory, "directory": InFolder}
