"""What is played on a disk whose power is cut, and what may be left of it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobctl.errors import StoreError
from jobctl.stores.directory import lines
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.stepping import State, models
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
from tests.helpers import make_job, put

#: Is told "+" when a step has succeeded, and "-" when one has failed.
Tell = Callable[[bytes], object]


class Play:
    """A scenario of store_steps.py on the store in a folder."""

    def __init__(self, scenario: str) -> None:
        self.scenario = scenario
        self.expected: list[State] = []

    def prepare(self, folder: Path, scratch: Path) -> None:
        """Make what is there before, and find out what there is after each step."""
        for name, value in SCENARIOS[self.scenario].settings.items():
            module, _, variable = name.rpartition(".")
            setattr(sys.modules[module], variable, value)
        SCENARIOS[self.scenario].before(folder / "store")
        self.expected = models(folder / "store", scratch, self.scenario)
        shutil.rmtree(scratch)

    def run(self, folder: Path, tell: Tell) -> None:
        """Do it."""
        try:
            store = DirectoryStore(folder / "store")
            for _ in SCENARIOS[self.scenario].steps(store):
                tell(b"+")
        except StoreError:
            tell(b"-")

    def allowed(self, told: bytes) -> list[State]:
        """Return what may be there after that."""
        done = told.count(b"+")
        # What nobody was told of may be there or not; what was said to have failed is not.
        return self.expected[done : done + 1 + (b"-" not in told)]


class Stubborn(Play):
    """Adds, each after the other, whether or not the one before has failed.

    With `late` the disk says of one that it has failed, and has kept it all the same.
    """

    def __init__(self, late: bool = False) -> None:
        super().__init__("add")
        self._late = late

    def run(self, folder: Path, tell: Tell) -> None:
        store = DirectoryStore(folder / "store")
        if self._late:
            _fail_second_sync()
        for n in range(3):
            try:
                put(store, make_job(f"new{n}"))
            except StoreError:
                tell(b"-")
            else:
                tell(b"+")

    def allowed(self, told: bytes) -> list[State]:
        there = {**self.expected[0]}
        for n, one in enumerate(told):
            if one == ord("+"):
                there[f"new{n}"] = ("pending", 1)
        return [there, {**there, f"new{len(told)}": ("pending", 1)}][
            : 2 if len(told) < 3 else 1
        ]


def _fail_second_sync() -> None:
    real, count = os.fdatasync, 0

    def fdatasync(fd: Any) -> None:
        nonlocal count
        count += 1
        real(fd)
        if count == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    os.fdatasync = fdatasync


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


SCENARIOS["after a torn write"] = Scenario(add, _torn)
SCENARIOS["forget"] = Scenario(_forget, waiting, {SEGMENT: SMALL})

PLAYS: dict[str, Play] = {
    **{name: Play(name) for name in SCENARIOS},
    "stubborn": Stubborn(),
    "told it failed": Stubborn(late=True),
}
