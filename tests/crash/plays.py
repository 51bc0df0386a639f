"""What is played on a disk whose power is cut, and what may be left of it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobctl.errors import StoreError, StoreUnwritable
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.stepping import State, models, state
from tests.crash.store_steps import SCENARIOS, settle_in
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
        settle_in(self.scenario)
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

    def look_read_only(self, folder: Path) -> State | None:
        """Return what is seen on a disk that cannot be written; None if nothing can be."""
        with suppress(StoreUnwritable):  # a store that was not made yet
            return state(DirectoryStore(folder / "store")) or None
        return None

    def look(self, folder: Path, copy: Path) -> State:
        """Return what is seen, again, without the index, and after more was added.

        In the copy nobody has looked before something is added.
        """
        path = folder / "store"
        store = DirectoryStore(path)
        found = state(store)
        version = store.version()
        store.close()
        again = DirectoryStore(path)
        assert state(again) == found, "opened again it is another"
        assert again.version() == version, "opening it again has written"
        again.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}/index.sqlite{suffix}").unlink(missing_ok=True)
        store = DirectoryStore(path)
        assert state(store) == found, "an index made anew says something else"
        _go_on(store, found, "after looks")
        _go_on(DirectoryStore(copy / "store"), found, "at once")
        return found


def _go_on(store: DirectoryStore, found: State, when: str) -> None:
    # As long as the lines of the scenarios: one may take the very place of one that is lost.
    put(store, make_job("next", data={"fill": "x" * 40}))
    left = state(store)
    assert left == {**found, "next": ("pending", 1)}, f"an add {when} leaves {left}"
    store.close()


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
        if len(told) == 3:
            return [there]
        return [there, {**there, f"new{len(told)}": ("pending", 1)}]


def _fail_second_sync() -> None:
    real, count = os.fdatasync, 0

    def fdatasync(fd: Any) -> None:
        nonlocal count
        count += 1
        real(fd)
        if count == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    os.fdatasync = fdatasync
