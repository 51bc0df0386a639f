"""What a tool's script says of the tool; what is done with it is the same for all."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import running

#: A job's data.
Work = dict[str, Any]


class NotThereError(Exception):
    """The tool has no such thing: no figure, and no fault."""


class Peer(ABC):
    """A tool at one of its settings, with all that it keeps in a folder."""

    def __init__(self, setting: str, folder: Path) -> None:
        self.setting = setting
        self.folder = folder
        #: The server that `serve` started, if the tool has one.
        self.server: int | None = None

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Run what the tool needs beside its workers. Most file-based ones need nothing."""
        yield

    @abstractmethod
    def open(self) -> None:
        """Connect. Each process does so once, before it is timed."""

    @abstractmethod
    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        """Add one job; when this returns it is as durable as the setting makes it."""

    def add_each(self, jobs: Sequence[Work], took: list[float]) -> None:
        """Add jobs one at a time, and say of each how many seconds it took."""
        for job in jobs:
            start = time.perf_counter()
            self.add(job)
            took.append(time.perf_counter() - start)

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        """Add many jobs the fastest way that the tool has. Raises NotThereError."""
        raise NotThereError("no bulk add")

    @abstractmethod
    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        """Return the command lines that run so many jobs at once. Raises NotThereError."""

    def add_commands(self, line: Sequence[str], count: int) -> None:
        """Add jobs that are a command line each. Raises NotThereError."""
        raise NotThereError("it runs no commands")

    @contextmanager
    def commands_run(self) -> Iterator[None]:
        """Have what add_commands added run, two at once."""
        with running(self.workers(2), self.folder / "worker.log"):
            yield

    def no_coroutines(self, asynchronous: bool) -> None:
        """Raise NotThereError if a coroutine is asked for: this tool runs functions alone."""
        if asynchronous:
            raise NotThereError("it runs no coroutines")

    def all_ended(self) -> bool:
        """Return whether the tool has taken down that all jobs ended, if it can be told."""
        return True

    def settled(self) -> float:
        """Return when (monotonic) the last change became durable, 0 if it cannot be told."""
        return 0.0

    def must_be(self, what: str, found: object, wanted: object) -> None:
        """Raise ValueError if a setting is not in force: that it was asked for is no proof."""
        if found != wanted:
            raise ValueError(f"{what} is {found!r}, not {wanted!r}: the figures would lie")
